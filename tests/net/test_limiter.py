"""The limiter by hand: who leaves when, what a refusal holds, and what is no call (A17, L5)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hedgekit.errors import ConfigError
from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.types import NS
from tests.net.limits_made import (
    CLOSE,
    HEDGE,
    MS,
    PRIMARY,
    QUERY,
    TEN,
    Minutes,
    Sliding,
    drive,
    rng,
)


def saturated(budget: Budget) -> Limiter:
    """Ten requests are under way, thirty more in line."""
    limiter = Limiter([budget], rng())
    for key in range(40):
        limiter.ask(key, "submit" if key % 2 else "account", PRIMARY if key % 2 else QUERY)
    for key in limiter.release(0):
        limiter.answered(key, 0, 200)
    return limiter


@pytest.mark.parametrize("pace", [{"refill_per_s": 10}, {"window_s": 1}])
def test_a_hedge_leaves_as_the_next_request_though_thirty_are_in_line(pace: dict[str, int]) -> None:
    """L5; a peer's throttle, 10/s with 30 quotes in line, let the hedge go as the 31st, after 3.2 s (PEERS: hummingbot)."""
    limiter = saturated(Budget("all", 10, TEN, **pace))  # type: ignore[arg-type]  # - one pace or the other
    assert limiter.waiting == 30
    limiter.ask(99, "submit", HEDGE)
    at = limiter.next_ns(0)
    assert at == (NS // 10 if "refill_per_s" in pace else NS)
    assert at is not None
    assert limiter.release(at)[0] == 99


def test_what_is_left_counts_what_is_under_way_and_flows_back() -> None:
    """Ten tokens, three asked of which three left: seven, also when answered; one more flows back each tenth of a second."""
    limiter = Limiter([Budget("all", 10, TEN, refill_per_s=10)], rng())
    for key in range(3):
        limiter.ask(key, "submit", PRIMARY)
    assert limiter.left(0) == {"all": (10, 10)}
    limiter.release(0)
    assert limiter.left(0) == limiter.left(NS) == {"all": (7, 10)}, "what is not answered may still count"
    for key in range(3):
        limiter.answered(key, NS, 200)
    assert [limiter.left(NS + ms * MS)["all"][0] for ms in (0, 99, 100, 250, 900)] == [7, 7, 8, 9, 10]


def test_with_a_reserve_hedges_and_closes_leave_at_once() -> None:
    limiter = saturated(Budget("all", 10, TEN, refill_per_s=10, reserve={CLOSE: 1, HEDGE: 1}))
    assert limiter.waiting == 32
    for key, priority in ((101, HEDGE), (102, HEDGE), (201, CLOSE), (202, CLOSE)):
        limiter.ask(key, "submit", priority)
    assert limiter.release(0) == [201, 202]  # two tokens were kept, both for closes if closes are there
    limiter.answered(201, 0, 200)
    limiter.answered(202, 0, 200)
    assert [limiter.release(ms * MS) for ms in (100, 200, 300)] == [[], [101], [102]]  # the first that flows back is kept for closes


def test_closes_of_one_leg_leave_in_the_order_of_asking_and_a_refused_one_keeps_its_place() -> None:
    limiter = Limiter([Budget("all", 2, TEN, refill_per_s=2)], rng(), backoff_ns=1)
    for key in range(5):
        limiter.ask(key, "submit", CLOSE if key else QUERY)
    assert limiter.release(0) == [1, 2]
    limiter.answered(2, 0, 200)
    limiter.answered(1, 0, 429)
    assert limiter.release(NS // 2) == [1]
    limiter.answered(1, NS // 2, 0)  # lost: the session asks again, and that is a new request
    limiter.ask(1, "submit", CLOSE)
    assert [limiter.release(half * NS // 2) for half in range(2, 5)] == [[3], [4], []]  # under way, two are all that the bucket holds
    assert limiter.next_ns(9 * NS) is None
    limiter.answered(3, 9 * NS, 200)
    assert limiter.release(10 * NS) == [1]


def test_a_request_passes_another_only_on_tokens_that_the_other_does_not_need() -> None:
    both = Budget("both", 3, {"submit": 2, "account": 1}, refill_per_s=1)
    orders = Budget("orders", 2, {"submit": 2}, refill_per_s=Decimal("0.5"))
    limiter = Limiter([both, orders], rng())
    for key, kind, priority in ((1, "submit", CLOSE), (2, "submit", CLOSE), (3, "account", QUERY)):
        limiter.ask(key, kind, priority)
    assert limiter.release(0) == [1]  # one token of "both" is left, and the second close needs it
    limiter.answered(1, 0, 200)
    assert limiter.release(2 * NS) == [3]  # now three are there, two of them for the close, which waits for "orders"
    assert limiter.release(4 * NS) == [2]
    assert limiter.next_ns(4 * NS) is None


def test_a_refusal_holds_all_that_the_request_spent_from_and_nothing_else() -> None:
    pools = [Budget("first", 9, {"account": 1, "submit": 1}, window_s=1), Budget("second", 9, {"account": 1, "cancel": 1}, window_s=1)]
    limiter = Limiter([*pools, Budget("third", 9, {"batch": 1}, window_s=1)], rng())
    limiter.ask(1, "account", CLOSE)
    assert limiter.release(0) == [1]
    limiter.answered(1, 0, 429, retry_after_ns=9 * NS)
    for key, kind in ((2, "submit"), (3, "cancel"), (4, "batch")):
        limiter.ask(key, kind, QUERY)
    assert limiter.release(0) == [4]
    assert limiter.next_ns(0) == 9 * NS
    assert limiter.release(9 * NS) == [1, 2, 3]


def test_no_drift_in_ten_thousand_departures() -> None:
    limiter = Limiter([Budget("all", 1, TEN, refill_per_s=3.3)], rng())
    now = 0
    for k in range(10_000):
        limiter.ask(k, "submit", HEDGE)
        at = limiter.next_ns(now)
        assert at is not None
        assert limiter.release(at) == [k]
        limiter.answered(k, at, 200)
        now = at
    # each departure is rounded up to its own ns and the next is counted from there: within 1 ns each, never early
    assert 0 <= now - Fraction(9_999 * 10 * NS, 33) < 10_000


# --------------------------------------------------------------- refusals, headers, restarts


def refused(limiter: Limiter, at: int, **told: Any) -> int:
    """Send one request at ``at``, let it be refused at once; return for how long all is held."""
    key = limiter.release(at)
    assert len(key) == 1
    limiter.answered(key[0], at, 429, **told)
    soonest = limiter.next_ns(at)
    assert soonest is not None
    return soonest - at


def one_by_one(seed: int = 1) -> Limiter:
    """Return a limiter before a window so wide that only holds make it wait."""
    limiter = Limiter([Budget("all", 1000, TEN, window_s=1)], rng(seed))
    limiter.ask(1, "submit", CLOSE)
    return limiter


def test_retry_after_holds_everything_of_the_budget_until_then() -> None:
    limiter = one_by_one()
    assert refused(limiter, 0, retry_after_ns=7 * NS) == 7 * NS
    limiter.ask(2, "cancel", CLOSE)
    assert limiter.release(7 * NS - 1) == []
    assert limiter.release(7 * NS) == [1, 2]
    limiter.answered(1, 7 * NS, 503, retry_after_ns=NS)  # a pause is a pause, whatever the status
    limiter.ask(3, "submit", CLOSE)
    assert limiter.next_ns(7 * NS) == 8 * NS
    limiter.answered(2, 7 * NS, 429, retry_after_ns=NS // 2)  # a shorter one shortens nothing
    assert limiter.next_ns(7 * NS) == 8 * NS


def test_backoff_doubles_up_to_its_bound_with_full_jitter_and_a_success_ends_it() -> None:
    waits = np.array([[refused(limiter, n * 100 * NS) for n in range(10)] for limiter in map(one_by_one, range(400))]) / NS
    bounds = np.array([0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30])
    assert (waits > 0).all()
    assert (waits <= bounds).all()
    assert np.allclose(waits.mean(0) / bounds, 0.5, atol=0.06)  # 4 standard errors of a uniform's mean
    assert np.allclose(waits.std(0) / bounds, np.sqrt(1 / 12), atol=0.04)
    limiter = one_by_one()
    for n in range(8):
        refused(limiter, n * 100 * NS)
    assert limiter.release(900 * NS) == [1]
    limiter.answered(1, 900 * NS, 422)  # refused for another reason: it passed the limit
    limiter.ask(1, "submit", CLOSE)
    assert refused(limiter, 1000 * NS) <= NS // 2


def test_a_burst_that_is_refused_counts_once_and_an_old_success_ends_nothing() -> None:
    limiter = Limiter([Budget("all", 1000, TEN, window_s=1)], rng(), backoff_ns=NS, backoff_max_ns=1 << 62)
    for key in range(41):
        limiter.ask(key, "submit", HEDGE)
    limiter.release(0)
    for key in range(40):
        limiter.answered(key, NS, 429)
    assert limiter.next_ns(NS) is not None
    assert limiter.next_ns(NS) <= 2 * NS  # type: ignore[operator]  # - forty in a row would be held for centuries
    limiter.release(3 * NS)
    limiter.answered(0, 3 * NS, 429)
    for key, status, count in ((40, 200, 2), (1, 0, 2), (2, 503, 2), (3, 200, 2)):  # 40 left before the first refusal, 3 before the second
        limiter.answered(key, 3 * NS, status)
        assert limiter._meters[0].refusals == count
    limiter.ask(99, "submit", CLOSE)
    for status, count in ((0, 2), (502, 2), (403, 0)):
        assert limiter.release(9 * NS)[0] == 99
        limiter.answered(99, 9 * NS, status)
        assert limiter._meters[0].refusals == count
        limiter.ask(99, "submit", CLOSE)


def test_after_a_429_a_bucket_is_empty_and_fills_at_its_rate() -> None:
    limiter = Limiter([Budget("all", 10, {"submit": 1, "batch": 5}, refill_per_s=1)], rng(), backoff_ns=1)
    limiter.ask(1, "submit", CLOSE)
    assert refused(limiter, 0) == NS
    assert limiter.release(NS) == [1]
    limiter.ask(2, "batch", CLOSE)
    limiter.answered(1, NS, 200)
    assert limiter.next_ns(NS) == 6 * NS


def test_the_venues_count_only_tightens() -> None:
    def after(budget: Budget, remaining: dict[str, int]) -> int | None:
        limiter = Limiter([budget], rng())
        for key in range(5):
            limiter.ask(key, "submit", HEDGE)
        limiter.release(0)
        for key in range(5):
            limiter.answered(key, 0, 200, remaining=remaining if key == 4 else None)
        limiter.ask(9, "submit", HEDGE)
        return limiter.next_ns(0)

    for budget, empty in ((Budget("all", 8, TEN, refill_per_s=2), 1), (Budget("all", 8, TEN, window_s=3), 3 * NS)):
        assert [after(budget, told) for told in ({}, {"all": 3}, {"all": 1}, {"all": 900})] == [0, 0, 0, 0]
        assert after(budget, {"all": 0}) == after(budget, {"all": -7}) == empty  # of a bucket, nearly a token may be there besides 0
    full = Budget("all", 5, TEN, window_s=3)
    assert after(full, {"all": 900}) == 3 * NS
    with pytest.raises(KeyError, match="orders"):
        after(full, {"orders": 3})


def test_time_that_stands_still_or_steps_back_gives_nothing() -> None:
    limiter = saturated(Budget("all", 10, TEN, refill_per_s=10))
    limiter.release(NS)
    for at in (NS, NS // 2, 0, NS, NS - 1, NS) * 20:
        assert limiter.release(at) == []
    assert limiter.next_ns(0) is None


def test_after_the_clock_is_set_back_what_is_there_leaves_and_time_counts_where_it_had_been() -> None:
    limiter = Limiter([Budget("all", 2, TEN, window_s=1), Budget("too", 2, TEN, refill_per_s=1)], rng())
    for key, at in ((1, 10 * NS), (2, 3 * NS)):
        limiter.ask(key, "submit", CLOSE)
        assert limiter.next_ns(at) == at
        assert limiter.release(at) == [key]
        limiter.answered(key, at, 200)
    limiter.ask(3, "submit", CLOSE)
    assert limiter.next_ns(3 * NS) == 11 * NS
    for pace in ({"refill_per_s": 1}, {"window_s": 1}):
        limiter = Limiter([Budget("all", 1, TEN, **pace)], rng())  # type: ignore[arg-type]  # - one pace or the other
        limiter.ask(1, "submit", CLOSE)
        limiter.release(10 * NS)
        limiter.answered(1, 3 * NS, 200)
        limiter.ask(2, "submit", CLOSE)
        assert limiter.next_ns(3 * NS) == 11 * NS


def test_after_a_restart_everything_counts_as_spent() -> None:
    bucket, window = Budget("b", 100, {"submit": 10}, refill_per_s=100), Budget("w", 200, {"submit": 1}, window_s=60)
    for budget, wait in ((bucket, NS // 10), (window, 60 * NS)):
        for spent_ns, at in ((50 * NS, 50 * NS + wait), (None, 100 * NS)):
            limiter = Limiter([budget], rng(), spent_ns=spent_ns)
            limiter.ask(1, "submit", CLOSE)
            assert limiter.next_ns(100 * NS) == max(at, 100 * NS)


def test_a_bucket_can_keep_within_a_window_and_restarts_sooner() -> None:
    """50 + 2.5 x 60 = 200: a minute's worth, whenever the minute begins, and 0.4 s after a restart."""
    bucket = Budget("all", 50, TEN, refill_per_s=2.5)
    limiter = Limiter([bucket], rng(), spent_ns=0)
    limiter.ask(1, "submit", CLOSE)
    assert limiter.next_ns(0) == 4 * NS // 10
    ways = [(n * 37 % 300 * MS, n * 91 % 400 * MS) for n in range(700)]
    for venue in (Sliding(200, 60 * NS), Minutes(200)):
        departures, refusals = drive(Limiter([bucket], rng()), venue, ways, tell=False)
        assert refusals == 0
        assert (len(departures) - 50) / (departures[-1] / NS) == pytest.approx(2.5, rel=0.01)


# ---------------------------------------------------------------------------- misuse


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "refill_per_s or window_s, and not both"),
        ({"refill_per_s": 1, "window_s": 1}, "refill_per_s or window_s, and not both"),
        ({"refill_per_s": 0}, "write positive numbers"),
        ({"window_s": -1}, "write positive numbers"),
        ({"window_s": float("nan")}, "write a finite number"),
        ({"window_s": float("inf")}, "write a finite number"),
        ({"window_s": 1, "capacity": 0}, "capacity 0"),
        ({"window_s": 1, "costs": {}}, "by kind, at least 1 token"),
        ({"window_s": 1, "costs": {"submit": 0}}, "by kind, at least 1 token"),
        ({"window_s": 1, "each": {"submit": -1}}, "by kind, at least 1 token"),
        ({"window_s": 1, "reserve": {QUERY: 1}}, "below query there is nobody"),
        ({"window_s": 1, "reserve": {CLOSE: -1}}, "0 or more"),
        ({"window_s": 1, "costs": {"submit": 11}}, "'submit' of 1 order.s. leave: it costs 11, 10 of 10 tokens"),
        ({"window_s": 1, "reserve": {CLOSE: 5, HEDGE: 5}}, "costs 1, 0 of 10 tokens are not reserved"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(wrong: dict[str, Any], says: str) -> None:
    right: dict[str, Any] = {"name": "all", "capacity": 10, "costs": {"submit": 1}}
    with pytest.raises(ConfigError, match=says):
        Budget(**(right | wrong))


def test_wrong_calls_are_refused() -> None:
    budget = Budget("all", 10, {"submit": 1}, {"batch": 1}, window_s=1, reserve={HEDGE: 3})
    for budgets in ([], [budget, budget]):
        with pytest.raises(ConfigError, match="each with a name of its own"):
            Limiter(budgets, rng())
    limiter = Limiter([budget], rng())
    with pytest.raises(ConfigError, match="'sumbit'; they list batch, submit"):
        limiter.ask(1, "sumbit", CLOSE)
    with pytest.raises(ConfigError, match=r"a query request 'batch' of 8 order\(s\) leave: it costs 8, 7 of 10"):
        limiter.ask(1, "batch", QUERY, orders=8)
    limiter.ask(1, "batch", CLOSE, orders=10)
    for key, orders in ((1, 1), (2, 0)):
        with pytest.raises(ValueError, match="a key is in use until its answer"):
            limiter.ask(key, "batch", CLOSE, orders=orders)
    for release in (False, True):
        with pytest.raises(ValueError, match="request 1 is not under way"):
            limiter.answered(1, 0, 200)
        if not release:
            assert limiter.release(0) == [1]
            with pytest.raises(ValueError, match="in use"):
                limiter.ask(1, "submit", CLOSE)
            assert not limiter.drop(1)
            limiter.answered(1, 0, 200)
    assert not limiter.drop(7)
