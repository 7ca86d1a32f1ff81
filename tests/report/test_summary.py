"""The figures: against the journal's exact ledger, by hand, and in plain text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hedgekit.errors import ConfigError
from hedgekit.journal import Journal
from hedgekit.report import Session, Summary, load
from hedgekit.report.activity import split_slippage
from hedgekit.report.summary import partial
from hedgekit.report.words import bp, figure_of, money, prob, span
from tests.report import made


def test_profit_is_exact_cash_and_what_is_held_at_mids(journal: Path, read: Session) -> None:
    with Journal.open(journal, "made", mode="read") as reader:
        ledger = reader.ledger()
    last = read.equity.iloc[-1]
    held = last["pos_primary"] * last["mid_primary"] + last["pos_hedge"] * last["mid_hedge"]
    assert read.summary.hedged.pnl == pytest.approx(float(ledger.cash) + held, abs=1e-6)
    assert read.summary.hedged.pnl == pytest.approx(read.trades["hedged"].sum(), abs=1e-6)
    assert read.summary.hedged.pnl == pytest.approx(read.summary.hedged.gross - read.summary.costs, abs=1e-6)
    assert read.summary.unhedged.pnl == pytest.approx(read.summary.unhedged.gross - read.summary.primary.costs, abs=1e-6)


def test_counts_are_those_of_the_session(read: Session) -> None:
    decided = made.decisions(list(made.records()))
    m = read.summary
    assert m.orders == sum(len(decision.orders) for decision in decided)
    assert m.rejected == 1
    assert m.filled + m.rejected + (m.orders - m.filled - 1) == m.orders
    assert m.trades + m.open_trades == max(decision.trade for decision in decided)
    assert m.overrides == (made.OVERRIDE,)
    assert 0 < m.partial_fills == m.fills - m.filled  # each order that filled had one last fill


def test_slippage_is_delay_and_spread(read: Session) -> None:
    frame = split_slippage(read)
    assert frame["slippage"].to_numpy() == pytest.approx((frame["delay"] + frame["spread"]).to_numpy())
    assert frame["delay"].abs().sum() > 10 * frame["spread"].abs().sum()  # a day passes between decision and fill
    assert (frame["wait_s"] > 80_000).all()


def test_partial_fills_by_hand() -> None:
    orders = pd.DataFrame({"order_id": ["a", "b", "c"], "qty": [10.0, -5.0, 3.0]})
    fills = pd.DataFrame({"order_id": ["a", "b", "a", "a", "c"], "qty": [4.0, -5.0, 4.0, 2.0, 1.0]})
    assert partial(orders, fills) == 3  # two of a, and the one of c, which is not over


def test_plain_text_fits_a_terminal(read: Session) -> None:
    lines = read.summary.text().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    m = read.summary
    wanted = ("Engle-Granger", "override", "P&L, executable", "P&L, at mids", "max drawdown", "slippage", "rejected", "partial")
    assert all(word in text for word in (*wanted, m.digest))
    assert all(f"{gauge.rule} " in text and str(gauge.result) in text for gauge in m.gauges)
    assert {gauge.rule for gauge in m.gauges} == {"A23", "A24", "A25", "A26", "A27", "A28"}


def test_a_summary_survives_being_written(read: Session) -> None:
    assert Summary.from_json(read.summary.to_json()) == read.summary


def test_too_short_a_session_is_told(tmp_path: Path) -> None:
    short = made.write(tmp_path / "j.db", made.Market(first="1990-01-02", last="1990-01-31"))
    with pytest.raises(ConfigError, match=r"session 'made' has 22 bars and 0 hedge plans: a report needs 30 bars and a plan"):
        load(short, "made")


def test_numbers_as_a_trader_writes_them() -> None:
    assert money(1234.4) == "$1,234"
    assert money(-1234.6) == "-$1,235"
    assert money(-0.4) == "$0"
    assert money(0.345, cents=True) == "$0.34"
    assert money(None) == money(float("nan")) == "n/a"
    assert bp(0.00007) == "0.7 bp"
    assert prob(0.0004) == "< 0.001"
    assert span(86_400) == "1 day"
    assert span(5) == "5 s"
    assert span(0.03) == "30 ms"
    assert figure_of(0.00612, "fraction") == "0.61%"
    assert figure_of(1.2, "x") == "1.20 x"
    assert figure_of(float("inf"), "x") == "no limit"
    assert figure_of(264.0, "trades") == "264"
