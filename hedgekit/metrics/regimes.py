"""Does the hedge work when it is needed? Every effectiveness figure split by volatility regime.

A bar belongs to the regime that was known when it began: realised volatility over a trailing window, against the quantiles of
its own past (no look-ahead). A trade belongs to the regime known at its entry. Splitting by what came afterwards would
find a degradation in any market: the worst bars would be called volatile because they were the worst.
:mod:`hedgekit.metrics.degradation` holds volatile bars against calm ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd

from hedgekit import metrics as m
from hedgekit.data.ranges import check_whole
from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.studentised import NOTHING, Interval, ratio
from hedgekit.stats.twins import sample_of, twins_of
from hedgekit.verdict.figures import difference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.stats.twins import Sample

TERCILES = ("calm", "normal", "volatile")
HALVES = ("calm", "volatile")
UNKNOWN = "unknown"
"""Bars before there is a volatility and a past to hold it against; a row of its own, so that the rows add up."""
LONGEST = 1_000_000
"""Most bars of a window."""


def realised_volatility(equity: pd.DataFrame, *, window: int = 20, of: Literal["primary", "spread"] = "primary") -> pd.Series[float]:
    r"""Return the realised volatility known at each bar close: the root mean square of the last ``window`` log returns, a bar.

    .. math:: v_t = \sqrt{\tfrac1w \sum_{i=0}^{w-1} r_{t-i}^2}

    Parameters
    ----------
    equity : DataFrame
        Columns ``mid_primary``, and for the spread ``mid_hedge, ratio``.
    window : int
        Bars, 2 or more.
    of : {"primary", "spread"}
        Whose returns: the primary's, or the primary's less the ratio in force at the bar's start x the hedge's.

    Returns
    -------
    Series of float
        Index of ``equity``; NaN until the window is full of known returns.

    Raises
    ------
    ConfigError
        If ``window`` or ``of`` is none of these.
    """
    check_whole("window", window, 2, LONGEST)
    if of not in {"primary", "spread"}:
        msg = f"of={of!r}: choose 'primary' or 'spread'"
        raise ConfigError(msg)
    returns = np.diff(np.log(m.column(equity, "mid_primary")), prepend=np.nan)[: len(equity)]
    if of == "spread":
        ratio_before = np.concatenate([[np.nan], m.column(equity, "ratio")[:-1]])[: len(equity)]
        returns = returns - ratio_before * np.diff(np.log(m.column(equity, "mid_hedge")), prepend=np.nan)[: len(equity)]
    squares = pd.Series(returns**2, index=equity.index)
    return cast("pd.Series[float]", np.sqrt(squares.rolling(window).mean()).rename("volatility"))


def volatility_regimes(  # noqa: PLR0913 - how volatility is measured, and how it is cut
    equity: pd.DataFrame,
    *,
    window: int = 20,
    of: Literal["primary", "spread"] = "primary",
    cuts: Sequence[float] = (1 / 3, 2 / 3),
    threshold: float | None = None,
    quantiles: Literal["expanding", "full sample"] = "expanding",
    warmup: int = 60,
) -> pd.Series[str]:
    """Return the regime of each bar: the one known when it began, at the close before it.

    Parameters
    ----------
    equity, window, of
        As in :func:`realised_volatility`.
    cuts : sequence of float
        One or two quantiles: two give calm, normal and volatile; one gives calm and volatile.
    threshold : float, optional
        A volatility (a bar) in place of the quantiles: calm below, volatile from it on.
    quantiles : {"expanding", "full sample"}
        Of the volatilities up to then, or of all: the second looks ahead and is for comparison only.
    warmup : int
        Volatilities that must be known before an expanding quantile is.

    Returns
    -------
    Series of ordered categories
        Index of ``equity``; NaN where it is not known.

    Raises
    ------
    ConfigError
        If an option is out of range.
    """
    known = realised_volatility(equity, window=window, of=of)
    names = HALVES if threshold is not None or len(cuts) == 1 else TERCILES
    limits = _limits(known, tuple(cuts), threshold, quantiles, warmup)
    values, above = known.to_numpy(), np.column_stack(limits)
    unknown = np.isnan(values) | np.isnan(above).any(axis=1)
    code = np.where(unknown, -1, (values[:, None] >= above).sum(axis=1))
    at_start = np.concatenate([[-1], code[:-1]])[: len(code)]  # what the close before this bar knew
    return pd.Series(pd.Categorical.from_codes(at_start, pd.Index(names), ordered=True), index=equity.index, name="regime")


def _limits(
    known: pd.Series[float], cuts: tuple[float, ...], threshold: float | None, quantiles: str, warmup: int
) -> list[pd.Series[float]]:
    if threshold is not None:
        if not (np.isfinite(threshold) and threshold > 0):
            msg = f"threshold={threshold!r}: must be a finite volatility above 0 (of log returns, a bar)"
            raise ConfigError(msg)
        return [pd.Series(threshold, index=known.index, dtype="float64")]
    if not 1 <= len(cuts) <= 2 or list(cuts) != sorted(set(cuts)) or not all(0 < cut < 1 for cut in cuts):  # noqa: PLR2004 - two or three regimes
        msg = f"cuts={cuts!r}: give one or two rising quantiles inside 0 to 1, for example (1/3, 2/3)"
        raise ConfigError(msg)
    if quantiles not in {"expanding", "full sample"}:
        msg = f"quantiles={quantiles!r}: choose 'expanding' (known then) or 'full sample' (looks ahead)"
        raise ConfigError(msg)
    check_whole("warmup", warmup, 1, LONGEST)
    if quantiles == "full sample":
        return [pd.Series(known.quantile(cut), index=known.index, dtype="float64") for cut in cuts]
    return [known.expanding(warmup).quantile(cut) for cut in cuts]


# ------------------------------------------------------------------------ table


def by_regime(  # noqa: PLR0913 - three frames, labels, and the resampling
    equity: pd.DataFrame,
    trades: pd.DataFrame,
    fills: pd.DataFrame,
    *,
    labels: pd.Series[Any] | None = None,
    reps: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the figures of a backtest or session, one row for each volatility regime, and ``all`` of them.

    Parameters
    ----------
    equity, trades, fills : DataFrame
        The journal's frames.
    labels : Series, optional
        Regime of each bar, index of ``equity``, NaN where not known; by default :func:`volatility_regimes`.
    reps, seed, level
        Of the intervals: studentised block bootstrap of the regime's bars, strung together in order.

    Returns
    -------
    DataFrame
        Index ``regime``: the categories in order, ``unknown`` if there are such bars, ``all``. Columns: ``bars``; ``held`` (bars
        that end with a position); ``trades`` (closed ones, by the regime known at entry);
        ``effectiveness`` (1 - var(hedged) / var(unhedged) of bar P&L) with ``_lower, _upper``; ``pnl_hedged, pnl_unhedged`` (net, money;
        regimes add up to ``all``); ``sharpe_hedged, sharpe_unhedged`` (a year of 252 bars); ``sharpe_gain`` (difference)
        with ``_lower, _upper``; ``drawdown_hedged, drawdown_unhedged`` (maximum over the regime's bars strung together, so not of
        a time that was lived through); ``cost_drag`` (A25) with ``_lower, _upper``; ``mean_delta`` (A24) with ``_lower, _upper``. NaN
        where a figure has no meaning.

    Raises
    ------
    DataError
        If a column is missing, or the labels do not fit the bars.
    ConfigError
        If ``reps`` or ``level`` is out of range.
    """
    check_resampling(reps, level)
    regime, names = labels_of(equity, labels)
    whole = sample_of(equity, trades, fills)
    closed = trades[trades["closed"].notna()]
    at_entry = _at_entry(equity, closed, regime)
    rows = {}
    for k, name in enumerate((*names, "all")):
        in_bars, in_trades = (np.ones(len(x), dtype=bool) if name == "all" else x == name for x in (regime, at_entry))
        part = replace(whole, bars=whole.bars[in_bars], trades=whole.trades[in_trades])
        rows[name] = _figures(part, equity[in_bars], closed[in_trades], reps, (seed, k), level)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("regime")


def _figures(s: Sample, equity: pd.DataFrame, closed: pd.DataFrame, reps: int, seed: tuple[int, int], level: float) -> dict[str, Any]:  # noqa: PLR0913 - one row
    hedged, unhedged = s.bars[:, 0].cumsum(), s.bars[:, 1].cumsum()
    out: dict[str, Any] = {"bars": len(s.bars), "held": int(m.held_bars(equity).sum()), "trades": len(closed)}
    if not len(s.bars):
        return out
    t = twins_of(s, reps, seed[0] * 1000 + seed[1])
    variance = ratio(t.variance, level)
    less = m.variance_effectiveness(hedged, unhedged)
    mine, base = m.sharpe(s.bars[:, 0]), m.sharpe(s.bars[:, 1])
    out |= _with("effectiveness", less, Interval(1 - variance.upper, 1 - variance.lower))
    out |= {"pnl_hedged": float(hedged[-1]), "pnl_unhedged": float(unhedged[-1]), "sharpe_hedged": mine, "sharpe_unhedged": base}
    out |= _with("sharpe_gain", mine - base, difference(s, t, level))
    out |= {"drawdown_hedged": m.max_drawdown(hedged), "drawdown_unhedged": m.max_drawdown(unhedged)}
    out |= _with("cost_drag", m.hedge_cost_drag(closed), ratio(t.drag, level))
    return out | _with("mean_delta", m.delta_neutrality(equity), ratio(t.delta, level))


def _with(name: str, value: float, ends: Interval) -> dict[str, float]:
    ends = NOTHING if np.isnan(value) else ends
    return {name: value, f"{name}_lower": ends.lower, f"{name}_upper": ends.upper}


def labels_of(equity: pd.DataFrame, labels: pd.Series[Any] | None) -> tuple[np.ndarray, list[str]]:
    """Return each bar's regime as a word, and the words in order."""
    given = volatility_regimes(equity) if labels is None else labels
    if not given.index.equals(equity.index):
        msg = f"labels have {len(given)} rows that are not the {len(equity)} bars of equity; give one for each, with the same index"
        raise DataError(msg)
    kinds = given.cat.categories if isinstance(given.dtype, pd.CategoricalDtype) else sorted(given.dropna().unique())
    names = [str(kind) for kind in kinds]
    if {"all", UNKNOWN} & set(names):
        msg = f"labels: 'all' and {UNKNOWN!r} have a meaning of their own; rename the regimes {', '.join(names)}"
        raise DataError(msg)
    words = given.astype(object).where(given.notna(), UNKNOWN).astype(str).to_numpy()
    return words, [*names, UNKNOWN] if (words == UNKNOWN).any() else names


def _at_entry(equity: pd.DataFrame, closed: pd.DataFrame, regime: np.ndarray) -> np.ndarray:
    """Return the regime known when each trade was opened: that of the first bar that began then or later."""
    opened = pd.DatetimeIndex(closed["opened"])
    bar = pd.DatetimeIndex(equity.index).searchsorted(opened, side="right")
    beyond = opened.isna() | (bar >= len(regime))
    return np.where(beyond, UNKNOWN, regime[np.where(beyond, 0, bar)]) if len(regime) else np.full(len(closed), UNKNOWN)


def check_resampling(reps: int, level: float) -> None:
    """Refuse numbers of the resampling that are out of range."""
    for name, value, low, high in (("reps", reps, 100, 1_000_000), ("level", level, 0.5, 0.999)):
        if not low <= value <= high:
            msg = f"{name}={value!r}: must be {low:g} to {high:g}"
            raise ConfigError(msg)
