"""``hedgekit alerts``: watch a session's journal, and tell when something is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hedgekit.cli.journals import JournalPath, only

if TYPE_CHECKING:
    from hedgekit.alerts import Limits, Sink

WEBHOOK_ENV = "HEDGEKIT_WEBHOOK"


def alerts(  # noqa: PLR0913 - one for each option
    journal: JournalPath,
    session: Annotated[str | None, typer.Argument(help="Which session; the only one by default.")] = None,
    delta: Annotated[
        float | None, typer.Option(help="Net delta that is too much, as a share of the notional; the session's own tolerance by default.")
    ] = None,
    delta_for: Annotated[float, typer.Option(help="And for how many seconds.")] = 30.0,
    drawdown: Annotated[str, typer.Option(help="P&L below its highest so far: money, as 5000, or a share of the notional, as 5%.")] = "5%",
    silent: Annotated[float, typer.Option(help="Nothing written for so many seconds while the market is open.")] = 300.0,
    command: Annotated[
        str | None, typer.Option(help="Program and arguments, run for each alert with it as JSON on standard input; not through a shell.")
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(envvar=WEBHOOK_ENV, show_envvar=True, help="Address that gets each alert as JSON; only its host is ever shown."),
    ] = None,
    log: Annotated[Path | None, typer.Option(help="File for one JSON line an alert; standard output by default.")] = None,
    place: Annotated[
        Path | None, typer.Option(help="File that remembers what was told; beside an SQLite journal by default, needed for a database URL.")
    ] = None,
    *,
    once: Annotated[
        bool, typer.Option("--once/--follow", help="Tell what there is and end, or go on until the session has ended.")
    ] = False,
) -> None:
    """Tell a session's alerts: delta, breaker, naked leg, plan, drawdown, rejects, switch, silence; each once raised and once cleared.

    Started again, it goes on where it was. A limit of 0 switches its rule off. Exit code 1: some could not be told, and wait.
    """
    import asyncio

    from hedgekit.alerts import Command, Delivery, Log, Place, Reader, Webhook

    name = session or only(journal)
    sinks: list[Sink] = [Log(log)]
    sinks += [Command(words(command))] if command is not None else []
    sinks += [Webhook(webhook)] if webhook is not None else []
    memory, lock = _beside(journal, name)
    kept = Place(_needed(place or memory), name)
    try:
        with Reader(journal, name, _limits(delta, delta_for, drawdown, silent)) as reader:
            delivery = Delivery(reader, sinks, kept, alive=lambda: _alive(lock), say=_complain)
            told = asyncio.run(delivery.run(once=once))
    finally:
        kept.close()
    if not told:
        raise typer.Exit(1)


def words(command: str) -> list[str]:
    """Return program and arguments of a command, as a shell would part them."""
    import shlex

    from hedgekit.errors import ConfigError

    try:
        return shlex.split(command)
    except ValueError as error:
        msg = f"--command {command!r}: {error}; write it as for a shell, quotes in pairs"
        raise ConfigError(msg) from None


def _limits(delta: float | None, delta_for: float, drawdown: str, silent: float) -> Limits:
    from hedgekit.alerts import Limits
    from hedgekit.errors import ConfigError

    rest: dict[str, Any] = {"delta": delta, "delta_s": delta_for, "silent_s": silent}
    text = drawdown.strip()
    try:
        fall = {"drawdown_share": float(text[:-1]) / 100} if text.endswith("%") else {"drawdown": float(text)}
    except ValueError:
        msg = f"--drawdown {drawdown!r}: write money, as 5000, or a share of the notional, as 5%"
        raise ConfigError(msg) from None
    return Limits(**rest, **fall)


def _beside(journal: str, session: str) -> tuple[Path | None, Path | None]:
    """Return the default place and the session's lock, beside the journal's file; None for a database elsewhere."""
    from hedgekit.journal.store import locate

    url = locate(journal)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None, None
    stem = f"{url.database}.{session}"
    return Path(f"{stem}.alerts.json"), Path(f"{stem}.lock")


def _needed(place: Path | None) -> Path:
    from hedgekit.errors import ConfigError

    if place is None:
        msg = "a journal in a database needs --place FILE, which remembers what was told"
        raise ConfigError(msg)
    return place


def _alive(lock: Path | None) -> bool | None:
    from hedgekit.journal.lock import holder

    return None if lock is None else holder(lock) is not None


def _complain(line: str) -> None:
    typer.echo(f"hedgekit: {line}", err=True)
