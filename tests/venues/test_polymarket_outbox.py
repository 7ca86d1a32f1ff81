"""The Polymarket client in the outbox: an order whose answer was lost is posted again in the same bytes, and found by its hash (L2)."""

from __future__ import annotations

from decimal import Decimal

from hedgekit.net.outbox import Outbox
from hedgekit.types import Ack, Action, Decision, Fill, Order, Phase, Reason, Reject, Reply, Request, Update
from tests.venues.polymarket_made import ORDER, changed, client, order, payload

NOW = ORDER.ts_ns
LIMIT = order(kind="limit", limit=Decimal("0.48"))
HASH = client().order_id(LIMIT)


def decided(*orders: Order) -> Decision:
    """Return a decision to open with orders."""
    return Decision(
        ts_ns=NOW,
        action=Action.OPEN,
        reason=Reason.ENTRY,
        phase=Phase.OPENING,
        trade=1,
        z=None,
        ratio=None,
        delta=None,
        cost=0.0,
        benefit=0.0,
        mids=(),
        positions=(),
        targets=(),
        orders=orders,
    )


def posted(made: Order) -> tuple[Outbox, Request]:
    """Return an outbox that has posted an order."""
    outbox = Outbox(client())
    [request] = outbox.requests_of(decided(made))
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
    Outbox(again).restore([decided(LIMIT)])
    [update] = again.account(NOW).take(frame, NOW)
    assert isinstance(update, Update)
    assert isinstance(update.event, Fill)
    assert update.event.order_id == LIMIT.order_id
