"""The venues' own record, in JSON lines that the exchange's process alone writes. Every line has its ``venue``.

``requests.jsonl``
    A line for each request that reached the exchange, in that order: ``n`` (counted from 1), ``t`` (when), ``label``
    ("2-17": the 17th request of the second session that attached; null live), ``method``, ``path``, ``body``,
    ``done`` (whether the exchange acted on it), ``result`` (the exchange's own status, null if not done), ``status``
    (what the client is told, null for a connection closed or left without an answer), ``fault``. If an outage takes
    an answer that was on its way, a second line with the same ``n`` says so: ``{"n", "t", "broken": true}``. A
    request without a valid label is answered 400 before it gets a number: ``n`` is null.
``ledger.jsonl``
    First the account at each venue as it opened: ``cash``, and by symbol what a unit of quantity is worth at price 1. Then each order
    accepted, fill, cancel and reject, each contract settled (what was held, and what it pays) and funding exchanged (what was
    held, at which mark, and as ``fee`` what was paid), and each fill booked back (``reversed``: its opposite, under an id of its own):
    ``t``, ``event``,
    ``client_id``, ``order_id`` (the exchange's), ``execution_id``, ``symbol``, ``qty`` (signed; of the order, of the fill, or
    what a cancel left unfilled), ``price`` (limit or fill), ``fee``, ``why``, and ``position`` and ``cash`` after it: the balance
    of the currency that the instrument settles in.
``faults.jsonl``
    Each fault that came to pass: ``t``, its fields, and which request (``n``) or channel it befell.

Times are nanoseconds UTC, virtual in step; amounts are strings with every digit. A line is with the operating system
before its answer leaves. Headers, which carry the keys, are never written.
"""

from __future__ import annotations

from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.exchange.model import EXACT, Accepted, Cancelled, Executed, Funding, Rejected, Report, Reports, Reversed

if TYPE_CHECKING:
    from io import FileIO

    from hedgekit.exchange.binary import Settlement
    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.faults import Fault
    from hedgekit.sandbox.calls import Call
    from hedgekit.sandbox.timeline import Ticket

NAMES = ("requests", "ledger", "faults")
ZERO = Decimal(0)
_EVENTS: dict[type, str] = {Accepted: "accepted", Executed: "fill", Reversed: "reversed", Cancelled: "cancelled", Rejected: "rejected"}


class Files:
    """The three files; a context manager.

    Parameters
    ----------
    folder : path, optional
        Where the files are made; without one nothing is recorded.

    Raises
    ------
    ConfigError
        On entering, if the folder holds a record already or cannot be written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._files: dict[str, FileIO] = {}
        self._requests = 0
        self._stack = ExitStack()

    @property
    def open(self) -> bool:
        """Whether anything is recorded."""
        return bool(self._files)

    def __enter__(self) -> Self:
        """Make the files."""
        if self._folder is None:
            return self
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name in NAMES:
                self._files[name] = self._stack.enter_context((self._folder / f"{name}.jsonl").open("xb", buffering=0))
        except FileExistsError:
            self._stack.close()
            msg = f"{self._folder} holds the record of another exchange; give --log a new folder"
            raise ConfigError(msg) from None
        except OSError as error:
            self._stack.close()
            msg = f"the record cannot be written to {self._folder} ({error.strerror}); give --log another folder"
            raise ConfigError(msg) from None
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self._stack.close()

    def write(self, name: str, line: dict[str, Any]) -> None:
        """Write a line to one of the files."""
        if file := self._files.get(name):
            file.write(msgspec.json.encode(line) + b"\n")

    def number(self) -> int:
        """Return the number of the request that has just reached an exchange."""
        self._requests += 1
        return self._requests


class Record:
    """What one venue writes.

    Parameters
    ----------
    files : Files
        Where.
    venue : str
        Its name.
    """

    def __init__(self, files: Files, venue: str) -> None:
        self._files, self._venue = files, venue
        self.number = files.number

    def _write(self, name: str, line: dict[str, Any]) -> None:
        self._files.write(name, line | {"venue": self._venue})

    # ---------------------------------------------------------------- requests

    def request(  # noqa: PLR0913 - the columns of a line
        self, now_ns: int, call: Call, *, n: int | None, ticket: Ticket | None, fault: str | None, result: int | None, status: int | None
    ) -> None:
        """Write a request that has reached the exchange."""
        if not self._files.open:
            return
        about = {"n": n, "t": now_ns, "label": None if ticket is None else str(ticket), "method": call.method, "path": call.target}
        body = call.body.decode(errors="backslashreplace")
        self._write("requests", {**about, "body": body, "done": result is not None, "result": result, "status": status, "fault": fault})

    def broken(self, now_ns: int, n: int) -> None:
        """Write that the answer to a request was lost with its connection after all."""
        self._write("requests", {"n": n, "t": now_ns, "broken": True})

    # ------------------------------------------------------------------ ledger

    def opened(self, exchange: Exchange) -> None:
        """Write the account as it opens; what the exchange reports from then on follows."""
        self._exchange = exchange
        units = {i.symbol: _text(i.multiplier) for i in exchange.instruments.values()}
        self._write("ledger", {"event": "opened", "cash": _text(exchange.ledger.cash), "multipliers": units})

    def reports(self, reports: Reports) -> None:
        """Write what the exchange reports, with position and cash after each of them."""
        if not self._files.open:
            return
        ledger, lines = self._exchange.ledger, []
        balances, positions = dict(ledger.balances), dict(ledger.positions())
        for report in reversed(reports):  # the ledger is where the last one left it
            key = "" if report.order is None else report.order.request.instrument
            currency = ledger.contracts[key].currency if key else ledger.home
            held = positions.get(key, ZERO)
            lines.append(_line(report) | {"position": _text(held) if key else None, "cash": _text(balances[currency])})
            if isinstance(report, Executed):
                positions[key] = EXACT.subtract(held, report.qty)
                balances[currency] = EXACT.add(EXACT.subtract(balances[currency], self._booked(report)), report.fee)
        for line in reversed(lines):
            self._write("ledger", line)

    def _booked(self, fill: Executed) -> Decimal:
        """Return what a fill added to the balance, before its fee: a perpetual's profit, or less what was paid."""
        ledger, key = self._exchange.ledger, fill.order.request.instrument
        return fill.profit if ledger.contracts[key].perpetual else ledger.value(key, fill.qty, fill.price).copy_negate()

    def settled(self, settlement: Settlement, key: str) -> None:
        """Write that a contract has settled, with what was held of it."""
        if not self._files.open:
            return
        held, payout = settlement.positions[key], settlement.payouts[key]
        line = {"t": settlement.ts_ns, "event": "settled", "client_id": None, "order_id": None, "execution_id": None}
        about = {"symbol": key.partition(":")[2], "qty": _text(EXACT.minus(held)), "price": _text(payout), "fee": "0", "why": None}
        self._write("ledger", {**line, **about, "position": "0", "cash": _text(self._exchange.ledger.cash)})

    def funded(self, paid: Funding) -> None:
        """Write that funding was exchanged, if any was: what was held, the mark as the price, and what was paid for it as the fee."""
        if not paid.paid:
            return
        line = {"t": paid.ts_ns, "event": "funding", "client_id": None, "order_id": None, "execution_id": None}
        about = {"symbol": paid.instrument.partition(":")[2], "qty": _text(paid.position), "price": _text(paid.mark)}
        ledger = self._exchange.ledger
        cash = ledger.balances[ledger.contracts[paid.instrument].currency]
        told = {"fee": _text(paid.paid.copy_negate()), "why": None, "position": _text(paid.position), "cash": _text(cash)}
        self._write("ledger", {**line, **about, **told})

    # ------------------------------------------------------------------ faults

    def fault(self, now_ns: int, fault: Fault, **about: object) -> None:
        """Write a fault that has come to pass."""
        fields = {name: getattr(fault, name) for name in ("kind", "at", "seconds", "fraction", "count")}
        self._write("faults", {"t": now_ns, **fields, **about})


def _text(number: Decimal) -> str:
    return format(number, "f")


def _line(report: Report) -> dict[str, Any]:
    order = report.order
    event, why = _EVENTS[type(report)], None
    qty = price = fee = execution = None
    if order is not None:
        qty, price = order.request.qty, order.request.limit
    match report:
        case Executed():
            qty, price, fee, execution = report.qty, report.price, report.fee, report.execution_id
        case Cancelled():
            whole, why = report.order.request.qty, report.why
            qty = EXACT.subtract(whole, report.order.filled.copy_sign(whole))
        case Rejected():
            why = report.why.value
        case Accepted():
            pass
    return {
        "t": report.ts_ns,
        "event": event,
        "client_id": report.client_id if isinstance(report, Rejected) else report.order.request.client_id,
        "order_id": None if order is None else order.order_id,
        "execution_id": execution,
        "symbol": None if order is None else order.request.instrument.partition(":")[2],
        "qty": None if qty is None else _text(qty),
        "price": None if price is None else _text(price),
        "fee": None if fee is None else _text(fee),
        "why": why,
    }
