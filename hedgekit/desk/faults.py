"""Fault switches of a session's sandbox exchange: asked for by anybody who may see the session, passed on by its host.

The exchange's control port wants a token that no notebook gets. So a wish for a fault is a file in the session's folder, as a
command is, and the host, which holds the token, carries it to the exchange and writes down what the exchange said to it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from hedgekit.errors import HedgekitError
from hedgekit.paper.commands import Spool, Wish

NAMES = ("fault",)
KEPT = 50
"""Newest faults whose answers are kept."""


class Faulted(msgspec.Struct, frozen=True):
    """A fault that was passed on: its ref, the real time, what was asked for (JSON), the exchange's refusal, empty if it plans it."""

    ref: str
    at_ns: int
    fault: str
    refusal: str = ""


def faulted(path: Path) -> list[Faulted]:
    """Return what became of the newest faults, oldest first."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Faulted])
    except (OSError, msgspec.MsgspecError):
        return []


class Courier:
    """Carries faults from a folder to a sandbox.

    Parameters
    ----------
    folder, told : path
        Where wishes wait, and where the answers are written.
    token : str
        Of the control port.
    """

    def __init__(self, folder: Path, told: Path, token: str) -> None:
        self._spool, self._told, self._token = Spool(folder, NAMES), told, token

    def carry(self, control: str) -> None:
        """Pass on what waits."""
        wishes = self._spool.waiting()
        if not wishes:
            return
        try:
            answers = asyncio.run(_pass_on(control, self._token, wishes))
        except (HedgekitError, TimeoutError) as error:
            answers = [str(error) or "the sandbox does not answer"] * len(wishes)
        except (OSError, msgspec.MsgspecError, KeyError) as error:  # a wish for a fault must not end the session
            answers = [f"the sandbox gave no answer that can be read ({type(error).__name__}: {error})"] * len(wishes)
        now = time.time_ns()
        found = [Faulted(wish.ref, now, wish.text, answer) for wish, answer in zip(wishes, answers, strict=True)]
        draft = self._told.with_name(f".{self._told.name}.{os.getpid()}")
        with suppress(OSError):  # a full disk: the faults have been passed on, and only their answers are lost
            draft.write_bytes(msgspec.json.encode([*faulted(self._told), *found][-KEPT:]))
            draft.replace(self._told)
        self._spool.done([wish.ref for wish in wishes])


async def _pass_on(control: str, token: str, wishes: Sequence[Wish]) -> list[str]:
    """Return what the exchange has against each, empty for nothing."""
    from hedgekit.net.transport import Stream  # noqa: PLC0415 - a host that never needs it stays small

    async with asyncio.timeout(5.0):
        stream = await Stream.open(control, name="control", headers={"Authorization": f"Bearer {token}"})
        try:
            answers = []
            for wish in wishes:
                await stream.send(wish.text)
                answer = msgspec.json.decode(await stream.receive(), type=dict[str, str])
                answers.append("" if answer["op"] == "faulted" else answer["message"])
            return answers
        finally:
            await stream.close()
