"""The revalidation report: planted truths through papermill, the page in a browser without a network, and the plan file it leaves."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hedgekit.cli import app
from hedgekit.errors import ConfigError, DataError
from hedgekit.plans import PlanFile
from hedgekit.report import ReportRun, decided, notebook_of, revalidation, run_notebook, runs, write_index
from hedgekit.report.parameters import checked
from hedgekit.trials import data_digest
from tests.browser import OfflinePage
from tests.report import revalued
from tests.report.test_page import INK

PLOTS = 3


@pytest.fixture(scope="module")
def refitted(tmp_path_factory: pytest.TempPathFactory) -> ReportRun:
    """Return the report of the market whose ratio became another, with its PDF."""
    folder = tmp_path_factory.mktemp("revalued")
    given = revalued.write(folder, "refit") | {"save": str(folder / "kept" / "plan.json")}
    return run_notebook("revalidation", given, folder / "reports", "refit", pdf=True, progress=False)


@pytest.mark.parametrize("case", list(revalued.CASES))
def test_planted_truths_are_decided_as_they_are(tmp_path: Path, case: str) -> None:
    c = revalidation.load(**revalued.write(tmp_path, case))
    assert c.found.decision == c.file.decision == case
    assert f'<span class="word">{case.upper()}</span>' in decided.head(c).data
    new = PlanFile.decode(c.file.encode())
    assert new.instruments == ("FILE:P", "FILE:H")
    assert new.decided_at_ns == int(revalued.DAYS[-1].as_unit("ns").value)
    assert new.data == data_digest(c.prices)
    assert (new.plan is None) == (case == "retire")
    if case == "keep":
        assert new.plan is not None
        assert new.plan.ratio == c.plan.ratio
    if case == "refit":
        low, high = c.found.fit.interval()
        assert low <= revalued.NEW_RATIO <= high
        assert new.plan is not None
        assert new.plan.ratio == c.found.fit.ratio


def test_the_ratio_over_time_ends_with_the_fit_and_lies_in_its_interval(tmp_path: Path) -> None:
    c = revalidation.load(**revalued.write(tmp_path, "refit"))
    path = revalidation.paths(c)
    fit = c.found.fit
    assert path["rolling"].iloc[-1] == pytest.approx(fit.ratio, rel=1e-9)
    whole = path.dropna()
    assert (whole["low"] < whole["rolling"]).all()
    assert (whole["rolling"] < whole["high"]).all()
    moves = np.diff(np.log(c.prices.to_numpy()), axis=0)
    assert path["expanding"].iloc[-1] == pytest.approx(np.polyfit(moves[:, 1], moves[:, 0], 1)[0], rel=1e-9)
    assert c.since.index[0] == revalued.DAYS[revalued.MADE - 1]
    assert len(c.before) == c.plan.n + 1
    assert c.before.index[-1] == c.since.index[0]


def test_a_run_leaves_the_plan_file_beside_the_page(refitted: ReportRun) -> None:
    assert refitted.path_plan == refitted.folder / "plan.json"
    file = PlanFile.load(refitted.folder / "plan.json")
    figures = refitted.metrics["figures"]
    assert (file.decision, file.checksum, file.data) == ("refit", figures["plan"], figures["digest"])
    assert figures["ratio_lower"] <= revalued.NEW_RATIO <= figures["ratio_upper"]
    assert "plan" not in refitted.metrics
    assert PlanFile.load(refitted.folder.parents[1] / "kept" / "plan.json") == file
    row = runs(refitted.folder.parent).iloc[0]
    assert (row["kind"], row["decision"], row["ratio"]) == ("revalidation", "refit", figures["ratio"])
    index = write_index(refitted.folder.parent).read_text(encoding="utf-8")
    assert '<span class="hk-chip tell">REFIT</span>' in index, "the decision, not that the run is done"
    assert '<option value="REFIT">' in index


def test_every_plot_is_painted_offline_and_the_mathematics_is_drawn(refitted: ReportRun, offline_page: OfflinePage) -> None:
    page, requests, errors = offline_page
    page.goto(refitted.path_html.as_uri())
    end = time.monotonic() + 30
    while page.evaluate("window.Bokeh ? [...Bokeh.index].filter(view => view.is_idle).length : 0") < PLOTS:
        assert time.monotonic() < end, "the plots did not come to rest"
        page.wait_for_timeout(100)
    assert (requests, errors) == ([], [])
    ink = [max(plot) for plot in page.evaluate(INK)]
    assert len(ink) == PLOTS
    assert min(ink) > 1_000
    assert page.evaluate("[...document.querySelectorAll('math')].filter(m => m.getBoundingClientRect().width > 40).length") == 2
    assert "$" not in page.evaluate("[...document.querySelectorAll('main > div p')].map(p => p.innerText).join(' ')").replace("$ of", "")
    text = page.inner_text("main")
    assert "REFIT" in text
    assert "Replace 0.886 by 1.237" in text
    assert repr(PlanFile.load(refitted.folder / "plan.json").plan.ratio) in text  # type: ignore[union-attr] - it is a refit
    assert page.locator(".output_stderr, .output_error").count() == 0


def test_the_page_does_not_overflow_a_phone(refitted: ReportRun, offline_page: OfflinePage) -> None:
    offline_page.page.set_viewport_size({"width": 400, "height": 800})
    offline_page.page.goto(refitted.path_html.as_uri())
    assert offline_page.page.evaluate("document.documentElement.scrollWidth") <= 400


def test_it_is_printed(refitted: ReportRun) -> None:
    assert refitted.path_pdf is not None
    assert refitted.path_pdf.read_bytes()[:5] == b"%PDF-"
    assert refitted.path_pdf.stat().st_size > 30_000


def test_a_session_is_revalidated_from_its_journal(journal: Path, tmp_path: Path) -> None:
    c = revalidation.load(journal, "made")
    assert c.keys == ("ALPACA:KO", "ALPACA:PEP")
    assert c.origin == "newest of 14 plans in session made"
    assert len(c.since) - 1 == 25
    assert c.found.decision == c.file.decision
    told = CliRunner().invoke(app, ["report", "run", "revalidation", "-p", "journal", str(journal), "--out", str(tmp_path), "--name", "r"])
    assert told.exit_code == 0, told.output
    assert f"plan: {tmp_path / 'r' / 'plan.json'}: {c.file.text()}" in told.output.replace("\n", "")


def test_what_cannot_be_revalidated_is_refused_with_the_fix(journal: Path, tmp_path: Path) -> None:
    given = revalued.write(tmp_path, "keep")
    with pytest.raises(ConfigError, match=r"give a journal .* or a plan file and prices"):
        revalidation.load(plan=given["plan"])
    with pytest.raises(ConfigError, match="is of FILE:P and FILE:H; the session trades ALPACA:KO and ALPACA:PEP"):
        revalidation.load(journal, "made", plan=given["plan"])
    head, *rows = Path(given["prices"]).read_text().splitlines()
    (tmp_path / "short.csv").write_text("\n".join([head, *rows[490:]]))
    with pytest.raises(DataError, match="load history from its own window on"):
        revalidation.load(prices=tmp_path / "short.csv", plan=given["plan"])
    c = revalidation.load(**revalued.write(tmp_path, "retire"))
    gone = c.file.save(tmp_path / "gone.json")
    with pytest.raises(ConfigError, match="retired the pair: there is no plan in force"):
        revalidation.load(prices=given["prices"], plan=gone)


def test_a_plan_whose_own_test_fails_says_what_a_session_does_with_it(tmp_path: Path) -> None:
    c = revalidation.load(**revalued.write(tmp_path, "keep"))
    assert c.plan.evidence.p_value is not None
    for alpha, doubt in ((c.plan.evidence.p_value / 2, True), (c.plan.evidence.p_value * 1.01, False)):
        html = decided.NewPlan(_at(c, alpha))._html()
        assert ("opens no trade on it" in html) is doubt


def _at(c: revalidation.Case, alpha: float) -> revalidation.Case:
    return revalidation.Case(c.name, c.keys, c.prices, c.plan, c.origin, c.found, c.file, c.options, alpha)


def test_a_journal_is_not_asked_for_where_there_is_none(tmp_path: Path) -> None:
    given = revalued.write(tmp_path, "keep")
    assert checked(notebook_of("revalidation"), given) == given
