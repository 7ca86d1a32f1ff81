"""The paper desk in a real JupyterLab: what a click does, and that nothing on the notebook's side disturbs the trading."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from hedgekit import desk
from hedgekit.desk import PaperSession, State
from hedgekit.types import Quote
from tests.lab import Lab, LabPage, wait_for

SPEED = 20.0

CELL = """
from hedgekit import Params, SyntheticMarket
from hedgekit.widgets import PaperDesk
params = Params.make(bar_s=1, bar_offset_s=0.5, fit_bars=60, refit_bars=200, evidence_override="A test on a planted market.")
panel = PaperDesk(SyntheticMarket(rows=6_000, seed=3), params, speed=20, account={account!r})
panel
"""

BARS = "[...Bokeh.documents.at(-1)._all_models.values()].find(m => m.name === 'bars')"
COUNT = f"(window.Bokeh?.documents?.length ? {BARS}.get_length() : 0)"
FIRST = f"{BARS}.data.ts[0]"


@pytest.fixture
def account(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).removeprefix("test_")[:30]


def cell(account: str) -> str:
    return CELL.format(account=account)


def session(lab: Lab, account: str) -> PaperSession:
    found = desk.current(account, folder=lab.home)
    assert found is not None
    return found


def started(page: LabPage, lab: Lab, account: str) -> PaperSession:
    """Run the cell, click Start, and wait until the chart moves."""
    page.run_all()
    page.click("Start")
    page.until(f"{COUNT} > 10")
    return session(lab, account)


def events(lab: Lab, of: PaperSession) -> int:
    with desk.attach(of.session, folder=lab.home).journal() as journal:
        return journal.count


def goes_on(lab: Lab, of: PaperSession) -> None:
    before = events(lab, of)
    wait_for(lambda: events(lab, of) > before + 20, 20, what="the session goes on")


def no_hole(of: PaperSession) -> None:
    """Every row of the market is in the journal, one second after the other."""
    with of.journal() as journal:
        journal.verify()
        stamps = sorted({record.venue_ns for record in journal.records() if isinstance(record, Quote)})
    assert {late - early for early, late in pairwise(stamps)} == {10**9}


def test_start_moves_the_chart_flatten_closes_both_legs_stop_stops(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    page = notebook([cell(account)])
    of = started(page, lab, account)
    before = int(page.js(COUNT))
    page.until(f"{COUNT} > {before + 20}")

    def held() -> bool:
        with of.journal() as journal:
            return all(journal.ledger().positions.values())

    wait_for(held, 60, what="both legs are held")
    page.click("Flatten")
    page.until("document.querySelector('.jp-OutputArea').innerText.includes('flatten: applied')")
    page.until("/phase\\s+flat, paused/.test(document.querySelector('.jp-OutputArea').innerText)")
    with of.journal() as journal:
        assert not any(journal.ledger().positions.values())
    page.click("Resume")
    page.until("!/phase\\s+\\S+ paused/.test(document.querySelector('.jp-OutputArea').innerText)")
    page.click("Stop")
    page.until("document.querySelector('.jp-OutputArea').innerText.includes('ENDED')")
    assert of.status().state is State.ENDED
    last = int(page.js(COUNT))
    page.page.wait_for_timeout(1_000)
    assert int(page.js(COUNT)) == last
    assert "slippage ($)" in page.output(0)
    no_hole(of)


def test_reload_and_second_tab_find_the_whole_history(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    page = notebook([cell(account)])
    of = started(page, lab, account)
    page.until(f"{COUNT} > 40")
    first = page.js(FIRST)
    page.save()
    page.reload()
    page.until(f"{COUNT} > 50")
    assert page.js(FIRST) == first
    other = notebook()
    other.until(f"{COUNT} > 60")
    assert other.js(FIRST) == first
    other.click("Pause")
    page.until("document.querySelector('.jp-OutputArea').innerText.includes('paused')")
    of.stop()
    page.until("document.querySelector('.jp-OutputArea').innerText.includes('ENDED')")
    other.until("document.querySelector('.jp-OutputArea').innerText.includes('ENDED')")


def test_the_cell_twice_is_one_session(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    page = notebook([cell(account), "from hedgekit import desk\ndesk.start(panel._market, params, speed=20, account=panel._account)"])
    page.run_all()
    of = session(lab, account)
    page.run_all()
    page.run_all()
    page.until(f"{COUNT} > 10")
    assert page.js("document.querySelectorAll('.hedgekit-live').length") == 1
    assert session(lab, account).session == of.session
    found = desk.sessions(folder=lab.home)
    assert list(found.loc[found["account"] == account, "session"]) == [of.session]
    of.stop()


def test_a_killed_and_a_restarted_kernel_reattach(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    page = notebook([cell(account)])
    of = started(page, lab, account)
    first = page.js(FIRST)
    page.kill_kernel()
    goes_on(lab, of)
    page.run_all()
    page.until(f"{COUNT} > 30")
    assert page.js(FIRST) == first
    page.restart_kernel()
    page.run_all()
    page.until(f"{COUNT} > 40")
    assert session(lab, account).session == of.session
    of.stop()
    page.until("document.querySelector('.jp-OutputArea').innerText.includes('ENDED')")
    no_hole(of)


def test_a_cell_that_blocks_does_not_stall_trading(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    page = notebook([cell(account), "import time\ntime.sleep(20)"])
    page.run(0)
    page.click("Start")
    page.until(f"{COUNT} > 10")
    of = session(lab, account)
    page.run(1, wait=False)
    began = time.monotonic()
    rates = []
    for _ in range(4):
        before, at = events(lab, of), time.monotonic()
        page.page.wait_for_timeout(4_000)
        rates.append((events(lab, of) - before) / (time.monotonic() - at))
    assert time.monotonic() - began < 20
    assert min(rates) > 0, "trading stood still while the cell did"  # how fast it goes is the machine's mood
    page.until(f"window.hkRan === true && {COUNT} > {int(16 * SPEED)}")
    of.stop()


def test_a_killed_session_shows_as_such_and_restarts(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    page = notebook([cell(account)])
    of = started(page, lab, account)
    page.click("Kill")
    page.until("document.querySelector('.jp-OutputArea').innerText.includes('KILLED: by SIGKILL')")
    assert of.folder.session_pid is None
    before = int(page.js(COUNT))
    page.click("Restart")
    page.until("document.querySelector('.jp-OutputArea').innerText.includes('RUNNING, restarted 1 x')")
    page.until(f"{COUNT} > {before + 20}")
    pid = of.folder.session_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    page.until("document.querySelector('.jp-OutputArea').innerText.includes('KILLED')")
    page.click("Close")
    page.until("document.querySelector('.jp-OutputArea').innerText.includes('CLOSED')")
    no_hole(of)
