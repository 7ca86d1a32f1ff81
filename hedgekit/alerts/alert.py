"""What an alert says, and the limits that it is raised at."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from hedgekit.errors import ConfigError

Rule = Literal["delta", "breaker", "naked leg", "naked budget", "plan expired", "drawdown", "rejects", "switch", "silent"]
Severity = Literal["warning", "critical"]

SEVERITIES: dict[Rule, Severity] = {
    "delta": "warning",
    "breaker": "critical",
    "naked leg": "warning",
    "naked budget": "critical",
    "plan expired": "warning",
    "drawdown": "critical",
    "rejects": "warning",
    "switch": "critical",
    "silent": "critical",
}
"""Critical: look now. Warning: look today."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One edge of an alert.

    Attributes
    ----------
    id : str
        Names this edge: session, record, rule, subject, edge. Told twice, it is the same one.
    session : str
        Whose journal.
    rule, subject : str
        Which rule, and of what where a rule watches several things: a venue, an instrument.
    edge : str
        "raised" or "cleared"; they alternate.
    severity : str
        "warning" or "critical".
    ts_ns : int
        The session's time of the record that caused it, UTC.
    record : int
        That record's id in the journal.
    text : str
        One sentence with figures and units.
    """

    id: str
    session: str
    rule: Rule
    subject: str
    edge: Literal["raised", "cleared"]
    severity: Severity
    ts_ns: int
    record: int
    text: str

    @property
    def key(self) -> tuple[Rule, str]:
        """What is raised or cleared."""
        return self.rule, self.subject


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """When an alert is raised. The naked-leg budget and the plan's expiry are the session's own.

    Attributes
    ----------
    delta : float or None
        Net delta beyond this share of the notional; None for the session's own tolerance, 0 for never.
    delta_s : float
        And for longer than so many seconds of the session's time.
    drawdown : float or None
        P&L, executable and open positions at mids, below its highest so far by more than this money; None for ``drawdown_share``.
    drawdown_share : float
        The same as a share of the notional. Either 0: never.
    silent_s : float
        Nothing written for so many seconds of real time while the market is open; 0 for never. A session whose process is gone
        is told at once.

    Raises
    ------
    ConfigError
        If one is negative or no number.
    """

    delta: float | None = None
    delta_s: float = 30.0
    drawdown: float | None = None
    drawdown_share: float = 0.05
    silent_s: float = 300.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                msg = f"{name}={value!r}: must be a number from 0 on; 0 switches the rule off"
                raise ConfigError(msg)
