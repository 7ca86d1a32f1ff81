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
from hedgekit.net.outbox import Outbox
from hedgekit.types import NS, Ack, Action, Cancelled, Decision, Fill, Order, Phase, Priority, Reason, Reconciled, Reject, Reply, Request
from hedgekit.venues import alpaca

DUPLICATE = Reply(422, b'{"code":40010001,"message":"client_order_id must be unique"}')
REFUSED = Reply(403, b'{"code":40310000,"message":"insufficient buying power"}')


def order(number: int, qty: int = 10, priority: Priority = Priority.PRIMARY) -> Order:
    return Order(f"s-{number}-0", 1, 0, "ALPACA:KO", Decimal(qty), Decimal(50), priority, 1)


def decision(orders: tuple[Order, ...] = (), cancels: tuple[str, ...] = ()) -> Decision:
    return Decision(
        ts_ns=1,
        action=Action.OPEN,
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


def sent(outbox: Outbox, requests: list[Request], first: int = 1) -> None:
    for number, request in enumerate(requests, first):
        outbox.sent(number, request)


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
def test_a_cancel_that_worked_or_came_too_late_leaves_it_to_the_stream(status: int) -> None:
    outbox = Outbox(alpaca)
    outbox.sent(1, alpaca.cancel("s-1-0", "v"))
    assert outbox.on_reply(1, Reply(status, b'{"code":42210000,"message":"order is already filled"}'), 1) == ([], [], None)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_cancel_refused_for_another_reason_is_told(status: int) -> None:
    outbox = Outbox(alpaca)
    outbox.sent(1, alpaca.cancel("s-1-0", "v"))
    with pytest.raises(VenueError, match="refused to cancel order 's-1-0'"):
        outbox.on_reply(1, Reply(status, b'{"code":1,"message":"no"}'), 1)


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
        sent(outbox, outbox.requests_of(decision((order(1),))))
        if stream_first:
            assert outbox.fresh(ack("s-1-0"))
            outbox.note(ack("s-1-0"))
        events, requests, again = outbox.on_reply(1, accepted("s-1-0"), 7)
        assert events == ([] if stream_first else [Ack(ts_ns=7, order_id="s-1-0", venue_order_id="v-s-1-0")])
        assert (requests, again) == ([], None)
        for event in events:
            outbox.note(event)
        assert not outbox.fresh(ack("s-1-0"))


def test_a_refusal_is_a_reject_with_the_venues_words() -> None:
    outbox = Outbox(alpaca)
    sent(outbox, outbox.requests_of(decision((order(1),))))
    events, _, _ = outbox.on_reply(1, REFUSED, 7)
    assert events == [Reject(ts_ns=7, order_id="s-1-0", code="40310000", message="insufficient buying power")]


@pytest.mark.parametrize("status", [0, 429, 500, 502, 503])
def test_an_unknown_outcome_is_posted_again_under_the_same_id(status: int) -> None:
    outbox = Outbox(alpaca)
    requests = outbox.requests_of(decision((order(1),)))
    sent(outbox, requests)
    events, more, again = outbox.on_reply(1, Reply(status), 7)
    assert (events, more) == ([], [])
    assert again == (requests[0], NS // 2)


def test_a_refused_duplicate_is_looked_up() -> None:
    outbox = Outbox(alpaca)
    sent(outbox, outbox.requests_of(decision((order(1),))))
    events, requests, again = outbox.on_reply(1, DUPLICATE, 7)
    assert (events, what(requests), again) == ([], [("lookup", "s-1-0")], None)
    sent(outbox, requests, 2)
    events, requests, again = outbox.on_reply(2, accepted("s-1-0"), 8)
    assert (events, requests, again) == ([Ack(ts_ns=8, order_id="s-1-0", venue_order_id="v-s-1-0")], [], None)


def test_a_venue_that_refuses_a_duplicate_it_does_not_have_is_not_believed() -> None:
    outbox = Outbox(alpaca)
    sent(outbox, outbox.requests_of(decision((order(1),))))
    sent(outbox, outbox.on_reply(1, DUPLICATE, 7)[1], 2)
    with pytest.raises(VenueError, match="'s-1-0' was refused as a duplicate but its look-up answered 404"):
        outbox.on_reply(2, Reply(404, b"{}"), 8)


def test_back_off_doubles_to_thirty_seconds_and_starts_anew_after_a_success() -> None:
    outbox = Outbox(alpaca)
    request = outbox.requests_of(decision((order(1),)))[0]
    delays = []
    for number in range(1, 9):
        outbox.sent(number, request)
        again = outbox.lost(number) if number % 2 else outbox.on_reply(number, Reply(429), 1)[2]
        assert again is not None
        delays.append(again[1] / NS)
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30]
    outbox.sent(9, request)
    outbox.on_reply(9, accepted("s-1-0"), 1)
    outbox.sent(10, request)
    again = outbox.lost(10)
    assert again is not None
    assert again[1] == NS // 2


def test_an_answer_after_the_time_out_is_not_taken_twice() -> None:
    outbox = Outbox(alpaca)
    sent(outbox, outbox.requests_of(decision((order(1),))))
    assert outbox.flying(1)
    assert outbox.lost(1) is not None
    assert not outbox.flying(1)
    assert outbox.on_reply(1, accepted("s-1-0"), 7) == ([], [], None)
    assert outbox.lost(1) is None


def test_account_and_positions_together_are_one_reconciliation() -> None:
    outbox = Outbox(alpaca)
    requests = outbox.reconcile()
    assert what(requests) == [("account", None), ("positions", None)]
    sent(outbox, requests)
    assert outbox.on_reply(2, Reply(200, b'[{"symbol":"KO","qty":"-5","side":"short"}]'), 7) == ([], [], None)
    events, _, _ = outbox.on_reply(1, Reply(200, b'{"cash":"12.5"}'), 8)
    assert events == [Reconciled(ts_ns=8, positions={"ALPACA:KO": Decimal(-5)}, cash=Decimal("12.5"), agrees=True)]


def test_a_refused_question_is_the_venues_fault() -> None:
    outbox = Outbox(alpaca)
    sent(outbox, outbox.reconcile())
    with pytest.raises(VenueError, match=r"question for account .*: forbidden") as caught:
        outbox.on_reply(1, Reply(403, b'{"code":1,"message":"forbidden"}'), 7)
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
        outbox.sent(number, request)
        events, more, again = outbox.on_reply(number, venue.answer(request, fates.pop(0) if fates else "ok"), number)
        for event in events:
            journal.append(event)
            outbox.note(event)
        waiting += more + ([again[0]] if again else [])
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
    assert set(after._wish_cancel) == set(before._wish_cancel)
    assert after._known == before._known
    assert what(after.resume()) == what(before.resume())


def test_a_restart_repeats_what_had_no_answer_and_cancels_not_confirmed() -> None:
    outbox = Outbox(alpaca)
    outbox.restore(
        [decision((order(1), order(2), order(3))), ack("s-1-0"), ack("s-3-0"), fill("s-3-0", 10), decision((), ("s-1-0", "s-2-0"))]
    )
    assert what(outbox.resume()) == [("cancel", "s-1-0"), ("submit", "s-2-0")]


def test_a_partly_filled_order_stays_open_with_the_rest() -> None:
    outbox = Outbox(alpaca)
    outbox.restore([decision((order(1, -10),)), ack("s-1-0"), fill("s-1-0", -4)])
    assert outbox._open["s-1-0"].qty == -6
    outbox.note(fill("s-1-0", -6, 2))
    assert outbox._open == {}
    assert outbox.note(fill("s-9-0", 1)) == []
