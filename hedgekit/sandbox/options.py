"""How a sandbox runs, and how that is read from the command line."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hedgekit.data import Books, LiveFeed, Recipe, Recorded, SampledBooks, SyntheticBinary, Tape, recipe_of
from hedgekit.errors import ConfigError
from hedgekit.exchange.faults import Fault, schedule
from hedgekit.exchange.model import FillModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Source = Books | Tape | LiveFeed
"""What a sandbox can play."""

R = TypeVar("R")

AT_ONCE = FillModel(ws_ns=0, up_ns=0, down_ns=0)
"""The fill model of live mode unless another is given: the machine's own latencies are enough."""

CASH = Decimal(1_000_000)
MEAN_FAULTS = 10.0
LIVE_SPEED = 20.0
"""Rows in a second, live, unless told otherwise."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a sandbox runs, beside its tape and its secrets."""

    venue: str = ""
    """The one venue that is served; empty for all of the market's."""
    port: int = 0
    """Of the first venue, the next ones having the next ports; 0 for free ones."""
    control_port: int = 0
    cash: Decimal = CASH
    """Money that an account starts with, in what its venue keeps it in: dollars, or coins of each kind."""
    cash_at: dict[str, Decimal] = {}
    """By venue, where it is another sum."""
    budget: int = 0
    """Requests in a minute at each venue; 0 for what it allows usually."""
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


def source_of(recipe: Recipe, *, live: bool) -> Source:
    """Return what a sandbox plays of a market: a recorded file's whole depth, books with their outcome, a tape, or a feed as it comes.

    Raises
    ------
    ConfigError
        If a feed is to be stepped.
    DataError
        If the market's data cannot be used.
    """
    if isinstance(recipe, LiveFeed) and not live:
        msg = f"the feed {recipe.url} does not wait for a session: add --live"
        raise ConfigError(msg)
    if isinstance(recipe, LiveFeed):
        return recipe
    if isinstance(recipe, Recorded | SampledBooks) or (isinstance(recipe, SyntheticBinary) and recipe.settles):
        return recipe.books()
    return recipe.tape()


def check_feed(options: Options) -> None:
    """Refuse what makes no sense with a live feed.

    Raises
    ------
    ConfigError
        If time is not the machine's, a speed is given, or a silent feed's last quote could fill for ever.
    """
    if not options.live:
        msg = "a feed does not wait for a session: add --live"
    elif options.speed is not None or options.times is not None:
        msg = "a feed comes as it comes: leave out --speed"
    elif options.model.name == "touch" and not options.model.max_age_ns:
        msg = 'the touch model on a live feed: a silent feed\'s last quote would fill for ever; give a limit, as "max_age_ns":5000000000'
    else:
        return
    raise ConfigError(msg)


def cash_of(texts: Iterable[str]) -> tuple[Decimal, dict[str, Decimal]]:
    """Decode ``--cash`` into what every account starts with, and what those of single venues do; or raise :class:`ConfigError`."""
    everywhere, at = CASH, dict[str, Decimal]()
    for text in texts:
        venue, named, amount = text.rpartition("=")
        try:
            money = Decimal(amount)
        except InvalidOperation:
            money = Decimal("nan")
        if not money.is_finite() or money < 0 or bool(named) != bool(venue):
            msg = f"--cash {text!r} is not an amount; write for example 1000000, or DERIBIT=50 for one venue's account"
            raise ConfigError(msg)
        if venue:
            at[venue] = money
        else:
            everywhere = money
    return everywhere, at


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


def faults_at_random(seed: int | None, mean: float | None, source: Source) -> tuple[Fault, ...]:
    """Draw ``--seed`` faults for what is played, ``--mean-faults`` of them in the mean (:data:`MEAN_FAULTS`); none without a seed.

    Raises
    ------
    ConfigError
        If there is a mean but no seed, the mean is no number from 0, or a feed is played, of which nobody knows how long it is.
    """
    if seed is None:
        if mean is not None:
            msg = f"--mean-faults {mean:g} draws nothing without --seed; give both"
            raise ConfigError(msg)
        return ()
    if isinstance(source, LiveFeed):
        msg = f"--seed {seed} draws faults over the rows of a tape, and a feed has no end: name what is to go wrong with --faults"
        raise ConfigError(msg)
    rows, mean = len(source), MEAN_FAULTS if mean is None else mean
    return schedule(seed, requests=max(rows // 4, 8), messages=rows * len(source.instruments), rows=rows, mean_faults=mean)


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
