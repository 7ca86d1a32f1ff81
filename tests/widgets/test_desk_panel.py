"""The paper desk on real sessions, its widgets looked at in this process: what may be clicked, and when words say why."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import ipywidgets as w
import psutil
import pytest

from hedgekit import SyntheticMarket
from hedgekit.desk import PaperSession, State
from hedgekit.types import Command
from hedgekit.widgets import PaperDesk
from hedgekit.widgets.panes.faults import SWITCHES
from tests.desk.made import PARAMS, ended

OVER = ("is gone", "KILLED", "FAILED", "CLOSED", "ENDED", "LOST")
"""Words of a session that hears nothing any more."""

SENT = ("Pause", "Resume", "Flatten", "Stop", "Kill", "Apply", "Sockets cut")
"""Buttons that a session has to hear."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a home of its own; what is started there ends with the test."""
    yield tmp_path
    ended(tmp_path)


def desk_of(home: Path, **about: Any) -> PaperDesk:
    return PaperDesk(SyntheticMarket(rows=6_000, seed=3), PARAMS, speed=20.0, folder=home, **about)


def parts(panel: w.Widget) -> Iterator[w.Widget]:
    """Walk over everything on a panel."""
    yield panel
    for child in getattr(panel, "children", ()):
        yield from parts(child)


def enabled(panel: PaperDesk) -> set[str]:
    """Return the labels of all buttons that can be clicked."""
    return {part.description for part in parts(panel) if isinstance(part, w.Button) and not part.disabled}


def shown(panel: PaperDesk) -> str:
    return " ".join(part.value for part in parts(panel) if isinstance(part, w.HTML))


def strip(panel: PaperDesk) -> dict[str, str]:
    """Return the figures of the strips by their names."""
    return {unescape(name): unescape(value) for name, value in re.findall(r"<span>([^<]*)</span><b>([^<]*)</b>", shown(panel))}


def title(panel: PaperDesk) -> str:
    return next(part.value for part in parts(panel) if isinstance(part, w.HTML) and 'aria-label="paper desk"' in part.value)


def commands(of: PaperSession) -> list[Command]:
    """Return what its journal says was wished by a person."""
    with of.journal() as journal:
        return [record for record in journal.records() if isinstance(record, Command) and record.ref]


async def click(panel: PaperDesk, label: str) -> None:
    next(part for part in parts(panel) if isinstance(part, w.Button) and part.description == label and not part.disabled).click()
    await asyncio.sleep(0)


async def until(panel: PaperDesk, reached: Callable[[], object], timeout_s: float = 180.0) -> None:
    """Look, as a view on a screen does, until something is so; a session that starts may have to compile first."""
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, shown(panel)
        panel.refresh()
        await asyncio.sleep(0.01)


async def started(home: Path, **about: Any) -> PaperDesk:
    panel = desk_of(home, **about)
    await click(panel, "Start")
    await until(panel, lambda: "RUNNING" in shown(panel))
    return panel


def watched(panel: PaperDesk) -> list[tuple[str, set[str]]]:
    """Note, whenever words change to such of a session that is over, which buttons still want to be heard."""
    found: list[tuple[str, set[str]]] = []

    def on_words(change: Any) -> None:
        if any(word in change["new"] for word in OVER):
            found.append((change["new"], enabled(panel) & set(SENT)))

    for part in parts(panel):
        if isinstance(part, w.HTML):
            part.observe(on_words, "value")
    return found


async def test_no_word_of_an_end_stands_beside_a_button_that_wants_to_be_heard(home: Path) -> None:
    """The session's process dies, later its exchange: the buttons go first, whatever part of the panel says it."""
    panel = await started(home)
    of = panel.session
    assert of is not None
    found = watched(panel)
    pid = of.folder.session_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(panel, lambda: "KILLED: by SIGKILL" in shown(panel) and "is gone" in shown(panel))
    assert {"Restart", "Close"} <= enabled(panel)
    await click(panel, "Restart")
    await until(panel, lambda: "RUNNING, restarted 1 x" in shown(panel))
    host = of.folder.host_pid
    assert host is not None
    (sandbox,) = [child for child in psutil.Process(host).children() if "sandbox" in child.cmdline()]
    sandbox.kill()
    await until(panel, lambda: "CLOSED, restarted 1 x: the sandbox exchange ended" in shown(panel))
    assert of.status().state is State.CLOSED
    assert len(found) > 3
    assert [said for said, buttons in found if buttons] == []


async def test_what_can_be_clicked_in_each_state(home: Path) -> None:
    """Every state's own buttons and no others; what is asked again is not done before the answer; two desks keep apart."""
    panel, other = desk_of(home), desk_of(home, account="other")
    assert enabled(panel) == {"Start"}
    assert "no session yet" in shown(panel)
    await click(panel, "Start")
    await until(panel, lambda: "RUNNING" in shown(panel))
    of = panel.session
    assert of is not None
    always = {"Flatten", "Stop", "Kill", "Apply", "Undo", *SWITCHES}
    assert enabled(panel) == {"Pause", *always}
    await click(panel, "Pause")
    assert "pause: sent" in shown(panel)
    await until(panel, lambda: "pause: applied" in shown(panel))
    await until(panel, lambda: "paused" in strip(panel)["phase"])
    assert enabled(panel) == {"Resume", *always}
    await click(panel, "Resume")
    await until(panel, lambda: "resume: applied" in shown(panel))
    await until(panel, lambda: enabled(panel) == {"Pause", *always})
    for label, question in (("Flatten", "Close both legs now"), ("Stop", "End the session?"), ("Kill", "Kill the process at once?")):
        await click(panel, label)
        assert question in shown(panel)
        await click(panel, "No")
        assert question not in shown(panel)
    assert not [one for one in commands(of) if one.name not in ("pause", "resume")]
    other.refresh()
    assert enabled(other) == {"Start"}
    assert (other.session, of.session in title(other)) == (None, False)
    await click(panel, "Kill")
    await click(panel, "Yes, kill")
    assert "what is held stays held" in shown(panel)
    await until(panel, lambda: "KILLED: by SIGKILL" in shown(panel))
    assert enabled(panel) == {"Restart", "Close"}
    await click(panel, "Close")
    await click(panel, "Yes, close")
    await until(panel, lambda: "CLOSED" in title(panel))
    assert enabled(panel) == {"Start"}
    assert "$" in strip(panel)["P&L hedged"]


async def test_numbers_in_flight_are_checked_before_they_are_sent(home: Path) -> None:
    panel = await started(home)
    of = panel.session
    assert of is not None
    entry = next(part for part in parts(panel) if isinstance(part, w.FloatText) and part.description == "entry")
    entry.value = 10.5
    await click(panel, "Apply")
    assert "entry=10.5: must be 0.1 to 10 sd (A1)" in shown(panel)
    entry.value = 5.0
    await click(panel, "Apply")
    assert "target &lt; entry &lt; stop" in shown(panel)
    await click(panel, "Undo")
    assert entry.value == 2.0
    entry.value = 2.25
    await click(panel, "Apply")
    await until(panel, lambda: "set: applied" in shown(panel))
    assert [(one.name, one.changes) for one in commands(of)] == [("set", {"entry": 2.25})]
    await click(panel, "Stop")
    await click(panel, "Yes, stop")
    await until(panel, lambda: "ENDED" in title(panel))
    assert enabled(panel) == {"Start"}
    assert entry.value == 2.25
    assert "is gone" not in shown(panel)
    assert "set entry to 2.25" in shown(panel), "in the feed of decisions"
