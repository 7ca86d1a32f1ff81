"""``hedgekit paper set``: change numbers of a session that runs."""

from __future__ import annotations

from typing import Annotated

import typer


def paper_set(
    session: Annotated[str, typer.Argument(help="Which session, as `hedgekit paper list` names it.")],
    settings: Annotated[list[str], typer.Argument(help="Name and value: entry 2.2; more may follow, and change at the same moment.")],
) -> None:
    """Change numbers of a running session: thresholds and the corridor. What is out of range is refused."""
    from hedgekit import desk
    from hedgekit.errors import ConfigError

    try:
        changes = {name: float(value) for name, value in zip(settings[::2], settings[1::2], strict=True)}
    except ValueError:
        msg = f"{' '.join(settings)!r}: give names and numbers in turn, for example entry 2.2"
        raise ConfigError(msg) from None
    desk.attach(session).set(changes)
    typer.echo(f"set: {session}: {', '.join(f'{name}={value:g}' for name, value in changes.items())}")
