"""Reading a venue's words without guessing: what all venues share. Any bytes say something, or give an error that quotes them."""

from __future__ import annotations

from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import NS

UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What reading JSON as a type may raise."""

Name = Annotated[str, msgspec.Meta(min_length=1)]
"""A text that names something: an empty id in a path would address everything."""

_MOST = 200


class Reader:
    """Reads for one venue, which its errors name.

    Parameters
    ----------
    venue : str
        As errors call it.
    """

    def __init__(self, venue: str) -> None:
        self._venue = venue

    def decode(self, body: bytes | str, kind: Any, what: str) -> Any:  # noqa: ANN401 - the type is the argument
        """Read JSON as a type; VenueError with the words that cannot be read."""
        try:
            return msgspec.json.decode(body, type=kind)
        except UNREADABLE as error:
            raise self.unread(body, what, error) from error

    def unread(self, body: bytes | str, what: str, why: object = "not understood") -> VenueError:
        """Return the error for words that cannot be read; msgspec's reason may quote them, so it is escaped and cut as they are."""
        return VenueError(f"{self._venue}: {what} cannot be read ({ascii(str(why)[:_MOST])[1:-1]}): {body[:_MOST]!a}")

    def finite(self, number: Decimal, what: str) -> Decimal:
        """Return a number that is an amount; VenueError for NaN and infinity."""
        if not number.is_finite():
            msg = f"{self._venue}: {what} holds {str(number)[:40]}, which is no amount"
            raise VenueError(msg)
        return number


def wait_of(after: str, now_ns: int) -> int | None:
    """Return ns to wait by a Retry-After header (seconds, or a date: RFC 9110, 10.2.3); None if it says neither."""
    after = after.strip()
    if after.isascii() and after.isdecimal():
        return int(after[:9]) * NS  # thirty years
    try:
        return max(round(parsedate_to_datetime(after).timestamp()) * NS - now_ns, 0)
    except (ValueError, OverflowError):
        return None
