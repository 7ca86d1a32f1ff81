"""Settlements by REST: what Kalshi lists and how a Polymarket condition ended, for who was not there when it was told."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.net.bookings import Bookings
from hedgekit.types import NS, Fill, Reply, Settled
from tests.venues.kalshi_made import payload
from tests.venues.polymarket_made import CONDITION, KEY, OPPOSITE, TOKEN, client
from tests.venues.test_kalshi_once import VENUE

if TYPE_CHECKING:
    from hedgekit.types import Request

T0 = 1_764_000_000 * NS


def condition(winner: str = "", *, closed: bool = True, tokens: tuple[str, ...] = (TOKEN, OPPOSITE)) -> Reply:
    told: list[dict[str, Any]] = [{"token_id": token, "outcome": "", "price": 0.5, "winner": token == winner} for token in tokens]
    return Reply(200, msgspec.json.encode({"condition_id": CONDITION, "closed": closed, "tokens": told}))


def asked() -> Request:
    question = client().booked(0, 1, "")
    assert question is not None
    return question


@pytest.mark.parametrize(("winner", "payout"), [(TOKEN, 1), (OPPOSITE, 0)])
def test_a_condition_that_is_over_pays_its_winner(winner: str, payout: int) -> None:
    question = asked()
    assert (question.path, question.purpose) == (f"/markets/{CONDITION}", "booked")
    assert client().booked_of(question, condition(winner), T0) == ([Settled(T0, KEY, T0, Decimal(payout), final=True)], "")
    assert client().booked(0, 1, "1") is None


@pytest.mark.parametrize("reply", [condition(TOKEN, closed=False), condition("")])
def test_one_that_is_open_or_has_no_winner_yet_has_not_ended(reply: Reply) -> None:
    assert client().booked_of(asked(), reply, T0) == ([], "")


@pytest.mark.parametrize("reply", [condition("7", tokens=("7", "8")), condition(TOKEN, tokens=(TOKEN,)), Reply(200, b'{"closed": 1}')])
def test_what_is_no_answer_to_it_is_an_error(reply: Reply) -> None:
    with pytest.raises(VenueError, match="polymarket"):
        client().booked_of(asked(), reply, T0)


def test_kalshis_settlements_are_asked_for_from_the_sessions_start() -> None:
    """An execution at a venue of binary contracts is no reason to ask: they are settled once."""
    bookings = Bookings(VENUE, traded=False)
    bookings.begin(T0, None, T0 + 90 * NS)
    (question,) = bookings.ask(T0 + 90 * NS, exposed=False)
    assert question.path == f"/trade-api/v2/portfolio/settlements?min_ts={T0 // NS - 1}&limit=1000"
    found, more = bookings.reply(question, Reply(200, payload("settlements")), T0 + 91 * NS)
    assert ([one.payout for one in found if isinstance(one, Settled)], more) == ([Decimal(0), Decimal("0.35")], [])
    amounts = {"qty": Decimal(1), "price": Decimal("0.5"), "fee": Decimal(0)}
    bookings.note(Fill(ts_ns=T0, order_id="a", fill_id="1", instrument="KALSHI:A", venue_ns=T0, **amounts))
    assert not bookings.open
