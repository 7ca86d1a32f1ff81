"""What the article's own gates are worth: point estimates against A27 and A28, without an interval.

The article passes a hedge that shows a drawdown less by 25% and a Sharpe ratio over 1.2 times the unhedged one. On 50 or 200 trades
both are mostly chance, so the verdict says how often which hedge would pass (METHODS 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.compiled import kernel
from hedgekit.errors import ConfigError
from hedgekit.stats.sharpe import trades_needed

if TYPE_CHECKING:
    from hedgekit.data import Array

SHARPE_GATE, DRAWDOWN_GATE = 1.2, 0.25
UNRELATED_RATIO = 0.35
"""Size of the unrelated hedge, in the middle of the article's .3 to .5 for loose pairs (A4)."""
ROWS = 2_000_000
"""Trades simulated at once: bounds the memory."""


@dataclass(frozen=True, slots=True)
class Worth:
    """How often a hedge passes point-estimate gates.

    Attributes
    ----------
    trades, reps : int
        Trades of a history; histories simulated.
    sharpe : float
        Sharpe ratio of an unhedged trade (per trade, not a year).
    correlation, ratio : float
        Of the hedge with the primary; units of hedge, both scaled to the same deviation.
    true_improvement : float
        The hedged Sharpe ratio over the unhedged one, in truth.
    sharpe_gate_frac, drawdown_gate_frac, both_frac : float
        Share of histories over 1.2 (and an unhedged Sharpe ratio above zero); over 25%; over both.
    undefined_frac : float
        Share of histories whose unhedged Sharpe ratio is not above zero: no ratio at all.
    """

    trades: int
    reps: int
    sharpe: float
    correlation: float
    ratio: float
    true_improvement: float
    sharpe_gate_frac: float
    drawdown_gate_frac: float
    both_frac: float
    undefined_frac: float


def point_gates(  # noqa: PLR0913 - a case and how to simulate it
    trades: int, correlation: float, *, ratio: float | None = None, sharpe: float = 0.1, reps: int = 4000, seed: int = 0
) -> Worth:
    r"""Simulate how often a hedge of known worth passes the article's gates as point estimates (A27, A28, A29).

    Gaussian independent trades: the unhedged P&L is :math:`u = s + z`, the hedge instrument :math:`f = \rho z + \sqrt{1 - \rho^2} e`
    has no drift and costs nothing, and the hedged P&L is :math:`u - h f`. With :math:`h = \rho`, the true ratio of
    Sharpe ratios is :math:`1 / \sqrt{1 - \rho^2}`: 1.67 at .8, 1.25 at .6. Costs and fat tails make it worse.

    Parameters
    ----------
    trades : int
        Of each history, 2 or more.
    correlation : float
        :math:`\rho`, between -1 and 1.
    ratio : float, optional
        :math:`h`; by default the best one, :math:`\rho`.
    sharpe : float
        :math:`s`, mean / standard deviation of an unhedged trade.
    reps, seed : int
        Histories, 100 or more, and their seed.

    Returns
    -------
    Worth

    Raises
    ------
    ConfigError
        If an argument is out of range.
    """
    for name, value, low, high in (
        ("trades", trades, 2, 10**7),
        ("correlation", correlation, -0.999, 0.999),
        ("reps", reps, 100, 10**6),
        ("sharpe", sharpe, -10, 10),
    ):
        if not low <= value <= high:
            msg = f"{name}={value!r}: must be {low:g} to {high:g}"
            raise ConfigError(msg)
    h = correlation if ratio is None else ratio
    generator = np.random.Generator(np.random.PCG64(seed))
    parts, done = [], 0
    while done < reps:
        some = min(reps - done, max(1, ROWS // trades))
        z, e = generator.standard_normal((2, some, trades))
        parts.append(_passes(z + sharpe, z + sharpe - h * (correlation * z + math.sqrt(1 - correlation**2) * e)))
        done += some
    a28, a27, undefined = np.concatenate(parts).T
    true = 1 / math.sqrt(1 - 2 * h * correlation + h * h)
    shares = (float(x.mean()) for x in (a28, a27, a28 * a27, undefined))
    return Worth(trades, reps, sharpe, correlation, h, true, *shares)


@kernel
def _passes(unhedged: Array, hedged: Array) -> Array:
    """Return, by history, whether the Sharpe gate is passed, the drawdown gate, and whether the ratio is undefined; 1 or 0."""
    reps, n = unhedged.shape
    out = np.zeros((reps, 3))
    for r in range(reps):
        u, h, uu, hh, high_u, high_h, deep_u, deep_h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            u += unhedged[r, i]
            h += hedged[r, i]
            uu += unhedged[r, i] ** 2
            hh += hedged[r, i] ** 2
            high_u, high_h = max(high_u, u), max(high_h, h)
            deep_u, deep_h = max(deep_u, high_u - u), max(deep_h, high_h - h)
        su, sh = u / np.sqrt(uu - u * u / n), h / np.sqrt(hh - h * h / n)
        out[r, 0] = 1.0 if u > 0 and sh > SHARPE_GATE * su else 0.0
        out[r, 1] = 1.0 if deep_h < (1 - DRAWDOWN_GATE) * deep_u else 0.0
        out[r, 2] = 0.0 if u > 0 else 1.0
    return out


def worth_of_a_point(trades: int, *, seed: int = 0) -> str:
    """Return one sentence: what figures over both gates say at this number of trades; empty below two trades."""
    if trades < 2:  # noqa: PLR2004 - a standard deviation needs two
        return ""
    reps = max(200, min(2000, ROWS // trades))
    good, fair = (point_gates(trades, rho, reps=reps, seed=seed) for rho in (0.8, 0.6))
    none = point_gates(trades, 0.0, ratio=UNRELATED_RATIO, reps=reps, seed=seed)
    return (
        f"a point estimate over both targets of A27 and A28 says this much at {trades:,} trades of Sharpe ratio 0.1 each: "
        f"a hedge that truly improves it {good.true_improvement:.2f} times shows both in {good.both_frac:.0%} of histories, "
        f"one of {fair.true_improvement:.2f} times in {fair.both_frac:.0%}, and an unrelated instrument shows A28's alone in "
        f"{none.sharpe_gate_frac:.0%}; to see 1.2 times takes about {math.ceil(trades_needed(0.1, 0.12, 0.8)):,} trades"
    )
