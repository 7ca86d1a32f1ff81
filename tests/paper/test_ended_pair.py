"""A pair that has ended while its session goes on: what is still said of it is heard, and none of it is taken for news."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.net.transport import Count
from hedgekit.paper import Session, SessionConfig
from hedgekit.paper.config import Access
from hedgekit.paper.pacer import Inbox
from hedgekit.paper.pair import Pair
from hedgekit.types import NS, Fill, Record, Reply, Switch, Update
from hedgekit.venues.polymarket import Polymarket
from tests.paper.polymarket_rig import PARAMS
from tests.venues.polymarket_made import KEYS, NATIVE, YES

OTHER = msgspec.structs.replace(YES, symbol="NO")
OWN = msgspec.structs.replace(NATIVE, token=NATIVE.opposite, opposite=NATIVE.token)
ACCOUNT = Access("http://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1", native={YES.key: NATIVE.text(), OTHER.key: OWN.text()})


@pytest.fixture
async def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Session]:
    """Two pairs of one account, as they are once their session has begun; nobody is at the account's address."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name, key in zip(Polymarket.key_env, KEYS, strict=True):
        monkeypatch.setenv(name, key)
    config = SessionConfig("first", str(tmp_path / "journal.db"), {"POLYMARKET": ACCOUNT}, "", (YES, OTHER), PARAMS, {})
    made = Session(config, msgspec.structs.replace(config, session="second"))
    with made._restored():
        async with AsyncExitStack() as open_:
            await made.accounts["POLYMARKET"].begin("first", [], 0, Inbox(made.accounts), lambda _: {}, Count(), open_)
            for pair in made.pairs:
                pair.begin(0)
                pair.commit(1, durable=True)
            made._senders = [pair.senders["POLYMARKET"] for pair in made.pairs]
            yield made


def records(pair: Pair) -> list[Record]:
    """Return what its journal says after the beginning."""
    pair.journal.commit(2)
    return [*pair.journal.records()][1:]


def beat(session: Session, now_ns: int) -> None:
    """Let it hold its switch at a time."""
    session._now_ns = now_ns
    session._beat()
    session._leave()


def beaten(session: Session, number: int) -> str:
    """Return the id that a request carries, if it is a beat whose answer is awaited."""
    (request,) = (found for sender in session._senders if (found := sender.request_of(number)) is not None)
    name: str = json.loads(request.body or b"")["heartbeat_id"]
    return name


async def test_the_answer_to_its_last_beat_is_heard(session: Session) -> None:
    """Its beat is under way when it ends: the next one, of the other pair, carries the id of that answer, and no switch is lost."""
    first, second = session.pairs
    beat(session, 0)
    assert beaten(session, 1) == ""
    first.end()
    session._trading = [second]
    session.accounts["POLYMARKET"].at(2 * NS)
    session._on_reply(1, Reply(200, json.dumps({"heartbeat_id": "a"}).encode()))
    beat(session, 5 * NS)
    beat(session, 11 * NS)
    assert beaten(session, 2) == "a"
    assert [record.state for record in records(second) if isinstance(record, Switch)] == ["held"]


def executed(session: str, fill_id: str) -> Fill:
    return Fill(
        ts_ns=NS,
        order_id=f"{session}-1-0",
        fill_id=fill_id,
        instrument=YES.key,
        venue_ns=NS,
        qty=Decimal(10),
        price=Decimal("0.48"),
        fee=Decimal(0),
    )


async def test_an_execution_of_it_that_is_told_again_is_known(session: Session) -> None:
    first, second = session.pairs
    first.outboxes["POLYMARKET"].note(executed("first", "e-1"))
    first.end()
    session._trading = [second]
    session._on_update("POLYMARKET", Update(executed("first", "e-1")))
    assert records(second) == []
    assert not any(second.hedger.positions.values())


async def test_an_execution_that_no_journal_has_is_refused(session: Session) -> None:
    first, second = session.pairs
    first.outboxes["POLYMARKET"].note(executed("first", "e-1"))
    first.end()
    session._trading = [second]
    with pytest.raises(VenueError, match="'first-1-0', which this session does not have open"):
        session._on_update("POLYMARKET", Update(executed("first", "e-2")))
