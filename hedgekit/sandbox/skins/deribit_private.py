"""Deribit's private methods: orders, executions, positions, balances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgekit.sandbox.skins import deribit_params as ask
from hedgekit.sandbox.skins.deribit_fills import RECENT_NS
from hedgekit.sandbox.skins.deribit_wire import CURRENCIES, RpcError, amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.model import OrderState
    from hedgekit.sandbox.skins.deribit_account import Account
    from hedgekit.sandbox.skins.deribit_fills import Executions
    from hedgekit.sandbox.skins.deribit_log import Log
    from hedgekit.sandbox.skins.deribit_orders import Desk
    from hedgekit.sandbox.skins.deribit_public import Methods
    from hedgekit.sandbox.skins.deribit_socket import Connection


class Private:
    """What the account may ask.

    Parameters
    ----------
    exchange : Exchange
        Where it trades.
    desk : Desk
        Its orders.
    account : Account
        What it holds.
    executions : Executions
        What it traded.
    log : Log
        What changed its balances.
    now : callable
        The timeline's time, nanoseconds.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self, exchange: Exchange, desk: Desk, account: Account, executions: Executions, log: Log, *, now: Callable[[], int]
    ) -> None:
        self._exchange, self._desk, self._account, self._executions = exchange, desk, account, executions
        self._log, self._now = log, now

    def methods(self) -> Methods:
        """Return the methods by name: how their parameters are read, and what they do."""
        return {
            "private/buy": (ask.Place, lambda asked, connection: self._place(asked, connection, buy=True)),
            "private/sell": (ask.Place, lambda asked, connection: self._place(asked, connection, buy=False)),
            "private/close_position": (ask.Close, self._close),
            "private/cancel": (ask.OrderId, lambda asked, _: self._desk.cancel(asked.order_id)),
            "private/cancel_all": (ask.Orders, self._cancel_all),
            "private/cancel_all_by_currency": (ask.OrdersIn, self._cancel_all),
            "private/cancel_all_by_instrument": (ask.OrdersOf, self._cancel_all),
            "private/cancel_by_label": (ask.OfLabel, self._cancel_by_label),
            "private/get_order_state": (ask.OrderId, self._order),
            "private/get_order_state_by_label": (ask.LabelIn, self._by_label),
            "private/get_open_orders": (ask.Orders, self._open),
            "private/get_open_orders_by_currency": (ask.OrdersIn, self._open),
            "private/get_open_orders_by_instrument": (ask.OrdersOf, self._open),
            "private/get_open_orders_by_label": (ask.LabelIn, self._open_by_label),
            "private/get_order_history_by_currency": (ask.HistoryIn, self._history),
            "private/get_order_history_by_instrument": (ask.HistoryOf, self._history),
            "private/get_user_trades_by_currency": (ask.TradesIn, self._trades),
            "private/get_user_trades_by_currency_and_time": (ask.TradesIn, self._trades),
            "private/get_user_trades_by_instrument": (ask.TradesOf, self._trades),
            "private/get_user_trades_by_instrument_and_time": (ask.TradesOf, self._trades),
            "private/get_user_trades_by_order": (ask.TradesFor, self._trades_of),
            "private/get_transaction_log": (ask.Log, self._logged),
            "private/get_position": (ask.Name, lambda asked, _: self._account.position(self._desk.key(asked.instrument_name))),
            "private/get_positions": (ask.Positions, self._positions),
            "private/get_account_summary": (ask.Summary, self._summary),
            "private/get_account_summaries": (ask.Summaries, self._summaries),
            "private/get_subaccounts": (ask.Nothing, lambda _, __: [USER]),
        }

    # ------------------------------------------------------------------- orders

    def _place(self, asked: ask.Place, connection: Connection | None, *, buy: bool) -> object:
        told, state = self._desk.place(asked, buy=buy)
        if connection is not None:
            connection.placed.add(state.order_id)
        return told

    def _close(self, asked: ask.Close, connection: Connection | None) -> object:
        key = self._desk.key(asked.instrument_name)
        held = self._exchange.ledger.position(key)
        if not held:
            raise RpcError(11030, f"there is no position in {asked.instrument_name}")
        size = amount(self._exchange.instruments[key], held)
        order = ask.Place(instrument_name=asked.instrument_name, amount=size, type=asked.type, price=asked.price, reduce_only=True)
        return self._place(order, connection, buy=held < 0)

    def _chosen(self, asked: ask.Orders) -> list[OrderState]:
        if asked.type not in {"all", "limit"} or asked.detailed:
            raise RpcError(10033, "not simulated: leave it out", "detailed" if asked.detailed else "type")
        return [state for state in self._desk.working(self._desk.named(asked)) if asked.type == "all" or state.request.kind == "limit"]

    def _labelled(self, asked: ask.LabelIn | ask.OfLabel) -> list[OrderState]:
        return [state for state in self._desk.working(self._desk.named(asked)) if self._desk.about(state).label == asked.label]

    def _cancel_all(self, asked: ask.Orders, _: object) -> object:
        return self._desk.cancel_all(self._chosen(asked))

    def _cancel_by_label(self, asked: ask.OfLabel, _: object) -> object:
        return self._desk.cancel_all(self._labelled(asked))

    def _open(self, asked: ask.Orders, _: object) -> object:
        return [self._desk.json(state) for state in self._chosen(asked)]

    def _open_by_label(self, asked: ask.LabelIn, _: object) -> object:
        return [self._desk.json(state) for state in self._labelled(asked)]

    def _order(self, asked: ask.OrderId, _: object) -> object:
        state = self._desk.find(asked.order_id)
        if state is None or state not in self._desk.recent([state.request.instrument]):
            raise RpcError(10004, f"no order {asked.order_id[:60]!a}")
        return self._desk.json(state)

    def _by_label(self, asked: ask.LabelIn, _: object) -> object:
        return [self._desk.json(state) for state in self._desk.recent(self._desk.named(asked), label=asked.label)]

    def _history(self, asked: ask.History, _: object) -> object:
        recent = self._desk.recent(self._desk.named(asked), historical=asked.historical or asked.include_old)
        over = [state for state in recent if not state.leaves and (state.filled or asked.include_unfilled)]
        return [self._desk.json(state) for state in over[::-1][asked.offset : asked.offset + asked.count]]

    # --------------------------------------------------------------- executions

    def _trades(self, asked: ask.Trades, _: object) -> object:
        return self._executions.page(asked, self._desk.named(asked), self._now())

    def _trades_of(self, asked: ask.TradesFor, _: object) -> object:
        if self._desk.find(asked.order_id) is None:
            raise RpcError(10004, f"no order {asked.order_id[:60]!a}")
        since_ns = 0 if asked.historical else self._now() - RECENT_NS
        return self._executions.of_order(asked.order_id, ascending=asked.sorting == "asc", since_ns=since_ns)

    # ------------------------------------------------------------------ account

    def _logged(self, asked: ask.Log, _: object) -> object:
        if asked.currency not in {*self._account.currencies, *CURRENCIES}:
            raise RpcError(-32602, f"invalid currency {asked.currency[:20]!a}", "currency")
        return self._log.page(asked)

    def _positions(self, asked: ask.Positions, _: object) -> object:
        traded = {done.key for done in self._executions.all}
        return [self._account.position(key) for key in self._desk.named(asked) if key in traded]

    def _summary(self, asked: ask.Summary, _: object) -> object:
        if asked.currency not in {*self._account.currencies, *CURRENCIES}:
            raise RpcError(-32602, f"invalid currency {asked.currency[:20]!a}", "currency")
        return self._account.summary(asked.currency, extended=asked.extended)

    def _summaries(self, asked: ask.Summaries, _: object) -> object:
        told = [self._account.summary(currency, extended=asked.extended) for currency in self._account.currencies]
        return {"summaries": told, **(USER if asked.extended else {})}


USER: dict[str, object] = {
    "id": 1,
    "type": "main",
    "username": "sandbox",
    "system_name": "sandbox",
    "email": "",
    "is_password": True,
    "login_enabled": True,
    "receive_notifications": False,
    "security_keys_enabled": False,
    "security_keys_assignments": [],
}
"""The one account, without its keys."""
