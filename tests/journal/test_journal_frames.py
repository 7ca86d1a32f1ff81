"""Frames, ledger and digests of the session in ``made.py``, against figures computed by hand."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import JournalError
from hedgekit.journal import Entry, Journal, frames, performance
from hedgekit.journal.story import NO_TRADE, Story, economic_digest, ledger
from hedgekit.types import Ack, Fill, PlanRevised, Quote, Reconciled, Record, SessionStarted
from tests.journal.made import DRIFTED, KO, PEP, SESSION, SKIPPED, TARGET, WAIT, Group, Maker, ns, session, write

CENT = {"rtol": 0, "atol": 1e-9}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterable[Journal]:
    file = tmp_path_factory.mktemp("frames") / "j.db"
    write(file, session())
    with Journal.open(file, SESSION, mode="read") as journal:
        yield journal


def at(second: float) -> pd.Timestamp:
    return pd.Timestamp(ns(second), tz="UTC")


def story_of(groups: Iterable[Group]) -> Story:
    story = Story()
    records = [record for group in groups for record in group]
    story.extend(Entry(n, n, record) for n, record in enumerate(records, 1))
    return story


def test_ledger_by_hand(book: Journal) -> None:
    books = book.ledger()
    # trade 1: -600.69 +401.50 -404.06 +1019.75 -408.10 = 8.40; trade 2: 413.94 -412.06 = 1.88; trade 3: 1049.85 -265.06 = 784.79
    assert str(books.cash) == "795.07"
    assert {key: str(qty) for key, qty in books.positions.items()} == {KO: "-10", PEP: "5"}
    assert str(books.fees) == "0.24"
    assert books.fills == 9, "f9 was told twice and is one fill"


def test_orders_by_hand(book: Journal) -> None:
    orders = book.orders().set_index("order_id")
    expected = {
        "made-1-0": ("buy", 10, "filled", 10, (6 * 100.11 + 4 * 101.01) / 10, 2),
        "made-1-1": ("sell", -8, "filled", -8, 50.19, 1),
        "made-2-0": ("sell", -10, "filled", -10, 101.98, 1),
        "made-2-1": ("buy", 8, "filled", 8, 51.01, 1),
        "made-3-0": ("sell", -10, "cancelled", -4, 103.49, 1),
        "made-3-1": ("buy", 8, "rejected", 0, np.nan, 0),
        "made-4-0": ("buy", 4, "filled", 4, 103.01, 1),
        "made-5-0": ("sell", -10, "filled", -10, 104.99, 1),
        "made-5-1": ("buy", 8, "partially_filled", 5, 53.01, 1),
        "made-6-1": ("buy", 1, "unknown", 0, np.nan, 0),
    }
    assert list(orders.index) == list(expected)
    for row, name in enumerate(("side", "qty", "status", "filled_qty", "avg_price", "n_fills")):
        wanted = pd.Series([figures[row] for figures in expected.values()], index=orders.index, name=name)
        pd.testing.assert_series_equal(orders[name], wanted, check_dtype=False, rtol=1e-12)
    first = orders.loc["made-1-1"]
    assert (first["ts"], first["acked"], first["expected"]) == (at(61), at(61.05), 49.99)
    assert (first["trade"], first["leg"], first["role"], first["instrument"], first["kind"]) == (1, 1, "hedge", PEP, "market")
    assert (first["action"], first["reason"], first["priority"]) == ("open", "entry", "hedge")
    assert pd.isna(orders.loc["made-3-1", "acked"])


def test_an_acknowledged_order_is_working() -> None:
    story = story_of(session()[:4])
    assert list(frames.orders(story)["status"]) == ["working", "working"]


def test_fills_by_hand(book: Journal) -> None:
    fills = book.fills().set_index("fill_id")
    assert list(fills.index) == [f"f{n}" for n in range(1, 10)]
    # the mid is that of the quote which caused the fill: same venue time, journalled after it
    np.testing.assert_allclose(fills["mid"], [100.10, 50.20, 101.0, 102.0, 51.0, 103.5, 103.0, 105.0, 53.0], **CENT)
    np.testing.assert_allclose(fills["spread_cost"], [0.06, 0.08, 0.04, 0.20, 0.08, 0.04, 0.04, 0.10, 0.05], **CENT)
    # (price - expected) * qty: bought dearer or sold cheaper than decided is positive
    np.testing.assert_allclose(fills["slippage"], [0.60, -1.60, 4.00, -9.90, 8.00, -2.00, -2.00, -10.00, 5.00], **CENT)
    np.testing.assert_allclose(fills["slippage_frac"].iloc[:2], [0.10 / 100.01, -0.20 / 49.99], rtol=1e-12)
    first = fills.loc["f1"]
    assert (first["ts"], first["venue_ts"], first["order_id"], first["trade"]) == (at(120.005), at(120), "made-1-0", 1)
    assert (first["leg"], first["role"], first["qty"], first["price"], first["fee"], first["multiplier"]) == (
        0,
        "primary",
        6,
        100.11,
        0.03,
        1,
    )
    assert (first["expected"], round(first["notional"], 9)) == (100.01, 600.66)


def test_a_fill_without_order_or_quote_is_shown_as_such() -> None:
    stray = Fill(ts_ns=9, order_id="other", fill_id="x", instrument=KO, venue_ns=9, qty=Decimal(1), price=Decimal(7), fee=Decimal(1))
    m = Maker()
    story = story_of([[m.start(), stray], m.quotes(1, ("8", "10"), ("8", "10")), m.bar(1, WAIT, 0, None)])
    row = frames.fills(story).iloc[0]
    assert row["trade"] == NO_TRADE
    assert row[["expected", "mid", "spread_cost", "slippage"]].isna().all()
    assert performance.trades(story).empty
    # its price stands in for the mid, so that cash and marks still agree: -7 -1 + 9
    assert performance.equity(story)["hedged"].iloc[-1] == 1.0


def test_decisions_by_hand(book: Journal) -> None:
    decisions = book.decisions()
    assert len(decisions) == 15
    first = decisions.iloc[0]
    assert (first["ts"], first["trade"], first["action"], first["reason"], first["phase"]) == (at(61), 1, "open", "entry", "opening")
    assert list(first[["z", "ratio", "delta", "cost", "benefit", "mid_primary", "mid_hedge"]]) == [-2.1, 0.4, 0.01, 1.5, 2.5, 100.0, 50.0]
    assert list(first[["pos_primary", "pos_hedge", "target_primary", "target_hedge", "n_orders", "n_cancels"]]) == [0, 0, 0, 0, 2, 0]
    assert list(decisions["n_cancels"].to_numpy().nonzero()[0]) == [5]


def test_equity_by_hand(book: Journal) -> None:
    equity = book.equity()
    columns = (
        "mid_primary mid_hedge pos_primary pos_hedge ratio z delta trade gross_primary gross_hedge cost_primary cost_hedge "
        "fee_primary fee_hedge hedged unhedged"
    )
    assert list(equity) == columns.split()
    assert list(equity.index) == [at(s) for s in (61, 121, 181, 241, 301, 361, 421, 481, 541, 601)], "no row for a mere look at the delta"
    table = [  # pos, pos, gross primary, gross hedge, cost primary, cost hedge
        (0, 0, 0, 0, 0, 0),
        (6, -8, 0, 0, 0.09, 0.10),
        (10, -8, 6 * 0.90, 8 * 0.20, 0.15, 0.10),
        (0, 0, 15.40, -6.40, 0.40, 0.20),
        (0, 0, 15.40, -6.40, 0.40, 0.20),
        (-4, 0, 15.40, -6.40, 0.46, 0.20),
        (0, 0, 17.40, -6.40, 0.52, 0.20),
        (0, 0, 17.40, -6.40, 0.52, 0.20),
        (-10, 5, 17.40, -6.40, 0.67, 0.26),
        (-10, 5, 27.40, -3.90, 0.67, 0.26),
    ]
    names = ["pos_primary", "pos_hedge", "gross_primary", "gross_hedge", "cost_primary", "cost_hedge"]
    np.testing.assert_allclose(equity[names], table, **CENT)
    np.testing.assert_allclose(equity["hedged"].iloc[[3, 6, 9]], [8.40, 10.28, 22.57], **CENT)
    np.testing.assert_allclose(equity["unhedged"].iloc[[3, 6, 9]], [15.00, 16.88, 26.73], **CENT)
    np.testing.assert_allclose(equity[["fee_primary", "fee_hedge"]].iloc[-1], [0.19, 0.05], **CENT)
    assert list(equity["trade"]) == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert np.isnan(equity["z"].iloc[6])
    assert equity["z"].iloc[0] == -2.1


def test_a_look_at_the_delta_is_no_bar() -> None:
    m = Maker()
    story = story_of([[m.start()], m.quotes(0, ("4", "4"), ("4", "4")), m.bar(61, SKIPPED, 1, None), m.bar(120, WAIT, 1, None)])
    assert performance.equity(story).empty, "the first is a look, the second is not at a bar's close"


def test_equity_is_exact_cash_plus_marks(book: Journal) -> None:
    last = book.equity().iloc[-1]
    marks = last["pos_primary"] * last["mid_primary"] + last["pos_hedge"] * last["mid_hedge"]
    assert last["hedged"] == pytest.approx(float(book.ledger().cash) + marks, abs=1e-6)


def test_trades_by_hand(book: Journal) -> None:
    trades = book.trades().set_index("trade")
    assert list(trades.index) == [1, 2, 3]
    assert list(trades["side"]) == [1, -1, -1]
    assert list(trades["opened"]) == [at(61), at(301), at(481)]
    assert list(trades["closed"].iloc[:2]) == [at(181), at(301.05)]
    assert pd.isna(trades["closed"].iloc[2]), "still held"
    assert list(trades["bars"]) == [2, 0, 2]
    assert list(trades["exit_reason"].iloc[:2]) == ["target", "leg_rejected"]
    assert pd.isna(trades["exit_reason"].iloc[2])
    np.testing.assert_allclose(trades["notional"], [6 * 100.11 + 4 * 101.01, 4 * 103.49, 1049.90], **CENT)
    np.testing.assert_allclose(trades["gross_hedged"], [9.00, 2.00, 12.50], **CENT)
    np.testing.assert_allclose(trades["gross_unhedged"], [15.40, 2.00, 10.00], **CENT)
    np.testing.assert_allclose(trades["hedged"], [8.40, 1.88, 12.29], **CENT)
    np.testing.assert_allclose(trades["unhedged"], [15.00, 1.88, 9.85], **CENT)
    np.testing.assert_allclose(trades[["cost_primary", "cost_hedge"]], [(0.40, 0.20), (0.12, 0), (0.15, 0.06)], **CENT)
    assert list(trades["z_entry"]) == [-2.1, 2.5, 2.2]
    np.testing.assert_equal(trades["z_exit"].to_numpy(), [-0.4, 2.5, np.nan])
    assert list(trades["n_fills"]) == [5, 2, 2]


def test_a_trade_without_an_entry_has_no_exit() -> None:
    """An order was sent, but no decision of this session opened the trade."""
    m = Maker()
    order = m.order("1-0", 61, 7, "10", "4")
    story = story_of([[m.start()], m.quotes(60, ("4", "4"), ("4", "4")), m.bar(61, DRIFTED, 7, 0.1, (order,))])
    story.extend(Entry(n, n, record) for n, record in enumerate([m.fill("1-0", "f", 62, "10", "4", "0"), *m.bar(121, TARGET, 7, 0.1)], 9))
    row = performance.trades(story).iloc[0]
    assert (row["trade"], row["n_fills"]) == (7, 1)
    assert row[["exit_reason", "opened", "closed", "z_entry", "z_exit"]].isna().all()


def test_trades_add_up_to_equity(book: Journal) -> None:
    for name in ("hedged", "unhedged"):
        assert book.trades()[name].sum() == pytest.approx(book.equity()[name].iloc[-1], abs=1e-9)


def test_plans_by_hand(book: Journal) -> None:
    row = book.plans().iloc[0]
    assert (row["ts"], row["fitted_at"], row["valid_until"]) == (at(61), at(61), at(661))
    assert list(row[["ratio", "stderr", "n", "method", "test", "statistic"]]) == [0.4, 0.05, 250, "ols_returns", "engle-granger", -2.0]
    assert np.isnan(row["p_value"])
    assert row["override"] == "a hand-made test"


def test_a_price_in_cents_is_the_same_money(book: Journal) -> None:
    cents = story_of(session(cents=True))
    money = ["gross_primary", "gross_hedge", "cost_primary", "cost_hedge", "hedged", "unhedged", "pos_primary", "pos_hedge"]
    np.testing.assert_allclose(performance.equity(cents)[money], book.equity()[money], **CENT)
    own = book.trades().drop(columns=["exit_reason", "opened", "closed"])
    np.testing.assert_allclose(performance.trades(cents)[list(own)], own, **CENT)
    assert ledger(cents).cash == book.ledger().cash


def test_frames_of_a_session_without_anything_have_their_columns(tmp_path: Path, book: Journal) -> None:
    write(tmp_path / "j.db", session()[:1])
    with Journal.open(tmp_path / "j.db", SESSION, mode="read") as empty:
        for name in ("orders", "fills", "decisions", "equity", "trades", "plans"):
            frame, full = getattr(empty, name)(), getattr(book, name)()
            assert len(frame) == 0
            assert list(frame) == list(full)
            assert list(frame.dtypes.items()) == list(full.dtypes.items())
        assert empty.ledger().cash == 0


def test_times_are_utc_with_nanoseconds(book: Journal) -> None:
    for frame, names in ((book.orders(), ["ts", "acked"]), (book.fills(), ["ts", "venue_ts"]), (book.trades(), ["opened", "closed"])):
        assert all(str(frame[name].dtype) == "datetime64[ns, UTC]" for name in names)
    assert str(book.equity().index.dtype) == "datetime64[ns, UTC]"
    assert book.equity().index.name == "ts"


def test_frames_follow_a_session_that_goes_on(tmp_path: Path) -> None:
    groups = session()
    write(tmp_path / "j.db", groups[:7])
    with Journal.open(tmp_path / "j.db", SESSION, mode="read") as reader:
        assert len(reader.fills()) == 3
        write(tmp_path / "j.db", groups[7:], first_instant=8)
        assert len(reader.fills()) == 9
        assert str(reader.ledger().cash) == "795.07"


# ----------------------------------------------------------- economic content


def test_economic_digest_ignores_messages_around_the_money() -> None:
    groups = session()
    plain = economic_digest(story_of(groups))
    heard: list[Group] = []
    for group in groups:  # acks lost, one reconciliation more, everything heard later, fills told anew and in another order
        kept: Group = [msgspec.structs.replace(r, ts_ns=r.ts_ns + 7) for r in group if not isinstance(r, Ack | SessionStarted)]
        fills = [r for r in kept if isinstance(r, Fill)]
        rest = [r for r in kept if not isinstance(r, Fill)]
        starts = [r for r in group if isinstance(r, SessionStarted)]
        heard.append([*starts, *reversed(fills), *fills, *rest, Reconciled(ts_ns=1, positions={}, cash=Decimal(0), agrees=True)])
    assert economic_digest(story_of(heard)) == plain


def _changed(record: Record) -> Record | None:
    match record:
        case Fill(fill_id="f3"):
            return msgspec.structs.replace(record, fee=record.fee + Decimal("0.0001"))
        case PlanRevised():
            return msgspec.structs.replace(record, plan=msgspec.structs.replace(record.plan, ratio=0.4000001))
        case _:
            return None


@pytest.mark.parametrize("kind", [Fill, PlanRevised])
def test_economic_digest_sees_money(kind: type[Record]) -> None:
    groups = session()
    other = [[(_changed(r) if isinstance(r, kind) else None) or r for r in group] for group in groups]
    assert other != groups
    assert economic_digest(story_of(other)) != economic_digest(story_of(groups))


def test_economic_digest_does_not_care_how_a_number_is_spelt() -> None:
    groups = session()
    spelt = [
        [msgspec.structs.replace(r, price=r.price.quantize(Decimal("1.0000000"))) if isinstance(r, Fill) else r for r in g] for g in groups
    ]
    assert economic_digest(story_of(spelt)) == economic_digest(story_of(groups))


# ------------------------------------------------------------------------ laws

PRICES = st.decimals(1, 9999, places=4)
TRADES = st.lists(
    st.tuples(st.integers(0, 1), st.decimals(-5000, 5000, places=3).filter(bool), PRICES, PRICES, st.decimals(0, 50, places=6))
)


@given(TRADES)
def test_law_cash_plus_marks(trades: list[tuple[int, Decimal, Decimal, Decimal, Decimal]]) -> None:
    m = Maker()
    groups: list[Group] = [[m.start()]]
    for n, (leg, qty, price, mid, fee) in enumerate(trades):
        second = 60 * (n + 1)
        groups.append([m.fill(f"{n}-{leg}", f"f{n}", second, str(qty), str(price), str(fee))])
        groups.append([*m.quotes(second, (str(mid), str(mid)), (str(mid + 1), str(mid + 1))), *m.bar(second + 1, WAIT, 1, None)])
    story = story_of(groups)
    equity, books = performance.equity(story), ledger(story)
    assert books.cash == sum((-q * p - f for _, q, p, _, f in trades), Decimal(0))
    if trades:
        last = equity.iloc[-1]
        marks = last["pos_primary"] * last["mid_primary"] + last["pos_hedge"] * last["mid_hedge"]
        assert last["hedged"] == pytest.approx(float(books.cash) + marks, abs=1e-6, rel=1e-12)


def test_books_are_exact_beyond_28_digits() -> None:
    m = Maker()
    big = m.fill("1-0", "big", 1, "123456789012345.678", "98765432109876.54321", "0.000000000001")
    exact = -Fraction("123456789012345.678") * Fraction("98765432109876.54321") - Fraction("0.000000000001")
    assert Fraction(ledger(story_of([[m.start(), big]])).cash) == exact


def test_an_unknown_instrument_is_an_error() -> None:
    stray = Fill(ts_ns=1, order_id="o", fill_id="x", instrument="ALPACA:XOM", venue_ns=1, qty=Decimal(1), price=Decimal(1), fee=Decimal(0))
    with pytest.raises(JournalError, match=r"'ALPACA:XOM'.*ALPACA:KO, ALPACA:PEP"):
        ledger(story_of([[Maker().start(), stray]]))


def test_mids_are_found_by_venue_time_not_by_arrival() -> None:
    m = Maker()
    late = Quote(ts_ns=ns(9), instrument=KO, venue_ns=ns(1), bid=1.0, ask=1.0, bid_size=1.0, ask_size=1.0)
    fill = m.fill("1-0", "f", 3, "1", "5", "0")
    story = story_of([[m.start()], m.quotes(2, ("4", "4"), ("4", "4")), m.quotes(4, ("6", "6"), ("6", "6")), [late, fill]])
    assert list(performance.mids_at(story)) == [4.0]
