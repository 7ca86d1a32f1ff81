"""The no-trade band around the delta of a European option (Whalley & Wilmott 1997)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scipy.stats import norm

from hedgekit.errors import ConfigError
from hedgekit.stats.bands.widths import ProportionalBand, proportional_band
from hedgekit.stats.checks import above, at_least


@dataclass(frozen=True, slots=True)
class OptionBand:
    """The band around an option's delta.

    Attributes
    ----------
    delta, gamma : float
        Black-Scholes, for one option; gamma for one unit of spot.
    half_width : float
        Units of the underlying: hold between ``lower`` and ``upper``, and trade to the nearer edge.
    lower, upper : float
        ``delta`` -+ ``half_width``.
    law : ProportionalBand
        The same band from :func:`hedgekit.stats.bands.proportional_band`, with its cost rate and turnover for each year
        (money discounted to the expiry).
    """

    delta: float
    gamma: float
    half_width: float
    lower: float
    upper: float
    law: ProportionalBand


def whalley_wilmott(  # noqa: PLR0913 - the inputs of Black-Scholes and two more, by keyword
    spot: float,
    strike: float,
    years: float,
    volatility: float,
    *,
    cost_frac: float,
    risk_aversion: float,
    rate: float = 0.0,
    kind: Literal["call", "put"] = "call",
) -> OptionBand:
    r"""Return the band of Whalley & Wilmott around the Black-Scholes delta of one option.

    .. math:: b = \left(\frac{3}{2}\, e^{-rT}\, \frac{\lambda S \Gamma^2}{\gamma}\right)^{1/3}

    It is the cube-root law with target variance :math:`v = (\Gamma S \sigma)^2`, cost :math:`K = \lambda S` and penalty
    :math:`k = \gamma \sigma^2 S^2 e^{rT}` (exponential utility of wealth at expiry).

    Parameters
    ----------
    spot, strike : float
        Prices, above 0.
    years : float
        Time to expiry, above 0. At expiry delta has no band: settle.
    volatility : float
        Yearly, as a fraction; above 0.
    cost_frac : float
        lambda: cost of trading the underlying as a fraction of the money traded (.01 is 1%).
    risk_aversion : float
        gamma of exponential utility, 1 / money; above 0.
    rate : float
        Continuously compounded, yearly.
    kind : {"call", "put"}
        A put has the same band around its own delta.

    Returns
    -------
    OptionBand

    Raises
    ------
    ConfigError
        If a parameter is not finite or out of range.

    Notes
    -----
    An expansion for small cost: good while b is small beside 1. No dividends. Source: Whalley & Wilmott 1997,
    Mathematical Finance 7:307; with r = 0 the same formula as ``ww_width`` in pfhedge.
    """
    for name, value in (("spot", spot), ("strike", strike), ("years", years), ("volatility", volatility)):
        above(name, value, 0, "an input of Black-Scholes")
    above("risk_aversion", risk_aversion, 0, "1 / money; with no price on risk no trade ever pays")
    at_least("cost_frac", cost_frac, 0, "fraction of the money traded")
    at_least("rate", rate, -1, "yearly, continuously compounded")
    if kind not in ("call", "put"):
        msg = f"kind={kind!r}: must be 'call' or 'put'"
        raise ConfigError(msg)
    sd = volatility * math.sqrt(years)
    d1 = (math.log(spot / strike) + rate * years) / sd + sd / 2
    gamma = float(norm.pdf(d1)) / (spot * sd)
    delta = float(norm.cdf(d1)) - (kind == "put")
    penalty = risk_aversion * (volatility * spot) ** 2 * math.exp(rate * years)
    law = proportional_band(cost_frac * spot, (gamma * spot * volatility) ** 2, penalty)
    half = law.half_width
    return OptionBand(delta=delta, gamma=gamma, half_width=half, lower=delta - half, upper=delta + half, law=law)
