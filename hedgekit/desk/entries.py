"""The desk's entries: start a session, attach to one, list them all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from hedgekit.data import Recipe, Recorded, SyntheticMarket
from hedgekit.desk.home import check_account, home, occupant, taken
from hedgekit.desk.session import PaperSession
from hedgekit.desk.state import ALIVE, RESTARTABLE, Folder, Status
from hedgekit.errors import ConfigError, SessionError
from hedgekit.journal.store import check_name
from hedgekit.launch import detached
from hedgekit.paper.config import SessionConfig
from hedgekit.params import Params
from hedgekit.plans import PlanFile
from hedgekit.plugins.module import Plugin, check_signal

PLAN = "plan.json"
"""The plan file's copy in a session's folder."""

_STAMP = r"-\d{8}T\d{6}Z(-\d+)?"

SPEEDS = (0.01, 1000.0)

_LEAVING_S = 3.0
"""How long a host may take from its last word to its end."""


def start(  # noqa: PLR0913 - each with its default
    market: Recipe | None = None,
    params: Params | Mapping[str, Any] | None = None,
    *,
    speed: float | None = 20.0,
    account: str = "paper",
    folder: str | os.PathLike[str] | None = None,
    plugin: Plugin | None = None,
    plan: PlanFile | None = None,
) -> PaperSession:
    """Start a paper session against a sandbox exchange of its own; return at once.

    Parameters
    ----------
    market : Market, Recorded, SyntheticMarket or SyntheticBinary, optional
        What the prices do; the synthetic market by default. A recorded file is pinned by its hash: if it changes, it is another market.
        Its instruments trade at ALPACA: the desk makes keys for that venue alone; those of others must be in the environment.
    params : Params or dict, optional
        The strategy's numbers.
    speed : float or None
        Rows of the market's tape in a real second, 0.01 to 1000: on the synthetic market, whose rows are a second apart, 1 is
        real time; on daily closes 1 is a trading day a second. None: as fast as the session can. The session takes the same
        decisions at any speed, because the market waits for it.
    account : str
        Sessions of one account exclude each other.
    folder : path, optional
        Home of all sessions; $HEDGEKIT_HOME or the user's data folder by default.
    plugin : Plugin, optional
        A user's own signal or hedge (:func:`hedgekit.plugins.load`); with scores, the signal is "user" unless ``params`` says otherwise.
        The session runs from a copy in its own folder, so that the file may be changed meanwhile.
    plan : PlanFile, optional
        The hedge plan to begin with (:meth:`hedgekit.plans.PlanFile.load`), instead of waiting for ``fit_bars`` bars. As long as
        it is valid the session makes none of its own.

    Returns
    -------
    PaperSession
        The new session; or, if the account is trading just this (same market, numbers, speed, plugin and plan), the one that runs: a cell
        that is run twice starts one session.

    Raises
    ------
    ConfigError, DataError
        If the market, a number, the speed or the account's name is wrong, or the plan is another pair's, retired, expired or from
        the future at the market's first row.
    SessionError
        If the account is in use by another session.
    """
    market = market.pinned() if isinstance(market, Recorded) else market or SyntheticMarket()
    numbers = _numbers(params, plugin)
    if speed is not None and not SPEEDS[0] <= speed <= SPEEDS[1]:
        msg = f"speed={speed!r}: must be {SPEEDS[0]:g} to {SPEEDS[1]:g} rows a second, or None for as fast as it can"
        raise ConfigError(msg)
    root, recipe = home(folder), msgspec.json.encode(market)
    running = _lasting(account, folder)
    if running is not None:
        hashes = "" if plugin is None else plugin.sha256, None if plan is None else plan.checksum
        same = running.folder.market.read_bytes() == recipe and _asked(running) == (numbers, speed, *hashes)
        if running.alive and same:
            return running
        raise taken(_lock(root, account))
    made = _make(root, account, market, numbers, speed, plugin, plan)
    detached(["paper", "host", str(made.path)], log=made.path / "host.log")
    return PaperSession(made)


def attach(session: str, *, folder: str | os.PathLike[str] | None = None) -> PaperSession:
    """Return a session by its id, running or not.

    Raises
    ------
    SessionError
        If there is none of that name.
    JournalError
        If that cannot be a session's name.
    """
    return PaperSession(Folder(home(folder) / "sessions" / check_name(session)))


def current(account: str = "paper", *, folder: str | os.PathLike[str] | None = None) -> PaperSession | None:
    """Return the session that has an account now, None if the account is free."""
    root = home(folder)
    session = occupant(_lock(root, account))
    if session is None:
        return _booting(root, account)
    return PaperSession(Folder(root / "sessions" / session))


def sessions(*, folder: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return all sessions of this user, the newest first.

    Columns: session, account, state, detail, started (UTC), market, speed (rows a second), restarts.
    """
    rows = [
        {
            "session": status.session,
            "account": status.account,
            "state": status.state.value,
            "detail": status.detail,
            "started": pd.Timestamp(status.started_ns, unit="ns", tz="UTC"),
            "market": status.market,
            "speed": status.speed,
            "restarts": status.restarts,
        }
        for status in statuses(folder=folder)
    ]
    return pd.DataFrame(rows, columns=["session", "account", "state", "detail", "started", "market", "speed", "restarts"])


def statuses(*, folder: str | os.PathLike[str] | None = None) -> list[Status]:
    """Return how each session of this user is, the newest first."""
    found = []
    for path in (home(folder) / "sessions").iterdir():
        if not path.name.startswith(".") and (path / "state.json").exists():  # a draft is no session, also if its start died
            try:
                found.append(PaperSession(Folder(path)).status())
            except SessionError:
                if (path / "state.json").exists():  # else it has gone while we looked
                    raise
    return sorted(found, key=lambda status: status.started_ns, reverse=True)


# ---------------------------------------------------------------------- inside


def _numbers(params: Params | Mapping[str, Any] | None, plugin: Plugin | None) -> dict[str, Any]:
    mine = {} if plugin is None or plugin.scores is None else {"signal": "user"}
    given = params if isinstance(params, Params) else Params.make(**mine | dict(params or {}))
    if plugin is not None:
        check_signal(plugin.name, given.signal, scores=plugin.scores is not None)
    return given.model_dump()


def _lock(root: Path, account: str) -> Path:
    return root / "accounts" / f"{check_account(account)}.lock"


def _lasting(account: str, folder: str | os.PathLike[str] | None) -> PaperSession | None:
    """Return the session that has an account; one that is over already is given a moment to let go of it."""
    until = time.monotonic() + _LEAVING_S
    while (found := current(account, folder=folder)) is not None and found.status().state not in ALIVE | RESTARTABLE:
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    return found


def _asked(running: PaperSession) -> tuple[dict[str, Any], float | None, str, str | None]:
    """Return what a session was started with."""
    config = SessionConfig.load(running.folder.config)
    plan = config.plan_file()
    return config.params, running.folder.written().speed, config.plugin_sha256, None if plan is None else plan.checksum


def _booting(root: Path, account: str) -> PaperSession | None:
    """Return a session of the account whose host is being born and has no lock yet."""
    names = [path.name for path in (root / "sessions").iterdir() if re.fullmatch(re.escape(account) + _STAMP, path.name)]
    newest = PaperSession(Folder(root / "sessions" / max(names))) if names else None
    return newest if newest is not None and newest.status().state in ALIVE | RESTARTABLE else None


def _make(  # noqa: PLR0913 - what a session is made of
    root: Path,
    account: str,
    market: Recipe,
    numbers: dict[str, Any],
    speed: float | None,
    plugin: Plugin | None,
    plan: PlanFile | None,
) -> Folder:
    """Make a session's folder, whole before it can be seen."""
    tape = market.tape()
    if plan is not None:
        plan.taken([instrument.key for instrument in tape.instruments], int(tape.ts_ns[0]))
    path, draft = _reserved(root / "sessions", account)
    files = Folder(draft)
    config = SessionConfig(
        session=path.name,
        journal=str(path / files.journal.name),
        accounts={},
        control="",
        instruments=tape.instruments,
        params=numbers,
        market=market.describe(tape),
        commands=str(path / files.commands.name),
        gauges=str(path / files.gauges.name),
        plugin="" if plugin is None else str(path / "plugin" / plugin.name),
        plugin_sha256="" if plugin is None else plugin.sha256,
        plan="" if plan is None else str(path / PLAN),
    )
    if plan is not None:
        plan.save(draft / PLAN)
    if plugin is not None:
        (draft / "plugin").mkdir(mode=0o700)
        (draft / "plugin" / plugin.name).write_bytes(plugin.code)
    config.save(files.config)
    files.market.write_bytes(msgspec.json.encode(market))
    pair = f"{market.primary} and {market.hedge}"
    files.write(Status(session=path.name, account=account, market=pair, speed=speed, started_ns=time.time_ns()))
    draft.rename(path)
    return Folder(path)


def _reserved(parent: Path, account: str) -> tuple[Path, Path]:
    """Return where a new session will be, and the folder in which it is made, which keeps its name from any other process."""
    stem = f"{account}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    for number in count(1):
        path = parent / (stem if number == 1 else f"{stem}-{number}")
        draft = path.with_name(f".{path.name}")
        with suppress(FileExistsError):
            draft.mkdir(mode=0o700)
            if not path.exists():
                return path, draft
            draft.rmdir()
    raise AssertionError  # there is no end of numbers
