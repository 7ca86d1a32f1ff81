"""What holding costs: funding of a perpetual, and borrowing of what is sold short."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from hedgekit.data.tape import Array, Stamps


@dataclass(frozen=True, eq=False)
class Carry:
    """What holding one leg costs.

    Attributes
    ----------
    borrow : float
        Annual rate on the value of a short position: 0.03 is 3% a year. It accrues by the second, actual/365, on the value at the last
        bar's mid (a broker charges by the day, on its own closing price).
    funding_ns : int64 array, shape (n,)
        When funding is exchanged, nanoseconds UTC, strictly increasing.
    funding_rate : float64 array, shape (n,)
        Fraction of the position's value, at the newest mid, that a long pays and a short receives; negative the other way round.
        What the venue publishes *for* a time is known only then: no decision rests on it, it is only paid.

    Raises
    ------
    ConfigError
        If the borrow rate is negative or no number.
    DataError
        If funding times and rates differ in number, times do not increase, or a rate is no number.
    """

    borrow: float = 0.0
    funding_ns: Stamps = field(default_factory=lambda: np.empty(0, np.int64))
    funding_rate: Array = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        """Check the rates."""
        if not 0 <= self.borrow < float("inf"):
            msg = f"borrow={self.borrow!r}: must be an annual rate, 0 or more, for example 0.03 for 3%"
            raise ConfigError(msg)
        if self.funding_ns.shape != self.funding_rate.shape or self.funding_ns.ndim != 1:
            msg = f"funding: {self.funding_ns.shape} times for {self.funding_rate.shape} rates; give one rate for each time"
            raise DataError(msg)
        late = np.flatnonzero(np.diff(self.funding_ns) <= 0)
        if late.size:
            msg = f"funding: time does not increase at row {late[0] + 1}; sort the rows, one for each time"
            raise DataError(msg)
        bad = np.flatnonzero(~np.isfinite(self.funding_rate))
        if bad.size:
            msg = f"funding: the rate at row {bad[0]} is {self.funding_rate[bad[0]]}; leave the row out, or give 0"
            raise DataError(msg)

    @classmethod
    def of(cls, funding: pd.Series | None = None, *, borrow: float = 0.0) -> Carry:
        """Return it from a Series of funding rates with a UTC time index.

        Raises
        ------
        DataError
            If the index has no times with a zone; and as the class.
        """
        import pandas as pd

        if funding is None:
            return cls(borrow)
        if not isinstance(funding.index, pd.DatetimeIndex) or funding.index.tz is None:
            msg = f"funding: the index has {funding.index.dtype}; give times with a zone: series.index.tz_localize('UTC')"
            raise DataError(msg)
        times = funding.index.tz_convert("UTC").as_unit("ns").asi8
        return cls(borrow, times, funding.to_numpy(dtype=np.float64))

    def __bool__(self) -> bool:
        """Whether holding costs anything."""
        return self.borrow > 0 or len(self.funding_ns) > 0
