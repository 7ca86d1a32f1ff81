"""All that the sandbox knows about time.

Two timelines: in step (:mod:`hedgekit.sandbox.barrier`) virtual time stands still
until the session lets it go on; live (:mod:`hedgekit.sandbox.wall`) time is the
machine's and waits for nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

ARRIVAL, TAPE, DELIVERY, LAPSE = 0, 1, 2, 3
"""Ranks: at one time, requests arrive before the quote (which they may then meet), and messages leave last, but for what happens if a
client says nothing: that is no reason for a tape to go on."""


class Ticket(NamedTuple):
    """A request's place in step mode: the epoch and number of its label, and which of all sessions attached it belongs to."""

    epoch: int
    number: int
    session: int

    def __str__(self) -> str:
        """Return it as the log shows it: the same in every run, unlike the epoch."""
        return f"{self.session}-{self.number}"


class Timeline(Protocol):
    """What time it is, and when requests set out."""

    @property
    def now_ns(self) -> int:
        """The time, nanoseconds UTC; it never goes back."""

    def call_at(self, at_ns: int, callback: Callable[[], object], *, rank: int = 0) -> None:
        """Call at a time, at once if it is past; callbacks of one time in order of rank, then of asking."""

    def ticket(self, label: str | None) -> Ticket | None:
        """Give a request that was read its place; ``SessionError`` if it has none."""

    def send(self, ticket: Ticket | None, leave: Callable[[], None]) -> None:
        """Call ``leave`` when it is the request's turn to set out for the exchange."""

    def answered(self, ticket: Ticket | None) -> None:
        """Note that the client learns now what became of a request."""
