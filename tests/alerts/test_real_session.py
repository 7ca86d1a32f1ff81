"""The whole way: a paper session whose venue falls silent, `hedgekit alerts` beside it, a program and a server that are told."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from hedgekit import demo
from hedgekit.alerts import Alert, table
from hedgekit.journal import Journal
from hedgekit.types import Link
from tests.paper.rig import TINY, TINY_PARAMS, sandbox

OUTAGE = {"kind": "outage", "at": "row:100", "seconds": 3_600.0}
TOKEN = "tok3n"  # noqa: S105 - no secret but of this test


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outage")
    with sandbox(folder, TINY, options=["--faults", json.dumps([OUTAGE])]) as rig:
        done = rig.run(rig.config(params=TINY_PARAMS))
        assert done.returncode == 0, done.stderr
    return folder / "journal.db"


async def told(journal: Path, folder: Path, *options: str) -> tuple[dict[str, list[Alert]], str]:
    """Run the command with all three sinks; return what each was told, and what the command said on stderr."""
    got: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        got.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post(f"/{TOKEN}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/{TOKEN}"
    program = f"import sys; open({str(folder / 'commanded')!r}, 'a').write(sys.stdin.read() + chr(10))"
    command = [sys.executable, "-m", "hedgekit", "alerts", str(journal), "--place", str(folder / "place"), "--webhook", address, *options]
    command += ["--command", f"{sys.executable} -c {json.dumps(program)}"]
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = await process.communicate()
    finally:
        await runner.cleanup()
    assert process.returncode == 0, err
    lines = {"log": out.splitlines(), "webhook": got, "command": (folder / "commanded").read_bytes().splitlines()}
    return {name: [msgspec.json.decode(line, type=Alert) for line in found] for name, found in lines.items()}, err.decode()


def breaker(records: list[Any]) -> list[tuple[int, int, str]]:
    """Return what the journal says of the venue: record, time, edge."""
    words = {"down": "raised", "up": "cleared"}
    return [(n, record.ts_ns, words[record.state]) for n, record in enumerate(records, 1) if isinstance(record, Link)]


async def test_an_outage_is_told_to_a_log_a_program_and_a_server(journal: Path, tmp_path: Path) -> None:
    sinks, said = await told(journal, tmp_path)  # follows until the session has ended, which it has
    assert sinks["log"] == sinks["webhook"] == sinks["command"]
    with Journal.open(journal, demo.SESSION, mode="read") as reader:
        records = list(reader.records())
    found = [(alert.record, alert.ts_ns, alert.edge) for alert in sinks["log"] if alert.rule == "breaker"]
    assert found == breaker(records)
    assert len(found) == 2
    assert not [alert for alert in sinks["log"] if alert.rule == "silent"]
    assert TOKEN not in said + (tmp_path / "place").read_text() + "".join(alert.text for alert in sinks["log"])
    rows = table(journal, demo.SESSION)
    assert len(rows) == sum(alert.edge == "raised" for alert in sinks["log"])
    assert list(rows["record"]) == [alert.record for alert in sinks["log"] if alert.edge == "raised"]


async def test_wrong_options_are_one_line(journal: Path, tmp_path: Path) -> None:
    for options, words in (
        (["--drawdown", "lots"], "--drawdown 'lots': write money, as 5000, or a share"),
        (["--delta", "-1"], "delta=-1.0: must be a number from 0 on"),
        (["--webhook", f"file:///{TOKEN}"], "is no http or https address"),
        (["--command", "say 'wake up"], "No closing quotation; write it as for a shell"),
        (["--command", "no-such-program"], "command 'no-such-program': no such program"),
    ):
        command = [sys.executable, "-m", "hedgekit", "alerts", str(journal), "--place", str(tmp_path / "place"), "--once", *options]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("hedgekit: ")
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert TOKEN not in done.stderr
