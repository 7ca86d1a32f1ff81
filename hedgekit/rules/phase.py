"""The phase table: every transition of a pair's life, in one place.

Rows are phases, columns are what happened; a transition that is not in the
table leaves the phase as it is. HALTED is left only by a person.
"""

from __future__ import annotations

import numpy as np

from hedgekit.compiled import compiled
from hedgekit.rules.state import CLOSING, FLAT, HALTED, OPEN, OPENING, PHASES

ENTERED, AT_TARGET, EXITED, AT_ZERO, HALT_ASKED, RESUMED = range(6)
TRIGGERS = ("entered", "at target", "exited", "at zero", "halt asked", "resumed")

TRANSITIONS = {
    (FLAT, ENTERED): OPENING,
    (OPENING, AT_TARGET): OPEN,
    (OPENING, EXITED): CLOSING,
    (OPEN, EXITED): CLOSING,
    (CLOSING, AT_ZERO): FLAT,
    (FLAT, HALT_ASKED): HALTED,
    (OPENING, HALT_ASKED): HALTED,
    (OPEN, HALT_ASKED): HALTED,
    (CLOSING, HALT_ASKED): HALTED,
    (HALTED, EXITED): CLOSING,
    (HALTED, RESUMED): CLOSING,
}

_TABLE = np.array([[TRANSITIONS.get((p, t), p) for t in range(len(TRIGGERS))] for p in range(len(PHASES))], dtype=np.int64)


@compiled
def after(phase: int, trigger: int) -> int:
    """Return the phase that follows ``phase`` when ``trigger`` happens."""
    return _TABLE[phase, trigger]  # type: ignore[no-any-return] # an int64
