"""What one run of the campaign is: drawn from the campaign's seed and the run's number alone.

A deck of all fault kinds is shuffled and dealt, so that over a few runs each kind comes about as often as another; where
and for how long is drawn. Only PCG64's plain doubles are used, which are the same on every machine and in every version.
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from hedgekit.data import SyntheticBinary, SyntheticMarket
from hedgekit.exchange import FillModel
from hedgekit.exchange.faults import EVERYWHERE, Fault, FaultKind
from hedgekit.exchange.faults.fault import MESSAGES, ORDERS, STATES
from tests.chaos import desks

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

ROWS = 240
SCARCE = 30
"""Requests in a minute, in a run that has few."""

FIT_BARS = 30
LAST_ENTRY = (0.8, 0.8, 0.8, 2.0)
"""Parts of the tape after which the plan ends: most sessions have closed what they opened when the tape ends, some have not."""

NOTIONAL = 20_000.0
KILL_POINTS = ("session.received", "session.decided", "outbox.after_commit", "outbox.after_send", "feeds.reopened", "session.asked")
"""Where a session is killed; the last one is passed by a restarted session alone."""

LONGEST_S = 100_000.0
"""Of an outage on a daily tape: a day and some hours. The session tries again every 30 s of the tape's time, each time for real."""

_SECONDS = {
    FaultKind.LATE: (0.05, 30.0),
    FaultKind.DELAYED_ACK: (0.05, 30.0),
    FaultKind.REJECT_HEDGE: (0.01, 1.0),
    FaultKind.FREEZE: (3.0, 90.0),
    FaultKind.SKEW: (0.5, 600.0),
    FaultKind.PAUSE: (1.0, 120.0),
    FaultKind.OUTAGE: (1.0, 120.0),
}
"""From where to where, each power of ten as likely as another; those that last are longer on a slow tape."""


class Recipe(msgspec.Struct, frozen=True):
    """All that a run depends on.

    Attributes
    ----------
    seed, run : int
        What it was drawn from.
    desk : str
        The venue, or two of them joined by "+": one of :data:`tests.chaos.desks.DESKS`.
    market : SyntheticMarket or SyntheticBinary
        The tape.
    model : FillModel
        Fill model and latencies of the exchange.
    budget : int
        Requests that a venue allows in a minute; 0 for what it allows usually.
    params : dict
        Of the strategy.
    faults : tuple of Fault
        The plan of faults; over two venues each is aimed at one of them, or at both.
    kills : tuple of str
        "point:n": the session's first process kills itself when it passes the point for the n-th time, the process after it
        by the second entry, and so on; the one after the last entry is not killed.
    """

    seed: int
    run: int
    desk: str
    market: SyntheticMarket | SyntheticBinary
    model: FillModel
    budget: int
    params: dict[str, Any]
    faults: tuple[Fault, ...]
    kills: tuple[str, ...]

    @property
    def session(self) -> str:
        """The session's name, first part of every client order id."""
        return f"chaos-{self.seed}-{self.run}"


class Draws:
    """Random numbers of one run."""

    def __init__(self, seed: int, run: int) -> None:
        self._rng = np.random.Generator(np.random.PCG64([seed, run]))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number from ``low`` up to ``high``."""
        return low + (high - low) * float(self._rng.random())

    def spread(self, low: float, high: float) -> float:
        """Return a number, each power of ten as likely as another."""
        return round(exp(self.uniform(log(low), log(high))), 3)

    def whole(self, low: int, high: int) -> int:
        """Return one of ``low`` to ``high``."""
        return low + int(self.uniform() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True so often."""
        return self.uniform() < probability

    def one(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[int(self.uniform() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a random order."""
        left, dealt = list(items), []
        while left:
            dealt.append(left.pop(self.whole(0, len(left) - 1)))
        return dealt


def draw(seed: int, run: int, desk: str = "") -> Recipe:
    """Return the recipe of a run, at a desk, or at the one whose turn it is."""
    desk = desk or desks.DESKS[run % len(desks.DESKS)]
    draws = Draws(seed, run)
    row_s = desks.row_s(desk, draws.one((1.0,) * 7 + (5.0, 60.0, 86_400.0)))
    market = SyntheticMarket(
        rows=ROWS,
        row_s=row_s,
        seed=draws.whole(1, 10**6),
        ratio=round(draws.uniform(0.5, 1.3), 3),
        half_life=round(draws.uniform(2.0, 8.0), 2),
        spread_sd=0.004,
        hedge_vol=0.0005,
        size_notional=draws.spread(4_000.0, 60_000.0),
        stale_hedge=draws.one((0.0, 0.0, 0.05)),
    )
    model = FillModel(name=draws.one(("next_quote", "next_quote", "touch")))
    budget = draws.one((200, 200, 200, 200, 200, SCARCE))
    params = _params(draws, row_s)
    kills = _kills(draws)
    faults = (*_aimed(draws, _faults(draws, row_s, kills), desk), *_reversals(draws, desk))
    traded = desks.market(desk, market)
    if isinstance(traded, SyntheticBinary):
        traded = msgspec.structs.replace(traded, settles=draws.chance(0.5))
    allowed = desks.budget(desk, budget, scarce=budget == SCARCE)
    return Recipe(seed, run, desk, traded, model, allowed, desks.params(desk, params), faults, kills)


def _aimed(draws: Draws, faults: tuple[Fault, ...], desk: str) -> tuple[Fault, ...]:
    venues = desk.split("+")
    if len(venues) == 1:
        return faults
    return tuple(msgspec.structs.replace(fault, venue=draws.one(("", *venues))) for fault in faults)


def _reversals(draws: Draws, desk: str) -> tuple[Fault, ...]:
    """Return fills that fail at the venue where they can; drawn last, so that the other desks' runs do not depend on it."""
    if desks.PROVISIONAL not in desk.split("+"):
        return ()
    at = [draws.whole(1, 12) for _ in range(draws.whole(2, 5))]
    return tuple(Fault(FaultKind.REVERSAL, f"submit:{number}", draws.spread(0.2, 30.0), venue=desks.PROVISIONAL) for number in at)


def _params(draws: Draws, row_s: float) -> dict[str, Any]:
    offset = (14 * 3_600 + 30 * 60) % row_s + 0.5  # half a second after the row of half past two, when the tapes begin
    return {
        "structure": draws.one(("pairs",) * 7 + ("delta", "synthetic", "unhedged")),
        "lookback": 10,
        "entry": round(draws.uniform(0.8, 1.6), 2),
        "target": 0.2,
        "stop": 5.0,
        "bar_s": row_s,
        "bar_offset_s": offset,
        "notional": NOTIONAL,
        "slippage_buffer": 0.0,
        "interval_s": draws.one((0.5, 2.0, 5.0)),
        "fit_bars": FIT_BARS,
        "refit_bars": 1_000_000,
        "plan_valid_days": round((draws.one(LAST_ENTRY) * ROWS - FIT_BARS) * row_s / 86_400, 6),
        "evidence_override": "A chaos run: its market is synthetic and the pair is reverting by construction.",
        "order_type": draws.one(("market", "limit", "limit")),
        "patience_s": draws.one((0.0, 1.0, 2.0, 5.0)),
        "accept_filled": draws.one((1.0, 0.8, 0.5)),
        "retries": draws.whole(0, 3),
        "slippage_cap": draws.one((0.0, 0.002, 0.005)),
        "naked_limit_s": draws.one((0.0, 2.0, 5.0, 15.0, 60.0)),
        "breaker_s": draws.one((10.0, 30.0, 45.0)),
    }


def _kills(draws: Draws) -> tuple[str, ...]:
    kills: list[str] = []
    for _ in range(draws.whole(0, 3)):
        if kills and draws.chance(0.4):  # in the middle of a recovery
            kills.append(draws.one(("session.asked:1", "session.asked:1", "session.received:1", "session.received:3")))
            continue
        point = draws.one(KILL_POINTS[:5])
        most = {"session.received": 400, "feeds.reopened": 1}.get(point, 15)
        kills.append(f"{point}:{draws.whole(1, most)}")
    return tuple(kills)


def _faults(draws: Draws, row_s: float, kills: tuple[str, ...]) -> tuple[Fault, ...]:
    number = draws.whole(9, 27)
    kinds = [*draws.shuffled(EVERYWHERE), *draws.shuffled(EVERYWHERE)][:number]
    faults = [_fault(kind, draws, row_s) for kind in kinds]
    if any(kill.startswith("feeds.reopened") for kill in kills):  # else there may be no socket to open again
        faults.append(Fault(FaultKind.DISCONNECT, f"row:{draws.whole(20, 150)}"))
    return tuple(faults)


def _fault(kind: FaultKind, draws: Draws, row_s: float) -> Fault:
    most = {"submit": 24, "cancel": 3, "request": 50, "md": 2 * ROWS, "trade": 70, "row": ROWS}
    place = draws.one(_places(kind))
    at = f"{place}:{draws.whole(1, most[place])}"
    fraction = round(draws.uniform(0.05, 0.95), 2) if kind is FaultKind.PARTIAL else 0.0
    several = kind not in STATES and draws.chance(0.3)
    count = draws.whole(1, 20) if kind is FaultKind.SKEW else draws.whole(2, 3) if several else 1
    return Fault(kind, at, _seconds(kind, draws, row_s), fraction, count)


def _places(kind: FaultKind) -> tuple[str, ...]:
    if kind in ORDERS:
        return ("submit",)
    if kind in MESSAGES:
        return ("md", "trade")
    if kind is FaultKind.OUTAGE:
        return ("row", "request")
    return ("row", "md") if kind in STATES else ("submit", "submit", "cancel", "request", "request")


def _seconds(kind: FaultKind, draws: Draws, row_s: float) -> float:
    if kind is FaultKind.TOO_MANY:
        return float(draws.one((0, 0, 1, 3, 10)))
    if kind not in _SECONDS or (kind is FaultKind.REJECT_HEDGE and draws.chance(0.5)):
        return 0.0
    seconds = draws.spread(*_SECONDS[kind])
    if kind in {FaultKind.FREEZE, FaultKind.PAUSE, FaultKind.OUTAGE} and row_s > 1 and draws.chance(0.5):
        seconds = round(min(seconds * row_s / 5, LONGEST_S), 3)
    return -seconds if kind is FaultKind.SKEW and draws.chance(0.5) else seconds
