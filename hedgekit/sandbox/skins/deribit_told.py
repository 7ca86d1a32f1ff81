"""What the account's channels tell: ``user.orders``, ``user.trades``, ``user.changes`` and ``user.portfolio``.

A channel names an instrument, or a kind and a currency ("any" for all). Raw channels tell one order at a time, the others
lists; nothing is held back for their interval. Of an execution ``user.trades`` tells before ``user.orders``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hedgekit.exchange.model import Executed, Rejected, Status
from hedgekit.sandbox.skins.deribit_wire import CURRENCIES, listed, notification

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hedgekit.exchange.model import Report
    from hedgekit.sandbox.skins.deribit_account import Account
    from hedgekit.sandbox.skins.deribit_fills import Executions
    from hedgekit.sandbox.skins.deribit_orders import Desk

_USER = re.compile(r"user\.(orders|trades|changes)\.(?:([A-Z0-9_]+-[A-Z0-9_-]+)|(any|future)\.(any|[A-Z]+))\.(raw|100ms|agg2)")
_PORTFOLIO = re.compile(r"user\.portfolio\.([A-Za-z]+)")
_FIRST = {"trades": 0, "changes": 1, "orders": 2}


class Told:
    """Turns reports into what is told.

    Parameters
    ----------
    desk, executions, account
        What is told of.
    """

    def __init__(self, desk: Desk, executions: Executions, account: Account) -> None:
        self._desk, self._executions, self._account = desk, executions, account

    def knows(self, channel: str) -> bool:
        """Whether there is such a channel; one of a currency in which nothing settles never tells anything."""
        if (found := _PORTFOLIO.fullmatch(channel)) is not None:
            return found[1].upper() in CURRENCIES
        found = _USER.fullmatch(channel)
        return found is not None and (found[2] is None or found[2] in self._desk.keys)

    def begin(self, channel: str) -> list[bytes]:
        """Return what a subscription begins with: a portfolio tells what it is."""
        found = _PORTFOLIO.fullmatch(channel)
        return [self._portfolio(channel, found[1])] if found is not None and found[1].upper() in self._account.currencies else []

    def of(self, report: Report, channels: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield what channels tell of a report; a refusal before acceptance is told to who asked alone."""
        order = report.order
        if order is None or (isinstance(report, Rejected) and order.status is not Status.REJECTED):
            return
        instrument = self._desk.instruments[order.request.instrument]
        settles = listed(instrument.symbol).settle
        found = [(channel, _USER.fullmatch(channel)) for channel in sorted(channels)]
        mine = [
            (channel, parts)
            for channel, parts in found
            if parts is not None and (parts[2] == instrument.symbol if parts[2] else parts[4] in {"any", settles})
        ]
        told = self._desk.json(order)
        traded = [self._executions.of_id(report.execution_id).own] if isinstance(report, Executed) else []
        for channel, parts in sorted(mine, key=lambda one: _FIRST[one[1][1]]):
            if parts[1] == "orders":
                yield channel, notification(channel, told if parts[5] == "raw" else [told])
            elif parts[1] == "changes":
                positions = [self._account.position(instrument.key)] if traded else []
                changes = {"trades": traded, "positions": positions, "orders": [told], "instrument_name": instrument.symbol}
                yield channel, notification(channel, changes)
            elif traded:
                yield channel, notification(channel, traded)
        if traded:
            yield from self.portfolios(settles, channels)

    def portfolios(self, currency: str, channels: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield what the portfolio of a currency is now."""
        for channel in sorted(channels):
            found = _PORTFOLIO.fullmatch(channel)
            if found is not None and found[1].upper() == currency:
                yield channel, self._portfolio(channel, found[1])

    def _portfolio(self, channel: str, currency: str) -> bytes:
        return notification(channel, self._account.summary(currency.upper()))
