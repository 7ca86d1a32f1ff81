"""Which instrument hedges which, out of one primary's candidates or a whole universe (A3).

Everything is computed on arrays: a pair costs microseconds. What makes a screen honest is
in the columns: the hedge is judged out of sample and net of its cost, the test's
p-value is that of this length of history and this choice of lags, and it is corrected for
all pairs tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.inputs import Missing, Panel, panel
from hedgekit.stats.johansen import trace_p_value
from hedgekit.stats.reversion import bounce, half_life_table
from hedgekit.stats.screen import null
from hedgekit.stats.screen.blocks import COLUMNS, Work, pairs_of, run
from hedgekit.stats.screen.kernels import COLLINEAR
from hedgekit.stats.screen.result import Screen

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

__all__ = ["Screen", "screen"]

Control = Literal["bh", "by", "holm"]
_CONTROL = {"bh": "fdr_bh", "by": "fdr_by", "holm": "holm"}


def screen(  # noqa: PLR0913 - every choice of a screen, each with its default
    prices: pd.DataFrame | ArrayLike,
    primary: str | None = None,
    *,
    on: Literal["log prices", "prices"] = "log prices",
    lags: int | None = None,
    q: float = 0.05,
    control: Control = "bh",
    window: int = 250,
    every: int = 21,
    cost_bps: float | pd.Series = 2.0,
    holding_bars: float = 20.0,
    risk_aversion: float = 10.0,
    level: float = 0.95,
    missing: Missing = "refuse",
    jobs: int | None = None,
    progress: bool = True,
) -> Screen:
    r"""Try all pairs, and rank them by the variance that the hedge removed out of sample, net of its cost.

    For each pair:

    - *Hedging.* OLS of the primary's moves on the hedge's over the ``window`` moves before, renewed ``every`` moves;
      effectiveness = 1 - var(hedged) / var(unhedged) over all later moves. Net of cost it is the certainty equivalent of a
      mean-variance trader, as a share of the unhedged risk:

      .. math:: E - \frac{c\,(2\,\bar{|h|} / T + \overline{|\Delta h|})}{(k/2)\,\mathrm{var}(\Delta p)}

      with c the cost of trading one dollar of the hedge, T ``holding_bars`` and k ``risk_aversion``.
    - *Cointegration.* Engle-Granger (1987). Null: no cointegration. ``p_value`` is MacKinnon's, equal to statsmodels'; ``p`` is the
      probability under independent random walks of just this length with just this choice of lags, by simulation;
      ``p_adjusted`` corrects ``p`` for all pairs tried (Benjamini & Hochberg 1995, Benjamini & Yekutieli 2001, or Holm 1979).
      Johansen's trace test with the constant restricted to the relation stands beside it (one lagged difference).
    - *Half-life* of the residual with an interval that inverts the small-sample distribution, the regression
      included (Andrews 1993); infinite means that no reversion is within the interval.
    - *Bounce*, of found pairs: whether the residual reverts beyond one bar, as quotes that bounce, or are stale on one side, do not.
      Null: a random walk plus noise of one bar (Hall's instrument, simulated).
    - *Break of the ratio*: Andrews' (1993) sup-LM on the moves, 15% trimmed, robust to heteroskedasticity. Null: one ratio throughout.
    - *Same bet.* Two contracts whose prices add up to one are one bet (YES and NO); holding both is no hedge but a
      sale. They are marked, and are no candidates.

    Every unordered pair is tried once, the earlier column being the primary; with ``primary`` only its pairs are. Random
    walks with jumps or changing volatility have heavier tails than the simulated ones: treat p as a ranking first.

    Parameters
    ----------
    prices : DataFrame or array_like, shape (n, symbols)
        One column for each instrument, oldest first, at least 50 rows and ``window`` + 40.
    primary : str, optional
        Try only the hedges of this column.
    on : {"log prices", "prices"}
        Prices for contracts between 0 and 1; logs otherwise. Ratios are dollars per dollar on logs, units per unit on prices.
    lags : int, optional
        Lagged differences in the Engle-Granger test, 0 to 12; None lets AIC choose (slower, safe against bounce).
    q : float
        False discovery rate accepted (family-wise error rate for "holm").
    control : {"bh", "by", "holm"}
        "bh" holds for independent and positively dependent tests; "by" for any, at a price.
    window, every : int
        Moves behind each ratio, and between two.
    cost_bps : float or Series
        Half-spread and fees for trading one dollar of a hedge, basis points; a Series by symbol.
    holding_bars : float
        How long a trade lasts: the hedge is bought and sold once in this time.
    risk_aversion : float
        Price of variance, 1 / notional, as ``Params.risk_aversion``.
    level : float
        Confidence level of the half-life's interval.
    missing : {"refuse", "drop"}
        Rows in which a price is missing: refuse them, or leave them out for all pairs and say so.
    jobs : int, optional
        Threads, or what the joblib backend makes of it; a backend configured by ``joblib.parallel_config`` is used.
    progress : bool
        Show a progress bar if it takes longer than 2 s.

    Returns
    -------
    Screen
        ``table`` has the columns ``primary, hedge, net_effectiveness, effectiveness, naive_effectiveness`` (shares of variance),
        ``ratio`` (OLS of moves, last window), ``level_ratio`` (OLS of levels), ``correlation`` (of moves, last window's sign),
        ``statistic, lags, p_value, p, p_adjusted, trace, trace_p, half_life, half_life_low, half_life_high`` (bars),
        ``break_p, break_at`` (row label after which), ``bounce_p`` (of found pairs, else NaN), ``found``, ``approved`` (bool)
        and ``says`` (why, or why not).

    Raises
    ------
    DataError
        If a price is missing, infinite, not above zero under logs, a column never moves or there are too few rows.
    ConfigError
        If an option is out of range.
    """
    settings = {name: value for name, value in locals().items() if name not in ("prices", "primary", "progress", "jobs")}
    checked = _checked(prices, settings)
    first, second = pairs_of(len(checked.names), _position(checked.names, primary))
    levels = checked.data if on == "prices" else np.log(checked.positive().data)
    last = checked.data[min(window, len(checked) - 1)]
    work = Work(levels, null.AIC if lags is None else lags, window, every, last if on == "prices" else np.ones(len(last)))
    raw = pd.DataFrame(run(work, first, second, jobs=jobs, progress=progress), columns=list(COLUMNS))
    table = _figures(raw, checked, (first, second), work, settings)
    return _judged(table, checked, settings, work.lags)


def _checked(prices: pd.DataFrame | ArrayLike, s: dict[str, Any]) -> Panel:
    for name, right, what in (
        ("q", 0 < s["q"] < 1, "between 0 and 1"),
        ("control", s["control"] in _CONTROL, f"one of {', '.join(_CONTROL)}"),
        ("on", s["on"] in ("log prices", "prices"), "'log prices' or 'prices'"),
        ("window", s["window"] >= 20, "20 or more"),  # noqa: PLR2004 - moves that carry a ratio at all
        ("every", s["every"] >= 1, "1 or more"),
        ("holding_bars", s["holding_bars"] > 0, "above 0"),
        ("risk_aversion", s["risk_aversion"] > 0, "above 0"),
    ):
        if not right:
            msg = f"{name}={s[name]!r}: must be {what}"
            raise ConfigError(msg)
    checked = panel(prices, missing=s["missing"]).moving().need(max(null.LEAST, s["window"] + 40))
    if len(checked.names) < 2:  # noqa: PLR2004 - a pair
        msg = f"{len(checked.names)} column is no pair: give at least two"
        raise DataError(msg)
    return checked


def _position(names: tuple[str, ...], primary: str | None) -> int | None:
    if primary is None:
        return None
    if primary not in names:
        msg = f"primary={primary!r} is no column; there are: {', '.join(names[:20])}"
        raise ConfigError(msg)
    return names.index(primary)


def _costs(cost_bps: float | pd.Series, names: tuple[str, ...]) -> Array:
    if not isinstance(cost_bps, pd.Series):
        return np.full(len(names), float(cost_bps) / 1e4)
    lacking = [name for name in names if name not in cost_bps.index]
    if lacking:
        msg = f"cost_bps has no entry for {lacking[0]!r}; give one for every column"
        raise ConfigError(msg)
    return cost_bps.loc[list(names)].to_numpy(dtype=np.float64) / 1e4


def _figures(raw: pd.DataFrame, p: Panel, pairs: tuple[Any, Any], work: Work, s: dict[str, Any]) -> pd.DataFrame:
    """Return the table's figures, one row for each pair, in the order tried."""
    first, second = pairs
    names, n = np.array(p.names, dtype=object), len(p)
    variance = raw["variance"].to_numpy()
    # dollars of primary and of hedge behind one unit of each: one on logs
    money = np.ones((2, len(raw))) if s["on"] == "log prices" else np.stack([p.data[-1][first], p.data[-1][second]])
    traded = _costs(s["cost_bps"], p.names)[second] * (2 * raw["size"] / s["holding_bars"] + raw["change"]) * money[1] / money[0]
    risk = 0.5 * s["risk_aversion"] * variance / money[0] ** 2
    statistic = raw["statistic"].to_numpy()
    lives = half_life_table(n, fitted_ratio=True, level=s["level"]).interval(raw["ar1"].to_numpy())
    at = raw["break_at"].to_numpy(dtype=np.int64)
    effectiveness = 1 - raw["hedged"] / variance
    return pd.DataFrame(
        {
            "primary": names[first],
            "hedge": names[second],
            "net_effectiveness": effectiveness - traded / risk,
            "effectiveness": effectiveness,
            "naive_effectiveness": 1 - raw["naive"] / variance,
            "ratio": raw["ratio"],
            "level_ratio": raw["slope"],
            "correlation": _correlations(work.levels, first, second),
            "statistic": statistic,
            "lags": raw["lags"],
            "p_value": np.where(np.isfinite(statistic), null.mackinnon(statistic), np.nan),
            "p": null.p_value(statistic, n, work.lags),
            "trace": raw["trace"],
            "trace_p": trace_p_value(raw["trace"].to_numpy(), 2),
            "half_life": lives.median,
            "half_life_low": lives.low,
            "half_life_high": lives.high,
            "break_p": null.break_p(raw["break_statistic"].to_numpy()),
            "break_at": at if p.index is None else p.index[at],
            "same_bet": _same_bet(p.data, first, second),
            "collinear": ~(raw["r2"].to_numpy() < COLLINEAR),
        }
    )


def _beyond_bounce(row: Any, p: Panel, s: dict[str, Any]) -> float:  # noqa: ANN401 - a row of the table
    """Return the p-value of reversion that outlasts one bar, 1 where only bounce is shown; of found pairs alone, for it is simulated."""
    y, x = (p.data[:, p.names.index(name)] for name in (row.primary, row.hedge))
    y, x = (y, x) if s["on"] == "prices" else (np.log(y), np.log(x))
    residual = y - y.mean() - row.level_ratio * (x - x.mean())
    return bounce(residual, fitted_ratio=True, reps=BOUNCE_REPS).p_value


def _correlations(levels: Array, first: Any, second: Any) -> Array:  # noqa: ANN401 - index arrays
    moves = np.diff(levels, axis=0)
    z = (moves - moves.mean(axis=0)) / moves.std(axis=0)
    return cast("Array", (z.T @ z / len(z))[first, second])


def _same_bet(prices: Array, first: Any, second: Any) -> Any:  # noqa: ANN401 - index and bool arrays
    """Say which pairs are complements: prices in (0, 1) whose sum is 1 but for noise that is small against their movement."""
    binary = np.asarray(((prices > 0) & (prices < 1)).all(axis=0))
    mean, cov = prices.mean(axis=0), np.atleast_2d(np.cov(prices.T))
    var = np.diag(cov)
    total = var[first] + var[second] + 2 * cov[first, second]
    near = np.abs(mean[first] + mean[second] - 1) <= SUM_TOLERANCE
    return binary[first] & binary[second] & near & (total <= NOISE_SHARE * np.minimum(var[first], var[second]))


SUM_TOLERANCE, NOISE_SHARE = 0.02, 0.05
"""Complements: the mean of the sum is this near to one, and its variance at most this share of one contract's."""


def _judged(table: pd.DataFrame, p: Panel, s: dict[str, Any], lags: int) -> Screen:
    """Correct for all pairs tried, approve or say why not, rank, and tell the power."""
    usable = (table["p"].notna() & ~table["same_bet"]).to_numpy()
    tried = int((~table["same_bet"]).sum())
    adjusted = np.full(len(table), np.nan)
    family = table["p"].where(table["p"].notna(), 1.0)[~table["same_bet"]]
    if tried:
        adjusted[(~table["same_bet"]).to_numpy()] = multipletests(family, method=_CONTROL[s["control"]])[1]
    table.insert(list(table.columns).index("p") + 1, "p_adjusted", np.where(usable, adjusted, np.nan))
    table["found"] = usable & (table["p_adjusted"] <= s["q"])
    table["bounce_p"] = [_beyond_bounce(row, p, s) if row.found else np.nan for row in table.itertuples()]
    table["says"] = _says(table, s)
    table["approved"] = table["says"] == APPROVED
    ranked = table.sort_values("net_effectiveness", ascending=False, kind="stable").reset_index(drop=True)
    at = s["q"] / max(tried, 1)
    test = f"Engle-Granger, {s['on']}, constant, {'AIC lags' if lags == null.AIC else f'{lags} lags'}"
    frame = pd.DataFrame(p.data, columns=list(p.names), index=p.index)
    warnings = (*p.notes, *_warnings(table))
    return Screen(ranked, tried, s["q"], s["control"], len(p), null.power(at, lags), at, {**s, "test": test}, warnings, frame)


APPROVED = "approved"
BOUNCE_LEVEL = 0.05
"""Level at which a found pair's reversion must outlast one bar."""
BOUNCE_REPS = 199
"""Walks simulated for each found pair: a hundredth of a second."""


def _says(table: pd.DataFrame, s: dict[str, Any]) -> Any:  # noqa: ANN401 - an array of text
    checks = (
        (table["same_bet"], "same bet: the two prices add up to one"),
        (table["collinear"], "collinear: the prices are almost the same, so the test says nothing"),
        (~table["found"], f"not shown to be cointegrated (adjusted p above {s['q']:g})"),
        (table["bounce_p"] >= BOUNCE_LEVEL, "nothing reverts beyond one bar: bounce of the quotes, or stale ones"),
        (~np.isfinite(table["half_life_high"]), "no reversion is within the half-life's interval"),
        (table["break_p"] < s["q"], "the ratio broke"),
        (~(table["net_effectiveness"] > 0), "the hedge costs more than the risk it removes"),
    )
    return np.select([check.to_numpy() for check, _ in checks], [text for _, text in checks], default=APPROVED)


def _warnings(table: pd.DataFrame) -> tuple[str, ...]:
    said = []
    if table["same_bet"].any():
        said.append(f"{int(table['same_bet'].sum())} pairs are the same bet (prices add up to one) and no candidates")
    if table["collinear"].any():
        said.append(f"{int(table['collinear'].sum())} pairs are (almost) perfectly collinear: the cointegration test is not reliable there")
    return tuple(said)
