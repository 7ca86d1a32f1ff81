"""A socket of Deribit's: calls and their answers, heartbeats, and what is told beside them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import NS, Login
from hedgekit.venues.deribit.requests import call
from hedgekit.venues.deribit.wire import Error, decode, unread
from hedgekit.venues.reading import UNREADABLE

HEARTBEAT_S = 10
"""Deribit asks after so long whether we are there, and ends a socket that does not answer; it allows no less."""

AUTH, HEARTBEAT, GUARD, SUBSCRIBE, TEST = range(1, 6)
_RENEW = 0.8
"""Part of a login's life after which it is renewed."""

D = TypeVar("D")


class Params(msgspec.Struct, Generic[D], gc=False):
    """What a notification tells: of a channel its data, of a heartbeat its type."""

    channel: str = ""
    data: D | None = None
    type: str = ""


class Frame(msgspec.Struct, Generic[D], gc=False):
    """A frame: a notification (``method``), or the answer to a call (``id``)."""

    method: str = ""
    params: Params[D] | None = None
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: Error | None = None


class _Granted(msgspec.Struct):
    expires_in: int


_ANSWERS = msgspec.json.Decoder(Frame[Any])


class Socket:
    """What both feeds have in common.

    Parameters
    ----------
    now_ns : int
        When it is opened.
    """

    beat = None

    def __init__(self, now_ns: int) -> None:
        self.headers: dict[str, str] = {}
        self._now_ns = now_ns
        self._kept: list[bytes | str] = []
        self._say: list[bytes] = []
        self._renew_ns: int | None = None

    def to_say(self) -> list[bytes]:
        """Return, once, the answers to test requests, and a new login where the old one is about to end."""
        said, self._say = self._say, []
        return said

    def _credentials(self, now_ns: int) -> dict[str, Any]:  # noqa: ARG002 - a socket with a login has some
        return {}

    # ------------------------------------------------------------------- login

    def _call(self, number: int, method: str, **params: object) -> Generator[tuple[bytes | None, bool], bytes | str, msgspec.Raw]:
        """Call a method and return its result; what comes before the answer is kept for :meth:`_frames`.

        Raises
        ------
        VenueError
            If it is refused, or something comes that cannot be read.
        """
        frame = yield call(number, method, **params), True
        while (answer := read(_ANSWERS, frame)).id != number:
            self._kept.append(frame)
            frame = yield None, True
        if answer.error is not None:
            refused(method, answer.error)
        return answer.result

    def _listen(self) -> Login:
        """Ask for heartbeats."""
        result = yield from self._call(HEARTBEAT, "public/set_heartbeat", interval=HEARTBEAT_S)
        expect(result, "ok", "public/set_heartbeat")

    def _authorise(self) -> Login:
        self._granted((yield from self._call(AUTH, "public/auth", **self._credentials(self._now_ns))), self._now_ns)

    def _subscribe(self, method: str, channels: list[str]) -> Login:
        """Subscribe to all channels; Deribit leaves out what it does not know, without a word."""
        result = yield from self._call(SUBSCRIBE, method, channels=channels)
        granted: list[str] = decode(bytes(result), list[str], "list of subscriptions")
        if missing := [name for name in channels if name not in granted]:
            msg = f"deribit: {method} did not subscribe to {', '.join(missing)}"
            raise VenueError(msg)

    # ------------------------------------------------------------ notifications

    def _frames(self, frame: bytes | str) -> Iterator[bytes | str]:
        """Return what was kept at the login, once, and a frame."""
        kept, self._kept = self._kept, []
        yield from kept
        yield frame

    def _beside(self, message: Frame[Any], frame: bytes | str, ts_ns: int) -> None:
        """Take what tells of no channel: heartbeats, and answers to what was said.

        Raises
        ------
        VenueError
            If it is neither, or a refusal.
        """
        if message.error is not None:
            refused("a message of ours", message.error)
        beat = message.params.type if message.method == "heartbeat" and message.params is not None else ""
        if beat == "test_request":
            self._say.append(call(TEST, "public/test"))
        elif message.id == AUTH:
            self._granted(message.result, ts_ns)
        elif beat != "heartbeat" and message.id != TEST:  # it beats; it heard us
            raise unread(frame, "message", "not understood")

    def _granted(self, result: msgspec.Raw, now_ns: int) -> None:
        granted: _Granted = decode(bytes(result), _Granted, "login")
        if granted.expires_in <= 0:
            msg = f"deribit: a login that lasts {granted.expires_in} seconds is none"
            raise VenueError(msg)
        self._renew_ns = now_ns + round(min(granted.expires_in, 10**9) * _RENEW * NS)

    def _keep_login(self, now_ns: int) -> None:
        """Log in again in good time: the heartbeats see to it that the time is known."""
        if self._renew_ns is not None and now_ns >= self._renew_ns:
            self._renew_ns = None
            self._say.append(call(AUTH, "public/auth", **self._credentials(now_ns)))


def read(decoder: msgspec.json.Decoder[Frame[D]], frame: bytes | str) -> Frame[D]:
    """Return a frame; VenueError with the words that cannot be read."""
    try:
        return decoder.decode(frame)
    except UNREADABLE as error:
        raise unread(frame, "message", error) from error


def refused(what: str, error: Error) -> NoReturn:
    """Raise the VenueError for a refusal on a socket."""
    msg = f"deribit refused {what} ({error.code}): {error.text()}"
    raise VenueError(msg, code=error.code)


def expect(result: msgspec.Raw, word: str, method: str) -> None:
    """Check the answer to a call; VenueError if it is another word."""
    if decode(bytes(result), Any, f"answer to {method}") != word:
        raise unread(bytes(result), f"answer to {method}", f"not {word!r}")
