"""One plain sentence for each difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgekit.types import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

NOT_RUNNING, NOT_FILLED, OTHER_SIDE, NO_DECISION, UNKNOWN_ORDER = "not_running", "not_filled", "other_side", "no_decision", "unknown_order"
"""Why a trade is missing, where no decision's reason says it."""

SAID: dict[str, str] = {
    Reason.WARMING_UP: "it had too few bars for a z-score",
    Reason.NO_PLAN: "it had no hedge ratio yet",
    Reason.PLAN_EXPIRED: "its hedge ratio had expired",
    Reason.NO_EVIDENCE: "the evidence for its hedge ratio did not hold, and nobody had overridden it",
    Reason.PLAN_REVISED: "it took a new hedge ratio",
    Reason.STALE_QUOTE: "its quotes were too old",
    Reason.NO_SIGNAL: "its z-score was inside the entry level",
    Reason.BEYOND_STOP: "its z-score was beyond the stop already",
    Reason.EDGE_BELOW_COST: "the way back to the target did not pay for costs and slippage buffer",
    Reason.BELOW_ONE_LOT: "a leg would have been less than one lot",
    Reason.ENTRY: "it decided to enter",
    Reason.WAIT_TARGET: "it was in a trade and waited for its target",
    Reason.TARGET: "it was in a trade and took its profit",
    Reason.STOP: "it was in a trade and stopped out",
    Reason.TIME_STOP: "it was in a trade that had grown too old",
    Reason.COOLDOWN: "it paused after a stop",
    Reason.REARMING: "it waited, after a stop, for the z-score to come back inside the entry level",
    Reason.SCALE_IN: "it was in a trade and added to it",
    Reason.IN_BAND: "it was in a trade, within its delta band",
    Reason.DRIFT: "it was in a trade and rebalanced it",
    Reason.COST_EXCEEDS_BENEFIT: "it was in a trade and a rebalance did not pay",
    Reason.WORKING: "it was in a trade with orders at work",
    Reason.LEG_SHORTFALL: "it was in a trade and repaired a leg",
    Reason.LEG_REJECTED: "it was in a trade of which a leg was refused",
    Reason.ORDER_OVERDUE: "it cancelled an order that had not filled",
    Reason.SHORT_ACCEPTED: "it accepted a leg that was not whole",
    Reason.CUT_BACK: "it cut a trade back to what was hedged",
    Reason.NAKED_LIMIT: "its trade was unhedged for too long",
    Reason.VENUE_SILENT: "its venue was silent",
    Reason.VENUE_BACK: "its venue was heard again",
    Reason.RECONCILING: "it waited for the venue to tell what is held",
    Reason.RECONCILED: "it went on after the venue had told what is held",
    Reason.FILLED: "it was in a trade whose orders had filled",
    Reason.PAUSED: "it was paused",
    Reason.FLATTEN: "it was told to flatten",
    Reason.HALT: "it was halted",
    Reason.SETTLED: "a contract had settled",
    Reason.REVERSED: "the venue had taken an execution back",
    Reason.STOOD_IN: "a silent venue's leg was flattened through another venue",
    Reason.NOTED: "it noted an event and did nothing",
    NOT_RUNNING: "it was not running at that bar",
    NOT_FILLED: "it entered too, but no order filled",
    OTHER_SIDE: "it entered on the other side",
    NO_DECISION: "it made no decision at that bar",
    UNKNOWN_ORDER: "the fills are of orders that this session never decided",
}
"""What a run did instead of a trade, by reason code."""

CENT = 0.005


def money(value: float) -> str:
    """Write an amount to the cent, with its sign before the currency."""
    return f"{'-' if value < -CENT else ''}${abs(value):,.2f}"


def span(seconds: float) -> str:
    """Write a length of time in a unit that suits it."""
    for unit, size in (("days", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)):
        if abs(seconds) >= size:
            return "1 day" if abs(seconds) == size and unit == "days" else f"{abs(seconds) / size:,.3g} {unit}"
    return f"{abs(seconds) * 1e3:.3g} ms"


def shifted(name: str, first: pd.Timestamp | None, second: pd.Timestamp | None) -> str:
    """Say how much later or earlier the second time is; nothing if it is the same or one is unknown."""
    if first is None or second is None or first == second:
        return ""
    seconds = (second - first).total_seconds()
    return f"{name} {span(seconds)} {'later' if seconds > 0 else 'earlier'}"


def left(first: object, second: object) -> str:
    """Say that two runs left for different reasons; nothing if for the same."""
    if first == second or not isinstance(first, str) or not isinstance(second, str):
        return ""
    return f"it left on {second} and not on {first}"


def missing(lacking: str, other: str, pnl: float, code: str) -> str:
    """Say why one run has no such trade."""
    return f"Only {other} made this trade ({money(pnl)}); {lacking} did not: {SAID.get(code, code)} ({code})."


def different(first: str, second: str, difference: float, parts: Mapping[str, float], facts: Mapping[str, str]) -> str:
    """Say what made the difference between two runs of one trade, the largest part first.

    Parameters
    ----------
    first, second : str
        Names; the difference is second less first.
    difference : float
        Money.
    parts : mapping of str to float
        Money by part.
    facts : mapping of str to str
        What is behind a part, in words; may be empty or missing.
    """
    told = sorted(((name, value) for name, value in parts.items() if abs(value) >= CENT), key=lambda item: -abs(item[1]))
    if not told:
        return "The same to the cent." if any(parts.values()) else "The same."
    listed = [f"{name.replace('_', ' ')} {money(value)}" + (f" ({facts[name]})" if facts.get(name) else "") for name, value in told]
    if abs(difference) < CENT:
        return f"{_first_up(second)} made the same as {first}, from parts that cancel: {', '.join(listed)}."
    return f"{_first_up(second)} made {money(abs(difference))} {'more' if difference > 0 else 'less'} than {first}: {', '.join(listed)}."


def _first_up(name: str) -> str:
    return name[0].upper() + name[1:]
