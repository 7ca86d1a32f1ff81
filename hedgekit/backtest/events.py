"""Event replay: recorded books through the same Hedger, orders matched level by level by the simulated exchange.

The slow, deep twin of the compiled backtest. ``run`` knows one level a side; here an order walks down the recorded
book, an empty or crossed side refuses and says so, the exchange checks every order as a venue would, and a binary market
is settled at its official outcome. On books of one level both make the same decisions and the same fills (L1; held by a
test on random tapes).

The recorded market never reacts to us: what we take is gone until the book is next recorded, and nobody follows our
trade. So results are right for orders that are small beside the book, and too good for large ones.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from hedgekit.backtest import Backtest
from hedgekit.backtest.executable import EXECUTIONS, REFUSALS, trades_of
from hedgekit.data.books import Books
from hedgekit.data.tape import Tape
from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange import BinaryMarket, Exchange, Executed, FillModel, Level, NewOrder, Rejected
from hedgekit.hedger import Hedger, in_turn, routine
from hedgekit.stats.revise import Reviser
from hedgekit.types import Cancelled, Command, Decision, Fill, Input, Kind, Order, PlanRevised, Quote, Reason, Reject, Timer

if TYPE_CHECKING:
    from hedgekit.exchange import Settlement
    from hedgekit.params import Params

AMPLE = Decimal(1_000_000_000_000)
"""So much cash that the account is never the limit, as in the compiled backtest."""

_CANCEL, _SUBMIT, _ROW = range(3)
_NEVER = math.inf

Hears = Literal["book", "mid"]
Refresh = Literal["row", "change"]


@dataclass(frozen=True, eq=False, kw_only=True)
class EventReplay(Backtest):
    """A backtest with what only a replay of the books can say.

    Attributes
    ----------
    executions : DataFrame
        One row for each fill, in the order in which they happened: ``ts`` (at the venue), ``trade``, ``order_id``, ``leg``,
        ``instrument``, ``qty`` (signed), ``price``, ``level`` (1 for the touch), ``mid`` (at the fill), ``mid_decided`` (when
        the order was decided), ``two_sided`` (if False the book had one side, and ``mid`` is the last that there was), ``fee``.
    refusals : DataFrame
        One row each time that the market did not give a waiting order all that it wanted, or the exchange refused it:
        ``ts``, ``order_id``, ``instrument``, ``left`` (signed, still to fill) and ``why``: ``crossed``, ``no ask``,
        ``no bid``, ``depth exhausted``, or the exchange's own words.
    trades : DataFrame
        One row for each trade, at mid beside at the book: :func:`hedgekit.backtest.executable.trades_of`.
    settlements : tuple of Settlement
        How resolved binary markets were paid out; empty if none was.
    profit : Decimal
        Money made or lost in all, by the exchange's exact ledger; open positions at the last mids.

    Notes
    -----
    ``tape`` is the top of the book, and ``tables`` and ``verdict()`` are made of it and of the records: they end with the
    last bar, value what is left at mid, and know nothing of a settlement. ``trades`` and ``profit`` do.
    """

    executions: pd.DataFrame
    refusals: pd.DataFrame
    trades: pd.DataFrame
    settlements: tuple[Settlement, ...]
    profit: Decimal


def run_events(  # noqa: PLR0913 - conventions of a replay, each with its default
    market: Books | Tape,
    params: Params,
    model: FillModel | None = None,
    *,
    session: str = "backtest",
    cash: Decimal = AMPLE,
    hears: Hears = "book",
    refresh: Refresh = "row",
) -> EventReplay:
    """Replay recorded books, event by event, through the Hedger and the simulated exchange.

    Parameters
    ----------
    market : Books or Tape
        What was recorded, both legs. A tape is a book of one level.
    params : Params
        The strategy; the hedge ratio is estimated every ``refit_bars`` bars from past bars only.
    model : FillModel, optional
        ``next_quote`` with its latencies, the sandbox's own by default: an order matches first on the first book of its
        instrument that is recorded at or after its arrival at the venue.
    session : str
        Prefix of the order ids.
    cash : Decimal
        Money of the account. The default never limits; with less, orders beyond buying power are refused.
    hears : {"book", "mid"}
        What the strategy is told. ``book``: best bid and ask. ``mid``: a bid and an ask that are both the mid, so that
        no cost enters its decisions: it trades as a backtest at mid prices would, and is filled at the book. That
        is for showing what such a backtest is worth, not for trading.
    refresh : {"row", "change"}
        When depth that our orders took comes back. ``row``: with each recorded book, as in the compiled backtest and the
        sandbox. ``change``: only when the level's recorded size changes, which is harder on us; a level recorded again
        unchanged is taken to be the same orders.

    Returns
    -------
    EventReplay
        A :class:`~hedgekit.backtest.Backtest`, with the records of a journal, and the frames of what was paid.

    Raises
    ------
    ConfigError
        For another fill model, a wrong option, or instruments that the exchange does not simulate.
    DataError
        If there are no rows.

    Notes
    -----
    A crossed book (bid at or above ask) fills nothing and the strategy hears that there is no market; an empty side
    fills nothing on that side. A trade that is open at the end is paid out if ``Books.payout`` is known (no spread, no fee),
    else valued at the last mid and, at the book, at what walking the last recorded book would give.
    """
    books, tape = (market, market.tape()) if isinstance(market, Books) else (Books.of_tape(market), market)
    model = model or FillModel()
    for name, value, known in (
        ("fill model", model.name, ("next_quote",)),
        ("hears", hears, ("book", "mid")),
        ("refresh", refresh, ("row", "change")),
    ):
        if value not in known:
            msg = f"{name} {value!r}: an event replay knows {' and '.join(map(repr, known))}"
            raise ConfigError(msg)
    if params.signal == "user":
        msg = "signal='user': an event replay takes no scores of a user; give run_backtest(..., scores=...)"
        raise ConfigError(msg)
    if not len(books):
        msg = "books: no rows to replay; give at least one"
        raise DataError(msg)
    return _Replay(books, tape, params, model, session=session, cash=cash, hears=hears, refresh=refresh).run()


@dataclass(slots=True)
class _Sent:
    """An order of ours on its way or at the venue."""

    order: Order
    number: int
    arrive_ns: int
    mid: float
    venue_id: str = ""
    voided: bool = False


class _Replay:
    """One replay under way. Virtual times are those of ``backtest.loop``: what the venue does at t is heard at t + ws."""

    def __init__(  # noqa: PLR0913 - as run_events
        self, books: Books, tape: Tape, params: Params, model: FillModel, *, session: str, cash: Decimal, hears: Hears, refresh: Refresh
    ) -> None:
        self.tape, self.params = tape, params
        self.books, self.model, self.hears, self.keep_taken = books, model, hears, refresh == "change"
        self.session, self.keys = session, [i.key for i in books.instruments]
        self.hedger = Hedger(session, books.instruments, params)
        self.exchange = Exchange(books.instruments, cash, model, markets=_markets(books))
        self.reviser = Reviser(params)
        self.records: list[Fill | Cancelled | PlanRevised | Decision] = []
        self.closes: list[int] = []
        self.bar_ns: list[int] = []
        self.bar_mids: list[tuple[float | None, ...]] = []
        self.agenda: list[tuple[int, int, int, int, str]] = []  # venue time, what, tie-breaks, order id
        self.rejects: list[tuple[int, str, str]] = []
        self.sent: dict[str, _Sent] = {}
        self.executions: list[tuple[Any, ...]] = []
        self.refusals: list[tuple[Any, ...]] = []
        self.row, self.decided, self.last_ns = 0, 0, 0
        self.crossed, self.mid = books.crossed, books.mid
        self.times: list[int] = books.ts_ns.tolist()

    # ------------------------------------------------------------- the timeline

    def run(self) -> EventReplay:
        """Let one thing happen after the other until nothing is under way, then stop the session and see it out."""
        stopped = False
        while True:
            if self._advance():
                continue
            if stopped:
                return self._result()
            stopped = True
            self._hear(Command(ts_ns=self.last_ns, name="stop"))

    def _advance(self) -> bool:
        wake = self.hedger.wakeup_ns or _NEVER
        reject = self.rejects[0][0] if self.rejects else _NEVER
        row = (self.times[self.row], _ROW) if self.row < len(self.times) else (_NEVER, _ROW)
        due = min(row, self.agenda[0][:2] if self.agenda else (_NEVER, 0))
        now = min(wake, reject, due[0] + self.model.ws_ns)
        if now == _NEVER:
            return False
        self.last_ns = max(self.last_ns, int(now))
        if due[0] + self.model.ws_ns == now:
            self._venue(due[1])
        elif reject == now:
            ts_ns, order_id, message = self.rejects.pop(0)
            self._hear(Reject(ts_ns=ts_ns, order_id=order_id, code="refused", message=message))
        else:
            self._hear(Timer(ts_ns=int(now)))
        return True

    def _venue(self, what: int) -> None:
        if what == _ROW:
            self.row += 1
            self._book(self.row - 1)
            return
        ts_ns, _, _, _, order_id = self.agenda.pop(0)
        (self._arrive if what == _SUBMIT else self._void)(self.sent[order_id], ts_ns)

    # ---------------------------------------------------------------- the venue

    def _arrive(self, sent: _Sent, ts_ns: int) -> None:
        order = sent.order
        reports = self.exchange.submit(NewOrder(order.order_id, order.instrument, order.qty, order.kind, order.limit), ts_ns)
        if isinstance(last := reports[-1], Rejected):
            heard = ts_ns + max(self.model.down_ns, self.model.ws_ns)
            insort(self.rejects, (heard, order.order_id, last.message))
            self.refusals.append((ts_ns, order.order_id, order.instrument, float(order.qty), last.message))
        elif state := self.exchange.by_client(order.order_id):
            sent.venue_id = state.order_id

    def _void(self, sent: _Sent, ts_ns: int) -> None:
        reports = self.exchange.cancel(sent.venue_id, ts_ns)
        if not isinstance(reports[0], Rejected):  # else it was filled before the cancel came
            self._hear(Cancelled(ts_ns=ts_ns + self.model.ws_ns, order_id=sent.order.order_id))

    def _book(self, row: int) -> None:
        """Show a row to the exchange, leg by leg; tell of its fills first, then of its quotes."""
        ts_ns, told = self.times[row], []
        for leg, key in enumerate(self.keys):
            if not self.books.recorded[row, leg]:
                continue
            bids, asks = self._side(row, leg, "bid"), self._side(row, leg, "ask")
            waiting = self._waiting(key)
            shown = ([], []) if self.crossed[row, leg] else (bids, asks)
            reports = self.exchange.on_depth(key, *shown, ts_ns, keep_taken=self.keep_taken)
            told += [(self._execution(report, row, leg, bids, asks), report) for report in reports if isinstance(report, Executed)]
            self._refuse(waiting, row, leg, bids=bool(bids), asks=bool(asks))
        for fill, report in told:
            self._hear(self._fill(fill, report))
        for leg in range(len(self.keys)):
            if self.books.recorded[row, leg]:
                self._hear(self._quote(row, leg))

    def _side(self, row: int, leg: int, side: str) -> list[Level]:
        prices, sizes = getattr(self.books, f"{side}_px")[row, leg].tolist(), getattr(self.books, f"{side}_sz")[row, leg].tolist()
        return [Level(Decimal(repr(px)), Decimal(repr(sz))) for px, sz in zip(prices, sizes, strict=True) if px == px]  # noqa: PLR0124 - not NaN

    def _waiting(self, key: str) -> list[_Sent]:
        return [s for s in (self.sent[name] for name in self.hedger.working) if s.order.instrument == key and s.venue_id]

    def _execution(self, report: Executed, row: int, leg: int, bids: list[Level], asks: list[Level]) -> Order:
        """Note what a fill paid, beside the mid."""
        order = self.sent[report.order.request.client_id].order
        level = [level.price for level in (asks if report.qty > 0 else bids)].index(report.price) + 1
        mid, two_sided = float(self.mid[row, leg]), bool(bids and asks)
        if not two_sided:
            mid = float(self.exchange.marks[self.keys[leg]])
        decided = self.sent[order.order_id].mid
        head = (self.times[row], order.trade, order.order_id, leg, order.instrument, float(report.qty), float(report.price))
        self.executions.append((*head, level, mid, decided, two_sided, float(report.fee)))
        return order

    def _refuse(self, waiting: list[_Sent], row: int, leg: int, *, bids: bool, asks: bool) -> None:
        """Say of each order that still waits why this book did not fill it."""
        for sent in waiting:
            state = self.exchange.order(sent.venue_id)
            if state is None or not state.leaves:
                continue
            buy = sent.order.qty > 0
            empty = None if (asks if buy else bids) else ("no ask" if buy else "no bid")
            why = "crossed" if self.crossed[row, leg] else empty or "depth exhausted"
            left = float(state.leaves if buy else -state.leaves)
            self.refusals.append((self.times[row], sent.order.order_id, sent.order.instrument, left, why))

    def _fill(self, order: Order, report: Executed) -> Fill:
        return Fill(
            ts_ns=report.ts_ns + self.model.ws_ns,
            order_id=order.order_id,
            fill_id=f"{self.session}-fill-{len(self.records)}",
            instrument=order.instrument,
            venue_ns=report.ts_ns,
            qty=report.qty,
            price=report.price,
            fee=report.fee,
        )

    def _quote(self, row: int, leg: int) -> Quote:
        """Return what the strategy hears: NaN on both sides if the book is crossed, on the missing side if it is one-sided."""
        ts_ns, books = self.times[row], self.books
        bid, ask = float(books.bid_px[row, leg, 0]), float(books.ask_px[row, leg, 0])
        if self.crossed[row, leg]:
            bid = ask = math.nan
        elif self.hears == "mid":
            bid = ask = float(self.mid[row, leg])
        sizes = (float(books.bid_sz[row, leg, 0]), float(books.ask_sz[row, leg, 0]))
        return Quote(
            ts_ns=ts_ns + self.model.ws_ns,
            instrument=self.keys[leg],
            venue_ns=ts_ns,
            bid=bid,
            ask=ask,
            bid_size=sizes[0],
            ask_size=sizes[1],
        )

    # --------------------------------------------------------------- the client

    def _hear(self, event: Input) -> None:
        """Let the Hedger decide, put down what it says, send what it orders, and revise the plan if its bar makes one due."""
        if isinstance(event, Fill | Cancelled | PlanRevised):
            self.records.append(event)
        decision = self.hedger.on(event)
        closed = isinstance(event, Timer) and self.hedger.bars > len(self.bar_ns)
        if not routine(decision):
            if closed or decision.reason is Reason.STALE_QUOTE:
                self.closes.append(len(self.records))
            self.records.append(decision)
        self.decided += 1
        self._send(decision, event.ts_ns)
        if closed:
            self.bar_ns.append(event.ts_ns)
            self.bar_mids.append(decision.mids)
            if len(self.bar_ns) == self.reviser.next_fit:
                plan = self.reviser.revise(np.array(self.bar_mids, dtype=np.float64), event.ts_ns)
                self._hear(PlanRevised(ts_ns=event.ts_ns, plan=plan))

    def _send(self, decision: Decision, now_ns: int) -> None:
        reply_ns = self.model.up_ns + max(self.model.down_ns, self.model.ws_ns)
        for order_id in decision.cancels:
            sent = self.sent[order_id]
            if sent.voided:
                continue
            sent.voided, ack_ns = True, sent.arrive_ns + self.model.ws_ns
            leaves_ns, by = max(now_ns, ack_ns), self.decided if now_ns >= ack_ns else 0
            insort(self.agenda, (leaves_ns + self.model.up_ns, _CANCEL, by, sent.number, order_id))
            self.last_ns = max(self.last_ns, leaves_ns + reply_ns)
        for order in in_turn(decision.orders, decision.action):
            mid = decision.mids[order.leg]
            sent = _Sent(order, len(self.sent) + 1, now_ns + self.model.up_ns, math.nan if mid is None else mid)
            self.sent[order.order_id] = sent
            insort(self.agenda, (sent.arrive_ns, _SUBMIT, 0, sent.number, order.order_id))
            self.last_ns = max(self.last_ns, now_ns + reply_ns)

    # ------------------------------------------------------------------ the end

    def _result(self) -> EventReplay:
        books, settlements = self.books, []
        at_ns = max(self.last_ns, books.settle_ns or 0)
        for key, pays in zip(self.keys, books.payout or (), strict=False):
            if key not in self.exchange.markets.settled:  # a complement is settled with the first leg
                settlements.append(self.exchange.settle(key, Decimal(pays), at_ns))
        executions = _frame(self.executions, EXECUTIONS)
        return EventReplay(
            records=self.records,
            bar_ns=np.array(self.bar_ns, dtype=np.int64),
            bar_mids=np.array(self.bar_mids, dtype=np.float64).reshape(len(self.bar_ns), len(self.keys)),
            tape=self.tape,
            params=self.params,
            session=self.session,
            closes=frozenset(self.closes),
            executions=executions,
            refusals=_frame(self.refusals, REFUSALS),
            trades=trades_of(executions, books),
            settlements=tuple(settlements),
            profit=self.exchange.equity - self.exchange.ledger.initial,
        )


def _markets(books: Books) -> list[BinaryMarket]:
    """Return which binary legs resolve together: both if they are complements, else each alone."""
    binary = [i.key for i in books.instruments if i.kind is Kind.BINARY]
    return [BinaryMarket(*binary)] if books.complementary else [BinaryMarket(key) for key in binary]


def _frame(rows: list[tuple[Any, ...]], columns: dict[str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns)).astype({name: kind for name, kind in columns.items() if kind})
    return frame.assign(ts=pd.to_datetime(frame["ts"].astype("int64"), unit="ns", utc=True))
