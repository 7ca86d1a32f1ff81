"""One test for each rule of the article that the product does; the others are listed below with what is missing.

These tests say that a rule is there and which way it points. Its edges are in the
room of the file that implements it.
"""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from hedgekit import SyntheticMarket, hedger, metrics, replay, revalidate, screen, sweep
from hedgekit import step as step_room
from hedgekit.backtest import loop, run
from hedgekit.errors import ConfigError, LiveHostRefused
from hedgekit.exchange.model import FillModel
from hedgekit.hedger import routine
from hedgekit.journal import Journal
from hedgekit.keys import secret
from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.net.outbox import Outbox
from hedgekit.net.sender import Sender, leave
from hedgekit.net.transport import require_paper
from hedgekit.paper import pair
from hedgekit.params import Params
from hedgekit.stats import ratio, sizing
from hedgekit.types import (
    NS,
    Action,
    Cancelled,
    Decision,
    Fill,
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
    SessionStarted,
    Timer,
)
from hedgekit.venues import client_of
from hedgekit.venues.alpaca import Alpaca
from hedgekit.venues.alpaca.wire import DATA
from hedgekit.verdict import Result, assess
from tests.core.core_made import DAILY, Desk, daily_tape, ou_pair, params, plan
from tests.core.slow_driver import SlowDriver
from tests.histories import history
from tests.net.orders_made import VENUE

# ruff: noqa: N802 - a test is named after its rule

RULES = [f"A{n}" for n in range(1, 31)]

NOT_YET: dict[str, str] = {}
LEGS = Instrument("ALPACA", "KO"), Instrument("ALPACA", "PEP")


def opened(**changes: Any) -> tuple[Desk, Decision]:
    """Return a desk that has entered, short KO and long PEP, and that decision."""
    desk = Desk(**{"lookback": 10, "instruments": LEGS} | changes)
    for i in range(9):
        hedge = 101.0 if i % 2 else 100.0
        desk.bar(hedge + (0.5 if i % 3 else -0.5), hedge)
    entry = desk.bar(103.0, 100.0)
    return desk, entry


def fill(desk: Desk, entry: Decision, share: Decimal = Decimal(1)) -> list[Fill]:
    """Fill a decision's orders at the price expected; return the fills."""
    fills = [
        Fill(
            ts_ns=desk.now_ns,
            order_id=order.order_id,
            fill_id=f"f-{order.order_id}",
            instrument=order.instrument,
            venue_ns=desk.now_ns,
            qty=order.qty * share,
            price=order.expected,
            fee=Decimal("0.01"),
        )
        for order in entry.orders
    ]
    for one in fills:
        desk.hedger.on(one)
    return fills


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


def test_A20_a_slippage_buffer_in_profitability() -> None:
    """A20: a buffer of 0.2 to 0.5 % in every profitability calculation."""
    assert 0.002 <= Params.model_fields["slippage_buffer"].default <= 0.005
    plain, buffered = (opened(slippage_buffer=b)[1] for b in (0.0, 0.003))
    assert buffered.cost - plain.cost == pytest.approx(0.003 * 20_000)
    assert opened(slippage_buffer=0.05)[1].reason is Reason.EDGE_BELOW_COST


def test_A21_guard_against_over_optimisation(tmp_path: Path) -> None:
    """A21: a search counts every trial, and the best of many on random walks is not called an edge."""
    tape = daily_tape(11, 600, reverting=False)
    searched = sweep(tape, {"entry": [1.0, 1.5, 2.0], "lookback": [10, 20]}, params(**DAILY).model_dump(), ledger=tmp_path, progress=False)
    assert searched.trials == 6
    judged = searched.guard(reps=200)
    assert judged.trials == 6
    assert judged.finding.value in ("NO EDGE", "CANNOT TELL")


def test_A22_every_execution_is_logged(tmp_path: Path) -> None:
    """A22: every execution is logged with its times, price, slippage, and what it left unhedged."""
    desk, entry = opened()
    with Journal.open(tmp_path / "j.db", "s", mode="write") as journal:
        journal.append(
            SessionStarted(ts_ns=1, session="s", instruments=LEGS, params=desk.hedger.params.model_dump(), market={}, version="0")
        )
        journal.append(entry)
        for one in fill(desk, entry):
            journal.append(msgspec.structs.replace(one, price=one.price + Decimal("0.10")))
        journal.commit(1)
        fills = journal.fills()
        decisions = journal.decisions()
    assert list(fills["price"]) == [103.095, 100.105]
    assert list(fills["slippage"].round(6)) == [-9.7, 10.0]
    assert fills[["ts", "venue_ts"]].notna().all(axis=None)
    assert {"delta", "pos_primary", "pos_hedge"} <= set(decisions.columns)


def bars(**columns: Any) -> pd.DataFrame:
    """Return an equity frame with these columns."""
    return pd.DataFrame(columns)


def test_A23_hedge_ratio_accuracy() -> None:
    """A23: the realised beta within 10 % of the target. Here the primary moved 1.1 times ratio x hedge."""
    hedge = np.array([0.0, 0.01, -0.02, 0.005, 0.01])
    frame = bars(mid_primary=np.exp(1.1 * 0.8 * hedge), mid_hedge=np.exp(hedge), pos_primary=1.0, pos_hedge=-1.0, ratio=[0.8] * 5)
    assert metrics.hedge_ratio_accuracy(frame) == pytest.approx(0.1)


def test_A24_delta_neutrality() -> None:
    """A24: mean absolute net delta under 3 % of notional, over the bars on which something was held."""
    frame = bars(pos_primary=[0.0, 1.0, 1.0], pos_hedge=[0.0, -1.0, -1.0], delta=[9.0, -0.02, 0.04])
    assert metrics.delta_neutrality(frame) == pytest.approx(0.03)


def test_A25_hedge_cost_drag() -> None:
    """A25: hedge cost / gross P&L under 15 %; without a gross profit it is undefined."""
    assert metrics.hedge_cost_drag(bars(cost_hedge=[1.0, 2.0], gross_hedged=[30.0, -10.0])) == pytest.approx(0.15)
    assert np.isnan(metrics.hedge_cost_drag(bars(cost_hedge=[1.0], gross_hedged=[-5.0])))


def test_A26_slippage() -> None:
    """A26: expected against actual fill under 0.5 %: 10 x 100 money expected, 5 lost."""
    assert metrics.slippage(bars(qty=[-10.0], expected=[100.0], multiplier=[1.0], slippage=[5.0])) == pytest.approx(0.005)


def test_A27_drawdown_reduction() -> None:
    """A27: hedged against unhedged drawdown over 25 %: 3 against 4 is exactly that."""
    assert metrics.drawdown_reduction([5.0, 2.0, 6.0], [1.0, -3.0, 4.0]) == pytest.approx(0.25)


def test_A28_sharpe_improvement() -> None:
    """A28: a Sharpe ratio over 1.2 times: the same mean with half the deviation is twice."""
    assert metrics.sharpe_improvement(np.cumsum([2.0, 0.0, 2.0, 0.0]), np.cumsum([3.0, -1.0, 3.0, -1.0])) == pytest.approx(2.0)


def test_A29_enough_trades_before_any_verdict() -> None:
    """A29: at least 200 trades before a metric may pass or fail; at least 50 comparable ones, hedged and unhedged."""
    words = []
    for trades in (199, 200):
        h = history(trades, delta=0.001)
        gauges = assess(h.equity, h.trades, h.fills, reps=100).gauges
        words.append({gauge.rule: gauge.result for gauge in gauges}["A24"])
        assert trades == 200 or {gauge.result for gauge in gauges} == {Result.CANNOT_TELL}
    assert words == [Result.CANNOT_TELL, Result.PASS]


def test_A30_paper_first_on_the_same_code() -> None:
    """A30: paper trading first, on the same code: one step decides in backtest, replay and session, alike to the byte."""
    assert loop.decide is step_room.decide
    assert hedger.step_in is step_room.step_in  # decide, and the figures it rests on
    assert replay.Hedger is hedger.Hedger
    assert "from hedgekit.hedger import Hedger" in Path(pair.__file__).read_text()
    tape, strategy = daily_tape(6, 200), params(**DAILY)
    driver = SlowDriver(tape, strategy)
    said = [record for record in driver.run() if isinstance(record, Decision)]
    assert len([d for d in said if d.action is Action.OPEN]) > 1
    assert msgspec.json.encode(run(tape, strategy, FillModel()).decisions) == msgspec.json.encode(said)
    replayer = replay.Replayer(hedger.Hedger("backtest", tape.instruments, strategy))
    again = hedger.Hedger("backtest", tape.instruments, strategy)
    for event in driver.events:
        replayer.feed(event)
        if not routine(decision := again.on(event)):
            replayer.feed(decision)
    replayer.finish()
    assert replayer.decisions == len(said)


# ------------------------------------------------------------------- the ledger


def test_every_rule_is_tested_or_said_to_be_missing_and_never_both() -> None:
    here = sys.modules[__name__]
    tested = [f"A{int(found[1])}" for name in dir(here) if (found := re.match(r"test_A(\d\d)_", name))]
    assert len(tested) == len(set(tested))
    assert set(tested) & set(NOT_YET) == set()
    assert set(tested) | set(NOT_YET) == set(RULES)


def test_every_rules_test_says_the_rule() -> None:
    here = sys.modules[__name__]
    for name in dir(here):
        if found := re.match(r"test_A(\d\d)_", name):
            assert (getattr(here, name).__doc__ or "").startswith(f"A{int(found[1])}"), name
    assert all(reason.startswith("later: ") and len(reason) > 20 for reason in NOT_YET.values())
