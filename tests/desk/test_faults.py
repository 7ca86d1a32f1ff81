"""Wishes for faults, and the list of sessions: nothing odd in either ends a session or the list."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hedgekit.desk.entries import statuses
from hedgekit.desk.faults import Courier, faulted
from hedgekit.desk.state import Folder, State, Status
from hedgekit.paper.commands import Spool

STATUS = Status(session="paper-1", account="paper", state=State.ENDED, started_ns=1, market="made", speed=None)


@pytest.mark.parametrize("answer", ["no JSON", "[]", '{"op": 5}', '{"op": "other"}', '{"message": "without op"}'])
async def test_an_odd_answer_is_written_down_and_ends_nothing(tmp_path: Path, answer: str) -> None:
    async def control(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            await socket.send_str(answer)
        return socket

    app = web.Application()
    app.router.add_get("/control", control)
    (tmp_path / "wishes").mkdir()
    ref = Spool(tmp_path / "wishes", ("fault",)).send("fault", '{"op": "fault"}')
    courier = Courier(tmp_path / "wishes", tmp_path / "faults.json", "token")
    async with TestServer(app) as server:
        await asyncio.to_thread(courier.carry, f"ws://127.0.0.1:{server.port}/control")
    (told,) = faulted(tmp_path / "faults.json")
    assert told.ref == ref
    assert "no answer that can be read" in told.refusal
    assert not Spool(tmp_path / "wishes", ("fault",)).waiting()


def test_answers_that_cannot_be_written_down_end_nothing(tmp_path: Path) -> None:
    (tmp_path / "wishes").mkdir()
    spool = Spool(tmp_path / "wishes", ("fault",))
    spool.send("fault", '{"op": "fault"}')
    (tmp_path / "faults.json").mkdir()  # no file can take its place
    Courier(tmp_path / "wishes", tmp_path / "faults.json", "token").carry("ws://127.0.0.1:9/control")
    assert not spool.waiting()


def test_the_list_of_sessions_leaves_drafts_out(tmp_path: Path) -> None:
    for name in ("paper-1", ".paper-2-draft"):
        folder = tmp_path / "sessions" / name
        folder.mkdir(parents=True)
        Folder(folder).write(msgspec.structs.replace(STATUS, session=name))
    assert [status.session for status in statuses(folder=tmp_path)] == ["paper-1"]
