"""The outbox without a network: no intent under two ids, none lost, none doubled, whatever the answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.net.life import Outcome
from hedgekit.net.outbox import Outbox
from hedgekit.types import NS, Ack, Action, Cancelled, Decision, Fill, Order, Phase, Priority, Reason, Reconciled, Reject, Reply, Request
from hedgekit.venues import alpaca

DUPLICATE = Reply(422, b'{"code":40010001,"message":"client_order_id must be unique"}')
REFUSED = Reply(403, b'{"code":40310000,"message":"insufficient buying power"}')


def order(number: int, qty: int = 10, priority: Priority = Priority.PRIMARY) -> Order:
    return Order(f"s-{number}-0", 1, 0, "ALPACA:KO", Decimal(qty), Decimal(50), priority, 1)


def decision(orders: tuple[Order, ...] = (), cancels: tuple[str, ...] = (), action: Action = Action.REPAIR) -> Decision:
    return Decision(
        ts_ns=1,
        action=action,
        reason=Reason.ENTRY,
        phase=Phase.OPENING,
        trade=1,
        z=None,
        ratio=None,
        delta=None,
        cost=0.0,
        benefit=0.0,
        mids=(1.0, 1.0),
        positions=(0.0, 0.0),
        targets=(0.0, 0.0),
        orders=orders,
        cancels=cancels,
    )


def accepted(order_id: str) -> Reply:
    return Reply(200, msgspec.json.encode({"id": "v-" + order_id, "client_order_id": order_id, "status": "new"}))


def ack(order_id: str) -> Ack:
    return Ack(ts_ns=1, order_id=order_id, venue_order_id="v-" + order_id)


def fill(order_id: str, qty: int, number: int = 1) -> Fill:
    return Fill(
        ts_ns=1,
        order_id=order_id,
        fill_id=f"{order_id}-{number}",
        instrument="ALPACA:KO",
        venue_ns=1,
        qty=Decimal(qty),
        price=Decimal(50),
        fee=Decimal(0),
    )


def what(requests: list[Request]) -> list[tuple[str, str | None]]:
    return [(request.purpose, request.order_id) for request in requests]


# -------------------------------------------------------------------- requests


def test_requests_leave_by_priority_and_then_in_their_order() -> None:
    """A17: CLOSE before HEDGE before PRIMARY."""
    outbox = Outbox(alpaca)
    outbox.requests_of(decision((order(1),)))
    outbox.note(ack("s-1-0"))
    several = (order(2), order(3, priority=Priority.HEDGE), order(4, priority=Priority.CLOSE), order(5, priority=Priority.HEDGE))
    requests = outbox.requests_of(decision(several, ("s-1-0",)))
    assert what(requests) == [("submit", "s-4-0"), ("cancel", "s-1-0"), ("submit", "s-3-0"), ("submit", "s-5-0"), ("submit", "s-2-0")]


def test_a_cancel_waits_for_the_ack() -> None:
    outbox = Outbox(alpaca)
    outbox.requests_of(decision((order(1),)))
    assert outbox.requests_of(decision((), ("s-1-0",))) == []
    cancels = outbox.note(ack("s-1-0"))
    assert [(c.method, c.path) for c in cancels] == [("DELETE", "/v2/orders/v-s-1-0")]


@pytest.mark.parametrize("status", [204, 422])
def test_a_cancel_of_what_is_over_here_leaves_it_to_the_stream(status: int) -> None:
    outbox = Outbox(alpaca)
    said = outbox.on_reply(alpaca.cancel("s-1-0", "v"), Reply(status, b'{"code":42210000,"message":"order is already filled"}'), 1)
    assert said == Outcome()


def test_a_cancel_that_came_too_late_for_an_order_still_open_here_asks_what_became_of_it() -> None:
    outbox = Outbox(alpaca)
    outbox.requests_of(decision((order(1),)))
    outbox.note(ack("s-1-0"))
    said = outbox.on_reply(alpaca.cancel("s-1-0", "v-s-1-0"), Reply(422, b'{"code":42210000,"message":"order is already filled"}'), 1)
    assert what(said.requests) == [("lookup", "s-1-0")]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_cancel_refused_for_another_reason_is_told(status: int) -> None:
    with pytest.raises(VenueError, match="refused to cancel order 's-1-0'"):
        Outbox(alpaca).on_reply(alpaca.cancel("s-1-0", "v"), Reply(status, b'{"code":1,"message":"no"}'), 1)


@pytest.mark.parametrize(
    "end", [Cancelled(ts_ns=1, order_id="s-1-0"), Reject(ts_ns=1, order_id="s-1-0", code="1", message=""), fill("s-1-0", 10)]
)
def test_a_cancel_of_an_order_that_ended_in_the_same_instant_is_not_remembered(end: Any) -> None:
    outbox = Outbox(alpaca)
    outbox.requests_of(decision((order(1),)))
    outbox.note(ack("s-1-0"))
    outbox.note(end)
    assert outbox.requests_of(decision((), ("s-1-0",))) == []
    assert outbox.resume() == []


# --------------------------------------------------------------------- answers


def test_an_accepted_order_is_acknowledged_once_whoever_says_it_first() -> None:
    for stream_first in (True, False):
        outbox = Outbox(alpaca)
        (request,) = outbox.requests_of(decision((order(1),)))
        if stream_first:
            assert outbox.fresh(ack("s-1-0"))
            outbox.note(ack("s-1-0"))
        said = outbox.on_reply(request, accepted("s-1-0"), 7)
        assert said == Outcome([] if stream_first else [Ack(ts_ns=7, order_id="s-1-0", venue_order_id="v-s-1-0")])
        for event in said.events:
            outbox.note(event)
        assert not outbox.fresh(ack("s-1-0"))


def test_a_refusal_is_a_reject_with_the_venues_words() -> None:
    outbox = Outbox(alpaca)
    (request,) = outbox.requests_of(decision((order(1),)))
    said = outbox.on_reply(request, REFUSED, 7)
    assert said.events == [Reject(ts_ns=7, order_id="s-1-0", code="40310000", message="insufficient buying power")]


@pytest.mark.parametrize("status", [0, 425, 500, 502, 503])
def test_an_unknown_outcome_is_posted_again_under_the_same_id(status: int) -> None:
    outbox = Outbox(alpaca)
    (request,) = outbox.requests_of(decision((order(1),)))
    assert outbox.on_reply(request, Reply(status), 7) == Outcome(again_ns=NS // 2)
    assert outbox.current(request) == request


def test_what_is_not_wanted_any_more_is_not_posted_again_but_its_id_is_taken() -> None:
    outbox = Outbox(alpaca)
    (request,) = outbox.requests_of(decision((order(1),)))
    outbox.posted(request)
    outbox.on_reply(request, Reply(0), 7)
    assert outbox.requests_of(decision((), ("s-1-0",))) == []
    void = outbox.current(request)
    assert void is not None
    body = msgspec.json.decode(void.body or b"")
    assert (body["client_order_id"], body["type"], body["time_in_force"], body["limit_price"]) == ("s-1-0", "limit", "ioc", "0.01")
    assert outbox.on_reply(void, accepted("s-1-0"), 9).events == [Cancelled(ts_ns=9, order_id="s-1-0")]
    assert what(outbox.on_reply(void, DUPLICATE, 9).requests) == [("lookup", "s-1-0")]


def test_a_refused_duplicate_is_looked_up() -> None:
    outbox = Outbox(alpaca)
    (request,) = outbox.requests_of(decision((order(1),)))
    (lookup,) = outbox.on_reply(request, DUPLICATE, 7).requests
    assert what([lookup]) == [("lookup", "s-1-0")]
    assert outbox.on_reply(lookup, accepted("s-1-0"), 8) == Outcome([Ack(ts_ns=8, order_id="s-1-0", venue_order_id="v-s-1-0")])


def test_a_venue_that_refuses_a_duplicate_it_does_not_have_is_not_believed() -> None:
    outbox = Outbox(alpaca)
    (request,) = outbox.requests_of(decision((order(1),)))
    (lookup,) = outbox.on_reply(request, DUPLICATE, 7).requests
    with pytest.raises(VenueError, match="look-up of order 's-1-0'"):
        outbox.on_reply(lookup, Reply(404, b"{}"), 8)


def test_back_off_doubles_to_thirty_seconds_and_starts_anew_after_a_success() -> None:
    outbox = Outbox(alpaca)
    (request,) = outbox.requests_of(decision((order(1),)))
    delays = [outbox.on_reply(request, Reply(0), 1).again_ns for _ in range(8)]
    assert delays == [NS // 2, NS, 2 * NS, 4 * NS, 8 * NS, 16 * NS, 30 * NS, 30 * NS]
    outbox.on_reply(request, accepted("s-1-0"), 1)
    assert outbox.on_reply(request, Reply(0), 1).again_ns == NS // 2


# ----------------------------------------------------------------------- audits


def state(order_id: str, status: str, filled: int) -> Reply:
    return Reply(
        200, msgspec.json.encode({"id": "v-" + order_id, "client_order_id": order_id, "status": status, "filled_qty": str(filled)})
    )


def activity(order_id: str, qty: int, number: int) -> dict[str, str]:
    return {
        "id": f"20240102150000000::{order_id}-{number}",
        "order_id": "v-" + order_id,
        "symbol": "KO",
        "side": "buy",
        "price": "50",
        "qty": str(qty),
        "transaction_time": "2024-01-02T15:00:00Z",
    }


def test_an_audit_finds_what_the_stream_has_not_told() -> None:
    """Two executions, of which the stream told one, and the end of the order."""
    outbox = Outbox(alpaca)
    (request,) = outbox.requests_of(decision((order(1),)))
    outbox.posted(request)
    outbox.note(ack("s-1-0"))
    outbox.note(fill("s-1-0", 3, 1))
    (lookup,) = outbox.audit(full=True)
    (fills,) = outbox.on_reply(lookup, state("s-1-0", "canceled", 7), 5).requests
    assert fills.purpose == "fills"
    said = outbox.on_reply(fills, Reply(200, msgspec.json.encode([activity("s-1-0", 3, 1), activity("s-1-0", 4, 2)])), 6)
    found, end = said.events
    assert isinstance(found, Fill)
    assert (found.fill_id, found.qty, found.ts_ns) == ("s-1-0-2", 4, 6)
    assert end == Cancelled(ts_ns=6, order_id="s-1-0")
    (positions,) = said.requests
    (account,) = outbox.on_reply(positions, Reply(200, b'[{"symbol":"KO","qty":"7","side":"long"}]'), 7).requests
    events = outbox.on_reply(account, Reply(200, b'{"cash":"12.5"}'), 8).events
    assert events == [Reconciled(ts_ns=8, positions={"ALPACA:KO": Decimal(7)}, cash=Decimal("12.5"), agrees=True)]
    assert not outbox.auditing


def test_an_update_whose_count_is_higher_than_ours_is_not_whole() -> None:
    outbox = Outbox(alpaca)
    outbox.requests_of(decision((order(1),)))
    outbox.note(ack("s-1-0"))
    assert outbox.whole(fill("s-1-0", 3), Decimal(3))
    assert not outbox.whole(fill("s-1-0", 3), Decimal(5))
    assert not outbox.whole(Cancelled(ts_ns=1, order_id="s-1-0"), Decimal(2))
    assert outbox.whole(Cancelled(ts_ns=1, order_id="s-1-0"), None)


def test_a_refused_question_is_the_venues_fault() -> None:
    outbox = Outbox(alpaca)
    (request,) = outbox.audit(full=True)
    with pytest.raises(VenueError, match=r"question for positions .*: forbidden") as caught:
        outbox.on_reply(request, Reply(403, b'{"code":1,"message":"forbidden"}'), 7)
    assert caught.value.status == 403


# --------------------------------------------------- L2, against a hostile network


@dataclass
class Venue:
    """A venue as ``alpaca`` describes it: an id is taken once, whatever becomes of the order."""

    taken: list[str] = field(default_factory=list)
    posts: list[tuple[str, bytes]] = field(default_factory=list)

    def answer(self, request: Request, fate: str) -> Reply:
        """Answer one request; what is ``lost before`` never arrives, ``lost after`` only its answer does not."""
        if fate == "lost before":
            return Reply(0)
        if fate == "429":
            return Reply(429)
        reply = self.do(request, refuse=fate == "refused")
        return Reply(0) if fate == "lost after" else Reply(503) if fate == "503" else reply

    def do(self, request: Request, *, refuse: bool) -> Reply:
        """Do what a request that arrived asks for."""
        name = request.order_id or ""
        if request.purpose == "lookup":
            return accepted(name) if name in self.taken else Reply(404, b"{}")
        self.posts.append((name, request.body or b""))
        if name in self.taken:
            return DUPLICATE
        if refuse:
            return REFUSED
        self.taken.append(name)
        return accepted(name)


FATES = st.lists(st.sampled_from(["ok", "lost before", "lost after", "429", "503", "refused"]), max_size=25)


@given(fates=FATES, orders=st.integers(1, 4), crash_after=st.integers(0, 30))
def test_no_order_is_executed_twice_or_lost_whatever_the_network_does(fates: list[str], orders: int, crash_after: int) -> None:
    outbox, venue = Outbox(alpaca), Venue()
    said = decision(tuple(order(n) for n in range(orders)))
    journal: list[Any] = [said]
    waiting = outbox.requests_of(said)
    number = 0
    while waiting:
        if number == crash_after:  # a new process knows the journal only
            outbox = Outbox(alpaca)
            outbox.restore(journal)
            waiting = outbox.resume()
            crash_after = -1
            continue
        request, number = waiting.pop(0), number + 1
        outbox.posted(request)
        reply = venue.answer(request, fates.pop(0) if fates else "ok")
        if reply.status == 429:  # the limiter's business
            waiting.append(request)
            continue
        said = outbox.on_reply(request, reply, number)
        for event in said.events:
            journal.append(event)
            outbox.note(event)
        waiting += said.requests
        if said.again_ns is not None and (again := outbox.current(request)) is not None:
            waiting.append(again)
    assert len(venue.taken) == len(set(venue.taken))
    told = {name: {body for n, body in venue.posts if n == name} for name, _ in venue.posts}
    assert all(len(bodies) == 1 for bodies in told.values())
    assert {msgspec.json.decode(body)["client_order_id"] for bodies in told.values() for body in bodies} == set(told)
    ends = [(type(event), event.order_id) for event in journal[1:]]
    assert sorted(name for kind, name in ends if kind is Ack) == sorted(venue.taken)
    assert len(ends) == len(set(ends)) == orders


# --------------------------------------------------------------------- restart


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Any], list[list[Any]]]:
    """Return a journal and the same cut into instants: events and decisions, as a session has them."""
    alive: dict[str, int] = {}
    known: set[str] = set()
    records: list[Any] = []
    for number in range(draw(st.integers(1, 25))):
        kind = draw(st.sampled_from(["order", "cancel", "ack", "fill", "end", "reject"]))
        name = draw(st.sampled_from(sorted(alive))) if alive else ""
        if kind == "order" or not alive:
            records.append(decision((order(number),)))
            alive[f"s-{number}-0"] = 10
        elif kind == "cancel":
            records.append(decision((), tuple(sorted(alive)[:2])))
        elif kind == "ack":
            records.append(ack(name))
            known.add(name)
        elif kind == "fill":
            qty = draw(st.integers(1, alive[name]))
            records.append(fill(name, qty, number))
            alive[name] -= qty
            if not alive[name]:
                del alive[name]
        else:
            records.append(Cancelled(ts_ns=1, order_id=name) if kind == "end" else Reject(ts_ns=1, order_id=name, code="1", message=""))
            del alive[name]
    cuts = sorted({0, len(records), *draw(st.lists(st.integers(0, len(records)), max_size=6))})
    return records, [records[a:b] for a, b in pairwise(cuts)]


def live(instants: list[list[Any]]) -> Outbox:
    """Return an outbox that lived through it: events as they come, an instant's requests at its end.

    An order of an instant cannot be heard of before its instant is over, so such records are split off first.
    """
    outbox = Outbox(alpaca)
    for instant in instants:
        fresh: set[str] = set()
        intents: list[Decision] = []
        for record in instant:
            if not isinstance(record, Decision) and record.order_id in fresh:
                for intent in intents:
                    outbox.requests_of(intent)
                intents, fresh = [], set()
            if isinstance(record, Decision):
                intents.append(record)
                fresh |= {made.order_id for made in record.orders}
            else:
                outbox.note(record)
        for intent in intents:
            outbox.requests_of(intent)
    return outbox


@given(histories())
def test_a_restart_knows_what_the_living_outbox_knew(history: tuple[list[Any], list[list[Any]]]) -> None:
    records, instants = history
    before, after = live(instants), Outbox(alpaca)
    after.restore(records)
    assert after._open == before._open
    assert after._names == before._names
    assert what(after.resume()) == what(before.resume())


def test_a_restart_repeats_what_had_no_answer_and_cancels_not_confirmed() -> None:
    outbox = Outbox(alpaca)
    outbox.restore(
        [decision((order(1), order(2), order(3))), ack("s-1-0"), ack("s-3-0"), fill("s-3-0", 10), decision((), ("s-1-0", "s-2-0"))]
    )
    assert what(outbox.resume()) == [("void", "s-2-0"), ("cancel", "s-1-0")]


def test_a_partly_filled_order_stays_open_with_the_rest() -> None:
    outbox = Outbox(alpaca)
    outbox.restore([decision((order(1, -10),)), ack("s-1-0"), fill("s-1-0", -4)])
    assert outbox._open["s-1-0"].left == -6
    outbox.note(fill("s-1-0", -6, 2))
    assert outbox._open == {}
    assert outbox.note(fill("s-9-0", 1)) == []
