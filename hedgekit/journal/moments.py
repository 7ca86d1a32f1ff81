"""Which decisions close a bar, and which open and end a trade."""

from __future__ import annotations

from collections.abc import Mapping

from hedgekit.journal.story import Decided, Story
from hedgekit.types import NS, Action, Decision, Phase, Reason

_NO_BARS = (Reason.IN_BAND, Reason.DRIFT, Reason.COST_EXCEEDS_BENEFIT, Reason.ORDER_OVERDUE, Reason.NAKED_LIMIT)
"""What the core says on timers that close no bar: a look at the delta, an order that is overdue."""

_OVER = (Phase.CLOSING, Phase.HALTED, Phase.FLAT)


def bars(story: Story) -> list[Decided]:
    """Return the decision of each bar close: made on a timer at the bar's time, and more than a look at the delta or at an order.

    The bar is decided before anything else at its time, so the first such decision is the bar's.
    """
    rule = BarRule(story.started.params)
    return [item for item in story.decisions if rule.closes(item)]


class BarRule:
    """Tells which decisions close a bar; asked in the order of the journal, each once."""

    def __init__(self, params: Mapping[str, float | int | str | bool | None]) -> None:
        self._bar_ns, self._offset_ns = (round(float(params.get(name) or 0) * NS) for name in ("bar_s", "bar_offset_s"))
        self._quotes = bool(params.get("bar_ticks"))
        self._last_ns: int | None = None

    def closes(self, item: Decided) -> bool:
        """Whether ``item`` is the first decision at a bar's time, made on a timer and more than a look at the delta."""
        ts, reason = item.decision.ts_ns, item.decision.reason
        other = reason in _NO_BARS or (reason is Reason.WORKING and item.decision.phase is Phase.OPEN)
        if not item.on_timer or other or not self._bar_ns or not (self._quotes or (ts - self._offset_ns) % self._bar_ns == 0):
            return False
        if self._last_ns is not None and ts <= self._last_ns:
            return False
        self._last_ns = ts
        return True


def is_entry(decision: Decision) -> bool:
    """Whether a decision opens a trade."""
    return decision.action is Action.OPEN


def is_exit(decision: Decision) -> bool:
    """Whether a decision, the first such since the entry, ends a trade."""
    return decision.action is Action.CLOSE or decision.phase in _OVER
