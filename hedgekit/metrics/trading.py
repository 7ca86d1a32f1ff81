"""Metrics of trades and fills: hits, profit factor, holding, excursions, turnover, and time with one leg alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.errors import ConfigError, DataError
from hedgekit.metrics.frames import NAN, column

if TYPE_CHECKING:
    from hedgekit.data import Array

EXCURSIONS = ("trade", "bars", "pnl", "mae", "mfe", "bars_to_mae", "bars_to_mfe")


def hit_rate(trades: pd.DataFrame) -> float:
    """Share of trades with a net profit; breaking even is no hit. NaN without trades, or if a net P&L is NaN.

    Says nothing of how large wins and losses are (see :func:`profit_factor`): a rule that takes small profits and lets losses
    run has a high hit rate and may lose money.

    Parameters
    ----------
    trades : DataFrame
        Column ``hedged``, net P&L in money.
    """
    net = column(trades, "hedged")
    return float((net > 0).mean()) if len(net) and not np.isnan(net).any() else NAN


def profit_factor(trades: pd.DataFrame) -> float:
    """Sum of net profits / sum of net losses, a positive number; over 1 earns money. NaN if no trade lost, or if a net P&L is NaN.

    Parameters
    ----------
    trades : DataFrame
        Column ``hedged``, net P&L in money.
    """
    net = column(trades, "hedged")
    lost = -float(np.minimum(net, 0.0).sum())
    return float(np.maximum(net, 0.0).sum()) / lost if lost > 0 else NAN


def best_trade_share(trades: pd.DataFrame) -> float:
    """Share of the net hedged P&L that came from the best trade; NaN if the total is not above zero.

    Over 1 if the others together lost.

    Parameters
    ----------
    trades : DataFrame
        Column ``hedged``.
    """
    net = column(trades, "hedged")
    total = float(net.sum())
    return float(net.max()) / total if total > 0 else NAN


@dataclass(frozen=True, slots=True)
class Holding:
    """How long closed trades were held, in bars and in seconds; NaN without closed trades."""

    mean_bars: float
    median_bars: float
    longest_bars: float
    mean_s: float
    median_s: float
    longest_s: float
    trades: int


def holding_time(trades: pd.DataFrame) -> Holding:
    """Return how long closed trades were held: from the decision to open until the decision to close.

    Parameters
    ----------
    trades : DataFrame
        Columns ``opened, closed`` (timestamps; a trade without both is open and left out, see ``trades``) and ``bars``.
    """
    for name in ("opened", "closed"):
        _times(trades, name)
    known = (trades["opened"].notna() & trades["closed"].notna()).to_numpy(dtype=bool)
    if not known.any():
        return Holding(NAN, NAN, NAN, NAN, NAN, NAN, 0)
    seconds = (trades["closed"] - trades["opened"]).dt.total_seconds().to_numpy(dtype=np.float64)[known]
    bars = column(trades, "bars")[known]
    return Holding(
        mean_bars=float(bars.mean()),
        median_bars=float(np.median(bars)),
        longest_bars=float(bars.max()),
        mean_s=float(seconds.mean()),
        median_s=float(np.median(seconds)),
        longest_s=float(seconds.max()),
        trades=int(known.sum()),
    )


def trade_excursions(equity: pd.DataFrame, trades: pd.DataFrame, *, curve: str = "hedged") -> pd.DataFrame:
    """Return how far each closed trade went against its holder (MAE) and for him (MFE), in money.

    The curve's gain since the bar at which the trade was opened, over the bars up to the one at which its close was
    decided. Only bar closes are seen: what happened inside a bar went further. Costs of entering are inside; those of leaving fall after
    the last bar, so ``pnl`` is not quite the trade's net result.

    Parameters
    ----------
    equity : DataFrame
        Column ``curve``, cumulative money; index of bar closes, increasing.
    trades : DataFrame
        Columns ``trade, opened, closed``; trades without both times are open and left out.
    curve : str
        ``hedged``, ``unhedged`` or another column of ``equity``.

    Returns
    -------
    DataFrame
        One row for each closed trade: ``trade``, ``bars`` from the first to the last, ``pnl``, ``mae`` and ``mfe`` (zero or
        more), ``bars_to_mae``, ``bars_to_mfe`` (bars after the first; the first, if met again).

    Raises
    ------
    DataError
        If a column is missing, the curve is not finite during a trade, or a trade lies outside the bars.
    """
    path, numbers = column(equity, curve), column(trades, "trade")
    if not (isinstance(equity.index, pd.DatetimeIndex) and equity.index.is_monotonic_increasing):
        msg = "equity: its index must be increasing timestamps of bar closes; sort it, or give the journal's equity()"
        raise DataError(msg)
    opened, closed = (_times(trades, name) for name in ("opened", "closed"))
    known = np.flatnonzero((opened.notna() & closed.notna()).to_numpy(dtype=bool))
    first, last = (equity.index.searchsorted(pd.DatetimeIndex(x.iloc[known]), side="right") - 1 for x in (opened, closed))
    rows = [_excursion(path, int(numbers[k]), int(i), int(j)) for k, i, j in zip(known, first, last, strict=True)]
    kinds = {name: "float64" if name in {"pnl", "mae", "mfe"} else "int64" for name in EXCURSIONS}
    return pd.DataFrame(rows, columns=list(EXCURSIONS)).astype(kinds)


def _excursion(path: Array, trade: int, first: int, last: int) -> tuple[float, ...]:
    if not 0 <= first <= last:
        msg = f"trade {trade} lies outside the bars of equity, or was closed before it was opened; give the equity of its session"
        raise DataError(msg)
    gain = path[first : last + 1] - path[first]
    if not np.isfinite(gain).all():
        row = first + int(np.flatnonzero(~np.isfinite(gain))[0])
        msg = f"equity is not finite at row {row}, during trade {trade}; every bar needs its P&L"
        raise DataError(msg)
    worst, best = int(np.argmin(gain)), int(np.argmax(gain))
    return trade, last - first, float(gain[-1]), -float(gain[worst]), float(gain[best]), worst, best


def turnover(fills: pd.DataFrame, *, capital: float, years: float = 1.0) -> float:
    """Money traded, both legs, buys and sells, / capital / years. A round trip of a pair of 1,000 on capital 1,000 is four turns.

    Parameters
    ----------
    fills : DataFrame
        Columns ``qty, price, multiplier``. No fill gives 0.
    capital : float
        Money; above zero. The strategy's capital is a choice, so it has no default.
    years : float
        Length of the history; the default gives the turnover of all of it.

    Raises
    ------
    ConfigError
        If ``capital`` or ``years`` is not a finite number above zero.
    """
    for name, value in (("capital", capital), ("years", years)):
        if not 0 < value < float("inf"):
            msg = f"{name}={value!r}: must be a finite number above 0"
            raise ConfigError(msg)
    return float(np.abs(column(fills, "qty") * column(fills, "price") * column(fills, "multiplier")).sum()) / capital / years


def naked_exposure(fills: pd.DataFrame, *, ratio: float | None = None, until: pd.Timestamp | None = None) -> pd.DataFrame:
    r"""Return money x seconds that each trade stood unhedged: one leg without the other.

    Between two fills each leg is worth :math:`V`, its signed position x its last fill price x multiplier. Naked is the whole of a
    leg whose other leg is flat; with ``ratio`` (money of hedge for money of primary) it is :math:`|V_p + V_h / h|` at all times,
    so a hedge filled to 60% leaves 40% naked. Summed over time: the integral of naked money. Price moves between fills are not
    seen, nor without ``ratio`` a net delta (A24 is its gauge). Two legs on the same side hedge nothing, and their money adds up.

    Parameters
    ----------
    fills : DataFrame
        Columns ``ts`` (timestamps), ``trade``, ``leg`` (0 the primary, others the hedge), ``instrument``, ``qty`` (signed),
        ``price``, ``multiplier``.
    ratio : float, optional
        Dollar hedge ratio, above zero.
    until : Timestamp, optional
        End of the history, for a trade that still has one leg alone after its last fill.

    Returns
    -------
    DataFrame
        One row for each trade: ``trade``, ``naked_s`` (seconds with naked money; rounding of a millionth counts as none),
        ``exposure_money_s`` (money x seconds), ``largest_money``.

    Raises
    ------
    DataError
        If a column is missing or a number is not finite; if a trade is naked after its last fill and ``until`` is missing, or
        is before that fill.
    ConfigError
        If ``ratio`` is not above zero.
    """
    if ratio is not None and not 0 < ratio < float("inf"):
        msg = f"ratio={ratio!r}: must be a finite number above 0 (money of hedge for money of primary)"
        raise ConfigError(msg)
    at = _times(fills, "ts")
    number, leg, value = column(fills, "trade"), column(fills, "leg"), column(fills, "qty") * column(fills, "multiplier")
    price = column(fills, "price")
    for name, x in (("trade", number), ("leg", leg), ("qty x multiplier", value), ("price", price)):
        if not np.isfinite(x).all():
            row = int(np.flatnonzero(~np.isfinite(x))[0])
            msg = f"fills: {name} is {x[row]} at row {row}; a fill has a finite number there"
            raise DataError(msg)
    if "instrument" not in fills.columns:
        column(fills, "instrument")  # says that it is missing
    table = pd.DataFrame({"ts": at, "leg": leg, "key": fills["instrument"].astype(str), "qty": value, "price": price, "trade": number})
    table = table.sort_values("ts", kind="stable")
    rows = [_naked(trade, table[table["trade"] == trade], ratio, until) for trade in sorted({int(x) for x in number})]
    kinds = {"trade": "int64", "naked_s": "float64", "exposure_money_s": "float64", "largest_money": "float64"}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def _naked(trade: int, fills: pd.DataFrame, ratio: float | None, until: pd.Timestamp | None) -> tuple[float, ...]:
    held: dict[str, float] = {}
    price: dict[str, float] = {}
    primary = set(fills.loc[fills["leg"] == 0, "key"])
    naked, size = [], 0.0
    for key, qty, paid in zip(fills["key"], fills["qty"], fills["price"], strict=True):
        held[key], price[key] = held.get(key, 0.0) + float(qty), float(paid)
        money = {k: held[k] * price[k] for k in held}
        own, other = (sum(v for k, v in money.items() if (k in primary) is is_own) for is_own in (True, False))
        size = max(size, abs(own), abs(other))
        naked.append(_alone(own, other, ratio) if max(abs(own), abs(other)) > size * 1e-6 else 0.0)  # a sum of floats is seldom 0
    if naked[-1] > 0 and until is None:
        msg = f"trade {trade} has one leg alone after its last fill, at {fills['ts'].iloc[-1]}: give until=, the end of the history"
        raise DataError(msg)
    ends = [*fills["ts"].iloc[1:], fills["ts"].iloc[-1] if naked[-1] == 0 or until is None else until]
    spans = np.array([(end - start).total_seconds() for start, end in zip(fills["ts"], ends, strict=True)])
    if (spans < 0).any():
        msg = f"until={until} is before the last fill of trade {trade}, {fills['ts'].iloc[-1]}: give the end of the history"
        raise DataError(msg)
    alone = np.array(naked)
    return trade, float(spans[alone > 0].sum()), float(alone @ spans), float(alone.max())


def _alone(own: float, other: float, ratio: float | None) -> float:
    """Return the money that has no counterpart, from signed money of primary and hedge."""
    if ratio is not None:
        left = abs(own + other / ratio)
        return left if left > 1e-6 * max(abs(own), abs(other) / ratio) else 0.0
    tiny = 1e-6 * max(abs(own), abs(other))
    if own * other > 0 and min(abs(own), abs(other)) > tiny:
        return abs(own) + abs(other)
    return max(abs(own), abs(other)) if min(abs(own), abs(other)) <= tiny else 0.0


def _times(frame: pd.DataFrame, name: str) -> pd.Series[pd.Timestamp]:
    if name not in frame.columns:
        column(frame, name)  # says that it is missing
    times = frame[name]
    if not isinstance(times.dtype, (np.dtype, pd.DatetimeTZDtype)) or times.dtype.kind != "M":
        msg = f"{name}: timestamps are needed, not {times.dtype}; give the journal's frames, or use pd.to_datetime(..., utc=True)"
        raise DataError(msg)
    return times
