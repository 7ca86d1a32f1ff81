"""The plan file: a hedge ratio on its way from a revalidation to a session (A5).

Small JSON that a person can read and a session checks: for which legs, what was decided, when and on which data, and the plan
itself. Numbers come back bit for bit (JSON has a float's shortest exact text), and a checksum over all of it tells a file that was
changed or cut off. Times are those of the data, not of the clock on the wall: on a tape of past prices a plan that was decided later
than the session's present moment would know the future, and is refused.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

import msgspec
import numpy as np

from hedgekit.errors import ConfigError
from hedgekit.types import HedgePlan

SCHEMA = 1
UNIT = "dollar per dollar"
MOST_BYTES = 1_000_000
"""A larger file is no plan."""

_WRITE_ANEW = "write it anew with `hedgekit report run revalidation`"


class PlanFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was decided on a pair's hedge ratio.

    Attributes
    ----------
    format, schema
        What the file is.
    instruments : tuple of str
        Keys of the legs (``venue:symbol``), primary first.
    decision : {"keep", "refit", "retire"}
        What became of the plan before it. A pair that is retired has no plan.
    reasons : tuple of str
        Why, each in one sentence.
    decided_at_ns : int
        Time of the newest price that the decision rests on, nanoseconds UTC.
    data : str
        SHA-256 of those prices (:func:`hedgekit.trials.data_digest`).
    plan : HedgePlan or None
        The plan to trade by.
    sha256 : str
        Checksum of all the rest; filled in by :meth:`encode`.
    """

    format: Literal["hedgekit plan"] = "hedgekit plan"
    schema: int = SCHEMA
    instruments: tuple[str, ...]
    decision: Literal["keep", "refit", "retire"]
    reasons: tuple[str, ...] = ()
    decided_at_ns: int
    data: str
    plan: HedgePlan | None
    sha256: str = ""

    # ------------------------------------------------------------------ writing

    @property
    def checksum(self) -> str:
        """SHA-256 of everything but the checksum."""
        return sha256(msgspec.json.encode(msgspec.structs.replace(self, sha256=""), order="deterministic")).hexdigest()

    def encode(self) -> bytes:
        """Return the file's bytes.

        Raises
        ------
        ConfigError
            If it says what no session could take.
        """
        self.check("the plan")
        return msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(self, sha256=self.checksum)), indent=2) + b"\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file, whole or not at all, and return its path.

        Raises
        ------
        ConfigError
            If it cannot be written, or says what no session could take.
        """
        to, content = Path(path), self.encode()
        fresh = to.with_name(f".{to.name}.{os.getpid()}")
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(content)
            fresh.replace(to)
        except OSError as error:
            with suppress(OSError):
                fresh.unlink()
            msg = f"the plan file {to} cannot be written: {error.strerror}; choose another place"
            raise ConfigError(msg) from None
        return to

    # ------------------------------------------------------------------ reading

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file.

        Raises
        ------
        ConfigError
            If it is missing, no plan file, of another schema, or damaged.
        """
        try:
            with Path(path).open("rb") as file:
                content = file.read(MOST_BYTES)
        except OSError as error:
            msg = f"the plan file {os.fspath(path)} cannot be read: {error.strerror}; {_WRITE_ANEW}"
            raise ConfigError(msg) from None
        return cls.decode(content, os.fspath(path))

    @classmethod
    def decode(cls, content: bytes | str, name: str = "the plan file") -> Self:
        """Return what a file's bytes say; ``name`` is the file's, for errors.

        Raises
        ------
        ConfigError
            As :meth:`load`.
        """
        try:
            found = msgspec.json.decode(content, type=_Head)
            if found.schema != SCHEMA:
                msg = f"{name} is of schema {found.schema}, known here is {SCHEMA}; read it with the hedgekit that wrote it"
                raise ConfigError(msg)
            told = msgspec.json.decode(content, type=cls)
        except (msgspec.MsgspecError, UnicodeError) as error:
            msg = f"{name} is no plan file, or was cut off: {error}; {_WRITE_ANEW}"
            raise ConfigError(msg) from None
        if told.sha256 != told.checksum:
            msg = f"{name} was changed or damaged: its checksum is not that of what it says; {_WRITE_ANEW}"
            raise ConfigError(msg)
        told.check(name)
        return told

    def check(self, name: str) -> None:
        """Refuse what no session could trade by: ConfigError; ``name`` is the file's."""
        plan = self.plan
        wrong = ""
        if (plan is None) is not (self.decision == "retire"):
            wrong = (
                f"decision {self.decision!r} {'without' if plan is None else 'with'} a plan: a pair that is retired, and no other, has none"
            )
        elif len(self.instruments) < 2 or len(set(self.instruments)) < len(self.instruments):  # noqa: PLR2004 - primary and hedge
            wrong = f"instruments {', '.join(self.instruments) or 'none'}: name the primary and each hedge once"
        elif plan is not None:
            wrong = self._unsound(plan)
        if wrong:
            msg = f"{name}: {wrong}"
            raise ConfigError(msg)

    def _unsound(self, plan: HedgePlan) -> str:
        if plan.unit != UNIT:
            return f"the ratio is in {plan.unit!r}; a session trades {UNIT}: write RatioFit.in_dollars()"
        if len(plan.ratios) != len(self.instruments) - 1:
            return f"{len(plan.ratios)} ratios for {len(self.instruments) - 1} hedges; give one for each"
        if not all(map(math.isfinite, (*plan.ratios, plan.stderr))) or plan.stderr < 0:
            return f"ratio {plan.ratio!r} with standard error {plan.stderr!r}: both must be finite numbers, the error not below 0"
        if not plan.fitted_at_ns <= self.decided_at_ns:
            return f"fitted at {_when(plan.fitted_at_ns)}, after it was decided on, {_when(self.decided_at_ns)}"
        return ""

    # ------------------------------------------------------------------- taking

    def taken(self, instruments: Sequence[str], now_ns: int, name: str = "the plan file") -> HedgePlan:
        """Return the plan, if a session of these legs may trade by it now.

        Parameters
        ----------
        instruments : sequence of str
            Keys of the session's legs, primary first.
        now_ns : int
            The session's present moment, nanoseconds UTC.
        name : str
            The file's, for errors.

        Raises
        ------
        ConfigError
            If it is another pair's, retired, from the future or expired.
        """
        if tuple(instruments) != self.instruments:
            msg = f"{name} is of {' and '.join(self.instruments)}; this session trades {' and '.join(instruments)}"
            raise ConfigError(msg)
        if self.decided_at_ns > now_ns:
            msg = (
                f"{name} is from the future: decided on {_when(self.decided_at_ns)}, and the session is at {_when(now_ns)}; "
                "give one that rests on earlier prices alone"
            )
            raise ConfigError(msg)
        if self.plan is None:
            why = f" ({self.reasons[0]})" if self.reasons else ""
            msg = f"{name} retired this pair on {_when(self.decided_at_ns)}{why}: there is no plan to trade by; tell the session flatten"
            raise ConfigError(msg)
        if self.plan.valid_until_ns <= now_ns:
            msg = f"{name} expired on {_when(self.plan.valid_until_ns)}, and the session is at {_when(now_ns)}; revalidate it (A5)"
            raise ConfigError(msg)
        return self.plan

    def text(self) -> str:
        """Return what it says in one line."""
        if self.plan is None:
            return f"retired on {_when(self.decided_at_ns)}"
        ratios = ", ".join(f"{ratio:.4g}" for ratio in self.plan.ratios)
        return f"{self.decision}: ratio {ratios}, decided on {_when(self.decided_at_ns)}, valid until {_when(self.plan.valid_until_ns)}"


class _Head(msgspec.Struct, frozen=True):
    """What tells the kind and version of a file, whatever else stands in it."""

    format: Literal["hedgekit plan"]
    schema: int


def _when(ns: int) -> str:
    return f"{str(np.datetime64(ns, 'ns').astype('datetime64[s]')).replace('T', ' ')} UTC"
