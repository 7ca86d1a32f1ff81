"""What a follower hands out: what is new, and where the session stands now.

Everything is frozen. ``ts`` is milliseconds since 1970-01-01 UTC as a float,
as plots want it, in the session's own time (the tape's, in a sandbox);
``_recorded_ns`` is the wall clock of the machine that wrote the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from hedgekit.types import Instrument

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

BAR_COLUMNS = (
    "ts",
    "z",
    "ratio",
    "delta",
    "mid_primary",
    "mid_hedge",
    "pos_primary",
    "pos_hedge",
    "hedged",
    "unhedged",
    "dd_hedged",
    "dd_unhedged",
)
"""Columns of :attr:`News.bars`."""

NS_IN_MS = 1_000_000


def ms(ts_ns: int) -> float:
    """Return nanoseconds as milliseconds."""
    return ts_ns / NS_IN_MS


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry or an exit, for the plot of z.

    ``side`` is +1 long the spread, -1 short; ``kind`` "entry" or "exit"; ``reason`` of the decision ("entry", "target", "stop", ...).
    """

    ts: float
    z: float
    side: int
    kind: str
    reason: str
    trade: int


@dataclass(frozen=True, slots=True)
class FillRow:
    """A fill: qty signed, fee and slippage in money, + = paid; ``expected`` and ``slippage`` are NaN for an order not of this session."""

    ts: float
    trade: int
    leg: int
    role: str
    instrument: str
    qty: float
    price: float
    fee: float
    expected: float
    slippage: float
    order_id: str


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order that is not over. ``status``: unknown (no word from the venue yet), working, partially_filled."""

    order_id: str
    ts: float
    trade: int
    leg: int
    role: str
    instrument: str
    qty: float
    left: float
    expected: float
    status: str
    cancelling: bool


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision: what, why, and on which figures (NaN: not defined)."""

    ts: float
    action: str
    reason: str
    phase: str
    trade: int
    z: float
    cost: float
    benefit: float
    orders: int
    cancels: int


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command that was applied, or has a ``refusal``; ``ref`` is the message by which it came, ``changes`` what a "set" changed."""

    ts: float
    name: str
    ref: str
    changes: Mapping[str, float | int] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class GapRow:
    """Prices were missed from ``since`` to ``ts``."""

    ts: float
    since: float


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A hedge plan; ``valid_until`` in milliseconds, ``p_value`` NaN if there was no test."""

    ts: float
    ratio: float
    stderr: float
    n: int
    method: str
    valid_until: float
    p_value: float
    override: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Standing:
    """Where a session stands, by all that was read so far.

    Attributes
    ----------
    session : str
        Its name.
    started_ns : int or None
        Session time of its first record; None while it has none ("not started yet").
    instruments, market, version
        As the session started; empty before.
    params : mapping
        The strategy's numbers now: those of the start, and what was set since.
    phase : str
        Of the last decision; "" before the first.
    paused : bool
        Whether a person paused entries.
    trade : int
        Number of the present or last round trip.
    z, delta, ratio : float
        As of the last decision; NaN if not defined.
    bars : int
        Bars that closed.
    hedged, unhedged : float
        Money at the last bar's close, as in :attr:`News.bars`.
    mids : tuple of float
        Of each leg, as of the last decision.
    positions : mapping of str to Decimal
        Filled quantity by instrument key, in leg order.
    cash, fees : Decimal
        Exact, as in ``Journal.ledger()``.
    fills : int
        A repeated fill_id is one fill.
    payments : Decimal
        What was booked without a trade (funding), received counted positive; as in ``Journal.ledger()``.
    working : tuple of WorkingOrder
        Orders that are not over.
    latency_p95_ms : float
        Decision to acknowledgement of the last 200 acknowledged orders, in the session's time; NaN without one.
    naked : float
        What the present or last trade was unhedged so far, money x seconds (L4).
    links : mapping of str to str
        How each venue is heard: up, down, frozen or restarted (A19).
    shut : mapping of str to str
        Instruments that cannot be traded now, by key: closed, halted or paused.
    plan : PlanRow or None
        The hedge plan in force.
    last_ns : int or None
        Session time of the newest record.
    last_recorded_ns, last_quote_recorded_ns : int or None
        Wall clock of the newest record, and of the newest quote.
    counts : mapping of str to int
        Records by type.
    records : int
        How many were read; the id of the last.
    behind : int
        Rows that are there and not read yet: poll again.
    ended : str or None
        The reason that the session gave when it ended.
    """

    session: str
    started_ns: int | None = None
    instruments: tuple[Instrument, ...] = ()
    params: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)
    market: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    phase: str = ""
    paused: bool = False
    trade: int = 0
    z: float = float("nan")
    delta: float = float("nan")
    ratio: float = float("nan")
    bars: int = 0
    hedged: float = 0.0
    unhedged: float = 0.0
    mids: tuple[float, ...] = ()
    positions: Mapping[str, Decimal] = field(default_factory=dict)
    cash: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    fills: int = 0
    payments: Decimal = Decimal(0)
    working: tuple[WorkingOrder, ...] = ()
    latency_p95_ms: float = float("nan")
    naked: float = 0.0
    links: Mapping[str, str] = field(default_factory=dict)
    shut: Mapping[str, str] = field(default_factory=dict)
    plan: PlanRow | None = None
    last_ns: int | None = None
    last_recorded_ns: int | None = None
    last_quote_recorded_ns: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    records: int = 0
    behind: int = 0
    ended: str | None = None

    def __repr__(self) -> str:
        """Say the main figures in one line."""
        if not self.started:
            return f"<Standing of {self.session}: not started yet>"
        held = ", ".join(f"{qty:+} {key}" for key, qty in self.positions.items() if qty) or "nothing held"
        return (
            f"<Standing of {self.session}: {self.phase}{', paused' if self.paused else ''}, trade {self.trade}, {self.bars:,} bars, {held}>"
        )

    @property
    def started(self) -> bool:
        """Whether the session has written anything yet."""
        return self.started_ns is not None


@dataclass(frozen=True, eq=False)
class News:
    """What came since the last poll.

    Attributes
    ----------
    standing : Standing
        Where the session stands now.
    bars : dict of str to array of float64, each of shape (new bars,)
        One point for each bar that closed, as in ``Journal.equity()``: ts (ms), z, ratio, delta, mids and positions of primary and
        hedge, cumulative money net of costs (``hedged``, ``unhedged``), and how far each lies below its highest so far (``dd_``, <= 0).
    marks, fills, decisions, commands, gaps, plans : tuple
        In the order of the journal; ``decisions`` are those that were no "hold".
    holds : tuple of DecisionRow
        Of the "hold" decisions, the first of each run with one reason.
    records : int
        How many records were read for it.
    """

    standing: Standing
    bars: Mapping[str, Floats]
    marks: tuple[Mark, ...] = ()
    fills: tuple[FillRow, ...] = ()
    decisions: tuple[DecisionRow, ...] = ()
    holds: tuple[DecisionRow, ...] = ()
    commands: tuple[CommandRow, ...] = ()
    gaps: tuple[GapRow, ...] = ()
    plans: tuple[PlanRow, ...] = ()
    records: int = 0

    def __bool__(self) -> bool:
        """Whether anything was read."""
        return self.records > 0
