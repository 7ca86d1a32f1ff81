"""What Polymarket's answers mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Execution, MarketStatus, Reply, Request, Settled, State, TakenBack, Word
from hedgekit.venues.polymarket.account import Account, TradeMessage, ends
from hedgekit.venues.polymarket.requests import AT_ONCE, LAST
from hedgekit.venues.polymarket.tokens import Listed, Listing, Side
from hedgekit.venues.polymarket.wire import UNIT, amount, decode, parse_time, unread
from hedgekit.venues.reading import UNREADABLE, Name, wait_of

DUPLICATE = "Duplicated"
SHUT = ("Trading is currently disabled", "cancel-only", "post-only mode", "post_only_mode")
"""A 503 with one of these is the venue's own refusal, not a server that failed."""

_OK, _NOT_FOUND, _TOO_MANY, _UNAVAILABLE, _SERVER = 200, 404, 429, 503, 500
_NOBODY_KNOWS = (0, 408, 425)  # no answer, the venue's own time-out, an engine that restarts
_TAKEN = frozenset({"live", "matched", "delayed"})
_EMPTY = frozenset({b"", b"null", b"{}", b'""', b"[]"})


class _Posted(msgspec.Struct, rename={"order_id": "orderID", "error": "errorMsg", "making": "makingAmount", "taking": "takingAmount"}):
    success: bool
    status: str = ""
    order_id: str = ""
    error: str | None = None
    making: str = ""
    taking: str = ""


class _Error(msgspec.Struct, rename={"of_order": "errorMsg", "of_beat": "error_msg"}):
    error: str | None = None
    of_order: str | None = None
    of_beat: str | None = None
    code: str | int | None = None


class _Open(msgspec.Struct):
    id: Name
    status: str
    original_size: str
    size_matched: str
    order_type: str | None = None


class _Cancelled(msgspec.Struct):
    canceled: tuple[str, ...] = ()
    not_canceled: dict[str, str] = {}


class _Trades(msgspec.Struct):
    data: tuple[dict[str, object], ...]
    next_cursor: str


class _Balance(msgspec.Struct):
    balance: str


class _Book(msgspec.Struct):
    asset_id: Name
    timestamp: str


class _SentOrder(msgspec.Struct):
    side: Side


class _Sent(msgspec.Struct, rename={"kind": "orderType"}):
    order: _SentOrder
    kind: str


class _Key(msgspec.Struct, rename={"key": "apiKey"}):
    key: Name
    secret: Name
    passphrase: Name


class _Beat(msgspec.Struct):
    heartbeat_id: Name


def error_of(reply: Reply) -> tuple[str, str]:
    """Return (code, message) of a refusal; a body that is not Polymarket's is quoted."""
    try:
        error: _Error = decode(reply.body, _Error, "error")
    except VenueError:
        error = _Error()
    said = error.error or error.of_order or error.of_beat
    if said is None:
        return str(reply.status), f"HTTP {reply.status}: {reply.body[:200]!r}"
    return str(reply.status if error.code is None else error.code), said


def word_of(request: Request, reply: Reply) -> Word:
    """Return what an answer says; it says nothing certain if it cannot be read."""
    status = reply.status
    if status == _TOO_MANY:
        return Word.BUSY
    if status in _NOBODY_KNOWS or status >= _SERVER:
        shut = status == _UNAVAILABLE and any(word in " ".join(error_of(reply)) for word in SHUT)
        return Word.REFUSED if shut else Word.UNKNOWN
    read = {"submit": _submitted, "cancel": _cancelled, "lookup": _looked_up}.get(request.purpose)
    if read is not None:
        return read(reply)
    return Word.DONE if status == _OK else Word.REFUSED


def _looked_up(reply: Reply) -> Word:
    """Return whether an order is open; of one that is over, or never was, nothing is found."""
    if reply.status == _NOT_FOUND or (reply.status == _OK and reply.body.strip() in _EMPTY):
        return Word.MISSING
    return Word.DONE if reply.status == _OK else Word.REFUSED


def _submitted(reply: Reply) -> Word:
    """Return what became of an order entry: some refusals are a 200 with success, a message and no order id."""
    if reply.status != _OK:
        return Word.DUPLICATE if DUPLICATE in error_of(reply)[1] else Word.REFUSED
    try:
        posted: _Posted = decode(reply.body, _Posted, "answer to an order")
    except VenueError:
        return Word.UNKNOWN
    if posted.error or not posted.success:
        return Word.DUPLICATE if DUPLICATE in (posted.error or "") else Word.REFUSED
    return Word.DONE if posted.order_id and posted.status in _TAKEN else Word.UNKNOWN  # "unmatched": it may rest


def _cancelled(reply: Reply) -> Word:
    if reply.status != _OK:
        return Word.REFUSED
    try:
        found: _Cancelled = decode(reply.body, _Cancelled, "answer to a cancel")
    except VenueError:
        return Word.UNKNOWN
    if not (found.canceled or found.not_canceled):
        return Word.UNKNOWN
    return Word.DONE if found.canceled else Word.ENDED


def limits_of(reply: Reply, now_ns: int) -> tuple[int | None, dict[str, int]]:
    """Return ns to wait (Retry-After), and nothing of what is left.

    Poly-RateLimit-Remaining does not say which of the signer's buckets it counts, and the answer alone does not say what was asked.
    """
    return wait_of(reply.headers.get("retry-after", ""), now_ns), {}


def state_of(request: Request, reply: Reply, names: Mapping[str, str]) -> State:
    """Return the order from the answer to a submit or a look-up.

    Raises
    ------
    VenueError
        If it cannot be read, or names another order than the one whose hash was computed.
    """
    if request.purpose == "lookup":
        found: _Open = decode(reply.body, _Open, "order")
        matched = amount(found.size_matched, "an order's matched size")
        state = State(found.id, ends(found.status, found.order_type, amount(found.original_size, "an order's size"), matched), matched)
    else:
        state = _posted(request, reply)
    if names.get(state.venue_id) != request.order_id:
        msg = f"polymarket: the answer on order {request.order_id!r} names {state.venue_id[:80]!r}, which is not the hash that was signed"
        raise VenueError(msg)
    return state


def _posted(request: Request, reply: Reply) -> State:
    posted: _Posted = decode(reply.body, _Posted, "answer to an order")
    sent: _Sent = decode(request.body or b"", _Sent, "own order")
    shares = posted.taking if sent.order.side == "BUY" else posted.making
    over = posted.status == "matched" and sent.kind in AT_ONCE
    return State(posted.order_id, over, amount(shares or "0", "an executed size"))


def _trades(reply: Reply) -> tuple[list[TradeMessage], str]:
    page: _Trades = decode(reply.body, _Trades, "trades")
    try:
        return [msgspec.convert({**one, "event_type": "trade"}, TradeMessage) for one in page.data], page.next_cursor
    except UNREADABLE as error:
        what = "trades"
        raise unread(reply.body, what, error) from error


def fills_of(account: Account, reply: Reply) -> tuple[list[Execution], str]:
    """Return executions, oldest first in their page, those that failed with their reversals, and the cursor of more."""
    trades, cursor = _trades(reply)
    found = [one for trade in trades for one in account.executions(trade)]
    return sorted(found, key=lambda one: one.venue_ns), "" if cursor == LAST else cursor


def failed_of(account: Account, reply: Reply, ts_ns: int) -> tuple[list[TakenBack], str]:
    """Return the executions that have failed, each with its reversal, and the cursor of more."""
    trades, cursor = _trades(reply)
    told = [one.fill(account.name(one.venue_order_id), ts_ns) for trade in trades if trade.undone for one in account.executions(trade)]
    return [TakenBack(*pair) for pair in zip(told[::2], told[1::2], strict=True)], "" if cursor == LAST else cursor


def _balances(all_listed: Sequence[Listed], replies: Sequence[Reply]) -> tuple[list[tuple[Decimal, Decimal]], Decimal]:
    """Return (of the token, of its opposite) for each instrument, and collateral."""
    found = [amount(decode(reply.body, _Balance, "balance").balance, "a balance") * UNIT for reply in replies]
    if len(found) != 2 * len(all_listed) + 1:
        msg = f"polymarket: {len(found)} balances came, {2 * len(all_listed) + 1} were asked for"
        raise VenueError(msg)
    return list(zip(found[:-1:2], found[1::2], strict=True)), found[-1]


def held_of(all_listed: Sequence[Listed], replies: Sequence[Reply]) -> tuple[dict[str, Decimal], Decimal]:
    """Return signed quantity by instrument key, and cash.

    Cash is the collateral and 1 for each opposite token. Who sells at p without holding has paid 1 - p for an opposite token here,
    and has been paid p in the core's books: 1 is between them. So cash + quantity x price is what the account is worth, at any price.
    """
    pairs, collateral = _balances(all_listed, replies)
    held = {one.key: own - opposite for one, (own, opposite) in zip(all_listed, pairs, strict=True) if own != opposite}
    return held, collateral + sum((opposite for _, opposite in pairs), Decimal(0))


class _Outcome(msgspec.Struct):
    token_id: str
    winner: bool = False


class _Standing(msgspec.Struct):
    closed: bool
    accepting_orders: bool


class _Condition(msgspec.Struct):
    closed: bool
    tokens: list[_Outcome]


def outcome_of(listed: Sequence[Listed], reply: Reply, ts_ns: int) -> list[Settled]:
    """Return how the instruments of one condition have ended: nothing while it is open, or closed and no winner is named yet.

    A condition that pays both sides a part names no winner, and is not told here. When it ended is not said: the time is the answer's.
    """
    found: _Condition = decode(reply.body, _Condition, "condition")
    won = {one.token_id for one in found.tokens if one.winner}
    if not found.closed or not won:
        return []
    strangers = {token for one in listed for token in (one.native.token, one.native.opposite)} - {one.token_id for one in found.tokens}
    if strangers or len(won) > 1:
        msg = f"polymarket: a condition's outcome names {len(won)} winners, and tokens that are not those asked for: {reply.body[:200]!a}"
        raise VenueError(msg)
    return [Settled(ts_ns, one.key, ts_ns, Decimal(one.native.token in won), final=True) for one in listed]


def statuses_of(keys: Iterable[str], reply: Reply, ts_ns: int) -> list[MarketStatus]:
    """Return whether the instruments of one condition can be traded: closed for good, paused while it takes no orders, else open."""
    found: _Standing = decode(reply.body, _Standing, "condition")
    status: Literal["open", "closed", "paused"] = "closed" if found.closed else "open" if found.accepting_orders else "paused"
    return [MarketStatus(ts_ns=ts_ns, instrument=key, status=status) for key in keys]


def latest_of(listing: Listing, reply: Reply) -> dict[str, int]:
    """Return the venue's time of the present books by instrument key."""
    books: Iterable[_Book] = decode(reply.body, tuple[_Book, ...], "books")
    quoted = {one.native.token: one.key for one in listing.quoted}
    return {quoted.get(one.asset_id, listing.key(one.asset_id)): parse_time(one.timestamp) for one in books}


def key_of(reply: Reply) -> tuple[str, str, str]:
    """Return (key, secret, passphrase) of an API key; an answer without one is not quoted, for it may hold a part of it."""
    try:
        found = msgspec.json.decode(reply.body, type=_Key)
    except UNREADABLE:
        msg = f"polymarket: the answer (HTTP {reply.status}) holds no API key with apiKey, secret and passphrase"
        raise VenueError(msg) from None
    return found.key, found.secret, found.passphrase


def heartbeat_of(reply: Reply) -> str:
    """Return the id that the next beat must carry: the answer's to an accepted one, or the expected one of a 400."""
    beat: _Beat = decode(reply.body, _Beat, "heartbeat")
    return beat.heartbeat_id
