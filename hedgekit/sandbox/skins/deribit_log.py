"""The account's log, as Deribit keeps it: every change of a balance, by trades and by funding.

The exchange books profit and funding at once, so every line changes the balance by all that it says; at Deribit most of it waits
for the settlement at 08:00 UTC. Funding is the line of a settlement.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from hedgekit.exchange.model import EXACT
from hedgekit.sandbox.skins.deribit_wire import MS, RpcError, amount, listed, num

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.model import Executed, Funding
    from hedgekit.sandbox.skins.deribit_fills import Done
    from hedgekit.sandbox.skins.deribit_params import Log as Asked

ZERO = Decimal(0)
FIRST = 61_000
"""Id of the line before the first one."""

QUERIES = frozenset({"trade", "settlement", "maker", "taker", "buy", "sell"})
"""Words that choose lines, of those that Deribit knows."""


class Log:
    """All lines, oldest first.

    Parameters
    ----------
    exchange : Exchange
        Whose account it is.
    shift : callable
        Returns by how many nanoseconds the venue's clock is off.
    """

    def __init__(self, exchange: Exchange, shift: Callable[[], int]) -> None:
        self._exchange, self._shift = exchange, shift
        self._lines: list[tuple[int, dict[str, object], frozenset[str]]] = []

    def traded(self, report: Executed, done: Done) -> None:
        """Add an execution: its profit and its fee."""
        side, role = str(done.own["direction"]), "maker" if report.maker else "taker"
        before = EXACT.subtract(report.position, report.qty)
        opens = abs(report.position) > abs(before)
        told = {
            "type": "trade",
            "trade_id": report.execution_id,
            "order_id": done.own["order_id"],
            "user_role": role,
            "fee_role": role,
            "side": f"{'open' if opens else 'close'} {side}",
            "price": num(report.price),
            "mark_price": done.own["mark_price"],
            "index_price": done.own["index_price"],
            "amount": done.own["amount"],
            "contracts": done.own["contracts"],
            "commission": num(report.fee),
            "cashflow": num(report.profit),
            "change": num(EXACT.subtract(report.profit, report.fee)),
            "interest_pl": ZERO,
            "profit_as_cashflow": True,
        }
        self._add(report.ts_ns, done.key, report.position, told, {"trade", role, side})

    def funded(self, paid: Funding) -> None:
        """Add funding, if any was exchanged."""
        if not paid.paid:
            return
        told: dict[str, object] = {
            "type": "settlement",
            "trade_id": None,
            "order_id": None,
            "side": "long" if paid.position > 0 else "short",
            "price": num(paid.mark),
            "amount": amount(self._exchange.instruments[paid.instrument], paid.position),
            "commission": None,
            "cashflow": num(paid.paid),
            "change": num(paid.paid),
            "interest_pl": num(paid.paid),
            "total_interest_pl": num(paid.paid),
            "session_rpl": num(paid.paid),
            "session_upl": ZERO,
            "info": {"settlement_price": num(paid.mark), "floating_pl": ZERO},
        }
        self._add(paid.ts_ns, paid.instrument, paid.position, told, {"settlement"})

    def _add(self, ts_ns: int, key: str, position: Decimal, told: dict[str, object], words: set[str]) -> None:
        instrument = self._exchange.instruments[key]
        about = listed(instrument.symbol)
        number, account = FIRST + len(self._lines) + 1, self._exchange.summary(about.settle)
        line = {
            "id": number,
            "user_seq": number,
            "user_id": 1,
            "username": "sandbox",
            "timestamp": (ts_ns + self._shift()) // MS,
            "currency": about.settle,
            "instrument_name": instrument.symbol,
            "price_currency": about.quote,
            "position": num(amount(instrument, position).copy_sign(position)),
            "balance": num(account.cash),
            "equity": num(account.equity),
            "info": {},
        }
        self._lines.append((ts_ns, line | told, frozenset(words)))

    def page(self, asked: Asked) -> dict[str, object]:
        """Return the lines that are asked for, newest first, and the token for those before them.

        Raises
        ------
        RpcError
            If lines are asked for by a word that is not simulated.
        """
        if asked.query is not None and asked.query not in QUERIES:
            raise RpcError(10033, f"not simulated: one of {', '.join(sorted(QUERIES))}", "query")
        found = [
            line
            for number, (ts_ns, line, words) in enumerate(self._lines, FIRST + 1)
            if line["currency"] == asked.currency
            and asked.start_timestamp <= ts_ns // MS <= asked.end_timestamp
            and (asked.query is None or asked.query in words)
            and (asked.continuation is None or number <= asked.continuation)
        ][::-1]
        return {"logs": found[: asked.count], "continuation": found[asked.count]["id"] if len(found) > asked.count else None}
