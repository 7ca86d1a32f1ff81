"""L2 at Kalshi: whatever is lost, late or asked for twice, an order is at the venue once or not at all, and we know which.

The outbox with Kalshi's client against a model of what the venue documents: an id is taken once, a second order under it is
refused with 409, and the first that arrives counts, be it the order or the void.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.net.outbox import Outbox
from hedgekit.types import NS, Ack, Cancelled, Instrument, Kind, Order, Priority, Reject, Reply, Request
from hedgekit.venues.kalshi import Kalshi
from tests.net.orders_made import decision

SEED = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
PEM = SEED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
MARKET = Instrument("KALSHI", "FED-23DEC-T3.00", Kind.BINARY)
VENUE = Kalshi(("key-id", PEM), (MARKET,))
ORDER = Order("s1-1-0", NS, 0, MARKET.key, Decimal(-10), Decimal("0.56"), Priority.HEDGE, 1, "limit", Decimal("0.56"))


class Model:
    """Orders by our id: the first request under it."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}

    def answer(self, request: Request) -> Reply:
        """Do what a request asks, and answer it."""
        if request.method == "POST":
            return self._enter(msgspec.json.decode(request.body or b""))
        if request.method == "DELETE":
            alive = [order for order in self.orders.values() if order["order_id"] in request.path and order["status"] == "resting"]
            for order in alive:
                order["status"] = "canceled"
            return Reply(200, b'{"order_id":"v","reduced_by":"10.00","ts_ms":1}') if alive else Reply(404, b'{"code":"not_found"}')
        return Reply(200, msgspec.json.encode({"orders": list(self.orders.values()), "cursor": ""}))

    def _enter(self, entry: dict[str, Any]) -> Reply:
        name = entry["client_order_id"]
        if name in self.orders:
            return Reply(409, b'{"code":"order_already_exists","message":"order already exists"}')
        rests = entry["time_in_force"] == "good_till_canceled"
        status = "resting" if rests else "canceled"
        self.orders[name] = {"order_id": f"v-{name}", "client_order_id": name, "status": status, "fill_count_fp": "0.00"}
        left = entry["count"] if rests else "0.00"
        said = {"order_id": f"v-{name}", "client_order_id": name, "fill_count": "0.00", "remaining_count": left, "ts_ms": 1}
        return Reply(201, msgspec.json.encode(said))


class Way:
    """Carries requests: some are lost, some answers are, and some requests arrive late, within the client's ``late_ns``."""

    def __init__(self) -> None:
        self.model, self.outbox, self.now_ns = Model(), Outbox(VENUE), NS
        self.line: list[tuple[int, Request]] = []
        self.late: list[tuple[int, Request]] = []
        self.events: list[Any] = []
        self.ask(self.outbox.requests_of(decision((ORDER,))))

    def ask(self, requests: list[Request]) -> None:
        """Put requests in line."""
        self.line += [(self.now_ns, request) for request in requests]

    def step(self, fate: str) -> None:
        """Let the next request meet its fate."""
        if not self.line:
            return
        self.line.sort(key=lambda one: one[0])
        due_ns, waiting = self.line.pop(0)
        self.pass_to(max(due_ns, self.now_ns))
        request = self.outbox.current(waiting)
        if request is None:
            return
        self.outbox.posted(request, self.now_ns)
        if fate == "busy":
            self.tell([self.outbox.never_there(name, self.now_ns)[0] for name in self.outbox.turned_away(request)])
            self.line.append((self.now_ns + NS, request))
            return
        if fate == "late":
            self.late.append((self.now_ns + VENUE.late_ns, request))
        reply = self.model.answer(request) if fate in ("answered", "unheard", "failed") else Reply(0)
        reply = {"answered": reply, "failed": Reply(503)}.get(fate, Reply(0))
        outcome = self.outbox.on_reply(request, reply, self.now_ns)
        self.ask(outcome.requests)
        if outcome.again_ns is not None:
            self.line.append((self.now_ns + outcome.again_ns, request))
        self.tell(outcome.events)
        if request.method == "DELETE" and fate in ("answered", "unheard", "failed"):
            self.tell([Cancelled(ts_ns=self.now_ns, order_id=ORDER.order_id)])  # as the account's feed tells it

    def tell(self, events: list[Any]) -> None:
        """Take what is news as the session does."""
        for event in events:
            if self.outbox.fresh(event):
                self.events.append(event)
                self.ask(self.outbox.note(event))

    def pass_to(self, at_ns: int) -> None:
        """Let time pass; what is late arrives before it could not any more."""
        for until_ns, request in [one for one in self.late if one[0] <= at_ns]:
            self.late.remove((until_ns, request))
            self.model.answer(request)
        self.now_ns = at_ns

    def arrive(self) -> None:
        """Let one late request arrive now."""
        if self.late:
            self.model.answer(self.late.pop(0)[1])


FATES = ["answered", "lost", "unheard", "failed", "late", "busy", "arrive", "unwant", "restart"]


@given(st.lists(st.sampled_from(FATES), max_size=14), st.booleans())
def test_an_order_is_there_once_or_not_at_all_and_we_know_which(fates: list[str], wanted: bool) -> None:  # noqa: FBT001 - drawn
    way, unwanted = Way(), False
    for fate in [*fates, *(() if wanted else ("unwant",))]:
        if fate == "arrive":
            way.arrive()
        elif fate == "unwant":
            unwanted = True
            way.ask(way.outbox.requests_of(decision((), (ORDER.order_id,))))
        elif fate == "restart":
            way.outbox = Outbox(VENUE)
            way.outbox.restore([decision((ORDER,)), *way.events, *([decision((), (ORDER.order_id,))] if unwanted else [])])
            way.line = []
            way.ask(way.outbox.resume())
        else:
            way.step(fate)
    for _ in range(60):
        way.step("answered")
    while way.late:
        way.arrive()
    there = way.model.orders.get(ORDER.order_id)
    ends = [event for event in way.events if isinstance(event, Cancelled | Reject)]
    assert not way.line
    assert len(ends) <= 1
    assert bool(ends) == (ORDER.order_id not in way.outbox.open)
    if unwanted:
        assert ends
        assert there is None or there["status"] != "resting"
    else:
        assert there is not None
        assert there["status"] == "resting"
        assert [event.venue_order_id for event in way.events if isinstance(event, Ack)] == ["v-s1-1-0"]
