"""``hedgekit keys``: where credentials are, without showing them."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Where the venues' credentials are: environment or keyring. Values are never shown.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the credential, as `hedgekit keys check` lists it.")]


@app.command()
def check(venues: Annotated[list[str] | None, typer.Argument(help="Which venues; all by default.")] = None) -> None:
    """Say of each credential whether it is there, and where. Exit code 1: of a venue that was named, one is missing."""
    from hedgekit import keys

    found = keys.known(*(venue.upper() for venue in venues or ()))
    wide = max(len(one.name) for one in found)
    for one in found:
        typer.echo(f"{one.venue:<11} {one.name:<{wide}}  {one.place}")
    raise typer.Exit(int(bool(venues) and any(one.place == "missing" for one in found)))


@app.command("set")
def keep(name: Name) -> None:
    """Keep a credential in the operating system's keyring; its value is asked for and not echoed, or read from standard input."""
    import sys

    from hedgekit import keys

    value = typer.prompt(name, hide_input=True) if sys.stdin.isatty() else sys.stdin.read().strip("\n")
    keys.keep(name, value)
    typer.echo(f"{name} is in the keyring")


@app.command()
def forget(name: Name) -> None:
    """Remove a credential from the keyring."""
    from hedgekit import keys

    keys.forget(name)
    typer.echo(f"{name} is not in the keyring")
