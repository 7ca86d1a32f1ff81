"""The account's socket: what becomes of orders, and what is executed; as long as it lives, the dead man's switch is armed."""

from __future__ import annotations

from typing import Any

import msgspec

from hedgekit.types import Ack, Cancelled, Login, Reject, Update
from hedgekit.venues.deribit.replies import OrderState, Trade
from hedgekit.venues.deribit.rpc import GUARD, Frame, Socket, expect, read
from hedgekit.venues.deribit.signing import credentials
from hedgekit.venues.deribit.units import Units
from hedgekit.venues.deribit.wire import unread

ORDERS, TRADES = "user.orders.any.any.raw", "user.trades.any.any.raw"

SCOPE = "connection"
"""Of cancel on disconnect. "account" would arm every connection to come, and Deribit does not say that HTTP's are exempt: then an
order would be cancelled as soon as it was answered."""

_FRAMES = msgspec.json.Decoder(Frame[OrderState | list[Trade]])


class AccountFeed(Socket):
    """Orders and executions of all that the account trades.

    Parameters
    ----------
    keys : tuple of str
        Id and secret.
    units : Units
        What is traded.
    now_ns : int
        When it is opened; the login is signed with it.
    """

    def __init__(self, keys: tuple[str, str], units: Units, now_ns: int) -> None:
        super().__init__(now_ns)
        self._keys, self._units = keys, units

    def _credentials(self, now_ns: int) -> dict[str, Any]:
        return credentials(*self._keys, now_ns)

    def login(self) -> Login:
        """Log in, ask for heartbeats, arm the dead man's switch, and subscribe."""
        yield from self._authorise()
        yield from self._listen()
        method = "private/enable_cancel_on_disconnect"
        expect((yield from self._call(GUARD, method, scope=SCOPE)), "ok", method)
        yield from self._subscribe("private/subscribe", [ORDERS, TRADES])

    def take(self, frame: bytes | str, ts_ns: int) -> list[Update]:
        """Return what a frame tells of orders.

        Raises
        ------
        VenueError
            If it is not understood: nothing is dropped.
        """
        self._keep_login(ts_ns)
        updates: list[Update] = []
        for one in self._frames(frame):
            message = read(_FRAMES, one)
            params = message.params
            if message.method != "subscription" or params is None:
                self._beside(message, one, ts_ns)
            elif params.channel == ORDERS and isinstance(params.data, OrderState):
                updates.append(self._of_order(params.data, ts_ns))
            elif params.channel == TRADES and isinstance(params.data, list):
                updates += [Update(trade.execution(self._units).fill(trade.label, ts_ns)) for trade in params.data]
            else:
                raise unread(one, "message", "its channel was not asked for, or has other data")
        return updates

    def _of_order(self, order: OrderState, ts_ns: int) -> Update:
        """Return what became of an order. One that is filled is only known better: its executions say the rest."""
        filled = self._units.qty(order.instrument_name, order.filled_amount)
        over, name = order.over(), order.label
        if over and order.order_state == "cancelled":
            return Update(Cancelled(ts_ns=ts_ns, order_id=name), filled)
        if over and order.order_state == "rejected":
            why = ascii(order.cancel_reason[:60])[1:-1] or "rejected after acceptance"
            return Update(Reject(ts_ns=ts_ns, order_id=name, code="rejected", message=why), filled)
        return Update(Ack(ts_ns=ts_ns, order_id=name, venue_order_id=order.order_id), filled)
