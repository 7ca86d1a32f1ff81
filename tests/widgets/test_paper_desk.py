"""The paper desk in a real JupyterLab: what a click does, what is asked again, and what is on the screen then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hedgekit import SyntheticMarket, desk
from hedgekit.desk import State
from hedgekit.types import Command
from tests.desk.made import PARAMS
from tests.lab import Lab, LabPage, wait_for
from tests.widgets.desk_pages import COUNT, cell, holds, matches, said, says, sound, started, sure, unfold, watch


@pytest.fixture
def account(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).removeprefix("test_")[:30]


def test_from_start_to_stop(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    """Start moves the chart; Flatten asks again, by keyboard too, and closes both legs; Resume, Stop; the feed says why."""
    page = notebook([cell(account, 40)])
    of = started(page, lab, account)
    says(page, "RUNNING")
    wait_for(lambda: holds(of), 60, what="both legs are held")
    page.click("Flatten")
    says(page, "Close both legs now, at the market?")
    page.page.keyboard.press("Enter")  # the focus is on No
    page.until("!document.querySelector('.jp-OutputArea').innerText.includes('at the market?')")
    with of.journal() as journal:
        assert not [record for record in journal.records() if isinstance(record, Command)]
    page.page.get_by_role("button", name="Flatten", exact=True).focus()
    page.page.keyboard.press("Enter")
    says(page, "at the market?")
    page.page.keyboard.press("Shift+Tab")
    page.page.keyboard.press("Enter")
    says(page, "flatten: applied")
    matches(page, r"phase\s+flat, paused")
    for words in ("closed both legs: a person wanted it", "flatten, by a person", "z is beyond the entry level; expected $"):
        says(page, words)
    with of.journal() as journal:
        assert not any(journal.ledger().positions.values())
    page.click("Resume")
    page.until(r"!/phase\s+\S+ paused/.test(document.querySelector('.jp-OutputArea').innerText)")
    sure(page, "Stop")
    says(page, "ENDED")
    assert of.status().state is State.ENDED
    last = int(page.js(COUNT))
    page.page.wait_for_timeout(500)
    assert int(page.js(COUNT)) == last
    shown = page.output(0)
    for words in ("slippage ($)", "latency p95", "request budget", "closed, heard", "of 60 s", "journal lag", "stop, by a person"):
        assert words in shown, words
    sound(of)


def test_numbers_change_from_the_panel_and_a_refusal_says_why(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    """Out of range is not clipped but refused; what is applied moves the band on the plot; other fields follow the session."""
    page = notebook([cell(account)])
    of = started(page, lab, account)
    unfold(page, "Change numbers")
    entry = page.page.get_by_label("entry", exact=True)
    entry.fill("99")
    page.click("Apply")
    says(page, "entry=99.0: must be 0.1 to 10 sd (A1)")
    entry.fill("2.5")
    page.page.get_by_label("tolerance", exact=True).fill("0.1")
    page.click("Apply")
    says(page, "set: applied")
    says(page, "set entry to 2.5, tolerance to 0.1")
    spans = "[...Bokeh.documents.at(-1)._all_models.values()].filter(m => m.type === 'Span').map(m => m.location)"
    page.until(f"{spans}.includes(2.5) && {spans}.includes(-2.5) && !{spans}.includes(2)")
    of.set({"stop": 5})
    page.until("[...document.querySelectorAll('.jp-OutputArea input')].some(i => i.value === '5')")
    assert entry.input_value() == "2.5"
    of.stop()
    says(page, "ENDED")
    sound(of)


def test_a_fault_switch_befalls_the_sandbox_and_the_alert_is_shown(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    page = notebook([cell(account)])
    of = started(page, lab, account)
    unfold(page, "Fault switches")
    watch(page)
    page.click("Outage, 2 min")  # six seconds at this speed
    for words in ("fault asked for: Outage, 2 min", "OPEN, venue silent", "CRITICAL breaker", "outage (seconds 120)"):
        said(page, words)
    says(page, "Alerts: none")
    says(page, "closed, heard")
    unfold(page, "Alerts (1 since the start)")
    says(page, "cleared")
    of.stop()
    says(page, "ENDED")
    sound(of, whole=False)


def choose(page: LabPage, name: str) -> None:
    """Choose from the list of sessions."""
    chosen = page.page.locator(".jp-OutputArea select").first
    texts = chosen.locator("option").all_inner_texts()
    chosen.select_option(index=next(n for n, text in enumerate(texts) if text.startswith(name)))


def test_past_and_other_sessions_are_shown_and_told(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    """A session of another account is chosen from the list and paused; then a past one; then the account is followed again."""
    market = SyntheticMarket(rows=400, seed=3)
    past = desk.start(market, PARAMS, speed=None, account="past", folder=lab.home)
    other = desk.start(SyntheticMarket(rows=6_000, seed=4), PARAMS, speed=20, account="other", folder=lab.home)
    wait_for(lambda: past.status().state is State.ENDED, what="the past session has ended")
    page = notebook([cell(account)])
    page.run_all()
    page.until(f"[...document.querySelectorAll('.jp-OutputArea option')].some(o => /{past.session}.·.ended/.test(o.text))")
    choose(page, other.session)
    says(page, "account other")
    page.until(f"{COUNT} > 10")
    page.click("Pause")
    says(page, "pause: applied")
    choose(page, past.session)
    says(page, "account past")
    with past.journal() as journal:
        bars = len(journal.equity())
    page.until(f"{COUNT} === {bars}")
    assert page.page.get_by_role("button", name="Kill", exact=True).is_disabled()
    choose(page, "follow")
    page.click("Start")
    says(page, f"account {account}")
    of = desk.current(account, folder=lab.home)
    assert of is not None
    page.until(f"{COUNT} > 10")
    for running in (of, other):
        running.stop()
    wait_for(lambda: not of.alive and not other.alive, what="both have ended")


def test_nothing_jumps_while_it_streams(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    """Every part of the panel keeps its place and height over a hundred bars with trades, and through a question."""
    page = notebook([cell(account, 40)], height=800)
    of = started(page, lab, account)
    page.until(f"{COUNT} > 20")
    places = "JSON.stringify([...document.querySelector('.jp-OutputArea .widget-vbox').children].map(e => [e.offsetTop, e.offsetHeight]))"
    before = page.js(places)
    page.until(f"{COUNT} > 140")
    page.click("Kill")
    says(page, "Kill the process at once?")
    assert page.js(places) == before
    assert page.js("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.jp-OutputArea-output'))") <= 0, "nothing is cut off"
    page.click("No")
    of.stop()
    says(page, "ENDED")
    assert page.js(places) == before
