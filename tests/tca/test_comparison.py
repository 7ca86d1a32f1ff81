"""Backtest against a real paper session: nothing where they are the same, the right reason to the cent where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.backtest import Backtest, run
from hedgekit.data import Tape
from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange import FillModel
from hedgekit.journal import Journal, frames
from hedgekit.params import Params
from hedgekit.tca import Comparison, compare
from hedgekit.tca.comparison import REASONS, between
from hedgekit.tca.sides import Mids, Side, side_of
from hedgekit.tca.words import SAID, span
from hedgekit.types import Action, Fees, Fill, Kind, Phase, Priority, Reason
from tests.core.core_made import DAILY, basket_tape
from tests.core.core_made import params as core_params
from tests.paper.rig import TINY, TINY_PARAMS
from tests.tca.made import INSTRUMENTS, KEYS, SECOND, Life, decision, journal, quote

HOUR = 3600 * SECOND
DAY = 24 * HOUR


def backtest(model: FillModel | None = None, tape: Tape | None = None, **changes: Any) -> Backtest:
    return run(tape or TINY.tape(), Params.make(**TINY_PARAMS | changes), model)


def with_fees(tape: Tape, fees: Fees) -> Tape:
    return replace(tape, instruments=tuple(msgspec.structs.replace(instrument, fees=fees) for instrument in tape.instruments))


def adds_up(found: Comparison, one: pd.DataFrame, two: pd.DataFrame) -> None:
    """Check every sum: parts to the difference, trades to the runs' own P&L, legs to trades."""
    trades = found.trades
    np.testing.assert_allclose(trades[list(REASONS)].sum(axis=1), trades["difference"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(trades["pnl_paper"] - trades["pnl_backtest"], trades["difference"], rtol=0, atol=1e-9)
    assert trades["difference"].sum() == pytest.approx(two["hedged"].sum() - one["hedged"].sum(), abs=1e-8)
    by_leg = found.legs.groupby("row")[list(REASONS)].sum()
    np.testing.assert_allclose(by_leg, trades[list(REASONS)], rtol=0, atol=1e-9)
    for name, run_ in (("backtest", one), ("paper", two)):
        mine = trades.dropna(subset=[name]).sort_values(name)
        assert mine[name].tolist() == run_["trade"].tolist(), "every trade once"
        np.testing.assert_allclose(mine[f"pnl_{name}"], run_["hedged"], rtol=0, atol=1e-8)
    assert found.summary().loc["total", "money"] == pytest.approx(trades["difference"].sum())


def test_the_same_session_has_no_difference(paper: Journal) -> None:
    found = compare(backtest(), paper)
    assert len(found.trades) == len(paper.trades()) == 14
    assert (found.trades[["difference", *REASONS]] == 0).all(axis=None)
    assert (found.legs[list(REASONS)] == 0).all(axis=None)
    assert found.trades["reason"].eq("none").all()
    assert found.trades["why"].eq("The same.").all()
    assert found.settings.empty
    assert found.says == "14 trades of both, 14 of them the same; 0 only of backtest, 0 only of paper. The same."
    adds_up(found, paper.trades(), paper.trades())


def test_later_fills_are_timing(paper: Journal) -> None:
    """Requests that take 36 hours: each fill a row or more later, the market elsewhere by then."""
    slow = backtest(FillModel(up_ns=36 * HOUR))
    found = compare(slow, paper)
    adds_up(found, slow.tables.trades, paper.trades())
    both = found.trades.dropna(subset=["backtest", "paper"])
    assert len(both) >= 10
    assert (both["timing"] != 0).all()
    assert (both["reason"] == "timing").mean() > 0.8
    assert (both["quotes"] == 0).all(), "the same tape"
    assert both["why"].str.contains("fill came .* earlier").any()
    legs = found.legs[found.legs["row"].isin(both.index)]
    assert (legs["first_backtest"] >= legs["first_paper"]).all()
    missing = found.trades[found.trades["backtest"].isna()]
    assert set(missing["code"]) == {"not_filled", "working"}
    assert (missing["missing"] == missing["pnl_paper"]).all()


def test_other_fees_are_fees(paper: Journal) -> None:
    """0.1% of every fill, too little to keep a trade out: to the cent, from the journal's own fills."""
    fees = Fees(rate=Decimal("0.001"), per_unit=Decimal("0.0035"))
    dear = backtest(tape=with_fees(TINY.tape(), fees), slippage_buffer=0.0)
    found = compare(dear, paper)
    adds_up(found, dear.tables.trades, paper.trades())
    fills = paper.fills()
    same = found.trades[found.trades["backtest"].notna() & found.trades["paper"].notna() & (found.trades["quantity"] == 0)]
    assert len(same) >= 10
    for row in same.itertuples():
        mine = fills[fills["trade"] == row.paper]
        more = mine["notional"] * 0.001 + mine["qty"].abs() * 0.0035
        assert row.fee == pytest.approx(more.round(4).sum() - mine["fee"].sum(), abs=2e-4 * len(mine))
        assert row.reason == "fee"
        assert row.difference == pytest.approx(row.fee)
    assert {f"{i.key} fees" for i in TINY.tape().instruments} | {"slippage_buffer"} == set(found.settings.index)
    assert "fee $" in same["why"].iloc[0]


def test_half_the_size_is_quantity(paper: Journal) -> None:
    half = backtest(notional=50_000.0)
    found = compare(half, paper)
    adds_up(found, half.tables.trades, paper.trades())
    assert (found.trades["quantity"] != 0).all()
    whole = found.trades[found.trades["timing"] == 0]
    assert len(whole) >= 4
    assert (whole["reason"] == "quantity").all()
    assert list(found.settings.loc["notional"]) == [50_000.0, 100_000.0]
    assert "2,243 instead of -1,122 KO" in found.trades["why"].iloc[0]


def test_other_prices_at_the_same_time_are_quotes(paper: Journal) -> None:
    """A tape on which the primary costs 1% more from one trade's exit on: the same trades, other prices."""
    tape, fills = TINY.tape(), paper.fills()
    row = int(np.searchsorted(tape.ts_ns, fills.loc[fills["trade"] == 14, "venue_ts"].max().value))
    bid, ask = tape.bid.copy(), tape.ask.copy()
    bid[row, 0] += 0.25
    ask[row, 0] += 0.25
    other = backtest(tape=replace(tape, bid=bid, ask=ask))
    found = compare(other, paper)
    adds_up(found, other.tables.trades, paper.trades())
    last = found.trades.iloc[-1]
    filled = fills[(fills["trade"] == 14) & (fills["leg"] == 0) & (fills["venue_ts"].astype("int64") == tape.ts_ns[row])]
    assert last["reason"] == "quotes"
    assert last["quotes"] == pytest.approx(0.25 * filled["qty"].sum())
    assert (found.trades["reason"].iloc[:-1] == "none").all()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"slippage_buffer": 0.03}, "edge_below_cost"),
        ({"entry": 3.4}, "no_signal"),
        ({"evidence_override": None}, "no_evidence"),
        ({"fit_bars": 330}, "no_plan"),
        ({"notional": 10.0}, "below_one_lot"),
        ({"plan_valid_days": 0.01}, "plan_expired"),
    ],
)
def test_a_missing_trade_has_its_decisions_reason(paper: Journal, changes: dict[str, Any], code: str) -> None:
    fewer = backtest(**changes)
    found = compare(fewer, paper)
    missing = found.trades[found.trades["backtest"].isna()]
    assert len(missing) >= 5
    assert code in set(missing["code"])
    assert (missing["reason"] == "missing").all()
    assert missing["why"].str.contains(rf"^Only paper made this trade \(-?\$.*\); backtest did not: .* \({code}\)\.$").any()
    adds_up(found, fewer.tables.trades, paper.trades())


def test_a_run_that_ended_early_was_not_running(paper: Journal) -> None:
    tape = TINY.tape()
    short = backtest(tape=tape.rows(0, 250))
    found = compare(short, paper)
    adds_up(found, short.tables.trades, paper.trades())
    assert found.trades["code"].iloc[-1] == "not_running"


def test_a_late_entry_is_one_trade_and_not_two(paper: Journal) -> None:
    found = compare(backtest(entry=2.3), paper)
    late = found.trades[found.trades["opened_backtest"] > found.trades["opened_paper"]]
    assert len(late) >= 2
    assert set(late["code"]) == {"no_signal"}
    assert late["why"].str.contains("it decided to enter .* earlier").all()
    assert late["why"].str.contains(r"When the other entered, its z-score was inside the entry level \(no_signal\)").all()


def test_a_basket_is_split_over_all_its_legs() -> None:
    """Three legs; the tape ends while a trade is open, so each leg is valued at its own last mid."""
    tape, strategy = basket_tape(4, 600), core_params(**DAILY | {"notional": 100_000.0})
    first = run(tape, strategy)
    opened = first.tables.trades["opened"].iloc[-1]
    row = int(np.searchsorted(tape.ts_ns, opened.value)) + 2
    one = run(tape.rows(0, row), strategy)
    two = run(tape.rows(0, row), strategy, FillModel(up_ns=36 * HOUR))
    assert (one.tables.trades["closed"].isna()).any()
    found = compare(one, two)
    adds_up(found, one.tables.trades, two.tables.trades)
    held = found.legs[found.legs["instrument"] == tape.instruments[2].key]
    assert len(held) == len(found.trades) > 5
    assert (held["timing"] != 0).any()
    assert (compare(one, one).trades["reason"] == "none").all()


def test_names_and_order_are_the_callers(paper: Journal) -> None:
    half = backtest(notional=50_000.0)
    one, two = compare(half, paper), compare(paper, half, names=("live", "model"))
    np.testing.assert_allclose(one.trades["difference"], -two.trades["difference"])
    assert {"pnl_live", "pnl_model", "live", "model"} <= set(two.trades.columns)
    assert two.trades["why"].iloc[0].startswith("Model made")


def test_what_cannot_be_compared_is_refused(paper: Journal) -> None:
    with pytest.raises(ConfigError, match="two different names"):
        compare(backtest(), paper, names=("paper", "paper"))
    with pytest.raises(ConfigError, match="has bars"):
        compare(backtest(bar_offset_s=75_602.0), paper)
    tape = TINY.tape()
    other = tuple(msgspec.structs.replace(i, symbol=f"{i.symbol}X") for i in tape.instruments)
    with pytest.raises(ConfigError, match="has instruments"):
        compare(backtest(tape=replace(tape, instruments=other)), paper)


def test_profit_in_coin_is_refused(tmp_path: Path) -> None:
    side = written(tmp_path, "one", [])
    coin = (msgspec.structs.replace(INSTRUMENTS[0], kind=Kind.INVERSE_PERP), INSTRUMENTS[1])
    with pytest.raises(ConfigError, match="MADE:AA is an inverse perpetual: it earns coin"):
        between(replace(side, instruments=coin), replace(side, name="two", instruments=coin))


# ------------------------------------------------------------------ made journals


def one_trade(at: int, *, price: str = "100.01", trade: int = 1) -> list[Life]:
    leave = Life(at + HOUR, -10, fills=[(60 * SECOND, -10, "101.00")], expected="101.00", trade=trade, priority=Priority.CLOSE)
    return [Life(at, fills=[(60 * SECOND, 10, price)], trade=trade), leave]


def written(where: Path, name: str, lives: Sequence[Life], others: Sequence[Any] = ()) -> Side:
    with journal(where / f"{name}.db", lives, others) as made:
        return side_of(made, name)


@pytest.mark.parametrize(
    ("reason", "code"),
    [(Reason.PAUSED, "paused"), (Reason.STALE_QUOTE, "stale_quote"), (Reason.WARMING_UP, "warming_up"), (Reason.DRIFT, "no_decision")],
)
def test_the_silent_side_is_asked_at_that_bar(tmp_path: Path, reason: Reason, code: str) -> None:
    """The decision before and the one after have other reasons; a look at the delta at the same time does not count."""
    said = [decision(at, Action.VETO, why) for at, why in ((0, Reason.NO_PLAN), (DAY, reason), (DAY + 60 * SECOND, Reason.NO_SIGNAL))]
    found = between(written(tmp_path, "one", one_trade(DAY)), written(tmp_path, "two", [], said))
    assert found.trades["code"].tolist() == [code]
    assert found.trades["why"].iloc[0] == f"Only one made this trade ($9.88); two did not: {SAID[code]} ({code})."
    assert found.trades["missing"].iloc[0] == pytest.approx(-9.88)


def test_entries_of_both_sides_at_one_bar(tmp_path: Path) -> None:
    short = [Life(DAY, -10, fills=[(60 * SECOND, -10, "99.99")], expected="99.99"), Life(DAY + HOUR, 10, fills=[(SECOND, 10, "99.00")])]
    found = between(written(tmp_path, "one", one_trade(DAY)), written(tmp_path, "two", short))
    assert found.trades["code"].tolist() == ["other_side", "other_side"]
    assert found.trades["reason"].tolist() == ["missing", "missing"]


def test_fills_that_nobody_decided_have_their_row(tmp_path: Path) -> None:
    """Nothing is dropped: bought 3 at 99 of an order unknown here, worth 100 each at the end."""
    stray = Fill(
        ts_ns=DAY, order_id="stray", fill_id="s", instrument=KEYS[0], venue_ns=DAY, qty=Decimal(3), price=Decimal(99), fee=Decimal("0.5")
    )
    found = between(written(tmp_path, "one", one_trade(DAY)), written(tmp_path, "two", one_trade(DAY), [stray]))
    assert found.trades["two"].tolist() == [1, -1]
    assert found.trades["difference"].tolist() == [0.0, 2.5]
    assert found.trades["code"].tolist() == ["", "unknown_order"]


def test_what_is_still_held_counts_at_its_last_mid(tmp_path: Path) -> None:
    """One sold at 101, the other holds 10 at a mid of 100: -$10 and the fee that it has not paid."""
    still = one_trade(DAY)[:1]
    found = between(
        written(tmp_path, "one", one_trade(DAY)), written(tmp_path, "two", still, [decision(2 * DAY, Action.HOLD, Reason.WAIT_TARGET)])
    )
    assert found.trades["difference"].tolist() == pytest.approx([-10.0 + 0.01])
    assert found.trades["closed_two"].isna().all()


@pytest.mark.parametrize(("later", "part"), [(0, "quotes"), (HOUR, "timing")])
def test_another_last_mid_is_the_quotes_or_the_time(tmp_path: Path, later: int, part: str) -> None:
    """10 held at 100 by one, at 100.5 by the other: at the same moment it saw another price, at a later one the market had moved."""
    held, end = one_trade(DAY)[:1], 2 * DAY
    one = written(tmp_path, "one", held, [decision(end, Action.HOLD, Reason.WAIT_TARGET)])
    two = written(tmp_path, "two", held, [decision(end + later, Action.HOLD, Reason.WAIT_TARGET)])
    found = between(one, replace(two, marks=(100.5, 50.0)))
    assert found.trades["difference"].tolist() == pytest.approx([5.0])
    assert found.trades[part].tolist() == pytest.approx([5.0])


def test_a_holding_without_a_mid_is_an_error(tmp_path: Path) -> None:
    side = written(tmp_path, "one", one_trade(DAY)[:1])
    blind = replace(side, marks=(None, 50.0))
    with pytest.raises(DataError, match="trade 1 still holds MADE:AA"):
        between(blind, written(tmp_path, "two", []))


def test_two_empty_sessions(tmp_path: Path) -> None:
    found = between(written(tmp_path, "one", []), written(tmp_path, "two", []))
    assert found.trades.empty
    assert found.summary()["money"].eq(0).all()


def test_every_reason_has_its_words() -> None:
    assert {reason.value for reason in Reason} <= set(SAID)


@pytest.mark.parametrize(("seconds", "text"), [(86_400, "1 day"), (-172_800, "2 days"), (5400, "1.5 h"), (90, "1.5 min"), (0.03, "30 ms")])
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


# ------------------------------------------------------------------------- law

FILL = st.tuples(
    st.integers(1, 4),  # trade
    st.sampled_from([0, 1]),
    st.integers(0, 2_000_000),  # when
    st.integers(-9, 9).filter(bool),
    st.integers(9_000, 11_000),
    st.integers(0, 500),
    st.booleans(),  # has a mid
)
RUN = st.lists(FILL, max_size=8)


def arbitrary(name: str, made: Sequence[tuple[int, int, int, int, int, int, bool]], shift: int) -> Side:
    """Return a run with any fills: trade n was decided at minute 600 n, or ``shift`` minutes later, on the side of its first fill."""
    fills: list[dict[str, Any]] = []
    trades: list[dict[str, Any]] = []
    for number, (trade, leg, when, qty, cents, fee, has_mid) in enumerate(made):
        venue_ns = DAY + when * SECOND
        price = cents / 100
        times = {"ts": venue_ns, "venue_ts": venue_ns}
        names = {"fill_id": str(number), "order_id": f"{trade}-{leg}", "instrument": KEYS[leg], "role": frames.role(leg)}
        money = {"qty": qty, "price": price, "fee": fee / 1e4, "multiplier": 1, "mid": price - 0.01 if has_mid else None}
        fills.append(dict.fromkeys(frames._FILLS) | {"trade": trade, "leg": leg} | times | names | money)
    first = {trade: qty for trade, _, _, qty, *_ in reversed(made)}
    for trade, qty in sorted(first.items()):
        opened = DAY + (600 * trade + shift) * 60 * SECOND
        row = dict.fromkeys(("bars", "n_fills"), 0) | {"trade": trade, "side": 1 if qty > 0 else -1, "opened": opened, "closed": None}
        trades.append(row | {"exit_reason": "target"})
    said = [decision(at, Action.HOLD, Reason.NO_SIGNAL, phase=Phase.FLAT) for at in (DAY, 2 * DAY + shift * SECOND)]
    tables = (
        frames.frame([], frames._ORDERS),
        frames.frame(fills, frames._FILLS),
        frames.decided(said),
        frames.frame(
            trades, {"trade": "int", "side": "int", "opened": "ts", "closed": "ts", "exit_reason": "text", "bars": "int", "n_fills": "int"}
        ),
    )
    mids = {key: Mids(np.arange(DAY, 30 * DAY, DAY // 2), 90.0 + np.arange(58.0)) for key in KEYS}
    return Side(name, INSTRUMENTS, {"bar_s": 60.0, "bar_offset_s": 0.0}, *tables, mids, (100.0, 50.0))


@settings(max_examples=40)
@given(RUN, RUN, st.sampled_from([0, 0, 7]))
def test_parts_sum_to_the_whole_for_any_two_runs(
    one: list[tuple[int, int, int, int, int, int, bool]], two: list[tuple[int, int, int, int, int, int, bool]], shift: int
) -> None:
    """Money of each run by cash and last mids, computed without this room; every trade once; nothing dropped."""
    sides = [arbitrary("one", one, 0), arbitrary("two", two, shift)]
    found = between(*sides)
    worth = []
    for side in sides:
        mark = side.fills["leg"].map({0: 100.0, 1: 50.0})
        worth.append(float((side.fills["qty"] * (mark - side.fills["price"]) - side.fills["fee"]).sum()))
        assert sorted(found.trades[side.name].dropna()) == side.trades["trade"].tolist()
    assert found.trades["pnl_one"].sum() == pytest.approx(worth[0], abs=1e-8)
    assert found.trades["difference"].sum() == pytest.approx(worth[1] - worth[0], abs=1e-8)
    np.testing.assert_allclose(found.trades[list(REASONS)].sum(axis=1), found.trades["difference"], rtol=0, atol=1e-8)
    assert found.trades["why"].str.len().min() > 5 or found.trades.empty


def test_quotes_are_heard(tmp_path: Path) -> None:
    """The mids in force of a journal are those of its quotes, by the venue's time."""
    side = written(tmp_path, "one", [], [quote(2 * SECOND, bid=1.0, ask=3.0), quote(SECOND, bid=5.0, ask=7.0)])
    mids = side.mids[KEYS[0]]
    assert [mids.at(at) for at in (0, SECOND, 3 * SECOND)] == [None, 6, 2]
