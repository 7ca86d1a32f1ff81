"""A synthetic market: a pair whose truth is known, row by row, from a seed.

    ln H  a random walk with standard deviation ``hedge_vol`` a row
    s     an Ornstein-Uhlenbeck process, exactly discretised:
          s' = b s + e,   b = 2 ** (-1 / half_life),   sd(e) = spread_sd sqrt(1 - b^2)
    ln P = ln(primary_price) + ratio (ln H - ln(hedge_price)) + s

What an estimate finds can be held against ``ratio``, ``half_life`` and
``spread_sd``. What spoils estimates in real markets is switched on field by field:
jumps, regimes, a moving ratio, stale quotes (``process.py`` has the equations), and
:meth:`SyntheticMarket.truth` tells what was planted in each row. Quotes and sizes
are made around these prices as around closes.

A partial fill is a property of the tape: the displayed size (``size_notional``,
``size_sigma``) is all that one quote fills, the rest waits for the quotes that follow.
Latency is one of the venue: :class:`hedgekit.FillModel` has it (``ws_ns``, ``up_ns``,
``down_ns``), and says on which quote an order may first match.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np

from hedgekit.data.carry import Carry
from hedgekit.data.market import described, listed_pair
from hedgekit.data.process import REGIMES, log_prices, play, row_times
from hedgekit.data.ranges import (
    ABOVE_ZERO,
    BELOW_ONE,
    CORRELATION,
    FROM_ZERO,
    PROBABILITY,
    STEP_S,
    check_decimal,
    check_number,
    check_numbers,
    check_sequence,
    check_tape,
    check_whole,
    refuse,
)
from hedgekit.data.tape import Array, Stamps, Tape, quotes_around
from hedgekit.errors import ConfigError
from hedgekit.types import NS, Fees, Instrument

if TYPE_CHECKING:
    import pandas as pd


_ABOVE = ("ratio", "half_life", "spread_sd", "hedge_vol", "primary_price", "hedge_price", "size_notional")
_FROM = ("half_spread_bps", "min_half_spread", "size_sigma", "ratio_vol", "hedge_jump_sd", "spread_jump_sd")
_RANGES = {
    **dict.fromkeys((*_ABOVE, "high_vol_hedge", "high_vol_spread"), ABOVE_ZERO),
    **dict.fromkeys((*_FROM, "hedge_jump_rate", "spread_jump_rate"), FROM_ZERO),
    "row_s": STEP_S,
    **dict.fromkeys(("stale_primary", "stale_hedge"), BELOW_ONE),
    **dict.fromkeys(("funding_primary", "funding_hedge"), CORRELATION),
    "funding_s": STEP_S,
}
_REGIMES_ARE = "tuples of (first row, row after the last, name), in order and apart"
_STEPS_ARE = "tuples of (row, ratio), rows increasing"


class SyntheticMarket(msgspec.Struct, frozen=True, tag_field="kind", tag="synthetic"):
    """A recipe for a tape with a planted truth, passed between processes as JSON.

    Attributes
    ----------
    ratio : float
        Dollars of hedge for each dollar of primary: the true hedge ratio (of log returns).
    half_life : float
        Rows until half of the spread's distance is gone.
    spread_sd : float
        Stationary standard deviation of the spread, log units, without jumps.
    hedge_vol : float
        Standard deviation of the hedge's log return a row, without jumps.
    primary_price, hedge_price : float
        Where prices start, but that the spread starts from its stationary distribution.
    rows, row_s, start
        How many rows, how many seconds apart, from when (UTC).
    seed : int
        Of everything random (PCG64). A longer tape begins with the shorter one's prices.
    half_spread_bps, min_half_spread, tick, size_notional, size_sigma, fee_rate
        Of the quotes, as in :class:`~hedgekit.data.Market`; ``tick`` is that of both legs.
    listed : tuple of Instrument
        The two legs as they are traded, primary first, each with its venue, symbol, kind, tick, lot, multiplier and fees. Empty: both as
        the fields here say.
    hedge_jump_rate, hedge_jump_sd, spread_jump_rate, spread_jump_sd : float
        Compound Poisson jumps: expected number a row, and sd of one jump (log units). Both zero: none. A
        spread jump fades as the spread does; no ratio hedges it, and a stop closes beyond its level.
    regimes : tuple of (first row, row after the last, name)
        When the market is ``"high_vol"`` or ``"broken"`` (no reversion: the spread is a random walk); ``"normal"``
        elsewhere. The regime of a row rules the step into it. Ranges may not overlap.
    regime_chain : tuple of 3 tuples of 3 floats
        In place of ``regimes``: a seeded Markov chain's probabilities a row, from (down) and to (across) normal,
        high_vol and broken. It starts in normal.
    high_vol_hedge, high_vol_spread : float
        By what hedge and spread shocks are multiplied in high_vol: 3 and 1, so that hedging matters more while the
        ratio stays; 3 and 3 for both.
    ratio_steps : tuple of (row, ratio)
        From this row's increment on the true ratio is this one.
    ratio_vol : float
        Sd a row of the true ratio's random walk, on top of the steps. It may go through zero.
    funding_primary, funding_hedge : float
        Of perpetuals: the rate at which funding is exchanged, each time; longs pay if it is above 0. Zero: none.
    funding_s : float
        Seconds from one exchange of funding to the next, the first one so long after the first row.
    stale_primary, stale_hedge : float
        Probability that a leg does not refresh in a row. The tape then has no quote (NaN) of that leg in that row,
        so that the quote's age is real; the first row always has both.

    Notes
    -----
    The primary follows ``ratio`` times the hedge's *increments*, so a moving ratio makes no price jump.
    Quotes and displayed sizes are made as :class:`~hedgekit.data.Market` makes them. Prices are in whole ticks, so a
    walk that goes far down ends in a DataError; :meth:`log_prices` has no ticks.
    """

    primary: str = "SYNA"
    hedge: str = "SYNB"
    ratio: float = 0.8
    half_life: float = 6.0
    spread_sd: float = 0.012
    hedge_vol: float = 0.006
    primary_price: float = 400.0
    hedge_price: float = 250.0
    rows: int = 20_000
    row_s: float = 1.0
    start: str = "2026-01-05T14:30:00Z"
    seed: int = 1
    half_spread_bps: float = 1.0
    min_half_spread: float = 0.01
    size_notional: float = 300_000.0
    size_sigma: float = 1.0
    fee_rate: str = "0.00005"
    venue: str = "ALPACA"
    tick: str = "0.01"
    listed: tuple[Instrument, ...] = ()
    hedge_jump_rate: float = 0.0
    hedge_jump_sd: float = 0.0
    spread_jump_rate: float = 0.0
    spread_jump_sd: float = 0.0
    regimes: tuple[tuple[int, int, str], ...] = ()
    regime_chain: tuple[tuple[float, float, float], ...] = ()
    high_vol_hedge: float = 3.0
    high_vol_spread: float = 1.0
    ratio_steps: tuple[tuple[int, float], ...] = ()
    ratio_vol: float = 0.0
    stale_primary: float = 0.0
    stale_hedge: float = 0.0
    funding_primary: float = 0.0
    funding_hedge: float = 0.0
    funding_s: float = 28_800.0

    @classmethod
    def textbook(cls, **changes: Any) -> Self:  # noqa: ANN401 - any field of the recipe
        """Return the market on which METHODS' reference figures were measured, with ``changes`` to its fields.

        Half-life 20 rows; spread diffusion .006 a square-root row, so ``spread_sd`` = .006 / sqrt(2 kappa) = .0228 for the
        half-life in force; hedge .012 a row; ratio .85. The squared correlation of returns is .7462, so no hedge
        brings the variance below .2538 of the unhedged one.
        """
        half_life = changes.get("half_life", 20.0)
        check_number("half_life", half_life, ABOVE_ZERO)
        sd = 0.006 / np.sqrt(2.0 * np.log(2.0) / half_life)
        return cls(**{"ratio": 0.85, "half_life": 20.0, "spread_sd": float(sd), "hedge_vol": 0.012} | changes)

    def instruments(self) -> tuple[Instrument, Instrument]:
        """Return the two legs, primary first."""
        if (listed := listed_pair(self)) is not None:
            return listed
        fees, tick = Fees(rate=Decimal(self.fee_rate)), Decimal(self.tick)
        return Instrument(self.venue, self.primary, tick=tick, fees=fees), Instrument(self.venue, self.hedge, tick=tick, fees=fees)

    def tape(self) -> Tape:
        """Return the tape.

        Raises
        ------
        ConfigError
            If a field of the recipe is out of range.
        DataError
            If a price falls below a tick.
        """
        self._check()
        path = play(self)
        tape = quotes_around(
            np.where(path.age == 0, self._prices(path.moves), np.nan),
            row_times(self),
            self.instruments(),
            half_spread_bps=self.half_spread_bps,
            min_half_spread=self.min_half_spread,
            size_notional=self.size_notional,
            size_sigma=self.size_sigma,
            size_seed=self.seed + 1,
            description=f"{' and '.join(leg.symbol for leg in self.instruments())}, synthetic, seed {self.seed}",
        )
        return replace(tape, carry=self._carry(tape.ts_ns))

    def _carry(self, times: Stamps) -> tuple[Carry, ...]:
        """Return the funding of each leg; nothing if there is none."""
        rates = self.funding_primary, self.funding_hedge
        if not any(rates):
            return ()
        every_ns = round(self.funding_s * NS)
        due = np.arange(times[0] + every_ns, times[-1] + 1, every_ns, dtype=np.int64)
        return tuple(Carry(0.0, due, np.full(len(due), rate)) if rate else Carry() for rate in rates)

    def log_prices(self, *, observed: bool = False) -> Array:
        """Return log prices without quotes, spreads and ticks, shape (rows, 2), primary first: what research needs.

        Parameters
        ----------
        observed : bool
            True to see each leg as it last refreshed (``stale_primary``, ``stale_hedge``), False for the true prices.

        Raises
        ------
        ConfigError
            As :meth:`tape`.
        """
        self._check()
        return log_prices(self, observed=observed)

    def paths(self, count: int, *, observed: bool = False) -> Array:
        """Return the log prices of many seeds, shape (count, rows, 2), primary first, for simulations.

        Path k is :meth:`log_prices` of this recipe with seed ``seed + k``, to the bit. About 0.4 microseconds a row.

        Raises
        ------
        ConfigError
            If ``count`` is below 1, or as :meth:`tape`.
        """
        check_whole("count", count, 1, 10_000_000)
        self._check()
        paths = np.empty((count, self.rows, 2))
        for k in range(count):
            paths[k] = log_prices(msgspec.structs.replace(self, seed=self.seed + k), observed=observed)
        return paths

    def truth(self) -> pd.DataFrame:
        """Return what was planted, row by row, indexed as the tape (tz-aware UTC).

        Returns
        -------
        DataFrame
            ``beta``: true ratio of the increment into the row. ``kappa``: speed of reversion a row (0 where broken).
            ``regime``: normal, high_vol or broken (categorical). ``hedge_jump``, ``spread_jump``, ``spread``: log units.
            ``age_primary_s``, ``age_hedge_s``: seconds since the leg's quote was refreshed.
            ``fair_primary``, ``fair_hedge``: true prices, without ticks.

        Raises
        ------
        ConfigError
            As :meth:`tape`.
        """
        import pandas as pd

        self._check()
        path = play(self)
        fair, age_s = self._prices(path.moves), path.age * self.row_s
        columns = {
            "beta": path.ratio,
            "kappa": path.kappa,
            "regime": pd.Categorical.from_codes(path.regime, pd.Index(REGIMES)),
            "hedge_jump": path.hedge_jump,
            "spread_jump": path.spread_jump,
            "spread": path.spread,
            "age_primary_s": age_s[:, 0],
            "age_hedge_s": age_s[:, 1],
            "fair_primary": fair[:, 0],
            "fair_hedge": fair[:, 1],
        }
        return pd.DataFrame(columns, index=pd.DatetimeIndex(row_times(self), tz="UTC", name="ts"))

    def describe(self, tape: Tape) -> dict[str, str]:
        """Return what the prices are: :func:`~hedgekit.data.market.described`."""
        primary, hedge = (leg.symbol for leg in self.instruments())
        story = (
            f"Synthetic: {primary} follows {self.ratio:g} of {hedge}'s log price plus a spread that comes back, half of any "
            f"distance in {self.half_life:g} rows, with standard deviation {self.spread_sd:g}; seed {self.seed}.{self._spoilt()} Quotes "
            "and displayed sizes are made from these prices by the recipe below"
        )
        return described(self, story, tape)

    def _spoilt(self) -> str:
        parts = {
            "jumps": self.hedge_jump_rate or self.spread_jump_rate,
            "regimes": self.regimes or self.regime_chain,
            "a moving ratio": self.ratio_steps or self.ratio_vol,
            "stale quotes": self.stale_primary or self.stale_hedge,
            "funding": self.funding_primary or self.funding_hedge,
        }
        planted = [name for name, on in parts.items() if on]
        return f" Planted as well: {', '.join(planted)}." if planted else ""

    def _prices(self, moves: Array) -> Array:
        return np.exp(moves) * [self.primary_price, self.hedge_price]

    # ---------------------------------------------------------------- checks

    def _check(self) -> None:
        check_numbers(self, _RANGES)
        check_decimal("fee_rate", self.fee_rate, FROM_ZERO)
        check_tape(self)
        for leg in ("hedge", "spread"):
            rate, sd = getattr(self, f"{leg}_jump_rate"), getattr(self, f"{leg}_jump_sd")
            if (rate > 0) != (sd > 0):
                msg = f"{leg}_jump_rate={rate!r}, {leg}_jump_sd={sd!r}: jumps need both above 0, and no jumps both 0"
                raise ConfigError(msg)
        self._check_regimes()
        self._check_steps()

    def _check_regimes(self) -> None:
        if self.regimes and self.regime_chain:
            msg = f"regimes={self.regimes!r} and regime_chain={self.regime_chain!r}: give one of them"
            raise ConfigError(msg)
        last = 0
        for entry in check_sequence("regimes", self.regimes, None, _REGIMES_ARE):
            start, stop, name = check_sequence("regimes", entry, 3, _REGIMES_ARE)
            check_whole("regimes: first row", start, last, self.rows - 1)
            check_whole("regimes: row after the last", stop, start + 1, self.rows)
            if name not in REGIMES:
                refuse("regimes: name", name, f"one of {', '.join(REGIMES)}")
            last = stop
        if self.regime_chain:
            _check_chain(self.regime_chain)

    def _check_steps(self) -> None:
        last = 0
        for entry in check_sequence("ratio_steps", self.ratio_steps, None, _STEPS_ARE):
            row, ratio = check_sequence("ratio_steps", entry, 2, _STEPS_ARE)
            check_whole("ratio_steps: row", row, last + 1, self.rows - 1)
            check_number("ratio_steps: ratio", ratio, ABOVE_ZERO)
            last = row


def _check_chain(chain: Any) -> None:  # noqa: ANN401 - whatever a person wrote there
    check_sequence("regime_chain", chain, len(REGIMES), f"{len(REGIMES)} rows, from {', '.join(REGIMES)}")
    for row in chain:
        check_sequence("regime_chain", row, len(REGIMES), f"{len(REGIMES)} probabilities a row, to {', '.join(REGIMES)}")
        for value in row:
            check_number("regime_chain", value, PROBABILITY)
        if abs(sum(row) - 1.0) > 1e-9:  # noqa: PLR2004 - rounding of decimals such as .1 + .2 + .7
            refuse("regime_chain", row, "probabilities that add up to 1")
