"""Jobs that run: on a real clock, in real processes, with real reports."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hedgekit.errors import ConfigError
from hedgekit.report import runs
from hedgekit.schedule import Job, Runner, Store
from hedgekit.schedule.job import NS
from tests.browser import OfflinePage
from tests.schedule.made import GOOD, OFTEN, PATIENCE_S, events, job, kept, of, start, stop, until

GATE = "import pathlib, time\nat = pathlib.Path({begun!r})\nat.write_text(at.read_text() + 'x' if at.exists() else 'x')\n"
WAIT = GATE + "while len(at.read_text()) < {passes}: time.sleep(.05)"


def waiting(folder: Path, passes: int) -> str:
    """Return a cell that says in a file that it began, and waits for so many beginnings."""
    return WAIT.format(begun=str(folder / "begun"), passes=passes)


def test_a_job_fires_on_a_real_clock_and_its_report_is_there(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD, cron="*/5 * * * * *"))
    due = store.job("job").next_ns
    scheduler = start(store)
    until(lambda: "completed" in events(store), store)
    said = stop(scheduler)
    assert scheduler.returncode == 0, said
    first, ended = of(store, "started")[0], of(store, "completed")[0]
    assert (first.due_ns, first.attempt, ended.run, ended.exit_code) == (due, 1, first.run, 0)
    assert due <= first.at_ns < ended.at_ns
    frame = runs(tmp_path / "out").set_index("run")
    assert (frame.loc[first.run, "status"], frame.loc[first.run, "word"]) == ("completed", "hello")
    assert first.run in (tmp_path / "out" / "index.html").read_text()
    assert f"{first.run} due" in said
    assert store.job("job").next_ns > due


def test_no_job_overlaps_itself_not_even_in_two_processes(tmp_path: Path) -> None:
    """A job due each second, whose runs wait for a file: while the first one waits, every other due time is refused."""
    store = kept(tmp_path, job(tmp_path, waiting(tmp_path, 2), cron=OFTEN))
    two = [start(store), start(store)]
    until(lambda: (tmp_path / "begun").exists() and len(of(store, "refused")) >= 3, store)
    assert (tmp_path / "begun").read_text() == "x"
    with pytest.raises(ConfigError, match="job job is at work"):
        with_now(store, "job")
    (tmp_path / "begun").write_text("xx")
    until(lambda: "completed" in events(store), store)
    stop(*two)
    at_work = 0
    for entry in store.log():
        at_work += (entry.event == "started") - (entry.event in {"completed", "interrupted"})
        assert at_work <= 1
    taken = [entry.due_ns for entry in store.log() if entry.event in {"started", "refused"} and entry.attempt == 1]
    assert len(taken) == len(set(taken))  # by one of the two each


def with_now(store: Store, name: str) -> None:
    import asyncio  # noqa: PLC0415 - for this alone

    asyncio.run(Runner(store).now(name))


@pytest.mark.parametrize(("how", "word"), [(signal.SIGKILL, "killed"), (signal.SIGTERM, "interrupted")])
def test_a_stopped_scheduler_is_told_and_its_run_caught_up(tmp_path: Path, how: signal.Signals, word: str) -> None:
    """In the middle of a run: the run ends too, and the next scheduler begins it again."""
    store = kept(tmp_path, job(tmp_path, waiting(tmp_path, 2), cron="*/2 * * * * *"))
    first = start(store)
    until((tmp_path / "begun").exists, store)
    first.send_signal(how)
    first.communicate(timeout=60)
    postpone(store)
    run = of(store, "started")[0].run
    second = start(store)
    until(lambda: "completed" in events(store), store)
    stop(second)
    story = [(entry.event, entry.run, entry.attempt) for entry in store.log() if entry.event != "refused"]
    assert story == [("started", run, 1), (word, run, 1), ("started", run, 2), ("completed", run, 2)]
    assert of(store, "started")[1].text == f"caught up: the run {run} was {word}"
    frame = runs(tmp_path / "out").set_index("run")
    assert frame.loc[run, "status"] in {"killed", "interrupted"}
    assert frame.loc[f"{run}-2", "status"] == "completed"
    assert (tmp_path / "begun").read_text() == "xx"


def postpone(store: Store, to_ns: int = 2**62) -> None:
    """Set when the job is due next, as if time had passed or not."""
    with store._open() as conn:
        conn.execute("UPDATE jobs SET next_ns = ?", (to_ns,))


async def test_what_was_missed_is_run_once_and_told_as_late(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD, cron="0 * * * *"))
    hour = 3_600 * NS
    missed = time.time_ns() // hour * hour - 4 * hour
    postpone(store, missed)
    ended = await Runner(store).once()
    assert [entry.event for entry in ended] == ["completed"]
    begun = of(store, "started")
    assert [(entry.due_ns, entry.text) for entry in begun] == [
        (missed, f"late by {round((begun[0].at_ns - missed) / hour)} h, 4 later due times missed, run once for all")
    ]
    assert store.job("job").next_ns > time.time_ns()
    assert await Runner(store).once() == []


class Told:
    """A webhook that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        """Refuse at first, then take."""
        self.got.append(await request.json() | {"key": request.headers["Idempotency-Key"]})
        return web.Response(status=500 if len(self.got) == 1 else 204)


async def test_a_failing_report_is_tried_again_then_told_and_visible(tmp_path: Path, offline_page: OfflinePage) -> None:
    told, program = Told(), [sys.executable, "-c", f"import sys; open({str(tmp_path / 'told')!r}, 'a').write(sys.stdin.read())"]
    hostile = "raise ValueError('<script>document.title=1</script>\\n\\x1b[31m' + word)"
    store = kept(tmp_path, job(tmp_path, hostile, retries=1, wait_s=0.5, command=program))
    app = web.Application()
    app.router.add_post("/hook", told.take)
    async with TestServer(app) as server:
        ended = await Runner(store, webhook=str(server.make_url("/hook?token=hunter2"))).now("job")
    run = ended.run
    story = [(entry.event, entry.attempt) for entry in store.log()]
    assert story == [
        *((event, 1) for event in ("started", "failed", "waits")),
        *((event, 2) for event in ("started", "failed", "told", "told")),
    ]
    assert of(store, "waits")[0].text == "again in 0.5 s"
    assert "ValueError: <script>document.title=1</script>" in ended.text
    assert ended.exit_code == 1
    failure = json.loads((tmp_path / "told").read_text())
    assert told.got == [failure | {"key": f"{run}/2"}] * 2
    assert (failure["outcome"], failure["attempts"], failure["folder"]) == ("failed", 2, str(tmp_path / "out" / f"{run}-2"))
    assert "hunter2" not in "".join(map(str, store.log()))
    page, requests, errors = offline_page
    page.goto((tmp_path / "out" / "index.html").as_uri())
    assert page.locator("table.runs td:has-text('FAILED')").count() == 2
    assert page.title() == "Reports"
    assert page.locator("td:has-text('<script>document.title')").count() == 2
    assert (requests, errors) == ([], [])


async def test_running_out_of_time_is_told_as_such(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, "import time; time.sleep(60)", timeout_s=4.0))
    ended = await Runner(store).now("job")
    assert (ended.event, ended.exit_code) == ("timed out", 124)
    assert "ran out of time after 4 s" in ended.text
    assert list(runs(tmp_path / "out")["status"]) == ["timed out"]


async def test_a_matrix_as_a_whole_has_its_time(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("word: [a, b]")
    store = kept(tmp_path, job(tmp_path, "import time; time.sleep(60)", matrix=tmp_path / "m.yaml", timeout_s=6.0))
    ended = await Runner(store).now("job")
    assert (ended.event, ended.text) == ("timed out", "it ran longer than 6 s and was ended")
    told = runs(tmp_path / "out").set_index("run")["status"]
    assert told[ended.run] == "timed out"


async def test_what_cannot_even_begin_is_visible(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD))
    (tmp_path / "job.ipynb").unlink()
    ended = await Runner(store).now("job")
    assert (ended.event, ended.exit_code) == ("failed", 2)
    row = runs(tmp_path / "out").iloc[0]
    assert (row["run"], row["status"]) == (ended.run, "failed")
    assert "there is no notebook" in row["error"]
    assert "there is no notebook" in (tmp_path / "out" / "index.html").read_text()


async def test_what_kills_every_scheduler_is_given_up(tmp_path: Path) -> None:
    made: Job = job(tmp_path, GOOD)
    store = kept(tmp_path, made)
    from hedgekit.schedule.runner import _start  # noqa: PLC0415 - its own beginning of a run

    begun = _start(made, time.time_ns(), 1)
    for attempt in range(1, 5):  # as four schedulers leave it that are killed at once
        store.note(begun._replace(attempt=attempt))
    await Runner(store).once()
    assert events(store)[-2:] == ["killed", "given up"]
    assert list(runs(tmp_path / "out")["status"]) == ["killed"]  # though it never had a folder of its own
    assert await Runner(store).once() == []
    assert events(store)[-1] == "given up"


def test_the_exit_code_is_one_that_systemd_can_trust(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD), job(tmp_path, "1 / 0", name="bad"))

    def code(*words: str) -> int:
        process = start(store, *words)
        process.communicate(timeout=120)
        return process.returncode

    assert code("job", "--once") == 0  # nothing is due
    assert events(store) == []
    assert code("job", "--now") == 0
    assert code("none", "--once") == 2
    assert code("--now") == 2
    postpone(store, time.time_ns())
    assert code("--once") == 1
    assert [entry.job for entry in of(store, "completed")] == ["job", "job"]
    assert [entry.job for entry in of(store, "failed")] == ["bad"]


def test_from_a_terminal(tmp_path: Path) -> None:
    job(tmp_path, GOOD)

    def hedgekit(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hedgekit", "schedule", *words, "--store", str(tmp_path / "s.db")]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    added = ("add", "morning", "30 7 * * 1-5", str(tmp_path / "job.ipynb"), "--zone", "Europe/Berlin")
    wrong = hedgekit(*added, "-p", "wrod", "x")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "(did you mean 'word'?)" in wrong.stderr
    right = hedgekit(*added, "-p", "word", "x y", "--command", "true 'a b'", "--retries", "2")
    assert right.returncode == 0, right.stderr
    assert "07:30:00 Europe/Berlin" in right.stdout
    assert "there is a job morning already" in hedgekit(*added).stderr
    listed = hedgekit("list").stdout
    assert "morning  30 7 * * 1-5" in listed
    assert "never run" in listed
    stored = Store(tmp_path / "s.db").job("morning").job
    assert (stored.parameters, stored.command, stored.retries) == ({"word": "x y"}, ("true", "a b"), 2)
    assert hedgekit("log").stdout == ""
    assert hedgekit("remove", "morning").stdout == "removed: morning\n"
    assert "there is no job 'morning'" in hedgekit("remove", "morning").stderr
    assert "no job yet" in hedgekit("list").stdout


async def test_a_job_that_cannot_be_read_and_a_store_that_fails_for_a_moment_end_nothing(tmp_path: Path) -> None:
    store = kept(tmp_path, job(tmp_path, GOOD, name="a-bad"), job(tmp_path, GOOD, name="good", cron=OFTEN))
    with closing(sqlite3.connect(store.path)) as conn, conn:
        conn.execute("UPDATE jobs SET body = '{' WHERE name = 'a-bad'")
    said: list[str] = []
    running = asyncio.create_task(Runner(store, say=said.append).run())

    def done() -> int:
        return sum(entry.event == "completed" for entry in store.log("good"))

    async def came(what: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not what():
                assert not running.done(), said
                await asyncio.sleep(0.05)

    try:
        await came(lambda: done() > 0)
        assert sum("job 'a-bad'" in text and "cannot be read" in text for text in said) == 1  # told, and once
        with closing(sqlite3.connect(store.path)) as conn, conn:
            conn.execute("ALTER TABLE jobs RENAME TO away")
        await came(lambda: any("no such table: jobs" in text for text in said))
        with closing(sqlite3.connect(store.path)) as conn, conn:
            conn.execute("ALTER TABLE away RENAME TO jobs")
        before = done()
        await came(lambda: done() > before)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert store.job("good").job.name == "good"  # by its name, past the other
    with pytest.raises(ConfigError, match="cannot be read"):
        store.jobs()
