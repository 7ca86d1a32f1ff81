"""The paper desk when something dies: trading stays right, the panel says what is going on and attaches again, nothing trades twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from hedgekit import desk
from hedgekit.desk import PaperSession, State
from tests.lab import Lab, LabPage, wait_for
from tests.widgets.desk_pages import COUNT, FIRST, cell, events, goes_on, matches, says, session, sound, started, sure

BLOCKED_S = 30.0
"""How long a cell blocks the kernel."""


@pytest.fixture
def account(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).removeprefix("test_")[:30]


def ends(page: LabPage, of: PaperSession) -> None:
    of.stop()
    says(page, "ENDED")
    sound(of)


def test_the_page_is_reloaded_and_opened_twice(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    """Both tabs show the whole history; a click in one is seen in the other."""
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
    matches(page, r"phase\s+\S+, paused")
    page.click("Resume")
    other.until(r"!/phase\s+\S+, paused/.test(document.querySelector('.jp-OutputArea').innerText)")
    ends(page, of)
    says(other, "ENDED")


def test_the_cell_is_run_twice(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
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
    ends(page, of)


def test_the_kernel_is_killed_and_restarted(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    """The page says that the kernel is silent; the session trades on; the cell run again finds it, with its whole history."""
    page = notebook([cell(account)])
    of = started(page, lab, account)
    first = page.js(FIRST)
    page.kill_kernel()
    goes_on(of)
    page.until("[...document.querySelectorAll('.hedgekit-quiet')].some(e => !e.hidden && e.innerText.includes('No word from the kernel'))")
    page.run_all()
    page.until(f"{COUNT} > 30")
    page.until("![...document.querySelectorAll('.hedgekit-quiet')].some(e => !e.hidden)")
    assert page.js(FIRST) == first
    page.restart_kernel()
    page.run_all()
    page.until(f"{COUNT} > 40")
    assert session(lab, account).session == of.session
    ends(page, of)


def test_a_cell_blocks(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    """The page says that the kernel does not answer; trading goes on; ``hedgekit paper kill`` needs no kernel."""
    page = notebook([cell(account), f"import time\ntime.sleep({BLOCKED_S})"])
    page.run(0)
    page.click("Start")
    page.until(f"{COUNT} > 10")
    of = session(lab, account)
    page.run(1, wait=False)
    until = time.monotonic() + BLOCKED_S
    page.until("[...document.querySelectorAll('.hedgekit-quiet')].some(e => !e.hidden && e.innerText.includes('hedgekit paper kill'))")
    goes_on(of)
    assert time.monotonic() < until, "it is said while the cell still blocks"
    shell = {**os.environ, "HEDGEKIT_HOME": str(lab.home)}
    subprocess.run([sys.executable, "-m", "hedgekit", "paper", "kill", of.session], env=shell, check=True, timeout=30)
    wait_for(lambda: of.status().state is State.KILLED, what="it is killed")
    page.until("window.hkRan === true")
    says(page, "KILLED: by SIGKILL")
    page.until("![...document.querySelectorAll('.hedgekit-quiet')].some(e => !e.hidden)")
    page.click("Restart")
    says(page, "RUNNING, restarted 1 x")
    ends(page, of)


def test_the_session_is_killed(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    """By its button and by a signal; it goes on from its journal, and can be given up."""
    page = notebook([cell(account)])
    of = started(page, lab, account)
    sure(page, "Kill")
    says(page, "KILLED: by SIGKILL")
    says(page, "CRITICAL silent")
    assert of.folder.session_pid is None
    before = int(page.js(COUNT))
    page.click("Restart")
    says(page, "RUNNING, restarted 1 x")
    page.until(f"{COUNT} > {before + 20}")
    pid = of.folder.session_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    says(page, "KILLED")
    sure(page, "Close")
    says(page, "CLOSED")
    sound(of)


def test_the_sandbox_is_killed(notebook: Callable[..., LabPage], lab: Lab, account: str) -> None:
    """The session ends too, the panel says why, its journal is whole, and the next Start is a session of its own."""
    page = notebook([cell(account)])
    of = started(page, lab, account)
    host = of.folder.host_pid
    assert host is not None
    (sandbox,) = [child for child in psutil.Process(host).children() if "sandbox" in child.cmdline()]
    sandbox.kill()
    says(page, "CLOSED: the sandbox exchange ended")
    says(page, "the session's process is gone")
    assert of.folder.session_pid is None
    assert page.page.get_by_role("button", name="Flatten", exact=True).is_disabled()
    sound(of)
    before = events(of)
    page.click("Start")
    page.until(f"document.querySelector('.jp-OutputArea').innerText.includes('RUNNING') && {COUNT} > 10")
    again = session(lab, account)
    assert again.session != of.session
    assert events(of) == before
    ends(page, again)
