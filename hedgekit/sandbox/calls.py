"""A request as it was read, and what is sent back: HTTP without sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a body or a frame can raise: no JSON, JSON of another shape, text that is no UTF-8, or JSON too deep."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The account's key and secret; never shown."""

    key: str = field(repr=False)
    secret: str = field(repr=False)

    def match(self, key: str, secret: str) -> bool:
        """Whether both are right, in a time that does not depend on them."""
        return compare_digest(self.key.encode(), key.encode()) & compare_digest(self.secret.encode(), secret.encode())


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it was read; ``target`` is the path with the query, as it was written, ``headers`` hold what it was signed with."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    target: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back; a body of None is no body."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
