"""A2: profit target, stop and time stop, for both legs at once, and when a stopped trade may be entered again."""

from __future__ import annotations

from hedgekit.compiled import compiled
from hedgekit.rules.state import STOP, TARGET, TIME_STOP, WAIT_TARGET

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False


@compiled
def exit_reason(z, side, target, stop):  # noqa: ANN001, ANN201 - compiled
    """Return TARGET, STOP or WAIT_TARGET for a trade on ``side`` (+1 long the spread).

    On the side entered, z starts at or beyond the entry; the target is reached
    when it has come back to ``target``, the stop when it has gone on to ``stop``.
    """
    adverse = -side * z
    if adverse <= target:
        return TARGET
    if adverse >= stop:
        return STOP
    return WAIT_TARGET


@compiled
def overstayed(bars_held, time_stop, half_life):  # noqa: ANN001, ANN201 - compiled
    """Whether a trade is older than its time stop, in half-lives of its plan; never without a time stop or a finite half-life."""
    return time_stop > 0.0 and bars_held >= time_stop * half_life


@compiled
def reason_of(z, side, target, stop, too_old):  # noqa: ANN001, ANN201 - compiled
    """Return the exit's reason: target and stop first, then age."""
    reason = exit_reason(z, side, target, stop)
    return TIME_STOP if reason == WAIT_TARGET and too_old else reason
