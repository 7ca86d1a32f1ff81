"""The outbox alone: what it sends, and what each answer means. Under faults, with sender and limiter: test_sender_machine."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import VenueError
from hedgekit.net.life import Outcome
from hedgekit.net.outbox import Outbox
from hedgekit.types import NS, Ack, Cancelled, Decision, Priority, Reject, Reply, Request
from tests.net.orders_made import DUPLICATE, MISSING, REFUSED, VENUE, accepted, ack, decision, fill, order, rejected, state, what

# -------------------------------------------------------------------- requests


def test_requests_leave_by_priority_and_then_in_their_order() -> None:
    """A17: CLOSE before HEDGE before PRIMARY."""
    outbox = Outbox(VENUE)
    outbox.requests_of(decision((order(1),)))
    outbox.note(ack("s-1-0"))
    several = (order(2), order(3, priority=Priority.HEDGE), order(4, priority=Priority.CLOSE), order(5, priority=Priority.HEDGE))
    requests = outbox.requests_of(decision(several, ("s-1-0",)))
    assert what(requests) == [("submit", "s-4-0"), ("cancel", "s-1-0"), ("submit", "s-3-0"), ("submit", "s-5-0"), ("submit", "s-2-0")]


def test_a_cancel_waits_for_the_ack() -> None:
    outbox = Outbox(VENUE)
    outbox.requests_of(decision((order(1),)))
    assert outbox.requests_of(decision((), ("s-1-0",))) == []
    cancels = outbox.note(ack("s-1-0"))
    assert [(c.method, c.path) for c in cancels] == [("DELETE", "/v2/orders/v-s-1-0")]


@pytest.mark.parametrize("status", [204, 422])
def test_a_cancel_of_what_is_over_here_leaves_it_to_the_stream(status: int) -> None:
    outbox = Outbox(VENUE)
    said = outbox.on_reply(VENUE.cancel(order(1), "v"), Reply(status, b'{"code":42210000,"message":"order is already filled"}'), 1)
    assert said == Outcome()


def test_a_cancel_that_came_too_late_for_an_order_still_open_here_asks_what_became_of_it() -> None:
    outbox = Outbox(VENUE)
    outbox.requests_of(decision((order(1),)))
    outbox.note(ack("s-1-0"))
    said = outbox.on_reply(VENUE.cancel(order(1), "v-s-1-0"), Reply(422, b'{"code":42210000,"message":"order is already filled"}'), 1)
    assert what(said.requests) == [("lookup", "s-1-0")]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_cancel_refused_for_another_reason_is_told(status: int) -> None:
    with pytest.raises(VenueError, match="refused to cancel order 's-1-0'"):
        Outbox(VENUE).on_reply(VENUE.cancel(order(1), "v"), Reply(status, b'{"code":1,"message":"no"}'), 1)


@pytest.mark.parametrize(
    "end", [Cancelled(ts_ns=1, order_id="s-1-0"), Reject(ts_ns=1, order_id="s-1-0", code="1", message=""), fill("s-1-0", 10)]
)
def test_a_cancel_of_an_order_that_ended_in_the_same_instant_is_not_remembered(end: Any) -> None:
    outbox = Outbox(VENUE)
    outbox.requests_of(decision((order(1),)))
    outbox.note(ack("s-1-0"))
    outbox.note(end)
    assert outbox.requests_of(decision((), ("s-1-0",))) == []
    assert outbox.resume() == []


# --------------------------------------------------------------------- answers


def test_an_accepted_order_is_acknowledged_once_whoever_says_it_first() -> None:
    for stream_first in (True, False):
        outbox = Outbox(VENUE)
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
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    outbox.posted(request, 1)
    assert outbox.on_reply(request, REFUSED, 7).events == [rejected(7)]


@pytest.mark.parametrize("status", [0, 425, 500, 502, 503])
def test_an_unknown_outcome_is_posted_again_under_the_same_id(status: int) -> None:
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    assert outbox.on_reply(request, Reply(status), 7) == Outcome(again_ns=NS // 2)
    assert outbox.current(request) == request


def test_what_is_not_wanted_any_more_is_not_posted_again_but_its_id_is_taken() -> None:
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    outbox.posted(request, 1)
    outbox.on_reply(request, Reply(0), 7)
    assert outbox.requests_of(decision((), ("s-1-0",))) == []
    void = outbox.current(request)
    assert void is not None
    body = msgspec.json.decode(void.body or b"")
    assert (body["client_order_id"], body["type"], body["time_in_force"], body["limit_price"]) == ("s-1-0", "limit", "ioc", "0.01")
    assert outbox.on_reply(void, accepted("s-1-0", status="canceled"), 9).events == [Cancelled(ts_ns=9, order_id="s-1-0")]
    assert what(outbox.on_reply(void, DUPLICATE, 9).requests) == [("lookup", "s-1-0")]
    (ack,) = outbox.on_reply(void, accepted("s-1-0"), 9).events  # it is still there, and takes one share of what can be sold or bought
    assert what(outbox.note(ack)) == [("cancel", "s-1-0")]


def test_a_refused_duplicate_is_looked_up() -> None:
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    (lookup,) = outbox.on_reply(request, DUPLICATE, 7).requests
    assert what([lookup]) == [("lookup", "s-1-0")]
    assert outbox.on_reply(lookup, accepted("s-1-0"), 8) == Outcome([Ack(ts_ns=8, order_id="s-1-0", venue_order_id="v-s-1-0")])


def test_a_venue_that_refuses_a_duplicate_is_asked_until_it_finds_it_and_if_it_never_does_is_not_believed() -> None:
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    (lookup,) = outbox.on_reply(request, DUPLICATE, 7).requests
    for found in (True, False):
        said = [outbox.on_reply(lookup, MISSING, 8) for _ in range(8)]
        assert said == [Outcome(again_ns=halves * NS // 2) for halves in (1, 2, 4, 8, 16, 32, 64, 128)]
        if found:
            outbox.on_reply(lookup, accepted("s-1-0"), 9)
    with pytest.raises(VenueError, match="look-up of order 's-1-0'"):
        outbox.on_reply(lookup, MISSING, 8)


def in_doubt() -> tuple[Outbox, Request, Request]:
    """Return an outbox of which one post was lost and the next refused; its request, and what it sends now."""
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    for reply in (Reply(0), REFUSED):
        outbox.posted(request, 5)
        said = outbox.on_reply(request, reply, 7)
    assert said.events == []  # the lost one may arrive when the account can bear it
    (void,) = said.requests
    assert what([void]) == [("void", "s-1-0")]
    return outbox, request, void


def test_a_refusal_is_no_end_while_an_earlier_post_may_arrive_but_the_id_is_taken() -> None:
    outbox, request, void = in_doubt()
    assert outbox.current(request) == void
    assert outbox.on_reply(void, state("s-1-0", "canceled", 0), 9).events == [rejected(9)]
    outbox, _, void = in_doubt()
    (lookup,) = outbox.on_reply(void, DUPLICATE, 9).requests
    (found,) = outbox.on_reply(lookup, accepted("s-1-0"), 9).events
    assert what(outbox.note(found)) == [("cancel", "s-1-0")]


def test_where_the_venue_refuses_the_void_too_the_id_is_in_quarantine() -> None:
    outbox, _, void = in_doubt()
    said = outbox.on_reply(void, REFUSED, 9)
    assert (said.events, said.again_ns, what(said.requests)) == ([], NS // 2, [("lookup", "s-1-0")])
    for ts_ns, events in ((120 * NS, []), (120 * NS + 5, [rejected(120 * NS + 5)])):  # posted at 5
        assert outbox.on_reply(said.requests[0], MISSING, ts_ns).events == events


def test_an_order_turned_away_with_429_has_not_been_there() -> None:
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    outbox.posted(request, 1)
    assert outbox.was_posted("s-1-0")
    assert outbox.turned_away(request) == []
    assert not outbox.was_posted("s-1-0")
    outbox.posted(request, 2)
    outbox.requests_of(decision((), ("s-1-0",)))
    assert outbox.turned_away(request) == ["s-1-0"]  # to be taken back


def test_back_off_doubles_to_thirty_seconds_and_starts_anew_after_a_success() -> None:
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    delays = [outbox.on_reply(request, Reply(0), 1).again_ns for _ in range(8)]
    assert delays == [NS // 2, NS, 2 * NS, 4 * NS, 8 * NS, 16 * NS, 30 * NS, 30 * NS]
    for _ in range(4):
        other = outbox.on_reply(VENUE.holdings()[0], Reply(500), 1).again_ns
    assert other == 4 * NS
    outbox.on_reply(request, accepted("s-1-0"), 1)  # whatever is answered says that the venue is there
    assert outbox.on_reply(request, Reply(0), 1).again_ns == NS // 2
    assert outbox.on_reply(VENUE.holdings()[0], Reply(500), 1).again_ns == NS // 2


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
    outbox = Outbox(VENUE)
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
    before, after = live(instants), Outbox(VENUE)
    after.restore(records)
    assert after._open == before._open
    assert after._names == before._names
    assert what(after.resume()) == what(before.resume())


def test_a_restart_repeats_what_had_no_answer_and_cancels_not_confirmed() -> None:
    outbox = Outbox(VENUE)
    outbox.restore(
        [decision((order(1), order(2), order(3))), ack("s-1-0"), ack("s-3-0"), fill("s-3-0", 10), decision((), ("s-1-0", "s-2-0"))]
    )
    assert what(outbox.resume()) == [("void", "s-2-0"), ("cancel", "s-1-0")]


def test_a_partly_filled_order_stays_open_with_the_rest() -> None:
    outbox = Outbox(VENUE)
    outbox.restore([decision((order(1, -10),)), ack("s-1-0"), fill("s-1-0", -4)])
    assert outbox._open["s-1-0"].left == -6
    outbox.note(fill("s-1-0", -6, 2))
    assert outbox._open == {}
    assert outbox.note(fill("s-9-0", 1)) == []
