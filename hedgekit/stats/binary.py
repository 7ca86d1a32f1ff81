"""Contracts that pay 1 or 0: what a holding of YES and NO really is, what caps its loss, and how to hedge it.

One set of YES and NO of the same market pays exactly 1, so buying NO *sells* YES and pays a second spread and fee for it. It
is never convex insurance; that needs another contract (strike, date, related event). Prices are in money per contract, 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.checks import above, at_least

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array


def probability(name: str, value: float) -> float:
    """Return a price or probability, or refuse (ConfigError) one that is not above 0 and below 1."""
    if not 0 < value < 1:
        msg = f"{name}={value:g}: must be above 0 and below 1"
        raise ConfigError(msg)
    return float(value)


@dataclass(frozen=True, slots=True)
class BinaryPnl:
    """P&L at resolution, net of fees.

    Attributes
    ----------
    if_yes, if_no : float
        P&L when the market resolves YES, and NO.
    """

    if_yes: float
    if_no: float

    @property
    def worst(self) -> float:
        """The lower of the two."""
        return min(self.if_yes, self.if_no)

    @property
    def best(self) -> float:
        """The higher of the two."""
        return max(self.if_yes, self.if_no)


def binary_pnl(  # noqa: PLR0913 - two counts, two prices, two fees
    n_yes: float, n_no: float, price_yes: float, price_no: float, *, fee_yes: float = 0.0, fee_no: float = 0.0
) -> BinaryPnl:
    r"""Return the P&L at resolution of contracts bought and held.

    .. math:: \text{YES}: N(1-p') - M q', \qquad \text{NO}: M(1-q') - N p', \qquad p' = p + fee, \; q' = q + fee.

    Parameters
    ----------
    n_yes, n_no : float
        Contracts held, 0 or more.
    price_yes, price_no : float
        Paid for a contract, above 0 and below 1.
    fee_yes, fee_no : float
        Fee paid for a contract, 0 or more, per contract and not per order.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """
    p = probability("price_yes", price_yes) + at_least("fee_yes", fee_yes, 0, "per contract")
    q = probability("price_no", price_no) + at_least("fee_no", fee_no, 0, "per contract")
    n, m = at_least("n_yes", n_yes, 0, "contracts"), at_least("n_no", n_no, 0, "contracts")
    return BinaryPnl(n * (1 - p) - m * q, m * (1 - q) - n * p)


@dataclass(frozen=True, slots=True)
class BinaryCap:
    """A loss cap made of NO contracts.

    Attributes
    ----------
    contracts : float
        NO contracts to buy; 0 if none are needed; NaN if no number will do. Round it up to whole contracts.
    pnl, unhedged : BinaryPnl
        At resolution with and without them. ``pnl`` is that of the best hedge if the cap cannot be reached.
    set_cost : float
        What one YES and one NO cost, fees included; the part above 1 is lost for certain.
    partial_sale : bool
        Whether the two prices add up to about 1, so that the cap only sells part of the position.
    reached : bool
        Whether the worst outcome loses no more than the cap.
    note : str
        What this is, in a sentence.
    """

    contracts: float
    pnl: BinaryPnl
    unhedged: BinaryPnl
    set_cost: float
    partial_sale: bool
    reached: bool
    note: str


def binary_cap(  # noqa: PLR0913 - two prices, two fees: the contract has so many numbers
    n_yes: float,
    price_yes: float,
    price_no: float,
    cap: float,
    *,
    fee_yes: float = 0.0,
    fee_no: float = 0.0,
    tolerance: float = 0.05,
) -> BinaryCap:
    r"""Return how many NO contracts cap the loss at resolution (A7).

    .. math:: M = \frac{N p' - L}{1 - q'}

    with N YES bought at p, NO at q, the cap L, and p' and q' including fees.

    Parameters
    ----------
    n_yes : float
        YES contracts held, above 0.
    price_yes, price_no : float
        Paid for a YES, and asked for a NO.
    cap : float
        Largest loss allowed, in money, 0 or more.
    fee_yes, fee_no : float
        Fee for each contract, 0 or more.
    tolerance : float
        The two prices are those of one market if they add up to 1 within this.

    Returns
    -------
    BinaryCap
        ``reached`` is False, with NaN contracts, if the cap is below what even a full hedge (M = N) loses.

    Raises
    ------
    ConfigError
        If a number is out of range, or a NO costs 1 or more with its fee.

    Notes
    -----
    The trap of the article's example: $150 of NO against $1,000 of YES at 50c moves worst and best from -1000 and
    +1000 to -850 and +850. Nothing was insured; 15% was sold. Size from the exit distribution (:func:`mae_quantile`).
    """
    n, limit = above("n_yes", n_yes, 0, "contracts"), at_least("cap", cap, 0, "money")
    fees = {"fee_yes": fee_yes, "fee_no": fee_no}
    bare = binary_pnl(n, 0, price_yes, price_no, **fees)
    if price_no + fee_no >= 1:
        msg = f"price_no={price_no:g} and fee_no={fee_no:g}: a NO must cost less than the 1 that it pays"
        raise ConfigError(msg)
    needed = max(0.0, (-bare.if_no - limit) / (1 - price_no - fee_no))
    pnl = binary_pnl(n, needed, price_yes, price_no, **fees)
    reached = pnl.worst >= -limit - 1e-9 * max(1.0, limit)
    if not reached:
        pnl = binary_pnl(n, n, price_yes, price_no, **fees)
    total = price_yes + price_no + fee_yes + fee_no
    sale = abs(price_yes + price_no - 1) <= tolerance
    note = _note(needed / n, total, limit, -pnl.worst, sale=sale, reached=reached)
    return BinaryCap(needed if reached else math.nan, pnl, bare, total, sale, reached, note)


def _note(  # noqa: PLR0913 - a sentence with all its figures
    share: float, total: float, limit: float, least: float, *, sale: bool, reached: bool
) -> str:
    if not reached:
        return f"a loss cap of {limit:g} cannot be reached: a NO for every YES still loses {least:g}"
    if share == 0:
        return "no NO is needed: the position cannot lose more than the cap"
    if sale:
        return (
            f"the two prices add up to about 1, so this is no insurance but a sale of {share:.1%} of the position: the gain falls "
            f"as the loss does, and each set costs {total:.4g} to receive 1"
        )
    return f"the two prices do not add up to 1: make sure that NO is the complement of YES; each set costs {total:.4g} and pays 1"


@dataclass(frozen=True, slots=True)
class NetExposure:
    """A holding of YES and NO of one market, as one bet and certain money.

    Attributes
    ----------
    net_yes : float
        Contracts of YES that the holding is worth; below 0: contracts of NO.
    locked_dollars : float
        What it pays whatever happens, so payoff(YES) = locked + max(net, 0), payoff(NO) = locked + max(-net, 0).
    """

    net_yes: float
    locked_dollars: float


def net_exposure(n_yes: float, n_no: float) -> NetExposure:
    """Return what YES and NO of one market amount to: a set is one dollar.

    Short contracts are negative. "Long A, short B" with B = 1 - A is ``net_exposure(n, -n)``: twice the same bet, not a hedge.

    Raises
    ------
    ConfigError
        If a number is not finite.
    """
    if not (math.isfinite(n_yes) and math.isfinite(n_no)):
        msg = f"n_yes={n_yes:g}, n_no={n_no:g}: must be finite numbers of contracts"
        raise ConfigError(msg)
    return NetExposure(n_yes - n_no, min(n_yes, n_no))


@dataclass(frozen=True, slots=True)
class ExclusiveExposure:
    """A holding over mutually exclusive outcomes.

    Attributes
    ----------
    payoffs : float64 array, shape (k,)
        What the holding pays if that outcome wins.
    net_yes : float64 array, shape (k,)
        The YES contracts that pay the same, apart from the locked money; the smallest is 0.
    locked_dollars : float
        What it pays whichever wins.
    """

    payoffs: Array
    net_yes: Array
    locked_dollars: float


def exclusive_exposure(n_yes: ArrayLike, n_no: ArrayLike) -> ExclusiveExposure:
    """Return what YES and NO of k exclusive, exhaustive outcomes amount to.

    A NO pays unless its own outcome wins: payoff_i = yes_i + the sum of all other NO. Example (the conversion of negative-risk
    markets): one NO of A and one of B, of three outcomes, are one YES of C and one dollar.

    Parameters
    ----------
    n_yes, n_no : array_like, shape (k,)
        Contracts of each outcome, short ones negative; **every** outcome of the market, or the locked money is wrong.

    Raises
    ------
    DataError
        If the two differ in length, are fewer than two outcomes, or are not finite.
    """
    yes, no = np.array(n_yes, dtype=np.float64), np.array(n_no, dtype=np.float64)
    if yes.ndim != 1 or yes.shape != no.shape or len(yes) < 2:  # noqa: PLR2004 - one outcome is no market
        msg = f"n_yes has shape {yes.shape}, n_no {no.shape}: give one number for each outcome, at least two"
        raise DataError(msg)
    bad = np.flatnonzero(~(np.isfinite(yes) & np.isfinite(no)))
    if bad.size:
        msg = f"n_yes is {yes[bad[0]]:g}, n_no {no[bad[0]]:g} at position {bad[0]}: must be finite numbers of contracts"
        raise DataError(msg)
    payoffs = yes - no + no.sum()
    locked = float(payoffs.min())
    return ExclusiveExposure(payoffs, payoffs - locked, locked)


@dataclass(frozen=True, slots=True)
class DigitalDelta:
    """A threshold contract 1{S_T > K}.

    Attributes
    ----------
    price : float
        exp(-r tau) N(d2).
    delta : float
        Units of the underlying that one contract moves like.
    """

    price: float
    delta: float

    def hedge_units(self, contracts: float) -> float:
        """Return the units of the underlying to hold against so many contracts (short against long ones)."""
        return -contracts * self.delta


def digital_delta(spot: float, strike: float, years: float, volatility: float, *, rate: float = 0.0) -> DigitalDelta:
    r"""Return price and delta of a threshold contract, Black and Scholes.

    .. math:: \Delta = e^{-r\tau}\,\frac{\varphi(d_2)}{S\,\sigma\sqrt\tau}, \qquad
        d_2 = \frac{\ln(S/K) + (r - \sigma^2/2)\tau}{\sigma\sqrt\tau}

    Near the strike and the end delta has no bound: the last move cannot be hedged, only sized.

    Parameters
    ----------
    spot, strike : float
        Above 0, in the same money.
    years : float
        Time left, above 0.
    volatility : float
        Per square root of a year, above 0.
    rate : float
        Interest per year, continuous.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """
    for name, value, what in (
        ("spot", spot, "money"),
        ("strike", strike, "money"),
        ("years", years, "time left"),
        ("volatility", volatility, "per year"),
    ):
        above(name, value, 0, what)
    if not math.isfinite(rate):
        msg = f"rate={rate:g}: must be finite, per year"
        raise ConfigError(msg)
    width = volatility * math.sqrt(years)
    d2 = (math.log(spot / strike) + (rate - volatility**2 / 2) * years) / width
    discount = math.exp(-rate * years)
    return DigitalDelta(discount * float(stats.norm.cdf(d2)), discount * float(stats.norm.pdf(d2)) / (spot * width))


@dataclass(frozen=True, slots=True)
class BinaryPair:
    """Local hedge of one binary by another.

    Attributes
    ----------
    ratio : float
        Contracts of the second to sell for each contract of the first held.
    volatility_1, volatility_2 : float
        Price move per unit of information: phi(Phi^-1(p)) / sqrt(time left), per square root of time.
    variance_left : float
        Share of the variance that stays: 1 - rho^2.
    """

    ratio: float
    volatility_1: float
    volatility_2: float
    variance_left: float


def binary_pair_ratio(price_1: float, price_2: float, time_left_1: float, time_left_2: float, correlation: float) -> BinaryPair:
    r"""Return the hedge ratio between two binaries that are driven by correlated Gaussian information.

    .. math:: p_i = \Phi\!\Big(\frac{W_i}{\sqrt{T_i - t}}\Big), \qquad v_i = \frac{\varphi(\Phi^{-1}(p_i))}{\sqrt{T_i - t}},
        \qquad h = \rho\,v_1 / v_2

    Local: it changes with every price and with time, and says nothing about the two resolutions.

    Parameters
    ----------
    price_1, price_2 : float
        Above 0 and below 1.
    time_left_1, time_left_2 : float
        Above 0, in one unit.
    correlation : float
        Of the information, from -1 to 1.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """
    if not -1 <= correlation <= 1:
        msg = f"correlation={correlation:g}: must be from -1 to 1"
        raise ConfigError(msg)
    first, second = _volatility("1", price_1, time_left_1), _volatility("2", price_2, time_left_2)
    return BinaryPair(correlation * first / second, first, second, 1 - correlation**2)


def _volatility(which: str, price: float, time_left: float) -> float:
    quantile = float(stats.norm.ppf(probability(f"price_{which}", price)))
    return float(stats.norm.pdf(quantile)) / math.sqrt(above(f"time_left_{which}", time_left, 0, "time left"))
