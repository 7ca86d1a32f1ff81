"""The notebook `06_fault_lab`: run with its own numbers, and the laws that it counts, read again from the session's own journal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from hedgekit import desk
from hedgekit.desk.home import home
from hedgekit.replay import replay
from hedgekit.types import Decision, Fill, Link, Order, Reconciled
from tests.desk.made import ended
from tests.notebooks.running import check_figures, check_said, committed, shown
from tests.story import check_story

if TYPE_CHECKING:
    from nbformat import NotebookNode

NAME = "06_fault_lab.ipynb"

ACCIDENTS = 4  # trades that something befalls; the page ends in the fifth or a later one, wherever its last command strikes

PROBE = 'JSON({"session": session.session, "repr": repr(panel), "parts": fills.loc[fills["trade"] == 2, "qty"].head(5).to_list()})'


@pytest.fixture(scope="module", autouse=True)
def nothing_left(own_home: None) -> Iterator[None]:
    del own_home  # it is in force
    yield
    ended(home())


@pytest.fixture(scope="module")
def figures(ran: NotebookNode) -> dict[str, Any]:
    return shown(ran.cells[-2])


@pytest.fixture(scope="module")
def records(held: dict[str, Any]) -> list[Any]:
    with desk.attach(held["session"]).journal() as journal:
        journal.verify()
        return list(journal.records())


def test_it_reads_as_one_story(ran: NotebookNode) -> None:
    check_story(committed(NAME), programs=(ast.FunctionDef, ast.If))
    check_said(ran)
    check_figures(ran, 1)


def test_every_accident_was_planned_and_took_place(figures: dict[str, Any], held: dict[str, Any]) -> None:
    assert figures["planned"] == 5
    assert {told.refusal for told in desk.attach(held["session"]).faults()} == {""}
    took = {trade: seconds for trade, seconds in figures["took"].items() if int(trade) <= ACCIDENTS}
    assert took == {"1": 0.65, "2": 0.03, "3": 0.03, "4": 120.03}, "the 504 was asked about, the outage outlasted"
    assert held["parts"] == [91.0, -323.0, 91.0, 91.0, 5.0], "a third of 278 at a time"
    assert figures["states"] == ["frozen", "up", "down", "up"]


def test_every_order_was_executed_at_most_once(figures: dict[str, Any], records: list[Any]) -> None:
    assert (figures["doubled"], figures["excess"]) == (0, 0)
    fills = [record for record in records if isinstance(record, Fill)]
    orders: dict[str, Order] = {order.order_id: order for record in records if isinstance(record, Decision) for order in record.orders}
    assert len({fill.key for fill in fills}) == len(fills)
    filled = pd.Series([float(fill.qty) for fill in fills]).groupby([fill.order_id for fill in fills]).sum()
    hit = {key: order for key, order in orders.items() if order.trade <= ACCIDENTS}
    assert all(filled[key] == float(order.qty) for key, order in hit.items() if key in filled.index)
    assert len(hit.keys() - filled.index) == 2, "both closing orders that the outage took"


def test_the_exchanges_own_account_is_the_journals(figures: dict[str, Any], records: list[Any]) -> None:
    told = [(record.agrees, record.positions) for record in records if isinstance(record, Reconciled)]
    assert figures["word"] == [agrees for agrees, _ in told] == [True] * len(told)
    assert len(told) >= 6
    assert len(told[-1][1]) == 2, "both legs were held at the last one"


def test_while_it_is_blind_nothing_leaves_and_it_warms_up_anew(figures: dict[str, Any], records: list[Any]) -> None:
    assert figures["blind"] == [0, 0]
    link = [n for n, record in enumerate(records) if isinstance(record, Link)]
    for found, over in ((link[0], link[1]), (link[2], link[3])):
        assert (records[found].ts_ns - records[found].since_ns) / 1e9 == pytest.approx(45.0, abs=0.5)
        assert not [order for record in records[found:over] if isinstance(record, Decision) for order in record.orders]
        after = [record for record in records[over:] if isinstance(record, Decision) and record.action != "hold"]
        assert [(d.action.value, d.reason.value) for d in after[:2]] == [("repair", "venue_back"), ("close", "reconciled")]
    assert figures["warm_s"] >= 20


def test_no_trade_leaned_for_long(figures: dict[str, Any]) -> None:
    leans = {trade: money / 100_000 for trade, money in figures["leans"].items()}
    assert max(leans, key=leans.__getitem__) == "2", "the one that filled in part"
    assert 0.5 < leans["2"] < 1.0, "seconds of the notional, of 60 allowed"


def test_it_replays(figures: dict[str, Any], records: list[Any]) -> None:
    assert replay(records).decisions == figures["decisions"]


def test_where_widgets_do_not_live_words_stand(held: dict[str, Any]) -> None:
    assert held["repr"].startswith("<PaperDesk on account 'fault-lab': <PaperSession fault-lab-")
