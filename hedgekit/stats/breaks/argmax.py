r"""Where a break date can lie: the law of Bai (1997) for the least-squares date.

If the coefficients change by :math:`\delta`, the error of the estimated date, times :math:`\delta' Q_1 \delta / \sigma_1^2`,
tends to the place of the maximum of a Brownian motion with a drift to both sides,

.. math:: V(s) = W_1(-s) - |s|/2 \;\; (s \le 0), \qquad V(s) = \sqrt{\phi}\, W_2(s) - \xi s / 2 \;\; (s > 0),

with :math:`\xi = \delta'Q_2\delta / \delta'Q_1\delta` and :math:`\phi = \xi\,\sigma_2^2/\sigma_1^2`: regressors' moments Q and
error variances may differ before (1) and after (2). For the same on both sides it is the law of Yao (1987).
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import log_ndtr


def argmax_cdf(x: float, *, xi: float = 1.0, phi: float = 1.0) -> float:
    """Return P(argmax V <= x); Bai 1997, appendix B."""
    if x <= 0:
        return _left(-x, xi, phi)
    return 1 - _left(x * xi * xi / phi, 1 / xi, 1 / phi)  # mirrored: by the right side's clock it is W(s) - s/2


def argmax_quantile(p: float, *, xi: float = 1.0, phi: float = 1.0) -> float:
    """Return the x with P(argmax V <= x) = p."""
    low, high = -1.0, 1.0
    while argmax_cdf(low, xi=xi, phi=phi) > p:
        low *= 2
    while argmax_cdf(high, xi=xi, phi=phi) < p:
        high *= 2
    return float(brentq(lambda x: argmax_cdf(x, xi=xi, phi=phi) - p, low, high, xtol=1e-10))


def _left(x: float, xi: float, phi: float) -> float:
    """Return P(argmax V <= -x) for x >= 0."""
    root, ratio = math.sqrt(x), xi / phi
    edge = -root * math.exp(-x / 8) / math.sqrt(2 * math.pi)
    far = phi / xi * (phi + 2 * xi) / (phi + xi) * math.exp(ratio * (1 + ratio) * x / 2 + float(log_ndtr(-(0.5 + ratio) * root)))
    near = (x / 2 - 2 + (phi + 2 * xi) ** 2 / ((phi + xi) * xi)) * math.exp(float(log_ndtr(-root / 2)))
    return edge - far + near
