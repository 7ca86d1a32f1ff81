"""Settlements by REST: what Kalshi lists and how a Polymarket condition ended, for who was not there when it was told."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.net.bookings import Bookings
from hedgekit.types import NS, Fill, Reply, Settled, TakenBack
from tests.venues.kalshi_made import payload
from tests.venues.polymarket_made import CONDITION, HASH, KEY, OPPOSITE, TOKEN, changed, client, knowing
from tests.venues.polymarket_made import payload as payload_of
from tests.venues.test_kalshi_once import VENUE

if TYPE_CHECKING:
    from hedgekit.types import Request

T0 = 1_764_000_000 * NS


def condition(winner: str = "", *, closed: bool = True, tokens: tuple[str, ...] = (TOKEN, OPPOSITE)) -> Reply:
    told: list[dict[str, Any]] = [{"token_id": token, "outcome": "", "price": 0.5, "winner": token == winner} for token in tokens]
    return Reply(200, msgspec.json.encode({"condition_id": CONDITION, "closed": closed, "tokens": told}))


def asked() -> Request:
    question = client().booked(0, 1, "condition 0")
    assert question is not None
    return question


@pytest.mark.parametrize(("winner", "payout"), [(TOKEN, 1), (OPPOSITE, 0)])
def test_a_condition_that_is_over_pays_its_winner(winner: str, payout: int) -> None:
    question = asked()
    assert (question.path, question.purpose) == (f"/markets/{CONDITION}", "booked")
    assert client().booked_of(question, condition(winner), T0) == ([Settled(T0, KEY, T0, Decimal(payout), final=True)], "")
    assert client().booked(0, 1, "condition 1") is None


def test_trades_that_failed_are_asked_for_by_when_they_were_matched_then_the_conditions() -> None:
    made = knowing()
    question = made.booked(T0, T0 + 5 * NS, "")
    assert question is not None
    assert (question.path, question.purpose) == (f"/data/trades?after={T0 // NS - 61}&next_cursor=MA%3D%3D", "booked")
    (told,), more = made.booked_of(question, Reply(200, payload_of("trades")), T0)
    assert isinstance(told, TakenBack)
    assert (told.executed.fill_id, told.executed.cause, told.executed.qty) == (f"t-3/{HASH}", "trade", Decimal(10))
    assert (told.undone.fill_id, told.undone.cause, told.undone.qty) == (f"t-3-reversed/{HASH}", "reversal", Decimal(-10))
    assert (told.undone.order_id, told.instrument, more) == ("s1-1-0", KEY, "condition 0")
    assert made.booked_of(question, Reply(200, changed("trades", next_cursor="MTAw")), T0)[1] == "MTAw"
    following = made.booked(T0, T0, "MTAw")
    assert following is not None
    assert following.path.endswith("next_cursor=MTAw")


def test_what_may_be_taken_back_is_asked_for_once_it_is_final() -> None:
    """Each execution: one that comes while an earlier one is asked for has its own time."""
    bookings = Bookings(client(), traded=False)
    bookings.begin(T0, None, T0)
    bookings.ask(T0, exposed=False)
    amounts = {"qty": Decimal(1), "price": Decimal("0.5"), "fee": Decimal(0)}
    fill = Fill(ts_ns=T0 + NS, order_id="a", fill_id="1", instrument=KEY, venue_ns=T0, **amounts)
    bookings.restore(fill)
    assert (bookings.soon_ns(), bookings.due(T0)) == (None, True)
    bookings = Bookings(client(), traded=False)
    bookings.restore(fill)
    bookings.begin(T0, None, T0 + 2 * NS)
    assert bookings.due(T0 + 2 * NS)
    (question,) = bookings.ask(T0 + 2 * NS, exposed=False)
    _, (more,) = bookings.reply(question, Reply(200, b'{"data":[],"next_cursor":"LTE="}'), T0 + 2 * NS)
    bookings.reply(more, condition(""), T0 + 2 * NS)
    assert (bookings.soon_ns(), bookings.due(T0 + 60 * NS), bookings.open) == (T0 + 61 * NS, False, True)
    bookings.note(msgspec.structs.replace(fill, ts_ns=T0 + 9 * NS))
    assert bookings.soon_ns() == T0 + 61 * NS
    bookings.ask(T0 + 61 * NS, exposed=False)
    assert bookings._soon_ns == T0 + 69 * NS
    bookings.note(msgspec.structs.replace(fill, ts_ns=T0 + 70 * NS, cause="reversal"))
    assert bookings._soon_ns == T0 + 69 * NS, "what is taken back is final"


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
