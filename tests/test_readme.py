"""What the README promises is there: commands, files, and the truth about every rule."""

from __future__ import annotations

import re
from pathlib import Path

from tests import test_article

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TASKS = (ROOT / "docs" / "tasks.md").read_text()
ROWS = re.findall(r"^\| (A\d+) \| ([^|]+) \| ([^|]*)\| ([^|]+) \|$", README, re.MULTILINE)


def test_the_table_and_the_tests_agree() -> None:
    """Every rule has its test (test_article says so), is called done, and names its place."""
    assert [row[0] for row in ROWS] == test_article.RULES
    for rule, _, where, state in ROWS:
        assert "done" in state.split(";")[0], rule
        assert where.strip(), rule


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
    named = set(re.findall(r"`(?:\.venv/bin/)?hedgekit (\w+)", README + TASKS))
    assert {"demo", "journal"} <= named <= commands
    (paper,) = (group.typer_instance for group in app.registered_groups if group.name == "paper")
    for name in re.findall(r"`hedgekit paper (\w+)", README + TASKS):
        assert name in {command.name for command in paper.registered_commands}, name
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in re.findall(r"\bmake (demo|test|sdk-test|chaos|lab|bench|clean)\b", README + TASKS):
        assert name in targets, name
