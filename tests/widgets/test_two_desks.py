"""Two paper desks in one notebook, on two accounts at once: each shows and steers its own session, and none of the other's."""

from __future__ import annotations

from collections.abc import Callable

from hedgekit.desk import PaperSession, State
from tests.lab import Lab, LabPage, wait_for
from tests.widgets.desk_pages import cell, events, session, sound

BARS = "(n => [...(Bokeh.documents[n]?._all_models.values() ?? [])].find(m => m.name === 'bars')?.get_length() ?? 0)"


def press(page: LabPage, label: str, panel: int) -> None:
    page.page.get_by_role("button", name=label, exact=True).nth(panel).click()


def paused(of: PaperSession) -> bool:
    with of.follow() as follower:
        while follower.poll().standing.behind:
            pass
        return follower.standing.paused


def test_two_sessions_in_one_notebook(notebook: Callable[..., LabPage], lab: Lab) -> None:
    page = notebook([cell("two-a"), cell("two-b")])
    page.run_all()
    page.until("document.querySelectorAll('.hedgekit-live').length === 2 && window.Bokeh?.documents?.length === 2")
    for panel in (0, 1):
        press(page, "Start", panel)
    for panel in (0, 1):
        page.until(f"{BARS}({panel}) > 20", timeout_ms=180_000)
    first, second = session(lab, "two-a"), session(lab, "two-b")
    assert first.session != second.session
    for at, (mine, other) in enumerate(((first, second), (second, first))):
        page.until(f"document.querySelectorAll('.jp-Notebook .jp-Cell')[{at}].innerText.includes({mine.session!r})")
        title = page.page.locator(".jp-Notebook .jp-Cell").nth(at).locator("[aria-label='paper desk']").first.inner_text()
        assert mine.session in title
        assert other.session not in title
    press(page, "Pause", 0)
    wait_for(lambda: paused(first), what="the first one pauses")
    assert not paused(second)
    before = events(second)
    wait_for(lambda: events(second) > before + 20, what="the second one trades on")
    press(page, "Stop", 1)
    page.click("Yes, stop")
    wait_for(lambda: second.status().state is State.ENDED, what="the second one ends")
    assert first.status().state is State.RUNNING
    press(page, "Stop", 0)
    page.click("Yes, stop")
    wait_for(lambda: first.status().state is State.ENDED, what="the first one ends")
    sound(first)
    sound(second)
    assert page.errors() == []
