"""``hedgekit journal``: look into a journal, check that nobody changed it, decide it again, archive it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hedgekit.journal import Journal

JournalPath = Annotated[str, typer.Argument(help="SQLite file of a journal, an SQLAlchemy URL, or an archive's folder.")]
SessionName = Annotated[str | None, typer.Option("--session", help="Which session; the only one by default.")]

journal_app = typer.Typer(
    help="Look into a journal: show it, check it, decide it again; keep it for years. Exit code 1: it is not as it should be.",
    no_args_is_help=True,
)


@contextmanager
def _book(journal: str, session: str | None) -> Iterator[Journal]:
    """Open a session to read it; what is wrong inside it is exit code 1, that it cannot be looked at is 2."""
    from hedgekit.errors import JournalError
    from hedgekit.journal import Journal

    with Journal.open(journal, session or only(journal), mode="read") as book:
        try:
            yield book
        except JournalError as error:
            typer.echo(f"hedgekit: {error}", err=True)
            raise typer.Exit(1) from None


@journal_app.command("list")
def journal_list(journal: JournalPath) -> None:
    """List the sessions of a journal."""
    from hedgekit.journal import sessions

    for info in sessions(journal):
        typer.echo(f"{info.session}: {info.records} records, {info.ended or 'not ended'}")


@journal_app.command("verify")
def journal_verify(
    journal: JournalPath,
    session: SessionName = None,
    head: Annotated[str | None, typer.Option(help="A head noted earlier, as in a report: so missing last records are found too.")] = None,
) -> None:
    """Walk the hash chain: nothing changed, lost, added or moved; else name the first record that is wrong."""
    with _book(journal, session) as book:
        book.verify(head)
        typer.echo(f"{book.session}: {book.count} records, hash chain whole, head {book.head}")


@journal_app.command("replay")
def journal_replay(journal: JournalPath, session: SessionName = None) -> None:
    """Decide everything again from the events; every decision must be identical, else tell the first that is not."""
    from hedgekit.replay import replay

    with _book(journal, session) as book:
        done = replay(book.records())
        typer.echo(f"{book.session}: {done.decisions} decisions from {done.events} events, all identical")


@journal_app.command("show")
def journal_show(  # noqa: PLR0913 - one for each option
    journal: JournalPath,
    what: Annotated[
        str, typer.Argument(help="records (JSON lines); or a table: orders, fills, decisions, equity, trades, plans.")
    ] = "records",
    session: SessionName = None,
    after: Annotated[int, typer.Option(help="Records with a larger id only.")] = 0,
    type_: Annotated[list[str] | None, typer.Option("--type", help="Records of this type only; repeat for more.")] = None,
    limit: Annotated[int | None, typer.Option(help="Most records, or newest rows of a table (20).")] = None,
) -> None:
    """Show a session's records as JSON lines, or one of its tables."""
    from hedgekit.journal.show import show

    with _book(journal, session) as book:
        for line in show(book, what, after=after, types=type_ or (), limit=limit):
            typer.echo(line)


@journal_app.command("migrate")
def journal_migrate(journal: JournalPath) -> None:
    """Bring a journal of an older version of hedgekit up to date; records and hashes stay as they are."""
    from hedgekit.journal import migrate

    migrate(journal)


@journal_app.command("export")
def journal_export(
    journal: JournalPath,
    out: Annotated[Path, typer.Argument(help="New folder: one Parquet file for each table, and their checksums.")],
    session: SessionName = None,
) -> None:
    """Write a session's tables for analysis: orders, fills, decisions, equity, trades, plans."""
    from hedgekit.journal import archive

    with _book(journal, session) as book:
        done = archive.export({name: getattr(book, name)() for name in archive.TABLES}, out)
        typer.echo(f"{book.session}: {len(archive.TABLES)} tables in {done}")


@journal_app.command("archive")
def journal_archive(
    journal: JournalPath,
    out: Annotated[Path, typer.Argument(help="Folder of archives; the session gets a folder of its name in it.")],
    session: SessionName = None,
) -> None:
    """Keep a whole session in Parquet with checksums: it verifies, replays and reports from there as from its journal."""
    from hedgekit.journal.archive import archive, read
    from hedgekit.journal.store import Store

    with _book(journal, session) as book:
        store = Store(journal, write=False)
        try:
            to = archive(store, book.session, out)
        finally:
            store.close()
        told, _ = read(to)
        end = "" if told.ended else "; it has not ended, so it cannot be pruned yet"
        typer.echo(f"{told.session}: {told.records} records, head {told.head}, in {to}{end}")


@journal_app.command("prune")
def journal_prune(
    journal: JournalPath,
    archives: Annotated[list[Path], typer.Argument(help="Archives of sessions that are to be removed from the journal.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without, only what would be removed is told.")] = False,
) -> None:
    """Remove sessions that have ended and that an archive holds whole; each archive is checked again, record by record."""
    from hedgekit.errors import JournalError
    from hedgekit.journal.prune import prunable, prune, shrink
    from hedgekit.journal.store import Store

    store, refused, removed = Store(journal, write=yes, make=False), 0, 0
    try:
        for folder in archives:
            try:
                told = prune(store, folder) if yes else prunable(store, folder)
            except JournalError as error:
                refused += 1
                typer.echo(f"hedgekit: {error}", err=True)
                continue
            removed += yes
            typer.echo(f"{told.session}: {told.records} records {'removed' if yes else 'would be removed'}; {folder} holds them")
        if removed and not shrink(store) and store.file:
            typer.echo("the file is in use and keeps its size; what was removed is room for new records")
    finally:
        store.close()
    if not yes and len(archives) > refused:
        typer.echo("nothing was removed: say --yes")
    if refused:
        raise typer.Exit(1)


def only(journal: str) -> str:
    """Return the only session of a journal."""
    from hedgekit.errors import ConfigError
    from hedgekit.journal import sessions

    names = [info.session for info in sessions(journal)]
    if len(names) != 1:
        msg = f"{journal} holds {len(names)} sessions ({', '.join(names) or 'none'}); choose one with --session"
        raise ConfigError(msg)
    return names[0]
