"""The article's four opening risks, each placed where it hurts: on a trade that the baseline held, on the adverse side of it.

A price gap, a move that goes on, spreads that widen when one must get out, and a hedge that stops following.
:mod:`hedgekit.stress.spots` has the rule for where (``at``). Up to where a scenario starts, the strategy sees the baseline's tape
and so decides the same. It knows nothing of what comes; the scenario knows everything, by intent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from hedgekit.data.ranges import ROWS_MAX, check_whole
from hedgekit.errors import ConfigError
from hedgekit.stress.spots import exit_spot, held_spot
from hedgekit.stress.tapes import decorrelate, gap, momentum, scores, standing, wide_exit
from hedgekit.types import Kind

if TYPE_CHECKING:
    from hedgekit.data import Tape
    from hedgekit.stress.spots import At, Base, Spot
    from hedgekit.types import Instrument


@dataclass(frozen=True, eq=False, slots=True)
class Hit:
    """A scenario on a tape.

    Attributes
    ----------
    tape : Tape
        The stressed tape.
    spot : Spot
        Where it starts.
    stop : int
        Row after the last one that is special; ``spot.row`` if everything happens at once.
    what : str
        What happens, in words.
    by_trading : bool
        Whether it can cost only who trades in it (spreads), not who holds.
    """

    tape: Tape
    spot: Spot
    stop: int
    what: str
    by_trading: bool = False


class Scenario(Protocol):
    """What :func:`hedgekit.stress.stress` needs of a scenario, a user's own among them."""

    @property
    def name(self) -> str:
        """For the table."""

    def hits(self, base: Base, seed: int) -> list[Hit]:
        """Return what is to be run; of several the one that costs the hedged position most is told."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The primary's price jumps against the position right after entry, with both legs held.

    Attributes
    ----------
    at : At
        On which trade.
    sd : float
        Size of the jump in standard deviations of the primary's bar returns.
    fraction : float, optional
        Size as a fraction of the price, in place of ``sd``: 0.05.
    follow : float, optional
        The hedge's move for each of the primary's: None for the average one of this tape, 0 if the hedge stands still (news of the
        primary alone, which no hedge helps against).
    """

    at: At = "largest"
    sd: float = 6.0
    fraction: float | None = None
    follow: float | None = None

    @property
    def name(self) -> str:
        """For the table."""
        return _named("gap", self.follow)

    def hits(self, base: Base, seed: int) -> list[Hit]:  # noqa: ARG002 - nothing is drawn
        """Place it."""
        spot = held_spot(base, self.at)
        move, follow = _adverse(base, spot, self.sd, self.fraction, 1), _followed(base, self.follow)
        tape = gap(base.tape, spot.row, move, follow=follow)
        return [Hit(tape, spot, spot.row, f"{_moves(base, move)} at once{_against(spot)}{_hedge(base, move, follow)}")]


@dataclass(frozen=True, slots=True)
class Momentum:
    """The primary keeps running against the position for ``bars`` bars after entry, on top of what the tape did.

    Attributes
    ----------
    at, fraction, follow
        As in :class:`Gap`; ``fraction`` is of the whole run.
    sd : float
        Size of the run in standard deviations of the primary's return over as many bars (independent bars: root of their number).
    bars : int
        Length of the run.
    """

    at: At = "largest"
    sd: float = 4.0
    bars: int = 10
    fraction: float | None = None
    follow: float | None = None

    @property
    def name(self) -> str:
        """For the table."""
        return _named("momentum", self.follow)

    def hits(self, base: Base, seed: int) -> list[Hit]:  # noqa: ARG002 - nothing is drawn
        """Place it."""
        spot, bars = held_spot(base, self.at), _bars(self.bars)
        stop = base.rows_on(spot.row, bars)
        move, follow = _adverse(base, spot, self.sd, self.fraction, bars), _followed(base, self.follow)
        tape = momentum(base.tape, spot.row, stop, move, follow=follow)
        return [Hit(tape, spot, stop, f"{_moves(base, move)} over {bars} bars{_against(spot)}{_hedge(base, move, follow)}")]


@dataclass(frozen=True, slots=True)
class WideExit:
    """Half-spreads of all legs widen the moment the exit is decided, so that it is paid for at the wide book.

    Attributes
    ----------
    at : At
        On which trade; of those that were closed.
    factor : float
        What half-spreads are multiplied by.
    bars : int
        For how long.
    """

    at: At = "largest"
    factor: float = 10.0
    bars: int = 5

    @property
    def name(self) -> str:
        """For the table."""
        return "wide exit"

    def hits(self, base: Base, seed: int) -> list[Hit]:  # noqa: ARG002 - nothing is drawn
        """Place it."""
        spot, bars = exit_spot(base, self.at), _bars(self.bars)
        stop = base.rows_on(spot.row, bars)
        words = f"half-spreads are {self.factor:g} times as wide for {bars} bars{_while(spot, 'should be closing')}"
        return [Hit(wide_exit(base.tape, spot.row, stop, self.factor), spot, stop, words, by_trading=True)]


@dataclass(frozen=True, slots=True)
class Decorrelation:
    """The hedge stops following the primary for ``bars`` bars after entry: its moves are its own of other times, of the same variance.

    Attributes
    ----------
    at : At
        On which trade.
    bars : int
        For how long.
    draws : int
        Independent moves help as often as they hurt: of so many draws, the one that costs the hedged position most is told.
    """

    at: At = "largest"
    bars: int = 20
    draws: int = 5

    @property
    def name(self) -> str:
        """For the table."""
        return "decorrelation"

    def hits(self, base: Base, seed: int) -> list[Hit]:
        """Place it."""
        spot, bars = held_spot(base, self.at), _bars(self.bars)
        check_whole("draws", self.draws, 1, 1_000)
        stop = base.rows_on(spot.row, bars)
        words = f"the hedge moves by itself for {bars} bars{_while(spot, 'is held')} (worst of {self.draws} draws)"
        return [Hit(decorrelate(base.tape, spot.row, stop, seed=seed + k), spot, stop, words) for k in range(self.draws)]


FOUR_RISKS: tuple[Scenario, ...] = (Gap(), Gap(follow=0.0), Momentum(), Momentum(follow=0.0), WideExit(), Decorrelation())
"""The default: gap and momentum both with the hedge following as usual and with the primary alone."""


# ------------------------------------------------------------------ sizes, words


def _adverse(base: Base, spot: Spot, sd: float, fraction: float | None, bars: int) -> float:
    """Return the primary's move in scores, against the side held (down, if nothing is)."""
    against = -1.0 if spot.side >= 0 else 1.0
    if fraction is None:
        if not (np.isfinite(sd) and sd > 0):
            msg = f"sd={sd!r}: must be a finite number above 0"
            raise ConfigError(msg)
        return against * sd * base.sd * float(np.sqrt(bars))
    if not 0 < fraction < 1:
        msg = f"fraction={fraction!r}: must be above 0 and below 1 (of the price)"
        raise ConfigError(msg)
    primary = base.tape.instruments[:1]
    price = standing(base.tape.mid[: spot.row, :1])[-1:]
    with np.errstate(invalid="ignore"):  # a contract that would be worth more than it can pay
        move = float((scores(price * (1 + against * fraction), primary) - scores(price, primary))[0, 0])
    if not np.isfinite(move):
        msg = f"fraction={fraction!r} of {float(price[0, 0]):g} would take {primary[0].symbol} out of its range; give a smaller one"
        raise ConfigError(msg)
    return move


def _followed(base: Base, follow: float | None) -> list[float]:
    return base.follow if follow is None else [follow] * (len(base.tape.instruments) - 1)


def _bars(bars: int) -> int:
    check_whole("bars", bars, 1, ROWS_MAX)
    return bars


def _named(name: str, follow: float | None) -> str:
    if follow is None:
        return name
    return f"{name}, primary alone" if follow == 0 else f"{name}, hedge follows by {follow:g}"


def _moves(base: Base, move: float) -> str:
    instrument = base.tape.instruments[0]
    return f"{instrument.symbol} {'falls' if move < 0 else 'rises'} {abs(np.expm1(move)):.1%}{_unit(instrument)}"


def _unit(instrument: Instrument) -> str:
    return " in odds" if instrument.kind is Kind.BINARY else ""


def _against(spot: Spot) -> str:
    return f" against trade {spot.trade}, which is {'long' if spot.side > 0 else 'short'}" if spot.trade else ""


def _hedge(base: Base, move: float, follow: list[float]) -> str:
    pairs = zip(base.tape.instruments[1:], follow, strict=True)
    said = [f"{i.symbol} moves {np.expm1(move * f):+.1%}{_unit(i)}" if f else f"{i.symbol} stands still" for i, f in pairs]
    return f"; {' and '.join(said)}" if said else ""


def _while(spot: Spot, doing: str) -> str:
    return f" while trade {spot.trade} {doing}" if spot.trade else ""
