"""A lock that cannot be had for another reason than that somebody holds it, and one whose file is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hedgekit.errors import JournalError, SessionError
from hedgekit.journal.lock import FileLock, holder
from hedgekit.paper.account import held

FULL = """
import resource, sys
from pathlib import Path
from hedgekit.journal.lock import FileLock
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
FileLock(Path(sys.argv[1]), "s")
"""


def test_a_folder_that_is_none_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        JournalError, match=r"file/s\.lock: cannot be locked \(Not a directory\); it must be in a folder that you may write"
    ):
        FileLock(tmp_path / "file" / "s.lock", "s")


def test_a_disk_without_room_is_one_clear_error(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "s.lock")], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.splitlines()[-1] == (
        f"hedgekit.errors.JournalError: {tmp_path}/s.lock: cannot be locked (File too large); "
        "it must be in a folder that you may write, on a disk with room"
    )


def test_an_account_whose_locks_have_no_place_says_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with (
        pytest.raises(SessionError, match=r"hedgekit: no lock of the ALPACA account .*set XDG_STATE_HOME"),
        held("ALPACA", "", "", "s"),
    ):
        pass


def test_who_holds_it_may_ask_about_it_and_a_second_writer_here_is_refused(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "s.lock", "s")
    (tmp_path / "folder").symlink_to(tmp_path)
    for path in (tmp_path / "s.lock", tmp_path / "folder" / "s.lock"):
        assert holder(path) == os.getpid()
        with pytest.raises(JournalError, match=f"'s' is being written by this process {os.getpid()}"):
            FileLock(path, "s")
    look = f"from pathlib import Path; from hedgekit.journal.lock import holder; print(holder(Path({str(tmp_path / 's.lock')!r})))"
    assert int(subprocess.check_output([sys.executable, "-c", look], text=True)) == os.getpid(), "and it is held still"
    lock.release()
    assert holder(tmp_path / "s.lock") is None
    FileLock(tmp_path / "s.lock", "s").release()


def test_a_lock_whose_file_was_removed_is_given_back_all_the_same(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "s.lock", "s")
    (tmp_path / "s.lock").unlink()
    lock.release()
    FileLock(tmp_path / "s.lock", "s").release()
