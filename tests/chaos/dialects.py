"""What a request asks for, in each venue's own words: read from the documented protocols, without the product's code.

==========  =======================================================  ==========================================================
venue       an order                                                 tied to its intent by
==========  =======================================================  ==========================================================
ALPACA      POST /v2/orders: qty shares, side, limit_price           client_order_id
DERIBIT     POST private/buy or private/sell, JSON-RPC: amount is    label
            money for an inverse perpetual
KALSHI      POST /portfolio/events/orders: count, side, YES price    client_order_id
POLYMARKET  POST /order: what is given and taken of one of two       its hash (EIP-712), which the journal's Ack ties to our id;
            tokens, in millionths; a token's opposite is the         where no Ack came, the millisecond that it is signed with,
            contract sold, at 1 - p                                  its decision's, the instrument and quantity
==========  =======================================================  ==========================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from Crypto.Hash import keccak

if TYPE_CHECKING:
    from collections.abc import Iterable

Line = dict[str, Any]
Listed = Mapping[str, Line]
"""The instruments of one venue by symbol, as the journal's first record has them; ``native`` is what the venue knows it by."""

MS = 1_000_000


class Terms(NamedTuple):
    """What is ordered: symbol, signed quantity, and limit, None for a market order."""

    symbol: str
    qty: Decimal
    limit: Decimal | None


class Asked(NamedTuple):
    """A request, read.

    ``name`` is what the exchange knows an order by, ``takes`` tells an order that can only use up an id, and ``unlimited`` one that
    stands for a market order where the venue has none. ``at_ms`` is when an order was decided, where it says so.
    """

    kind: Literal["order", "cancel", "question"]
    name: str = ""
    terms: Terms | None = None
    takes: bool = False
    unlimited: bool = False
    at_ms: int = 0


QUESTION = Asked("question")
CANCEL = Asked("cancel")


def alpaca(line: Line, listed: Listed) -> Asked:  # noqa: ARG001 - all its words are in the body
    """Read a request to Alpaca."""
    if line["method"] == "DELETE":
        return CANCEL
    if line["method"] != "POST" or line["path"] != "/v2/orders":
        return QUESTION
    body = json.loads(line["body"])
    terms = Terms(body["symbol"], _signed(body["qty"], buys=body["side"] == "buy"), _price(body.get("limit_price")))
    return Asked("order", body["client_order_id"], terms, takes=body["time_in_force"] == "ioc")


def deribit(line: Line, listed: Listed) -> Asked:
    """Read a request to Deribit: the method is the end of the path."""
    method = line["path"].partition("?")[0].rpartition("/")[2]
    if method.startswith("cancel"):
        return CANCEL
    if line["method"] != "POST" or method not in {"buy", "sell"}:
        return QUESTION
    params = json.loads(line["body"], parse_float=Decimal, parse_int=Decimal)["params"]
    symbol = params["instrument_name"]
    qty = _signed(params["amount"], buys=method == "buy") / Decimal(listed[symbol]["multiplier"])
    limit = None if params["type"] == "market" else params["price"]
    return Asked("order", params["label"], Terms(symbol, qty, limit))


def kalshi(line: Line, listed: Listed) -> Asked:
    """Read a request to Kalshi: bids buy YES, asks sell it, all prices are of YES."""
    if line["method"] == "DELETE":
        return CANCEL
    if line["method"] != "POST" or not line["path"].endswith("/portfolio/events/orders"):
        return QUESTION
    body = json.loads(line["body"])
    buys, price, tick = body["side"] == "bid", Decimal(body["price"]), Decimal(listed[body["ticker"]]["tick"])
    at_once = body["time_in_force"] == "immediate_or_cancel"
    far, near = (1 - tick, tick) if buys else (tick, 1 - tick)
    terms = Terms(body["ticker"], _signed(body["count"], buys=buys), price)
    return Asked("order", body["client_order_id"], terms, takes=at_once and price == near, unlimited=at_once and price == far)


def polymarket(line: Line, listed: Listed) -> Asked:
    """Read a request to Polymarket: a purchase gives money and takes shares, a sale the reverse."""
    if line["method"] == "DELETE":
        return CANCEL
    if line["method"] != "POST" or line["path"] != "/order":
        return QUESTION
    body = json.loads(line["body"])
    order, buys = body["order"], body["order"]["side"] == "BUY"
    money, shares = (Decimal(order[name]) for name in (("makerAmount", "takerAmount") if buys else ("takerAmount", "makerAmount")))
    symbol, native, own = _condition(order["tokenId"], listed)
    price, size = money / shares, _signed(shares, buys=buys) / MS
    terms = Terms(symbol, size if own else -size, price if own else 1 - price)
    at_once = body["orderType"] == "FAK"
    return Asked("order", order_hash(order, neg_risk=native["neg_risk"]), terms, unlimited=at_once, at_ms=int(order["timestamp"]))


READERS: dict[str, Callable[[Line, Listed], Asked]] = {"ALPACA": alpaca, "DERIBIT": deribit, "KALSHI": kalshi, "POLYMARKET": polymarket}

TAKEN = {"ALPACA": {200}, "DERIBIT": {200}, "KALSHI": {201}, "POLYMARKET": {200}}
"""Statuses by which a venue says that it has taken an order."""

UNMATCHED = {"POLYMARKET": {400}}
"""What it says of one that was taken and found nothing: for Polymarket's FAK and FOK a normal end."""


def execution(venue: str, line: Line) -> str:
    """Return the journal's name of an execution: Polymarket's trade may be of several orders, so it is named with the order's hash."""
    return f"{line['execution_id']}/{line['client_id']}" if venue == "POLYMARKET" else str(line["execution_id"])


PROVISIONAL = {"POLYMARKET"}
"""Where an execution may fail after it was told: on the chain."""


def reverses(execution_id: str) -> str:
    """Return which execution one takes back: it has its name, with a word more before the order's hash; empty for none."""
    name, mark, order = execution_id.partition("-reversed")
    return name + order if mark else ""


def currency(venue: str, symbol: str) -> str:
    """Return what an instrument settles in: an inverse perpetual in its coin."""
    return symbol.partition("-")[0] if venue == "DERIBIT" else "USD"


LATE_NS = {"ALPACA": 120_000 * MS, "DERIBIT": 15_000 * MS, "KALSHI": 120_000 * MS, "POLYMARKET": 120_000 * MS}
"""How long after it has left an order may still reach the venue: Deribit's are signed to be valid for 10 s (and clocks may differ by 5),
the others do not say, so it is assumed."""

UNKEYED = {"DERIBIT", "POLYMARKET"}
"""Where nothing can take an order's id in its place: that it will never be there is known by waiting alone."""


def set_aside(venue: str, held: Mapping[str, Decimal], works: Iterable[Terms]) -> Decimal:
    """Return what the venue's word on cash leaves out for orders that work.

    At Kalshi a bid costs its price and an ask 1 less its price, for each contract that is not there to be closed: what closes a
    short gives its 1 back, and what closes a long costs nothing.
    """
    if venue != "KALSHI":
        return Decimal(0)
    works, total = list(works), Decimal(0)
    for one in works:
        others = [other.qty for other in works if other is not one and other.symbol == one.symbol and (other.qty > 0) == (one.qty > 0)]
        before = held.get(one.symbol, Decimal(0)) + sum(others)
        back = min(before + one.qty, Decimal(0)) - min(before, Decimal(0))
        total += max(Decimal(0), one.qty * (one.limit or Decimal(0)) - back)
    return total


# ------------------------------------------------------------------ Polymarket


def ties(asked: Iterable[Asked], acks: Mapping[str, str], decided: Mapping[str, tuple[int, str, Decimal]]) -> dict[str, str]:
    """Return our order ids by the hashes of what was sent.

    Parameters
    ----------
    asked : iterable of Asked
        Orders that were sent.
    acks : mapping
        Our id by the venue's, from the journal.
    decided : mapping
        By our id, when it was decided (ns), its symbol and its quantity.
    """
    moments: dict[tuple[int, str], dict[Decimal, str]] = {}
    for name, (at_ns, symbol, qty) in decided.items():
        moments.setdefault((at_ns // MS, symbol), {})[qty] = name
    found = {}
    for one in asked:
        if one.terms and (then := moments.get((one.at_ms, one.terms.symbol))):
            found[one.name] = then.get(one.terms.qty, next(iter(then.values())))
    return found | dict(acks)


def order_hash(order: Line, *, neg_risk: bool) -> str:
    """Return the EIP-712 hash of an order of exchange V2 on chain 137: its id."""
    at = "0xe2222d279d744050d28e00520010520000310F59" if neg_risk else "0xE111180000d2663C0091e4f400237545B87B996B"
    domain = _keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    domain = _keccak(domain + _keccak(b"Polymarket CTF Exchange") + _keccak(b"2") + _word(137) + _word(int(at, 16)))
    numbers = [
        order["salt"],
        int(order["maker"], 16),
        int(order["signer"], 16),
        order["tokenId"],
        order["makerAmount"],
        order["takerAmount"],
    ]
    numbers += [("BUY", "SELL").index(order["side"]), order["signatureType"], order["timestamp"]]
    numbers += [int(order[name], 16) for name in ("metadata", "builder")]
    fields = _keccak(_STRUCT) + b"".join(_word(int(number)) for number in numbers)
    return "0x" + _keccak(b"\x19\x01" + domain + _keccak(fields)).hex()


_STRUCT = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    b"uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)


def _keccak(data: bytes) -> bytes:
    digest: bytes = keccak.new(data=data, digest_bits=256).digest()
    return digest


def _word(number: int) -> bytes:
    return number.to_bytes(32)


def _condition(token: str, listed: Listed) -> tuple[str, Line, bool]:
    """Return the symbol of a token's condition, what the venue knows of it, and whether the token is the instrument's own."""
    for symbol, instrument in listed.items():
        native: Line = instrument["native"]
        if token in (native["token"], native["opposite"]):
            return symbol, native, token == native["token"]
    return token, {"neg_risk": False}, True


def _signed(amount: str | Decimal, *, buys: bool) -> Decimal:
    return Decimal(amount) * (1 if buys else -1)


def _price(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
