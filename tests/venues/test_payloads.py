"""The table of ``payloads/README.md`` says of every fixture where it comes from, once, in one of three words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hedgekit.venues import CLIENTS

PAYLOADS = Path(__file__).parent / "payloads"
ROW = re.compile(r"^\| `(?P<file>[^`]+)` \| (?P<kind>[^|]+) \| (?P<source>[^|]+?) *\|$", re.MULTILINE)
KINDS = {"*recorded*", "*documented*", "*constructed*"}


def table(text: str) -> list[tuple[str, str, str]]:
    """Return file, kind and source of each row."""
    return [match.group("file", "kind", "source") for match in ROW.finditer(text)]


def problems(rows: list[tuple[str, str, str]], files: set[str]) -> list[str]:
    """Return what is wrong with a table of files."""
    named = [file for file, _, _ in rows]
    told = [f"{file} is not in the table" for file in sorted(files - set(named))]
    told += [f"{file} is in the table, and nowhere else" for file in sorted(set(named) - files)]
    told += [f"{file} is in the table twice" for file in sorted({file for file in named if named.count(file) > 1})]
    return told + [f"{file} is {kind}, from {source!r}" for file, kind, source in rows if kind not in KINDS or len(source.strip()) < 2]


def test_every_payload_has_its_source() -> None:
    files = {path.name for path in PAYLOADS.iterdir()} - {"README.md"}
    assert problems(table((PAYLOADS / "README.md").read_text()), files) == []
    assert {name.partition("_")[0].upper() for name in files} == set(CLIENTS)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("| `b.json` | *documented* | a page |", "a.json is not in the table"),
        ("| `a.json` | *documented* | a page |\n| `c.json` | *documented* | a page |", "c.json is in the table, and nowhere else"),
        ("| `a.json` | *documented* | a page |\n| `a.json` | *recorded* | a page |", "a.json is in the table twice"),
        ("| `a.json` | *guessed* | a page |", "a.json is *guessed*, from 'a page'"),
        ("| `a.json` | *recorded* |   |", "a.json is *recorded*, from ' '"),
    ],
)
def test_what_is_wrong_with_a_table_is_found(row: str, found: str) -> None:
    assert found in problems(table(row), {"a.json"})
