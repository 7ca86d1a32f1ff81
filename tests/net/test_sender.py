"""The sender by hand: who waits for whom, and what is taken back. Under faults: test_sender_machine."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.net.outbox import Outbox
from hedgekit.net.sender import Sender
from hedgekit.types import NS, Action, Cancelled, Input, Link, Order, Priority, Reconciled, Reply, Request
from hedgekit.venues.alpaca.wire import KINDS
from tests.net.orders_made import REFUSED, VENUE, accepted, ack, decision, order

# ruff: noqa: D102 - the name says it

PAIR = (order(1), msgspec.structs.replace(order(2, -10, Priority.HEDGE), leg=1))


class Wire:
    """A sender before one token a second (or many at once); what it sends is kept."""

    def __init__(self, tokens: int = 1) -> None:
        self.sent: list[Request] = []
        self.outbox = Outbox(VENUE)
        budget = Budget("requests", tokens, dict.fromkeys(KINDS, 1), refill_per_s=1)
        self.sender = Sender(self.outbox, Limiter([budget], np.random.default_rng(1)), self.post, lambda _: None)

    def post(self, request: Request) -> int:
        self.sent.append(request)
        return len(self.sent)

    def intend(self, orders: tuple[Order, ...] = (), cancels: tuple[str, ...] = (), action: Action = Action.REPAIR) -> list[Input]:
        return self.sender.intend(decision(orders, cancels, action), 0)

    def leave(self, now_ns: int) -> list[tuple[str, str | None]]:
        """Return what leaves now."""
        before = len(self.sent)
        self.sender.leave(now_ns)
        return [(request.purpose, request.order_id) for request in self.sent[before:]]

    def answer(self, number: int, reply: Reply, now_ns: int) -> list[Input]:
        events = self.sender.reply(number, reply, now_ns)
        for event in events:
            self.sender.note(event)
        return events


def test_an_entrys_hedge_leaves_after_its_primary_though_it_is_more_urgent() -> None:
    wire = Wire()
    wire.intend(PAIR, action=Action.OPEN)
    assert wire.leave(0) == [("submit", "s-1-0")]
    assert not wire.sender.quiet
    wire.answer(1, accepted("s-1-0"), 0)
    assert wire.leave(NS) == [("submit", "s-2-0")]


def test_with_tokens_both_legs_leave_at_once() -> None:
    wire = Wire(20)
    wire.intend(PAIR, action=Action.OPEN)
    assert wire.leave(0) == [("submit", "s-1-0"), ("submit", "s-2-0")]


def test_after_a_restart_too_the_hedge_follows() -> None:
    wire = Wire()
    wire.outbox.restore([decision(PAIR, action=Action.OPEN)])
    wire.sender.ask(wire.outbox.resume())
    assert wire.leave(0) == [("submit", "s-1-0")]


def test_an_entry_that_is_turned_away_keeps_its_hedge_back() -> None:
    wire = Wire()
    wire.intend(PAIR, action=Action.OPEN)
    wire.leave(0)
    wire.answer(1, Reply(429, headers={"retry-after": "5"}), 0)
    assert [wire.leave(at * NS) for at in (1, 5)] == [[], [("submit", "s-1-0")]]


@pytest.mark.parametrize("cancels", [("s-1-0",), ("s-1-0", "s-2-0"), ("s-2-0", "s-1-0")])
@pytest.mark.parametrize("waited", [False, True])
def test_a_primary_that_is_taken_back_takes_its_hedge_along_and_each_ends_once(cancels: tuple[str, ...], waited: bool) -> None:  # noqa: FBT001 - a parameter
    wire = Wire()
    wire.intend((order(9),))
    wire.leave(0)
    wire.intend(PAIR, action=Action.OPEN)
    if waited:
        assert wire.leave(0) == []  # the token is gone
    ended = wire.intend((), cancels)
    assert sorted(event.order_id for event in ended if isinstance(event, Cancelled)) == ["s-1-0", "s-2-0"]
    for event in ended:
        wire.sender.note(event)
    wire.answer(1, accepted("s-9-0"), 0)
    assert wire.leave(NS) == []
    assert wire.sender.quiet


def test_a_hedge_that_may_be_there_is_not_forgotten_with_its_primary() -> None:
    """The primary was turned away and waits; its hedge has left, was not answered, and waits behind it to be posted again."""
    wire = Wire(20)
    wire.intend(PAIR, action=Action.OPEN)
    wire.leave(0)
    wire.answer(1, Reply(429, b"", {"retry-after": "3"}), 1)
    wire.answer(2, Reply(503), 1)
    assert wire.leave(NS) == []
    ended = wire.intend(cancels=("s-1-0", "s-2-0"))
    assert ended == [Cancelled(ts_ns=0, order_id="s-1-0")]
    wire.sender.note(ended[0])
    assert wire.leave(4 * NS) == [("void", "s-2-0")]


def test_a_post_that_waits_in_line_leaves_as_what_it_should_be_by_then() -> None:
    """A lost post stands in line again; its cancel makes a void of it, and its acknowledgement nothing."""
    for word, leaves in (("cancel", [("void", "s-1-0")]), ("ack", [])):
        wire = Wire()
        wire.intend((order(1),))
        wire.leave(0)
        wire.answer(1, Reply(0), 0)
        wire.leave(NS // 2)  # in line, without a token
        if word == "ack":
            wire.sender.note(ack("s-1-0"))
        else:
            assert wire.intend((), ("s-1-0",)) == []
        assert wire.leave(NS) == leaves


def test_what_was_put_off_goes_at_once_when_the_venue_is_heard_again() -> None:
    """L6: an order in doubt is not left so for the rest of a backoff."""
    wire = Wire(20)
    wire.intend((order(1),))
    for at, number in ((0, 1), (1, 2), (2, 3), (4, 4), (8, 5)):
        wire.leave(at * NS)
        wire.answer(number, Reply(0), at * NS)
    assert wire.leave(9 * NS) == []
    wire.sender.note(Link(ts_ns=9 * NS, venue="ALPACA", state="up", since_ns=0))
    assert wire.leave(9 * NS) == [("submit", "s-1-0")]


def test_an_unwanted_order_that_was_turned_away_ends_there() -> None:
    wire = Wire()
    wire.intend((order(1),))
    wire.leave(0)
    assert wire.intend((), ("s-1-0",)) == []
    assert wire.answer(1, Reply(429), 0) == [Cancelled(ts_ns=0, order_id="s-1-0")]
    assert wire.leave(60 * NS) == []
    assert wire.sender.quiet


def test_the_void_of_a_sale_is_a_purchase() -> None:
    """A short sale is valued at its limit price (docs.alpaca.markets, placing orders): far above the market no account can bear it."""
    wire = Wire(20)
    wire.intend((order(1, -10),))
    for reply in (Reply(0), REFUSED):
        wire.leave(len(wire.sent) * NS)
        wire.answer(len(wire.sent), reply, 0)
    assert wire.leave(5 * NS) == [("void", "s-1-0")]
    body = msgspec.json.decode(wire.sent[-1].body or b"")
    assert (body["side"], body["qty"], body["limit_price"], body["time_in_force"]) == ("buy", "1", "0.01", "ioc")


def test_after_a_silence_what_is_asked_before_a_close_is_as_urgent_as_the_close() -> None:
    wire = Wire(4)
    wire.outbox.restore([decision((order(1),)), ack("s-1-0")])
    wire.sender.note(Link(ts_ns=0, venue="ALPACA", state="restarted", since_ns=0))
    primaries = [order(number) for number in range(3, 8)]
    wire.intend(tuple(primaries))
    wire.sender.ask(wire.outbox.audit(full=True))
    wire.sender.ask([VENUE.latest()])
    assert wire.leave(0)[0] == ("lookup", "s-1-0")


def test_once_it_is_agreed_what_is_held_a_question_waits_its_turn() -> None:
    wire = Wire(1)
    for event in (
        Link(ts_ns=0, venue="ALPACA", state="down", since_ns=0),
        Link(ts_ns=0, venue="ALPACA", state="up", since_ns=0),
        Reconciled(ts_ns=0, positions={}, cash=Decimal(0), agrees=True),
    ):
        wire.sender.note(event)
    wire.sender.ask(wire.outbox.audit(full=True))
    wire.intend((order(1),))
    assert wire.leave(0) == [("submit", "s-1-0")]


def test_whether_a_quiet_market_is_quiet_is_never_urgent() -> None:
    wire = Wire(1)
    wire.sender.note(Link(ts_ns=0, venue="ALPACA", state="frozen", since_ns=0))
    wire.sender.ask([VENUE.latest()])
    wire.intend((order(1),))
    assert wire.leave(0) == [("submit", "s-1-0")]
