"""CONTRIBUTING.md's example of a venue is the code as it is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from hedgekit.sandbox.skin import Skin
from hedgekit.types import Venue
from tests.sdk.__main__ import SDKS
from tests.venues import test_contract

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
VENUE = TEXT.partition("## Add a venue")[2].partition("## Add a hedge")[0]


def words(text: str) -> set[str]:
    """Return what stands between backquotes."""
    return set(re.findall(r"`([^`\n]+)`", text))


def test_files_that_are_named_are_there() -> None:
    named = {word for word in words(VENUE) if re.fullmatch(r"(?:hedgekit|tests)/[\w./-]+", word)}
    assert len(named) > 10
    assert not [name for name in named if not (ROOT / name).exists()]
    assert {name for name in words(VENUE) if re.fullmatch(r"\w+\.py", name)} == {
        file.name for file in (ROOT / "hedgekit/venues/alpaca").glob("*.py")
    }


def test_all_that_a_client_and_a_skin_must_have_is_named() -> None:
    client = {name for name, _ in inspect.getmembers(Venue, callable) if not name.startswith("_")} | set(Venue.__annotations__)
    assert client | Skin.__abstractmethods__ <= words(VENUE)


def test_the_test_class_is_the_one_that_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", VENUE, re.DOTALL)
    assert block.strip() == inspect.getsource(test_contract.TestAlpaca).strip()


def test_each_venue_has_a_judge() -> None:
    for venue in SDKS:
        assert (ROOT / "tests/sdk" / f"{venue}_judge.py").is_file()
        assert (ROOT / "tests/sdk" / f"requirements-{venue}.txt").is_file()
