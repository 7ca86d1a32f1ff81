"""Made markets for the core's tests: truth known, small, seeded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from hedgekit.data import Tape
from hedgekit.hedger import Hedger
from hedgekit.params import Params
from hedgekit.types import NS, Evidence, Fees, Fill, HedgePlan, Instrument, Kind, PlanRevised, Quote, Timer

DAY_NS = 86_400 * NS
T0 = 7_305 * DAY_NS
"""1990-01-01, midnight UTC."""

OVERRIDE = "a test of the machinery, not of the pair"


def legs(**changes: Any) -> tuple[Instrument, Instrument]:
    """Return two instruments, KO and PEP."""
    return Instrument("T", "KO", **changes), Instrument("T", "PEP", **changes)


def params(**changes: Any) -> Params:
    """Return parameters for short windows and one-second bars, without the slippage buffer."""
    small = {"lookback": 5, "bar_s": 1.0, "slippage_buffer": 0.0, "notional": 10_000.0, "evidence_override": OVERRIDE, "interval_s": 0.2}
    return Params.make(**(small | changes))


def plan(ratio: float = 1.0, *, until_ns: int = 2**62, p_value: float | None = None, override: str | None = OVERRIDE) -> HedgePlan:
    """Return a plan with that ratio."""
    return HedgePlan(ratio, 0.1, 100, "by hand", 0, until_ns, Evidence("none", None, p_value, 100), override=override)


def ou_pair(seed: int, rows: int, *, half_life: float = 20.0, ratio: float = 0.8, reverting: bool = True) -> np.ndarray:
    """Return log mids (rows, 2) of METHODS' synthetic market: dH normal, spread OU (or a walk), dP = ratio dH + dX."""
    rng = np.random.default_rng(seed)
    hedge = 0.012 * rng.standard_normal(rows)
    decay = 0.5 ** (1 / half_life)
    noise = 0.006 * np.sqrt(1 - decay**2) * rng.standard_normal(rows)
    spread = np.zeros(rows)
    for i in range(1, rows):
        spread[i] = (decay if reverting else 1.0) * spread[i - 1] + noise[i]
    h = np.cumsum(hedge)
    return np.log(100.0) + np.column_stack([ratio * h + spread, h])


def tape_of(log_mids: np.ndarray, ts_ns: np.ndarray, sizes: np.ndarray, instruments: tuple[Instrument, ...], half_ticks: int = 1) -> Tape:
    """Return a tape of whole ticks around the mids; ``sizes`` (rows, 2, 2) are bid and ask sizes of each leg."""
    ticks = np.rint(np.exp(log_mids) * 100)
    return Tape(
        instruments=instruments,
        ts_ns=ts_ns.astype(np.int64),
        bid=(ticks - half_ticks) / 100,
        ask=(ticks + half_ticks) / 100,
        bid_size=sizes[:, :, 0].astype(float),
        ask_size=sizes[:, :, 1].astype(float),
        description="made",
    )


def daily_tape(seed: int, rows: int, *, size: float = 1e9, fees: str = "0", reverting: bool = True) -> Tape:
    """Return a tape of one row a day at 21:00 UTC, deep unless ``size`` says otherwise."""
    ts_ns = T0 + np.arange(rows) * DAY_NS + 75_600 * NS
    return tape_of(ou_pair(seed, rows, reverting=reverting), ts_ns, np.full((rows, 2, 2), size), legs(fees=Fees(rate=Decimal(fees))))


DAILY: dict[str, Any] = {"bar_s": 86_400.0, "bar_offset_s": 75_601.0, "interval_s": 5.0, "fit_bars": 60, "refit_bars": 20, "lookback": 20}


def perpetual(**changes: Any) -> tuple[Instrument, Instrument]:
    """Return a coin and its inverse perpetual, 10 dollars a contract."""
    spot = Instrument("T", "BTC", lot=Decimal("0.0001"), **changes)
    return spot, Instrument("T", "BTC-PERPETUAL", kind=Kind.INVERSE_PERP, multiplier=Decimal(10), tick=Decimal("0.5"), **changes)


def inverse_tape(seed: int, rows: int, fees: str = "0.0003") -> Tape:
    """Return a spot leg and its inverse perpetual, daily, tight together."""
    g = np.random.default_rng(seed)
    coin = np.log(50_000.0) + np.cumsum(0.02 * g.standard_normal(rows))
    basis = np.zeros(rows)
    for i in range(1, rows):
        basis[i] = 0.9 * basis[i - 1] + 0.004 * g.standard_normal()
    ts_ns = T0 + np.arange(rows) * DAY_NS + 75_600 * NS
    return tape_of(np.column_stack([coin + basis, coin]), ts_ns, np.full((rows, 2, 2), 1e9), perpetual(fees=Fees(rate=Decimal(fees))))


INVERSE: dict[str, Any] = DAILY | {"structure": "delta", "delta_model": "linear", "notional": 100_000.0, "tolerance": 0.01}


def basket_tape(seed: int, rows: int) -> Tape:
    """Return a primary that follows 0.5 and 0.4 of two hedges, and a spread that comes back."""
    g = np.random.default_rng(seed + 1_000)
    pair = ou_pair(seed, rows, ratio=0.5)
    second = np.log(100.0) + np.cumsum(0.012 * g.standard_normal(rows))
    logs = np.column_stack([pair[:, 0] + 0.4 * (second - np.log(100.0)), pair[:, 1], second])
    ts_ns = T0 + np.arange(rows) * DAY_NS + 75_600 * NS
    return tape_of(logs, ts_ns, np.full((rows, 3, 2), 1e9), (*legs(), Instrument("T", "MNST")))


class Desk:
    """A Hedger with a plan, fed by hand: one bar a second, closed by its timer."""

    def __init__(self, *, ratio: float | None = 1.0, instruments: tuple[Instrument, Instrument] | None = None, **changes: Any) -> None:
        self.hedger = Hedger("s", instruments or legs(), params(**changes))
        self.now_ns = T0
        if ratio is not None:
            self.plan(plan(ratio))

    def plan(self, new: HedgePlan) -> Any:
        """Revise the plan."""
        return self.hedger.on(PlanRevised(ts_ns=self.now_ns, plan=new))

    def quote(self, leg: int, mid: float, half: float = 0.005) -> Any:
        """Quote one leg around a mid."""
        key = self.hedger.instruments[leg].key
        return self.hedger.on(
            Quote(ts_ns=self.now_ns, instrument=key, venue_ns=self.now_ns, bid=mid - half, ask=mid + half, bid_size=1e9, ask_size=1e9)
        )

    def bar(self, primary: float, hedge: float = 100.0) -> Any:
        """Quote both legs half-way through a bar, close it, return the decision."""
        self.now_ns += NS // 2
        self.quote(0, primary)
        self.quote(1, hedge)
        self.now_ns += NS // 2
        return self.hedger.on(Timer(ts_ns=self.now_ns))

    def fill(self, order: Any, qty: Decimal | None = None, *, number: str = "", fee: str = "0") -> Any:
        """Fill an order, or ``qty`` of it, at the price it was decided on; return the decision."""
        return self.hedger.on(
            Fill(
                ts_ns=self.now_ns,
                order_id=order.order_id,
                fill_id=f"f-{order.order_id}{number}",
                instrument=order.instrument,
                venue_ns=self.now_ns,
                qty=order.qty if qty is None else qty,
                price=order.expected,
                fee=Decimal(fee),
            )
        )

    def warm(self, bars: int = 4) -> None:
        """Close bars around 100 whose spread has a sd of about half a percent."""
        for i in range(bars):
            self.bar(100.0 + (0.5 if i % 2 else -0.5))
