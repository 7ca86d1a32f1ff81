"""What the tests of the paper desk share: a panel's cell, its words on the page, and what must be true of a session afterwards."""

from __future__ import annotations

from itertools import pairwise

from hedgekit import desk
from hedgekit.desk import PaperSession
from hedgekit.replay import replay
from hedgekit.types import Decision, Fill, Quote
from tests.lab import Lab, LabPage, wait_for

SPEED = 20.0

CELL = """
from hedgekit import Params, SyntheticMarket
from hedgekit.widgets import PaperDesk
params = Params.make(bar_s=1, bar_offset_s=0.5, fit_bars=60, refit_bars=200, evidence_override="A test on a planted market.")
panel = PaperDesk(SyntheticMarket(rows=6_000, seed=3), params, speed={speed}, account={account!r})
panel
"""

BARS = "[...Bokeh.documents.at(-1)._all_models.values()].find(m => m.name === 'bars')"
COUNT = f"(window.Bokeh?.documents?.length ? {BARS}.get_length() : 0)"
FIRST = f"{BARS}.data.ts[0]"


def cell(account: str, speed: float = SPEED) -> str:
    """Return the cell that shows a panel on an account."""
    return CELL.format(account=account, speed=speed)


def session(lab: Lab, account: str) -> PaperSession:
    """Return the session that has an account."""
    found = desk.current(account, folder=lab.home)
    assert found is not None
    return found


def started(page: LabPage, lab: Lab, account: str) -> PaperSession:
    """Run the cells, click Start, and wait until the chart moves."""
    page.run_all()
    page.click("Start")
    page.until(f"{COUNT} > 10")
    return session(lab, account)


def says(page: LabPage, words: str, *, cell: int = 0) -> None:
    """Wait until these words stand in a cell's output."""
    page.until(f"document.querySelectorAll('.jp-Notebook .jp-Cell')[{cell}].innerText.includes({words!r})")


def watch(page: LabPage) -> None:
    """Keep everything that stands in the first cell's output from now on."""
    page.js("window.hkSeen = new Set(); setInterval(() => hkSeen.add(document.querySelector('.jp-OutputArea').innerText), 50); 0")


def said(page: LabPage, words: str) -> None:
    """Wait until these words have stood there since :func:`watch`, if only for a moment."""
    page.until(f"[...hkSeen].some(text => text.includes({words!r}))")


def matches(page: LabPage, pattern: str) -> None:
    """Wait until a pattern stands on the panel."""
    page.until(f"/{pattern}/.test(document.querySelector('.jp-OutputArea').innerText)")


def sure(page: LabPage, label: str) -> None:
    """Click a button that asks again, and say yes."""
    page.click(label)
    page.click(f"Yes, {label.lower()}")


def unfold(page: LabPage, title: str) -> None:
    """Open one of the parts below the tables."""
    page.page.locator(".jupyter-widget-Collapse-header", has_text=title).first.click()


def holds(of: PaperSession) -> bool:
    """Whether both legs are held."""
    with of.journal() as journal:
        return all(journal.ledger().positions.values())


def events(of: PaperSession) -> int:
    """Return how many records its journal has."""
    with of.journal() as journal:
        return journal.count


def goes_on(of: PaperSession) -> None:
    """Wait until the session has written more."""
    before = events(of)
    wait_for(lambda: events(of) > before + 20, 20, what="the session goes on")


def sound(of: PaperSession, *, whole: bool = True) -> None:
    """Check a journal: its chain, no row of the market missed (if ``whole``), no order or fill twice, and its replay decides alike."""
    with of.journal() as journal:
        journal.verify()
        records = list(journal.records())
    stamps = sorted({record.venue_ns for record in records if isinstance(record, Quote)})
    assert not whole or {late - early for early, late in pairwise(stamps)} == {10**9}
    orders = [order.order_id for record in records if isinstance(record, Decision) for order in record.orders]
    assert len(orders) == len(set(orders)), "nothing is ordered twice"
    fills = [record.key for record in records if isinstance(record, Fill)]
    assert len(fills) == len(set(fills)), "nothing is filled twice"
    assert replay(records).decisions > 0
