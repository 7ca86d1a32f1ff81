"""Trades that fail on the chain after they were told (the fault ``reversal``): what is taken back, told and cancelled, and where."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from hedgekit.errors import ConfigError
from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.sandbox.skins import SKINS, befallen
from hedgekit.types import NS, Fill
from tests.sandbox.polymarket_desk import NOW, YES, Venue


@pytest.mark.parametrize("token", ["yes", "no"])
def test_a_trade_that_fails_is_undone(token: str) -> None:
    venue = Venue(cash="100").open()
    before = venue.held()
    traded = venue.taken("BUY", "10", "0.52", getattr(venue, token), "FAK")["tradeIDs"][0]
    venue.heard(venue.trade)
    venue.skin.reverse(traded)
    assert venue.held() == before
    assert venue.exchange.ledger.cash == 100
    assert [one["status"] for one in venue.heard(venue.trade)] == ["FAILED"]
    assert venue.get("/data/trades")["data"][0]["status"] == "TRADE_STATUS_FAILED"
    venue.time.advance(NOW + 60 * NS)
    assert venue.heard(venue.trade) == [], "it goes no further on the chain"
    with pytest.raises(ConfigError, match="not reversed yet"):
        venue.skin.reverse(traded)
    with pytest.raises(ConfigError, match="give an execution that was booked"):
        venue.skin.reverse("7")


def doomed(venue: Venue, seconds: float, *order: str) -> str:
    """Post an order at once whose first fill is to fail so many seconds later; return the trade's id."""
    with venue.skin.floor.befalls(Fault(FaultKind.REVERSAL, seconds=seconds)):
        traded: str = venue.taken(*order, kind="FAK")["tradeIDs"][0]
    return traded


def test_a_trade_that_will_fail_is_retried_on_the_chain_until_it_does() -> None:
    venue = Venue(cash="100").open()
    before = venue.held()
    doomed(venue, 7.0, "BUY", "10", "0.52")
    venue.heard(venue.trade)
    venue.time.advance(NOW + 6 * NS)
    assert [one["status"] for one in venue.heard(venue.trade)] == ["RETRYING"]
    assert venue.held() != before
    venue.time.advance(NOW + 7 * NS)
    assert [one["status"] for one in venue.heard(venue.trade)] == ["FAILED"]
    assert (venue.held(), venue.trouble.hits["reversal"]) == (before, 1)


@pytest.mark.parametrize("gone", ["sold", "resolved"])
def test_a_trade_whose_tokens_are_gone_is_confirmed_after_all(gone: str) -> None:
    venue = Venue(cash="100").open()
    doomed(venue, 7.0, "BUY", "10", "0.52")
    venue.taken("SELL", "4", "0.48", kind="FAK") if gone == "sold" else venue.skin.settle(YES.key, Decimal(1))
    money = venue.exchange.ledger.cash
    venue.time.advance(NOW + 9 * NS)
    statuses = {one["id"]: one["status"] for one in venue.heard(venue.trade) if one["event_type"] == "trade"}
    assert {*statuses.values()} == {"CONFIRMED"}
    assert (venue.exchange.ledger.cash, venue.trouble.hits["reversal"]) == (money, 0)


def test_a_sale_of_what_is_taken_back_is_cancelled_for_want_of_it() -> None:
    """Not one of what the account still has."""
    venue = Venue(cash="100").open()
    venue.taken("BUY", "10", "0.52", kind="FAK")
    doomed(venue, 3.0, "BUY", "20", "0.52")
    kept, dropped = (venue.taken("SELL", size, "0.9")["orderID"] for size in ("10", "15"))
    venue.time.advance(NOW + 4 * NS)
    assert [(one["id"], one["status"]) for one in venue.heard(venue.trade) if one.get("type") == "CANCELLATION"] == [
        (dropped, "CANCELED_NOT_ENOUGH_BALANCE")
    ]
    assert [one["id"] for one in venue.get("/data/orders")["data"]] == [kept]


def test_what_the_account_is_told_comes_to_the_ledger() -> None:
    """Through reversals too, whichever of its messages the client has missed before."""
    venue = Venue(cash="100").open()
    for side, size, price, token in (("BUY", "10", "0.52", venue.yes), ("BUY", "20", "0.52", venue.no), ("SELL", "5", "0.48", venue.no)):
        venue.taken(side, size, price, token, "FAK")
    told = venue.heard(venue.trade)
    for trade in list(venue.skin.orders.trades)[1:]:
        venue.skin.reverse(trade)
    late = venue.heard(venue.trade)
    for messages, held in ((told + late, 10), (told + told + late + late, 10), (told[:5] + late, 10), (late, 0), (late + told[3:], 0)):
        feed = venue.client.account(0)
        updates = [update for message in messages for update in feed.take(msgspec.json.encode(message), 9)]
        booked = {update.event.key: update.event for update in updates if isinstance(update.event, Fill)}
        assert sum((fill.qty for fill in booked.values()), Decimal(0)) == held
    listed, _ = venue.client.fills_of(venue.ask(venue.client.fills(0, "")))
    assert sum((one.qty for one in listed), Decimal(0)) == venue.exchange.ledger.position(YES.key) == 10
    assert 100 - sum((one.qty * one.price + one.fee for one in listed), Decimal(0)) == venue.exchange.ledger.cash


@pytest.mark.parametrize(
    ("venue", "venues", "at"),
    [
        ("", ["POLYMARKET"], ["POLYMARKET"]),
        ("", ["KALSHI", "POLYMARKET"], ["POLYMARKET"]),
        ("POLYMARKET", ["KALSHI", "POLYMARKET"], ["POLYMARKET"]),
    ],
)
def test_it_befalls_the_venue_that_may_take_a_fill_back(venue: str, venues: list[str], at: list[str]) -> None:
    assert befallen(Fault(FaultKind.REVERSAL, seconds=1.0, venue=venue), venues) == at
    assert befallen(Fault(FaultKind.LOST, venue=venue), venues) == ([venue] if venue else venues)


@pytest.mark.parametrize("venue", sorted(SKINS.keys() - {"POLYMARKET"}))
def test_elsewhere_an_execution_is_final(venue: str) -> None:
    said = f"fault reversal: executions at {venue} are final when they are told; it can happen at POLYMARKET only"
    with pytest.raises(ConfigError, match=said):
        befallen(Fault(FaultKind.REVERSAL, seconds=1.0, venue=venue), [venue, "POLYMARKET"])
    with pytest.raises(ConfigError, match=said):
        befallen(Fault(FaultKind.REVERSAL, seconds=1.0), [venue])
    with pytest.raises(ConfigError, match="fault lost: no venue 'NYSE' here; there are"):
        befallen(Fault(FaultKind.LOST, venue="NYSE"), [venue])
