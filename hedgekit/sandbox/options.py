"""How a sandbox runs, and how that is read from the command line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hedgekit.data import Recipe, recipe_of
from hedgekit.errors import ConfigError
from hedgekit.exchange.faults import Fault, schedule
from hedgekit.exchange.model import FillModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.data import Tape

R = TypeVar("R")

AT_ONCE = FillModel(ws_ns=0, up_ns=0, down_ns=0)
"""The fill model of live mode unless another is given: the machine's own latencies are enough."""

MEAN_FAULTS = 10.0
LIVE_SPEED = 20.0
"""Rows in a second, live, unless told otherwise."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a sandbox runs, beside its tape and its secrets."""

    venue_port: int = 0
    control_port: int = 0
    cash: Decimal = Decimal(1_000_000)
    budget: int = 200
    model: FillModel = FillModel()
    live: bool = False
    """Whether time is the machine's; else a session moves it, step by step."""
    speed: float | None = None
    """Rows of the tape in a real second; None for as fast as the session can, or live for :data:`LIVE_SPEED`."""
    times: float | None = None
    """Live, instead of ``speed``: seconds of the tape's own time in a real second."""
    faults: tuple[Fault, ...] = ()
    log: str | None = None
    """Folder for the venue's own record; None for no record."""


def market_of(text: str) -> Recipe:
    """Decode ``--market``; a :class:`ConfigError` says what is wrong with it."""
    return _decoded(text, recipe_of, "--market", "market", "'{}' for the default one")


def model_of(text: str | None, *, live: bool = False) -> FillModel:
    """Decode ``--model``; a :class:`ConfigError` says what is wrong with it. Without one: the default, live without latencies."""
    if text is None:
        return AT_ONCE if live else FillModel()
    return _decoded(text, msgspec.json.Decoder(FillModel).decode, "--model", "FillModel", '\'{"name":"next_quote"}\'')


def faults_of(text: str) -> tuple[Fault, ...]:
    """Decode ``--faults``, a list or the name of a file that holds one; a :class:`ConfigError` says what is wrong with it."""
    if not text.lstrip().startswith("["):
        try:
            text = Path(text).read_text()
        except (OSError, UnicodeError) as error:
            msg = f"--faults {text[:80]!r} is neither a JSON list nor a file that can be read: {error}"
            raise ConfigError(msg) from None
    decode = msgspec.json.Decoder(tuple[Fault, ...]).decode
    return _decoded(text, decode, "--faults", "list of faults", '\'[{"kind":"outage","at":"row:120","seconds":30}]\'')


def faults_at_random(seed: int | None, mean: float | None, tape: Tape) -> tuple[Fault, ...]:
    """Draw ``--seed`` faults for a tape, ``--mean-faults`` of them in the mean (:data:`MEAN_FAULTS`); none without a seed.

    Raises
    ------
    ConfigError
        If there is a mean but no seed, or the mean is no number from 0.
    """
    if seed is None:
        if mean is not None:
            msg = f"--mean-faults {mean:g} draws nothing without --seed; give both"
            raise ConfigError(msg)
        return ()
    rows, mean = len(tape.ts_ns), MEAN_FAULTS if mean is None else mean
    return schedule(seed, requests=max(rows // 4, 8), messages=rows * len(tape.instruments), rows=rows, mean_faults=mean)


def speed_of(text: str | None) -> tuple[float | None, float | None]:
    """Decode ``--speed`` into (rows a second, times the tape's own time), one of them or neither; or raise :class:`ConfigError`."""
    if text is None:
        return None, None
    times = text.lower().endswith("x")
    try:
        number = float(text[:-1] if times else text)
    except ValueError:
        msg = f"--speed {text!r} is no speed; write 20 for 20 rows a second, or live 60x for 60 times the tape's own time"
        raise ConfigError(msg) from None
    return (None, number) if times else (number, None)


def _decoded(text: str, decode: Callable[[str], R], option: str, what: str, example: str) -> R:
    try:
        return decode(text)
    except msgspec.DecodeError as error:
        msg = f"{option} {text[:80]!r} is not a {what}: {error}; write for example {example}"
        raise ConfigError(msg) from None
