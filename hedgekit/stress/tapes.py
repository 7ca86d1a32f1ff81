"""A tape on which something bad happens: pure functions from tape to tape, so that any recorded or made market can be stressed.

Moves are in *scores*: log price, or log odds of a binary contract, so that a price stays above zero and a contract between nothing and what
it can pay. Rows before the first one named keep every bit; from there on prices are rounded to whole ticks, a bid stays
below its ask, sizes stay as they were, and a row without a quote stays without one. A binary contract that would be quoted at nothing
or at its full payment is quoted a tick inside, as venues do, and the description counts such rows. The market after the scenario
makes the same moves as before, from another level.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy.special import expit, logit

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.bootstrap import block_length
from hedgekit.types import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.data import Array, Tape
    from hedgekit.types import Instrument

WHOLE = 1e-6
"""Rounding, in ticks: a price this close to a whole tick is on it."""


def gap(tape: Tape, row: int, move: float, *, follow: float | Sequence[float] = 0.0) -> Tape:
    """Return the tape with a jump of the primary's price into one row; the level stays.

    Parameters
    ----------
    tape : Tape
        Any; leg 0 is the primary.
    row : int
        First row with the new level, 0 to the last.
    move : float
        Log return of the jump (log odds for a binary contract): -0.05 is a fall of 4.9%.
    follow : float or sequence of float
        The hedge's move for each of the primary's; one for each hedge leg, or one for all. 0: it stands still.

    Raises
    ------
    ConfigError
        If a row is not on the tape, or a number is not finite.
    DataError
        If a price would fall below a tick (a binary contract's is held at its edge instead).
    """
    _check_window(tape, row, row + 1)
    return momentum(tape, row, row + 1, move, follow=follow, what="gap")


def momentum(tape: Tape, start: int, stop: int, move: float, *, follow: float | Sequence[float] = 0.0, what: str = "momentum") -> Tape:  # noqa: PLR0913 - what moves, when, how far
    """Return the tape with the primary running on, on top of what it did: ``move`` in equal steps over the rows; the level stays.

    Parameters
    ----------
    tape, move, follow
        As in :func:`gap`.
    start, stop : int
        First row of the run, and the row after its last.
    what : str
        Name in the new tape's description.

    Raises
    ------
    ConfigError, DataError
        As :func:`gap`.
    """
    _check_window(tape, start, stop)
    factors = np.atleast_1d(np.asarray(follow, dtype=np.float64))
    hedges = len(tape.instruments) - 1
    if not (np.isfinite(move) and np.isfinite(factors).all()) or len(factors) not in {1, hedges}:
        msg = f"{what}: move={move!r}, follow={follow!r}: finite numbers, one follow for all {hedges} hedge legs or one for each"
        raise ConfigError(msg)
    ramp = np.minimum(np.maximum(np.arange(len(tape)) - start + 1, 0) / (stop - start), 1.0)
    legs = np.concatenate([[1.0], np.broadcast_to(factors, (hedges,))])
    told = f"{what} of {move:g} over rows {start} to {stop - 1}, hedge follows by {', '.join(f'{x:g}' for x in factors)}"
    return _shifted(tape, move * ramp[:, None] * legs, told)


def wide_exit(tape: Tape, start: int, stop: int, factor: float) -> Tape:
    """Return the tape with half-spreads of all legs multiplied from row ``start`` up to, not including, ``stop``; mids stay.

    Each side moves away by whole ticks, rounded up.

    Parameters
    ----------
    tape : Tape
        Any.
    start, stop : int
        Rows.
    factor : float
        At least 1; 1 changes nothing.

    Raises
    ------
    ConfigError
        If the rows are not on the tape, or the factor is below 1.
    DataError
        As :func:`gap`.
    """
    _check_window(tape, start, stop)
    if not (np.isfinite(factor) and factor >= 1):
        msg = f"factor={factor!r}: half-spreads are multiplied by a finite number of 1 or more, for example 5"
        raise ConfigError(msg)
    rows = np.zeros(len(tape), dtype=bool)
    rows[start:stop] = factor > 1
    tick = _ticks(tape)
    extra = np.ceil((factor - 1) * (tape.ask - tape.bid) / 2 / tick - WHOLE)
    told = f"half-spreads x {factor:g} in rows {start} to {stop - 1}"
    return _requoted(tape, rows[:, None] & (extra > 0), np.rint(tape.bid / tick) - extra, np.rint(tape.ask / tick) + extra, told)


def decorrelate(tape: Tape, start: int, stop: int, *, seed: int, block: int | None = None) -> Tape:
    r"""Return the tape with the hedge's moves in a window replaced by its own of other times, which do not follow the primary.

    Circular blocks of the whole tape's moves are drawn with replacement (Politis & Romano 1992), all hedge legs together, and
    scaled to the standard deviation that each leg had in the window: its own variance stays, what it had in common with the primary goes.
    The hedge goes on from where that leaves it.

    Parameters
    ----------
    tape : Tape
        Any with a hedge leg.
    start, stop : int
        First row whose move is replaced (1 or later), and the row after the last.
    seed : int
        Of the draws; another seed is another outcome.
    block : int, optional
        Rows of a block; by default the automatic length of the first hedge leg's moves (:func:`hedgekit.stats.bootstrap.block_length`).

    Raises
    ------
    ConfigError
        If the rows are not on the tape, there is no hedge leg, or ``block`` is below 1.
    DataError
        As :func:`gap`.
    """
    _check_window(tape, start, stop, least=1)
    if len(tape.instruments) < 2:  # noqa: PLR2004 - a primary and a hedge
        msg = "decorrelate: the tape has no hedge leg; give one with two or more"
        raise ConfigError(msg)
    if block is not None and block < 1:
        msg = f"block={block!r}: must be a whole number of 1 or more (rows)"
        raise ConfigError(msg)
    moves = np.diff(standing(scores(tape.mid, tape.instruments))[:, 1:], axis=0)
    moves = np.nan_to_num(moves)  # before a leg's first quote nothing moved
    length = block or round(block_length(moves[:, 0]))
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, start, stop))))
    starts = generator.integers(0, len(moves), -(-(stop - start) // length))
    drawn = moves[(starts[:, None] + np.arange(length)).ravel()[: stop - start] % len(moves)]
    old, sd = moves[start - 1 : stop - 1], drawn.std(axis=0)
    drawn = drawn * np.where(sd > 0, old.std(axis=0) / np.where(sd > 0, sd, 1.0), 1.0)
    shift = np.zeros((len(tape), len(tape.instruments)))
    shift[start:stop, 1:] = np.cumsum(drawn - old, axis=0)
    shift[stop:, 1:] = shift[stop - 1, 1:]
    return _shifted(tape, shift, f"hedge's moves in rows {start} to {stop - 1} drawn anew in blocks of {length}, seed {seed}")


# ----------------------------------------------------------------------- scores


def scores(mid: Array, instruments: Sequence[Instrument]) -> Array:
    """Return log prices, log odds for binary contracts; shape (n, legs), NaN where there is no price."""
    legs = [_score(mid[:, leg], _par(instrument)) for leg, instrument in enumerate(instruments)]
    return np.column_stack(legs)


def standing(values: Array) -> Array:
    """Return each column with the last known value in place of NaN; NaN before the first."""
    rows = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, rows), axis=0)
    return np.where(last < 0, np.nan, np.take_along_axis(values, np.maximum(last, 0), axis=0))


def _par(instrument: Instrument) -> float:
    """Return what a contract can be worth at most."""
    return 1.0 / float(instrument.multiplier) if instrument.kind is Kind.BINARY else np.inf


def _score(price: Array, par: float) -> Array:
    return cast("Array", logit(price / par) if np.isfinite(par) else np.log(price))


def _price(score: Array, par: float) -> Array:
    return cast("Array", par * expit(score) if np.isfinite(par) else np.exp(score))


# ----------------------------------------------------------------------- quotes


def _shifted(tape: Tape, shift: Array, told: str) -> Tape:
    """Return the tape with each quote's score shifted, shape (n, legs), where the shift is not zero."""
    tick = _ticks(tape)
    bid, ask = (
        np.column_stack([_price(_score(side[:, leg], _par(i)) + shift[:, leg], _par(i)) for leg, i in enumerate(tape.instruments)])
        for side in (tape.bid, tape.ask)
    )
    low = np.rint(bid / tick)
    return _requoted(tape, shift != 0, low, np.maximum(np.rint(ask / tick), low + 1), told)


def _requoted(tape: Tape, changed: np.ndarray, bid_ticks: Array, ask_ticks: Array, told: str) -> Tape:
    """Return the tape with other quotes, in ticks, where ``changed``; below a tick refused, a binary contract's held at its edge."""
    changed = changed & ~np.isnan(tape.bid)
    sides, held = [], 0
    for leg, instrument in enumerate(tape.instruments):
        now, low, high = changed[:, leg], bid_ticks[:, leg], ask_ticks[:, leg]
        numerator, denominator = instrument.tick.as_integer_ratio()
        if instrument.kind is Kind.BINARY:
            top = float(np.ceil(_par(instrument) / float(instrument.tick) - WHOLE)) - 1
            low, high = np.clip(low, 1, top - 1), np.clip(high, 2, top)
            held += int((now & ((low != bid_ticks[:, leg]) | (high != ask_ticks[:, leg]))).sum())
        bad = np.flatnonzero(now & (low < 1))
        if bad.size:
            msg = f"{told}: {instrument.symbol} would fall below a tick at {tape.index[bad[0]]}; make the scenario smaller"
            raise DataError(msg)
        sides.append([np.where(now, new * numerator / denominator, old[:, leg]) for new, old in ((low, tape.bid), (high, tape.ask))])
    bids, asks = (np.column_stack(side) for side in zip(*sides, strict=True))
    edge = f", {held} quotes held at the edge of what a contract can be quoted at" if held else ""
    return replace(tape, bid=bids, ask=asks, description=f"{tape.description}; {told}{edge}")


def _ticks(tape: Tape) -> Array:
    return np.array([float(instrument.tick) for instrument in tape.instruments])


def _check_window(tape: Tape, start: int, stop: int, least: int = 0) -> None:
    if not least <= start < stop <= len(tape):
        msg = f"rows {start} to {stop - 1}: must be within {least} to {len(tape) - 1}, at least one row"
        raise ConfigError(msg)
