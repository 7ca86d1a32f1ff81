"""Locks that end with their process, and folders that can be had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hedgekit.desk.home import AccountLock, check_account, home, occupant
from hedgekit.errors import ConfigError, JournalError, SessionError
from hedgekit.journal.lock import holder

HOLD = """
import sys, time
from pathlib import Path
from hedgekit.desk.home import AccountLock
lock = AccountLock(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
time.sleep(600)
"""


LOOK = """
import sys
from pathlib import Path
from hedgekit.journal.lock import holder
print("on", flush=True)
while True:
    holder(Path(sys.argv[1]))
"""


def held(path: Path, session: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), session], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "paper.lock"
    assert holder(path) is None
    assert occupant(path) is None
    with held(path, "paper-1") as process:
        assert holder(path) == process.pid
        assert occupant(path) == "paper-1"
        with pytest.raises(SessionError, match=rf"account 'paper' is in use by session 'paper-1' \(process {process.pid}\).*attach"):
            AccountLock(path, "paper-2")
        assert occupant(path) == "paper-1", "a refused lock changes nothing"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert holder(path) is None
    assert path.exists(), "the file stays, so that two processes can never lock two files of one name"
    AccountLock(path, "paper-3")


def test_looking_at_a_lock_does_not_take_it(tmp_path: Path) -> None:
    """A look is no lock of its own: a session may start in the middle of any number of looks."""
    path = tmp_path / "paper.lock"
    path.touch()
    with subprocess.Popen([sys.executable, "-c", LOOK, str(path)], stdout=subprocess.PIPE) as looking:
        assert looking.stdout is not None
        looking.stdout.readline()
        for _ in range(6):
            with held(path, "s") as process:
                process.kill()
                process.wait()
            if looking.poll() is not None:
                break
        assert looking.poll() is None
        looking.kill()


def test_home_is_made_private(tmp_path: Path) -> None:
    made = home(tmp_path / "new" / "place")
    assert made == tmp_path / "new" / "place"
    for part in (made, made / "sessions", made / "accounts"):
        assert part.stat().st_mode & 0o777 == 0o700


def test_home_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEDGEKIT_HOME", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"
    monkeypatch.delenv("HEDGEKIT_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home().name == "hedgekit"
    assert tmp_path in home().parents


def test_a_home_that_cannot_be_had_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="HEDGEKIT_HOME"):
        home(tmp_path / "file" / "home")


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 33, "a/b", "ä"])
def test_account_names(name: str) -> None:
    with pytest.raises(ConfigError, match="account="):
        check_account(name)
    assert check_account("Paper_2-b") == "Paper_2-b"


def test_a_process_that_asks_about_its_own_lock_keeps_it(tmp_path: Path) -> None:
    """POSIX: closing a file drops one's lock on it, by whichever descriptor. By another name too; another process is still refused."""
    path, link = tmp_path / "x.lock", tmp_path / "link.lock"
    AccountLock(path, "mine")
    link.symlink_to(path)
    for name in (path, link):
        assert (holder(name), occupant(name)) == (os.getpid(), "mine")
        with pytest.raises(SessionError, match=rf"'mine' \(process {os.getpid()}\)"):
            AccountLock(name, "other")
    asked = subprocess.run([sys.executable, "-c", HOLD, str(path), "theirs"], capture_output=True, text=True, timeout=60, check=False)
    assert f"is in use by session 'mine' (process {os.getpid()})" in asked.stderr


def test_a_lock_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for look in (holder, lambda path: AccountLock(path, "s")):
        with pytest.raises(JournalError, match=r"file/x\.lock: cannot be locked \(Not a directory\); it must be in a folder"):
            look(tmp_path / "file" / "x.lock")
