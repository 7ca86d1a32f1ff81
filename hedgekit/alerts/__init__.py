"""Alerts (A14): rules over a session's journal, told to the desk, a log, a command or a webhook.

An alert has two edges, raised and cleared, and nothing between. All but one rule (``silent``) depend on the journal's records alone,
so a reader that comes later, or again, finds the same alerts under the same ids.
"""

from __future__ import annotations

from hedgekit.alerts.alert import Alert, Limits
from hedgekit.alerts.delivery import Delivery, Place
from hedgekit.alerts.reader import Reader, table
from hedgekit.alerts.rules import Watch
from hedgekit.alerts.sinks import Command, Log, Sink, Webhook

__all__ = ["Alert", "Command", "Delivery", "Limits", "Log", "Place", "Reader", "Sink", "Watch", "Webhook", "table"]
