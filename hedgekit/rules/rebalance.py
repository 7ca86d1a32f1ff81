"""A14 and A15: when to look at the net delta, and when it is too far off."""

from __future__ import annotations

from hedgekit.compiled import compiled

# numba infers every type, and checks it.
# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False


@compiled
def look_due(now_ns, last_look_ns, interval_ns):  # noqa: ANN001, ANN201 - compiled
    """Whether the interval since the last look is over."""
    return now_ns - last_look_ns >= interval_ns


@compiled
def outside(delta, tolerance):  # noqa: ANN001, ANN201 - compiled
    """Whether the net delta has left its corridor."""
    return abs(delta) > tolerance
