"""A2: profit target and stop, for both legs at once."""

from __future__ import annotations

from hedgekit.compiled import compiled
from hedgekit.rules.state import STOP, TARGET, WAIT_TARGET

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
