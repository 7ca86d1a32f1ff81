"""A synthetic pair of binary contracts whose fair price is known, row by row, from a seed.

    fair_t     = Phi((x0 + W_t) / sqrt(T - t))      W: Brownian information, T: resolution
    payout     = 1 if x0 + W_T > 0, else 0
    observed_t = logistic(logit(fair_t) + noise_t)  noise: Ornstein-Uhlenbeck, exact

The fair price is the probability of a payout of 1 given what is known, so it is an
exact martingale on any grid of rows, and it resolves to 0 or 1. Between two
contracts the information has correlation ``rho``. While ``noise_sd`` is 0 there is
nothing to earn: whoever buys above and sells below the fair price earns minus
costs on average, whatever the rule. A rule that shows a profit there looks ahead.

A contract resolves to 0 or 1 and not to a middle: a past average is no level to which
its price returns. Excess movement alone is not reversion either, since prints that
jump between bid and ask move too (the expected sum of squared moves of an efficient
price is p0 (1 - p0); iid bounce of s on n prints adds 2 n s^2).
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import scipy  # scipy.special loads at its first use: who plays no binary need not wait for it

from hedgekit.data.books import Books
from hedgekit.data.market import described, listed_pair
from hedgekit.data.process import reverting, row_times, stream
from hedgekit.data.ranges import (
    ABOVE_ZERO,
    CORRELATION,
    FROM_ZERO,
    INSIDE_ONE,
    ROWS_MAX,
    STEP_S,
    check_decimal,
    check_numbers,
    check_tape,
    check_whole,
)
from hedgekit.data.tape import Array, Tape, quotes_around
from hedgekit.errors import ConfigError
from hedgekit.types import NS, Fees, Instrument, Kind

if TYPE_CHECKING:
    import pandas as pd


_RANGES = {
    **dict.fromkeys(("p_primary", "p_hedge"), INSIDE_ONE),
    **dict.fromkeys(("noise_half_life", "size_notional"), ABOVE_ZERO),
    **dict.fromkeys(("noise_sd", "half_spread", "size_sigma"), FROM_ZERO),
    "rho": CORRELATION,
    "row_s": STEP_S,
}


class SyntheticBinary(msgspec.Struct, frozen=True, tag_field="kind", tag="synthetic_binary"):
    """A recipe for a tape of two binary contracts, passed between processes as JSON.

    Attributes
    ----------
    p_primary, p_hedge : float
        Fair prices in the first row.
    rho : float
        Correlation of the two contracts' information.
    rows : int
        Rows of the tape.
    resolve_row : int or None
        Rows from the first to the resolution (T); None for ``rows``, the row after the tape's last. Both
        contracts resolve at once. With it given, a longer tape begins with the shorter one's prices.
    noise_sd, noise_half_life : float
        Stationary sd (logits) and half-life (rows) of what separates observed from fair, each leg its own.
    half_spread : float
        Price units. Bids are floored and asks raised to whole ticks.
    tick, size_notional, size_sigma
        Tick of both legs; median money and log-sd of the displayed size.
    listed : tuple of Instrument
        The two legs as they are traded, primary first, each with its venue, symbol, kind, tick, lot, multiplier and fees. Empty: both as
        the fields here say.
    fee_per_contract : str
        Decimal, for each contract traded.
    row_s, start, seed
        Seconds between rows, first row (UTC), seed of everything random (PCG64).

    settles : bool
        Whether both contracts are settled, one row after the tape's last, at the outcome that the truth holds. If the resolution is later
        than that (``resolve_row``), it is the outcome that is drawn with the last fair price as its probability.

    Notes
    -----
    Quotes stay inside [tick, 1 - tick]. Where bid or ask would be outside, the leg has no quote (NaN) in that row:
    a quote moved to the bound would buy or sell at better than fair, which is a gift of the generator. The tape
    ends before the resolution; :meth:`truth` has what each contract pays then. ``instruments()`` are of kind
    ``binary``: the backtest and the event replay take them, and the sandbox at Kalshi and Polymarket. A backtest of the tape
    values what is held at the end at the last mid; the event replay of :meth:`books` and the sandbox pay it out if it ``settles``.
    """

    primary: str = "BINA"
    hedge: str = "BINB"
    p_primary: float = 0.5
    p_hedge: float = 0.5
    rho: float = 0.8
    rows: int = 2_000
    resolve_row: int | None = None
    row_s: float = 60.0
    start: str = "2026-01-05T00:00:00Z"
    seed: int = 1
    noise_sd: float = 0.0
    noise_half_life: float = 20.0
    half_spread: float = 0.01
    tick: str = "0.01"
    size_notional: float = 10_000.0
    size_sigma: float = 1.0
    fee_per_contract: str = "0"
    venue: str = "SIM"
    listed: tuple[Instrument, ...] = ()
    settles: bool = False

    def instruments(self) -> tuple[Instrument, Instrument]:
        """Return the two contracts, primary first; a price of 1 is one unit of money."""
        if (listed := listed_pair(self)) is not None:
            return listed
        fees, tick = Fees(per_unit=Decimal(self.fee_per_contract)), Decimal(self.tick)
        primary, hedge = (Instrument(self.venue, name, Kind.BINARY, tick=tick, fees=fees) for name in (self.primary, self.hedge))
        return primary, hedge

    def fair(self) -> Array:
        """Return fair prices to the resolution, shape (resolve_row + 1, 2), primary first; the last row is the payout, 0 or 1.

        Raises
        ------
        ConfigError
            If a field of the recipe is out of range.
        """
        self._check()
        return self._fair(self._scores())

    def tape(self) -> Tape:
        """Return the tape.

        Raises
        ------
        ConfigError
            If a field of the recipe is out of range.
        """
        self._check()
        return quotes_around(
            np.where(self._quoted(), self._observed(), np.nan),
            row_times(self),
            self.instruments(),
            half_spread_bps=0.0,
            min_half_spread=self.half_spread,
            size_notional=self.size_notional,
            size_sigma=self.size_sigma,
            size_seed=self.seed + 1,
            description=f"{' and '.join(leg.symbol for leg in self.instruments())}, synthetic binary contracts, seed {self.seed}",
        )

    def books(self) -> Books:
        """Return the tape as books of one level, with the official outcome if it ``settles``.

        Raises
        ------
        ConfigError
            As :meth:`tape`.
        """
        books = Books.of_tape(self.tape())
        if not self.settles:
            return books
        paid = tuple(int(each) for each in self._fair(self._scores())[-1])
        return dataclasses.replace(books, payout=paid, settle_ns=int(books.ts_ns[-1]) + round(self.row_s * NS))

    def truth(self) -> pd.DataFrame:
        """Return what was planted, row by row, indexed as the tape (tz-aware UTC).

        Returns
        -------
        DataFrame
            ``fair_primary``, ``fair_hedge``: fair prices. ``beta``: contracts of hedge for each contract of primary
            that leave least variance over the next instant, rho phi(d1) / phi(d2) with d = Phi^-1(fair); inf where
            the hedge can no longer move. ``noise_primary``, ``noise_hedge``: logits.
            ``age_primary_s``, ``age_hedge_s``: seconds since the leg's last quote, NaN before its first.
            ``payout_primary``, ``payout_hedge``: 0 or 1, what each contract pays at the resolution (the same in each row).

        Raises
        ------
        ConfigError
            As :meth:`tape`.
        """
        import pandas as pd

        self._check()
        scores = self._scores()
        fair, d = self._fair(scores), self._standard(scores)[: self.rows]
        with np.errstate(over="ignore"):  # a hedge that no longer moves: the ratio is infinite, as documented
            beta = self.rho * np.exp((d[:, 1] ** 2 - d[:, 0] ** 2) / 2.0) if self.rho else np.zeros(self.rows)
        columns: dict[str, Array] = {"beta": beta}
        parts = {"fair": fair[: self.rows], "noise": self._noise(), "age": self._age_s(), "payout": np.tile(fair[-1], (self.rows, 1))}
        for name, values in parts.items():
            for leg, side in enumerate(("primary", "hedge")):
                columns[f"{name}_{side}" + ("_s" if name == "age" else "")] = values[:, leg]
        return pd.DataFrame(columns, index=pd.DatetimeIndex(row_times(self), tz="UTC", name="ts"))

    def describe(self, tape: Tape) -> dict[str, str]:
        """Return what the prices are: :func:`~hedgekit.data.market.described`."""
        noise = (
            f"Observed prices stray from fair by noise of sd {self.noise_sd:g} in logits with a half-life of {self.noise_half_life:g} rows"
            if self.noise_sd
            else "Observed prices are fair, so that there is nothing to earn but costs to pay"
        )
        names = " and ".join(leg.symbol for leg in self.instruments())
        noise += ". Both are settled at their outcome a row after the last" if self.settles else ""
        story = (
            f"Synthetic binary contracts {names}: fair prices are exact martingales from {self.p_primary:g} and "
            f"{self.p_hedge:g} that resolve to 0 or 1, information correlated {self.rho:g}; seed {self.seed}. {noise}. Quotes and "
            "displayed sizes are made from these prices by the recipe below"
        )
        return described(self, story, tape)

    # -------------------------------------------------------------- process

    @property
    def _life(self) -> int:
        return self.rows if self.resolve_row is None else self.resolve_row

    def _scores(self) -> Array:
        """Return x0 + W of both contracts with T = 1, shape (life + 1, 2)."""
        draws = stream(self.seed, "information").standard_normal((self._life, 2))
        draws[:, 1] = self.rho * draws[:, 0] + np.sqrt(1.0 - self.rho**2) * draws[:, 1]
        walk = np.vstack([np.zeros((1, 2)), np.cumsum(draws, axis=0)]) / np.sqrt(self._life)
        return np.asarray(walk + scipy.special.ndtri([self.p_primary, self.p_hedge]), np.float64)

    def _standard(self, scores: Array) -> Array:
        """Return (x0 + W) / sqrt(T - t) before the resolution, shape (life, 2)."""
        left = 1.0 - np.arange(self._life) / self._life
        return np.asarray(scores[:-1] / np.sqrt(left)[:, None], np.float64)

    def _fair(self, scores: Array) -> Array:
        return np.vstack([scipy.special.ndtr(self._standard(scores)), (scores[-1:] > 0).astype(np.float64)])

    def _noise(self) -> Array:
        """Return each leg's logit noise, started from its stationary distribution, shape (rows, 2)."""
        b = 2.0 ** (-1.0 / self.noise_half_life)
        shocks = stream(self.seed, "noise").standard_normal((self.rows, 2)) * self.noise_sd
        shocks[1:] *= np.sqrt(1.0 - b * b)
        keep = np.full(self.rows, b)
        return np.column_stack([reverting(keep, shocks[:, leg]) for leg in range(2)])

    def _observed(self) -> Array:
        d = self._standard(self._scores())[: self.rows]
        if not self.noise_sd:
            return np.asarray(scipy.special.ndtr(d), np.float64)
        return np.asarray(scipy.special.expit(scipy.special.log_ndtr(d) - scipy.special.log_ndtr(-d) + self._noise()), np.float64)

    def _quoted(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Return where bid and ask are inside [tick, 1 - tick], rounded as ``quotes_around`` does, shape (rows, 2)."""
        observed, tick = self._observed(), np.array([float(instrument.tick) for instrument in self.instruments()])
        low, high = np.round((observed - self.half_spread) / tick, 6), np.round((observed + self.half_spread) / tick, 6)
        ask = np.maximum(np.ceil(high), np.floor(low) + 1)
        return np.asarray((np.floor(low) >= 1) & (ask <= np.round(1.0 / tick, 6) - 1), np.bool_)

    def _age_s(self) -> Array:
        row = np.arange(self.rows)[:, None]
        last = np.maximum.accumulate(np.where(self._quoted(), row, -1), axis=0)
        return np.where(last < 0, np.nan, (row - last) * self.row_s)

    # --------------------------------------------------------------- checks

    def _check(self) -> None:
        check_numbers(self, _RANGES)
        check_decimal("fee_per_contract", self.fee_per_contract, FROM_ZERO)
        check_tape(self)
        for instrument in self.instruments():
            if not instrument.tick < 1:
                msg = f"tick={instrument.tick} of {instrument.symbol}: must be below 1, the contract's highest price"
                raise ConfigError(msg)
        if self.resolve_row is not None:
            check_whole("resolve_row", self.resolve_row, self.rows, 10 * ROWS_MAX)
