"""The dead man's switch: held while orders rest, let go of by a session that dies, told when it is lost."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec import structs

from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.net.limiter import Limiter
from hedgekit.net.outbox import Outbox
from hedgekit.net.sender import Sender, leave
from hedgekit.paper.allowance import limiter_of
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.paper.heart import Heart
from hedgekit.types import NS, Ack, Cancelled, Priority, Reply, Request, Switch
from hedgekit.venues.alpaca import Alpaca
from tests.paper.polymarket_rig import PAIR, PARAMS, agree, sandbox
from tests.paper.rig import Rig
from tests.venues.polymarket_made import client

RESTING = PARAMS | {"order_type": "limit", "patience_s": 0.0}
"""Its first order rests for three minutes."""

SHORT = structs.replace(PAIR, rows=88)
QUESTION = Request("GET", "/data/trades?after=0", "fills", Priority.QUERY)
HEDGE = Request("POST", "/order", "submit", Priority.HEDGE, b"{}")


class Posted:
    """A sender for a heart, and what it has posted; an order that is not over is open while ``working``."""

    def __init__(self, *, live: bool = True, per_minute: int = 0) -> None:
        self.venue, self.left = client(), list[Request]()
        self.heart = Heart(self.venue, live=live)
        self.outbox = Outbox(self.venue)
        limiter: Limiter = limiter_of(self.venue, "s", per_minute, [], 0, live=False)
        self.sender = Sender(self.outbox, limiter, self._post, lambda _: None)

    def _post(self, request: Request) -> int:
        self.left.append(request)
        return len(self.left)

    @property
    def bodies(self) -> list[str]:
        """The ids that its beats carried."""
        return [json.loads(request.body or b"{}")["heartbeat_id"] for request in self.left if request.purpose == "beat"]

    def look(self, now_ns: int) -> list[Switch]:
        """Let it look, and what may leave leave."""
        told = self.heart.look([self.sender], now_ns)
        leave([self.sender], now_ns)
        return told

    def answer(self, reply: Reply, now_ns: int) -> list[Switch]:
        """Answer what was posted last."""
        number = len(self.left)
        asked = self.sender.request_of(number)
        assert asked is not None
        assert self.sender.reply(number, reply, now_ns) == []
        return self.heart.answered(asked, reply, now_ns)


def taken(name: str) -> Reply:
    return Reply(200, json.dumps({"heartbeat_id": name}).encode())


def wrong(name: str) -> Reply:
    return Reply(400, json.dumps({"error_msg": "Invalid Heartbeat ID", "heartbeat_id": name}).encode())


# -------------------------------------------------------------------- the heart


def test_it_beats_every_five_seconds_with_the_id_of_the_last_answer() -> None:
    one = Posted()
    assert one.look(0) == []
    assert one.heart.next_ns([one.sender]) == 5 * NS
    assert one.answer(taken("a"), NS) == [Switch(ts_ns=NS, venue="POLYMARKET", state="held", since_ns=0)]
    one.look(5 * NS - 1)
    assert one.bodies == [""]
    one.look(5 * NS)
    assert one.answer(taken("b"), 5 * NS) == [], "told once"
    one.look(10 * NS)
    assert one.bodies == ["", "a", "b"]


def test_a_wrong_id_is_corrected_at_once_and_not_for_ever() -> None:
    one = Posted()
    one.look(0)
    one.answer(wrong("x"), 1)
    assert one.heart.next_ns([one.sender]) == 1
    one.look(1)
    one.answer(wrong("y"), 2)
    one.look(2)
    assert one.bodies == ["", "x"], "the next one at its own time"
    one.look(1 + 5 * NS)
    assert one.bodies == ["", "x", "y"]
    one.answer(taken("z"), 6 * NS)
    one.look(11 * NS)
    one.answer(wrong("q"), 11 * NS)
    one.look(11 * NS)
    assert one.bodies[-2:] == ["z", "q"], "after one that was taken, at once again"


def test_what_cannot_be_read_is_no_beat_and_the_venue_is_asked_for_its_id() -> None:
    one = Posted()
    one.look(0)
    one.answer(taken("a"), 0)
    one.look(5 * NS)
    assert one.answer(Reply(200, b"<html>"), 5 * NS) == []
    one.look(10 * NS - 1)
    assert one.look(10 * NS) != [], "none was taken for ten seconds"
    assert one.bodies == ["", "a", ""]


@pytest.mark.parametrize("reply", [Reply(0), Reply(503), Reply(401, b'{"error":"Unauthorized/Invalid api key"}')])
def test_that_it_is_lost_and_held_again_is_told_once(reply: Reply) -> None:
    one = Posted()
    one.look(0)
    one.answer(taken("a"), NS)
    told = []
    for at in range(5, 40, 5):
        told += one.look(at * NS)
        one.answer(reply, at * NS)
        told += one.look(11 * NS) if at == 10 else []
    assert told == [Switch(ts_ns=11 * NS, venue="POLYMARKET", state="lost", since_ns=NS)]
    assert len(one.bodies) == 8, "it goes on trying"
    one.look(40 * NS)
    assert [each.state for each in one.answer(taken("b"), 40 * NS)] == ["held"]


def test_the_time_of_the_loss_is_one_to_wake_up_at() -> None:
    one = Posted()
    one.look(0)
    one.answer(taken("a"), NS)
    one.look(5 * NS)
    one.look(10 * NS)
    assert one.heart.next_ns([one.sender]) == 11 * NS
    one.heart.restore(Switch(ts_ns=0, venue="POLYMARKET", state="lost", since_ns=0))
    assert one.heart.next_ns([one.sender]) == 15 * NS
    assert one.look(11 * NS) == [], "the journal has it already"


def test_on_a_tape_it_beats_only_while_an_order_may_rest() -> None:
    one = Posted(live=False)
    assert one.look(0) == []
    assert (one.bodies, one.heart.next_ns([one.sender])) == ([], None)


def test_a_venue_without_a_switch_gets_no_beats() -> None:
    venue = Alpaca(("id", "secret"), ())
    sender = Sender(Outbox(venue), limiter_of(venue, "s", 0, [], 0, live=False), lambda _: 1, lambda _: None)
    heart = Heart(venue, live=True)
    assert heart.look([sender], 0) == []
    assert (heart.next_ns([sender]), sender.quiet, venue.beat("")) == (None, True, None)


def test_hedges_go_before_a_beat_and_a_beat_before_questions() -> None:
    one = Posted(per_minute=40)  # ten at once, of which two are kept for closes and one for hedges
    one.sender.ask([QUESTION] * 20)
    one.sender.ask([HEDGE] * 3)
    one.look(0)
    kinds = [request.purpose for request in one.left]
    assert kinds[:4] == ["submit", "submit", "submit", "beat"]
    assert set(kinds[4:]) == {"fills"}


def test_only_one_beat_waits_and_it_holds_up_nobodys_end() -> None:
    one = Posted(per_minute=40)
    one.sender.ask([HEDGE] * 30)
    for at in range(0, 60, 5):
        one.heart.look([one.sender], at * NS)
    assert one.sender.waits("beat")
    assert sum(request.purpose == "beat" for request in one.sender._line.values()) == 1  # what stands in line
    assert one.heart.next_ns([one.sender]) is None, "nothing to do before it has left, and that the switch is lost is told"
    two = Posted()
    two.look(0)
    assert two.sender.quiet, "a beat under way is no order"
    two.sender.ask([QUESTION])
    assert not two.sender.quiet


# -------------------------------------------------------------- whole sessions


def ledger(rig: Rig) -> list[dict[str, Any]]:
    """Return the exchange's own ledger."""
    return [json.loads(line) for line in (rig.folder / "record" / "ledger.jsonl").read_text().splitlines()]


def beats(rig: Rig) -> list[int]:
    """Return when the exchange got beats, ns."""
    lines = map(json.loads, (rig.folder / "record" / "requests.jsonl").read_text().splitlines())
    return [line["t"] for line in lines if line["path"] == "/v1/heartbeats"]


async def let_go(rig: Rig, done: int, for_ns: int) -> None:
    """Let the tape's time pass without a session."""
    header = {"Authorization": f"Bearer {rig.keys[CONTROL_TOKEN_ENV]}"}
    async with aiohttp.ClientSession() as http, http.ws_connect(rig.ready["control"], headers=header) as control:
        await control.send_json({"op": "attach", "epoch": time.time_ns(), "done": done})
        attached = await control.receive_json(timeout=10)
        now, instant, until_ns = attached["now"], attached["instant"], attached["now"] + for_ns
        while now < until_ns:
            await control.send_json({"op": "advance", "done": instant, "requests": 0, "timer": until_ns})
            said = await control.receive_json(timeout=10)
            assert said["op"] == "instant", said
            now, instant = said["now"], said["n"]


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    with sandbox(tmp_path_factory.mktemp("unkilled"), SHORT) as rig:
        done = rig.run(rig.config(params=RESTING))
        assert done.returncode == 0, done.stderr
        agree(rig)
    return rig


def test_orders_rest_while_it_beats(unkilled: Rig) -> None:
    first, *_ = (line for line in ledger(unkilled) if line["event"] == "accepted")
    (end,) = (line for line in ledger(unkilled) if line["event"] == "cancelled" and line["order_id"] == first["order_id"])
    assert end["t"] - first["t"] == 180 * NS, "by its session's own cancel"
    resting = [at for at in beats(unkilled) if first["t"] <= at <= end["t"]]
    assert [at - first["t"] for at in resting] == [5 * NS * n for n in range(37)]
    with unkilled.journal() as journal:
        assert [record.state for record in journal.records() if isinstance(record, Switch)] == ["held"]


def test_a_killed_sessions_orders_are_cancelled_ten_seconds_after_its_last_beat(tmp_path: Path) -> None:
    with sandbox(tmp_path, SHORT) as rig:
        assert rig.run(rig.config(params=RESTING), kill_at="outbox.after_send").returncode == -9
        with rig.journal() as journal:
            done = journal.last_instant
        asyncio.run(let_go(rig, done, 12 * NS))
    (beat,) = beats(rig)
    events = [(line["event"], line["t"] - beat) for line in ledger(rig) if line["event"] != "opened"]
    assert events == [("accepted", 0), ("accepted", 0), ("cancelled", 10 * NS), ("cancelled", 10 * NS)]


def test_the_venue_cancels_when_beats_are_lost_and_it_is_journalled(tmp_path: Path) -> None:
    with sandbox(tmp_path, SHORT, [Fault(FaultKind.ERROR_500, "request:23", count=4)]) as rig:
        done = rig.run(rig.config(params=RESTING))
        assert done.returncode == 0, done.stderr
        agree(rig)
    with rig.journal() as journal:
        records = list(journal.records())
    lost = [record for record in records if isinstance(record, Switch)]
    assert [record.state for record in lost] == ["held", "lost", "held"]
    assert lost[1].ts_ns - lost[1].since_ns == 10 * NS
    acked = {record.order_id: record.ts_ns for record in records if isinstance(record, Ack)}
    ended = {record.order_id: record.ts_ns for record in records if isinstance(record, Cancelled)}
    gone = [name for name, at in ended.items() if name in acked and abs(at - lost[1].ts_ns) < NS]
    assert len(gone) == 2, "both of its orders, as the exchange says on its stream"


def test_a_killed_session_comes_to_the_same_end(unkilled: Rig, tmp_path: Path) -> None:
    with sandbox(tmp_path, SHORT) as rig:
        config = rig.config(params=RESTING)
        assert rig.run(config, kill_at="session.received", count=100).returncode == -9
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
        agree(rig)
    with rig.journal() as ours, unkilled.journal() as theirs:
        assert ours.economic_digest() == theirs.economic_digest()


def test_an_order_that_rests_at_its_end_keeps_no_tape_going(tmp_path: Path) -> None:
    """The first order rests from the 77th row to the 80th: the tape is over, and what is left is cancelled."""
    with sandbox(tmp_path, structs.replace(PAIR, rows=78)) as rig:
        done = rig.run(rig.config(params=RESTING))
        assert done.returncode == 0, done.stderr
        agree(rig)
    first = next(line["t"] for line in ledger(rig) if line["event"] == "accepted")
    assert {line["t"] < first + 180 * NS for line in ledger(rig) if line["event"] == "cancelled"} == {True}
    assert 0 < len(beats(rig)) < 40
