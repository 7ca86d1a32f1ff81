"""A person's commands on their way to a session: one small file each, in a folder.

A command appears by one rename, whole or not at all, and is removed when it is
durable in the journal. No lock is involved, so a sender that is stopped or
killed at any point can neither hold the session up nor leave half a command.
The file's name is the command's ``ref``: a session that was killed between
commit and removal finds it in its journal and does not apply it twice. What a
command says beside its name (a ``set`` has the numbers to change, a ``plan`` a
plan file's content) is the file's text.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from hedgekit.errors import ConfigError, SessionError
from hedgekit.plans import PlanFile
from hedgekit.types import Command, PlanRevised

if TYPE_CHECKING:
    from hedgekit.params import Params

_REF = re.compile(r"\d{20}-[0-9a-f]{8}\.([a-z]+)")


class Wish(NamedTuple):
    """A command that waits."""

    ref: str
    name: str
    text: str = ""


def changes_of(text: str, params: Params) -> dict[str, float | int]:
    """Return what the text of a ``set`` changes (a JSON object of names and numbers), as the parameters take it.

    Raises
    ------
    ConfigError
        If it is no such text, or a name or value is not allowed in flight (:meth:`hedgekit.params.Params.changed`).
    """
    try:
        wanted = msgspec.json.decode(text, type=dict[str, float])
    except msgspec.MsgspecError:
        msg = f'{text[:80]!r}: no numbers to change; write for example {{"entry": 2.2}}'
        raise ConfigError(msg) from None
    changed = params.changed(wanted)
    return {name: getattr(changed, name) for name in sorted(wanted)}


def granted(wish: Wish, params: Params, instruments: Sequence[str], now_ns: int) -> tuple[Command | PlanRevised, ...]:
    """Return the events that a wish becomes: its command, which says why if it is refused, and the plan that it brings.

    Parameters
    ----------
    wish : Wish
    params : Params
        The numbers in force.
    instruments : sequence of str
        Keys of the session's legs, primary first.
    now_ns : int
        The session's present moment.
    """
    try:
        if wish.name == "set":
            return (Command(ts_ns=now_ns, name="set", ref=wish.ref, changes=changes_of(wish.text, params)),)
        told = Command(ts_ns=now_ns, name=wish.name, ref=wish.ref)
        return (told, revised(PlanFile.decode(wish.text), instruments, now_ns)) if wish.name == "plan" else (told,)
    except ConfigError as error:
        return (Command(ts_ns=now_ns, name=wish.name, ref=wish.ref, refusal=str(error)),)


def revised(file: PlanFile, instruments: Sequence[str], now_ns: int) -> PlanRevised:
    """Return the event by which a session takes a plan file; ConfigError if it may not (:meth:`hedgekit.plans.PlanFile.taken`)."""
    return PlanRevised(ts_ns=now_ns, plan=file.taken(instruments, now_ns), source=file.sha256)


class Spool:
    """The folder of commands for one process.

    Parameters
    ----------
    folder : path
        Made when the first command is sent.
    known : collection of str
        Names that the receiver understands.
    """

    def __init__(self, folder: str | os.PathLike[str], known: Collection[str]) -> None:
        self.folder = Path(folder)
        self._known = tuple(known)

    def send(self, name: str, text: str = "") -> str:
        """Leave a command; return its ref. ``text`` is what it says beside its name.

        Raises
        ------
        ConfigError
            If the receiver has no such command.
        SessionError
            If the folder cannot be written.
        """
        if name not in self._known:
            msg = f"unknown command {name!r}; known: {', '.join(self._known)}"
            raise ConfigError(msg)
        ref = f"{time.time_ns():020d}-{secrets.token_hex(4)}.{name}"
        draft = self.folder / f".{ref}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            draft.touch(mode=0o600)
            draft.write_text(text, encoding="utf-8")
            draft.rename(self.folder / ref)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            msg = f"the command {name} cannot be left in {self.folder} ({error.strerror}); if it is urgent: hedgekit paper kill"
            raise SessionError(msg) from None
        return ref

    def waiting(self) -> list[Wish]:
        """Return what waits, oldest first.

        Files that are no commands of ours are left alone: a command is made by :meth:`send`, which checks its name.

        Raises
        ------
        ConfigError
            If the folder cannot be read.
        """
        try:
            names = sorted(path.name for path in self.folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = f"commands={str(self.folder)!r} cannot be read ({error.strerror}): name a folder that you may read and write"
            raise ConfigError(msg) from None
        found = ((name, _REF.fullmatch(name)) for name in names)
        return [Wish(name, match[1], self._text(name)) for name, match in found if match and match[1] in self._known]

    def _text(self, ref: str) -> str:
        try:
            return (self.folder / ref).read_text(encoding="utf-8", errors="replace")
        except OSError:  # removed since, or not to be read: a command without a text
            return ""

    def done(self, refs: Collection[str]) -> None:
        """Remove commands that need not be applied any more; one that cannot be removed stays, and is known as applied."""
        for ref in refs:
            with suppress(OSError):
                (self.folder / ref).unlink()
