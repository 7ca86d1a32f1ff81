"""A paper session as a notebook sees it: its journal to read, and commands to send."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from hedgekit.alerts import Limits, Reader, table
from hedgekit.desk.faults import NAMES, Faulted, faulted
from hedgekit.desk.host import ORDERS
from hedgekit.desk.state import ALIVE, RESTARTABLE, Folder, State, Status
from hedgekit.errors import ConfigError, SessionError
from hedgekit.journal import Follower, Journal
from hedgekit.paper.commands import Spool, changes_of
from hedgekit.paper.config import SessionConfig
from hedgekit.paper.gauges import Gauges
from hedgekit.params import Params
from hedgekit.plans import PlanFile

if TYPE_CHECKING:
    import pandas as pd

    from hedgekit.journal import Standing

COMMANDS = ("pause", "resume", "flatten", "stop", "set", "plan")
"""What a person can tell a session."""

_POLL_S = 0.1
_BOOT_S = 60.0


class PaperSession:
    """One paper session, running in processes of its own, from :func:`start` or :func:`attach`.

    Any number of these may look at one session, from any process of this user:
    they read its journal and leave commands in its folder, and nothing else.

    Examples
    --------
    >>> session = desk.attach("paper-20261123T101500Z")       # doctest: +SKIP
    >>> session.flatten()                                     # doctest: +SKIP
    >>> with session.journal() as journal:                    # doctest: +SKIP
    ...     journal.trades()
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._spool = Spool(folder.commands, COMMANDS)
        self._orders = Spool(folder.orders, ORDERS)
        self._faults = Spool(folder.faults, NAMES)
        folder.written()

    @property
    def session(self) -> str:
        """Its id: the name of its folder and in its journal."""
        return self.folder.session

    def __repr__(self) -> str:
        """Name it and say how it is."""
        now = self.status()
        return f"<PaperSession {self.session}: {now.state}{' ' + now.detail if now.detail else ''}>"

    def status(self) -> Status:
        """Return how it is now (:class:`~hedgekit.desk.state.Status`)."""
        told = [order.name for order in self._orders.waiting()]  # before the state is read: the host writes it, then removes the order
        host = self.folder.host_pid
        found = self.folder.written()
        if host is not None and found.state in RESTARTABLE and "restart" in told:
            return msgspec.structs.replace(found, state=State.STARTING, detail="from its journal")
        lasting = found.state not in ALIVE | RESTARTABLE
        if lasting or host is not None or (found.state is State.STARTING and time.time_ns() - found.started_ns < _BOOT_S * 1e9):
            return found
        return msgspec.structs.replace(found, state=State.LOST, detail="its host process is gone; the journal is whole")

    @property
    def alive(self) -> bool:
        """Whether it trades, or is about to."""
        return self.status().state in ALIVE

    def journal(self) -> Journal:
        """Open its journal for reading.

        Raises
        ------
        JournalError
            If it has not been started yet.
        """
        return Journal.open(self.folder.journal, self.session, mode="read")

    def follow(self) -> Follower:
        """Return a new reader of what happens, for a panel."""
        return Follower(self.folder.journal, self.session)

    def alerts(self, limits: Limits | None = None) -> pd.DataFrame:
        """Return every alert so far, one row each (:func:`hedgekit.alerts.table`); what still holds was not cleared.

        Raises
        ------
        JournalError
            If the journal cannot be read or is damaged.
        """
        return table(self.folder.journal, self.session, limits, alive=self.goes_on)

    def watch(self, limits: Limits | None = None) -> Reader:
        """Return a new reader of the alerts, for a panel."""
        return Reader(self.folder.journal, self.session, limits)

    @property
    def goes_on(self) -> bool | None:
        """Whether a process trades; None while it is about to."""
        return None if self.status().state is State.STARTING else self.folder.session_pid is not None

    # ---------------------------------------------------------------- commands

    def pause(self) -> str:
        """Enter no new trade; what is open goes on to its exit. Return the command's ref, which its journal record carries."""
        return self._tell("pause")

    def resume(self) -> str:
        """Trade again after :meth:`pause` or :meth:`flatten`."""
        return self._tell("resume")

    def flatten(self) -> str:
        """Close both legs now, and enter nothing until :meth:`resume`."""
        return self._tell("flatten")

    def stop(self) -> str:
        """End the session in order: cancel what works, keep what is held. :meth:`flatten` first to hold nothing."""
        return self._tell("stop")

    def set(self, changes: Mapping[str, float], *, now: Standing | None = None) -> str:
        """Change numbers of the strategy while the session runs, all of them at one moment. Return the command's ref.

        They are in force from the command's record in the journal on: a trade that is open is held to them too, and a replay
        changes them at the same record.

        Parameters
        ----------
        changes : mapping of str to float
            Of :data:`hedgekit.params.IN_FLIGHT`, in their ranges, target < entry < stop.
        now : Standing, optional
            How the session stands, if that is known already; else its journal is read.

        Raises
        ------
        ConfigError
            If a number may not be changed, or not to this.
        SessionError
            If nobody listens.
        """
        return self._tell("set", msgspec.json.encode(changes_of(_written(changes), self.params(now))).decode())

    def revise(self, file: PlanFile | str | os.PathLike[str]) -> str:
        """Let the session trade by a plan file from now on (A5). Return the command's ref.

        The plan stands in the journal behind its command, and a replay takes it at the same record. What is held is hedged anew
        at the next look if that is worth its cost (A16). As long as the plan is valid the session makes none of its own. One that is
        expired or from the future by the session's own time is refused there, and its journal says why.

        Parameters
        ----------
        file : path or PlanFile
            As ``hedgekit report run revalidation`` writes it.

        Raises
        ------
        ConfigError
            If it is no plan file, damaged, another pair's, or retires the pair.
        SessionError
            If nobody listens.
        """
        told = file if isinstance(file, PlanFile) else PlanFile.load(file)
        instruments = SessionConfig.load(self.folder.config).instruments
        told.taken([instrument.key for instrument in instruments], told.decided_at_ns)  # its times are judged by the session's clock
        return self._tell("plan", told.encode().decode())

    def params(self, now: Standing | None = None) -> Params:
        """Return the numbers in force now: those that it was started with, and what was set since."""
        if now is None or not now.started:
            with self.follow() as follower:
                while follower.poll().standing.behind:
                    pass
                now = follower.standing
        return Params.make(**(now.params if now.started else SessionConfig.load(self.folder.config).params))

    def _tell(self, name: str, text: str = "") -> str:
        now = self.status()
        if now.state not in ALIVE:
            way = "; restart() goes on from its journal" if now.state in RESTARTABLE else ""
            msg = f"{name}: session {self.session!r} is {now.state}, nobody listens{way}"
            raise SessionError(msg)
        return self._spool.send(name, text)

    def fault(self, kind: str, **about: float | str) -> str:
        """Let something go wrong at the session's sandbox exchange, from now on; return the wish's ref, which :meth:`faults` names.

        Parameters
        ----------
        kind, about
            As in :class:`hedgekit.exchange.faults.Fault`: ``fault("outage", seconds=60)``. What does not fit together the exchange
            refuses, and :meth:`faults` says why.

        Raises
        ------
        SessionError
            If the session does not run.
        """
        now = self.status()
        if now.state not in ALIVE:
            msg = f"fault: session {self.session!r} is {now.state}; a fault befalls a session that runs"
            raise SessionError(msg)
        return self._faults.send("fault", msgspec.json.encode({"at": "now"} | about | {"op": "fault", "kind": kind}).decode())

    def faults(self) -> list[Faulted]:
        """Return what became of the newest faults that were asked for."""
        return faulted(self.folder.faulted)

    def gauges(self) -> Gauges | None:
        """Return what is left of its request budgets, as the session showed it last; None if it never did."""
        return Gauges.read(self.folder.gauges)

    def kill(self) -> None:
        """End the session's process at once (SIGKILL), whatever it is doing. Its orders and positions stay as they are.

        Needs neither the notebook nor the session to be in order; ``hedgekit paper kill`` does the same from a shell.

        Raises
        ------
        SessionError
            If there is no process to kill.
        """
        pid, how = self.folder.session_pid, signal.SIGKILL
        if pid is None and self.folder.written().state is State.STARTING:
            pid, how = self.folder.host_pid, signal.SIGTERM
        if pid is None or not _sent(pid, how):
            msg = f"session {self.session!r} has no process to kill: it is {self.status().state}"
            raise SessionError(msg)

    def restart(self) -> None:
        """Go on after a kill or a failure: a new process replays the journal, asks the exchange, and trades on.

        Raises
        ------
        SessionError
            If the session is not one that can go on.
        """
        self._order("restart")

    def close(self) -> None:
        """Give a killed session up: end its sandbox exchange and set the account free. The journal stays."""
        self._order("close")

    def _order(self, name: str) -> None:
        now = self.status()
        if now.state not in RESTARTABLE:
            msg = f"{name}: session {self.session!r} is {now.state}; only a killed or failed session can be told that"
            raise SessionError(msg)
        self._orders.send(name)

    # ----------------------------------------------------------------- waiting

    async def until(self, reached: Callable[[Standing], bool] | State, *, timeout_s: float = 600.0) -> Standing:
        """Wait, without holding the notebook up, until something is so; return how the session stands then.

        Parameters
        ----------
        reached : callable or State
            Asked about ten times a second with the standing figures; or the state to wait for.
        timeout_s : float
            Give up after so long.

        Raises
        ------
        SessionError
            If time runs out, or the session is over before.
        """
        follower, deadline = self.follow(), time.monotonic() + timeout_s
        try:
            while True:
                now = self.status()
                behind = follower.poll().standing.behind
                if _is_so(reached, now, follower.standing):
                    return follower.standing
                if not behind:
                    self._check_waiting(now, deadline)
                    await asyncio.sleep(_POLL_S)
                await asyncio.sleep(0)
        finally:
            follower.close()

    def _check_waiting(self, now: Status, deadline: float) -> None:
        idle = now.state not in ALIVE and not (now.state in RESTARTABLE and self._orders.waiting())
        if idle and self.status().state == now.state:  # else the host has written since what became of an order
            msg = f"session {self.session!r} is {now.state} ({now.detail or 'no more to say'}) before what was waited for"
            raise SessionError(msg)
        if time.monotonic() > deadline:
            msg = f"session {self.session!r}, {now.state}, has not come to what was waited for; wait longer, or look at its log"
            raise SessionError(msg)


def _written(changes: Mapping[str, float]) -> str:
    try:
        return msgspec.json.encode(dict(changes)).decode()
    except (TypeError, ValueError) as error:
        msg = f"{changes!r}: give names and numbers, as {{'entry': 2.2}} ({error})"
        raise ConfigError(msg) from None


def _sent(pid: int, how: signal.Signals) -> bool:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return False
    return True


def _is_so(reached: Callable[[Standing], bool] | State, now: Status, standing: Standing) -> bool:
    if isinstance(reached, State):
        return now.state is reached
    return not standing.behind and reached(standing)
