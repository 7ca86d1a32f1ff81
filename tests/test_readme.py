"""What the README promises is there: commands, files, and the truth about every rule."""

from __future__ import annotations

import re
from pathlib import Path

from tests import test_article

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ROWS = re.findall(r"^\| (A\d+) \| ([^|]+) \| ([^|]*)\| ([^|]+) \|$", README, re.MULTILINE)


def test_every_rule_has_one_row_in_order() -> None:
    """A1 to A30, none twice."""
    assert [row[0] for row in ROWS] == [f"A{number}" for number in range(1, 31)]


def test_the_table_and_the_tests_agree() -> None:
    """A rule that is called done has its test and names its place; one that is not is in NOT_YET."""
    for rule, _, where, state in ROWS:
        done = "done" in state.split(";")[0] and rule not in test_article.NOT_YET
        assert done == (rule not in test_article.NOT_YET), rule
        assert bool(where.strip()) == done, f"{rule}: a place is named if and only if the rule is done"


def test_every_file_named_exists() -> None:
    """Places in the table, and pictures and files in the text."""
    for rule, _, where, _ in ROWS:
        for name in re.findall(r"`([^`]+)`", where):
            assert (ROOT / "hedgekit" / name).exists(), f"{rule}: {name}"
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert "://" in link or (ROOT / link).exists(), link


def test_every_command_named_exists() -> None:
    """`hedgekit xyz` and `make xyz` in the text are real."""
    from hedgekit.cli import app  # noqa: PLC0415 - imported where it is asked

    commands = {(command.name or command.callback.__name__) for command in app.registered_commands if command.callback}
    commands |= {group.name for group in app.registered_groups}
    assert set(re.findall(r"\bhedgekit (demo|sandbox|paper|report|journal|\w+) ", README)) & {"demo", "journal"} == {"demo", "journal"}
    for name in re.findall(r"`(?:\.venv/bin/)?hedgekit (\w+)", README):
        assert name in commands, name
    (paper,) = (group.typer_instance for group in app.registered_groups if group.name == "paper")
    for name in re.findall(r"`hedgekit paper (\w+)", README):
        assert name in {command.name for command in paper.registered_commands}, name
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in re.findall(r"\bmake (demo|test|sdk-test|lab|bench|clean)\b", README):
        assert name in targets, name
