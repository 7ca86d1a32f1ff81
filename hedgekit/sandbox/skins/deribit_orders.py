"""Orders at Deribit: placed, found by id and by label, cancelled.

Decided where Deribit's documents are silent: a market order takes what is there and its rest is cancelled, with
``fill_or_kill`` all or nothing. ``post_only`` without ``reject_post_only`` moves the price to one tick before the other
side's best. ``reduce_only`` is refused (11030) if it, with what works beside it, is more than the position, and taken back
once it has become so. A day ends at 08:00 UTC. A label that is used again names a second order.
"""

from __future__ import annotations

from decimal import Decimal, Inexact, InvalidOperation
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from hedgekit.exchange.model import EXACT, LIQUIDATION, OPEN, Cancelled, Executed, NewOrder, OrderState, Refusal, Rejected, Reports
from hedgekit.sandbox.skins.deribit_wire import CURRENCIES, MS, REFUSED, About, RpcError, amount, listed, order_json, symbol_of
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hedgekit.sandbox.floor import Floor
    from hedgekit.sandbox.skins.deribit_fills import Executions
    from hedgekit.sandbox.skins.deribit_params import Nothing, Place
    from hedgekit.types import Instrument

RECENT_NS = 1800 * NS
"""So long after its end an order is found."""

TIFS = {"good_til_cancelled": "gtc", "good_til_day": "gtc", "immediate_or_cancel": "ioc", "fill_or_kill": "fok"}
DAY_NS, DAY_ENDS_NS = 86_400 * NS, 8 * 3600 * NS
REASONS = {"liquidation": "autoliquidation", "settled": "settlement"}
CLOSED = {"paused": 10041, "closed": 10012, "halted": 10012}
_DIGITS = 20


class Desk:
    """Takes orders to the exchange, and knows them as Deribit does.

    Parameters
    ----------
    floor : Floor
        Where orders go.
    now : callable
        The timeline's time in nanoseconds.
    publish : callable
        Gets the exchange's reports.
    at : callable
        Calls a function at a time (a day order's end).
    executions : Executions
        What was executed.
    """

    def __init__(
        self,
        floor: Floor,
        now: Callable[[], int],
        publish: Callable[[Reports], None],
        at: Callable[[int, Callable[[], object]], None],
        executions: Executions,
    ) -> None:
        self._floor, self._now, self._publish, self._at, self._executions = floor, now, publish, at, executions
        self.instruments = floor.exchange.instruments
        self.keys = {one.symbol: key for key, one in self.instruments.items()}
        self.states: dict[str, str] = dict.fromkeys(self.instruments, "open")
        self._about: dict[str, About] = {}
        self._ids: dict[str, str] = {}
        self._why: dict[str, str] = {}
        self._reason = "user_request"

    # ------------------------------------------------------------------ to know

    def key(self, name: str) -> str:
        """Return the key of an instrument; RpcError if there is none."""
        if name not in self.keys:
            raise RpcError(13020, f"no instrument {name[:60]!a}; there are {', '.join(self.keys)}", "instrument_name")
        return self.keys[name]

    def named(self, asked: Nothing) -> list[str]:
        """Return the keys of what parameters name: an instrument, or what settles in a currency and is of a kind.

        Raises
        ------
        RpcError
            If there is no such instrument or currency.
        """
        if (name := getattr(asked, "instrument_name", None)) is not None:
            return [self.key(name)]
        currency, kind = getattr(asked, "currency", "any"), getattr(asked, "kind", "any")
        settled = {key: listed(one.symbol).settle for key, one in self.instruments.items()}
        if currency not in {"any", *settled.values(), *CURRENCIES}:
            raise RpcError(-32602, f"invalid currency {currency[:20]!a}", "currency")
        return [key for key, settles in settled.items() if currency in {"any", settles} and kind in {"any", "future"}]

    def about(self, state: OrderState) -> About:
        """Return what Deribit knows of an order; one that nobody placed here is the exchange's own, of a liquidation."""
        if state.order_id not in self._about:
            self._register(state, About("", "", "market", "immediate_or_cancel", liquidation=True))
        return self._about[state.order_id]

    def json(self, state: OrderState) -> dict[str, object]:
        """Return an order as Deribit says it."""
        about = self.about(state)
        return order_json(self.instruments[state.request.instrument], state, about, self._why.get(state.order_id, ""))

    def take(self, reports: Reports) -> None:
        """Take up what the exchange reports, before it is told."""
        for report in reports:
            if isinstance(report, Executed):
                self._executions.add(report, self.about(report.order))
            elif isinstance(report, Cancelled):
                self._why[report.order.order_id] = self._reason if report.why == "requested" else REASONS.get(report.why, "")

    # ----------------------------------------------------------------- to place

    def place(self, asked: Place, *, buy: bool) -> tuple[dict[str, object], OrderState]:
        """Place an order; return Deribit's answer, and the order.

        Raises
        ------
        RpcError
            If it is refused.
        """
        asked.check()
        key, now_ns = self.key(asked.instrument_name), self._now()
        if asked.valid_until is not None and now_ns >= asked.valid_until * MS:
            raise RpcError(13888, "it came after valid_until", "valid_until")
        if self.states[key] != "open":
            raise RpcError(CLOSED[self.states[key]], f"{asked.instrument_name} is {self.states[key]}")
        contracts = self._contracts(asked, self.instruments[key])
        if asked.reduce_only and contracts > (room := self._room(key, buy=buy)):
            raise RpcError(11030, f"reduce_only: {amount(self.instruments[key], room)} can be reduced", "reduce_only")
        market = asked.type == "market"
        tif = "ioc" if market and asked.time_in_force != "fill_or_kill" else TIFS[asked.time_in_force]
        qty = contracts if buy else -contracts
        new = NewOrder(self._name(asked.label), key, qty, "market" if market else "limit", asked.price, tif, asked.post_only)  # type: ignore[arg-type] # of TIFS
        about = About("", asked.label, asked.type, asked.time_in_force, asked.reduce_only, price=self._floor.exchange.marks.get(key))
        return self._submit(new, about, now_ns, reject=asked.reject_post_only)

    def _submit(self, new: NewOrder, about: About, now_ns: int, *, reject: bool) -> tuple[dict[str, object], OrderState]:
        reports = self._floor.submit(new, now_ns)
        first = reports[0]
        if isinstance(first, Rejected) and first.why is Refusal.POST_ONLY and not reject and (price := self._beside(new)):
            new = replace(new, limit=price)
            reports = self._floor.submit(new, now_ns)
            first = reports[0]
        if isinstance(first, Rejected):
            raise self._refusal(first, new)
        self._register(first.order, about)
        count = len(self._executions.all)
        self._publish(reports)
        state = self._known(first.order.order_id)
        if about.time_in_force == "good_til_day" and state.leaves:
            ends_ns = (now_ns - DAY_ENDS_NS) // DAY_NS * DAY_NS + DAY_ENDS_NS + DAY_NS
            self._at(ends_ns, partial(self._expire, state.order_id))
        own = [done.own for done in self._executions.all[count:] if done.order_id == self.about(state).order_id]
        return {"trades": own, "order": self.json(state)}, state

    def _contracts(self, asked: Place, instrument: Instrument) -> Decimal:
        for name in ("amount", "contracts", "price"):
            number = getattr(asked, name)
            if number is not None and not -_DIGITS <= number.as_tuple().exponent <= number.adjusted() <= _DIGITS:
                raise RpcError(-32602, "out of range", name)
        try:
            whole = asked.contracts if asked.amount is None else EXACT.divide(asked.amount, instrument.multiplier)
        except (Inexact, InvalidOperation):
            whole = None
        if whole is None or EXACT.remainder(whole, instrument.lot):
            raise RpcError(-32602, f"must be a multiple of {amount(instrument, instrument.lot)}", "amount")
        if asked.contracts not in {None, whole}:
            raise RpcError(-32602, "amount and contracts do not match", "contracts")
        return whole

    def _name(self, label: str) -> str:
        """Return the exchange's client id: the label, unless an order had it before; the exchange wants one for each order."""
        name, number = label, 1
        while not name or name.startswith(LIQUIDATION) or self._floor.exchange.by_client(name) is not None:
            number += 1
            name = f"{label}~{number}" if label else f"~{len(self._about) + number - 1}"
            name = f"~{name}" if name.startswith(LIQUIDATION) else name
        return name

    def _beside(self, new: NewOrder) -> Decimal | None:
        """Return the price one tick before the best of the other side; None if there is none."""
        quote, tick = self._floor.quotes.get(new.instrument), self.instruments[new.instrument].tick
        best = None if quote is None else quote.ask if new.qty > 0 else quote.bid
        if best is None or not best > 0:
            return None
        price = Decimal(repr(best)) - tick if new.qty > 0 else Decimal(repr(best)) + tick
        return price if price > 0 else None

    def _refusal(self, report: Rejected, new: NewOrder) -> RpcError:
        code, param = REFUSED[report.why]
        reasons = {Refusal.TICK: f"must be a multiple of {self.instruments[new.instrument].tick}"}
        return RpcError(code, reasons.get(report.why, report.message), param)

    def _register(self, state: OrderState, about: About) -> None:
        settles = listed(symbol_of(state.request.instrument)).settle
        about = replace(about, order_id=f"{settles}-{len(self._about) + 1}")
        self._about[state.order_id], self._ids[about.order_id] = about, state.order_id

    # ---------------------------------------------------------------- to reduce

    def _room(self, key: str, *, buy: bool) -> Decimal:
        """Return how many contracts of the position an order of this side can take, beside those that work."""
        held = self._floor.exchange.ledger.position(key)
        open_ = abs(held) if (held < 0) == buy else Decimal(0)
        return open_ - sum(state.leaves for state in self.working([key]) if (state.request.qty > 0) == buy)

    def reduce(self, reports: Reports) -> None:
        """Take back orders that were to reduce a position, and by now would do more."""
        for key in dict.fromkeys(report.order.request.instrument for report in reports if isinstance(report, Executed)):
            for state in self.working([key]):
                if self.about(state).reduce_only and self._room(key, buy=state.request.qty > 0) < 0:
                    self._cancel(state, "")

    # ---------------------------------------------------------------- to cancel

    def cancel(self, order_id: str) -> dict[str, object]:
        """Cancel an order; RpcError if there is none, or it is over."""
        state = self.find(order_id)
        if state is None:
            raise RpcError(10004, f"no order {order_id[:60]!a}")
        if not state.leaves:
            raise RpcError(11044, f"order {order_id} is {self.json(state)['order_state']}")
        self._cancel(state, "user_request")
        return self.json(self._known(state.order_id))

    def cancel_all(self, states: Iterable[OrderState], reason: str = "user_request") -> int:
        """Cancel orders that work; return how many."""
        working = [state for state in states if state.leaves]
        for state in working:
            self._cancel(state, reason)
        return len(working)

    def _cancel(self, state: OrderState, reason: str) -> None:
        reports, self._reason = self._floor.cancel(state.order_id, self._now()), reason
        self._publish(reports)

    def _expire(self, order_id: str) -> None:
        state = self._known(order_id)
        if state.leaves:
            self._cancel(state, "")

    # ------------------------------------------------------------------ to find

    def find(self, order_id: str) -> OrderState | None:
        """Return an order by Deribit's id."""
        return self._floor.order(self._ids.get(order_id, ""))

    def _known(self, order_id: str) -> OrderState:
        state = self._floor.order(order_id)
        assert state is not None  # noqa: S101 - it was accepted
        return state

    def working(self, keys: Iterable[str]) -> list[OrderState]:
        """Return the orders on some instruments that can still fill, oldest first."""
        wanted = set(keys)
        return [state for state in self._floor.orders() if state.leaves and state.request.instrument in wanted]

    def recent(self, keys: Iterable[str], *, label: str | None = None, historical: bool = False) -> list[OrderState]:
        """Return the orders on some instruments, oldest first; those that ended long ago only if ``historical``."""
        wanted, since_ns = set(keys), self._now() - RECENT_NS
        return [
            state
            for state in self._floor.orders()
            if state.request.instrument in wanted
            and (label is None or self.about(state).label == label)
            and (historical or state.status in OPEN or state.updated_ns >= since_ns)
        ]
