"""The limiter before venues that count at arrival, and with the budgets that four venues publish (A10, A17)."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.types import NS
from tests.net.limits_made import (
    CLOSE,
    HEDGE,
    MS,
    QUERY,
    Leaking,
    Minutes,
    Sent,
    Sliding,
    audit,
    drive,
    rng,
)

WAYS = st.lists(st.tuples(st.integers(0, 900 * MS), st.integers(0, 900 * MS)), min_size=1, max_size=40)
ALONE: list[tuple[Budget, Any]] = [
    (Budget("all", 6, {"submit": 1}, window_s=2), lambda: Sliding(6, 2 * NS)),
    (Budget("all", 9, {"submit": 1}, window_s=60), lambda: Minutes(9)),
    (Budget("all", 5, {"submit": 1}, refill_per_s=Decimal("3.3")), lambda: Leaking(5, Fraction(33, 10))),
]


@pytest.mark.parametrize("n", range(len(ALONE)))
@given(ways=WAYS)
@settings(max_examples=40)
def test_alone_on_the_account_no_request_is_refused_and_honest_headers_change_nothing(n: int, ways: list[tuple[int, int]]) -> None:
    budget, venue = ALONE[n]
    quiet = drive(Limiter([budget], rng()), venue(), ways, tell=False)
    assert quiet[1] == 0
    assert drive(Limiter([budget], rng()), venue(), ways, tell=True) == quiet


def test_departures_counted_alone_would_be_refused() -> None:
    """Why tokens flow back from the answer on: a slow request and a quick one arrive together."""
    ways = [(900 * MS, 0)] * 6 + [(0, 0)] * 6
    departures, refused = drive(Limiter([ALONE[2][0]], rng()), Leaking(5, Fraction(33, 10)), ways, tell=False)
    assert refused == 0
    venue = Leaking(5, Fraction(33, 10))
    naive = [0] * 5 + [ceil(k * 10 * NS / 33) for k in range(1, 8)]
    arrivals = sorted(at + way for at, (way, _) in zip(naive, ways, strict=True))
    assert not all(venue.take(at)[0] for at in arrivals)
    assert departures[5] == 900 * MS + ceil(10 * NS / 33)


# ----------------------------------------------------------- what the four venues publish

KALSHI_BASIC = (  # docs.kalshi.com, rate limits: tokens in a second, reads and writes apart; the balance has a limit of its own
    Budget("write", 100, {"submit": 10, "cancel": 2}, {"batch": 10}, refill_per_s=100, reserve={CLOSE: 20, HEDGE: 20}),
    Budget("read", 200, {"lookup": 10, "order": 2, "positions": 10, "account": 10}, refill_per_s=200),
    Budget("balance", 1, {"account": 1}, refill_per_s=1),
)
DERIBIT_DEFAULT = (  # docs.deribit.com, rate limits: credits; 3,000 of 30,000 for a subscription are its "3.3/s, burst 10"
    Budget("matching", 20, {"submit": 1, "cancel": 1}, refill_per_s=5, reserve={CLOSE: 4, HEDGE: 4}),
    Budget("other", 50_000, {"lookup": 500, "positions": 500, "account": 500}, refill_per_s=10_000),
    Budget("subscribe", 30_000, {"subscribe": 3_000}, refill_per_s=10_000),
)
POLYMARKET_STANDARD = (  # docs.polymarket.com: windows for each address of a client, buckets for each signer
    Budget("address", 9_000, dict.fromkeys(("submit", "batch", "cancel", "cancel all", "lookup"), 1), window_s=10),
    Budget("address: orders", 5_000, {"submit": 1}, window_s=10),
    Budget("address: orders, long", 120_000, {"submit": 1}, window_s=600),
    Budget("address: batches", 2_000, {"batch": 1}, window_s=10),
    Budget("address: lookups", 500, {"lookup": 1}, window_s=10),
    Budget("signer: orders", 60, {"submit": 1}, {"batch": 1}, refill_per_s=40, reserve={CLOSE: 6, HEDGE: 6}),
    Budget("signer: cancels", 120, {"cancel": 1, "cancel all": 1}, {"cancel all": 1}, refill_per_s=80),
)
ALPACA = (
    Budget("account", 200, dict.fromkeys(("submit", "cancel", "lookup", "account", "positions"), 1), window_s=60, reserve={HEDGE: 8}),
)


@pytest.mark.parametrize(
    ("budgets", "kind", "orders", "per_s"),
    [
        (KALSHI_BASIC, "submit", 1, 10),
        (KALSHI_BASIC, "cancel", 1, 50),
        (KALSHI_BASIC, "batch", 5, 2),
        (KALSHI_BASIC, "lookup", 1, 20),
        (KALSHI_BASIC, "account", 1, 1 / 1.08),  # one at a time: a round trip for each
        (DERIBIT_DEFAULT, "submit", 1, 5),
        (DERIBIT_DEFAULT, "lookup", 1, 20),
        (DERIBIT_DEFAULT, "subscribe", 1, 10 / 3),
        (POLYMARKET_STANDARD, "submit", 1, 40),
        (POLYMARKET_STANDARD, "batch", 8, 5),
        (POLYMARKET_STANDARD, "cancel all", 39, 2),
        (ALPACA, "submit", 1, 192 / 60.08),  # less the reserve, and the round trip
    ],
)
def test_four_venues_budgets_are_data_and_are_used_to_the_full(budgets: tuple[Budget, ...], kind: str, orders: int, per_s: float) -> None:
    limiter, requests, now, end = Limiter(budgets, rng()), dict[int, Sent](), 0, 240 * NS if budgets is ALPACA else 30 * NS
    key, under_way = 0, deque[Sent]()
    while now < end:
        while limiter.waiting < 5:
            key += 1
            requests[key] = Sent(key, kind, orders, QUERY, key)
            limiter.ask(key, kind, QUERY, orders=orders)
        for gone in limiter.release(now):
            requests[gone].sent = now
            under_way.append(requests[gone])
        if limiter.waiting < 5:
            continue
        moments = [at for at in (limiter.next_ns(now), under_way[0].sent + 80 * MS if under_way else None) if at is not None]
        now = min(moments)
        while under_way and under_way[0].sent + 80 * MS <= now:
            under_way[0].done = now
            limiter.answered(under_way.popleft().key, now, 200)
    sent = [request for request in requests.values() if request.sent < end]
    audit(budgets, sent[:300])
    early = sum(request.sent < end // 2 for request in sent)
    assert (len(sent) - early) / (end / 2 / NS) == pytest.approx(per_s, rel=0.05)
