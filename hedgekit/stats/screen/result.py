"""What a screen found, and what may be done with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats import ratio
from hedgekit.types import Evidence, HedgePlan

if TYPE_CHECKING:
    from hedgekit.stats.fit import RatioFit


@dataclass(frozen=True, eq=False, slots=True)
class Screen:
    """All pairs that were tried, ranked by what the hedge was worth out of sample, net of its cost.

    Attributes
    ----------
    table : DataFrame
        One row for each pair, best first; the columns are described in :func:`hedgekit.stats.screen.screen`.
    tried : int
        Pairs tried: the family over which false discoveries are controlled.
    q : float
        The share of false discoveries that is accepted.
    control : str
        How: "bh", "by" or "holm".
    n : int
        Prices in each series.
    power : DataFrame
        The share of truly reverting pairs that this screen would find, by history (index) and half-life (columns): read it
        before concluding that nothing is there. Computed by simulation at ``level``.
    level : float
        p-value that a lone reverting pair had to reach: q / tried.
    settings : dict
        Every choice that was made.
    warnings : tuple of str
        What a reader has to know.
    """

    table: pd.DataFrame
    tried: int
    q: float
    control: str
    n: int
    power: pd.DataFrame
    level: float
    settings: dict[str, Any]
    warnings: tuple[str, ...] = ()
    prices: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    @property
    def found(self) -> pd.DataFrame:
        """The pairs that are cointegrated beyond the control for false discoveries (which says nothing of profit)."""
        return self.table[self.table["found"]]

    @property
    def approved(self) -> pd.DataFrame:
        """The pairs that may be traded: found, and no other check speaks against them."""
        return self.table[self.table["approved"]]

    def row(self, primary: str, hedge: str) -> pd.Series:
        """Return one pair's row.

        Raises
        ------
        DataError
            If the pair was not tried in this order.
        """
        rows = self.table[(self.table["primary"] == primary) & (self.table["hedge"] == hedge)]
        if rows.empty:
            turned = ((self.table["primary"] == hedge) & (self.table["hedge"] == primary)).any()
            fix = f"; it was tried as {hedge} on {primary}" if turned else ""
            msg = f"{primary} on {hedge} is not among the {self.tried} pairs tried{fix}"
            raise DataError(msg)
        return rows.iloc[0]

    def fit(self, primary: str, hedge: str, method: Callable[..., RatioFit] = ratio.ols, **options: Any) -> RatioFit:  # noqa: ANN401 - the method's
        """Return the hedge ratio of one pair of this screen by any method of :mod:`hedgekit.stats.ratio`, with its intervals."""
        self.row(primary, hedge)
        return method(self.prices[primary], self.prices[hedge], **options)

    def plan(self, primary: str, hedge: str, *, override: str | None = None, fit: RatioFit | None = None) -> HedgePlan:
        """Return the plan that a session trades for one pair.

        Its evidence is the pair's p-value *after* the control for all pairs tried, so a session's ``significance`` is
        compared with that.

        Parameters
        ----------
        primary, hedge : str
            The pair, in the order in which it was tried.
        override : str, optional
            The reason for trading a pair that is not approved, in at least 10 letters. It goes into plan, journal and report.
        fit : RatioFit, optional
            The ratio; :func:`hedgekit.stats.ratio.ols` on the screen's window by default.

        Raises
        ------
        ConfigError
            If the pair is not approved and no reason is given.
        DataError
            If the pair was not tried, or its prices have no times.
        """
        row = self.row(primary, hedge)
        if override is not None and len(override.strip()) < 10:  # noqa: PLR2004 - as Params.evidence_override
            msg = f"override={override!r}: say the reason in at least 10 letters; it is recorded"
            raise ConfigError(msg)
        if not row["approved"] and override is None:
            msg = f"{primary} on {hedge} is not approved ({row['says']}); to trade it all the same, say override=..., and it is recorded"
            raise ConfigError(msg)
        chosen = fit if fit is not None else self.fit(primary, hedge, window=min(self.settings["window"], self.n - 1))
        p = row["p_adjusted"]
        test = f"{self.settings['test']}, adjusted for {self.tried} pairs tried ({self.control})"
        statistic = float(row["statistic"]) if np.isfinite(row["statistic"]) else None
        evidence = Evidence(test, statistic, float(p) if np.isfinite(p) else None, self.n, (str(row["says"]),))
        return chosen.to_plan(evidence=evidence, override=None if row["approved"] else override)

    def summary(self) -> str:
        """Return what the screen says, in words."""
        found, approved = len(self.found), len(self.approved)
        head = f"{self.tried:,} pairs tried over {self.n:,} prices; {found} cointegrated at a false discovery rate of {self.q:g}"
        lone = f"A lone reverting pair had to reach p = {self.level:.2g}. Share of such pairs that this finds, by history and half-life:"
        powers = self.power.map(lambda share: f"{100 * share:.0f}%").to_string()
        lines = [f"{head} ({self.control}), {approved} approved.", lone, powers, *self.warnings]
        return "\n".join(lines)
