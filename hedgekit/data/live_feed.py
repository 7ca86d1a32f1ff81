"""A market that is not recorded: a public stream of quotes, as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NoReturn

import msgspec

from hedgekit.data.market import fields_of, listed_pair, spot_pair
from hedgekit.errors import ConfigError
from hedgekit.types import Instrument

if TYPE_CHECKING:
    from hedgekit.data.tape import Tape


class LiveFeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="feed"):
    """A recipe for live prices, passed between processes as JSON: ``hedgekit sandbox --live`` plays it.

    Attributes
    ----------
    url : str
        The market-data stream, ws:// or wss://, in the protocol of ``venue``. Who connects gives it the account's keys, so
        it goes to the venue's own data hosts and to this machine only; a live one of Kalshi's gets a key that can only read.
    primary, hedge : str
        Symbols of the two legs, shares.
    tick, lot, multiplier, fee_rate
        Of both legs, decimals as text; the fee is what the simulated exchange charges.
    venue : "ALPACA", "DERIBIT", "KALSHI" or "POLYMARKET"
        Whose protocol the stream speaks.
    listed : tuple of Instrument
        The two legs as they are traded, primary first, instead of the fields above; what is no share needs it.
    native : dict
        The venue's own ids by instrument key, where symbols do not say all (Polymarket's tokens).
    """

    url: str
    primary: str = ""
    hedge: str = ""
    tick: str = "0.01"
    lot: str = "1"
    multiplier: str = "1"
    fee_rate: str = "0"
    venue: Literal["ALPACA", "DERIBIT", "KALSHI", "POLYMARKET"] = "ALPACA"
    listed: tuple[Instrument, ...] = ()
    native: dict[str, str] = {}

    def instruments(self) -> tuple[Instrument, Instrument]:
        """Return the two legs, primary first.

        Raises
        ------
        ConfigError
            If a field of the recipe is wrong.
        """
        if not self.url.startswith(("ws://", "wss://")):
            msg = f"url={self.url!r}: must be the address of a stream; write for example wss://stream.data.alpaca.markets/v2/iex"
            raise ConfigError(msg)
        if (listed := listed_pair(self)) is not None:
            if strangers := [one.key for one in listed if one.venue != self.venue]:
                msg = f"listed has {strangers[0]}, and the stream speaks {self.venue}: a feed is of one venue"
                raise ConfigError(msg)
            return listed
        if self.venue != "ALPACA" or not (self.primary and self.hedge):
            msg = f"a feed of {self.venue} needs the two legs: give listed, two instruments" + " (or primary and hedge, two shares)" * (
                self.venue == "ALPACA"
            )
            raise ConfigError(msg)
        return spot_pair(self)

    def tape(self) -> NoReturn:
        """Refuse: what has not happened yet is no tape.

        Raises
        ------
        ConfigError
            Always.
        """
        msg = f"the feed {self.url} has no tape: its prices are still to come; play it with `hedgekit sandbox --live`"
        raise ConfigError(msg)

    def describe(self, _: Tape | None = None) -> dict[str, str]:
        """Return what the prices are, for the journal and the report; there is no digest of what is still to come."""
        primary, hedge = (one.symbol for one in self.instruments())
        story = f"Live quotes of {primary} and {hedge} as they come from {self.url}; orders meet them at a simulated exchange"
        return {"description": story, **fields_of(self)}
