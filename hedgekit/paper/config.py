"""What a paper session is told: written to a file by whoever starts it, without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.params import Params
from hedgekit.plans import PlanFile
from hedgekit.plugins.apart import LIMIT_S
from hedgekit.plugins.module import Source, read
from hedgekit.rules.guard import Limits
from hedgekit.types import Instrument
from hedgekit.venues import CLIENTS, TRADED

CONTROL_TOKEN_ENV = "HEDGEKIT_CONTROL_TOKEN"  # noqa: S105 - the name of the variable, not a secret


class Access(msgspec.Struct, frozen=True):
    """Where an account is, and what its venue allows.

    Attributes
    ----------
    rest, stream, data : str
        Addresses of its orders by REST, its own updates, and the market's data.
    quotes : str
        Address of the venue's quotes by REST; by default that of ``rest``.
    requests_per_minute : int
        What the venue allows this account (A17); 0 for what it allows usually.
    calendar : str
        The exchange's opening hours, by a name of exchange_calendars ("XNYS"); empty where it never closes, and on a tape of closes.
    native : dict
        The venue's own ids by instrument key, where symbols do not say all (Polymarket's tokens).
    """

    rest: str
    stream: str
    data: str
    quotes: str = ""
    requests_per_minute: int = 0
    calendar: str = ""
    native: dict[str, str] = {}


class SessionConfig(msgspec.Struct, frozen=True):
    """One paper session.

    Attributes
    ----------
    session : str
        Its name; first part of every client order id, so one account never sees it twice.
    journal : str
        SQLite file or SQLAlchemy URL.
    accounts : dict of str to Access
        By venue, for every venue of the instruments.
    control : str
        Address of the tape's control port; without one the session runs at live speed, by the machine's clock.
    instruments : tuple of Instrument
        Primary first.
    params : dict
        Arguments of :meth:`hedgekit.params.Params.make`.
    market : dict
        What the prices are, for the report.
    commands : str
        Folder in which a person's commands arrive; empty for a session that takes none.
    gauges : str
        File in which the session shows what is left of its request budgets (:mod:`hedgekit.paper.gauges`); empty for none.
    plugin : str
        File with a user's own signal or hedge (:mod:`hedgekit.plugins`); empty for none. The journal names it without its folder.
    plugin_sha256 : str
        The hash that the file must have; empty for any, which the journal then pins.
    plugin_limit_s : float
        How long to wait for one answer of it, real seconds; all pairs of the session wait so long (:mod:`hedgekit.plugins`).
    plan : str
        Plan file that the session begins with (:mod:`hedgekit.plans`); empty for none: then it makes its own when it has enough bars.
    limits : Limits
        Pre-trade limits, over all accounts (:class:`hedgekit.rules.guard.Limits`).
    """

    session: str
    journal: str
    accounts: dict[str, Access]
    control: str
    instruments: tuple[Instrument, ...]
    params: dict[str, Any]
    market: dict[str, str]
    commands: str = ""
    gauges: str = ""
    plugin: str = ""
    plugin_sha256: str = ""
    plugin_limit_s: float = LIMIT_S
    plan: str = ""
    limits: Limits = Limits()

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues of the instruments, in leg order.

        Raises
        ------
        ConfigError
            If there is none, no session can trade at one of them yet, or no account at it is given.
        """
        venues = tuple(dict.fromkeys(instrument.venue for instrument in self.instruments))
        where = f"session {self.session!r}: "
        if not venues:
            msg = f"{where}nothing to trade; give instruments"
            raise ConfigError(msg)
        for venue in venues:
            if venue in CLIENTS and venue not in TRADED:
                msg = f"{where}{venue} has a client, but no session can trade there yet; it can at {', '.join(TRADED)}"
                raise ConfigError(msg)
            if venue not in self.accounts:
                msg = f"{where}no account at {venue}, of which {', '.join(self.accounts) or 'none'} is given; add it to accounts"
                raise ConfigError(msg)
        return venues

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

    def plan_file(self) -> PlanFile | None:
        """Return the plan file that the session begins with, None if there is none.

        Raises
        ------
        ConfigError
            If the file is missing or damaged.
        """
        return PlanFile.load(self.plan) if self.plan else None

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


_SHARED = ("control", "limits")


def shared(configs: tuple[SessionConfig, ...]) -> tuple[SessionConfig, dict[str, Access]]:
    """Return the first configuration, which speaks for the session, and all accounts that are traded.

    Raises
    ------
    ConfigError
        If there is none, two have one name, or they differ in what belongs to the account.
    """
    if not configs:
        msg = "no pair to trade; give at least one configuration"
        raise ConfigError(msg)
    accesses: dict[str, Access] = {}
    for config in configs:
        for venue in config.venues:
            if accesses.setdefault(venue, config.accounts[venue]) != config.accounts[venue]:
                msg = f"the pairs of one session differ in their account at {venue}; write the same in all"
                raise ConfigError(msg)
    for name in _SHARED:
        values = [getattr(config, name) for config in configs]
        if any(value != values[0] for value in values):
            msg = f"the pairs of one session differ in {name}: {', '.join(sorted({str(value) for value in values}))}; write the same in all"
            raise ConfigError(msg)
    names = [config.session for config in configs]
    if len({*names}) < len(names):
        msg = f"sessions {', '.join(names)}: each pair needs a name of its own"
        raise ConfigError(msg)
    return configs[0], accesses
