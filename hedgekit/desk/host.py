"""The host of one paper session: a process of its own, parent of sandbox and session.

It holds the account's lock and the sandbox's keys, outlives the notebook that
started it, and sees how the session ends. A killed session leaves the sandbox
standing still; the host starts a new session process on the same journal when
told to. It ends with the session, or after an hour without a wish.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import msgspec

from hedgekit.desk.faults import Courier
from hedgekit.desk.home import AccountLock
from hedgekit.desk.state import Folder, State, Status
from hedgekit.errors import HedgekitError, SessionError
from hedgekit.launch import Child
from hedgekit.paper.commands import Spool
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.venues.alpaca import Alpaca

ORDERS = ("restart", "close")
"""What a host can be told."""

PATIENCE_S = 3600.0
"""How long a host keeps the exchange of a killed session."""

_POLL_S = 0.1


class Host:
    """Looks after one session's processes until it has ended.

    Parameters
    ----------
    path : path
        The session's folder, as :func:`hedgekit.desk.start` has made it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.folder = Folder(Path(path).resolve())
        self._status = self.folder.written()
        self._spool = Spool(self.folder.orders, ORDERS)
        self._control = ""
        self._keys = {name: secrets.token_hex(16) for name in (*Alpaca.key_env, CONTROL_TOKEN_ENV)}
        self._courier = Courier(self.folder.faults, self.folder.faulted, self._keys[CONTROL_TOKEN_ENV])

    def run(self) -> State:
        """Run sandbox and session to their end; return how it came."""
        accounts = self.folder.path.parents[1] / "accounts"
        wanted = self.folder.host_lock, accounts / f"{self._status.account}.lock"
        try:
            self._locks = [AccountLock(path, self.folder.session) for path in wanted]
        except SessionError as error:
            return self._say(State.REFUSED, str(error)).state
        try:
            self._serve()
        except HedgekitError as error:
            self._say(State.CLOSED, f"the sandbox exchange did not start: {error}; {self.folder.log('sandbox')}")
        except BaseException:
            self._say(State.CLOSED, "its host was ended")
            raise
        return self._status.state

    def _serve(self) -> None:
        speed = [] if self._status.speed is None else ["--speed", repr(self._status.speed)]
        command = ["sandbox", "--market", self.folder.market.read_text(encoding="utf-8"), *speed]
        with (self.folder.path / "sandbox.log").open("ab") as log, Child(command, secrets=self._keys, log=log) as sandbox:
            self._control = self._address(msgspec.json.decode(sandbox.line()))
            while self._trade(sandbox) in (State.KILLED, State.FAILED) and self._told(sandbox) == "restart":
                self._say(State.STARTING, "", restarts=self._status.restarts + 1)
                self._forget_orders()
        if self._status.state is not State.ENDED:
            self._say(State.CLOSED, self._status.detail)
            self._forget_orders()

    def _address(self, ready: dict[str, Any]) -> str:
        """Tell the session where the sandbox is; return where its control port is."""
        config = msgspec.json.decode(self.folder.config.read_bytes())
        config |= {name: ready[name] for name in ("accounts", "control")}
        draft = self.folder.config.with_name(f".{self.folder.config.name}.{os.getpid()}")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(config), indent=2))
        draft.replace(self.folder.config)  # who reads it at this moment gets the old one or the new one, whole
        return str(ready["control"])

    def _trade(self, sandbox: Child) -> State:
        """Run one session process to its end."""
        command = ["paper", "run", str(self.folder.config)]
        with (self.folder.path / "session.log").open("ab") as log, Child(command, secrets=self._keys, log=log) as session:
            while (code := session.wait(_POLL_S)) is None:
                if self._status.state is State.STARTING and self.folder.begun():
                    self._say(State.RUNNING)
                if sandbox.returncode is not None:
                    session.stop()
                else:
                    self._courier.carry(self._control)
        self._forget_orders()  # asked for twice, it came true once
        return self._say(*self._ending(code, sandbox)).state

    def _ending(self, code: int | None, sandbox: Child) -> tuple[State, str]:
        if code == 0:
            return State.ENDED, ""
        if sandbox.returncode is not None:
            return State.FAILED, f"the sandbox exchange ended: {self.folder.log('sandbox')}"
        if code is not None and (code < 0 or code == 128 + signal.SIGTERM):
            number = -code if code < 0 else int(signal.SIGTERM)
            return State.KILLED, f"by {signal.Signals(number).name}"
        return State.FAILED, self.folder.log("session")

    def _told(self, sandbox: Child) -> str:
        """Wait for an order about a session that is not there any more."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and sandbox.returncode is None:
            for order in self._spool.waiting():
                return order.name
            time.sleep(_POLL_S)
        return "close"

    def _forget_orders(self) -> None:
        """Remove orders; only after the state says what became of them, so that nobody sees neither."""
        self._spool.done([order.ref for order in self._spool.waiting()])

    def _say(self, state: State, detail: str = "", *, restarts: int | None = None) -> Status:
        again = self._status.restarts if restarts is None else restarts
        self._status = self.folder.write(msgspec.structs.replace(self._status, state=state, detail=detail, restarts=again))
        return self._status
