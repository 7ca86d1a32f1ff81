"""A session in which nothing was traded is reported too, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from bokeh.embed import json_item
from bs4 import BeautifulSoup

from hedgekit.report import Session, act, activity, load, plots, sections
from tests.report import made


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Session:
    params = made.PARAMS.model_copy(update={"entry": 9.0, "stop": 9.5})
    path: Path = made.write(tmp_path_factory.mktemp("quiet") / "j.db", made.Market(first="1990-01-02", last="1990-12-31"), params)
    return load(path, "made")


def test_no_trades_make_no_profit_and_no_verdict_on_the_hedge(quiet: Session) -> None:
    m = quiet.summary
    assert (m.trades, m.orders, m.fills, m.hedged.pnl, m.unhedged.drawdown, m.costs) == (0, 0, 0, 0.0, 0.0, 0.0)
    assert {gauge.result for gauge in m.gauges} == {"CANNOT TELL"}
    assert m.result == "FAIL"  # of the evidence, which does not wait for trades
    assert "required evidence is missing" in m.text()
    assert m.won is None
    assert max(map(len, m.text().splitlines())) <= 100


@pytest.mark.parametrize("name", ["head", "banner", "gauges", "extras", "regimes", "evidence", "definition", "notes", "provenance"])
def test_every_section_can_be_told(quiet: Session, name: str) -> None:
    assert getattr(sections, name)(quiet).data


@pytest.mark.parametrize("name", ["compared", "costs", "slippage", "orders", "naked", "decisions", "trades", "settled"])
def test_every_activity_can_be_told(quiet: Session, name: str) -> None:
    assert getattr(activity, name)(quiet).data


@pytest.mark.parametrize("name", ["weighed", "incidents", "parity", "trials", "next_steps"])
def test_everything_to_act_on_can_be_told(quiet: Session, name: str) -> None:
    assert getattr(act, name)(quiet).data


@pytest.mark.parametrize("name", ["profit", "each_trade", "signal", "ratio", "delta", "costs"])
def test_every_plot_can_be_drawn(quiet: Session, name: str) -> None:
    assert json_item(getattr(plots, name)(quiet))


def test_regimes_add_up_to_all_of_it(read: Session) -> None:
    page = BeautifulSoup(sections.regimes(read).data, "html.parser")
    rows = [[cell.get_text() for cell in row.find_all(["td", "th"])] for row in page.find_all("tr")]
    assert rows[0][:3] == ["regime", "bars held", "trades"]
    trades = {row[0]: int(row[2]) for row in rows[1:]}
    assert trades.pop("all") == sum(trades.values()) == read.summary.trades
    assert {"calm", "volatile"} <= set(trades)


def test_infinite_and_missing_intervals_are_drawn_or_left_out(read: Session) -> None:
    pictures = sections.gauges(read).data.count("<svg")
    assert pictures == sum(gauge.value is not None for gauge in read.summary.gauges)
