"""What a paper session is told: written to a file by whoever starts it, without secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.params import Params
from hedgekit.plugins.apart import LIMIT_S
from hedgekit.plugins.module import Source, read
from hedgekit.rules.guard import Limits
from hedgekit.types import Instrument
from hedgekit.venues import CLIENTS, TRADED

CONTROL_TOKEN_ENV = "HEDGEKIT_CONTROL_TOKEN"  # noqa: S105 - the name of the variable, not a secret


class SessionConfig(msgspec.Struct, frozen=True):
    """One paper session.

    Attributes
    ----------
    session : str
        Its name; first part of every client order id, so one account never sees it twice.
    journal : str
        SQLite file or SQLAlchemy URL.
    rest, stream, data, control : str
        Addresses of the venue (REST, trade updates, market data) and of the tape's control port; without one the session
        runs at live speed, by the machine's clock.
    quotes : str
        Address of the venue's quotes by REST; by default that of ``rest``.
    instruments : tuple of Instrument
        Primary first.
    params : dict
        Arguments of :meth:`hedgekit.params.Params.make`.
    market : dict
        What the prices are, for the report.
    commands : str
        Folder in which a person's commands arrive; empty for a session that takes none.
    plugin : str
        File with a user's own signal or hedge (:mod:`hedgekit.plugins`); empty for none. The journal names it without its folder.
    plugin_sha256 : str
        The hash that the file must have; empty for any, which the journal then pins.
    plugin_limit_s : float
        How long to wait for one answer of it, real seconds.
    requests_per_minute : int
        What the venue allows this account (A17); 0 for what it allows usually.
    limits : Limits
        Pre-trade limits of the account (:class:`hedgekit.rules.guard.Limits`).
    calendar : str
        The exchange's opening hours, by a name of exchange_calendars ("XNYS"); empty where it never closes, and on a tape of closes.
    """

    session: str
    journal: str
    rest: str
    stream: str
    data: str
    control: str
    instruments: tuple[Instrument, ...]
    params: dict[str, Any]
    market: dict[str, str]
    commands: str = ""
    quotes: str = ""
    plugin: str = ""
    plugin_sha256: str = ""
    plugin_limit_s: float = LIMIT_S
    requests_per_minute: int = 0
    limits: Limits = Limits()
    calendar: str = ""

    @property
    def venue(self) -> str:
        """The venue of all instruments.

        Raises
        ------
        ConfigError
            If they are of several, or no session can trade there yet.
        """
        venues = sorted({instrument.venue for instrument in self.instruments})
        if len(venues) != 1:
            msg = f"session {self.session!r} trades at {', '.join(venues) or 'no venue'}: a session has one account, at one venue"
            raise ConfigError(msg)
        if venues[0] in CLIENTS and venues[0] not in TRADED:
            msg = f"session {self.session!r}: {venues[0]} has a client, but no session can trade there yet; it can at {', '.join(TRADED)}"
            raise ConfigError(msg)
        return venues[0]

    def strategy(self) -> Params:
        """Return the validated parameters.

        Raises
        ------
        ConfigError
            If one is wrong, or asks for what this session has not got.
        """
        params = Params.make(**self.params)
        if params.order_type == "limit" and 0.0 < self.limits.collar < params.slippage_cap:
            msg = f"limits: collar={self.limits.collar:g} is below slippage_cap={params.slippage_cap:g}: raise it"
            raise ConfigError(msg)
        if params.signal == "user" and not self.plugin:
            msg = "signal='user': a paper session takes a user's scores from a module file; name it as plugin, or choose another signal"
            raise ConfigError(msg)
        return params

    def module(self) -> Source | None:
        """Return the bytes of the plugin's file, None if there is no plugin.

        Raises
        ------
        ConfigError
            If the file is missing or has another hash.
        """
        return read(self.plugin, self.plugin_sha256 or None) if self.plugin else None

    def save(self, path: Path) -> Path:
        """Write the configuration as JSON and return its path."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))
        return path

    @classmethod
    def load(cls, path: str | Path) -> SessionConfig:
        """Read a configuration.

        Raises
        ------
        ConfigError
            If the file is missing or not a session's configuration.
        """
        try:
            return msgspec.json.decode(Path(path).read_bytes(), type=cls)
        except FileNotFoundError:
            msg = f"no session configuration at {path}; `hedgekit demo` writes one, or see `hedgekit paper --help`"
            raise ConfigError(msg) from None
        except (msgspec.MsgspecError, OSError) as error:
            msg = f"{path} is not a session configuration: {error}"
            raise ConfigError(msg) from None


def secret(name: str) -> str:
    """Return a secret from the environment.

    Raises
    ------
    ConfigError
        Naming the variable, never a value.
    """
    value = os.environ.get(name)
    if not value:
        msg = f"environment variable {name} is not set; secrets are read from the environment only"
        raise ConfigError(msg)
    return value
