"""The feed of decisions: what was decided and why, in a sentence each, with what a person wished and what the market did between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hedgekit.widgets.panes import words

if TYPE_CHECKING:
    from hedgekit.journal import News
    from hedgekit.journal.news import CommandRow, DecisionRow, PlanRow

ROWS = 40
COLUMNS = {"time (UTC)": "t", "what, and why": "t long", "z (sd)": ""}

_ENTRY = "expected {benefit}, costs {cost}"
_WORTH = "adjusting costs {cost}, removes {benefit} of risk"

SENTENCES: Mapping[tuple[str, str], str] = {
    ("open", "entry"): "entered trade {trade}: z is beyond the entry level; " + _ENTRY,
    ("open", "scale_in"): "added a part to trade {trade}: z went one gap further",
    ("close", "target"): "closed trade {trade}: z is back at the target",
    ("close", "stop"): "closed trade {trade}: z went on to the stop",
    ("close", "time_stop"): "closed trade {trade}: it took longer than its half-lives allow",
    ("close", "flatten"): "closed both legs: a person wanted it",
    ("close", "reconciled"): "closed both legs: the venue was silent for too long, and has now said what is held",
    ("close", "cut_back"): "closed what had filled: the other leg did not",
    ("close", "naked_limit"): "closed what had filled: half of the naked-leg budget is used",
    ("close", "settled"): "closed the other leg: a contract was settled",
    ("close", "stood_in"): "closing through the stand-in: the venue is silent",
    ("rebalance", "drift"): "rebalanced: net delta left its corridor; " + _WORTH,
    ("skip", "cost_exceeds_benefit"): "held: " + _WORTH,
    ("veto", "edge_below_cost"): "no entry: " + _ENTRY,
    ("veto", "beyond_stop"): "no entry: z is beyond the stop already",
    ("veto", "paused"): "no entry: paused",
    ("veto", "cooldown"): "no entry: cooling down after a stop",
    ("veto", "rearming"): "no entry: after a stop z must come back inside the entry level first",
    ("veto", "no_evidence"): "no entry: the plan's evidence does not hold",
    ("veto", "plan_expired"): "no entry: the hedge plan has expired",
    ("veto", "below_one_lot"): "no entry: a leg would be less than one lot",
    ("repair", "leg_shortfall"): "ordered what a leg still lacks",
    ("repair", "leg_rejected"): "a leg was refused: the pair is evened out",
    ("repair", "order_overdue"): "an order is overdue: taken to the next step of the ladder",
    ("repair", "cut_back"): "cut the pair back to what has filled",
    ("repair", "naked_limit"): "evened the legs out at once: half of the naked-leg budget is used",
    ("repair", "reconciled"): "the venue has said what is held: trading goes on",
    ("repair", "venue_back"): "the venue is heard again: old orders are taken back, and it is asked what is held",
    ("repair", "reversed"): "the venue took an execution back: the legs are evened out",
    ("hold", "leg_rejected"): "held: a leg was refused, and nothing is left to even out",
    ("hold", "warming_up"): "held: the window of z is not full yet",
    ("hold", "no_plan"): "held: no hedge plan yet",
    ("hold", "no_signal"): "held: z is inside the entry level",
    ("hold", "wait_target"): "held: trade {trade} waits for its target",
    ("hold", "stale_quote"): "held: a quote is too old to decide on",
    ("hold", "working"): "held: orders are working",
    ("hold", "filled"): "filled: both legs are as they should be",
    ("hold", "paused"): "paused: no new trade is entered",
    ("hold", "halt"): "halted: nothing is ordered",
    ("hold", "venue_silent"): "held: the venue is silent; nothing is sent",
    ("hold", "reconciling"): "held: asking the venue what is held",
    ("hold", "settled"): "held: a contract was settled",
    ("hold", "reversed"): "held: the venue took an execution back",
    ("hold", "short_accepted"): "held: a leg is accepted as it is",
}
"""By action and reason. Whatever is not here is said in the code's own words."""


@dataclass(frozen=True)
class Line:
    """One row of the feed; ``key`` names what may be counted instead of repeated."""

    ts: float
    text: str
    z: float = float("nan")
    key: tuple[object, ...] = ()
    times: int = 1


class Feed:
    """Keeps the newest lines."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._held: tuple[object, ...] = ()

    def take(self, news: News) -> bool:
        """Take what is new; return whether the feed changed."""
        decided = [*news.decisions, *(hold for hold in news.holds if self._is_new(hold))]
        new = [_of(decision) for decision in decided]
        new += [Line(command.ts, command_words(command)) for command in news.commands]
        new += [Line(gap.ts, f"prices were missed for {words.age((gap.ts - gap.since) / 1e3)}") for gap in news.gaps]
        new += [Line(plan.ts, plan_words(plan)) for plan in news.plans]
        for line in sorted(new, key=lambda line: line.ts):
            self._add(line)
        return bool(new)

    def _is_new(self, hold: DecisionRow) -> bool:
        """Whether a hold says something that was not said in this trade and phase."""
        key = (hold.phase, hold.trade)
        if self._held[:2] != key:
            self._held = key
        if hold.reason in self._held:
            return False
        self._held = (*self._held, hold.reason)
        return True

    def _add(self, line: Line) -> None:
        last = self._lines[-1] if self._lines else None
        if last is not None and line.key and last.key == line.key:
            self._lines[-1] = replace(line, times=last.times + 1)
        else:
            self._lines = [*self._lines, line][-ROWS:]

    def html(self) -> str:
        """Return the table, the latest first."""
        rows = [[words.clock(line.ts), line.text + _times(line.times), words.number(line.z)] for line in reversed(self._lines)]
        return words.table("Decisions", COLUMNS, rows, "no decision yet")


def sentence(decision: DecisionRow) -> str:
    """Return what was decided and why, in words."""
    plain = f"{decision.action}: {decision.reason.replace('_', ' ')}"
    text = SENTENCES.get((decision.action, decision.reason), plain)
    said = text.format(trade=decision.trade, cost=words.small(decision.cost), benefit=words.small(decision.benefit))
    return f"{said} ({decision.orders} {'order' if decision.orders == 1 else 'orders'})" if decision.orders else said


def command_words(command: CommandRow) -> str:
    """Return what a person, or a guard on their behalf, wished."""
    if command.refusal:
        return f"refused: {command.refusal}"
    if command.changes:
        return f"set {', '.join(f'{name} to {value:g}' for name, value in command.changes.items())}"
    by = command.ref if command.ref.startswith(("plugin ", "guard:")) else "a person" if command.ref else "the end of the tape"
    return f"{command.name}, by {by}"


def plan_words(plan: PlanRow) -> str:
    """Return what a new hedge plan says."""
    evidence = "no test" if plan.p_value != plan.p_value else f"p {plan.p_value:.3f}"
    over = ", overridden" if plan.override else ""
    return f"new hedge ratio {plan.ratio:.3f} ± {plan.stderr:.3f} from {plan.n:,} bars ({evidence}{over})"


def _of(decision: DecisionRow) -> Line:
    key: Iterable[object] = (decision.action, decision.reason, decision.trade)
    return Line(decision.ts, sentence(decision), decision.z, tuple(key))


def _times(number: int) -> str:
    return f" ({number:,} times)" if number > 1 else ""
