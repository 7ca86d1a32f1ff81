"""Where alerts go: a log, a command, a webhook. Each takes one alert at a time and raises :class:`NotTold` if it did not arrive."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec

from hedgekit.errors import ConfigError, HedgekitError

TIMEOUT_S = 10.0
"""Real seconds that a command or a webhook may take."""

_OK = range(200, 300)


class Message(Protocol):
    """What a sink tells: anything that JSON can be made of, named by an id; an :class:`~hedgekit.alerts.alert.Alert` for one."""

    @property
    def id(self) -> str:
        """Told twice, it is the same one."""


class NotTold(HedgekitError):
    """An alert did not arrive; it is told again."""


class Sink(Protocol):
    """Somewhere to tell alerts."""

    name: str
    """Under this its alerts wait, and its failures are spoken of: no secret may be in it."""

    async def tell(self, alert: Message) -> None:
        """Tell one alert, or raise :class:`NotTold`."""


class Log:
    """One JSON line for each alert.

    Parameters
    ----------
    path : path, optional
        A file to append to; standard output by default.
    """

    name = "log"

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else Path(path)

    async def tell(self, alert: Message) -> None:
        """Write the line."""
        try:
            await asyncio.to_thread(self._write, msgspec.json.encode(alert).decode() + "\n")
        except OSError as error:
            msg = f"{self._path or 'standard output'}: {error.strerror}"
            raise NotTold(msg) from None

    def _write(self, line: str) -> None:
        if self._path is None:
            sys.stdout.write(line)
            sys.stdout.flush()
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)


class Command:
    """A program, run once for each alert with the alert as JSON on its standard input; never through a shell.

    Parameters
    ----------
    argv : sequence of str
        Program and arguments.
    timeout_s : float
        After so long it is killed, with the processes that it started; those of one that ends by itself live on.

    Raises
    ------
    ConfigError
        If there is no such program.
    """

    name = "command"

    def __init__(self, argv: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> None:
        if not argv or shutil.which(argv[0]) is None:
            msg = f"command {(argv or [''])[0]!r}: no such program; give its path, and its arguments after it"
            raise ConfigError(msg)
        self._argv, self._timeout_s = tuple(argv), timeout_s

    async def tell(self, alert: Message) -> None:
        """Run it; any exit code but 0 is a failure."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            msg = f"cannot be started: {error.strerror}"
            raise NotTold(msg) from None
        try:
            await asyncio.wait_for(process.communicate(msgspec.json.encode(alert)), self._timeout_s)
        except TimeoutError:
            msg = f"took longer than {self._timeout_s:g} s"
            raise NotTold(msg) from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            msg = f"ended with exit code {process.returncode}"
            raise NotTold(msg)


class Webhook:
    """An address that gets each alert as JSON, by POST, with the alert's id as Idempotency-Key. No redirect is followed.

    Parameters
    ----------
    url : str
        The address; what follows its host may hold a token and is never shown.
    timeout_s : float
        For the whole exchange.

    Raises
    ------
    ConfigError
        If it is no http or https address.
    """

    name = "webhook"

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        try:
            parts = urlsplit(url)
            host = parts.hostname if parts.scheme in {"http", "https"} else None
            self.shown = f"{parts.scheme}://{host}{'' if parts.port is None else f':{parts.port}'}"
        except ValueError:
            host = None
        if not host:
            msg = "the webhook is no http or https address; write https://host/path (it is not shown, as it may hold a token)"
            raise ConfigError(msg)
        self._url, self._timeout = url, aiohttp.ClientTimeout(total=timeout_s)

    def __repr__(self) -> str:
        """Show where to, not with which token."""
        return f"<Webhook {self.shown}>"

    async def tell(self, alert: Message) -> None:
        """Post it; any answer but 2xx is a failure."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": alert.id}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as http,
                http.post(self._url, data=msgspec.json.encode(alert), headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            msg = f"{self.shown}: {type(error).__name__}"
            raise NotTold(msg) from None
        if status not in _OK:
            msg = f"{self.shown}: HTTP {status}"
            raise NotTold(msg)
