"""``hedgekit schedule``: reports at their times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hedgekit.cli.alerting import WEBHOOK_ENV
from hedgekit.cli.reports import FAILED, LATE, Out, Pairs, lean, pair

if TYPE_CHECKING:
    from hedgekit.schedule import Entry, Job

schedule_app = typer.Typer(
    help="Reports at their times: add jobs, then let `hedgekit schedule run` run, or export them to systemd or cron.", no_args_is_help=True
)

StorePath = Annotated[
    Path | None, typer.Option("--store", help="The schedule's file; one in $HEDGEKIT_HOME or the data folder by default.")
]
Names = Annotated[list[str] | None, typer.Argument(help="Which jobs; all by default.")]


@schedule_app.command("add", cls=Pairs)
def schedule_add(  # noqa: PLR0913 - one for each option
    name: Annotated[str, typer.Argument(help="The job's name: letters, digits, '.', '_' and '-'.")],
    cron: Annotated[
        str, typer.Argument(help="When: '30 7 * * 1-5' is 07:30 from Monday to Friday; six fields begin with seconds; @daily.")
    ],
    notebook: Annotated[str, typer.Argument(help="session, revalidation, or the path of a notebook with a cell tagged parameters.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A parameter and its value: -p journal J -p session S; repeat for more.")
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Time zone, as Europe/Berlin; this machine's by default.")] = None,
    out: Out = Path("reports"),
    matrix: Annotated[Path | None, typer.Option(help="YAML file: a report for each set of parameters; read when the job runs.")] = None,
    timeout: Annotated[float, typer.Option(help="Time limit of one attempt, seconds; of a whole matrix too.")] = 600.0,
    retries: Annotated[int, typer.Option(help="How often a failed run is tried again.")] = 0,
    wait: Annotated[float, typer.Option(help="Seconds before the first retry; doubled for each further one.")] = 60.0,
    command: Annotated[
        str | None,
        typer.Option(help="Program and arguments, run when a run has failed for good, with the failure as JSON on standard input."),
    ] = None,
    store: StorePath = None,
    *,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print to PDF too; needs Chromium or Chrome.")] = False,
) -> None:
    """Add a job: a report, or a matrix, with its parameters. All is checked now as `hedgekit report run` checks it.

    A fixed time that the clocks skip runs when they have been put forward; one that comes twice runs once. With a `*` for seconds,
    minutes or hours a job follows the clock on the wall: it skips, and it runs twice. Keep no secret in a parameter.
    """
    import time

    from hedgekit.cli.alerting import words
    from hedgekit.schedule import Store, made

    lean()
    job = made(
        name,
        cron,
        notebook,
        dict(pair(text) for text in param or []),
        zone=zone or _here(),
        out=out,
        matrix=matrix,
        command=() if command is None else words(command),
        pdf=pdf,
        timeout_s=timeout,
        retries=retries,
        wait_s=wait,
    )
    planned = Store(store).add(job, time.time_ns())
    typer.echo(f"{name}: due next {_shown(planned.next_ns, job)}")


@schedule_app.command("list")
def schedule_list(store: StorePath = None) -> None:
    """List the jobs: when each is due next, and how its last run ended."""
    from hedgekit.schedule import Store

    kept = Store(store)
    jobs = kept.jobs()
    for planned in jobs:
        job, last = planned.job, kept.last(planned)
        said = "never run" if last is None else f"{last.event}{f': {last.text}' if last.text else ''} ({last.folder})"
        typer.echo(f"{job.name}  {job.cron}  {job.notebook}\n    due next {_shown(planned.next_ns, job)}\n    last run {said}")
    if not jobs:
        typer.echo("no job yet; hedgekit schedule add makes one")


@schedule_app.command("remove")
def schedule_remove(name: Annotated[str, typer.Argument(help="Which job.")], store: StorePath = None) -> None:
    """Remove a job. Its log stays; a run of it that is at work goes on."""
    from hedgekit.schedule import Store

    Store(store).remove(name)
    typer.echo(f"removed: {name}")


@schedule_app.command("run")
def schedule_run(
    names: Names = None,
    store: StorePath = None,
    webhook: Annotated[
        str | None,
        typer.Option(envvar=WEBHOOK_ENV, show_envvar=True, help="Address that gets each failure as JSON; only its host is ever shown."),
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Run what is due now, and end: for systemd and cron.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Run the named job now, due or not, and end.")] = False,
) -> None:
    """Run what is due, until stopped; what was missed or killed meanwhile is run once, and told as late or caught up.

    Exit code with --once and --now: 0 all done, or nothing due; 1: a run failed; 124: all that failed ran out of time.
    """
    from hedgekit.cli.running import run_until_stopped
    from hedgekit.errors import ConfigError
    from hedgekit.schedule import Runner, Store

    if now and len(names or ()) != 1:
        msg = "--now runs one job: name it, see hedgekit schedule list"
        raise ConfigError(msg)
    lean()
    runner = Runner(Store(store), only=names or (), webhook=webhook, say=typer.echo)
    if now:
        _exit([run_until_stopped(runner.now((names or [""])[0]))])
    elif once:
        _exit(run_until_stopped(runner.once()))
    else:
        run_until_stopped(runner.run(), stopped=0)


def _exit(ended: list[Entry]) -> None:
    from hedgekit.schedule.store import COMPLETED
    from hedgekit.schedule.store import LATE as OUT_OF_TIME

    failed = {entry.event for entry in ended} - {COMPLETED}
    if failed:
        raise typer.Exit(LATE if failed == {OUT_OF_TIME} else FAILED)


@schedule_app.command("log")
def schedule_log(
    name: Annotated[str | None, typer.Argument(help="Which job; all by default.")] = None,
    last: Annotated[int, typer.Option(help="So many lines.")] = 50,
    store: StorePath = None,
) -> None:
    """Show the log: what ran, when it was due, when it started and how it ended. Lines are only ever added to it."""
    from hedgekit.schedule import Store, line

    for entry in Store(store).log(name, last):
        typer.echo(line(entry))


@schedule_app.command("export")
def schedule_export(
    names: Names = None,
    to: Annotated[Path, typer.Option(help="Folder for the unit files; made if missing.")] = Path("hedgekit-units"),
    store: StorePath = None,
    *,
    systemd: Annotated[bool, typer.Option("--systemd", help="Write a service and a timer for each job.")] = False,
    cron: Annotated[bool, typer.Option("--cron", help="Print lines for crontab -e.")] = False,
) -> None:
    """Export jobs to the machine's own scheduler, which wakes `hedgekit schedule run JOB --once`, also after a reboot."""
    from hedgekit.errors import ConfigError
    from hedgekit.schedule import Store, crontab, units

    if systemd == cron:
        msg = f"--systemd and --cron were {'both' if cron else 'neither'} given; give one of them"
        raise ConfigError(msg)
    kept = Store(store)
    jobs = [kept.job(name).job for name in names] if names else [planned.job for planned in kept.jobs()]
    if cron:
        typer.echo(crontab(jobs, kept.path, _here()), nl=False)
        return
    files = {name: text for job in jobs for name, text in units(job, kept.path).items()}
    try:
        to.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (to / name).write_text(text, encoding="utf-8")
            typer.echo(to / name)
    except OSError as error:
        msg = f"cannot write units into {to}: {error.strerror}; choose another --to"
        raise ConfigError(msg) from None
    typer.echo("copy them to ~/.config/systemd/user, then: systemctl --user daemon-reload && systemctl --user enable --now NAME.timer")


def _here() -> str:
    """Return this machine's time zone, UTC if it does not say."""
    from zoneinfo import ZoneInfoNotFoundError

    from tzlocal import get_localzone_name

    try:
        return get_localzone_name() or "UTC"
    except ZoneInfoNotFoundError:
        return "UTC"


def _shown(ts_ns: int, job: Job) -> str:
    from datetime import UTC, datetime

    from hedgekit.schedule import zone_of

    at = datetime.fromtimestamp(ts_ns / 1e9, UTC)
    return f"{at.astimezone(zone_of(job.zone)):%Y-%m-%d %H:%M:%S} {job.zone}"
