"""The notebook `09_prediction_markets`: run with its own numbers, and what its words claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hedgekit import load_books
from tests.notebooks.running import check_figures, check_page, check_said, committed, shown
from tests.story import check_story

if TYPE_CHECKING:
    from pathlib import Path

    from nbformat import NotebookNode

    from tests.browser import OfflinePage

pytestmark = pytest.mark.usefixtures("own_home")

NAME = "09_prediction_markets.ipynb"

POLYMARKET, KALSHI = "POLYMARKET:RAIN-YES", "KALSHI:RAIN-26JAN"

PROBE = """
import json

frames = {"real": real, "depth": depth, "one": one, "counts": truth[["trades"]].set_axis(["n"], axis=1)}
JSON({name: json.loads(frame.reset_index().to_json(orient="records", date_format="iso")) for name, frame in frames.items()})
"""


@pytest.fixture(scope="module")
def figures(ran: NotebookNode) -> dict[str, Any]:
    return shown(ran.cells[-2])


def test_it_reads_as_one_story(ran: NotebookNode) -> None:
    check_story(committed(NAME))
    check_said(ran)
    check_figures(ran, 1)


def test_its_page_asks_nothing_of_the_network(ran: NotebookNode, offline_page: OfflinePage, tmp_path: Path) -> None:
    check_page(ran, offline_page, tmp_path / "page.html", documents=1)


def test_on_a_martingale_reversion_earns_nothing_and_pays_the_spread(figures: dict[str, Any], held: dict[str, Any]) -> None:
    fair, straying = (figures["truth"][kind] for kind in ("fair", "straying"))
    assert min(row["n"] for row in held["counts"]) > 1_000
    assert fair["at mid, low"] < 0 < fair["at mid, high"]
    assert fair["executable, high"] < 0
    assert straying["at mid, low"] > straying["executable, high"] > straying["executable, low"] > 0


def test_a_set_of_both_sides_costs_a_cent_either_way(figures: dict[str, Any]) -> None:
    sets = figures["sets"]
    assert sets["a set bought"] == pytest.approx([1.01] * 12)
    assert sets["a set sold"] == pytest.approx([0.99] * 12)
    assert sets["UP"] == [book.payout[0] for book in load_books().values() if book.payout]


def test_a_larger_order_pays_more(held: dict[str, Any]) -> None:
    """By hand, of the fourth row: 141.68 at 0.35, 208 at 0.36, 626 at 0.37, 4,203 at 0.38 (the mid is 0.345)."""
    (ten, hundred, thousand, more) = held["depth"]
    assert [row["levels"] for row in held["depth"]] == [1, 1, 4, 4]
    assert ten["price ($)"] == hundred["price ($)"] == 0.35
    by_hand = (141.68 * 0.35 + 208 * 0.36 + 626 * 0.37 + (1_000 - 975.68) * 0.38) / 1_000
    assert thousand["price ($)"] == pytest.approx(by_hand)
    assert more["beyond the mid (cents)"] == pytest.approx(100 * (more["price ($)"] - 0.345))


def test_profit_at_mid_and_loss_at_the_book(ran: NotebookNode, figures: dict[str, Any], held: dict[str, Any]) -> None:
    real = figures["real"]
    assert (real["pnl_mid"], real["pnl_book"], real["trades"]) == (pytest.approx(35.79, abs=0.005), pytest.approx(-200.94, abs=0.005), 141)
    assert real["pnl_book"] == pytest.approx(real["pnl_mid"] - real["delay"] - real["spread"] - real["fee"])
    assert len(held["real"]) == 12
    said = "".join(output.get("text", "") for cell in ran.cells for output in cell.get("outputs", []) if output.get("name") == "stdout")
    assert "at mid $+35.79, 7 of 12 markets with profit" in said
    assert "at the book $-200.94, 5 of 12 markets with profit" in said


def test_each_legs_fee_is_its_venues_own(ran: NotebookNode, held: dict[str, Any]) -> None:
    """The formulas as they are worked out by hand in ``tests/paper/test_across.py``, and on the fills of the first trade."""
    assert any("(Decimal('2.57366'), Decimal('1.6632'))" in str(cell.get("outputs")) for cell in ran.cells)
    assert [(row["instrument"], row["qty"], row["price"], row["venue's fee"]) for row in held["one"]] == [
        (POLYMARKET, 676.0, 0.424, 3.30191),  # 676 x 0.424 x 0.576 x 0.02 = 3.301908
        (KALSHI, -675.0, 0.52, 11.7936),  # 675 x 0.52 x 0.48 x 0.07
        (POLYMARKET, -676.0, 0.447, 3.34202),
        (KALSHI, 675.0, 0.47, 11.77),  # 11.769975, up
    ]
    assert all(row["spread_cost"] == pytest.approx(abs(row["qty"]) * (0.0045 if row["leg"] == 0 else 0.01)) for row in held["one"])


def test_hedged_the_event_does_not_matter(figures: dict[str, Any]) -> None:
    resolved = figures["resolved"]
    assert resolved["unhedged"] == pytest.approx({"0": -676 * 0.424, "1": 676 * (1 - 0.424)})
    assert resolved["hedged"] == pytest.approx({"0": 675 * 0.52 - 676 * 0.424, "1": 675 * 0.52 - 676 * 0.424 + 1})


def test_the_hedge_earns_twice_at_mid_and_its_costs_take_it(figures: dict[str, Any]) -> None:
    venues = figures["venues"]
    ledger, cost = venues["ledger"], {leg: sum(parts.values()) for leg, parts in venues["cost"].items()}
    assert venues["trades"] > 200
    assert ledger["hedged"]["at mid"] == pytest.approx(2 * ledger["unhedged"]["at mid"], rel=0.05)
    assert cost["hedge"] > 2 * cost["primary"]
    assert ledger["hedged"]["costs"] == pytest.approx(cost["hedge"] + cost["primary"])
    assert 0 < ledger["hedged"]["executable"] < 2.5
    assert ledger["hedged"]["executable"] < ledger["unhedged"]["executable"] / 4
