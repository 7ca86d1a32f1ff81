"""The Polymarket client in the outbox: an order whose answer was lost is posted again in the same bytes, and found by its hash (L2)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.net.outbox import Outbox
from hedgekit.types import NS, Ack, Action, Cancelled, Fill, Link, Order, Reconciled, Reject, Reply, Request, Update
from tests.net.orders_made import decision
from tests.venues.polymarket_made import ORDER, changed, client, order, payload

NOW = ORDER.ts_ns
LIMIT = order(kind="limit", limit=Decimal("0.48"))
HASH = client().order_id(LIMIT)


def posted(made: Order) -> tuple[Outbox, Request]:
    """Return an outbox that has posted an order."""
    outbox = Outbox(client())
    [request] = outbox.requests_of(decision((made,), action=Action.OPEN))
    outbox.posted(request, NOW)
    return outbox, request


def test_a_lost_answer_is_one_order() -> None:
    outbox, request = posted(LIMIT)
    lost = outbox.on_reply(request, Reply(504, b"upstream"), NOW)
    assert lost.again_ns
    assert outbox.current(request) == request  # the same bytes again
    outbox.posted(request, NOW)
    [question] = outbox.on_reply(request, Reply(400, payload("error_duplicate")), NOW).requests
    assert question.path == f"/data/order/{HASH}"
    found = outbox.on_reply(question, Reply(200, changed("order", id=HASH, size_matched="0")), NOW)
    assert found.events == [Ack(ts_ns=NOW, order_id=LIMIT.order_id, venue_order_id=HASH)]


def test_nothing_to_match_at_once_is_a_refusal() -> None:
    outbox, request = posted(ORDER)
    [end] = outbox.on_reply(request, Reply(400, payload("error_fak")), NOW).events
    assert isinstance(end, Reject)
    assert (end.code, end.message[:30]) == ("400", "no orders found to match with ")


def test_a_refusal_that_looks_like_a_success_is_one() -> None:
    outbox, request = posted(ORDER)
    assert [type(event) for event in outbox.on_reply(request, Reply(200, payload("posted_refused")), NOW).events] == [Reject]


def test_after_a_restart_the_stream_speaks_of_our_orders() -> None:
    """The venue knows no name of ours: the journal's decisions, encoded again, say whose a hash is."""
    frame = changed("ws_trade", taker_order_id=HASH)
    again = client()
    Outbox(again).restore([decision((LIMIT,), action=Action.OPEN)])
    [update] = again.account(NOW).take(frame, NOW)
    assert isinstance(update, Update)
    assert isinstance(update.event, Fill)
    assert update.event.order_id == LIMIT.order_id


def listed(order_id: str, filled: int) -> Reply:
    """Return the answer that lists the executions of one order."""
    page = msgspec.json.decode(payload("trades"))
    page["data"] = [page["data"][2] | {"taker_order_id": order_id, "size": str(filled)}] if filled else []
    return Reply(200, msgspec.json.encode(page))


class Doubt:
    """An order of 10 of which the look-up says nothing, ever; it was executed in part, whole, or not at all."""

    def __init__(self, filled: int) -> None:
        self.client = client()
        self.outbox = Outbox(self.client)
        self.order = order(kind="limit", limit=Decimal("0.48"))
        self.events: list[Any] = []
        self.now = self.order.ts_ns
        (self.request,) = self.outbox.requests_of(decision((self.order,), action=Action.OPEN))
        nothing = Reply(200, b'{"balance":"0"}')
        self.says = {
            "lookup": Reply(200, b"null"),
            "fills": listed(self.client.order_id(self.order), filled),
            "positions": nothing,
            "account": nothing,
        }

    def note(self, *events: Any) -> None:
        """Take events as a session does."""
        for event in events:
            self.events.append(event)
            self.outbox.note(event)

    def play(self, requests: list[Request]) -> list[tuple[str, Decimal]]:
        """Answer until nothing is asked any more; return what was told of the order."""
        later: list[tuple[int, Request]] = []
        while requests or later:
            if not requests:
                later.sort(key=lambda wait: wait[0])
                self.now, request = later.pop(0)
            else:
                request = requests.pop(0)
            said = self.outbox.on_reply(request, self.says[request.purpose], self.now)
            self.note(*said.events)
            requests += said.requests
            later += [] if said.again_ns is None else [(self.now + said.again_ns, request)]
        return [(type(event).__name__, getattr(event, "qty", Decimal(0))) for event in self.events if isinstance(event, Fill | Cancelled)]


ENDS = {0: [("Cancelled", Decimal(0))], 4: [("Fill", Decimal(4)), ("Cancelled", Decimal(0))], 10: [("Fill", Decimal(10))]}


@pytest.mark.parametrize("filled", ENDS)
@pytest.mark.parametrize("known", ["acknowledged", "a duplicate", "barred in an outage"])
def test_an_order_that_look_ups_do_not_find_any_more_has_ended_and_its_executions_say_how(known: str, filled: int) -> None:
    doubt = Doubt(filled)
    doubt.outbox.posted(doubt.request, doubt.now)
    if known == "acknowledged":
        taken = changed("posted_live", orderID=doubt.client.order_id(doubt.order))
        doubt.note(*doubt.outbox.on_reply(doubt.request, Reply(200, taken), doubt.now).events)
        asked = doubt.outbox.audit(full=True)
    elif known == "a duplicate":
        doubt.outbox.posted(doubt.request, doubt.now)
        asked = doubt.outbox.on_reply(doubt.request, Reply(400, payload("error_duplicate")), doubt.now).requests
    else:
        doubt.outbox.on_reply(doubt.request, Reply(0), doubt.now)
        doubt.note(Link(ts_ns=doubt.now, venue="POLYMARKET", state="down", since_ns=doubt.now))
        current = doubt.outbox.current(doubt.request)
        assert current is not None
        asked = [current]
    assert doubt.play(asked) == ENDS[filled]
    assert doubt.outbox.open == ()
    wait_s = (doubt.now - doubt.order.ts_ns) / NS
    assert wait_s == (120 if known == "barred in an outage" else 7.5)


@given(st.lists(st.sampled_from(["", "buy", "sell", "buy NO"]), max_size=12))
def test_tokens_and_collateral_are_of_one_moment(trades: list[str]) -> None:
    """One trade, or none, comes before each of the answers; none is undone without a loss. What is agreed on was so at one moment."""
    cost = {"": (0, 0, 0), "buy": (1, 0, -30), "sell": (-1, 0, 29), "buy NO": (0, 1, -71)}  # own token, opposite, cents
    outbox, moments = Outbox(client()), [(50, 20, 90_000)]
    requests, events, left = outbox.audit(full=True), list[Any](), list(trades)
    own, opposite, collateral = outbox.venue.holdings()
    while requests:
        trade = cost[left.pop(0) if left else ""]
        moments.append((moments[-1][0] + trade[0], moments[-1][1] + trade[1], moments[-1][2] + trade[2]))
        micros = {own.path: moments[-1][0] * 10**6, opposite.path: moments[-1][1] * 10**6, collateral.path: moments[-1][2] * 10**4}
        request = requests.pop(0)
        said = outbox.on_reply(request, Reply(200, msgspec.json.encode({"balance": str(micros[request.path])})), NOW + len(moments))
        requests, events = requests + said.requests, events + said.events
    [event] = events
    assert isinstance(event, Reconciled)
    worth = [((yes - no), Decimal(cents) / 100 + no) for yes, no, cents in moments[1:]]
    assert ([*event.positions.values(), 0][0], event.cash) in worth
    assert not outbox.auditing
