"""The main job, end to end: a sandbox exchange, a paper session against it, a report.

What it trades is stated here and nowhere else; the report repeats it. KO and PEP
are not cointegrated, which the plan's evidence says, so the session trades on an
explicit override: the demo shows what an honest verdict looks like, not a profit.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from tqdm import tqdm

from hedgekit.data import Market, Recipe, Tape
from hedgekit.errors import ConfigError, JournalError, SessionError
from hedgekit.journal import Journal, sessions
from hedgekit.launch import Child, signals_held
from hedgekit.paper.config import CONTROL_TOKEN_ENV, Access, SessionConfig
from hedgekit.report import ReportRun, run_report
from hedgekit.venues.alpaca import Alpaca

SESSION = "demo-ko-pep"
MARKET = Market()
PARAMS: dict[str, Any] = {
    "structure": "pairs",
    "lookback": 20,
    "entry": 2.0,
    "target": 0.5,
    "stop": 3.5,
    "bar_s": 86_400.0,
    "bar_offset_s": 75_601.0,
    "notional": 100_000.0,
    "fit_bars": 250,
    "refit_bars": 42,
    "evidence_override": "Demonstration on real prices: KO and PEP are known not to be cointegrated.",
}
"""z over 20 daily bars that close at 21:00:01 UTC, one second after the day's quote; entry 2, target 0.5, stop 3.5;
ratio by OLS on 250 returns, every 42 bars. Everything else is :class:`~hedgekit.params.Params`' default."""

_POLL_S = 0.2
_COLD_S = 5.0
"""A session that has not moved for so long compiles the decision core, which it does once, and the bar says so."""

_PATIENCE_S = 900.0
"""Then it does not: a slow machine compiles for minutes."""


@dataclass(frozen=True, slots=True)
class DemoRun:
    """What the demo left behind."""

    folder: Path
    report: ReportRun
    digest: str


def run(out_dir: str | os.PathLike[str] = "reports", *, market: Market = MARKET, say: Callable[[str], None] = print) -> DemoRun:
    """Run the demo in a new folder below ``out_dir``.

    Parameters
    ----------
    out_dir : path
        Where the run's folder (journal, logs, report) is made.
    market : Market
        The prices; a test gives a shorter tape.
    say : callable
        Takes each line for the user.

    Raises
    ------
    ConfigError
        If the folder cannot be made.
    SessionError
        If the sandbox or the session ends early; names its log.
    """
    tape = market.tape()
    folder = _folder(Path(out_dir))
    journal = folder / "journal.db"
    keys = {name: secrets.token_hex(16) for name in (*Alpaca.key_env, CONTROL_TOKEN_ENV)}
    with (folder / "sandbox.log").open("wb") as log, Child(["sandbox", "--market", encode(market)], secrets=keys, log=log) as sandbox:
        ready = msgspec.json.decode(sandbox.line())
        say(f"sandbox exchange on {ready['accounts']['ALPACA']['rest']}, its tape's control port on {ready['control'].rpartition('/')[0]}")
        config = configure(market, tape, journal, ready)
        path = config.save(folder / "session.json")
        with (
            (folder / "session.log").open("wb") as session_log,
            Child(["paper", "run", str(path)], secrets=keys, log=session_log) as session,
        ):
            say(f"paper session {SESSION}: z-score pairs on {market.primary} and {market.hedge}, journal {journal}")
            _follow(session, journal, tape, folder / "session.log")
    report = run_report(journal, SESSION, folder.parent, folder.name)
    with Journal.open(journal, SESSION, mode="read") as done:
        digest = done.digest()
    return DemoRun(folder, report, digest)


def configure(market: Recipe, tape: Tape, journal: Path, ready: dict[str, Any]) -> SessionConfig:
    """Return the demo's session against a sandbox that said it is ``ready``."""
    return SessionConfig(
        session=SESSION,
        journal=str(journal),
        accounts=msgspec.convert(ready["accounts"], dict[str, Access]),
        control=ready["control"],
        instruments=tape.instruments,
        params=PARAMS,
        market=market.describe(tape),
    )


def encode(market: Recipe) -> str:
    """Return a market as the JSON that ``hedgekit sandbox`` takes."""
    return msgspec.json.encode(market).decode()


def _folder(out_dir: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder = out_dir / f"demo-{stamp}"
    try:
        number = 1
        while folder.exists():
            number += 1
            folder = out_dir / f"demo-{stamp}-{number}"
        folder.mkdir(parents=True)
    except OSError as error:
        msg = f"cannot make a folder for the run in {out_dir} ({error.strerror}); choose another with --out"
        raise ConfigError(msg) from None
    return folder


def _follow(session: Child, journal: Path, tape: Tape, log: Path) -> None:
    """Show how far the tape is until the session ends."""
    first, last = int(tape.ts_ns[0]), int(tape.ts_ns[-1])
    started = time.monotonic()
    with tqdm(total=len(tape), desc="paper session", unit="row", file=sys.stderr) as bar:
        while session.wait(_POLL_S) is None:
            now, waited = _reached(journal), time.monotonic() - started
            if now is None and waited > _PATIENCE_S:
                msg = f"the paper session wrote nothing for {_PATIENCE_S:.0f} s; see {log}"
                raise SessionError(msg)
            bar.set_description("compiling, once" if not bar.n and waited > _COLD_S else "paper session")
            if now is not None:
                share = (min(max(now, first), last) - first) / max(last - first, 1)
                bar.update(int(share * len(tape)) - bar.n)
        if session.returncode == 0:
            bar.update(len(tape) - bar.n)
    if session.returncode != 0:
        reason = log.read_text(errors="replace").strip().splitlines() or ["no message"]
        msg = f"the paper session failed: {reason[-1]} (log: {log})"
        raise SessionError(msg)


def _reached(journal: Path) -> int | None:
    """Return the time of the newest journal record, if there is one."""
    try:
        with signals_held():
            return next((info.last_ns for info in sessions(journal) if info.session == SESSION), None)
    except JournalError:  # not there yet, or just being made; a session that cannot write says so itself
        return None
