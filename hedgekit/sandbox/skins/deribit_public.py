"""Deribit's public methods: time and status, what is listed, its market, its executions and funding."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hedgekit.sandbox.skins import deribit_params as ask
from hedgekit.sandbox.skins.deribit_board import levels
from hedgekit.sandbox.skins.deribit_wire import CURRENCIES, MS, RpcError, instrument_json, listed, num, symbol_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.exchange.engine import Exchange
    from hedgekit.sandbox.skins.deribit_board import Board
    from hedgekit.sandbox.skins.deribit_fills import Executions
    from hedgekit.sandbox.skins.deribit_orders import Desk

VERSION = {"version": "1.2.26"}
HOUR_MS = 3_600_000
Methods = dict[str, tuple[type[ask.Nothing], "Callable[[Any, Any], object]"]]


class Public:
    """What anybody may ask.

    Parameters
    ----------
    exchange : Exchange
        What is listed.
    desk : Desk
        Knows instruments by name.
    board : Board
        Their market.
    executions : Executions
        What was traded.
    now, shift : callable
        The timeline's time, nanoseconds, and how far the venue's clock is off.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self, exchange: Exchange, desk: Desk, board: Board, executions: Executions, *, now: Callable[[], int], shift: Callable[[], int]
    ) -> None:
        self._exchange, self._desk, self._board, self._executions = exchange, desk, board, executions
        self._now, self._shift = now, shift
        self._opened_ms = now() // MS
        self.funded: list[tuple[str, int, Decimal, Decimal, Decimal]] = []
        """Funding that was exchanged: instrument key, time in milliseconds, rate, index, index before."""

    def methods(self) -> Methods:
        """Return the methods by name: how their parameters are read, and what they do."""
        return {
            "public/get_time": (ask.Nothing, lambda _, __: (self._now() + self._shift()) // MS),
            "public/test": (ask.Test, self._test),
            "public/hello": (ask.Hello, lambda _, __: VERSION),
            "public/status": (ask.Nothing, self._status),
            "public/get_currencies": (ask.Nothing, self._currencies),
            "public/get_instruments": (ask.Instruments, self._instruments),
            "public/get_instrument": (ask.Name, lambda asked, _: self._instrument(self._desk.key(asked.instrument_name))),
            "public/get_contract_size": (ask.Name, self._size),
            "public/get_order_book": (ask.Depth, self._book),
            "public/ticker": (ask.Name, lambda asked, _: self._sheet(asked.instrument_name).ticker),
            "public/get_book_summary_by_instrument": (ask.Name, lambda asked, _: [self._summary(self._desk.key(asked.instrument_name))]),
            "public/get_book_summary_by_currency": (ask.Currency, self._summaries),
            "public/get_index_price": (ask.Index, self._index),
            "public/get_index_price_names": (ask.Nothing, lambda _, __: sorted({listed(i.symbol).price_index for i in self._listed()})),
            "public/get_last_trades_by_instrument": (ask.TradesOf, self._trades),
            "public/get_last_trades_by_instrument_and_time": (ask.TradesOf, self._trades),
            "public/get_last_trades_by_currency": (ask.TradesIn, self._trades),
            "public/get_last_trades_by_currency_and_time": (ask.TradesIn, self._trades),
            "public/get_funding_rate_value": (ask.Span, self._rate),
            "public/get_funding_rate_history": (ask.Span, self._rates),
        }

    def _listed(self) -> list[Any]:
        return list(self._exchange.instruments.values())

    def _sheet(self, name: str) -> Any:  # noqa: ANN401 - a sheet
        return self._board.sheet(self._desk.key(name), self._now())

    @staticmethod
    def _test(asked: ask.Test, _: object) -> object:
        if asked.expected_result == "exception":
            raise RpcError(11094, "as was asked for")
        return VERSION

    def _status(self, _: object, __: object) -> object:
        shut = [listed(symbol_of(key)).price_index for key, state in self._board.state.items() if state != "open"]
        locked = "true" if shut and len(shut) == len(self._board.state) else "partial" if shut else "false"
        return {"locked": locked, "locked_indices": sorted(set(shut))}

    def _currencies(self, _: object, __: object) -> object:
        used = {name for i in self._listed() for name in (listed(i.symbol).base, listed(i.symbol).settle)}
        zero = Decimal(0)
        return [
            {
                "currency": name,
                "currency_long": name,
                "coin_type": name,
                "network_currency": name,
                "decimals": 8,
                "fee_precision": 8,
                "min_confirmations": 1,
                "min_withdrawal_fee": zero,
                "withdrawal_fee": zero,
                "network_fee": zero,
                "apr": zero,
                "withdrawal_priorities": [],
                "in_cross_collateral_pool": False,
            }
            for name in CURRENCIES
            if name in used
        ]

    def _instruments(self, asked: ask.Instruments, _: object) -> object:
        if asked.expired:
            return []
        return [self._instrument(key) for key in self._desk.named(asked)]

    def _instrument(self, key: str) -> dict[str, object]:
        number = list(self._exchange.instruments).index(key) + 1
        return instrument_json(self._exchange.ledger.contracts[key], number, self._opened_ms)

    def _size(self, asked: ask.Name, _: object) -> object:
        return {"contract_size": num(self._exchange.instruments[self._desk.key(asked.instrument_name)].multiplier)}

    # ------------------------------------------------------------------- market

    def _book(self, asked: ask.Depth, _: object) -> object:
        sheet = self._sheet(asked.instrument_name)
        sides = {"bids": levels(sheet.bids, asked.depth), "asks": levels(sheet.asks, asked.depth)}
        return sheet.ticker | {"change_id": sheet.change_id, **sides}

    def _summaries(self, asked: ask.Currency, _: object) -> object:
        return [self._summary(key) for key in self._desk.named(asked)]

    def _summary(self, key: str) -> dict[str, object]:
        ticker = self._board.sheet(key, self._now()).ticker
        about, stats = listed(symbol_of(key)), ticker["stats"]
        return {
            "instrument_name": ticker["instrument_name"],
            "base_currency": about.base,
            "quote_currency": about.quote,
            "creation_timestamp": (self._now() + self._shift()) // MS,
            "bid_price": ticker["best_bid_price"],
            "ask_price": ticker["best_ask_price"],
            "mid_price": ticker["mark_price"],
            "last": ticker["last_price"],
            **{name: ticker[name] for name in ("mark_price", "open_interest", "estimated_delivery_price", "funding_8h", "current_funding")},
            **{name: stats[name] for name in ("volume", "volume_usd", "volume_notional", "low", "high", "price_change")},
        }

    def _index(self, asked: ask.Index, _: object) -> object:
        for key, instrument in self._exchange.instruments.items():
            if listed(instrument.symbol).price_index == asked.index_name:
                mark = self._exchange.marks.get(key)
                price = None if mark is None else num(mark)
                return {"index_price": price, "estimated_delivery_price": price}
        raise RpcError(-32602, f"no index {asked.index_name[:40]!a}", "index_name")

    def _trades(self, asked: ask.Trades, _: object) -> object:
        return self._executions.page(asked, self._desk.named(asked), self._now(), public=True)

    # ------------------------------------------------------------------ funding

    def _rate(self, asked: ask.Span, _: object) -> object:
        key = self._desk.key(asked.instrument_name)
        within = [rate for of, at, rate, _, _ in self.funded if of == key and asked.start_timestamp <= at <= asked.end_timestamp]
        return num(sum(within, Decimal(0)))

    def _rates(self, asked: ask.Span, _: object) -> object:
        key = self._desk.key(asked.instrument_name)
        rows = [row for row in self.funded if row[0] == key]
        return [
            {
                "timestamp": at,
                "index_price": num(index),
                "prev_index_price": num(before),
                "interest_8h": num(sum((r for _, t, r, _, _ in rows if at - 8 * HOUR_MS < t <= at), Decimal(0))),
                "interest_1h": num(sum((r for _, t, r, _, _ in rows if at - HOUR_MS < t <= at), Decimal(0))),
            }
            for _, at, _, index, before in rows
            if asked.start_timestamp <= at <= asked.end_timestamp
        ]

    def fund(self, key: str, rate: Decimal, ts_ns: int) -> None:
        """Take note of funding that was exchanged: the rate of the interval that ends now."""
        at, mark = ts_ns // MS, self._exchange.marks[key]
        before = next((index for of, _, _, index, _ in reversed(self.funded) if of == key), mark)
        self.funded.append((key, at, rate, mark, before))
        eight = sum((r for of, t, r, _, _ in self.funded if of == key and t > at - 8 * HOUR_MS), Decimal(0))
        self._board.funding[key] = rate, eight
