"""A failure is told although the scheduler was killed between the two; who is told twice can see that it is the same one."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hedgekit.schedule import Entry, Runner, Store
from tests.schedule.made import GOOD, events, job, kept, of, start, stop, until


def program(folder: Path, then: str = "") -> list[str]:
    """Return a command that adds what it gets to a file, and then does something."""
    return [sys.executable, "-c", f"import sys, time; open({str(folder / 'told')!r}, 'a').write(sys.stdin.read() + '\\n'); {then}"]


def told(folder: Path) -> list[dict[str, object]]:
    """Return what the command got."""
    path = folder / "told"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def failed(name: str = "job") -> Entry:
    return Entry(name, f"{name}-run", 2, "failed", 7, 1, "why it failed")


class Hook:
    """A webhook that keeps what it gets."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        """Take it."""
        self.ids.append(request.headers["Idempotency-Key"])
        return web.Response()

    def server(self) -> TestServer:
        """Return its server, to be entered."""
        app = web.Application()
        app.router.add_post("/", self.take)
        return TestServer(app)


def test_a_scheduler_killed_while_it_tells_is_made_good_by_the_next(tmp_path: Path) -> None:
    """SIGKILL while the command runs: nobody knows whether it was told, so it is told again, as the same failure."""
    gate = tmp_path / "gate"
    wait = f"import pathlib\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(.05)"
    store = kept(tmp_path, job(tmp_path, "1 / 0", command=program(tmp_path, f"exec({wait!r})")))
    first = start(store, "job", "--now")
    until(lambda: len(told(tmp_path)) == 1, store)
    first.kill()
    first.wait(30)
    assert events(store) == ["started", "failed"]
    gate.touch()
    first.communicate(timeout=30)  # the command has its standard error
    second = start(store)
    until(lambda: "told" in events(store), store)
    said = stop(second)
    assert events(store) == ["started", "failed", "told"]
    assert ": told: command" in said
    before, again = told(tmp_path)
    assert before == again
    assert before["id"] == f"{of(store, 'failed')[0].run}/1"
    assert (before["outcome"], before["attempts"], before["exit_code"]) == ("failed", 1, 1)


async def test_what_was_noted_and_never_told_is_told_once(tmp_path: Path) -> None:
    """The store as a scheduler leaves it that is killed between the failure and the telling of it; two find it at once."""
    store, hook = kept(tmp_path, job(tmp_path, GOOD, command=program(tmp_path))), Hook()
    store.note(failed(), owed=["command", "webhook"])
    async with hook.server() as server:
        two = [Runner(Store(store.path), webhook=str(server.make_url("/"))) for _ in range(2)]
        assert await asyncio.gather(*(each.once() for each in two)) == [[], []]
        await two[0].once()
    assert [entry["id"] for entry in told(tmp_path)] == hook.ids == ["job-run/2"]
    heard = told(tmp_path)[0]
    assert (heard["job"], heard["run"], heard["attempts"], heard["folder"]) == ("job", "job-run", 2, str(tmp_path / "out" / "job-run-2"))
    assert (heard["outcome"], heard["exit_code"], heard["text"], heard["due"]) == ("failed", 1, "why it failed", "1970-01-01T00:00:00Z")
    assert [(entry.event, entry.text) for entry in store.log()[1:]] == [("told", "command"), ("told", "webhook")]
    assert store.owed("job") == []


async def test_a_webhooks_part_waits_for_a_scheduler_that_has_one(tmp_path: Path) -> None:
    store, hook = kept(tmp_path, job(tmp_path, GOOD, command=program(tmp_path))), Hook()
    store.note(failed(), owed=["command", "webhook"])
    await Runner(store).once()
    assert events(store) == ["failed", "told"]
    async with hook.server() as server:
        await Runner(store, webhook=str(server.make_url("/"))).once()
    assert (hook.ids, len(told(tmp_path))) == (["job-run/2"], 1)


async def test_what_did_not_arrive_is_said_and_not_owed_for_ever(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD, command=program(tmp_path, "sys.exit(3)")))
    store.note(failed(), owed=["command"])
    await Runner(store).once()
    assert [(entry.event, entry.text) for entry in store.log()[1:]] == [("not told", "command: ended with exit code 3")]
    assert {entry["id"] for entry in told(tmp_path)} == {"job-run/2"}
    assert len(told(tmp_path)) == 3  # each try
    await Runner(store).once()
    assert len(told(tmp_path)) == 3


async def test_of_a_job_that_is_gone_nothing_is_owed(tmp_path: Path) -> None:
    planned = job(tmp_path, GOOD, command=program(tmp_path))
    store = kept(tmp_path, planned, job(tmp_path, GOOD, name="other", command=program(tmp_path)))
    store.note(failed(), owed=["command"])
    store.note(failed("other"), owed=["command"])
    store.remove("job")
    store.add(planned, time.time_ns())
    assert store.owed("job") == []
    await Runner(store, only=["job"]).once()
    assert (told(tmp_path), len(store.owed("other"))) == ([], 1)


async def test_a_run_that_killed_every_scheduler_is_told_too(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD, command=program(tmp_path)))
    for attempt in range(1, 5):
        store.note(failed()._replace(event="started", attempt=attempt))
    await Runner(store).once()
    assert events(store)[-3:] == ["killed", "given up", "told"]
    assert [(entry["id"], entry["outcome"]) for entry in told(tmp_path)] == [("job-run/4", "given up")]


async def test_a_failure_whose_folder_cannot_be_written_is_told(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD, command=program(tmp_path)))
    (tmp_path / "out").write_text("a file where the folder should be")
    said: list[str] = []
    ended = await Runner(store, say=said.append).now("job")
    assert (ended.event, ended.exit_code) == ("failed", 2)
    assert events(store) == ["started", "failed", "told"]
    assert any("cannot write" in words for words in said)


def test_a_failure_and_what_follows_are_written_together(tmp_path: Path) -> None:
    """The second line cannot be written: neither is the first, nor that anybody is to be told."""
    store = kept(tmp_path, job(tmp_path, GOOD))
    with closing(sqlite3.connect(store.path)) as conn, conn:
        conn.execute("CREATE TRIGGER full BEFORE INSERT ON log WHEN new.event = 'waits' BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(Exception, match="disk full"):
        store.note(failed(), failed()._replace(event="waits"), owed=["command"])
    assert (store.log(), store.owed("job")) == ([], [])


def test_a_schedule_of_an_earlier_version_learns_to_owe(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD))
    with closing(sqlite3.connect(store.path)) as conn, conn:
        conn.execute("DROP TABLE owed")
    again = Store(store.path)
    again.note(failed(), owed=["command"])
    assert [(sink, entry.run) for _, sink, entry in again.owed("job")] == [("command", "job-run")]
    assert again.job("job").job == store.job("job").job
