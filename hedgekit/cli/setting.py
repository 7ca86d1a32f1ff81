"""``hedgekit paper set`` and ``plan``: change numbers or the hedge plan of a session that runs."""

from __future__ import annotations

from pathlib import Path
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


def paper_plan(
    session: Annotated[str, typer.Argument(help="Which session, as `hedgekit paper list` names it.")],
    file: Annotated[Path, typer.Argument(help="Plan file, as `hedgekit report run revalidation` writes it.")],
) -> None:
    """Let a running session trade by another hedge plan. One that is another pair's, damaged, expired or from the future is refused."""
    from hedgekit import desk
    from hedgekit.plans import PlanFile

    told = PlanFile.load(file)
    desk.attach(session).revise(told)
    typer.echo(f"plan: {session}: {told.text()}")
