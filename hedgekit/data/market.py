"""A market as a recipe: which closes, which assumptions about quotes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from hedgekit.data.closes import load_sample
from hedgekit.data.ranges import ABOVE_ZERO, FROM_ZERO, check_decimal
from hedgekit.data.tape import Tape, tape_from_closes
from hedgekit.errors import ConfigError, DataError
from hedgekit.types import Fees, Instrument

if TYPE_CHECKING:
    import pandas as pd


def described(recipe: msgspec.Struct, story: str, tape: Tape) -> dict[str, str]:
    """Return what prices are, for the journal and the report: a story in words, digest, rows, and the recipe's fields."""
    return {"description": story, "digest": tape.digest, "rows": str(len(tape)), **fields_of(recipe)}


def fields_of(recipe: msgspec.Struct) -> dict[str, str]:
    """Return a recipe's fields as text, those that are given; of instruments their keys."""
    given = {name: value for name, value in msgspec.structs.asdict(recipe).items() if value not in (None, (), {})}
    return {name: ", ".join(one.key for one in value) if name == "listed" else str(value) for name, value in given.items()}


def spot_pair(recipe: Any) -> tuple[Instrument, Instrument]:  # noqa: ANN401 - any recipe that has these fields
    """Return primary and hedge of a recipe with one ``tick``, ``lot``, ``multiplier`` and ``fee_rate`` for both, decimals as text.

    Raises
    ------
    ConfigError
        If one of them is out of range, or both legs are the same.
    """
    for name in ("tick", "lot", "multiplier"):
        check_decimal(name, getattr(recipe, name), ABOVE_ZERO)
    check_decimal("fee_rate", recipe.fee_rate, FROM_ZERO)
    _two(recipe)
    tick, lot, multiplier = (Decimal(getattr(recipe, name)) for name in ("tick", "lot", "multiplier"))
    fees = Fees(rate=Decimal(recipe.fee_rate))
    primary, hedge = (
        Instrument(recipe.venue, symbol, tick=tick, lot=lot, multiplier=multiplier, fees=fees) for symbol in (recipe.primary, recipe.hedge)
    )
    return primary, hedge


def listed_pair(recipe: Any) -> tuple[Instrument, Instrument] | None:  # noqa: ANN401 - any recipe with the field
    """Return a recipe's ``listed`` legs, None if it has none.

    Raises
    ------
    ConfigError
        If they are not two.
    """
    if not recipe.listed:
        return None
    if len({instrument.key for instrument in recipe.listed}) != 2 or len(recipe.listed) != 2:  # noqa: PLR2004 - a pair
        msg = f"listed has {', '.join(instrument.key for instrument in recipe.listed)}: give two instruments, the primary first"
        raise ConfigError(msg)
    primary, hedge = recipe.listed
    return primary, hedge


def _two(recipe: Any) -> None:  # noqa: ANN401 - as above
    if recipe.primary == recipe.hedge:
        msg = f"primary and hedge are both {recipe.primary!r}: choose two instruments"
        raise ConfigError(msg)


class Market(msgspec.Struct, frozen=True, tag_field="kind", tag="recorded"):
    """A recipe for a tape, passed between processes as JSON.

    ``scale`` multiplies the closes (a dearer share, same returns). Around each
    scaled close the half-spread is ``half_spread_bps`` but at least
    ``min_half_spread``; bids are floored and asks raised to whole ticks.
    Displayed sizes are lognormal in money with median ``size_notional`` and
    log-sd ``size_sigma``, drawn from ``size_seed`` (PCG64), in whole lots, at
    least one. On the default market 14.1% of $100,000 orders in KO and 6.0% of
    $50,000 orders in PEP exceed the displayed size (10.1% together; measured over
    all rows and both sides, and held by a test).

    ``price_factor`` quotes the same market in another unit: it multiplies prices,
    tick and ``min_half_spread``, and the instrument's multiplier is 1/factor.
    Nothing that can be decided changes. ``first`` and ``last`` (dates, inclusive)
    cut the tape; a cut tape has the rows of the whole one.
    """

    sample: str = "eq_daily"
    primary: str = "KO"
    hedge: str = "PEP"
    scale: float = 20.0
    half_spread_bps: float = 1.0
    min_half_spread: float = 0.01
    size_notional: float = 500_000.0
    size_sigma: float = 1.5
    size_seed: int = 7
    fee_rate: str = "0.00005"
    first: str | None = None
    last: str | None = None
    venue: str = "ALPACA"
    price_factor: float = 1.0

    def describe(self, tape: Tape) -> dict[str, str]:
        """Return what the prices are: :func:`described`."""
        story = (
            f"Adjusted daily closes of {self.primary} and {self.hedge} (skfolio's sample: survivors only), multiplied by "
            f"{self.scale:g} so that a one-cent tick does not distort the early years. Quotes and displayed sizes are made from "
            "the closes by the recipe below"
        )
        return described(self, story, tape)

    def instruments(self) -> tuple[Instrument, Instrument]:
        """Return the two legs, primary first, at ``price_factor`` 1."""
        fees = Fees(rate=Decimal(self.fee_rate))
        return Instrument(self.venue, self.primary, fees=fees), Instrument(self.venue, self.hedge, fees=fees)

    def tape(self) -> Tape:
        """Return the tape.

        Raises
        ------
        DataError
            If the sample or a column does not exist, or the cut leaves no row.
        ConfigError
            If a number of the recipe is out of range.
        """
        self._check()
        closes = load_sample(self.sample, columns=(self.primary, self.hedge))
        tape = tape_from_closes(
            closes * self.scale,
            self.instruments(),
            half_spread_bps=self.half_spread_bps,
            min_half_spread=self.min_half_spread,
            size_notional=self.size_notional,
            size_sigma=self.size_sigma,
            size_seed=self.size_seed,
            description=f"{self.primary} and {self.hedge}, {self.sample} x {self.scale:g}, quotes made from closes",
        )
        return self._cut(tape, closes.index).requoted(self.price_factor)

    def _check(self) -> None:
        for name in ("scale", "price_factor", "size_notional"):
            if not getattr(self, name) > 0:
                msg = f"{name}={getattr(self, name)!r}: must be above 0"
                raise ConfigError(msg)
        for name in ("half_spread_bps", "min_half_spread", "size_sigma"):
            if not getattr(self, name) >= 0:
                msg = f"{name}={getattr(self, name)!r}: must be 0 or more"
                raise ConfigError(msg)
        _two(self)

    def _cut(self, tape: Tape, dates: pd.Index) -> Tape:
        start = 0 if self.first is None else int(dates.searchsorted(_date("first", self.first), side="left"))
        stop = len(dates) if self.last is None else int(dates.searchsorted(_date("last", self.last), side="right"))
        if start >= stop:
            msg = f"first={self.first}, last={self.last}: no row left; {self.sample} has {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}"
            raise DataError(msg)
        return tape.rows(start, stop)


def _date(name: str, text: str) -> pd.Timestamp:
    import pandas as pd

    try:
        return pd.Timestamp(text, tz="UTC")
    except ValueError:
        msg = f"{name}={text!r} is not a date; write for example 1995-06-30"
        raise ConfigError(msg) from None
