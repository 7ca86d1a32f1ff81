"""The phase table: every transition of a pair's life, in one place.

Rows are phases, columns are what happened; a transition that is not in the
table leaves the phase as it is. HALTED is left only by a person.
"""

from __future__ import annotations

import numpy as np

from hedgekit.compiled import compiled
from hedgekit.rules.state import CLOSING, FLAT, HALTED, OPEN, OPENING, PHASES, RECOVERING

(ENTERED, AT_TARGET, EXITED, AT_ZERO, HALT_ASKED, RESUMED, CUT_OFF, TAKEN_BACK) = range(8)
AGREED_FLAT, AGREED_OPENING, AGREED_OPEN, AGREED_CLOSING = range(8, 12)
TRIGGERS = (
    *("entered", "at target", "exited", "at zero", "halt asked", "resumed", "cut off", "taken back"),
    *("agreed flat", "agreed opening", "agreed open", "agreed closing"),
)

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
    (FLAT, CUT_OFF): RECOVERING,
    (OPENING, CUT_OFF): RECOVERING,
    (OPEN, CUT_OFF): RECOVERING,
    (CLOSING, CUT_OFF): RECOVERING,
    (RECOVERING, EXITED): CLOSING,
    (RECOVERING, HALT_ASKED): HALTED,
    (RECOVERING, AGREED_FLAT): FLAT,
    (RECOVERING, AGREED_OPENING): OPENING,
    (RECOVERING, AGREED_OPEN): OPEN,
    (RECOVERING, AGREED_CLOSING): CLOSING,
    (FLAT, TAKEN_BACK): CLOSING,
}

_TABLE = np.array([[TRANSITIONS.get((p, t), p) for t in range(len(TRIGGERS))] for p in range(len(PHASES))], dtype=np.int64)


@compiled
def after(phase: int, trigger: int) -> int:
    """Return the phase that follows ``phase`` when ``trigger`` happens."""
    return _TABLE[phase, trigger]  # type: ignore[no-any-return] # an int64
