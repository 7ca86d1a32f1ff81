"""A synthetic market: a pair whose truth is known, row by row, from a seed.

    ln H  a random walk with standard deviation ``hedge_vol`` a row
    s     an Ornstein-Uhlenbeck process, exactly discretised:
          s' = b s + e,   b = 2 ** (-1 / half_life),   sd(e) = spread_sd sqrt(1 - b^2)
    ln P = ln(primary_price) + ratio (ln H - ln(hedge_price)) + s

What an estimate finds can be held against ``ratio``, ``half_life`` and
``spread_sd``. Quotes and sizes are made around these prices as around closes.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from hedgekit.data.market import Market, described
from hedgekit.data.tape import Array, Tape, quotes_around
from hedgekit.errors import ConfigError
from hedgekit.types import NS, Fees, Instrument

_ABOVE_ZERO = ("ratio", "half_life", "spread_sd", "hedge_vol", "primary_price", "hedge_price", "row_s", "size_notional")
_FROM_ZERO = ("half_spread_bps", "min_half_spread", "size_sigma")
ROWS_MAX = 1_000_000


class SyntheticMarket(msgspec.Struct, frozen=True, tag_field="kind", tag="synthetic"):
    """A recipe for a tape with a planted truth, passed between processes as JSON.

    Attributes
    ----------
    ratio : float
        Dollars of hedge for each dollar of primary: the true hedge ratio.
    half_life : float
        Rows until half of the spread's distance is gone.
    spread_sd : float
        Stationary standard deviation of the spread, log units.
    hedge_vol : float
        Standard deviation of the hedge's log return a row.
    rows, row_s, start
        How many rows, how many seconds apart, from when (UTC).
    seed : int
        Of everything random (PCG64).

    Notes
    -----
    Quotes and displayed sizes are made as :class:`~hedgekit.data.Market` makes them. One row has both legs.
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

    def instruments(self) -> tuple[Instrument, Instrument]:
        """Return the two legs, primary first."""
        fees = Fees(rate=Decimal(self.fee_rate))
        return Instrument(self.venue, self.primary, fees=fees), Instrument(self.venue, self.hedge, fees=fees)

    def tape(self) -> Tape:
        """Return the tape.

        Raises
        ------
        ConfigError
            If a number of the recipe is out of range.
        DataError
            If a price falls below a tick.
        """
        self._check()
        first = pd.Timestamp(self.start).tz_convert("UTC").as_unit("ns").value
        noise = np.random.Generator(np.random.PCG64(self.seed)).standard_normal((self.rows, 2))
        hedge = np.concatenate([[0.0], np.cumsum(noise[1:, 0] * self.hedge_vol)])
        spread = self._spread(noise[:, 1])
        mid = np.column_stack([self.primary_price * np.exp(self.ratio * hedge + spread), self.hedge_price * np.exp(hedge)])
        return quotes_around(
            mid,
            first + np.arange(self.rows, dtype=np.int64) * round(self.row_s * NS),
            self.instruments(),
            half_spread_bps=self.half_spread_bps,
            min_half_spread=self.min_half_spread,
            size_notional=self.size_notional,
            size_sigma=self.size_sigma,
            size_seed=self.seed + 1,
            description=f"{self.primary} and {self.hedge}, synthetic, seed {self.seed}",
        )

    def _spread(self, noise: Array) -> Array:
        """Return the spread, started from its stationary distribution; shape (rows,)."""
        b = 2.0 ** (-1.0 / self.half_life)
        shocks = noise * self.spread_sd * np.sqrt(1.0 - b * b)
        shocks[0] = noise[0] * self.spread_sd
        spread: Array = np.empty_like(shocks)
        level = 0.0
        for row, shock in enumerate(shocks):
            level = b * level + shock
            spread[row] = level
        return spread

    def _check(self) -> None:
        for name in (*_ABOVE_ZERO, *_FROM_ZERO):
            value, low = getattr(self, name), "above 0" if name in _ABOVE_ZERO else "0 or more"
            if not (np.isfinite(value) and (value > 0 if name in _ABOVE_ZERO else value >= 0)):
                msg = f"{name}={value!r}: must be {low}"
                raise ConfigError(msg)
        if not 2 <= self.rows <= ROWS_MAX:  # noqa: PLR2004 - a row alone has no return
            msg = f"rows={self.rows}: must be 2 to {ROWS_MAX:,}"
            raise ConfigError(msg)
        if self.seed < 0:
            msg = f"seed={self.seed}: must be 0 or more"
            raise ConfigError(msg)
        if self.primary == self.hedge:
            msg = f"primary and hedge are both {self.primary!r}: choose two names"
            raise ConfigError(msg)
        _check_start(self.start)

    def describe(self, tape: Tape) -> dict[str, str]:
        """Return what the prices are: :func:`~hedgekit.data.market.described`."""
        story = (
            f"Synthetic: {self.primary} follows {self.ratio:g} of {self.hedge}'s log price plus a spread that comes back, half of any "
            f"distance in {self.half_life:g} rows, with standard deviation {self.spread_sd:g}; seed {self.seed}. Quotes and displayed "
            "sizes are made from these prices by the recipe below"
        )
        return described(self, story, tape)


def _check_start(text: str) -> None:
    try:
        when: Any = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        msg = f"start={text!r} is not a time with its zone; write for example 2026-01-05T14:30:00Z"
        raise ConfigError(msg)


Recipe = Market | SyntheticMarket
"""Any market that can be played."""


def recipe_of(text: str | bytes) -> Recipe:
    """Return the market that JSON describes; without a ``kind`` it is a recorded one.

    Raises
    ------
    msgspec.DecodeError
        If it describes none.
    """
    kind = msgspec.json.decode(text, type=_Kind).kind
    if kind == "synthetic":
        return msgspec.json.decode(text, type=SyntheticMarket)
    return msgspec.json.decode(text, type=Market)


class _Kind(msgspec.Struct):
    kind: str = "recorded"
