"""``hedgekit report``: run a report's notebook, one or a matrix of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

report_app = typer.Typer(
    help="Reports: run one, or many at once. Exit code 0: done; 1: a report failed; 2: wrong input, nothing ran; 124: out of time.",
    no_args_is_help=True,
)

Out = Annotated[Path, typer.Option("--out", help="Folder for the results; made if missing.")]
FAILED, LATE = 1, 124


class Pairs(TyperCommand):
    """A command whose ``-p key value`` may also be written ``-p key=value``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's context
        """Join each pair to one word."""
        joined: list[str] = []
        rest = iter(args)
        for word in rest:
            joined.append(word)
            if word in {"-p", "--param"} and (name := next(rest, None)) is not None:
                joined.append(name if "=" in name else f"{name}={_value(name, next(rest, None))}")
        return super().parse_args(ctx, joined)


def _value(name: str, value: str | None) -> str:
    if value is None:
        msg = f"-p {name} has no value; write for example -p session demo"
        raise typer.BadParameter(msg)
    return value


@report_app.command("run", cls=Pairs)
def report_run(  # noqa: PLR0913 - one for each option
    notebook: Annotated[str, typer.Argument(help="session, revalidation, or the path of a notebook with a cell tagged parameters.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A parameter and its value: -p journal J -p session S; repeat for more.")
    ] = None,
    out: Out = Path("reports"),
    name: Annotated[str | None, typer.Option(help="The run's folder; by default report, session and time, always new.")] = None,
    timeout: Annotated[float, typer.Option(help="Most seconds that a report may take.")] = 600.0,
    *,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print to PDF too; needs Chromium or Chrome.")] = False,
) -> None:
    """Run a report: an executed notebook, one HTML page that opens offline, its figures as JSON, and at will a PDF.

    What a misspelt parameter may have meant is told before anything runs. A failed run keeps what it did in report.failed.ipynb.
    """
    from hedgekit.errors import ReportError, ReportTimeout
    from hedgekit.report import run_notebook

    given = dict(_pair(text) for text in param or [])
    try:
        done = run_notebook(notebook, given, out, name, pdf=pdf, timeout_s=timeout)
    except ReportError as error:
        typer.echo(f"hedgekit: {error}", err=True)
        raise typer.Exit(LATE if isinstance(error, ReportTimeout) else FAILED) from None
    if "summary" in done.metrics:
        typer.echo(f"{done.summary.text()}\n")
    typer.echo(f"report: {done.path_html}")


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        msg = f"{text!r} is no parameter; write for example -p session demo"
        raise typer.BadParameter(msg)
    return name, value
