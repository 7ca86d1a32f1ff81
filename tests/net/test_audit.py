"""What became of our orders: the venue is asked, and its answers are events."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.net.life import Outcome
from hedgekit.net.outbox import Outbox
from hedgekit.types import NS, Cancelled, Fill, Reconciled, Reply, Request
from tests.net.orders_made import DUPLICATE, VENUE, ack, decision, fill, order, state, what


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
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    outbox.posted(request, 1)
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
    assert holds(outbox, said.requests, (7, "12.5"), (7, "12.5")) == (7, "12.5")
    assert not outbox.auditing


def test_positions_and_cash_are_of_one_moment() -> None:
    """Executions of 3 shares at $50 and 4 at $40 come between the answers, and are told later than all of them."""
    outbox = Outbox(VENUE)
    assert holds(outbox, outbox.audit(full=True), (0, "850"), (3, "690"), (7, "690"), (7, "690")) == (7, "690")
    assert not outbox.auditing


def test_an_answer_that_was_lost_and_asked_for_again_is_of_the_same_moment_as_the_others() -> None:
    outbox = Outbox(VENUE)
    positions, account = outbox.audit(full=True)
    assert outbox.on_reply(account, Reply(200, b'{"cash":"1000"}'), 1) == Outcome()
    assert outbox.on_reply(positions, Reply(0, b""), 2).again_ns
    again = outbox.on_reply(positions, Reply(200, b'[{"symbol":"KO","qty":"3","side":"long"}]'), 3).requests
    assert holds(outbox, again, (3, "850"), (3, "850")) == (3, "850")


def holds(outbox: Outbox, requests: Sequence[Request], *rounds: tuple[int, str]) -> tuple[int, str]:
    """Answer what is asked, shares and cash, round for round; return what the outbox takes it to hold after the last round."""
    for ts_ns, (shares, cash) in enumerate(rounds, 8):
        positions, account = requests
        assert (positions.purpose, account.purpose) == ("positions", "account")
        body = [{"symbol": "KO", "qty": str(shares), "side": "long"}]
        assert outbox.on_reply(positions, Reply(200, msgspec.json.encode(body)), ts_ns) == Outcome()
        outcome = outbox.on_reply(account, Reply(200, msgspec.json.encode({"cash": cash})), ts_ns)
        requests = outcome.requests
        assert bool(requests) != bool(outcome.events)
    (event,) = outcome.events
    assert isinstance(event, Reconciled)
    assert (event.ts_ns, event.agrees, event.venue) == (7 + len(rounds), True, "ALPACA")
    return int(event.positions["ALPACA:KO"]), str(event.cash)


def test_executions_that_are_not_listed_yet_are_asked_for_again() -> None:
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    outbox.posted(request, 1)
    outbox.note(ack("s-1-0"))
    (lookup,) = outbox.audit()
    (fills,) = outbox.on_reply(lookup, state("s-1-0", "canceled", 7), 5).requests
    partly = outbox.on_reply(fills, Reply(200, msgspec.json.encode([activity("s-1-0", 3, 1)])), 6)
    assert (partly.again_ns, [type(event) for event in partly.events]) == (NS, [Fill])
    outbox.note(partly.events[0])
    wholly = outbox.on_reply(fills, Reply(200, msgspec.json.encode([activity("s-1-0", 3, 1), activity("s-1-0", 4, 2)])), 7)
    assert [type(event) for event in wholly.events] == [Fill, Cancelled]
    assert not outbox.auditing


def test_a_look_up_older_than_the_audit_does_not_hide_what_the_audits_own_finds() -> None:
    outbox = Outbox(VENUE)
    (request,) = outbox.requests_of(decision((order(1),)))
    (early,) = outbox.on_reply(request, DUPLICATE, 2).requests
    outbox.posted(request, 1)
    (own,) = outbox.audit()
    for event in outbox.on_reply(early, state("s-1-0", "new", 0), 3).events:
        outbox.note(event)
    assert what(outbox.on_reply(own, state("s-1-0", "canceled", 0), 4).requests) == [("lookup", "s-1-0")]


def test_a_cancelled_order_of_which_nothing_is_heard_is_asked_after_on_a_quiet_market_too() -> None:
    outbox = Outbox(VENUE)
    outbox.requests_of(decision((order(1),)))
    outbox.note(ack("s-1-0"))
    assert outbox.look_ns() is None
    outbox.requests_of(decision((), ("s-1-0",)))
    assert outbox.look_ns() == 1 + 10 * NS
    assert what(outbox.look(1 + 10 * NS)) == [("lookup", "s-1-0")]


def test_an_update_whose_count_is_higher_than_ours_is_not_whole() -> None:
    outbox = Outbox(VENUE)
    outbox.requests_of(decision((order(1),)))
    outbox.note(ack("s-1-0"))
    assert outbox.whole(fill("s-1-0", 3), Decimal(3))
    assert not outbox.whole(fill("s-1-0", 3), Decimal(5))
    assert not outbox.whole(Cancelled(ts_ns=1, order_id="s-1-0"), Decimal(2))
    assert outbox.whole(Cancelled(ts_ns=1, order_id="s-1-0"), None)


def test_a_refused_question_is_the_venues_fault() -> None:
    outbox = Outbox(VENUE)
    request, _ = outbox.audit(full=True)
    with pytest.raises(VenueError, match=r"question for positions .*: forbidden") as caught:
        outbox.on_reply(request, Reply(403, b'{"code":1,"message":"forbidden"}'), 7)
    assert caught.value.status == 403
