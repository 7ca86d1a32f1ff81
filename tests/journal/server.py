"""A PostgreSQL server on loopback for the journal's tests, thrown away afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests import postgres

PASSWORD = "correct-horse-battery"  # noqa: S105 - of a server that lives for seconds on loopback


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _owner() -> list[str]:
    """Return the prefix that runs a program as an ordinary user: initdb refuses root."""
    if os.getuid():
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    who = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]


def fresh(url: str, name: str) -> str:
    """Return the URL of a new schema in a server's database: a place where no journal is yet."""
    engine = create_engine(url)
    with engine.begin() as conn:
        conn.execute(text(f'CREATE SCHEMA "{name}"'))
    engine.dispose()
    return f"{url}?options=-csearch_path%3D{name}"


class Server:
    """A cluster of its own; ``options`` are the server's, as ``wal_writer_delay=10s``."""

    def __init__(self, *options: str) -> None:
        programs = postgres.ensure()
        if programs is None:
            pytest.fail(postgres.HELP, pytrace=False)
        self._options = [word for option in options for word in ("-c", option)]
        self._program, self._user, self._port = programs / "postgres", _owner(), free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="hedgekit-pg-"))
        if self._user:
            shutil.chown(self._folder, int(self._user[1].split("=")[1]))
        password = self._folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        make = [programs / "initdb", "-D", self._folder / "data", "-U", "hedger", "--auth=scram-sha-256", f"--pwfile={password}"]
        make += ["-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*self._user, *map(str, make)], check=True, capture_output=True, cwd="/")
        self.url = f"postgresql+psycopg://hedger:{PASSWORD}@127.0.0.1:{self._port}/postgres"
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        address = ["-p", self._port, "-h", "127.0.0.1", "-k", self._folder]
        start = [self._program, "-D", self._folder / "data", *address, *self._options]
        self._log = self._folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*self._user, *map(str, start)], stdout=log, stderr=log, cwd="/")
        engine = create_engine(self.url)
        for _ in range(300):
            assert self._process.poll() is None, self._log.read_text()
            try:
                engine.connect().close()
            except Exception:  # noqa: BLE001 - whatever a server says that is not up yet
                time.sleep(0.05)
            else:
                engine.dispose()
                return
        pytest.fail(f"PostgreSQL did not come up in 15 s: {self._log.read_text()}")

    def crash(self) -> None:
        """End all its processes at once: what it had not written is lost (immediate shutdown)."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(10)

    def remove(self) -> None:
        """Stop it (fast shutdown) and remove it."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
        shutil.rmtree(self._folder)
