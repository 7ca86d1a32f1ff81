"""The sans-I/O state machine around the compiled step: ``on(event) -> Decision``.

The Hedger only packs events into records and unpacks decisions: it names orders,
turns floats into exact quantities, and remembers which orders are alive. It reads
no clock: its driver wakes it with a :class:`~hedgekit.types.Timer` at
:attr:`Hedger.wakeup_ns`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from hedgekit.errors import ConfigError, VenueError
from hedgekit.params import Params
from hedgekit.rules import state as codes
from hedgekit.step import step_in
from hedgekit.step.records import NO_RATIOS, OBSERVED, OUT, OUT_FIELDS, pack_params, pack_plan, structure_legs, venues_of
from hedgekit.types import (
    Ack,
    Action,
    Cancelled,
    Command,
    Decision,
    Fill,
    Funding,
    Gap,
    Input,
    Instrument,
    Link,
    MarketStatus,
    Order,
    Payment,
    Phase,
    PlanRevised,
    Priority,
    Quote,
    Reason,
    Reconciled,
    Reject,
    Score,
    TickChanged,
    Timer,
)

_ROUTINE = (Reason.NOTED, Reason.IN_BAND)
_RANK = {priority: rank for rank, priority in enumerate(Priority)}


def routine(decision: Decision) -> bool:
    """Whether a decision says nothing new (a hold between bars) and need not be journalled."""
    return decision.action is Action.HOLD and decision.reason in _ROUTINE and not decision.orders and not decision.cancels


def in_turn(orders: Sequence[Order], action: Action) -> list[Order]:
    """Return a decision's orders as they reach the venue: CLOSE, HEDGE, PRIMARY (A17); an entry's hedge follows its primary (A13)."""
    return list(orders) if action is Action.OPEN else sorted(orders, key=lambda order: _RANK[order.priority])


class Unpacker:
    """Turns outcome records into :class:`Decision`, naming orders and knowing which are alive.

    Shared by the Hedger and the backtest, so that both say the same in the same words.
    """

    def __init__(self, session: str, instruments: Sequence[Instrument]) -> None:
        self.session = session
        self.instruments = tuple(instruments)
        self.alive: dict[str, tuple[int, Decimal]] = {}
        self.sequence = 0
        self._legs = len(self.instruments)

    def decision(self, out: memoryview) -> Decision:
        """Return the decision in the bytes of an outcome record; its orders are alive from now on, its cancels asked for."""
        values: Any = OUT.unpack_from(out)
        fields: list[Any] = [values[where] for where in OUT_FIELDS]
        return self.said(*fields)

    def said(  # noqa: PLR0913 - the fields of an outcome record, as Python numbers and lists, in the record's order
        self,
        ts_ns: int,
        action: int,
        reason: int,
        phase: int,
        trade: int,
        _bar: int,
        z: float,
        ratio: float,
        delta: float,
        cost: float,
        benefit: float,
        mid: list[float],
        pos: list[float],
        target: list[float],
        order: list[float],
        expected: list[float],
        cancel: list[int],
        limit: list[float],
        naked: float,
    ) -> Decision:
        """Return the decision that these values say (a backtest unpacks whole columns at once: ten times as fast)."""
        legs = self._legs
        orders: tuple[Order, ...] = ()
        if any(order):
            orders = self._orders(ts_ns, trade, order[:legs], pos, expected, limit, closing=codes.PHASES[phase] is Phase.CLOSING)
        cancels = tuple(name for name, (leg, _) in self.alive.items() if cancel[leg]) if any(cancel) else ()
        for one in in_turn(orders, codes.ACTIONS[action]):
            self.alive[one.order_id] = (one.leg, one.qty)
        return Decision(
            ts_ns=ts_ns,
            action=codes.ACTIONS[action],
            reason=codes.REASONS[reason],
            phase=codes.PHASES[phase],
            trade=trade,
            z=None if z != z else z,  # noqa: PLR0124 - NaN differs from itself
            ratio=None if ratio != ratio else ratio,  # noqa: PLR0124 - as above
            delta=None if delta != delta else delta,  # noqa: PLR0124 - as above
            cost=cost,
            benefit=benefit,
            mids=tuple([None if value != value else value for value in mid[:legs]]),  # noqa: PLR0124 - as above
            positions=tuple(pos[:legs]),
            targets=tuple(target[:legs]),
            orders=orders,
            cancels=cancels,
            naked=naked,
        )

    def _orders(  # noqa: PLR0913 - what an outcome says of its orders
        self,
        ts_ns: int,
        trade: int,
        quantities: list[float],
        held: list[float],
        expected: list[float],
        limits: list[float],
        *,
        closing: bool,
    ) -> tuple[Order, ...]:
        self.sequence += 1
        return tuple(
            Order(
                order_id=f"{self.session}-{self.sequence}-{leg}",
                ts_ns=ts_ns,
                leg=leg,
                instrument=self.instruments[leg].key,
                qty=whole(qty, self.instruments[leg].lot),
                expected=Decimal(repr(expected[leg])),
                priority=Priority.CLOSE if closing else (Priority.HEDGE if leg else Priority.PRIMARY),
                trade=trade,
                kind="limit" if limits[leg] else "market",
                limit=whole(limits[leg], self.instruments[leg].tick) if limits[leg] else None,
                reduces=held[leg] * qty < 0.0 and abs(qty) <= abs(held[leg]) - self._alive(leg, qty),
            )
            for leg, qty in enumerate(quantities)
            if qty
        )

    def _alive(self, leg: int, side: float) -> float:
        """Return how much living orders of a leg may still buy, or sell; unsigned."""
        return float(sum(abs(left) for other, left in self.alive.values() if other == leg and (left > 0) == (side > 0)))

    def filled(self, order_id: str, qty: Decimal) -> int:
        """Take a fill off a living order; return its leg.

        Raises
        ------
        VenueError
            If no such order is alive, or the fill is on its other side or larger than what is left.
        """
        leg, left = self.find(order_id)
        if not 0 < qty / left <= 1:
            msg = f"the venue reports a fill of {qty} on order {order_id!r}, of which {left} is left"
            raise VenueError(msg)
        if left == qty:
            del self.alive[order_id]
        else:
            self.alive[order_id] = (leg, left - qty)
        return leg

    def over(self, order_id: str) -> tuple[int, Decimal]:
        """Forget an order that is over; return its leg and what was not filled."""
        found = self.find(order_id)
        del self.alive[order_id]
        return found

    def find(self, order_id: str) -> tuple[int, Decimal]:
        """Return (leg, quantity left) of a living order.

        Raises
        ------
        VenueError
            If this session has no such order alive.
        """
        if order_id not in self.alive:
            msg = f"the venue reports on order {order_id!r}, which this session does not have open"
            raise VenueError(msg)
        return self.alive[order_id]


def whole(qty: float, lot: Decimal) -> Decimal:
    """Return the exact multiple of ``lot`` nearest to a computed quantity."""
    return Decimal(round(qty / float(lot))) * lot


class Hedger:
    """Decides for one pair or basket: events in, decisions out, nothing else.

    Parameters
    ----------
    session : str
        Name of the session; part of every client order id.
    instruments : sequence of Instrument
        Leg order: the primary first, then its hedge or hedges.
    params : Params
        The strategy's numbers.

    Examples
    --------
    >>> hedger = Hedger("s1", [ko, pep], Params())            # doctest: +SKIP
    >>> decision = hedger.on(Quote(ts_ns=..., ...))           # doctest: +SKIP
    """

    def __init__(self, session: str, instruments: Sequence[Instrument], params: Params) -> None:
        self.params = params
        self.instruments = tuple(instruments)
        self._legs = {instrument.key: leg for leg, instrument in enumerate(self.instruments)}
        rows = [np.zeros(1, kind) for kind in (codes.STATE, codes.PARAMS, codes.OBSERVATION, codes.OUT)]
        self._s = rows[0][0]
        rows[1][0] = pack_params(params, self.instruments)
        self._p, self.legs = rows[1][0], structure_legs(params, self.instruments)
        self._s["z"] = math.nan
        self._bytes = [row.view(np.uint8) for row in rows]
        self._o, self._out = self._bytes[2].data, self._bytes[3].data
        self._wakeup_ns = 0
        self._unpack = Unpacker(session, self.instruments)
        self._fills: set[tuple[str, str]] = set()

    # ------------------------------------------------------------- what a driver needs to know

    @property
    def wakeup_ns(self) -> int | None:
        """When to send the next :class:`Timer`; None for not until something happens."""
        return self._wakeup_ns or None

    @property
    def phase(self) -> Phase:
        """Where the pair is in its life."""
        phase: Phase = codes.PHASES[self._s["phase"]]
        return phase

    @property
    def bars(self) -> int:
        """Bars closed so far."""
        return int(self._s["bars"])

    @property
    def positions(self) -> dict[str, float]:
        """Filled quantity by instrument key."""
        return dict(zip(self._legs, self._s["pos"].tolist(), strict=False))

    @property
    def working(self) -> tuple[str, ...]:
        """Client ids of the orders that are alive."""
        return tuple(self._unpack.alive)

    # ------------------------------------------------------------- the one entry

    def on(self, event: Input) -> Decision:
        """Take one event, return one decision (often "hold"; always with a reason).

        Raises
        ------
        VenueError
            If the event speaks of an order or instrument that this session does not have.
        """
        said: dict[str, Any] = self._observe(event) or {"kind": codes.NOTE}
        get = said.get
        head = (event.ts_ns, said["kind"], get("leg", 0), get("a", 0.0), get("b", 0.0))
        OBSERVED.pack_into(self._o, 0, *head, *get("ratio", NO_RATIOS), get("until_ns", 0), get("flag", 0))
        self._wakeup_ns = step_in(*self._bytes)
        return self._unpack.decision(self._out)

    def _observe(self, event: Input) -> dict[str, Any] | None:  # noqa: C901, PLR0911, PLR0912 - one case for each kind of event
        match event:
            case Quote():
                return {"kind": codes.QUOTE, "leg": self._leg(event.instrument), "a": event.bid, "b": event.ask}
            case Timer():
                return {"kind": codes.TIMER}
            case Fill():
                return self._filled(event)
            case Cancelled():
                if event.order_id not in self._unpack.alive:
                    return None
                leg, left = self._unpack.over(event.order_id)
                return {"kind": codes.DONE, "leg": leg, "a": float(left)}
            case Reject():
                leg, left = self._unpack.over(event.order_id)
                return {"kind": codes.REJECTED, "leg": leg, "a": float(left)}
            case PlanRevised():
                return pack_plan(event.plan, self.legs, self.params.significance)
            case Score():
                figures = {"a": event.z, "b": event.sd}
                return {"kind": codes.SCORE} | {name: math.nan if figure is None else figure for name, figure in figures.items()}
            case Command():
                return self._told(event)
            case Gap():
                return {"kind": codes.GAP, "until_ns": event.since_ns}
            case MarketStatus():
                return {"kind": codes.STATUS, "leg": self._leg(event.instrument), "flag": int(event.status != "open")}
            case Link():
                return {"kind": codes.LINK, "leg": codes.LINKS[event.state], "flag": self._venue(event.venue)}
            case Reconciled():
                number = self._venue(event.venue) if event.venue else -1
                return {"kind": codes.AGREED, "leg": number, "flag": int(event.agrees)}
            case TickChanged():
                self._tick(self._leg(event.instrument), event.tick)
                return None
            case Ack() | Funding() | Payment():
                return None

    def _filled(self, fill: Fill) -> dict[str, Any] | None:
        if fill.key in self._fills:
            return None
        leg = self._unpack.filled(fill.order_id, fill.qty) if fill.cause == "trade" else self._leg(fill.instrument)
        self._fills.add(fill.key)
        kind = codes.FILL if fill.cause == "trade" else codes.BOOKED
        return {"kind": kind, "leg": leg, "a": float(fill.qty), "b": float(fill.price), "flag": int(fill.cause == "settlement")}

    def _tick(self, leg: int, tick: Decimal) -> None:
        """Quote and order in another tick from now on."""
        listed = [*self.instruments]
        listed[leg] = msgspec.structs.replace(listed[leg], tick=tick)
        self.instruments = self._unpack.instruments = tuple(listed)
        self._p["tick"][leg] = float(tick)

    def _leg(self, key: str) -> int:
        if key not in self._legs:
            msg = f"the venue spoke of {key!r}; this session trades {', '.join(self._legs)}"
            raise VenueError(msg)
        return self._legs[key]

    def _venue(self, name: str) -> int:
        venues = venues_of(self.instruments)
        if name not in venues:
            msg = f"a message of venue {name!r} reached a session that trades at {', '.join(venues)}"
            raise VenueError(msg)
        return venues.index(name)

    def _told(self, command: Command) -> dict[str, Any] | None:
        if command.name not in codes.COMMANDS:
            msg = f"unknown command {command.name!r}; known: {', '.join(codes.COMMANDS)}"
            raise ConfigError(msg)
        if command.refusal:
            return None
        if command.name == "set":
            self._set(self.params.changed(command.changes))
        return {"kind": codes.COMMAND, "leg": codes.COMMANDS[command.name]}

    def _set(self, params: Params) -> None:
        """Decide by other numbers from now on."""
        self.params, record = params, pack_params(params, self.instruments)
        for name in record.dtype.names or ():
            self._p[name] = record[name]
