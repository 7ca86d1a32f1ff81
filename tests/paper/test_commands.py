"""Commands as files: whole or not there, in order, applied once, and no lock anywhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedgekit import demo
from hedgekit.errors import ConfigError, SessionError
from hedgekit.journal import Journal
from hedgekit.paper.commands import Spool
from hedgekit.replay import replay
from hedgekit.types import Action, Command, Decision, Fill, Reason, SessionEnded
from tests.paper.rig import TINY, TINY_PARAMS, Rig, sandbox

KNOWN = ("pause", "flatten", "stop")

SENDER = """
import sys
from hedgekit.paper.commands import Spool
spool = Spool(sys.argv[1], ("pause", "flatten", "stop"))
print("ready", flush=True)
while True:
    spool.send("pause")
"""


def test_commands_wait_in_the_order_in_which_they_were_sent(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "commands", KNOWN)
    assert spool.waiting() == []
    refs = [spool.send(name) for name in ("pause", "flatten", "stop", "pause")]
    assert [(wish.ref, wish.name) for wish in spool.waiting()] == list(zip(refs, ("pause", "flatten", "stop", "pause"), strict=True))
    spool.done(refs[:2])
    spool.done(refs[:2])
    assert [wish.ref for wish in spool.waiting()] == refs[2:]


def test_an_unknown_command_is_refused_where_it_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown command 'sell'; known: pause, flatten, stop"):
        Spool(tmp_path, KNOWN).send("sell")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SessionError, match=r"cannot be left in .*hedgekit paper kill"):
        Spool(tmp_path / "file" / "commands", KNOWN).send("stop")


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "commands").touch()
    with pytest.raises(ConfigError, match=r"commands='.*/commands' cannot be read \(Not a directory\): name a folder"):
        Spool(tmp_path / "commands", KNOWN).waiting()


FULL = """
import resource, sys
from hedgekit.paper.commands import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
Spool(sys.argv[1], ("set",)).send("set", "{}")
"""


def test_a_disk_without_room_is_said_and_no_half_command_stays(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert "SessionError: the command set cannot be left in" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_strange_files_are_no_commands(tmp_path: Path) -> None:
    """Drafts of a sender that was stopped, an editor's leftovers, a name that nobody knows."""
    spool = Spool(tmp_path, KNOWN)
    good = spool.send("stop")
    for name in (f".{good}", "flatten", "00000000000000000001-00000000.sell", f"{good}~", "x.stop"):
        (tmp_path / name).touch()
    assert [wish.ref for wish in spool.waiting()] == [good]


def test_a_sender_stopped_at_any_moment_holds_nobody_up(tmp_path: Path) -> None:
    """SIGSTOP in the middle of sending: the receiver reads on, and sees whole commands only."""
    spool = Spool(tmp_path, KNOWN)
    with subprocess.Popen([sys.executable, "-c", SENDER, str(tmp_path)], stdout=subprocess.PIPE) as sender:
        assert sender.stdout is not None
        sender.stdout.readline()
        taken = 0
        for _ in range(40):
            time.sleep(0.005)
            os.kill(sender.pid, signal.SIGSTOP)
            wishes = spool.waiting()
            assert {wish.name for wish in wishes} <= {"pause"}
            spool.done([wish.ref for wish in wishes])
            taken += len(wishes)
            assert spool.waiting() == []
            os.kill(sender.pid, signal.SIGCONT)
        sender.kill()
    assert taken > 40


# --------------------------------------------------------------- in a session


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with sandbox(tmp_path, TINY) as made:
        made.config(params=TINY_PARAMS, commands=str(tmp_path / "commands"))
        yield made


def records(rig: Rig) -> list[object]:
    with rig.journal() as journal:
        journal.verify()
        assert replay(journal.records()).decisions > 0
        return list(journal.records())


def test_a_command_is_journalled_with_its_ref_and_its_file_is_gone(rig: Rig) -> None:
    spool = Spool(rig.folder / "commands", KNOWN)
    refs = [spool.send("pause"), spool.send("flatten")]
    done = rig.run(rig.folder / "session.json")
    assert done.returncode == 0, done.stderr
    found = [record for record in records(rig) if isinstance(record, Command)]
    assert [(command.name, command.ref) for command in found] == [("pause", refs[0]), ("flatten", refs[1]), ("stop", "")]
    assert spool.waiting() == []


def test_stop_ends_the_session_where_it_is(rig: Rig) -> None:
    """A stop that waits at the start: one instant, and the end is told with its reason."""
    Spool(rig.folder / "commands", KNOWN).send("stop")
    done = rig.run(rig.folder / "session.json")
    assert done.returncode == 0, done.stderr
    found = records(rig)
    assert isinstance(found[-1], SessionEnded)
    assert found[-1].reason == "stopped"
    assert len(found) < 20


@pytest.mark.parametrize("point", ["session.received", "outbox.after_commit"])
def test_a_killed_session_applies_a_command_once(rig: Rig, point: str) -> None:
    """Kill before and after the commit that holds the command; the file may be left behind by the second."""
    spool = Spool(rig.folder / "commands", KNOWN)
    config = rig.folder / "session.json"
    killed = rig.run(config, kill_at="outbox.after_send", count=3)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ref = spool.send("flatten")
    again = rig.run(config, kill_at=point, count=1)
    assert again.returncode == -signal.SIGKILL, again.stderr
    if point == "outbox.after_commit":
        (spool.folder / ref).touch()  # as if the kill had come between commit and removal
    stop = rig.run(config)
    assert stop.returncode == 0, stop.stderr
    found = records(rig)
    assert [command.ref for command in found if isinstance(command, Command) and command.name == "flatten"] == [ref]
    assert spool.waiting() == []


@pytest.mark.parametrize("point", ["session.received", "outbox.after_commit"])
def test_numbers_set_in_flight_are_in_the_journal_once_and_a_replay_decides_alike(rig: Rig, point: str) -> None:
    """Two wishes, of which the session must refuse one; killed before or after their commit; the records say all of it."""
    spool, config = Spool(rig.folder / "commands", (*KNOWN, "set")), rig.folder / "session.json"
    assert rig.run(config, kill_at="outbox.after_send", count=3).returncode == -signal.SIGKILL
    refs = [spool.send("set", text) for text in ('{"entry": 2.5, "tolerance": 0.2}', '{"entry": 99}', "no numbers")]
    assert rig.run(config, kill_at=point, count=1).returncode == -signal.SIGKILL
    again = rig.run(config)
    assert again.returncode == 0, again.stderr
    found = [record for record in records(rig) if isinstance(record, Command) and record.name == "set"]
    assert [command.ref for command in found] == refs
    assert [command.changes for command in found] == [{"entry": 2.5, "tolerance": 0.2}, {}, {}]
    assert found[1].refusal.startswith("entry=99.0: must be 0.1 to 10 sd (A1)")
    assert found[2].refusal.startswith("'no numbers': no numbers to change; write for example")
    assert spool.waiting() == []


def test_flatten_closes_both_legs_and_nothing_is_entered_until_resume(rig: Rig) -> None:
    spool = Spool(rig.folder / "commands", (*KNOWN, "resume"))
    config = rig.folder / "session.json"
    assert rig.run(config, kill_at="outbox.after_send", count=3).returncode == -signal.SIGKILL
    assert rig.run(config, kill_at="session.received", count=8).returncode == -signal.SIGKILL
    with Journal.open(rig.folder / "journal.db", demo.SESSION, mode="read") as journal:
        assert all(journal.ledger().positions.values()), "both legs are held"
    spool.send("flatten")
    assert rig.run(config).returncode == 0
    found = records(rig)
    at = next(n for n, record in enumerate(found) if isinstance(record, Command) and record.name == "flatten")
    after = [record for record in found[at:] if isinstance(record, Decision)]
    assert after[0].action is Action.CLOSE
    assert after[0].reason is Reason.FLATTEN
    assert not any(decision.action is Action.OPEN for decision in after)
    assert any(decision.reason is Reason.PAUSED for decision in after), "a signal that was not taken is told as such"
    assert sum(isinstance(record, Fill) for record in found[at:]) >= 2
    with Journal.open(rig.folder / "journal.db", demo.SESSION, mode="read") as journal:
        assert not any(journal.ledger().positions.values())
