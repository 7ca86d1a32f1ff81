"""What may be a job, and how it is kept: names and files of hostile people are inert, secrets are refused."""

from __future__ import annotations

import asyncio
import os
import pickle
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hedgekit.errors import ConfigError
from hedgekit.schedule import Entry, Planned, Runner, Store
from hedgekit.schedule.attempt import _ended
from hedgekit.schedule.job import NS
from hedgekit.schedule.words import lateness
from tests.schedule.made import GOOD, NEVER, job, kept

PLANTED = "s3cret-of-an-account"


@pytest.mark.parametrize("name", ["", "../../etc/cron.d/x", "a b", "-rf", ".hidden", "x\n", "a/b", "ä", "%n", "a;reboot", "x" * 61])
def test_a_name_that_could_be_something_else_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="can be no job's name"):
        job(tmp_path, GOOD).__class__(name=name, cron=NEVER, zone="UTC", notebook="session", out="/x")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"cron": "61 * * * *"}, "'61' is no minute"),
        ({"zone": "Mars/Base"}, "no time zone 'Mars/Base'"),
        ({"timeout_s": 0.0}, "timeout=0.0 of job job: choose 1 to 604800"),
        ({"timeout_s": float("nan")}, "timeout=nan"),
        ({"retries": -1}, "retries=-1"),
        ({"wait_s": -1.0}, "wait=-1.0"),
        ({"command": ["no-such-program-here"]}, "no such program"),
    ],
)
def test_what_cannot_run_is_told_when_it_is_added(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        job(tmp_path, GOOD, **wrong)


def test_a_matrix_is_checked_set_by_set(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("- word: a\n- wrod: b\n")
    with pytest.raises(ConfigError, match=r"report 2 of the matrix: .*did you mean 'word'"):
        job(tmp_path, GOOD, matrix=tmp_path / "m.yaml")


@pytest.mark.parametrize("name", ["APCA_API_SECRET_KEY", "KALSHI_DATA_KEY_ID", "HEDGEKIT_WEBHOOK", "PGPASSWORD"])
def test_a_secret_is_refused_and_in_no_line_of_the_log(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from hedgekit import keys  # noqa: PLC0415 - its names

    if name != "PGPASSWORD":
        assert name in keys.every() or name.startswith("KALSHI")
        name = name if name in keys.every() else next(key for key in sorted(keys.every()) if key.startswith("KALSHI") and "DATA" in key)
    monkeypatch.setenv(name, PLANTED)
    with pytest.raises(ConfigError, match="a credential stands in") as told:
        job(tmp_path, GOOD, command=["true", f"--token={PLANTED}"])
    assert PLANTED not in str(told.value)
    ended = _ended(Entry("job", "run", 1, "started", 0), "failed", 1, f"hedgekit: it said\n{PLANTED} \x1b[0m" + 600 * "x")
    assert ended.text.startswith(f"it said [{name}] ")
    assert ended.text.isprintable()
    assert len(ended.text) < 520


def test_a_password_in_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a credential stands in") as told:
        job(tmp_path, GOOD, command=["true", "https://me:hunter2@example.com"])
    assert "hunter2" not in str(told.value)
    with pytest.raises(ConfigError, match="a credential stands in") as told:
        job(tmp_path, GOOD, command=["true", "postgresql+psycopg://host/db?user=me&password=hunter2"])
    assert "hunter2" not in str(told.value)


def test_the_store_is_data_and_its_users_own(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD, cron="30 7 * * *", zone="Europe/Berlin"))
    assert store.path.stat().st_mode & 0o777 == 0o600
    body = store.path.read_bytes()
    assert pickle.PROTO + b"\x04" not in body
    assert b'"zone":"Europe/Berlin"' in body
    again = Store(store.path).job("job").job
    assert again == store.jobs()[0].job
    with closing(sqlite3.connect(store.path)) as conn, conn:
        conn.execute('UPDATE jobs SET body = replace(body, \'"name":"job"\', \'"name":"../x"\')')
    with pytest.raises(ConfigError, match=r"job 'job' .* cannot be read: .*can be no job's name"):
        store.jobs()
    store.remove("job")
    store.path.chmod(0o620)
    with pytest.raises(ConfigError, match="may be written by others"):
        Store(store.path)


def test_what_is_no_schedule_is_not_touched(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as conn, conn:
        conn.execute("CREATE TABLE mine (x)")
    (tmp_path / "other.db").chmod(0o600)
    with pytest.raises(ConfigError, match="not a schedule"):
        Store(tmp_path / "other.db")
    (tmp_path / "text").write_text("no database, but a text that is longer than a header")
    (tmp_path / "text").chmod(0o600)
    with pytest.raises(ConfigError, match="file is not a database"):
        Store(tmp_path / "text")


def test_the_log_is_append_only(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD))
    store.note(Entry("job", "run", 1, "started", 5))
    for change in ("UPDATE log SET event = 'completed'", "DELETE FROM log"):
        with closing(sqlite3.connect(store.path)) as conn, conn, pytest.raises(sqlite3.IntegrityError, match="append-only"):
            conn.execute(change)
    assert [entry.event for entry in store.log()] == ["started"]


def test_a_due_time_is_taken_once(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD))
    planned = store.job("job")
    entry = Entry("job", "run", 1, "started", planned.next_ns)
    assert store.claim(planned, planned.next_ns + 1, entry)
    assert not store.claim(planned, planned.next_ns + 1, entry)
    assert len(store.log()) == 1
    store.remove("job")
    store.add(planned.job, time.time_ns())  # the same name again is another job
    assert not store.claim(planned._replace(next_ns=store.job("job").next_ns), 0, entry)
    assert store.last(store.job("job")) is None


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    store = kept(tmp_path)
    first = store.lock("job")
    assert first is not None
    assert store.lock("job") is None
    assert store.lock("other") is not None
    os.close(first)
    assert store.lock("job") is not None


async def test_a_run_that_is_cancelled_before_it_begins_gives_its_lock_back(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD))
    running = asyncio.create_task(Runner(store).now("job"))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [entry.event for entry in store.log()] == ["started"]
    lock = store.lock("job")
    assert lock is not None, "the next one who looks finds the run unfinished, and begins it again"
    os.close(lock)


def test_patience_doubles_and_ends(tmp_path: Path) -> None:
    daily = job(tmp_path, GOOD, retries=9, wait_s=1_500.0)
    runner = Runner(kept(tmp_path, daily))
    entry = Entry("job", "run", 1, "failed", 0)
    waits = []
    for number in range(10):
        waits.append(runner._patience_s(daily, entry))
        runner._store.note(entry._replace(event=("failed", "timed out", "killed")[number % 3]), entry._replace(event="told"))
    assert waits == [1_500.0, 3_000.0, *[3_600.0] * 7, None]
    assert (
        runner._patience_s(msgspec.structs.replace(daily, cron="* * * * *", retries=99 // 5), entry) is None
    )  # the next one is due sooner


@pytest.mark.parametrize(
    ("late_s", "words"),
    [
        (0, ""),
        (59, ""),
        (60, "late by 60 s"),
        (150, "late by 2 min"),
        (7_199, "late by 120 min, 1 later due times missed, run once for all"),
        (7_200, "late by 2 h, 2 later due times missed, run once for all"),
        (3 * 86_400, "late by 3 d, 72 later due times missed, run once for all"),
        (60 * 86_400, "late by 60 d, 1000 or more later due times missed, run once for all"),
    ],
)
def test_how_late_a_run_is(tmp_path: Path, late_s: int, words: str) -> None:
    """Due each hour."""
    due = 1_700_002_800 * NS
    assert lateness(Planned(job(tmp_path, GOOD, cron="0 * * * *"), 0, due), due + late_s * NS) == words


def test_what_another_process_has_finished_meanwhile_is_not_begun_again(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD))
    for event in ("started", "completed"):
        store.note(Entry("job", "run", 1, event, 5))
    assert Runner(store)._taken(store.job("job"), time.time_ns(), due=False) is None
    assert [entry.event for entry in store.log()] == ["started", "completed"]


def test_arguments_say_what_was_asked(tmp_path: Path) -> None:
    made = job(tmp_path, GOOD, pdf=False, timeout_s=90.0)
    assert made.arguments("folder") == [
        *("report", "run", str(tmp_path / "job.ipynb"), "--out", str(tmp_path / "out"), "--name", "folder"),
        *("--timeout", "90", "--param", "word=hello"),
    ]
