"""A plugin in a session: asked at every bar, held to what it said before, and stopped when it cannot be trusted.

What happens is journalled as events that the core knows already (a score, a pause, a flatten), so that a replay needs neither the
module nor this file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hedgekit.plugins.checks import Array, PluginError, same
from hedgekit.types import Command, Event, Input, PlanRevised, Score

if TYPE_CHECKING:
    from hedgekit.plugins.apart import Apart
    from hedgekit.stats.revise import Reviser

MEMORY = 100
"""Past bars whose scores are compared, at each bar, with those that were journalled."""

FAILURES = 3
"""Failures in a row after which a plugin is not asked again."""

_STOPPED = "; it is not asked again"


class Watched:
    """What a module says at each bar of a session, as events.

    Parameters
    ----------
    apart : Apart
        The module.
    name : str
        Of its file.
    """

    def __init__(self, apart: Apart, name: str) -> None:
        self._apart, self._name = apart, name
        self.stopped = False
        """Whether it is not asked any more."""
        self._scores: list[tuple[float, float] | None] = []  # None: it failed there
        self._failures = {"scores": 0, "ratios": 0}
        self._failed = False
        self._whole = False
        self._found: PluginError | None = None

    @property
    def has_scores(self) -> bool:
        """Whether it gives scores."""
        return "scores" in self._apart.functions

    @property
    def has_ratios(self) -> bool:
        """Whether it gives ratios."""
        return "ratios" in self._apart.functions

    def ratios(self, mids: Array) -> dict[str, Any]:
        """Return the ratios on these bars: what a Reviser asks."""
        return self._apart.ratios(mids)

    # -------------------------------------------------------------------- a bar

    def score(self, mids: Array, ts_ns: int) -> list[Input]:
        """Return the score of the bar that was just closed, after what is to be said of a failure.

        Parameters
        ----------
        mids : float64 array, shape (bars, legs)
            Of all bars so far.
        ts_ns : int
            When the bar was closed.
        """
        if not self.has_scores:
            return []
        told, events = (math.nan, math.nan), []
        if not self.stopped:
            try:
                told = self._asked(mids)
            except PluginError as error:
                events = self._fail("scores", error, ts_ns)
            else:
                self._failures["scores"] = 0
        self._scores.append(None if events or self.stopped else told)
        z, sd = (None if math.isnan(value) else value for value in told)
        return [*events, Score(ts_ns=ts_ns, z=z, sd=sd)]

    def plan(self, reviser: Reviser, mids: Array, ts_ns: int) -> list[Input]:
        """Return the plan that is due on a bar, or what is to be said of a failure: then the old one stays in force."""
        if self.has_ratios and self.stopped:
            reviser.passed()
            return []
        try:
            plan = reviser.revise(mids, ts_ns)
        except PluginError as error:
            return self._fail("ratios", error, ts_ns)
        self._failures["ratios"] = 0
        return [PlanRevised(ts_ns=ts_ns, plan=plan)]

    def _asked(self, mids: Array) -> tuple[float, float]:
        if self._found is not None:
            found, self._found = self._found, None
            raise found
        bars = len(mids)
        keep = bars if self._whole else min(bars, MEMORY + 1)
        z, sd = (values.tolist() for values in self._apart.scores(mids, keep))
        self._whole = False
        for bar, before in enumerate(self._scores[bars - keep :], bars - keep):
            for name, k, now in (("z", 0, z[bar - bars]), ("sd", 1, sd[bar - bars])):
                if before is not None and not same(before[k], now):
                    msg = f"scores: {name} of bar {bar} was {before[k]:g} and is {now:g} with {bars} bars: it changes what it has said"
                    raise PluginError(msg, final=True)
        return z[-1], sd[-1]

    def _fail(self, of: str, error: PluginError, ts_ns: int) -> list[Input]:
        """Pause entries; a signal that will not speak again closes what it opened."""
        self._failures[of] += 1
        self.stopped = error.final or self._failures[of] >= FAILURES
        said = f"{self._mark}{error.said}{_STOPPED if self.stopped else ''}"
        return [Command(ts_ns=ts_ns, name="flatten" if self.stopped and self.has_scores else "pause", ref=said)]

    # ----------------------------------------------------------------- a restart

    @property
    def _mark(self) -> str:
        return f"plugin {self._name}: "

    def note(self, event: Event) -> None:
        """Take an event of the journal."""
        if isinstance(event, Command) and event.ref.startswith(self._mark):
            of = "ratios" if event.ref.startswith(f"{self._mark}ratios") else "scores"
            self.stopped = event.ref.endswith(_STOPPED)
            self._failures[of] += 1
            self._failed = of == "scores"
        elif isinstance(event, PlanRevised) and not event.source:
            self._failures["ratios"] = 0
        elif isinstance(event, Score):
            given = math.nan if event.z is None else event.z, math.nan if event.sd is None else event.sd
            self._scores.append(None if self._failed or self.stopped else given)
            self._failures["scores"] = self._failures["scores"] if self._failed else 0
            self._failed = False

    def check(self, mids: Array) -> None:
        """Try it on the history of the journal: what is found is said at the next bar, which also compares every score there."""
        if self.stopped or not self.has_scores or not len(mids):
            return
        self._whole = True
        try:
            self._apart.check(mids)
        except PluginError as error:
            self._found = error if error.final else None  # what fails here and now may do so again at the next bar, or not
