"""How far a hedge may drift before a trade pays (A14 to A16): no-trade bands, and how good any band could have been.

One model stands behind all of it. The target hedge moves like a Brownian motion with
variance rate ``v``; trading one unit costs ``K``; being ``x`` away from the target costs
``k x^2 / 2`` for each unit of time.

=================== ===== ======================================================================
argument            model unit
=================== ===== ======================================================================
``variance_rate``   v     target unit squared / time, for example (dollars of hedge per dollar
                          of primary)^2 per bar
``cost``            K     money per target unit traded, for example .0002 for 2 bp of the money
                          traded: half the spread, fee, impact
``fixed_cost``      F     money for each trade, whatever its size
``penalty``         k     money / target unit squared / time: risk aversion x variance of the
                          hedge's return per bar
``horizon``         tau   time that a deviation is expected to last
=================== ===== ======================================================================

Money is in the unit in which risk aversion is stated: with a ratio in dollars for each dollar
of primary and a risk aversion for one dollar of primary, a ``cost_rate`` of 1e-5 is .1 bp of the
primary's value for each bar. Time is whatever ``v`` and ``k`` are stated for; take the same for both.

- with proportional cost trade to the *edge* of the band: :func:`proportional_band`, and
  :func:`discrete_band` if you look only once a bar; trading back to the target, as in the loop of A15,
  costs at least 26% more;
- with a fixed cost trade to the target (:func:`fixed_cost_band`); with both, part of the way (:func:`mixed_cost_band`);
- with a cost that grows as the square of the trade, a fraction each period (:func:`garleanu_pedersen`);
- options: :func:`whalley_wilmott`; one period: :func:`one_period`, :func:`cost_aware_ratio`;
- from a path of ratios to a band: :func:`band_from_history`;
- in hindsight: :func:`fewest_changes`, :func:`least_turnover`, :func:`band_efficiency`.

Zakamouline's closed-form band is left out: its coefficients could not be read in the source.
"""

from __future__ import annotations

from hedgekit.stats.bands.hindsight import (
    BandEfficiency,
    HeldPath,
    band_efficiency,
    fewest_changes,
    least_turnover,
)
from hedgekit.stats.bands.history import HistoryBand, band_from_history
from hedgekit.stats.bands.looks import discrete_band
from hedgekit.stats.bands.options import OptionBand, whalley_wilmott
from hedgekit.stats.bands.periods import PartialAdjustment, PeriodMove, cost_aware_ratio, garleanu_pedersen, one_period
from hedgekit.stats.bands.widths import Band, ProportionalBand, cost_of_band, fixed_cost_band, mixed_cost_band, proportional_band

__all__ = [
    "Band",
    "BandEfficiency",
    "HeldPath",
    "HistoryBand",
    "OptionBand",
    "PartialAdjustment",
    "PeriodMove",
    "ProportionalBand",
    "band_efficiency",
    "band_from_history",
    "cost_aware_ratio",
    "cost_of_band",
    "discrete_band",
    "fewest_changes",
    "fixed_cost_band",
    "garleanu_pedersen",
    "least_turnover",
    "mixed_cost_band",
    "one_period",
    "proportional_band",
    "whalley_wilmott",
]
