"""Executions as Deribit lists them: the account's, and the same ones as the public's, since the sandbox has no other traders."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from hedgekit.sandbox.skins.deribit_wire import MS, STATES, About, RpcError, amount, listed, num
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.model import Executed
    from hedgekit.sandbox.skins.deribit_params import Trades

RECENT_NS = 86_400 * NS
"""Older executions are listed with ``historical`` only."""


class Done(NamedTuple):
    """One execution, and how it is told: to the account, and to all."""

    ts_ns: int
    key: str
    order_id: str
    trade_id: str
    seq: int
    own: dict[str, object]
    public: dict[str, object]


class Stats(NamedTuple):
    """What was traded of an instrument, for display: in what prices count and in coin, at what prices."""

    dollars: Decimal = Decimal(0)
    coins: Decimal = Decimal(0)
    low: Decimal | None = None
    high: Decimal | None = None


class Executions:
    """All executions, oldest first.

    Parameters
    ----------
    exchange : Exchange
        Whose they are.
    shift : callable
        Returns by how many nanoseconds the venue's clock is off.
    """

    def __init__(self, exchange: Exchange, shift: Callable[[], int]) -> None:
        self._exchange, self._shift = exchange, shift
        self.all: list[Done] = []
        self._place: dict[str, int] = {}
        self.last: dict[str, Done] = {}
        self.stats: dict[str, Stats] = {}

    def add(self, report: Executed, about: About) -> Done:
        """Take up an execution."""
        state = report.order
        key, new = state.request.instrument, state.request
        instrument, before = self._exchange.instruments[key], self.last.get(key)
        seq, price = (before.seq if before else 0) + 1, num(report.price)
        mark = num(self._exchange.marks[key])
        size = amount(instrument, report.qty)
        side = "buy" if report.qty > 0 else "sell"
        both = {
            "trade_seq": seq,
            "trade_id": report.execution_id,
            "timestamp": (report.ts_ns + self._shift()) // MS,
            "tick_direction": _direction(before, price),
            "price": price,
            "mark_price": mark,
            "instrument_name": instrument.symbol,
            "index_price": mark,
            "amount": size,
            "contracts": num(abs(report.qty)),
        }
        own = {
            "state": STATES[state.status],
            "reduce_only": about.reduce_only,
            "profit_loss": num(report.profit),
            "post_only": new.post_only,
            "order_type": about.order_type,
            "order_id": about.order_id,
            "matching_id": None,
            "liquidity": "M" if report.maker else "T",
            "label": about.label,
            "fee_currency": listed(instrument.symbol).settle,
            "fee": num(report.fee),
            "direction": side,
            "api": not about.liquidation,
        }
        taker = side if not report.maker else {"buy": "sell", "sell": "buy"}[side]
        done = Done(report.ts_ns, key, about.order_id, report.execution_id, seq, both | own, both | {"direction": taker})
        self._place[done.trade_id] = len(self.all)
        self.all.append(done)
        self.last[key] = done
        stats = self.stats.get(key, Stats())
        dollars, coins = (size, size / price) if instrument.inverse else (size * price, size)
        low, high = (price if stats.low is None else min(stats.low, price)), (price if stats.high is None else max(stats.high, price))
        self.stats[key] = Stats(stats.dollars + dollars, stats.coins + coins, low, high)
        return done

    def page(self, asked: Trades, wanted: Iterable[str], now_ns: int, *, public: bool = False) -> dict[str, object]:
        """Return the executions that are asked for, of some instruments; newest first unless told otherwise.

        Raises
        ------
        RpcError
            If one is asked for by an id that there is not.
        """
        keys = set(wanted)
        first, last = self._at(asked.start_id, "start_id", 0), self._at(asked.end_id, "end_id", len(self.all) - 1)
        everything = public or asked.historical or asked.include_old
        found = [
            one
            for one in self.all[first : last + 1]
            if one.key in keys
            and (everything or one.ts_ns >= now_ns - RECENT_NS)
            and (asked.start_timestamp is None or one.ts_ns // MS >= asked.start_timestamp)
            and (asked.end_timestamp is None or one.ts_ns // MS <= asked.end_timestamp)
            and (asked.start_seq is None or one.seq >= asked.start_seq)
            and (asked.end_seq is None or one.seq <= asked.end_seq)
        ]
        found = found if asked.sorting == "asc" else found[::-1]
        trades = [one.public if public else one.own for one in found[: asked.count]]
        return {"trades": trades, "has_more": len(found) > asked.count}

    def of_id(self, trade_id: str) -> Done:
        """Return an execution that is known to be there."""
        return self.all[self._place[trade_id]]

    def of_order(self, order_id: str, *, ascending: bool, since_ns: int) -> list[dict[str, object]]:
        """Return the executions of an order."""
        found = [one.own for one in self.all if one.order_id == order_id and one.ts_ns >= since_ns]
        return found if ascending else found[::-1]

    def _at(self, trade_id: str | None, param: str, otherwise: int) -> int:
        if trade_id is None:
            return otherwise
        if trade_id not in self._place:
            raise RpcError(-32602, f"there is no execution {trade_id[:60]!a}", param)
        return self._place[trade_id]


def _direction(before: Done | None, price: Decimal) -> int:
    """Return Deribit's tick direction: 0 up, 1 the same after up, 2 down, 3 the same after down."""
    if before is None:
        return 0
    was, tick = before.public["price"], before.public["tick_direction"]
    if price == was:
        return 1 if tick in {0, 1} else 3
    return 0 if price > was else 2  # type: ignore[operator] # a price
