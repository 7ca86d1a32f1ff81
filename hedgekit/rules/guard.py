"""Pre-trade limits of an account: what an order may not be, whatever the strategy thinks (the last check before the venue).

Pure, and apart from the compiled rules: it sees orders, not signals. A refused order is answered with a
:class:`~hedgekit.types.Reject` as the venue would, so the Hedger deals with it and a replay gives the same again. An order that makes a
position smaller is never refused for size, rate or loss: limits must not hold anyone in a position.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import (
    NS,
    Action,
    Cancelled,
    Command,
    Decision,
    Fill,
    Input,
    Instrument,
    Order,
    Payment,
    Quote,
    Record,
    Reject,
    SessionEnded,
    SessionStarted,
    Switch,
)

CODE = "guard"
"""Code of the Rejects that this room makes."""

_MINUTE_NS = 60 * NS
_DUST = 1e-9


class Limits(msgspec.Struct, frozen=True):
    """What all pairs of an account together may do; 0 is no limit.

    Parameters
    ----------
    order_notional : float
        Money that one order may be worth, at the mid price.
    gross_notional : float
        Money that all positions and working orders may be worth together, longs and shorts added.
    position : dict
        Largest quantity of an instrument, by its key, long or short, with what works.
    orders_per_minute : int
        Orders in any minute.
    collar : float
        How far a limit may lie beyond the touch, as a fraction of it; the ladder's ``slippage_cap`` must fit in it.
    session_loss : float
        Money that may be lost since the session began, or since a person resumed it, at mid prices and with fees: then both legs are
        closed and no trade is opened until a person resumes.

    Raises
    ------
    ConfigError
        If a limit is negative or no number.
    """

    order_notional: float = 0.0
    gross_notional: float = 0.0
    position: dict[str, float] = {}
    orders_per_minute: int = 0
    collar: float = 0.05
    session_loss: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        numbers = {name: getattr(self, name) for name in self.__struct_fields__ if name != "position"}
        for name, number in (numbers | {f"position of {key}": most for key, most in self.position.items()}).items():
            if not 0.0 <= number < math.inf:
                msg = f"limits: {name}={number}: write a number from 0; 0 is no limit"
                raise ConfigError(msg)


@dataclass(slots=True)
class _Held:
    """What an account has of one instrument, all fills together."""

    instrument: Instrument
    qty: float = 0.0
    units: float = 0.0
    paid: float = 0.0
    bid: float = math.nan
    ask: float = math.nan

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2.0

    def take(self, fill: Fill) -> None:
        """Count a fill: money is ``units`` x price - ``paid``, for an inverse perpetual too."""
        qty, price, multiplier = float(fill.qty), float(fill.price), float(self.instrument.multiplier)
        self.qty += qty
        self.units += qty * multiplier / price if self.instrument.inverse else qty * multiplier
        self.paid += (qty * multiplier if self.instrument.inverse else qty * multiplier * price) + float(fill.fee_money)

    def worth(self, qty: float) -> float:
        """Return the money that so much is worth, whichever the side."""
        price = 1.0 if self.instrument.inverse else self.mid
        return abs(qty) * float(self.instrument.multiplier) * price if qty else 0.0

    @property
    def gain(self) -> float:
        """Money won so far, at the mid."""
        return -self.paid if self.units == 0.0 else self.units * self.mid - self.paid


class Guard:
    """Watches the orders of one account.

    Parameters
    ----------
    limits : Limits
        What is allowed.
    instruments : iterable of Instrument
        What is traded.

    Attributes
    ----------
    stopped : Command or None
        The command by which too great a loss closed everything, until a person resumes.
    """

    def __init__(self, limits: Limits, instruments: tuple[Instrument, ...]) -> None:
        self.limits = limits
        self._held = {instrument.key: _Held(instrument) for instrument in instruments}
        self._working: dict[str, tuple[str, float]] = {}
        self._times: deque[int] = deque()
        self._booked: set[tuple[str, ...]] = set()
        self._base = 0.0
        self.stopped: Command | None = None

    # ------------------------------------------------------------- what it must be told

    def restore(self, record: Record, owner: str) -> None:
        """Take up what the journal of a pair holds, record by record; a refusal of ours that is in it was no order."""
        if isinstance(record, Decision):
            for order in record.orders:
                self._working[order.order_id] = (order.instrument, float(order.qty))
                self._times.append(record.ts_ns)
        elif isinstance(record, Reject) and record.code == CODE and record.ts_ns in self._times:
            self._times.remove(record.ts_ns)
        if not isinstance(record, Decision | SessionStarted | SessionEnded | Switch):
            self._follow(record, owner)

    def note(self, event: Input, owner: str) -> Command | None:
        """Follow an event of a pair; return the command to close everything if it is the one by which too much is lost.

        What a venue settles or pays, it books once for the account; each pair is told its own part of it, under the same id.
        """
        self._follow(event, owner)
        return self._lost(event.ts_ns) if isinstance(event, Quote | Fill | Payment) else None

    def _follow(self, event: Input, owner: str) -> None:
        if isinstance(event, Quote):
            if event.whole:  # else the last mid goes on marking
                held = self._held[event.instrument]
                held.bid, held.ask = event.bid, event.ask
        elif isinstance(event, Fill):
            self._filled(event, owner)
        elif isinstance(event, Payment):
            self._paid(event, owner)
        elif isinstance(event, Cancelled | Reject):
            self._working.pop(event.order_id, None)
        elif isinstance(event, Command):
            self._commanded(event)

    def _filled(self, fill: Fill, owner: str) -> None:
        if (owner, "filled", *fill.key) in self._booked:
            return
        self._booked.add((owner, "filled", *fill.key))
        self._held[fill.instrument].take(fill)
        if fill.cause == "trade" and fill.order_id in self._working:
            key, left = self._working.pop(fill.order_id)
            left -= float(fill.qty)
            if abs(left) > _DUST:
                self._working[fill.order_id] = (key, left)

    def _paid(self, payment: Payment, owner: str) -> None:
        if (owner, "paid", *payment.key) not in self._booked:
            self._booked.add((owner, "paid", *payment.key))
            self._held[payment.instrument].paid -= float(payment.money)

    def _commanded(self, command: Command) -> None:
        if command.name == "resume":
            gain = self.gain
            self._base, self.stopped = self._base if math.isnan(gain) else gain, None
        elif command.name == "flatten" and command.ref.startswith(CODE):
            self.stopped = command

    @property
    def gain(self) -> float:
        """Money won since the beginning, at mid prices, fees paid; NaN while something is held that was never quoted."""
        return sum(held.gain for held in self._held.values())

    def _lost(self, ts_ns: int) -> Command | None:
        if not self.limits.session_loss or self.stopped:
            return None
        loss = self._base - self.gain
        if not loss > self.limits.session_loss:
            return None
        ref = f"{CODE}: loss of {loss:,.2f} is beyond session_loss={self.limits.session_loss:g}"
        self.stopped = Command(ts_ns=ts_ns, name="flatten", ref=ref)
        return self.stopped

    # ------------------------------------------------------------- what it says

    def refused(self, decision: Decision) -> list[Reject]:
        """Return the refusals of a decision's orders; take the rest for working.

        If one order that adds to a position is refused, all of the decision's that do are: a pair is opened whole or not at all (A13).
        """
        adds = {order.order_id for order in decision.orders if self._adds(order)}
        whys = {order.order_id: why for order in decision.orders if (why := self._why(order, adds=order.order_id in adds))}
        well = [order for order in decision.orders if order.order_id in adds - whys.keys()]
        whys |= self._too_much(well, decision.ts_ns)
        first = next((why for name, why in whys.items() if name in adds), "")
        if first and decision.action is Action.OPEN:
            whys = dict.fromkeys(adds, first) | whys
        for order in decision.orders:
            if order.order_id not in whys:
                self._working[order.order_id] = (order.instrument, float(order.qty))
                self._times.append(decision.ts_ns)
        return [Reject(ts_ns=decision.ts_ns, order_id=name, code=CODE, message=why) for name, why in whys.items()]

    def _adds(self, order: Order) -> bool:
        """Whether an order may make a position larger, with those of its side that work."""
        held, qty = self._held[order.instrument].qty, float(order.qty)
        beside = sum(left for key, left in self._working.values() if key == order.instrument and left * qty > 0.0)
        return held * qty >= 0.0 or abs(qty + beside) > abs(held) + _DUST

    def _why(self, order: Order, *, adds: bool) -> str:
        """Say what is wrong with one order alone; empty if nothing is."""
        held, collar = self._held[order.instrument], self.limits.collar
        touch = held.ask if order.qty > 0 else held.bid
        if collar and order.limit is not None:
            beyond = (float(order.limit) / touch - 1.0) * (1.0 if order.qty > 0 else -1.0)
            if beyond > collar + _DUST:
                return f"limit {order.limit} is {beyond:.2%} beyond the touch {touch:g}, more than collar={collar:g}"
        if not adds:
            return ""
        if math.isnan(held.mid):
            return f"{order.instrument} was never quoted"
        most = self.limits.order_notional
        worth = held.worth(float(order.qty))
        return f"worth {worth:,.2f}, more than order_notional={most:g}" if most and worth > most + _DUST else ""

    def _too_much(self, orders: list[Order], ts_ns: int) -> dict[str, str]:
        """Say what would be too much of all orders together, of those that add to positions."""
        while self._times and self._times[0] <= ts_ns - _MINUTE_NS:
            self._times.popleft()
        limits, planned, whys, sent = self.limits, self._planned(), {}, len(self._times)
        for order in orders:
            key, qty = order.instrument, float(order.qty)
            low, high = planned[key]
            new = (low, high + qty) if qty > 0.0 else (low + qty, high)
            gross = sum(self._held[name].worth(_size(one)) for name, one in (planned | {key: new}).items())
            most = limits.position.get(key, 0.0)
            if most and _size(new) > most + _DUST:
                whys[order.order_id] = f"{key} could become {_size(new):g}, beyond position={most:g}"
            elif limits.gross_notional and gross > limits.gross_notional + _DUST:
                whys[order.order_id] = f"all positions could become worth {gross:,.2f}, beyond gross_notional={limits.gross_notional:g}"
            elif limits.orders_per_minute and sent >= limits.orders_per_minute:
                whys[order.order_id] = f"{sent} orders in a minute, orders_per_minute={limits.orders_per_minute}"
            else:
                planned[key], sent = new, sent + 1
        return whys

    def _planned(self) -> dict[str, tuple[float, float]]:
        """Return what each instrument becomes if only the sells that work are filled, and if only the buys are."""
        planned = {key: (held.qty, held.qty) for key, held in self._held.items()}
        for key, left in self._working.values():
            low, high = planned[key]
            planned[key] = (low, high + left) if left > 0.0 else (low + left, high)
        return planned


def _size(between: tuple[float, float]) -> float:
    return max(abs(between[0]), abs(between[1]))
