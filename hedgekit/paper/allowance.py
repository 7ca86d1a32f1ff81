"""The rate limits of an account as a session finds them: new, or used up by the process before it (A17)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.net.budget import Budget
from hedgekit.net.limiter import Limiter
from hedgekit.types import NS, Decision, Priority

if TYPE_CHECKING:
    from hedgekit.types import Record, Venue

_MEMORY_NS = 120 * NS
"""No venue counts for longer."""


def limiter_of(venue: Venue, session: str, per_minute: int, records: Iterable[Record], now_ns: int, *, live: bool) -> Limiter:  # noqa: PLR0913 - all that it depends on
    """Return the limiter of an account; its jitter is drawn from the session's name.

    On a tape time stands still between two processes, and what was decided in the last minutes is counted as sent. At
    live speed a restarted session does not know what the one before it has asked, before its first decision too: all counts as used up.
    """
    seed = int.from_bytes(hashlib.sha256(session.encode()).digest()[:8])
    allowed = venue.budgets(per_minute)
    budgets = [Budget(**budget | {"reserve": {Priority(name): kept for name, kept in budget["reserve"].items()}}) for budget in allowed]
    told = list(records)
    decisions = [record for record in told if isinstance(record, Decision)]
    limiter = Limiter(budgets, np.random.default_rng(seed), spent_ns=now_ns if live and told else None)
    for decision in decisions if not live else ():
        if decision.ts_ns > now_ns - _MEMORY_NS:
            here = [order for order in decision.orders if order.instrument.partition(":")[0] == venue.name]
            for kind in (*("submit" for _ in here), *("cancel" for _ in decision.cancels)):  # of a cancel nobody says where it goes
                limiter.recall(kind, decision.ts_ns)
    return limiter
