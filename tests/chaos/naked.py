"""L4 by hand: how much of a trade was unhedged for how long, by the exchange's executions, and as the session knew it.

At any moment a hedge should be what belongs to the primary that is held, by the targets that were last decided together; what it
is off by, at the mid price, is unhedged money. Its integral over the time of a trade is what a decision reports as ``naked``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.chaos.books import NS, Books, Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNMEASURED = {"quote", "ack", "payment", "reconciled", "session_started", "session_ended"}
"""Records on which the session does not measure anew."""


@dataclass
class Trade:
    """One round trip, in money x seconds.

    ``true`` is by the executions and when they happened, ``told`` by the journal's fills and when they were heard, ``late`` the most
    by which that delay can make them differ, and that prices move before the session measures anew. ``idle`` is
    the part of ``true`` in which the venue was there, quotes were young enough to act on, and the session had
    no order at work; ``blind`` is the part in which no order was at work, and no quote young enough to price one.
    ``reported`` is what the session said last, ``furthest`` the largest difference of any such figure from
    ``told``. ``acted``: the ladder or the budget cut an order short.
    """

    number: int
    true: float = 0.0
    told: float = 0.0
    late: float = 0.0
    idle: float = 0.0
    blind: float = 0.0
    reported: float = 0.0
    furthest: float = 0.0
    acted: bool = False


@dataclass
class _Meter:
    """Positions of one set of books, and what is unhedged in them."""

    held: dict[str, float] = field(default_factory=dict)
    off: float = 0.0
    since: int = 0
    settled: set[str] = field(default_factory=set)

    def charge(self, now: int) -> float:
        """Return what was unhedged up to now, money x seconds."""
        since, self.since = self.since, now
        return self.off * (now - since) / NS

    def add(self, key: str, qty: str) -> None:
        """Take an execution, exactly."""
        self.held[key] = float(Decimal(str(self.held.get(key, 0))) + Decimal(qty))


def _waits(kind: str, before: str, body: Line) -> bool:
    """Whether a decision on a record on which nothing is measured goes on as before, so that it measures nothing either."""
    changed = body.get("action") not in {"hold", "skip"} or body.get("reason") == "short_accepted"
    return kind == "decision" and before in _UNMEASURED and not changed


class Ledgers:
    """Walks through a run, moment by moment.

    Parameters
    ----------
    books : Books
        What the run left behind.
    away : sequence of (int, int)
        When the venue was not there, or not fit to be traded with.
    """

    def __init__(self, books: Books, away: Iterable[tuple[int, int]]) -> None:
        self._listed = {f"{one['venue']}:{one['symbol']}": one for one in books.rows[0].body["instruments"]}
        self._keys = list(self._listed)
        self._books, self._away = books, list(away)
        self._true, self._told = _Meter(), _Meter()
        self._full: list[float] = []
        self._mids: dict[str, float] = {}
        self._seen: dict[str, float] = {}
        self._quoted: dict[str, int] = {}
        self._moved = 0.0
        self._left: dict[str, Decimal] = {}
        self._happened: dict[tuple[str, str | None], tuple[int, float]] = {}
        self._then: dict[tuple[str, str | None], Trade] = {}
        self._unheard: dict[tuple[str, str | None], float] = {}
        self._last = max((row.body["ts_ns"] for row in books.rows if row.body["type"] == "decision"), default=0)
        self._trade = Trade(0)
        self.trades: dict[int, Trade] = {}

    def walk(self) -> dict[int, Trade]:
        """Return every trade by its number."""
        before = ""
        for now, _, kind, body in sorted(self._steps(), key=lambda step: step[:2]):
            if now > self._last:
                break  # no figure was reported later
            self._pass(now)
            if kind == "decision":
                self._decided(body, compare=before != "reconciled")
            elif kind == "executed":
                key = f"{body['venue']}:{body['symbol']}"
                self._true.settled |= {key} if body["event"] == "settled" and float(body["qty"]) else set()
                self._happened[key, body["execution_id"]] = now, self._worth(key, float(body["qty"]))
                self._unheard[key, body["execution_id"]] = float(body["qty"])
                self._then[key, body["execution_id"]] = self._trade
                self._true.add(key, body["qty"])
            elif kind == "fill":
                self._heard(body)
            elif kind in {"cancelled", "reject"}:
                self._left.pop(body["order_id"], None)
            elif kind == "quote" and 0 < body["bid"] <= body["ask"]:
                self._quoted[body["instrument"]] = now
                self._mids[body["instrument"]] = (body["bid"] + body["ask"]) / 2
                self._dearer()
            if kind not in _UNMEASURED | {"executed", "bound"} and not _waits(kind, before, body):
                self._seen = dict(self._mids)
                self._told.off = self._off(self._told, self._mids)
            self._true.off = self._off(self._true, self._mids)
            self._moved = abs(self._true.off - self._off(self._true, self._seen))
            before = kind
        return self.trades

    def _steps(self) -> Iterator[tuple[int, int, str, Line]]:
        """Yield (time, order within it, kind, what): executions before what was heard at the same time."""
        for line in self._books.ledger:
            if line["event"] in {"fill", "reversed", "settled"}:
                yield line["t"], 0, "executed", line
        for row in self._books.rows:
            yield row.body["ts_ns"], row.id, row.body["type"], row.body
        for bounds in self._away:
            yield from ((at, -1, "bound", {}) for at in bounds)

    def _pass(self, now: int) -> None:
        since, trade = self._true.since, self._trade
        true = self._true.charge(now)
        trade.true += true
        trade.late += self._moved * (self._true.since - since) / NS
        trade.told += self._told.charge(now)
        seen = max(min(now, self._fresh()) - since, 0)
        if not self._left:
            trade.blind += self._true.off * (now - since - seen) / NS
        if not self._left and not any(start <= since and now <= end for start, end in self._away):
            trade.idle += self._true.off * seen / NS

    def _fresh(self) -> int:
        """Return until when every leg has a quote that is young enough to act on."""
        age_ns = round(self._books.params["max_quote_age_s"] * NS)
        return min(self._quoted.get(key, 0) for key in self._keys) + age_ns

    def _decided(self, body: Line, *, compare: bool) -> None:
        if body["trade"] != self._trade.number:
            self._trade = self.trades[body["trade"]] = Trade(body["trade"])
        trade = self._trade
        trade.reported = body["naked"]
        if compare:
            trade.furthest = max(trade.furthest, abs(trade.told - body["naked"]))
        trade.acted |= body["reason"] in {"order_overdue", "naked_limit", "cut_back"}
        if body["targets"][0] and body["reason"] != "halt":
            self._full = body["targets"]
        self._left |= {order["order_id"]: abs(Decimal(order["qty"])) for order in body["orders"]}

    def _dearer(self) -> None:
        """Value what is executed and not heard yet at the dearest price since."""
        for place, qty in self._unheard.items():
            happened, worth = self._happened[place]
            self._happened[place] = happened, max(worth, self._worth(place[0], qty))

    def _heard(self, body: Line) -> None:
        ends = body.get("cause") == "settlement"
        place = body["instrument"], None if ends else body["fill_id"]
        self._told.settled |= {body["instrument"]} if ends else set()
        self._unheard.pop(place, None)
        self._told.add(body["instrument"], body["qty"])
        happened, worth = self._happened.get(place, (body["ts_ns"], 0.0))
        worth = max(worth, self._worth(body["instrument"], float(body["qty"])))  # the targets may have changed meanwhile
        told = {id(one): one for one in (self._then.get(place, self._trade), self._trade)}  # it may be told in a later trade
        for trade in told.values():
            trade.late += worth * (body["ts_ns"] - happened) / NS
        if body.get("cause", "trade") != "trade":
            return
        left = self._left.get(body["order_id"], Decimal(0)) - abs(Decimal(body["qty"]))
        if left > 0:
            self._left[body["order_id"]] = left
        else:
            self._left.pop(body["order_id"], None)

    def _off(self, meter: _Meter, mids: dict[str, float]) -> float:
        """Return the money that is unhedged, at these mid prices."""
        if not self._full:
            return 0.0
        share = 0.0 if self._keys[0] in meter.settled else meter.held.get(self._keys[0], 0.0) / self._full[0]
        legs = [(key, 0.0 if key in meter.settled else full) for key, full in self._hedges()]
        return sum(abs(meter.held.get(key, 0.0) - full * share) * self._price(key, mids) for key, full in legs)

    def _worth(self, key: str, qty: float) -> float:
        """Return the most that an execution changes of the unhedged money."""
        if not self._full:
            return 0.0
        shares = [qty if key == hedge else qty / self._full[0] * full * (key == self._keys[0]) for hedge, full in self._hedges()]
        return sum(abs(share) * self._price(hedge, self._mids) for share, (hedge, _) in zip(shares, self._hedges(), strict=True))

    def _price(self, key: str, mids: dict[str, float]) -> float:
        """Return the money of one unit, nothing before the first quote: a contract of an inverse perpetual is a fixed sum."""
        one, mid = self._listed[key], mids.get(key, 0.0)
        unit = float(one.get("multiplier", "1"))
        return unit * (mid > 0) if one.get("kind") == "inverse_perp" else unit * mid

    def _hedges(self) -> list[tuple[str, float]]:
        return list(zip(self._keys[1:], self._full[1:], strict=True))
