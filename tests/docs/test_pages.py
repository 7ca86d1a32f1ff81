"""The documentation is built without a warning, asks for nothing over the network, and prints what it says it prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, pages, plain, printed

SITE = [page for page in pages() if page.name != "README.md"]


@pytest.mark.parametrize("page", SITE, ids=lambda page: page.stem)
def test_every_block_runs_and_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    found = blocks(page.read_text())
    for block, said in zip(found, printed(found, tmp_path) if found else [], strict=True):
        assert block.says is None or plain(said) == plain(block.says), block.code


def test_no_block_is_of_a_kind_that_is_not_run() -> None:
    """A block that nobody runs is text, and says so; directives are the site's own."""
    for page in SITE:
        kinds = set(re.findall(r"^```(\S+)$", page.read_text(), re.MULTILINE))
        assert {kind for kind in kinds if not kind.startswith("{")} <= {"python", "sh", "text"}, page.name


def test_a_wrong_page_is_found(tmp_path: Path) -> None:
    wrong = blocks("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n")
    assert plain(printed(wrong, tmp_path)[0]) != plain(wrong[0].says or "")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        printed(blocks("```python\n1 / 0\n```\n"), tmp_path)


def test_the_site_is_built_without_a_warning_and_asks_for_nothing(tmp_path: Path) -> None:
    """Links between pages and into the code are checked by Sphinx; -W makes a warning an error."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for page in (tmp_path / "site").glob("**/*.html"):
        asked = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*", page.read_text())
        assert not asked, f"{page.name}: {asked}"
