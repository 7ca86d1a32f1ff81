"""A session that took a plan file in flight, archived and pruned: replayed and reported from its archive as from its journal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from hedgekit.errors import JournalError
from hedgekit.journal import Journal, sessions
from hedgekit.plans import PlanFile
from hedgekit.replay import replay
from hedgekit.report import load, run_report
from hedgekit.types import NS, Evidence, HedgePlan, PlanRevised
from tests.report import made

DAY = 86_400 * NS
AT, RATIO = 200, 0.25


@pytest.fixture(scope="module")
def file() -> PlanFile:
    """Return a plan that a person gives at bar 200: a quarter of a dollar for each dollar, for 100 days."""
    at = int(made.MARKET.tape().ts_ns[AT]) - 5 * DAY
    plan = HedgePlan(
        ratio=RATIO,
        stderr=0.02,
        n=250,
        method="by hand",
        fitted_at_ns=at,
        valid_until_ns=at + 100 * DAY,
        evidence=Evidence("by hand", -4.0, 0.01, 250),
    )
    pair = tuple(instrument.key for instrument in made.MARKET.tape().instruments)
    return PlanFile(instruments=pair, decision="refit", reasons=("for the test",), decided_at_ns=at, data="0" * 64, plan=plan)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory, file: PlanFile) -> Path:
    return made.write(tmp_path_factory.mktemp("planned") / "journal.db", given=(AT, file))


def hedgekit(*words: object) -> str:
    done = subprocess.run([sys.executable, "-m", "hedgekit", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_session_with_a_plan_file_replays_and_its_page_says_where_the_ratio_came_from(journal: Path, file: PlanFile) -> None:
    with Journal.open(journal, "made", mode="read") as book:
        found = list(book.records())
        held = [row.ratio for row in book.decisions().itertuples() if row.ratio == RATIO]
    assert held, "it was traded by"
    assert replay(found).decisions > 0
    read = load(journal, "made")
    assert [(plan.source, plan.plan) for plan in read.given] == [(file.checksum, file.plan)]
    other = [
        record if not (isinstance(record, PlanRevised) and record.source) else PlanRevised(ts_ns=record.ts_ns, plan=found_plan(found))
        for record in found
    ]
    with pytest.raises(JournalError, match="replay differs"):
        replay(other)  # by another ratio it decides otherwise, so the replay above did go by the file's


def found_plan(records: list[object]) -> HedgePlan:
    return next(record.plan for record in records if isinstance(record, PlanRevised) and not record.source)


def test_archived_and_pruned_it_reports_the_same(journal: Path, file: PlanFile, tmp_path: Path) -> None:
    before = run_report(journal, "made", tmp_path / "before", "made", progress=False)
    hedgekit("journal", "archive", journal, tmp_path / "kept")
    folder = tmp_path / "kept" / "made"
    hedgekit("journal", "prune", journal, folder, "--yes")
    assert [info.session for info in sessions(str(journal))] == []
    said = hedgekit("report", "run", "session", "-p", "journal", folder, "--out", tmp_path / "after", "--name", "made")
    after = tmp_path / "after" / "made"
    assert (after / "metrics.json").read_text() == before.path_metrics.read_text()
    figures = json.loads((after / "metrics.json").read_text())["figures"]
    assert figures["replay_identical"] is True
    assert before.text == before.summary.text()
    assert said.startswith(before.text)
    text = BeautifulSoup((after / "report.html").read_text(), "html.parser").main.get_text(" ", strip=True)  # type: ignore[union-attr]
    assert "all " in text
    assert "identical, bit for bit" in text
    assert "command: plan" in text
    assert f"a plan file gave the hedge ratio: {RATIO}" in text
    assert file.checksum in text
    pages = [nbformat.read(path, as_version=4) for path in (before.path_ipynb, after / "report.ipynb")]
    shown = [[words(cell) for cell in page.cells if cell.cell_type == "code"][1:] for page in pages]
    assert shown[0] == shown[1]


def words(cell: nbformat.NotebookNode) -> list[str]:
    """Return what a cell shows, without the names of plots' places and with the parameters left out."""
    return [output.data.get("text/html", "") for output in cell.outputs if "data" in output and "hk-plot" not in str(output.data)]
