"""What every estimate of a hedge ratio comes as: one result, whatever the method.

A ratio has a unit. Fitted on returns or log prices it is in dollars of hedge for
each dollar of primary; fitted on prices or price changes it is in units of hedge for
each unit of primary: dollars = units x P_hedge / P_primary. :class:`RatioFit` keeps the
prices of its last row, so that it can say either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import stats

from hedgekit.errors import ConfigError, DataError
from hedgekit.types import Evidence, HedgePlan

if TYPE_CHECKING:
    from collections.abc import Mapping

On = Literal["log returns", "returns", "changes", "log prices", "prices"]
"""What a ratio is fitted on."""

DOLLARS, UNITS = "dollar per dollar", "unit per unit"
UNIT: dict[str, str] = {"log returns": DOLLARS, "returns": DOLLARS, "changes": UNITS, "log prices": DOLLARS, "prices": UNITS}

PATH_COLUMNS = ("ratio", "stderr", "smoothed", "smoothed_stderr")
"""Columns of a path that are in the unit of the ratio."""


@dataclass(frozen=True, slots=True)
class Effectiveness:
    """What the hedge did on bars that the ratio had not seen.

    Attributes
    ----------
    hedged : float
        1 - var(hedged move) / var(move of the primary), with the ratio known at each bar's start.
    low, high : float
        Interval of ``hedged``: stationary bootstrap of whole bars, automatic block length.
    naive : float
        The same for one dollar of hedge for each dollar of primary (in equal parts, if there are several hedges).
    gain_low, gain_high : float
        Interval of ``hedged - naive``, from the same draws. If zero is inside, the estimate is not shown to be
        better than one to one.
    n : int
        Bars judged.
    level : float
        Confidence level of both intervals.
    """

    hedged: float
    low: float
    high: float
    naive: float
    gain_low: float
    gain_high: float
    n: int
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class RatioFit:
    """An estimated hedge ratio, or one for each of several hedges.

    Attributes
    ----------
    method, on, unit : str
        How it was estimated, on what, and how to read it.
    primary : str
        Name of the primary.
    hedges : tuple of str
        Names of the hedges.
    ratios, stderrs : tuple of float
        One for each hedge. The long side of the spread is (+1, -ratio, ...). A standard error
        is NaN where the method has none that means anything; ``warnings`` then says why.
    df : float
        Degrees of freedom of the interval's Student t; infinite for a normal one.
    n : int
        Observations used (returns or levels).
    effective_n : float
        Independent observations that would give the same standard error: n x (iid / robust error)^2.
    r2 : float
        Squared (multiple) correlation of the moves in sample: no fixed ratio can remove a larger share of
        the variance there; 1 - r2 is what cannot be hedged.
    effectiveness, naive_effectiveness : float
        1 - var(residual move) / var(move of the primary) in sample, of this ratio and of one to one.
    expected_effectiveness : float
        What OLS with this r2 and n can be expected to do out of sample: 1 - (1 - r2)(1 + k/(n - k - 2)), Gaussian
        moves, k hedges (METHODS 1).
    out_of_sample : Effectiveness or None
        What this method did out of sample; None if ``folds=0`` or the history is too short.
    prices : tuple of float
        Prices of the last row, primary first.
    fitted_at, valid_until : Timestamp or None
        Time of the last row, UTC, and when to revalidate (A5); None without a time index.
    tests : tuple of Evidence
        The tests run, the method's own first.
    details : dict
        Numbers of the method's own, by name, for example ``q`` and ``loglik`` of a Kalman filter.
    warnings : tuple of str
        Everything that the libraries or we had to say.
    path : DataFrame or None
        For a ratio that moves: one row for each observation, columns ``ratio`` and ``stderr`` (known at that row's
        end) and ``price_ratio`` (P_hedge / P_primary), in the fit's unit. ``smoothed`` and ``smoothed_stderr``, where asked
        for, look ahead: for pictures of the past, never for trading.
    """

    method: str
    on: str
    unit: str
    primary: str
    hedges: tuple[str, ...]
    ratios: tuple[float, ...]
    stderrs: tuple[float, ...]
    df: float
    n: int
    effective_n: float
    r2: float
    effectiveness: float
    expected_effectiveness: float
    naive_effectiveness: float
    prices: tuple[float, ...]
    out_of_sample: Effectiveness | None = None
    fitted_at: pd.Timestamp | None = None
    valid_until: pd.Timestamp | None = None
    tests: tuple[Evidence, ...] = ()
    details: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    path: pd.DataFrame | None = field(default=None, compare=False)

    @property
    def ratio(self) -> float:
        """The hedge ratio, if there is one hedge.

        Raises
        ------
        DataError
            If there are several.
        """
        self._single("ratio", "ratios")
        return self.ratios[0]

    @property
    def stderr(self) -> float:
        """Its standard error, if there is one hedge."""
        self._single("stderr", "stderrs")
        return self.stderrs[0]

    def interval(self, level: float = 0.95, *, hedge: int | str = 0) -> tuple[float, float]:
        """Return the confidence interval of a ratio: Student's t with ``df`` degrees of freedom; NaN without a standard error."""
        i = self._place(hedge)
        half = self._quantile(level) * self.stderrs[i]
        return self.ratios[i] - half, self.ratios[i] + half

    def intervals(self, level: float = 0.95) -> pd.DataFrame:
        """Return the interval of a ratio that moves, row by row.

        Parameters
        ----------
        level : float
            Confidence level of each row's interval; it is not one for the whole path at once.

        Returns
        -------
        DataFrame
            Columns ``low``, ``ratio``, ``high``, in the fit's unit: Student's t with ``df`` degrees of freedom; NaN before there
            is a ratio, or without a standard error.

        Raises
        ------
        DataError
            If the ratio stands still (it has no path).
        """
        if self.path is None:
            msg = f"a ratio by {self.method} stands still: it has one interval, fit.interval(); rolling, ewma, kalman and dcc move"
            raise DataError(msg)
        half = self._quantile(level) * self.path["stderr"]
        ratio = self.path["ratio"]
        return pd.DataFrame({"low": ratio - half, "ratio": ratio, "high": ratio + half})

    def in_dollars(self) -> RatioFit:
        """Return the same fit in dollars of hedge for each dollar of primary, at the last row's prices."""
        return self if self.unit == DOLLARS else self._scaled([h / self.prices[0] for h in self.prices[1:]], DOLLARS)

    def in_units(self) -> RatioFit:
        """Return the same fit in units of hedge for each unit of primary, at the last row's prices."""
        return self if self.unit == UNITS else self._scaled([self.prices[0] / h for h in self.prices[1:]], UNITS)

    def size(self, notional: float) -> pd.DataFrame:
        """Return the legs of a long spread whose primary is worth ``notional`` dollars.

        Returns
        -------
        DataFrame
            One row for each leg, columns ``dollars`` and ``units`` (signed, at the last row's prices).
        """
        dollars = notional * np.array([1.0, *(-ratio for ratio in self.in_dollars().ratios)])
        return pd.DataFrame({"dollars": dollars, "units": dollars / np.array(self.prices)}, index=[self.primary, *self.hedges])

    def to_plan(
        self,
        *,
        evidence: Evidence | None = None,
        override: str | None = None,
        fitted_at_ns: int | None = None,
        valid_until_ns: int | None = None,
    ) -> HedgePlan:
        """Return the plan that a session trades: the ratio in dollars per dollar, its evidence and its expiry (A5).

        Parameters
        ----------
        evidence : Evidence, optional
            The test that must hold before the plan may open a trade; the first of ``tests`` by default.
            The fit's warnings go with it.
        override : str, optional
            The reason for trading although the evidence fails; it is recorded in journal and report.
        fitted_at_ns, valid_until_ns : int, optional
            Nanoseconds UTC; ``fitted_at`` and ``valid_until`` by default.

        Raises
        ------
        DataError
            If there is no evidence, or no times.
        """
        proof = evidence if evidence is not None else next(iter(self.tests), None)
        if proof is None:
            msg = "the fit has no test to go with it: give one, for example evidence=engle_granger(primary, hedge)"
            raise DataError(msg)
        told = tuple(dict.fromkeys((*proof.warnings, *self.warnings)))
        dollars = self.in_dollars()
        return HedgePlan(
            ratio=float(dollars.ratios[0]),
            stderr=float(dollars.stderrs[0]),
            n=self.n,
            method=self.method,
            fitted_at_ns=_ns(self.fitted_at, fitted_at_ns, "fitted_at_ns"),
            valid_until_ns=_ns(self.valid_until, valid_until_ns, "valid_until_ns"),
            evidence=Evidence(test=proof.test, statistic=proof.statistic, p_value=proof.p_value, n=proof.n, warnings=told),
            unit=dollars.unit,
            override=override,
            others=tuple(float(other) for other in dollars.ratios[1:]),
        )

    def frame(self) -> pd.Series:
        """Return what a person wants to see first as a Series, for a notebook."""
        one = len(self.ratios) == 1
        ratios = {"ratio": self.ratios[0]} if one else {f"ratio of {name}": r for name, r in zip(self.hedges, self.ratios, strict=True)}
        errors = {"stderr": self.stderrs[0]} if one else {f"stderr of {name}": s for name, s in zip(self.hedges, self.stderrs, strict=True)}
        out = self.out_of_sample
        shown: dict[str, object] = {
            **ratios,
            **errors,
            **{
                name: getattr(self, name)
                for name in ("unit", "method", "n", "effective_n", "r2", "effectiveness", "naive_effectiveness", "expected_effectiveness")
            },
            "effectiveness out of sample": out.hedged if out else None,
            "its interval": (out.low, out.high) if out else None,
            "naive out of sample": out.naive if out else None,
            **{f"p, {test.test}": test.p_value for test in self.tests},
            **self.details,
            "fitted_at": self.fitted_at,
            "valid_until": self.valid_until,
            "warnings": self.warnings,
        }
        return pd.Series(shown, dtype=object, name="hedge ratio")

    def _scaled(self, factors: list[float], unit: str) -> RatioFit:
        path = self.path
        if path is not None:
            scale = path["price_ratio"] if unit == DOLLARS else 1 / path["price_ratio"]
            path = path.assign(**{name: path[name] * scale for name in PATH_COLUMNS if name in path})
        return replace(
            self,
            ratios=tuple(r * f for r, f in zip(self.ratios, factors, strict=True)),
            stderrs=tuple(s * f for s, f in zip(self.stderrs, factors, strict=True)),
            unit=unit,
            path=path,
        )

    def _quantile(self, level: float) -> float:
        if not 0 < level < 1:
            msg = f"level={level!r}: must be between 0 and 1, for example 0.95"
            raise ConfigError(msg)
        return float(stats.t.ppf(0.5 + level / 2, self.df))

    def _place(self, hedge: int | str) -> int:
        known = hedge in self.hedges if isinstance(hedge, str) else 0 <= hedge < len(self.hedges)
        if not known:
            msg = f"hedge={hedge!r}: must be one of {', '.join(map(repr, self.hedges))}, or its place, 0 to {len(self.hedges) - 1}"
            raise ConfigError(msg)
        return self.hedges.index(hedge) if isinstance(hedge, str) else hedge

    def _single(self, what: str, instead: str) -> None:
        if len(self.ratios) != 1:
            msg = f"{what} is of one hedge, and this fit has {len(self.ratios)} ({', '.join(self.hedges)}); use {instead}"
            raise DataError(msg)


def _ns(stamp: pd.Timestamp | None, given: int | None, name: str) -> int:
    if given is not None:
        return given
    if stamp is None:
        msg = f"the fit has no time (its prices had no DatetimeIndex): give {name}, in nanoseconds UTC"
        raise DataError(msg)
    return int(stamp.as_unit("ns").value)


def check_on(on: str) -> None:
    """Refuse an unknown ``on``."""
    if on not in UNIT:
        msg = f"on={on!r}: must be one of {', '.join(map(repr, UNIT))}"
        raise ConfigError(msg)
