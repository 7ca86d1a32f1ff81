"""``hedgekit report``: run a report's notebook, one or a matrix of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from hedgekit.report import ReportRun
    from hedgekit.report.matrix import Outcome

report_app = typer.Typer(
    help="Reports: run one, or many at once. Exit code 0: done; 1: a report failed; 2: wrong input, nothing ran; 124: out of time.",
    no_args_is_help=True,
)

Out = Annotated[Path, typer.Option("--out", help="Folder for the results; made if missing.")]
WithParent = Annotated[bool, typer.Option("--die-with-parent", hidden=True)]
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
    matrix: Annotated[
        Path | None,
        typer.Option(help="YAML file: names to lists (a report for each combination), or a list of parameter sets. -p holds for all."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes of a matrix; as many as processors by default.")] = -1,
    dask: Annotated[str | None, typer.Option(help="Run a matrix on this Dask cluster: the scheduler's address, tcp://HOST:PORT.")] = None,
    *,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print to PDF too; needs Chromium or Chrome.")] = False,
    die_with_parent: WithParent = False,
) -> None:
    """Run a report: an executed notebook, one HTML page that opens offline, its figures as JSON, and at will a PDF.

    What a misspelt parameter may have meant is told before anything runs. A failed run keeps what it did in report.failed.ipynb.
    """
    watch(die_with_parent)
    given = dict(pair(text) for text in param or [])
    lean()
    if matrix is not None:
        from hedgekit.report import run_matrix
        from hedgekit.report.matrix import combinations

        sets = [given | values for values in combinations(matrix)]
        with _cluster(dask):
            _tell(run_matrix(notebook, sets, out, name, workers=workers, pdf=pdf, timeout_s=timeout))
        return
    done = _one(notebook, given, out, name, pdf=pdf, timeout_s=timeout)
    if done.text:
        typer.echo(f"{done.text}\n")
    typer.echo(f"report: {done.path_html}")
    if done.path_plan is not None:
        typer.echo(f"plan: {done.path_plan}: {_says(done.path_plan)}")


def _one(notebook: str, given: dict[str, Any], out: Path, name: str | None, **options: Any) -> ReportRun:  # noqa: ANN401 - those of run_notebook
    """Run one report. The process of its kernel starts first: it imports while we do."""
    from hedgekit.report.warm import POSIX, Warm

    with Warm() if POSIX else nullcontext() as warm:
        from hedgekit.errors import ReportError, ReportTimeout
        from hedgekit.report import run_notebook

        try:
            return run_notebook(notebook, given, out, name, warm=warm, **options)
        except ReportError as error:
            typer.echo(f"hedgekit: {error}", err=True)
            raise typer.Exit(LATE if isinstance(error, ReportTimeout) else FAILED) from None


def _says(plan: Path) -> str:
    from hedgekit.plans import PlanFile

    return PlanFile.load(plan).text()


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Let joblib's jobs run on a Dask cluster, if one is named."""
    if address is None:
        yield
        return
    import joblib

    from hedgekit.errors import ConfigError

    try:
        distributed = import_module("distributed")
    except ImportError:
        msg = "--dask needs the package distributed, which is not installed: pip install distributed"
        raise ConfigError(msg) from None
    try:
        client = distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        msg = f"--dask {address}: no scheduler answers there ({type(error).__name__}); start one with `dask scheduler`"
        raise ConfigError(msg) from None
    with client, joblib.parallel_config(backend="dask", wait_for_workers_timeout=30):
        yield


def _tell(done: list[Outcome]) -> None:
    """Say what became of a matrix; exit code 1 if a report failed, 124 if all that failed ran out of time."""
    for outcome in done:
        typer.echo(f"report: {outcome.folder}" if outcome.folder is not None else f"failed: {outcome.error}", err=outcome.folder is None)
    failed = [outcome for outcome in done if outcome.folder is None]
    typer.echo(f"{len(done) - len(failed)} of {len(done)} reports done")
    if failed:
        raise typer.Exit(LATE if all(outcome.late for outcome in failed) else FAILED)


@report_app.command("index")
def report_index(folder: Annotated[Path, typer.Argument(help="Folder with the runs' folders.")] = Path("reports")) -> None:
    """Write index.html over all runs of a folder: newest first, filters, curves, trends; failed runs too. Opens from disk."""
    lean()
    from hedgekit.report import write_index

    typer.echo(f"index: {write_index(folder)}")


def watch(die: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """End with the parent, if so told."""
    if die:
        from hedgekit.launch import die_with_parent

        die_with_parent()


def lean() -> None:
    """Spare this process a second: jsonschema, which nbformat loads, builds a grammar of international addresses that no notebook has.

    Before anything of it is imported.
    """
    import sys

    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # so Python says that it is not there; jsonschema does without


def pair(text: str) -> tuple[str, Any]:
    """Return name and value of ``name=value``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        msg = f"{text!r} is no parameter; write for example -p session demo"
        raise typer.BadParameter(msg)
    return name, value
