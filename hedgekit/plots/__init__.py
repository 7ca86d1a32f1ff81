"""Figures of a backtest for notebooks and reports: one function each, ``overview`` for the four that share the time axis.

>>> from bokeh.plotting import show                              # doctest: +SKIP
>>> show(overview(run_backtest(tape, params)))                   # doctest: +SKIP

Each takes the ``Backtest`` of :func:`hedgekit.run_backtest`, or anything with the same frames, such as the session that
:func:`hedgekit.report.load` reads. Conventions, the same everywhere here:

- Profit is at executable prices, costs included; profit at mids stands only beside it (L10).
- Long series are thinned so that every extreme stays, and the figure says so. What is unknown is a hole, not a line across it.
- What matters is told by shape, dash or words as well as by a colour-blind-safe colour.
- A result without trades gives a figure that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgekit.plots import bars, trades
from hedgekit.plots.draw import stack, whole
from hedgekit.plots.sweeps import deflated, sweep_map
from hedgekit.plots.view import view

if TYPE_CHECKING:
    from bokeh.models import GridPlot
    from bokeh.plotting import figure

    from hedgekit.plots.view import Result

__all__ = ["adjustments", "deflated", "equity", "excursions", "overview", "prices", "ratio", "signal", "sweep_map"]


def prices(result: Result) -> GridPlot:
    """Draw the mids of all legs, 100 at the first bar, and below the money value of each position, signed.

    Parameters
    ----------
    result : Backtest, or an object with the frames of :class:`hedgekit.plots.view.Frames`
        What happened.
    """
    v = view(result)
    return stack(bars.prices(v, whole(v)))


def signal(result: Result) -> GridPlot:
    """Draw z at bar closes (A1) with the levels of entry, target and stop (A2), and each trade's entry and exit, its reason by shape.

    Entries and exits that were decided without a z are counted in words.

    Parameters
    ----------
    result : Backtest, or an object with the frames of :class:`hedgekit.plots.view.Frames`
        What happened.
    """
    v = view(result)
    return stack(bars.signal(v, whole(v)))


def ratio(result: Result) -> GridPlot:
    """Draw the hedge ratio of each plan (A4, A5), dollars of hedge for a dollar of primary, with ratio ± 1.96 standard errors.

    A circle is a revision whose evidence holds at the strategy's significance, a cross one whose evidence fails or is missing
    (such a plan opens trades only by an override).

    Parameters
    ----------
    result : Backtest, or an object with the frames of :class:`hedgekit.plots.view.Frames`
        What happened.
    """
    v = view(result)
    return stack(bars.ratio(v, whole(v)))


def equity(result: Result) -> GridPlot:
    """Draw cumulative P&L in money, hedged and unhedged on the same trades, at executable prices and at mids; below the drawdown.

    Parameters
    ----------
    result : Backtest, or an object with the frames of :class:`hedgekit.plots.view.Frames`
        What happened.
    """
    v = view(result)
    return stack(bars.equity(v, whole(v)))


def overview(result: Result) -> GridPlot:
    """Draw prices, positions, z, hedge ratio, P&L and drawdown below each other: one time axis, one crosshair.

    Parameters
    ----------
    result : Backtest, or an object with the frames of :class:`hedgekit.plots.view.Frames`
        What happened.

    Raises
    ------
    DataError
        If ``result`` has no frames.
    ConfigError
        If a backtest does not know its tape and parameters.
    """
    v = view(result)
    x_range = whole(v)
    return stack([plot for make in (bars.prices, bars.signal, bars.ratio, bars.equity) for plot in make(v, x_range)])


def adjustments(result: Result) -> figure:
    """Draw each look at the net delta that found it outside: cost of adjusting the hedge against the risk it removes (A16), in money.

    Taken ones are circles, skipped ones crosses; on the line both are equal. The worth of risk rests on the strategy's risk
    aversion: it is a price, not money earned.

    Parameters
    ----------
    result : Backtest, or an object with the frames of :class:`hedgekit.plots.view.Frames`
        What happened.
    """
    return trades.adjustments(view(result))


def excursions(result: Result) -> figure:
    """Draw each closed trade's net P&L against its maximum adverse excursion, both in money, hedged.

    :func:`hedgekit.metrics.trade_excursions` has the definition. Profits are triangles, the others crosses.

    Parameters
    ----------
    result : Backtest, or an object with the frames of :class:`hedgekit.plots.view.Frames`
        What happened.

    Raises
    ------
    DataError
        If the P&L is not known at a bar during a trade.
    """
    return trades.excursions(view(result))
