"""Deribit's answers over HTTP: its words in ours, nonsense refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hedgekit.errors import VenueError
from hedgekit.types import NS, Execution, Instrument, Kind, Payment, Reply, Request, State, Word
from hedgekit.venues.deribit import Deribit, rules
from tests.venues.deribit_made import BTC, ETH, ORDER, body, changed, client, failure, payload, result


def found(data: bytes) -> State:
    """Return what a look-up's answer says."""
    return client().state_of(client().lookup(ORDER), Reply(200, data))


def positions(data: bytes) -> dict[str, Decimal]:
    """Return the positions in an answer."""
    return client().held_of([Reply(200, data), Reply(200, payload("account"))])[0]


def test_answers() -> None:
    made = client()
    assert made.state_of(made.submit(ORDER), Reply(200, payload("placed"))) == State("BTC-584864807", over=True, filled=Decimal(97))
    assert found(payload("by_label")) == State("BTC-584864807", over=True, filled=Decimal(4))
    held, cash = made.held_of([Reply(200, payload("positions")), Reply(200, payload("account"))])
    assert held == {"DERIBIT:BTC-PERPETUAL": Decimal(-4)}
    assert cash == Decimal("10.00000021")
    assert made.latest_of(Reply(200, payload("order_book"))) == {"DERIBIT:BTC-PERPETUAL": 1_764_000_000_800_000_000}


@pytest.mark.parametrize("size", [-40.0, 40.0])
def test_the_direction_decides_a_positions_sign(size: float) -> None:
    assert positions(changed("positions", "result", 0, size=size)) == {"DERIBIT:BTC-PERPETUAL": Decimal(-4)}
    assert positions(changed("positions", "result", 0, size=size, direction="buy")) == {"DERIBIT:BTC-PERPETUAL": Decimal(4)}


def test_a_position_in_what_is_not_traded_counts_in_the_venues_amount() -> None:
    assert positions(changed("positions", "result", 0, instrument_name="BTC-26DEC26")) == {"DERIBIT:BTC-26DEC26": Decimal(-40)}


def test_two_orders_of_one_label_are_an_error() -> None:
    one = msgspec.json.decode(payload("by_label"))["result"][0]
    with pytest.raises(VenueError, match=r"2 orders have label 's1-1-0' \('BTC-584864807', 'BTC-2'\)"):
        found(result([one, one | {"order_id": "BTC-2"}]))


SUBMIT, CANCEL, LOOKUP = client().submit(ORDER), client().cancel(ORDER, "BTC-1"), client().lookup(ORDER)


@pytest.mark.parametrize(
    ("request_", "status", "data", "word"),
    [
        (SUBMIT, 200, payload("placed"), Word.DONE),
        (CANCEL, 200, result({"order_id": "BTC-1"}), Word.DONE),
        (LOOKUP, 200, payload("by_label"), Word.DONE),
        (LOOKUP, 200, result([]), Word.MISSING),
        (LOOKUP, 400, failure("order_not_found", 10_004), Word.MISSING),
        (SUBMIT, 400, payload("error_funds"), Word.REFUSED),
        (SUBMIT, 400, payload("error_params"), Word.REFUSED),
        (SUBMIT, 200, payload("error_funds"), Word.REFUSED),
        (SUBMIT, 400, failure("post_only_reject", 11_054), Word.REFUSED),
        (SUBMIT, 400, failure("timed_out", 13_888), Word.REFUSED),
        (SUBMIT, 400, failure("order_not_found", 10_004), Word.REFUSED),
        (SUBMIT, 400, failure("other_reject Margin", 11_030), Word.REFUSED),
        (SUBMIT, 400, failure("other_error Engine", 11_031), Word.UNKNOWN),
        (SUBMIT, 400, failure("internal_server_error", 11_094), Word.UNKNOWN),
        (SUBMIT, 500, payload("error_funds"), Word.UNKNOWN),
        *((SUBMIT, status, payload("error_rate"), Word.BUSY) for status in (200, 400, 429)),
        (SUBMIT, 400, failure("matching_engine_queue_full", 10_047), Word.BUSY),
        (SUBMIT, 400, failure("settlement_in_progress", 10_041), Word.BUSY),
        (SUBMIT, 429, b"", Word.BUSY),
        *((CANCEL, 400, failure(name), Word.ENDED) for name in ("order_not_found", "already_closed", "not_open_order", "already_filled")),
        (CANCEL, 400, failure("unauthorized", 13_009), Word.REFUSED),
        *((SUBMIT, status, b"", Word.UNKNOWN) for status in (0, 408, 425, 500, 502, 503, 504)),
        (SUBMIT, 200, b"", Word.UNKNOWN),
        (SUBMIT, 200, b"<html>", Word.UNKNOWN),
        (SUBMIT, 200, b'{"jsonrpc":"2.0","id":1}', Word.UNKNOWN),
        (CANCEL, 200, b"", Word.UNKNOWN),
        (LOOKUP, 200, b"<html>", Word.DONE),
        (SUBMIT, 302, b"", Word.REFUSED),
        (SUBMIT, 403, b"<html>", Word.REFUSED),
    ],
)
def test_what_an_answer_says(request_: Request, status: int, data: bytes, word: Word) -> None:
    assert Deribit.word_of(request_, Reply(status, data)) is word


def test_refusals_say_why() -> None:
    assert Deribit.error_of(Reply(400, payload("error_funds"))) == ("10009", "not_enough_funds")
    said = "Invalid params reason=must be a multiple of the contract size param=amount"
    assert Deribit.error_of(Reply(400, payload("error_params"))) == ("-32602", said)
    assert Deribit.error_of(Reply(502, b"<html>Bad Gateway")) == ("502", "HTTP 502: b'<html>Bad Gateway'")
    assert Deribit.error_of(Reply(400, failure("new\nline", 1))) == ("1", "'new\\nline'")


def logged(**fields: Any) -> Reply:
    """Answer the question for the first currency's log with the documented one, the settlement's fields changed."""
    answer = msgspec.json.decode(changed("log", "result", "logs", 1, **fields))
    return Reply(200, msgspec.json.encode(answer | {"id": 0}))


def test_funding_is_read_from_the_log_with_its_coin_and_mark() -> None:
    """The documented settlement: 0.00000993 BTC at 51,807.07; its session's profit is told by executions, and a transfer is no result."""
    both = client(BTC, ETH)
    asked = both.booked(NS, 2 * NS, "")
    (paid,), more = both.booked_of(asked, logged(), 9)
    told = {"instrument": BTC.key, "payment_id": "61311", "venue_ns": 1_613_659_544_153 * 10**6, "coin": "BTC", "mark": Decimal("51807.07")}
    assert paid == Payment(ts_ns=9, amount=Decimal("0.00000993"), **told)
    assert more == "BTC:61282"
    assert body(both.booked(NS, 2 * NS, more))["params"]["continuation"] == 61_282
    last = msgspec.json.decode(logged().body)
    last["result"]["continuation"] = None
    assert both.booked_of(asked, Reply(200, msgspec.json.encode(last)), 9)[1] == "ETH:"
    last |= {"id": 1}
    assert both.booked_of(asked, Reply(200, msgspec.json.encode(last)), 9)[1] == ""


@pytest.mark.parametrize("fields", [{"instrument_name": "SOL-PERPETUAL"}, {"interest_pl": 0}, {"interest_pl": None}])
def test_what_is_no_funding_of_ours_is_not_booked(fields: dict[str, Any]) -> None:
    assert client().booked_of(client().booked(0, NS, ""), logged(**fields), 9)[0] == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"price": None}, "61311.*at price None"), ({"price": 0}, "at price 0"), ({"interest_pl": "NaN"}, "NaN"), ({"id": "x"}, "int")],
)
def test_funding_without_amounts_is_an_error(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(VenueError, match=why):
        client().booked_of(client().booked(0, NS, ""), logged(**fields), 9)


@pytest.mark.parametrize(
    ("reply", "wait_ns"),
    [
        (Reply(400, failure("too_many_requests", 10_028, {"wait": 2})), 2 * NS),
        (Reply(400, failure("too_many_requests", 10_028, {"wait": True})), None),
        (Reply(400, failure("too_many_requests", 10_028, {"wait": -1})), None),
        (Reply(400, failure("too_many_requests", 10_028, {"wait": 1e300})), None),
        (Reply(400, payload("error_rate")), None),
        (Reply(429, b"", {"retry-after": "3"}), 3 * NS),
        (Reply(429, b"", {"retry-after": "soon"}), None),
        (Reply(200, payload("placed")), None),
    ],
)
def test_how_long_to_wait(reply: Reply, wait_ns: int | None) -> None:
    assert Deribit.limits_of(reply, 5) == (wait_ns, {})


# ------------------------------------------------------------------ executions


def test_an_execution_is_exact_and_a_rebate_is_a_fee_below_zero() -> None:
    executions, page = client().fills_of(Reply(200, payload("executions")))
    expected = Execution(
        venue_order_id="BTC-584864807",
        fill_id="48079262",
        instrument="DERIBIT:BTC-PERPETUAL",
        venue_ns=1_764_000_000_400_000_000,
        qty=Decimal(-4),
        price=Decimal(99_000),
        fee=Decimal("-0.00000021"),
        fee_coin="BTC",
    )
    assert (executions, page) == ([expected], "")


def asked(request: Request) -> tuple[int, dict[str, Any]]:
    """Return the number and the parameters of a question for executions."""
    told = body(request)
    return told["id"], told["params"]


def test_executions_are_asked_page_by_page_and_currency_by_currency() -> None:
    made = client(BTC, ETH)
    trade = msgspec.json.decode(payload("executions"))["result"]["trades"][0]
    since = 1_764_000_000_999_999_999
    common, number = {"count": 1000, "sorting": "asc"}, 1_764_000_000_000
    assert asked(made.fills(since, "")) == (number, common | {"currency": "BTC", "start_timestamp": 1_764_000_000_999})
    more = made.fills_of(Reply(200, result({"trades": [trade], "has_more": True}, 0)))[1]
    assert asked(made.fills(since, more)) == (number, common | {"currency": "BTC", "start_id": "48079262"})
    other = made.fills_of(Reply(200, result({"trades": [], "has_more": False}, 0)))[1]
    assert asked(made.fills(since, other)) == (number + 1, common | {"currency": "ETH", "start_timestamp": 1_764_000_000_999})
    of_eth = trade | {"trade_id": "ETH-15", "instrument_name": "ETH-PERPETUAL", "fee_currency": "ETH", "amount": 3}
    executions, more = made.fills_of(Reply(200, result({"trades": [of_eth], "has_more": True}, 1)))
    assert (executions[0].qty, executions[0].instrument) == (Decimal(-3), "DERIBIT:ETH-PERPETUAL")
    assert asked(made.fills(since, more)) == (number + 1, common | {"currency": "ETH", "start_id": "ETH-15"})
    assert made.fills_of(Reply(200, result({"trades": [of_eth], "has_more": False}, 1)))[1] == ""


def listed(request: Request, trades: Sequence[object] = (), *, more: bool = False, at_s: int | None = None) -> Reply:
    """Return an answer to a question for executions, by the venue's clock."""
    clock = {} if at_s is None else {"usOut": at_s * 1_000_000}
    return Reply(
        200, msgspec.json.encode({"jsonrpc": "2.0", "id": body(request)["id"], "result": {"trades": trades, "has_more": more}} | clock)
    )


def test_what_is_older_than_a_day_is_asked_for_too_after_what_is_recent() -> None:
    made, since_s = client(BTC, ETH), 1_764_000_000
    trade = msgspec.json.decode(payload("executions"))["result"]["trades"][0]
    at_s, page, pages = since_s + 86_400, "", list[dict[str, Any]]()
    for trades, more in (((), False), ((), False), ((trade,), True), ((), False), ((), False)):
        request = made.fills(since_s * NS, page)
        pages.append(asked(request)[1])
        page = made.fills_of(listed(request, trades, more=more, at_s=at_s))[1]
    assert page == ""
    assert [(one["currency"], one.get("historical", False), one.get("start_id")) for one in pages] == [
        ("BTC", False, None),
        ("ETH", False, None),
        ("BTC", True, None),
        ("BTC", True, "48079262"),
        ("ETH", True, None),
    ]
    assert {one["start_timestamp"] for one in pages if "start_id" not in one} == {since_s * 1000}


@pytest.mark.parametrize(("age_s", "old"), [(0, False), (23 * 3_600, False), (23 * 3_600 + 1, True), (30 * 86_400, True), (None, True)])
def test_old_ones_are_asked_for_only_if_there_may_be_some(age_s: int | None, old: bool) -> None:  # noqa: FBT001 - a case
    made, since_s = client(BTC), 1_764_000_000
    request = made.fills(since_s * NS, "")
    page = made.fills_of(listed(request, at_s=None if age_s is None else since_s + age_s))[1]
    assert page == ("old BTC:" if old else "")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (result({"trades": [], "has_more": True}, 0), "promise more behind none"),
        (result({"trades": [], "has_more": False}, 1), "came without that request"),
        (result({"trades": [], "has_more": False}, -1), "came without that request"),
        (changed("executions", id=None), "came without that request"),
        *(
            (changed("executions", "result", "trades", 0, **{field: value}), word)
            for field, value, word in [
                ("price", "NaN", "price NaN"),
                ("price", 0, "price 0"),
                ("amount", 0, "amount 0"),
                ("amount", "NaN", "amount NaN"),
                ("amount", -10, "amount -10"),
                ("fee", "Infinity", "fee Infinity"),
                ("fee", None, "missing required field `fee`"),
                ("direction", "zero", "cannot be read"),
                ("fee_currency", "USDC", "has its fee in 'USDC'"),
                ("trade_id", "", "cannot be read"),
            ]
        ),
    ],
)
def test_executions_without_meaning_are_refused(data: bytes, word: str) -> None:
    with pytest.raises(VenueError, match="deribit") as caught:
        client().fills_of(Reply(200, data))
    assert word in str(caught.value)


@pytest.mark.parametrize(
    ("call", "data", "word"),
    [
        (found, b"{}", "orders of a label cannot be read"),
        (found, result([{"order_id": ""}]), "cannot be read"),
        (found, changed("by_label", "result", 0, order_state="melted"), "order state 'melted' of 'BTC-584864807' is not understood"),
        (found, changed("by_label", "result", 0, filled_amount="NaN"), "holds NaN"),
        (positions, result([{"instrument_name": "BTC-PERPETUAL", "size": 1, "direction": "up"}]), "positions cannot be read"),
        (positions, changed("positions", "result", 0, direction="zero"), "has size -40.0 and direction zero"),
        (positions, changed("positions", "result", 0, size=0), "has size 0 and direction sell"),
        (positions, changed("positions", "result", 0, size="NaN"), "holds NaN"),
        (lambda data: client().held_of([Reply(200, data)]), result({"balance": "Infinity"}), "account holds Infinity"),
        (lambda data: client().latest_of(Reply(200, data)), b"\xff", "book cannot be read"),
    ],
)
def test_answers_without_meaning_name_what(call: Any, data: bytes, word: str) -> None:
    with pytest.raises(VenueError, match="deribit") as caught:
        call(data)
    assert word in str(caught.value)
    assert len(str(caught.value)) < 700


# ------------------------------------------------------------ sizes, ticks, fees


def test_perpetuals_are_read_with_their_fees_and_ticks() -> None:
    btc, eth = rules.instruments_of(Reply(200, payload("instruments")))
    assert btc.instrument == Instrument(
        "DERIBIT",
        "BTC-PERPETUAL",
        Kind.INVERSE_PERP,
        tick=Decimal("0.5"),
        lot=Decimal(1),
        multiplier=Decimal(10),
        fees=btc.instrument.fees,
    )
    assert btc.instrument.fees.rate == btc.taker == Decimal("0.0005")
    assert (btc.maker, btc.currency, btc.active, btc.leverage) == (Decimal(0), "BTC", True, Decimal(50))
    assert (eth.instrument.kind, eth.instrument.lot, eth.currency) == (Kind.LINEAR_PERP, Decimal(1), "USDC")
    assert [eth.tick(Decimal(price)) for price in (100, 101)] == [Decimal("0.01"), Decimal("0.05")]
    assert btc.tick(Decimal(99_000)) == Decimal("0.5")
    assert len(client(btc.instrument, eth.instrument).holdings()) == 3


@pytest.mark.parametrize(
    ("field", "value"), [("contract_size", 0), ("contract_size", 7), ("tick_size", 0), ("tick_size", -1), ("tick_size", "NaN")]
)
def test_sizes_without_meaning_are_refused(field: str, value: object) -> None:
    with pytest.raises(VenueError, match=r"deribit: (instrument|amount)"):
        rules.instruments_of(Reply(200, changed("instruments", "result", 0, **{field: value})))
