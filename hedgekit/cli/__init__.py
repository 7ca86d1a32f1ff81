"""The ``hedgekit`` command.

Rooms are imported when their command runs, so that ``--help`` is quick.
An error of ours is one line on stderr and exit code 2; a traceback is a bug.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hedgekit.cli.alerting import alerts
from hedgekit.cli.journals import journal_app
from hedgekit.cli.keeping import app as keys_app
from hedgekit.cli.reports import Out, WithParent, lean, report_app, watch
from hedgekit.cli.running import run_until_stopped
from hedgekit.cli.schedules import schedule_app
from hedgekit.cli.setting import paper_plan, paper_set
from hedgekit.errors import HedgekitError

if TYPE_CHECKING:
    from hedgekit.plugins import Plugin

app = typer.Typer(
    name="hedgekit",
    help="Hedged mean reversion: paper-trade a pair, journal everything, and say whether the hedge helped.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(journal_app, name="journal")
app.add_typer(keys_app, name="keys")
app.add_typer(report_app, name="report")
app.add_typer(schedule_app, name="schedule")
app.command("alerts")(alerts)

PluginFile = Annotated[
    Path | None, typer.Option("--plugin", help="Python file with a signal or hedge of your own: scores(mids), ratios(mids).")
]
PluginHash = Annotated[str | None, typer.Option("--plugin-sha256", help="SHA-256 that the plugin's file must have.")]
PlanPath = Annotated[Path | None, typer.Option("--plan", help="Plan file to begin with: `hedgekit report run revalidation` writes one.")]


@app.command()
def demo(
    out: Out = Path("reports"),
    first: Annotated[str | None, typer.Option(help="First day of the tape, as 1990-01-02.")] = None,
    last: Annotated[str | None, typer.Option(help="Last day of the tape, as 2016-12-30.")] = None,
) -> None:
    """Run the main job: sandbox exchange, paper session on KO and PEP, report (about a minute)."""
    lean()
    import msgspec

    from hedgekit import demo as job

    done = job.run(out, market=msgspec.structs.replace(job.MARKET, first=first, last=last))
    typer.echo(done.report.summary.text())
    typer.echo(f"\nreport: {done.report.path_html}")


@app.command()
def sandbox(  # noqa: PLR0913 - one for each option
    market: Annotated[
        str,
        typer.Option(
            help='Recipe of the prices, as JSON. Its "kind" is recorded (sample closes, the default), synthetic, file (order books, top of '
            "book or closes of your own), or with --live feed (a venue's stream). README has examples; python -m pydoc hedgekit.data, all."
        ),
    ] = "{}",
    venue: Annotated[str, typer.Option(help="Serve this venue alone; by default every venue of the market, each on its own port.")] = "",
    port: Annotated[int, typer.Option(help="Port of the venue, the next one having the next; 0 takes free ones.")] = 0,
    control_port: Annotated[int, typer.Option(help="Port of the tape's control; 0 takes a free one.")] = 0,
    cash: Annotated[
        list[str] | None, typer.Option(help="Money to start with at every venue, 1000000; or at one, as DERIBIT=50 (coins).")
    ] = None,
    budget: Annotated[int, typer.Option(help="Requests allowed in a minute of the tape's time; 0: what the venue allows.")] = 0,
    model: Annotated[
        str | None, typer.Option(help="Fill model and latencies, as JSON (hedgekit.exchange.FillModel); without latencies live.")
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            help="Rows of the tape a second (20), or live a multiple of its own time (60x). By default as fast as the session can; live 20."
        ),
    ] = None,
    faults: Annotated[
        str, typer.Option(help="What is to go wrong: a JSON list of faults (hedgekit.exchange.faults), or a file that holds one.")
    ] = "[]",
    seed: Annotated[int | None, typer.Option(help="Let faults happen at random, the same ones for the same seed.")] = None,
    mean_faults: Annotated[float | None, typer.Option(help="Expected number of random faults, with --seed; 10.")] = None,
    log: Annotated[Path | None, typer.Option(help="New folder for the exchange's own record: requests, ledger, faults.")] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Do not wait for a session: the tape plays in the machine's time.")] = False,
    die_with_parent: WithParent = False,
) -> None:
    """Run the sandbox exchange on 127.0.0.1: the venues' own protocols, recorded, made or live prices, paper money.

    Prints its addresses as one line of JSON, and runs until it is stopped. Each account's keys are taken from the environment,
    not from the keyring (`hedgekit keys check` has their names), and so is HEDGEKIT_CONTROL_TOKEN. For recorded and made prices any
    text of six characters or more will do; a live feed of Alpaca or Kalshi is opened with the real key.
    """
    from hedgekit.sandbox.options import Options, cash_of, faults_at_random, faults_of, market_of, model_of, source_of, speed_of
    from hedgekit.sandbox.server import serve

    watch(die_with_parent)
    source, (rows, times), (everywhere, at) = source_of(market_of(market), live=live), speed_of(speed), cash_of(cash or ())
    options = Options(
        venue=venue,
        port=port,
        control_port=control_port,
        cash=everywhere,
        cash_at=at,
        budget=budget,
        model=model_of(model, live=live),
        live=live,
        speed=rows,
        times=times,
        faults=(*faults_of(faults), *faults_at_random(seed, mean_faults, source)),
        log=None if log is None else str(log),
    )
    run_until_stopped(serve(source, options), stopped=0)


paper_app = typer.Typer(help="Paper sessions: start one, list them, tell one what to do, kill it.", no_args_is_help=True)
app.add_typer(paper_app, name="paper")

SessionId = Annotated[str | None, typer.Argument(help="Which session; the one that runs by default.")]


@paper_app.command("run")
def paper_run(
    configs: Annotated[
        list[Path],
        typer.Argument(help="Session configuration (JSON), as `hedgekit demo` writes one; several are pairs that share their accounts."),
    ],
    *,
    die_with_parent: WithParent = False,
) -> None:
    """Run a paper session in this process, or resume one that was killed, until it ends.

    Several configurations are several pairs: each has its own journal, all share accounts, request budgets and one set of limits.

    Keys are taken from the environment or the keyring (`hedgekit keys check` has their names), for a tape HEDGEKIT_CONTROL_TOKEN too.
    """
    from hedgekit.paper import Session, SessionConfig

    watch(die_with_parent)
    typer.echo("\n".join(run_until_stopped(Session(*(SessionConfig.load(config) for config in configs)).run())))


@paper_app.command("start")
def paper_start(  # noqa: PLR0913 - one for each option
    market: Annotated[
        str, typer.Option(help='Recipe of the prices, as JSON; {"kind":"recorded"} is KO and PEP, "file" a file of your own.')
    ] = '{"kind":"synthetic"}',
    params: Annotated[str, typer.Option(help='The strategy\'s numbers, as JSON: {"bar_s": 1, "entry": 2}.')] = "{}",
    speed: Annotated[float, typer.Option(help="Rows of the tape a second.")] = 20.0,
    account: Annotated[str, typer.Option(help="Sessions of one account exclude each other.")] = "paper",
    plugin: PluginFile = None,
    plugin_sha256: PluginHash = None,
    plan: PlanPath = None,
) -> None:
    """Start a paper session that runs on its own, against a sandbox exchange of its own."""
    import msgspec

    from hedgekit import desk
    from hedgekit.errors import ConfigError
    from hedgekit.plans import PlanFile
    from hedgekit.sandbox.options import market_of

    try:
        numbers = msgspec.json.decode(params, type=dict[str, Any])
    except msgspec.DecodeError as error:
        msg = f"--params {params[:80]!r}: {error}; write for example '{{\"entry\": 2}}'"
        raise ConfigError(msg) from None
    mine = _loaded(plugin, plugin_sha256)
    first = None if plan is None else PlanFile.load(plan)
    typer.echo(desk.start(market_of(market), numbers, speed=speed, account=account, plugin=mine, plan=first).session)
    if mine is not None:
        typer.echo(f"plugin {mine.name}, sha256 {mine.sha256}")


@paper_app.command("list")
def paper_list() -> None:
    """List the paper sessions of this user, the newest first."""
    from hedgekit import desk

    found = desk.sessions()
    typer.echo(found.to_string(index=False) if len(found) else "no paper session yet; hedgekit paper start makes one")


@paper_app.command("host", hidden=True)
def paper_host(folder: Annotated[Path, typer.Argument()]) -> None:
    """Look after one session's sandbox and session process (started by `paper start` and by notebooks)."""
    from hedgekit.desk.host import Host

    Host(folder).run()


def _verb(name: str, help_: str) -> None:
    """Make ``hedgekit paper <name> [SESSION]``."""

    def tell(session: SessionId = None) -> None:
        from hedgekit import desk

        chosen = desk.attach(session or _running())
        getattr(chosen, name)()
        typer.echo(f"{name}: {chosen.session}")

    paper_app.command(name, help=help_)(tell)


_verb("pause", "Enter no new trade; what is open goes on to its exit.")
_verb("resume", "Trade again after pause or flatten.")
_verb("flatten", "Close both legs now, and enter nothing until resume.")
_verb("stop", "End in order: cancel what works, keep what is held.")
_verb("kill", "End the session's process at once, whatever it does; orders and positions stay as they are.")
_verb("restart", "Go on after a kill or a failure, from the journal.")
_verb("close", "Give a killed session up: end its sandbox and set the account free.")


paper_app.command("set", context_settings={"ignore_unknown_options": True})(paper_set)
paper_app.command("plan")(paper_plan)


def _running() -> str:
    """Return the only session that has a process or waits for a restart."""
    from hedgekit import desk
    from hedgekit.errors import ConfigError

    found = desk.sessions()
    names = list(found.loc[found["state"].isin(["starting", "running", "killed", "failed"]), "session"])
    if len(names) != 1:
        several = f"{len(names)} sessions could be meant ({', '.join(names)}); name one, see hedgekit paper list"
        msg = several if names else "no session is running; name one that has ended (hedgekit paper list), or start one from a notebook"
        raise ConfigError(msg)
    return str(names[0])


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="Folder with notebooks; hedgekit's own by default.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of JupyterLab; the first free one from 8888 by default.")] = None,
    *,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open JupyterLab on the notebooks, on this machine only. What follows -- goes to JupyterLab."""
    from hedgekit import lab as room

    chosen, done = room.choose(folder)
    command = room.command(chosen, port, browser=browser, more=context.args)
    if done:
        typer.echo(done)
    os.execve(command[0], command, room.environment())  # noqa: S606 - this process becomes JupyterLab


@app.command()
def backtest(  # noqa: PLR0913 - one for each option
    prices: Annotated[Path, typer.Argument(help="CSV or Parquet file with a column of dates and one of prices for each symbol.")],
    primary: Annotated[str, typer.Argument(help="Column of the primary.")],
    hedge: Annotated[str, typer.Argument(help="Column of its hedge.")],
    out: Out = Path("reports/backtest"),
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="A number of the strategy: entry=2.2; repeat for more.")] = None,
    date: Annotated[str, typer.Option(help="Column of the dates.")] = "date",
    half_spread_bps: Annotated[float, typer.Option(help="Half-spread of the quotes made around the prices.")] = 1.0,
    fee_rate: Annotated[str, typer.Option(help="Fee as a share of what is traded.")] = "0.00005",
    size_notional: Annotated[float, typer.Option(help="Median displayed size, in money.")] = 500_000.0,
    tick: Annotated[str, typer.Option(help="Smallest price step.")] = "0.01",
    plugin: PluginFile = None,
    plugin_sha256: PluginHash = None,
) -> None:
    """Backtest a pair from a file of your prices, write every table into a folder, and say whether the hedge helped.

    Without cointegration no trade is opened; -p evidence_override="the reason" trades all the same, and is recorded.
    """
    from hedgekit.study import study

    mine = _loaded(plugin, plugin_sha256)
    numbers = dict(_assignment(text) for text in param or [])
    done = study(
        prices,
        primary,
        hedge,
        out=out,
        params=numbers,
        date=date,
        half_spread_bps=half_spread_bps,
        fee_rate=fee_rate,
        size_notional=size_notional,
        tick=tick,
        plugin=mine,
    )
    typer.echo(done.text())
    typer.echo(f"\ntables: {done.folder}")


def _loaded(plugin: Path | None, expect: str | None) -> Plugin | None:
    """Return the user's module, None if there is none."""
    from hedgekit.errors import ConfigError
    from hedgekit.plugins import load

    if plugin is None and expect is not None:
        msg = f"--plugin-sha256 {expect}: there is no file to compare it with; give --plugin FILE too"
        raise ConfigError(msg)
    return None if plugin is None else load(plugin, expect)


def _assignment(text: str) -> tuple[str, Any]:
    """Return the name and value of "entry=2.2"; what is no number stays text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        msg = f"{text!r} is no setting; write for example entry=2.2"
        raise typer.BadParameter(msg)
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def _interrupt(number: int, _: object) -> None:
    """End as Ctrl-C does, so that children are stopped and files closed."""
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line; every error of ours becomes one line."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except HedgekitError as error:
        print(f"hedgekit: {error}", file=sys.stderr)  # noqa: T201 - the command line's voice
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
