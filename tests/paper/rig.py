"""A real sandbox and real session processes on a short tape, for tests."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import msgspec

from hedgekit import demo
from hedgekit.data import Market, Recipe
from hedgekit.journal import Journal
from hedgekit.launch import Child
from hedgekit.paper.config import CONTROL_TOKEN_ENV, SessionConfig
from hedgekit.venues.alpaca import Alpaca

SHORT = Market(first="1990-01-01", last="1992-12-31", size_notional=150_000.0)
"""758 rows; displayed sizes small enough for many partial fills."""

TINY = Market(first="1990-01-01", last="1991-04-30", size_notional=150_000.0)
TINY_PARAMS = {**demo.PARAMS, "fit_bars": 60}
"""For tests that start many processes: 336 rows, the first ratio after 61 bars."""

RUNNER = Path(__file__).with_name("session_killed_at.py")


@dataclass
class Rig:
    """One sandbox process, and where its sessions keep their journals."""

    folder: Path
    market: Recipe
    keys: dict[str, str]
    ready: dict[str, Any]

    def config(self, name: str = demo.SESSION, access: Mapping[str, Any] = MappingProxyType({}), **changes: Any) -> Path:
        """Write the demo's session configuration against this sandbox, so changed; return its path."""
        config = demo.configure(self.market, self.market.tape(), self.folder / "journal.db", self.ready)
        accounts = {venue: msgspec.structs.replace(account, **access) for venue, account in config.accounts.items()}
        config = msgspec.structs.replace(config, accounts=accounts)
        path = self.folder / ("session.json" if name == demo.SESSION else f"{name}.json")
        return msgspec.structs.replace(config, session=name, **changes).save(path)

    def run(self, *configs: Path, kill_at: str | None = None, count: int = 1) -> subprocess.CompletedProcess[str]:
        """Run a session of one pair or several to its end, or until it kills itself at a named point."""
        command = [sys.executable, str(RUNNER), os.pathsep.join(map(str, configs)), kill_at or "", str(count)]
        return subprocess.run(command, env={**os.environ, **self.keys}, capture_output=True, text=True, timeout=240, check=False)

    def journal(self, name: str = demo.SESSION) -> Journal:
        """Open a pair's journal for reading."""
        return Journal.open(self.folder / "journal.db", name, mode="read")

    def ledger(self, name: str = demo.SESSION, venue: str = "ALPACA") -> dict[str, Any]:
        """Ask an exchange for its own books, when a session has ended; once."""
        found: dict[str, Any] = self.ledgers(name)[venue]
        return found

    def ledgers(self, name: str = demo.SESSION) -> dict[str, Any]:
        """Ask every exchange for its own books, by venue, when a session has ended; once."""
        with self.journal(name) as journal:
            done = journal.last_instant

        async def ask() -> dict[str, Any]:
            header = {"Authorization": f"Bearer {self.keys[CONTROL_TOKEN_ENV]}"}
            async with aiohttp.ClientSession() as http, http.ws_connect(self.ready["control"], headers=header) as control:
                await control.send_json({"op": "attach", "epoch": 2**62, "done": done})
                assert (await control.receive_json(timeout=10))["op"] == "attached"
                await control.send_json({"op": "ledger"})
                answer: dict[str, Any] = (await control.receive_json(timeout=10))["accounts"]
                return answer

        return asyncio.run(ask())


@contextmanager
def sandbox(folder: Path, market: Recipe = SHORT, *, speed: float | None = None, options: Sequence[str] = ()) -> Iterator[Rig]:
    """Run a sandbox for the time of a test, as fast as the session can or at a speed."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = {name: secrets.token_hex(16) for name in (*Alpaca.key_env, CONTROL_TOKEN_ENV)}
    command = ["sandbox", "--market", demo.encode(market), *([] if speed is None else ["--speed", str(speed)]), *options]
    with (folder / "sandbox.log").open("wb") as log, Child(command, secrets=keys, log=log) as child:
        yield Rig(folder, market, keys, msgspec.json.decode(child.line()))


def finished(folder: Path, market: Recipe = SHORT, **changes: Any) -> Rig:
    """Run one whole session; the sandbox is over when this returns."""
    with sandbox(folder, market) as rig:
        done = rig.run(rig.config(**changes))
        assert done.returncode == 0, done.stderr
        rig.ready["ledger"] = rig.ledger()
    return rig


def config_of(rig: Rig) -> SessionConfig:
    """Read back a rig's configuration."""
    return SessionConfig.load(rig.folder / "session.json")
