"""One test for each rule of the article: those that act, A1 to A19, and that those that judge are in test_article_figures.

These tests say that a rule is there and which way it points. Its edges are in the
room of the file that implements it.
"""

from __future__ import annotations

import sys
from decimal import Decimal

import msgspec
import numpy as np
import pandas as pd
import pytest

from hedgekit import SyntheticMarket, revalidate, screen
from hedgekit.backtest import run
from hedgekit.errors import ConfigError, LiveHostRefused
from hedgekit.exchange.model import FillModel
from hedgekit.keys import secret
from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.net.outbox import Outbox
from hedgekit.net.sender import Sender, leave
from hedgekit.net.transport import require_paper
from hedgekit.params import Params
from hedgekit.stats import ratio, sizing
from hedgekit.types import (
    NS,
    Action,
    Cancelled,
    Instrument,
    Kind,
    Link,
    Phase,
    PlanRevised,
    Priority,
    Quote,
    Reason,
    Reconciled,
    Reply,
    Request,
    Timer,
)
from hedgekit.venues import client_of
from hedgekit.venues.alpaca import Alpaca
from hedgekit.venues.alpaca.wire import DATA
from tests import test_article_figures
from tests.article_made import fill, opened
from tests.core.core_made import DAILY, Desk, daily_tape, ou_pair, params, plan
from tests.net.orders_made import VENUE

# ruff: noqa: N802 - a test is named after its rule

RULES = [f"A{n}" for n in range(1, 31)]


def test_A01_z_score_signal() -> None:
    """A1: an instrument, a lookback, an entry threshold on the z-score."""
    desk, entry = opened(entry=2.0)
    assert entry.z is not None
    assert abs(entry.z) >= 2
    assert entry.action is Action.OPEN
    assert opened(entry=2.8)[1].reason is Reason.NO_SIGNAL
    assert Params._extra("lookback")["usual"] == [20, 60]
    assert Params._extra("entry")["usual"] == [1.5, 2.5]
    assert desk.hedger.phase is Phase.OPENING


@pytest.mark.parametrize(("path", "reason"), [([100.0], Reason.TARGET), ([103.4, 103.4, 125.0], Reason.STOP)])
def test_A02_exits_for_both_legs(path: list[float], reason: Reason) -> None:
    """A2: a profit target and a stop-loss, which close both legs."""
    desk, entry = opened(tolerance=1.0, entry=1.5, stop=2.7)
    fill(desk, entry)
    decision = [desk.bar(price, 100.0) for price in path][-1]
    assert (decision.action, decision.reason) == (Action.CLOSE, reason)
    assert [(order.leg, order.qty) for order in decision.orders] == [(order.leg, -order.qty) for order in entry.orders]


def test_A03_select_the_hedge_instrument() -> None:
    """A3: select the instrument that offsets the primary. Of three candidates the planted one comes first and is approved."""
    primary, hedge = np.exp(ou_pair(3, 600, ratio=0.8)).T
    walks = np.exp(0.01 * np.random.default_rng(7).standard_normal((600, 2)).cumsum(axis=0))
    prices = pd.DataFrame({"P": primary, "A": walks[:, 0], "H": hedge, "B": walks[:, 1]})
    found = screen(prices, "P", progress=False)
    assert found.tried == 3
    assert found.table["hedge"].iloc[0] == "H"
    assert list(found.approved["hedge"]) == ["H"]
    with pytest.raises(ConfigError, match="override"):
        found.plan("P", "A")


def test_A04_hedge_ratio_by_regression() -> None:
    """A4: the ratio by OLS or Johansen from 6 to 12 months; 0.85 means $850 for each $1,000."""
    primary, hedge = np.exp(ou_pair(3, 251, ratio=0.8)).T
    fit = ratio.ols(primary, hedge)
    assert fit.n == 250
    assert abs(fit.ratio - 0.8) < 3 * fit.stderr
    assert ratio.johansen(primary, hedge).ratio == pytest.approx(0.8, abs=0.1)
    assert ratio.ols([100.0, 110.0] * 10, [50.0, 53.0] * 10, folds=0, tested=False).size(1_000.0)["dollars"].iloc[0] == 1_000.0
    assert Params._extra("fit_bars")["usual"] == [126, 252]
    entry = opened(ratio=0.85)[1]
    primary_money, hedge_money = (abs(float(order.qty)) * entry.mids[order.leg] for order in entry.orders)  # type: ignore[operator]
    assert hedge_money == pytest.approx(0.85 * primary_money, abs=50.0)


def test_A05_the_ratio_is_revalidated_and_expires() -> None:
    """A5: revalidate every 30 to 60 days; a plan past its date opens nothing."""
    result = run(daily_tape(2, 240), params(**DAILY | {"refit_bars": 30}), FillModel())
    days = [record.ts_ns / NS / 86_400 for record in result.records if isinstance(record, PlanRevised)]
    assert len(days) > 3
    assert {round(gap) for gap in np.diff(days)} == {30}
    desk = Desk(lookback=10)
    desk.warm(9)
    desk.plan(plan(until_ns=desk.now_ns))
    assert desk.bar(103.0).reason is Reason.PLAN_EXPIRED
    logs = SyntheticMarket.textbook(rows=360, half_life=5.0, ratio_steps=((300, 1.6),)).log_prices()
    prices = pd.DataFrame(np.exp(logs), columns=["P", "H"], index=pd.date_range("2025-01-01", periods=360, tz="UTC"))
    made = ratio.ols(prices["P"].iloc[:300], prices["H"].iloc[:300], window=250, folds=0).to_plan()
    assert revalidate(made, prices["P"].iloc[:330], prices["H"].iloc[:330]).decision == "refit"
    assert revalidate(made, prices["P"].iloc[:299], prices["H"].iloc[:299]).decision == "keep"


def test_A06_pairs_by_a_single_trigger() -> None:
    """A6: long the under-performer, short the out-performer, by one trigger."""
    for price, signs in ((103.0, (-1, 1)), (97.0, (1, -1))):
        desk = Desk(lookback=10)
        desk.warm(9)
        decision = desk.bar(price)
        assert tuple(int(order.qty.compare(0)) for order in decision.orders) == signs


def test_A07_synthetic_hedge_sized_by_the_adverse_excursion() -> None:
    """A7: a small opposing position that covers the maximum adverse excursion, for example $150 against $1,000."""
    worst = sizing.mae_quantile(np.linspace(0.0, 0.15, 200), 0.95)
    assert worst.value == pytest.approx(0.1425, abs=0.002)
    entry = opened(structure="synthetic", hedge_frac=0.15)[1]
    primary, protection = (float(order.qty) * entry.mids[order.leg] for order in entry.orders)  # type: ignore[operator]
    assert protection / primary == pytest.approx(-0.15, abs=0.005)
    capped = sizing.binary_cap(2_000, 0.5, 0.52, 600.0)
    assert capped.contracts == pytest.approx(833.33, abs=0.01)


def test_A08_dynamic_delta_hedge() -> None:
    """A8: a coin is hedged by its inverse perpetual: the hedge follows until the net delta is back in its corridor."""
    perpetual = Instrument("T", "PERP", kind=Kind.INVERSE_PERP, multiplier=Decimal(10))
    desk = Desk(
        instruments=(Instrument("T", "BTC", lot=Decimal("0.001")), perpetual),
        structure="delta",
        delta_model="linear",
        signal="price",
        lookback=30,
        entry=1.5,
        stop=100.0,
        notional=100_000.0,
        tolerance=0.01,
        risk_aversion=1e6,
    )
    for i in range(29):
        desk.bar(50_000.0 + 100.0 * (i % 3), 50_000.0 + 100.0 * (i % 2))
    entry = desk.bar(49_000.0, 50_000.0)
    fill(desk, entry)
    desk.now_ns += NS // 4
    looked = desk.quote(0, 55_000.0)
    assert (looked.action, looked.reason) == (Action.REBALANCE, Reason.DRIFT)
    assert abs(looked.delta) > 0.01
    for one in fill(desk, looked):
        assert one.instrument == "T:PERP"
    assert abs(desk.quote(0, 55_000.0).delta) <= 0.01


def test_A09_stream_for_prices_rest_for_orders() -> None:
    """A9: prices and delta come over WebSocket, orders go over REST; nothing is decided on an old price."""
    desk, entry = opened()
    request = Alpaca.submit(entry.orders[0])
    assert (request.method, request.path) == ("POST", "/v2/orders")
    assert DATA.startswith("wss://")
    fill(desk, entry)
    frame = b'[{"T":"q","S":"KO","bp":105,"bs":1,"ap":105,"as":1,"t":"1990-01-01T00:00:12Z"}]'
    (quote,) = VENUE.market(0).take(frame, desk.now_ns + NS)
    assert isinstance(quote, Quote)
    before = desk.hedger.on(Timer(ts_ns=desk.now_ns)).delta
    after = desk.hedger.on(msgspec.structs.replace(quote, instrument="ALPACA:KO")).delta
    assert before is not None
    assert after is not None
    assert after < before
    desk.now_ns += 60 * NS
    assert desk.hedger.on(Timer(ts_ns=desk.now_ns)).reason is Reason.STALE_QUOTE


def test_A10_keys_sandbox_and_time_outs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A10 (rate limits are A17): keys from the environment, paper before anything live, network time-outs handled."""
    monkeypatch.delenv("APCA_API_SECRET_KEY", raising=False)
    with pytest.raises(ConfigError, match="APCA_API_SECRET_KEY is not set"):
        secret(Alpaca.key_env[1])
    with pytest.raises(LiveHostRefused, match="not a paper host"):
        require_paper("https://api.alpaca.markets", Alpaca.order_hosts)
    outbox = Outbox(VENUE)
    request = outbox.requests_of(opened()[1])[0]
    delays = [outbox.on_reply(request, Reply(0), 1).again_ns for _ in (1, 2)]
    assert delays[0] is not None
    assert delays[1] is not None
    assert delays[0] < delays[1]


def test_A11_both_legs_leave_together_ahead_of_all_else() -> None:
    """A11: one decision, one moment: the hedge leaves right behind its primary, though the line is full and the budget nearly used up.

    The time itself is measured, not tested: tests/perf/hedge_latency.py.
    """
    desk, entry = opened()
    sent: list[str] = []

    def post(request: Request) -> int:
        sent.append(request.order_id or request.purpose)
        return len(sent)

    budget = Budget("requests", 3, dict.fromkeys(("submit", "account"), 1), refill_per_s=1.0, reserve={Priority.HEDGE: 1})
    sender = Sender(Outbox(VENUE), Limiter([budget], np.random.default_rng(1)), post, lambda _: None)
    sender.ask([VENUE.holdings()[1]] * 30)
    sender.intend(entry, desk.now_ns)
    sender.leave(desk.now_ns)
    assert sent[:2] == [order.order_id for order in entry.orders]
    assert [order.leg for order in entry.orders] == [0, 1]


def test_A12_each_leg_goes_to_its_own_venue_in_its_own_words_and_the_hedge_follows_its_primary() -> None:
    """A12: several exchanges: one decision, two accounts; the hedge at the second venue waits for the primary's turn at the first.

    Whole sessions over two venues, killed and cut off: tests/paper/test_across.py.
    """
    spot, perpetual = Instrument("ALPACA", "BTCX", lot=Decimal("0.01")), Instrument("DERIBIT", "BTC-PERPETUAL", Kind.INVERSE_PERP)
    desk, entry = opened(instruments=(spot, perpetual))
    assert [order.instrument for order in entry.orders] == [spot.key, perpetual.key]
    budget = Budget("requests", 1, {"submit": 1, "account": 1}, refill_per_s=1.0)
    peers: list[Sender] = []
    sent: list[tuple[str, str]] = []
    for client, refill in ((client_of("ALPACA"), budget), (client_of("DERIBIT"), msgspec.structs.replace(budget, capacity=9))):
        mine = [one for one in (spot, perpetual) if one.venue == client.name]
        venue = client(["key", "secret-secret"], mine)
        line = Limiter([refill], np.random.default_rng(1))
        Sender(Outbox(venue), line, lambda r, name=client.name: sent.append((name, r.path)) or len(sent), lambda _: None, None, peers)  # type: ignore[misc,func-returns-value] # one line
    peers[0].ask([VENUE.holdings()[1]])
    leave(peers, desk.now_ns)  # uses the first venue's one token up
    for sender in peers:
        sender.intend(entry, desk.now_ns)
    leave(peers, desk.now_ns)
    assert [name for name, _ in sent] == ["ALPACA"], "the primary waits for its turn, so the hedge does, though its venue has room"
    peers[0].reply(1, Reply(200, b"{}"), desk.now_ns)
    leave(peers, desk.now_ns + NS)
    assert sent[1:] == [("ALPACA", "/v2/orders"), ("DERIBIT", "/api/v2/private/sell" if entry.orders[1].qty < 0 else "/api/v2/private/buy")]


def test_A13_the_hedge_fires_with_the_primary() -> None:
    """A13: when the primary opens, the hedge order fires with it; conditions say when it grows, shrinks or closes."""
    desk, entry = opened()
    assert [order.leg for order in entry.orders] == [0, 1]
    assert len({order.ts_ns for order in entry.orders}) == 1
    assert [request.order_id for request in Outbox(VENUE).requests_of(entry)] == ["s-1-0", "s-1-1"]
    fill(desk, entry)
    desk.now_ns += 2 * NS + NS // 10
    assert [(o.leg, o.qty > 0) for o in desk.quote(0, 115.0).orders] == [(1, True)]


def test_A14_net_exposure_is_watched_over_the_stream() -> None:
    """A14: net exposure is recalculated with the stream, every 1 to 5 s; leaving the band is acted upon."""
    assert Params.model_fields["interval_s"].default in range(1, 6)
    desk, entry = opened(risk_aversion=0.0)
    fill(desk, entry)
    looks = []
    for price in (103.0, 115.0):
        desk.now_ns += 2 * NS + NS // 10
        looks.append(desk.quote(0, price).reason)
    assert looks == [Reason.IN_BAND, Reason.COST_EXCEEDS_BENEFIT]


def test_A15_rebalance_beyond_the_tolerance_then_wait() -> None:
    """A15: while open, if |delta| exceeds the tolerance, order the difference to the target, then wait the interval."""
    desk, entry = opened(interval_s=0.3, tolerance=0.05, rebalance_to="target")
    fill(desk, entry)
    desk.now_ns += 2 * NS + NS // 10
    decision = desk.quote(0, 113.3)
    assert decision.reason is Reason.DRIFT
    assert decision.delta is not None
    assert abs(decision.delta) > 0.05
    assert [float(order.qty) for order in decision.orders] == [round(97 * 113.3 / 100) - 100]
    fill(desk, decision)
    desk.now_ns += NS // 10
    assert desk.quote(0, 140.0).reason is Reason.NOTED
    desk.now_ns += NS // 5
    assert desk.quote(0, 140.0).reason is Reason.DRIFT


def test_A16_never_rebalance_at_a_loss() -> None:
    """A16: no rebalance that costs more than the risk it removes, both modelled explicitly."""
    outcomes = []
    for aversion in (0.1, 10.0):
        desk, entry = opened(risk_aversion=aversion)
        fill(desk, entry)
        desk.now_ns += 2 * NS + NS // 10
        decision = desk.quote(0, 113.3)
        outcomes.append((decision.action, decision.benefit > decision.cost > 0))
    assert outcomes == [(Action.SKIP, False), (Action.REBALANCE, True)]


def test_A17_rate_limits_backoff_and_priority() -> None:
    """A17: a budget of 200 requests a minute; a close waits behind nothing, and a refusal is answered by a longer pause each time."""
    (budget,) = VENUE.budgets(0)
    assert budget["capacity"] + 60 * budget["refill_per_s"] <= 200
    line = Limiter([Budget("requests", 1, {"submit": 1, "account": 1}, refill_per_s=1.0)], np.random.default_rng(1))
    for key, kind, priority in ((1, "account", Priority.QUERY), (2, "account", Priority.QUERY), (3, "submit", Priority.CLOSE)):
        line.ask(key, kind, priority)
    assert line.release(0) == [3]
    line.answered(3, 0, 429, retry_after_ns=7 * NS)
    assert line.release(NS) == []
    assert line.next_ns(NS) == 7 * NS


def test_A18_partial_fills_by_an_explicit_ladder() -> None:
    """A18: primary full and hedge 60 %: accepted, or cancelled and ordered anew, by parameters."""
    for accept, reason in ((0.6, Reason.SHORT_ACCEPTED), (1.0, Reason.LEG_SHORTFALL)):
        desk, entry = opened(accept_filled=accept, patience_s=0.1, naked_limit_s=0.0)
        primary, hedge = entry.orders
        desk.fill(primary)
        desk.fill(hedge, hedge.qty * Decimal("0.6"))
        desk.now_ns += NS // 5
        desk.quote(1, 100.0)  # a newer one, which has left the rest unfilled
        assert desk.hedger.on(Timer(ts_ns=desk.now_ns)).reason is Reason.ORDER_OVERDUE
        over = desk.hedger.on(Cancelled(ts_ns=desk.now_ns, order_id=hedge.order_id))
        assert over.reason is reason
        assert [order.qty for order in over.orders] == ([] if accept < 1 else [hedge.qty * Decimal("0.4")])


def test_A19_a_silent_venue_stops_trading_and_then_both_legs_are_closed() -> None:
    """A19: no word from the venue for 30 to 60 s: nothing new; on its return reconcile, close both legs (with sockets: tests/paper)."""
    assert 30.0 <= Params.model_fields["breaker_s"].default <= 60.0
    desk, entry = opened()
    fill(desk, entry)
    down, up = (Link(ts_ns=desk.now_ns, venue="ALPACA", state=state, since_ns=0) for state in ("down", "up"))
    assert desk.hedger.on(down).phase is Phase.RECOVERING
    assert not desk.hedger.on(up).orders
    close = desk.hedger.on(Reconciled(ts_ns=desk.now_ns, positions={}, cash=Decimal(0), agrees=True))
    assert (close.action, close.phase, len(close.orders)) == (Action.CLOSE, Phase.CLOSING, 2)


# ------------------------------------------------------------------- the ledger


def test_every_rule_has_one_test_that_says_the_rule() -> None:
    tests = [
        getattr(room, name) for room in (sys.modules[__name__], test_article_figures) for name in dir(room) if name.startswith("test_A")
    ]
    said = [(test.__doc__ or "").partition(":")[0].partition(" ")[0] for test in tests]
    assert [f"A{int(test.__name__[6:8])}" for test in tests] == said
    assert said == RULES
