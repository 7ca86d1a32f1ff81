"""The strips of the paper desk: how the session stands, and how healthy its connections, its journal and its legs are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hedgekit.desk.state import ALIVE, State
from hedgekit.widgets.panes import words
from hedgekit.widgets.panes.words import Cell

if TYPE_CHECKING:
    from hedgekit.desk import Status
    from hedgekit.journal import Standing
    from hedgekit.paper.gauges import Gauges

OLD_S = 5.0
"""A feed, a journal or gauges older than this are marked."""

LITTLE = 0.1
"""Less of a request budget than this share is marked."""

_BROKEN = (State.KILLED, State.FAILED, State.LOST, State.REFUSED)
_HEARD = {"up": "closed, heard", "down": "OPEN, venue silent", "frozen": "OPEN, prices stand still", "restarted": "closed, restarted"}


def title(account: str, status: Status | None) -> str:
    """Return the panel's first line: account, session, market, how it is."""
    if status is None:
        return words.line(f"Paper desk · account {account} · no session yet: Start makes one", "paper desk")
    speed = "as fast as it can" if status.speed is None else f"{status.speed:g} rows a second"
    said = f"{status.session} · {status.market} · {speed} · {state_of(status)}"
    return words.line(f"Paper desk · account {status.account} · {said}", "paper desk", warn=status.state in _BROKEN)


def state_of(status: Status) -> str:
    """Return the state in words, with what its host says of it."""
    again = f", restarted {status.restarts} x" if status.restarts else ""
    return f"{status.state.value.upper()}{again}{': ' + status.detail if status.detail else ''}"


def standing(status: Status | None, now: Standing | None) -> str:
    """Return the strip of how the session stands."""
    state = "none" if status is None else status.state.value
    shown: list[Cell] = [("session", state, status is not None and status.state in _BROKEN)]
    if now is not None and now.started:
        shown += [
            ("phase", f"{now.phase}{', paused' if now.paused else ''}", False),
            ("trade", str(now.trade), False),
            ("market time, UTC", words.when(None if now.last_ns is None else now.last_ns / 1e6), False),
            ("z (sd)", words.number(now.z), False),
            ("net delta", words.share(now.delta), abs(now.delta) > float(now.params.get("tolerance") or 0)),
            ("hedge ratio", words.number(now.ratio, 3), False),
            ("P&L hedged", words.money(now.hedged), False),
            ("P&L unhedged", words.money(now.unhedged), False),
            ("fees", words.money(float(now.fees)), False),
        ]
        shown += [(instrument.symbol, words.quantity(now.positions[instrument.key]), False) for instrument in now.instruments]
        shown.append(("orders working", str(len(now.working)), False))
    return words.strip(shown, "status of the session")


def health(status: Status | None, now: Standing | None, gauges: Gauges | None, wall_ns: int) -> str:
    """Return the strip of the session's health; ``wall_ns`` is the time on the wall, for ages."""
    if now is None or not now.started:
        return words.strip([("health", "no journal yet", False)], "health of the session")
    alive = status is not None and status.state in ALIVE
    feed, written = (_age(at, wall_ns) if alive else None for at in (now.last_quote_recorded_ns, now.last_recorded_ns))
    limit, notional = float(now.params.get("naked_limit_s") or 0), float(now.params.get("notional") or 1)
    naked = now.naked / notional
    shown: list[Cell] = [
        ("feed age", words.age(feed), feed is not None and feed > OLD_S and not now.shut),
        ("latency p95", words.latency(now.latency_p95_ms), False),
        _budget(gauges if alive else None, wall_ns),
        ("breaker", _breaker(now), any(state in ("down", "frozen") for state in now.links.values())),
        ("naked leg", f"{naked:.1f} of {limit:g} s", bool(limit) and naked > limit),
        ("journal lag", words.age(written), written is not None and written > OLD_S and not now.shut),
        ("still to read", f"{now.behind:,}", bool(now.behind)),
    ]
    return words.strip(shown, "health of the session")


def _age(at_ns: int | None, wall_ns: int) -> float | None:
    return None if at_ns is None else (wall_ns - at_ns) / 1e9


def _breaker(now: Standing) -> str:
    """Return how each venue is heard, and what is shut."""
    many = len(now.links) > 1
    said = [f"{venue + ' ' if many else ''}{_HEARD[state]}" for venue, state in now.links.items()]
    return ", ".join([*said, *(f"{key.partition(':')[2]} {status}" for key, status in now.shut.items())])


def _budget(gauges: Gauges | None, wall_ns: int) -> Cell:
    """Return the budget of which the least is left; as old as the session's last word on it."""
    name = "request budget"
    if gauges is None or not gauges.budgets:
        return name, words.NONE, False
    least = min(gauges.budgets, key=lambda one: one.left / one.capacity)
    old = (wall_ns - gauges.written_ns) / 1e9
    parts: Sequence[str] = (
        f"{least.left} of {least.capacity}",
        *([f"{least.waiting} wait"] if least.waiting else []),
        *([f"{words.age(old)} ago"] if old > OLD_S else []),
    )
    return name, ", ".join(parts), least.left < LITTLE * least.capacity
