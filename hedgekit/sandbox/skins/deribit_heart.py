"""Deribit's heartbeats: agreed on with ``public/set_heartbeat``, sent live only (``deribit_socket.py`` says why)."""

from __future__ import annotations

from hedgekit.types import NS


class Heart:
    """Beats for one connection. A connection that has been silent for an interval is asked; silent for another one, it is over.

    Parameters
    ----------
    interval_s : int
        Seconds between beats.
    now_ns : int
        When it begins.
    """

    def __init__(self, interval_s: int, now_ns: int) -> None:
        self._interval_ns = interval_s * NS
        self._heard_ns, self._asked_ns = now_ns, 0
        self.due_ns = now_ns + self._interval_ns

    def heard(self, now_ns: int) -> None:
        """Note that the connection said something."""
        self._heard_ns, self._asked_ns = now_ns, 0

    def beat(self, now_ns: int) -> list[str] | None:
        """Return the types of what is to be said now; None if the connection is over."""
        if now_ns < self.due_ns:
            return []
        self.due_ns = now_ns + self._interval_ns
        if self._asked_ns:
            return None
        if now_ns - self._heard_ns < self._interval_ns:
            return ["heartbeat"]
        self._asked_ns = now_ns
        return ["heartbeat", "test_request"]
