"""What an error asks of who mistyped a name."""

from __future__ import annotations

import re
from pathlib import Path

import hedgekit
from hedgekit.errors import meant


def test_the_nearest_is_asked_for_and_else_what_there_is_is_said() -> None:
    assert meant("entri", ["exit", "entry", "stop"]) == "did you mean 'entry'?"
    assert meant("XNYZ", ["XNYS", "XNYX", "ABCD"], most=2) == "did you mean 'XNYX' or 'XNYS'?"
    assert meant("zzz", ["entry"], "known: entry") == "known: entry"
    assert meant("zzz", ["entry"]) == ""


def test_it_is_asked_in_one_place() -> None:
    package = Path(hedgekit.__file__).parent
    told = [path for path in package.rglob("*.py") if re.search(r"get_close_matches", path.read_text(encoding="utf-8"))]
    assert told == [package / "errors.py"]
