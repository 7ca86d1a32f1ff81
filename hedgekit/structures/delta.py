"""A8, the dynamic delta hedge: hold as much of the hedge as the primary moves like, and follow when that changes.

The ratio is the hedge's dollars for a dollar of primary, computed at every look from prices and time:

    beta          the plan's own ratio: the slope of the primary's returns on the hedge's
    linear        1: the same underlying, dollar for dollar (a spot leg and its perpetual, linear or inverse)
    digital       c phi(Phi^-1(p)) / (p sigma sqrt(tau)): a contract at price p that pays 1 if the hedge ends beyond a level, volatility
                  sigma per square root of a year, tau years left (Black and Scholes; p says where the level is)
    information   c (v1 / v2) (p2 / p1), v = phi(Phi^-1(p)) / sqrt(tau): two contracts on correlated news

c is the correlation: -1 for a contract that pays when its hedge falls. After its expiry a contract moves with nothing: the
ratio is 0. Near the level and the end a digital's ratio has no bound; A16 then weighs each adjustment, and
what it does not make is told.

An inverse perpetual (amount in money, profit in coin) is worth a number of coins: a contract of m money bought at price E moves
like m / E coins, whatever the price does, so its exposure in money is not m but m S / E. Net delta is measured on that
exposure, with the profit in coin that has built up since the position was opened.

Net delta is ratio x V_primary + V_hedge as a fraction of the trade's notional, in the hedge's dollars, as for pairs.
"""

from __future__ import annotations

import math

from hedgekit.compiled import compiled

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False

BETA, LINEAR, DIGITAL, INFORMATION = range(4)
MODELS = {"beta": BETA, "linear": LINEAR, "digital": DIGITAL, "information": INFORMATION}

YEAR_NS = 365 * 86_400 * 10**9
_CENTRE, _TAIL = 0.425, 5.0
_SQRT_2PI = math.sqrt(2.0 * math.pi)

# Wichura (1988), AS 241, PPND16: rational approximations of the normal quantile, relative error about 1e-16.
_A = (
    *(3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4),
    *(4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
)
_B = (
    *(1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3),
    *(2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)
_C = (
    *(1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0),
    *(1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
)
_D = (
    *(1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1),
    *(1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)
_E = (
    *(6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1),
    *(2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
)
_F = (
    *(1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2),
    *(7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)


@compiled
def _quotient(over, under, x):  # noqa: ANN001, ANN202 - compiled
    top, bottom = 0.0, 0.0
    for k in range(7, -1, -1):
        top = top * x + over[k]
        bottom = bottom * x + under[k]
    return top / bottom


@compiled
def normal_quantile(p):  # noqa: ANN001, ANN201 - compiled
    """Return the normal quantile of a probability strictly between 0 and 1 (Wichura 1988)."""
    q = p - 0.5
    if abs(q) <= _CENTRE:
        return q * _quotient(_A, _B, _CENTRE * _CENTRE - q * q)
    r = math.sqrt(-math.log(min(p, 1.0 - p)))
    x = _quotient(_C, _D, r - 1.6) if r <= _TAIL else _quotient(_E, _F, r - _TAIL)
    return math.copysign(x, q)


@compiled
def move_per_news(p, left_ns):  # noqa: ANN001, ANN201 - compiled
    """Return the price move of a contract per unit of news, phi(Phi^-1(p)) / sqrt(years left); 0 for one that moves no more."""
    if not (0.0 < p < 1.0 and left_ns > 0):
        return 0.0
    q = normal_quantile(p)
    return math.exp(-0.5 * q * q) / _SQRT_2PI / math.sqrt(left_ns / YEAR_NS)


@compiled
def ratio(model, planned, primary, hedge, primary_left_ns, hedge_left_ns, volatility, correlation):  # noqa: ANN001, ANN201, PLR0913 - compiled
    """Return the dollars of hedge for a dollar of primary; prices of contracts between 0 and 1, time left in nanoseconds."""
    if model == BETA:
        return planned
    if model == LINEAR:
        return 1.0
    moves = move_per_news(primary, primary_left_ns)
    if model == DIGITAL:
        return correlation * moves / (primary * volatility)
    other = move_per_news(hedge, hedge_left_ns)
    return correlation * moves / other * hedge / primary if other > 0.0 else 0.0
