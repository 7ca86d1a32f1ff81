"""The alerts: one line of what is raised now, and a table of what was raised and cleared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgekit.widgets.panes import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.alerts import Alert

ROWS = 30
COLUMNS = {"time (UTC)": "t", "alert": "t", "severity": "t", "": "t", "what": "t long"}


class Alerts:
    """Keeps the newest edges."""

    def __init__(self) -> None:
        self._told: list[Alert] = []
        self.raised = 0
        """How many were raised since the session began."""

    def take(self, told: Sequence[Alert]) -> bool:
        """Take what was raised and cleared; return whether there was any."""
        self._told = [*self._told, *told][-ROWS:]
        self.raised += sum(alert.edge == "raised" for alert in told)
        return bool(told)

    def html(self) -> str:
        """Return the table, the latest first."""
        rows = [[words.clock(a.ts_ns / 1e6), a.rule, a.severity, a.edge, _text(a)] for a in reversed(self._told)]
        return words.table("Alerts", COLUMNS, rows, "no alert yet")


def active(alerts: Sequence[Alert]) -> str:
    """Return the line of what is raised now, the critical first."""
    if not alerts:
        return words.line("Alerts: none", "alerts")
    first = sorted(alerts, key=lambda alert: alert.severity != "critical")
    return words.line(
        "Alerts: " + " · ".join(f"{a.severity.upper()} {a.rule}: {_text(a)}" for a in first), "alerts", role="alert", warn=True
    )


def _text(alert: Alert) -> str:
    return f"{alert.subject}: {alert.text}" if alert.subject else alert.text
