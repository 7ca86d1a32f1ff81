"""All runs together: the frame, and the page over them, from disk in a browser without a network."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hedgekit.errors import ConfigError
from hedgekit.report import ReportRun, runs, write_index
from hedgekit.report.process import _by_ps, birth
from tests.browser import OfflinePage

HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>'

FEW = (700, 10)
"""Runs of another venue among a thousand."""
LAID_OUT = "[...document.querySelectorAll('table.runs tbody tr')].map(row => row.checkVisibility({contentVisibilityAuto: true}))"


def planted(out: Path, name: str, report: ReportRun, *, told: dict[str, Any] | None = None, **figures: Any) -> Path:
    """Copy a real run's words under another name, with other figures."""
    folder = out / name
    folder.mkdir(parents=True)
    own = json.loads((report.folder / "run.json").read_text()) | {"run": name} | (told or {})
    (folder / "run.json").write_text(json.dumps(own))
    if own["status"] == "completed":
        metrics = json.loads(report.path_metrics.read_text())
        metrics["figures"] |= figures
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "report.html").write_text("page")
    return folder


@pytest.fixture(scope="module")
def out(report: ReportRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shelf")
    planted(out, "good", report, told={"started": "2026-11-02T10:00:00+00:00"}, verdict="PASS", venue="KALSHI", A27=0.31)
    planted(out, "hostile", report, told={"started": "2026-11-03T10:00:00+00:00"}, primary=HOSTILE, strategy=HOSTILE)
    late = {"status": "timed out", "error": f"ran out of time {HOSTILE}", "started": "2026-11-04T10:00:00+00:00"}
    planted(out, "late", report, told=late)
    gone = {"status": "running", "started": "2026-11-05T10:00:00+00:00", "host": platform.node(), "pid": 2**22 + 1}
    planted(out, "gone", report, told=gone)
    live = {"status": "running", "started": "2026-11-01T10:00:00+00:00", "host": platform.node(), "pid": os.getpid()}
    planted(out / "deeper", "live", report, told=live | {"born": birth(os.getpid())})
    planted(out, "reused", report, told=live | {"born": f"{birth(os.getpid())}0", "started": "2026-10-01T10:00:00+00:00"})
    (out / "torn").mkdir()
    (out / "torn" / "run.json").write_text('{"run": ')
    return out


def test_one_frame_of_all_metrics_over_all_runs(out: Path, report: ReportRun) -> None:
    frame = runs(out).set_index("run")
    assert list(frame.index) == ["gone", "late", "hostile", "good", "live", "reused", "torn"]
    assert list(frame["status"]) == ["killed", "timed out", "completed", "completed", "running", "killed", "failed"]
    good = frame.loc["good"]
    summary = report.summary
    assert (good["A27"], good["verdict"], good["trades"], good["session"]) == (0.31, "PASS", summary.trades, "made")
    assert good["pnl_hedged"] == pytest.approx(summary.hedged.pnl)
    for gauge in summary.gauges:
        assert frame.loc["hostile", f"{gauge.rule}_result"] == gauge.result
        assert frame.loc["hostile", gauge.rule] == pytest.approx(gauge.value, nan_ok=True)
    assert good["ratio_lower"] < good["ratio"] < good["ratio_upper"]
    assert good["param_session"] == "made"
    assert frame["started"].dt.tz is not None
    assert frame.loc[["late", "gone"], "A27"].isna().all()
    assert runs(out / "good").empty


def test_the_index_shows_every_run_and_filters(out: Path, offline_page: OfflinePage) -> None:
    page, requests, errors = offline_page
    page.goto(write_index(out).as_uri())
    rows = page.locator("table.runs tbody tr")
    assert rows.count() == 7
    text = page.inner_text("table.runs tbody")
    assert all(word in text for word in ("KILLED", "TIMED OUT", "RUNNING", "PASS", "cannot be read"))
    red = page.locator("table.runs .hk-chip.fail").all_inner_texts()
    assert {"KILLED", "TIMED OUT", "FAILED"} <= set(red) <= {"KILLED", "TIMED OUT", "FAILED", "FAIL"}
    assert page.locator("svg.hk-spark path.h").count() == 2
    assert page.locator("svg.hk-trend").count() == 7
    assert page.locator(".hk-trends figure:last-child g path").count() == 2  # the ratio's intervals
    page.select_option("select[data-f=venue]", "KALSHI")
    shown = [row.is_visible() for row in (rows.nth(n) for n in range(7))]
    assert shown == [False, False, False, True, False, False, False]
    assert page.inner_text("#shown") == "1"
    assert page.locator(".hk-trends figure:first-child g:visible").count() == 1
    page.click("table.runs tr:has-text('KALSHI') td a:text('page')")
    assert page.url.endswith("good/report.html")
    assert (requests, errors) == ([], [])


def test_names_with_markup_are_text(out: Path, offline_page: OfflinePage) -> None:
    page, requests, errors = offline_page
    page.goto(write_index(out).as_uri())
    assert page.title() == "Reports"
    assert page.locator("td:has-text('<script>document.title')").count() >= 2
    assert page.locator("img").count() == 0
    assert (requests, errors) == ([], [])


def test_a_thousand_runs_fit(report: ReportRun, tmp_path: Path, offline_page: OfflinePage) -> None:
    draw = np.random.default_rng(5)
    metrics, told = (json.loads((report.folder / name).read_text()) for name in ("metrics.json", "run.json"))
    for n in range(1_000):
        folder = tmp_path / f"session-demo-ko-pep-{n:04d}-20261129T031500Z"
        folder.mkdir()
        metrics["curves"] = {name: draw.uniform(-1e5, 1e5, 40).round(2).tolist() for name in ("hedged", "unhedged", "drawdown")}
        metrics["figures"]["venue"] = "KALSHI" if n in FEW else "ALPACA"
        (folder / "metrics.json").write_text(json.dumps(metrics))
        lost = {"status": "failed", "error": "its kernel died"} if n == 940 else {}
        (folder / "run.json").write_text(json.dumps(told | {"run": folder.name} | lost))
        for name in ("report.html", "report.ipynb", "report.pdf"):
            (folder / name).touch()
    path = write_index(tmp_path)
    assert path.stat().st_size < 3_000_000
    page, requests, errors = offline_page
    page.goto(path.as_uri())
    assert page.locator("table.runs tbody tr").count() == 1_000
    laid_out = page.evaluate(LAID_OUT)
    assert laid_out[0]
    assert sum(laid_out) < 200  # what is far from view costs nothing to open
    heads = "[...document.querySelectorAll('section.runs:not([hidden]) thead')].map(head => getComputedStyle(head).position)"
    assert page.evaluate(heads) == ["static", *["absolute"] * 24]
    page.locator("tr:has-text('0050-2026')").scroll_into_view_if_needed()
    edges = "[...document.querySelectorAll('section.runs')].map(s => [...s.querySelectorAll('tr:last-child td')].map(td => td.offsetLeft))"
    first, *_, last = page.evaluate(edges)
    assert first == last  # the columns of all tables are one
    assert len(first) == 16
    page.select_option("select[data-f=venue]", "KALSHI")
    assert [text[:28] for text in page.locator("table.runs tbody tr:visible td:nth-child(2)").all_inner_texts()] == [
        f"session-demo-ko-pep-{n:04d}-202"[:28] for n in FEW
    ]
    assert page.evaluate(heads) == ["static", "absolute"]
    page.select_option("select[data-f=venue]", "")
    page.emulate_media(media="print")
    assert all(page.evaluate(LAID_OUT))
    assert page.evaluate(heads) == ["static"] * 25
    assert (requests, errors) == ([], [])
    shutil.rmtree(tmp_path)


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        write_index(tmp_path / "none")


@pytest.mark.parametrize("asked", [birth, _by_ps])
def test_a_process_is_known_by_more_than_its_number(asked: Callable[[int], str]) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    own, other = asked(os.getppid()), asked(process.pid)
    assert own == asked(os.getppid()) != ""
    assert other not in {"", own}
    assert process.stdin is not None
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert asked(process.pid) == ""  # ended, though nobody has asked how
    process.wait()
    assert asked(process.pid) == asked(2**22 + 1) == asked(-1) == ""
