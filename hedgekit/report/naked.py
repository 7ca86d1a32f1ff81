"""A18 and L4: how long one leg stood without the other, how much money x seconds that was, and what the orders did meanwhile.

Money x seconds is the engine's own measure (``Decision.naked``). How long it took, and what kept the legs apart, is read from the
same records: what is held against what the last targets wanted, quotes by their age, refusals, and the venue's silence.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hedgekit.report.words import count, span
from hedgekit.types import NS, Decision, Fill, Link, MarketStatus, Quote, Reason, Reject

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hedgekit.params import Params
    from hedgekit.types import Instrument, Record

LADDER = {
    Reason.ORDER_OVERDUE: "an overdue order was cancelled",
    Reason.LEG_SHORTFALL: "what was missing was ordered again",
    Reason.LEG_REJECTED: "the venue refused an order",
    Reason.SHORT_ACCEPTED: "a leg was accepted short",
    Reason.CUT_BACK: "the pair was cut back to what both legs had",
    Reason.NAKED_LIMIT: "the same at once, half of the budget being used",
    Reason.VENUE_SILENT: "the venue fell silent, or its feed stood still",
    Reason.VENUE_BACK: "it was heard again: cancel, reconcile, close",
}
"""The steps of the ladder and of the breaker, in their order."""

_DUST = 1e-6


@dataclass(slots=True)
class Uneven:
    """One trade whose legs were uneven.

    Attributes
    ----------
    trade : int
        Its number.
    opened_ns : int
        When it was entered.
    money_s : float
        Money x seconds unhedged, by the engine.
    used_s : float
        The part of it while every leg could be traded and had a fresh quote: what the budget is for.
    seconds, quiet_s, unheard_s : float
        How long the legs were uneven; of it without a fresh quote, and of it while a venue was not heard.
    hurried : bool
        Whether the ladder was cut short (NAKED_LIMIT).
    overdue : int
        Orders that were overdue.
    refused : Counter of str
        Refusals by the venue's code.
    """

    trade: int
    opened_ns: int
    money_s: float = 0.0
    used_s: float = 0.0
    seconds: float = 0.0
    quiet_s: float = 0.0
    unheard_s: float = 0.0
    hurried: bool = False
    overdue: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def cause(self) -> str:
        """What kept the legs apart, in words."""
        parts = [f"{count(n, 'order')} refused ({code})" for code, n in self.refused.most_common()]
        if self.overdue:
            parts.append(f"{count(self.overdue, 'order')} overdue")
        if self.unheard_s:
            parts.append(f"venue not heard for {span(self.unheard_s)}")
        elif self.quiet_s:
            parts.append(f"no fresh quote for {span(self.quiet_s)}")
        return "; ".join(parts) or "one leg filled after the other"


class _Legs:
    """Both legs as a session's records go by."""

    def __init__(self, instruments: Sequence[Instrument], params: Params) -> None:
        self.trades: dict[int, Uneven] = {}
        self._legs = {instrument.key: leg for leg, instrument in enumerate(instruments)}
        self._each = [(float(instrument.multiplier), instrument.inverse) for instrument in instruments]
        self._age_ns = round(params.max_quote_age_s * NS)
        legs = len(instruments)
        self._held, self._shape, self._mid = [0.0] * legs, [0.0] * legs, [0.0] * legs
        self._quoted, self._shut = [0] * legs, [False] * legs
        self._trade = Uneven(0, 0)
        self._orders: dict[str, int] = {}
        self._seen: set[tuple[str, str]] = set()
        self._silent: set[str] = set()
        self._naked, self._at_ns = 0.0, 0

    def take(self, record: Record) -> None:
        self._charge(record.ts_ns)
        match record:
            case Quote():
                leg = self._legs[record.instrument]
                valid = record.whole
                self._mid[leg] = 0.5 * (record.bid + record.ask) if valid else self._mid[leg]
                self._quoted[leg] = record.ts_ns if valid else 0
                return
            case Decision():
                self._decided(record)
            case Fill() if record.key not in self._seen:
                self._seen.add(record.key)
                self._held[self._legs[record.instrument]] += float(record.qty)
            case Reject() if record.order_id in self._orders:
                self.trades[self._orders[record.order_id]].refused[record.code] += 1
            case Link() if record.state != "restarted":  # of ours, and no word of the venue
                (self._silent.discard if record.state == "up" else self._silent.add)(record.venue)
            case MarketStatus():
                self._shut[self._legs[record.instrument]] = record.status != "open"
            case _:
                pass
        self._naked = sum(self._alone(leg) for leg in range(1, len(self._held)))

    def _decided(self, decision: Decision) -> None:
        if decision.trade:
            self._trade = self.trades.setdefault(decision.trade, Uneven(decision.trade, decision.ts_ns))
            self._trade.money_s = max(self._trade.money_s, decision.naked)
            self._trade.hurried |= decision.reason is Reason.NAKED_LIMIT
            self._trade.overdue += len(decision.cancels) if decision.reason is Reason.ORDER_OVERDUE else 0
        self._orders |= {order.order_id: order.trade for order in decision.orders}
        if any(decision.targets):
            self._shape = list(decision.targets)

    def _alone(self, leg: int) -> float:
        """Money by which a hedge is not what belongs to the primary as held (``rules.legs.unhedged``)."""
        belongs = self._shape[leg] * self._held[0] / self._shape[0] if self._shape[0] else 0.0
        off = abs(self._held[leg] - belongs)
        each, inverse = self._each[leg]
        return off * each * (1.0 if inverse else self._mid[leg]) if off > _DUST * abs(self._shape[leg]) else 0.0

    def _charge(self, now_ns: int) -> None:
        """Count the time since the last record, if the legs were uneven in it."""
        if self._naked > 0.0:
            ages = [0 if shut else quoted + self._age_ns for quoted, shut in zip(self._quoted, self._shut, strict=True) if quoted or shut]
            until_ns = min(ages) if len(ages) == len(self._quoted) else 0
            passed, fresh = now_ns - self._at_ns, max(min(now_ns, until_ns) - self._at_ns, 0)
            self._trade.seconds += passed / NS
            self._trade.quiet_s += (passed - fresh) / NS
            self._trade.unheard_s += passed / NS if self._silent else 0.0
            self._trade.used_s += self._naked * fresh / NS
        self._at_ns = now_ns


def uneven(records: Iterable[Record], instruments: Sequence[Instrument], params: Params) -> list[Uneven]:
    """Return the trades whose legs were uneven for a time, in order."""
    legs = _Legs(instruments, params)
    for record in records:
        legs.take(record)
    return [trade for trade in legs.trades.values() if trade.money_s > 0.0]


def ladder(records: Iterable[Record]) -> dict[Reason, int]:
    """Return how often each step of the ladder and of the breaker was taken."""
    found = Counter(record.reason for record in records if isinstance(record, Decision))
    return {reason: found[reason] for reason in LADDER}
