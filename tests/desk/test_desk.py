"""Sessions from a desk: real host, sandbox and session processes, started, told, killed and restarted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hedgekit import SyntheticMarket, desk
from hedgekit.desk import PaperSession, State
from hedgekit.errors import ConfigError, JournalError, SessionError
from hedgekit.params import Params
from hedgekit.replay import replay
from hedgekit.types import Command, Quote, SessionEnded
from tests.desk.made import PARAMS, ended, processes_of

MARKET = SyntheticMarket(rows=3_000, seed=3)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a home of sessions; whatever still runs in it afterwards is ended, and that it ends is checked."""
    yield tmp_path / "home"
    ended(tmp_path / "home")


def start(home: Path, *, market: SyntheticMarket = MARKET, speed: float | None = 100.0, account: str = "test") -> PaperSession:
    return desk.start(market, PARAMS, speed=speed, account=account, folder=home)


def reach(session: PaperSession, what: State | Callable[[object], bool], timeout_s: float = 90.0) -> object:
    return asyncio.run(session.until(what, timeout_s=timeout_s))


def gone(home: Path) -> None:
    """Every process of the home ends: the host writes its last word, then it ends itself."""
    assert psutil.wait_procs(processes_of(home), timeout=10)[1] == []


def in_position(now: object) -> bool:
    return bool(now.positions) and all(now.positions.values()) and not now.working  # type: ignore[attr-defined] - Standing


def test_one_session_from_start_to_stop(home: Path) -> None:
    """Start, trade, pause, flatten, resume, stop; all of it stands in the journal, and no process is left."""
    session = start(home)
    assert session.status().state is State.STARTING
    reach(session, State.RUNNING)
    reach(session, in_position)
    refs = [session.pause(), session.flatten()]
    reach(session, lambda now: now.paused and not any(now.positions.values()) and not now.working)
    with session.journal() as journal:
        assert not any(journal.ledger().positions.values())  # now: once resumed it may trade again before it hears the stop
    refs.append(session.resume())
    reach(session, lambda now: not now.paused)
    refs.append(session.stop())
    reach(session, State.ENDED)
    with session.journal() as journal:
        journal.verify()
        records = list(journal.records())
        assert replay(records).decisions > 0
    assert [record.ref for record in records if isinstance(record, Command)] == refs
    assert isinstance(records[-1], SessionEnded)
    assert records[-1].reason == "stopped"
    gone(home)
    assert desk.current("test", folder=home) is None
    with pytest.raises(SessionError, match=r"stop: session .* is ended, nobody listens"):
        session.stop()


def test_numbers_change_in_flight_from_python_and_the_shell(home: Path) -> None:
    """In force from a record on, refused at once where they may not be; the journal replays."""
    session = start(home)
    reach(session, State.RUNNING)
    ref = session.set({"entry": 2.4, "stop": 5})
    reach(session, lambda now: now.params.get("entry") == 2.4)
    assert (session.params().stop, session.params().lookback) == (5.0, 20)
    for changes, said in (
        ({"entry": 99}, r"entry=99.0: must be 0.1 to 10 sd \(A1\)"),
        ({"entry": 5.5}, "target < entry < stop"),
        ({"lookback": 30}, "lookback=30.0: cannot change while a session runs; these can: entry"),
        ({"entry": "high"}, "no numbers to change"),
    ):
        with pytest.raises(ConfigError, match=said):
            session.set(changes)
    command = [sys.executable, "-m", "hedgekit", "paper", "set", session.session]
    shell = {**os.environ, "HEDGEKIT_HOME": str(home)}
    told = subprocess.run([*command, "target", "-0.25", "tolerance", "0.1"], env=shell, capture_output=True, text=True, check=False)
    assert told.stdout.strip() == f"set: {session.session}: target=-0.25, tolerance=0.1", told.stderr
    refused = subprocess.run([*command, "notional", "5"], env=shell, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("hedgekit: notional=5.0: cannot change while a session runs")
    reach(session, lambda now: now.params.get("target") == -0.25)
    session.stop()
    reach(session, State.ENDED)
    with session.journal() as journal:
        found = [record for record in journal.records() if isinstance(record, Command) and record.name == "set"]
        assert replay(journal.records()).decisions > 0
    assert [command.changes for command in found] == [{"entry": 2.4, "stop": 5.0}, {"target": -0.25, "tolerance": 0.1}]
    assert found[0].ref == ref


def test_a_fault_is_carried_to_the_exchange_and_its_budget_is_shown(home: Path) -> None:
    """An outage by the host's hand: the journal hears the venue fall silent; what does not fit is refused, and no key is in any file."""
    session = start(home)
    reach(session, in_position)
    wrong, right = session.fault("partial", fraction=7.0), session.fault("outage", seconds=120.0)
    reach(session, lambda now: now.links == {"ALPACA": "down"})
    assert [(one.ref, one.refusal) for one in session.faults()][1:] == [(right, "")]
    assert session.faults()[0].ref == wrong
    assert "fraction=7.0 must be between 0 and 1" in session.faults()[0].refusal
    reach(session, lambda now: now.links == {"ALPACA": "up"})
    gauges = session.gauges()
    assert gauges is not None
    (budget,) = gauges.budgets
    assert (budget.venue, budget.capacity) == ("ALPACA", 50)
    assert 0 <= budget.left <= 50
    host = session.folder.host_pid
    assert host is not None
    token = dict(psutil.Process(session.folder.session_pid).environ())["HEDGEKIT_CONTROL_TOKEN"]  # type: ignore[arg-type] - it runs
    assert not [path for path in session.folder.path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    session.stop()
    reach(session, State.ENDED)
    with pytest.raises(SessionError, match="is ended; a fault befalls a session that runs"):
        session.fault("outage", seconds=1.0)


def test_a_tape_that_is_over_ends_the_session(home: Path) -> None:
    session = start(home, market=SyntheticMarket(rows=150, seed=3), speed=None)
    reach(session, State.ENDED)
    with session.journal() as journal:
        assert [r.reason for r in journal.records() if isinstance(r, SessionEnded)] == ["tape ended"]
        assert sum(isinstance(r, Quote) for r in journal.records()) == 300
    again = start(home, market=SyntheticMarket(rows=150, seed=4), speed=None)  # at once: the host of the first may not be gone yet
    assert again.session != session.session
    reach(again, State.ENDED)


def test_the_same_cell_twice_is_one_session(home: Path) -> None:
    """At once, while it is born, and while it runs; other numbers on the same account are refused."""
    first = start(home)
    again = start(home)
    reach(first, State.RUNNING)
    later = start(home)
    assert first.session == again.session == later.session
    assert len(desk.sessions(folder=home)) == 1
    with pytest.raises(SessionError, match=r"account 'test' is in use by session 'test-.*desk\.attach\('test-"):
        start(home, speed=50.0)
    with pytest.raises(SessionError, match="in use"):
        desk.start(MARKET, {**PARAMS, "entry": 1.9}, speed=100.0, account="test", folder=home)
    other = start(home, account="second")
    reach(other, State.RUNNING)
    found = desk.sessions(folder=home)
    assert sorted(found["account"]) == ["second", "test"]
    assert set(found["state"]) == {"running"}


def test_many_starts_at_one_moment_trade_once(home: Path) -> None:
    """Processes that start the same account together: one trades, the others learn who does."""
    code = (
        "import sys; from hedgekit import desk, SyntheticMarket; from tests.desk.made import PARAMS\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(desk.start(SyntheticMarket(rows=3000, seed=int(sys.argv[2])), PARAMS, account='test', folder=sys.argv[1]).session)"
    )
    command = [sys.executable, "-c", code, str(home)]
    starters = [
        subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    for process in starters:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    said = []
    threads = [threading.Thread(target=lambda p=process: said.append(p.communicate("go\n", timeout=60))) for process in starters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 60
    while "starting" in (states := list(desk.sessions(folder=home)["state"])) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert states.count("running") == 1, (states, said)
    assert set(states) <= {"running", "refused"}
    for out, err in said:
        assert out.strip().startswith("test-") or "is in use by session" in err


def test_killed_shows_as_such_and_a_restart_loses_nothing(home: Path) -> None:
    session = start(home)
    reach(session, in_position)
    session.kill()
    reach(session, State.KILLED)
    assert session.status().detail == "by SIGKILL"
    with pytest.raises(SessionError, match=r"flatten: session .* is killed, nobody listens; restart\(\) goes on"):
        session.flatten()
    with pytest.raises(SessionError, match="no process to kill: it is killed"):
        session.kill()
    with pytest.raises(SessionError, match="in use"):
        start(home)
    with session.journal() as journal:
        before = journal.count
    session.restart()
    reach(session, lambda now: now.records > before + 50)
    assert session.status().restarts == 1
    session.flatten()
    reach(session, lambda now: now.paused and not any(now.positions.values()) and not now.working)
    session.stop()
    reach(session, State.ENDED)
    with session.journal() as journal:
        journal.verify()
        stamps = [record.ts_ns for record in journal.records() if isinstance(record, Quote)]
        assert not any(journal.ledger().positions.values())
        fills = journal.fills()
    assert fills["fill_id"].is_unique
    tape = MARKET.tape()
    rows = sorted({round((stamp - tape.ts_ns[0]) / 1e9) for stamp in stamps})
    assert rows == list(range(rows[-1] + 1)), "the market stood still while nobody traded: no hole"


def test_close_sets_the_account_free(home: Path) -> None:
    session = start(home)
    reach(session, State.RUNNING)
    session.kill()
    reach(session, State.KILLED)
    session.close()
    reach(session, State.CLOSED)
    gone(home)
    with pytest.raises(SessionError, match="only a killed or failed session"):
        session.restart()
    again = start(home)
    assert again.session != session.session


def test_a_dead_sandbox_is_a_failed_session(home: Path) -> None:
    session = start(home)
    reach(session, State.RUNNING)
    (sandbox,) = (p for p in processes_of(home) if "sandbox" in p.cmdline())
    sandbox.kill()
    reach(session, State.CLOSED)
    assert "sandbox exchange ended" in session.status().detail
    gone(home)


def test_a_dead_host_is_seen(home: Path) -> None:
    """SIGKILL of the host: its children end by themselves, and the state file alone is not believed."""
    session = start(home)
    reach(session, State.RUNNING)
    host = session.folder.host_pid
    assert host is not None
    children = psutil.Process(host).children()
    assert len(children) == 2
    os.kill(host, signal.SIGKILL)
    assert psutil.wait_procs(children, timeout=20)[1] == []
    assert session.status().state is State.LOST
    assert desk.current("test", folder=home) is None


def test_kill_from_a_shell(home: Path) -> None:
    """No notebook, no kernel: the command line finds the one session that runs."""
    session = start(home)
    reach(session, State.RUNNING)
    environment = {**os.environ, "HEDGEKIT_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "hedgekit", "paper", "kill"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    reach(session, State.KILLED)
    listed = subprocess.run(
        [sys.executable, "-m", "hedgekit", "paper", "list"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert session.session in listed.stdout
    assert "killed" in listed.stdout


def test_wrong_things_are_refused_before_any_process(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"speed=0: must be 0.01 to 1000"):
        start(home, speed=0)
    with pytest.raises(ConfigError, match="lookback=3"):
        desk.start(MARKET, {"lookback": 3}, folder=home)
    with pytest.raises(ConfigError, match="account='a b'"):
        start(home, account="a b")
    with pytest.raises(SessionError, match="there is no session 'none'"):
        desk.attach("none", folder=home)
    with pytest.raises(JournalError, match=r"session name '\.\./accounts': use 1 to 64 letters"):
        desk.attach("../accounts", folder=home)
    assert desk.sessions(folder=home).empty
    assert list(desk.sessions(folder=home).columns)[:3] == ["session", "account", "state"]
    assert isinstance(Params.make(**PARAMS), Params)


def test_no_secret_is_left_in_a_folder(home: Path) -> None:
    """L9: the sandbox's keys live in the processes' memory alone."""
    session = start(home)
    reach(session, State.RUNNING)
    (worker,) = (p for p in processes_of(home) if "run" in p.cmdline())
    keys = [value for name, value in worker.environ().items() if name.startswith("APCA_") or name == "HEDGEKIT_CONTROL_TOKEN"]
    assert len(keys) == 3
    session.stop()
    reach(session, State.ENDED)
    for file in session.folder.path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(key.encode() in content for key in keys), file
