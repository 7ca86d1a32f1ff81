"""Alerts on their way: restarts anywhere, kills, and sinks that fail, with real journals, processes and sockets."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hedgekit.alerts import Alert, Command, Delivery, Limits, Log, Place, Reader, Sink, Webhook, table
from hedgekit.alerts.sinks import NotTold
from hedgekit.errors import ConfigError, JournalError
from hedgekit.journal import Journal
from hedgekit.types import NS, SessionEnded
from tests.alerts import made
from tests.journal.processes import child, finish, line_of

STORY = made.story()
AT_ONCE = made.watched(STORY)


def lines(path: Path) -> list[Alert]:
    """Read a log back."""
    return [msgspec.json.decode(line, type=Alert) for line in path.read_text().splitlines()] if path.exists() else []


def deliver(folder: Path, sinks: Sequence[Sink] = (), *, limits: Limits = made.LIMITS, limit: int = 0, say: Any = None) -> bool:
    """Tell what there is, as a process that has just been started does."""
    place = Place(folder / "place.json", made.SESSION)
    try:
        with Reader(folder / "journal.db", made.SESSION, limits) as reader:
            if limit:
                poll = reader.poll
                reader.poll = lambda most=limit: poll(min(most, limit))  # type: ignore[method-assign] # in short pieces
            delivery = Delivery(reader, sinks or [Log(folder / "log")], place, say=say or (lambda _: None), first_s=0.001)
            return asyncio.run(delivery.run(once=True))
    finally:
        place.close()


# -------------------------------------------------------------------- restarts


@settings(max_examples=20)
@example([6, 14], 2)
@given(st.lists(st.integers(1, len(STORY)), max_size=6).map(sorted), st.integers(1, 30))
def test_restarts_anywhere_and_pieces_of_any_size_tell_what_is_told_at_once(cuts: list[int], limit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, before = Path(name), 0
        for cut in [*cuts, len(STORY)]:
            made.write(folder / "journal.db", STORY[before:cut])
            assert deliver(folder, limit=limit)
            before = cut
        assert lines(folder / "log") == AT_ONCE
        assert deliver(folder)
        assert lines(folder / "log") == AT_ONCE


def test_a_killed_process_misses_nothing_and_repeats_under_the_same_id(tmp_path: Path) -> None:
    """SIGKILL while the command that is told the first alert runs: it has noted the alert, the place not yet that it was told."""
    where, log, program = made.write(tmp_path / "journal.db", STORY), tmp_path / "noted", tmp_path / "note.py"
    program.write_text(
        "import pathlib, sys, time\n"
        f"with pathlib.Path({str(log)!r}).open('a') as file: file.write(sys.stdin.read() + chr(10))\n"
        "time.sleep(float(sys.argv[1]))\n"
    )
    command = [*CLI, str(where), "--drawdown", "500", "--command"]
    for kill in (1, 2):
        process = psutil.Popen([*command, f"{sys.executable} {program} 600"], stdout=subprocess.DEVNULL)
        while len(lines(log)) < kill:
            assert process.poll() is None
            time.sleep(0.02)
        for one in [*process.children(recursive=True), process]:
            one.kill()
        process.wait()
    assert [alert.id for alert in lines(log)] == [AT_ONCE[0].id] * 2
    subprocess.run([*command, f"{sys.executable} {program} 0", "--once"], check=True, stdout=subprocess.DEVNULL)
    told = [alert.id for alert in lines(log) if alert.rule != "silent"]  # nobody writes this journal
    assert told == [AT_ONCE[0].id] * 2 + [alert.id for alert in AT_ONCE]


CLI = [sys.executable, "-m", "hedgekit", "alerts"]


def test_other_limits_are_told_as_edges_and_the_edges_still_alternate(tmp_path: Path) -> None:
    made.write(tmp_path / "journal.db", STORY[:17])  # ends with a drawdown of $600 that holds, and a naked leg
    assert deliver(tmp_path)
    assert deliver(tmp_path, limits=Limits(drawdown=700.0))
    assert deliver(tmp_path, limits=Limits(drawdown=500.0))
    falls = [alert.edge for alert in lines(tmp_path / "log") if alert.rule == "drawdown"]
    assert falls == ["raised", "cleared", "raised"]
    assert [alert.rule for alert in lines(tmp_path / "log")].count("naked leg") == 1


def test_a_place_is_of_one_session_of_one_journal_and_of_one_process(tmp_path: Path) -> None:
    made.write(tmp_path / "journal.db", STORY)
    assert deliver(tmp_path)
    with pytest.raises(ConfigError, match="remembers session 'wrong', not 'other'"):
        Place(tmp_path / "place.json", "other")
    hold = "import sys; from hedgekit.alerts import Place; p = Place(sys.argv[1], 'wrong'); print('held', flush=True); sys.stdin.read()"
    process = child(hold, tmp_path / "place.json")
    try:
        assert line_of(process) == "held"
        with pytest.raises(ConfigError, match="another process tells these alerts"):
            Place(tmp_path / "place.json", "wrong")
    finally:
        finish(process)
    (tmp_path / "journal.db").unlink()
    moved = [msgspec.structs.replace(record, ts_ns=record.ts_ns + 1) for record in STORY]
    made.write(tmp_path / "journal.db", moved)
    with pytest.raises(JournalError, match="not the journal whose alerts were told before"):
        deliver(tmp_path)
    (tmp_path / "place.json").write_text("{")
    with pytest.raises(ConfigError, match="is no memory of alerts"):
        Place(tmp_path / "place.json", "wrong")


def test_a_journal_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """Told while it is written, by a process that started before it, until the session has ended."""
    process = subprocess.Popen(
        [*CLI, str(tmp_path / "journal.db"), made.SESSION, "--drawdown", "500", "--silent", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        while not (tmp_path / f"journal.db.{made.SESSION}.alerts.json.lock").exists():
            assert process.poll() is None
            time.sleep(0.02)
        for start in range(0, len(STORY), 9):
            made.write(tmp_path / "journal.db", STORY[start : start + 9])
        made.write(tmp_path / "journal.db", [SessionEnded(ts_ns=STORY[-1].ts_ns, reason="stopped")])
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    told = [json.loads(line) for line in out.splitlines()]
    assert [alert["id"] for alert in told if alert["rule"] != "silent"] == [alert.id for alert in AT_ONCE]


# ----------------------------------------------------------------------- sinks


@asynccontextmanager
async def server(answers: list[Any]) -> AsyncIterator[tuple[str, list[tuple[str, bytes]]]]:
    """Serve one answer after the other (a status, or seconds to wait before 200), then 200; yield address and what came."""
    got: list[tuple[str, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        got.append((request.headers["Idempotency-Key"], await request.read()))
        answer = answers.pop(0) if answers else 200
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = 200
        return web.Response(status=answer, headers={"Location": "/elsewhere"} if answer in range(300, 400) else {})

    async def elsewhere(_: web.Request) -> web.Response:
        msg = "a redirect was followed"
        raise AssertionError(msg)

    app = web.Application()
    app.router.add_post("/hook/{token}", take)
    app.router.add_route("*", "/elsewhere", elsewhere)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/hook/s3cret", got
    finally:
        await runner.cleanup()


async def through(folder: Path, sinks: Sequence[Sink], said: list[str], *, once: bool = True) -> bool:
    place = Place(folder / "place.json", made.SESSION)
    try:
        with Reader(folder / "journal.db", made.SESSION, made.LIMITS) as reader:
            return await Delivery(reader, sinks, place, say=said.append, first_s=0.001).run(once=once)
    finally:
        place.close()


async def test_a_webhook_that_fails_is_told_again_and_gets_all_in_order(tmp_path: Path) -> None:
    made.write(tmp_path / "journal.db", STORY)
    said: list[str] = []
    async with server([500, 302, 429]) as (url, got):
        assert await through(tmp_path, [Webhook(url)], said)
    assert [key for key, _ in got] == [AT_ONCE[0].id] * 3 + [alert.id for alert in AT_ONCE]
    assert [msgspec.json.decode(body, type=Alert) for _, body in got[3:]] == AT_ONCE
    assert [line.partition(";")[0].rpartition(" ")[2] for line in said] == ["500", "302", "429"]
    assert "s3cret" not in "".join(said) + (tmp_path / "place.json").read_text() + repr(Webhook(url))


async def test_what_a_webhook_did_not_get_waits_for_the_next_run_and_the_log_does_not(tmp_path: Path) -> None:
    made.write(tmp_path / "journal.db", STORY)
    said: list[str] = []
    async with server([503] * 4) as (url, got):
        assert not await through(tmp_path, [Log(tmp_path / "log"), Webhook(url)], said)
        assert lines(tmp_path / "log") == AT_ONCE
        assert len(got) == 4
        assert said[-1].endswith(f"{len(AT_ONCE)} left for the next run")
        assert await through(tmp_path, [Log(tmp_path / "log"), Webhook(url)], said)
        assert [key for key, _ in got[4:]] == [alert.id for alert in AT_ONCE]
    assert lines(tmp_path / "log") == AT_ONCE


class Failing:
    """Somewhere that fails so often, then works."""

    name = "failing"

    def __init__(self, times: int) -> None:
        self.left, self.got = times, list[Alert]()

    async def tell(self, alert: Alert) -> None:
        """Fail, or take it."""
        self.left -= 1
        if self.left >= 0:
            msg = "away"
            raise NotTold(msg)
        self.got.append(alert)


async def test_a_sink_that_is_away_over_a_weekend_gets_all_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some 18 hours, once a minute: 2 to the power of 1,024 is no float."""
    monkeypatch.setattr("hedgekit.alerts.delivery.MOST_S", 0.0)
    monkeypatch.setattr("hedgekit.alerts.delivery.TRIES", 2_000)
    made.write(tmp_path / "journal.db", [*STORY[:6], SessionEnded(ts_ns=13 * NS, reason="stopped")])
    sink = Failing(1_100)
    place = Place(tmp_path / "place.json", made.SESSION)
    with Reader(tmp_path / "journal.db", made.SESSION, made.LIMITS) as reader:
        assert await Delivery(reader, [sink], place, say=lambda _: None, first_s=0.001).run()
    place.close()
    assert [alert.id for alert in sink.got] == [AT_ONCE[0].id]


async def test_a_place_that_cannot_be_written_does_not_keep_alerts_back(tmp_path: Path) -> None:
    """As on a full disk, of which the session has just died."""
    made.write(tmp_path / "journal.db", STORY)
    (tmp_path / "place.json.new").symlink_to("/dev/full")
    said: list[str] = []
    assert await through(tmp_path, [Log(tmp_path / "log")], said)
    assert lines(tmp_path / "log") == AT_ONCE
    assert said[0].endswith("place.json: No space left on device; what is told now may be told again by the next run")


async def test_a_webhook_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    made.write(tmp_path / "journal.db", STORY)
    async with server([30.0]) as (url, got):
        task = asyncio.create_task(through(tmp_path, [Webhook(url, timeout_s=30.0), Log(tmp_path / "log")], []))
        while lines(tmp_path / "log") != AT_ONCE or not got:  # noqa: ASYNC110 - a file is looked at, as a person would
            await asyncio.sleep(0.01)
        assert not task.done()
        assert len(got) == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with server([30.0]) as (url, _):
        with pytest.raises(NotTold, match=r"127\.0\.0\.1:[0-9]+: TimeoutError") as caught:
            await Webhook(url, timeout_s=0.1).tell(AT_ONCE[0])
        assert "s3cret" not in str(caught.value)
    with pytest.raises(NotTold, match="ClientConnector"):
        await Webhook(url).tell(AT_ONCE[0])


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x?token=s3cret", "http://[bad/s3cret", ""])
def test_an_address_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="is no http or https address") as caught:
        Webhook(url)
    assert "s3cret" not in str(caught.value)


async def test_a_command_gets_the_alert_on_its_standard_input_and_no_shell(tmp_path: Path) -> None:
    program = "import sys; open(sys.argv[1], 'w').write(sys.argv[2] + sys.stdin.read())"
    await Command([sys.executable, "-c", program, str(tmp_path / "got"), "$(touch nothing); "]).tell(AT_ONCE[3])
    text = (tmp_path / "got").read_text()
    assert text.startswith("$(touch nothing); {")
    assert msgspec.json.decode(text.partition("; ")[2], type=Alert) == AT_ONCE[3]
    with pytest.raises(NotTold, match="ended with exit code 3"):
        await Command([sys.executable, "-c", "raise SystemExit(3)"]).tell(AT_ONCE[0])
    with pytest.raises(ConfigError, match="command 'no-such-program': no such program"):
        Command(["no-such-program"])


async def test_what_a_command_leaves_running_lives_on(tmp_path: Path) -> None:
    """As a siren that it starts and does not wait for."""
    siren = (
        "import os, pathlib, sys, time\nwhile os.getppid() == int(sys.argv[2]): time.sleep(0.01)\n"
        "pathlib.Path(sys.argv[1], 'heard').touch()"
    )
    program = (
        f"import os, pathlib, subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {siren!r}, sys.argv[1], str(os.getpid())]);"
        "pathlib.Path(sys.argv[1], 'pid').write_text(str(p.pid))"
    )
    await Command([sys.executable, "-c", program, str(tmp_path)]).tell(AT_ONCE[0])
    number = int((tmp_path / "pid").read_text())
    while not (tmp_path / "heard").exists():
        assert psutil.pid_exists(number)
        await asyncio.sleep(0.01)


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    program = (
        "import pathlib, subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "pathlib.Path(sys.argv[1]).write_text(str(p.pid)); time.sleep(600)"
    )
    with pytest.raises(NotTold, match="took longer than 5 s"):
        asyncio.run(Command([sys.executable, "-c", program, str(tmp_path / "pid")], timeout_s=5.0).tell(AT_ONCE[0]))
    grandchild = int((tmp_path / "pid").read_text())
    while psutil.pid_exists(grandchild) and psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


# --------------------------------------------------------------------- silence

WRITER = """
import sys, time
from hedgekit.journal import Journal
from tests.alerts import made
journal = Journal.open(sys.argv[1], made.SESSION)
for record in made.story()[int(sys.argv[2]):int(sys.argv[3])]:
    journal.append(record)
journal.commit(int(sys.argv[3]))
print("written", flush=True)
time.sleep(600)
"""


def test_a_session_whose_process_is_killed_is_silent_until_it_writes_again(tmp_path: Path) -> None:
    where, log = tmp_path / "journal.db", tmp_path / "log"
    command = [*CLI, str(where), "--once", "--log", str(log)]
    seen: list[list[str]] = []

    def look() -> None:
        subprocess.run(command, check=True)
        seen.append([alert.edge for alert in lines(log) if alert.rule == "silent"])

    for part in (0, 3):
        writer = child(WRITER, where, part, part + 3)
        try:
            assert line_of(writer) == "written"
            look()
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            look()
        finally:
            finish(writer)
    look()  # nothing is new
    up, down = "raised", "cleared"
    assert seen == [[], [up], [up, down], [up, down, up], [up, down, up]]


def test_a_session_that_writes_prices_alone_is_not_silent(tmp_path: Path) -> None:
    where = made.write(tmp_path / "journal.db", STORY[:2])
    with Reader(where, made.SESSION) as reader:
        told = reader.poll() + reader.look(alive=False)
        made.write(where, [made.quote(2), made.quote(3)])
        told += reader.poll()
    assert made.edges(told) == [(2, "silent", "", "raised"), (4, "silent", "", "cleared")]
    assert told[1].ts_ns == 3 * NS


def test_the_table_pairs_what_was_raised_with_its_end(tmp_path: Path) -> None:
    made.write(tmp_path / "journal.db", STORY[:17])
    found = table(tmp_path / "journal.db", made.SESSION, made.LIMITS, alive=False)
    assert list(found["rule"]) == ["rejects", "delta", "naked leg", "naked budget", "drawdown", "silent"]
    assert list(found["cleared"].notna()) == [True, True, False, False, False, False]
    assert found["raised"].iloc[1].timestamp() == 51.0
    assert found["cleared"].iloc[1].timestamp() == 60.0
    empty = table(tmp_path / "none.db", made.SESSION)
    assert list(empty) == ["raised", "cleared", "rule", "subject", "severity", "text", "record"]
    assert empty.empty
    with Journal.open(tmp_path / "journal.db", made.SESSION, mode="read") as journal:
        assert journal.count == 17
