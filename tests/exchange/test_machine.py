"""The laws of the exchange under any sequence of all that can happen to it, on instruments of all kinds.

A Hypothesis state machine drives it; ``shadow.py`` keeps a second set of books from its reports. The test counts its steps,
of which there must be 10,000, and what happened in them.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hedgekit.exchange import (
    Accepted,
    BinaryMarket,
    Converted,
    Exchange,
    Executed,
    FillModel,
    Flat,
    Kalshi,
    Level,
    Margin,
    NewOrder,
    Polymarket,
    Refusal,
    Rejected,
    Terms,
)
from hedgekit.types import Fees, Instrument, Kind
from tests.exchange.shadow import QUANTUM, Shadow

D = Decimal
STEPS = 10_000
ROUNDS = 5
OFTEN = ["liquidation", "funded", "settled", "split", "merged", "over, liquidation", "over, fok", "over, ioc", "over, requested"]
OFTEN += [f"{kind} {how}" for kind in Kind for how in ("taken", "made", "met by a trade")]
OFTEN += ["refused, post_only", "refused, buying_power", "refused, wash", "accepted, the book is stale", "accepted, nothing is left o"]
FLAT = Flat(Fees(D("0.0005"), D("0.001")), Fees(D("-0.0001")))
SPOT, CENTS, YES, NO, ODD, LINEAR, INVERSE = KEYS = ("X:A", "X:B", "P:YES", "P:NO", "P:ODD", "D:LIN", "D:INV")
CENTRE = {SPOT: D(100), CENTS: D(10_000), YES: D("0.5"), NO: D("0.5"), ODD: D("0.3"), LINEAR: D(1000), INVERSE: D(1000)}
TICK = {SPOT: D("0.01"), CENTS: D(1), YES: D("0.01"), NO: D("0.01"), ODD: D("0.01"), LINEAR: D("0.5"), INVERSE: D("0.5")}

keys = st.integers(0, 59)
offsets = st.integers(-2, 2)
sizes = st.integers(1, 40)
sides: st.SearchStrategy[list[int]] = st.lists(sizes, min_size=1, max_size=3) | st.lists(sizes, min_size=1, max_size=3) | st.just([])
tifs = st.sampled_from(["gtc", "gtc", "gtc", "day", "ioc", "fok"])
perpetuals = st.sampled_from([LINEAR, INVERSE])


class Machine(RuleBasedStateMachine):
    """One account; ``tally`` counts the steps of all its runs, and what happened in them."""

    tally: ClassVar[Counter[str]] = Counter()

    @initialize(
        touch=st.booleans(),
        age=st.sampled_from([0, 0, 3]),
        one=st.booleans(),
        lot=st.sampled_from(["1", "0.25"]),
        fees=st.sampled_from([Flat(), Kalshi(maker=D("0.0175"), precision=D("0.01")), Polymarket(D("0.05"))]),
        margin=st.sampled_from([Margin(D("0.5"), D("0.25")), Margin(D("0.1"), D("0.05"))]),
        cash=st.sampled_from([3_000, 3_000, 300]),
        focus=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3),
    )
    def make(self, *, touch: bool, age: int, one: bool, lot: str, fees: Kalshi, margin: Margin, cash: int, focus: list[str]) -> None:  # noqa: PLR0913 - drawn
        """Draw an exchange, in one currency or in four, and one to three instruments on which most happens."""
        made = [Instrument("X", "A", fees=Fees(D("0.0003"), D("0.005"))), Instrument("X", "B", tick=D(1), multiplier=D("0.01"))]
        made += [Instrument("P", name, Kind.BINARY, lot=D(lot)) for name in ("YES", "NO", "ODD")]
        made += [Instrument("D", "LIN", Kind.LINEAR_PERP, tick=D("0.5"), lot=D(lot), multiplier=D("0.1"))]
        made += [Instrument("D", "INV", Kind.INVERSE_PERP, tick=D("0.5"), multiplier=D(10))]
        usd, pusd, usdc = ("USD", "USD", "USD") if one else ("USD", "pUSD", "USDC")
        terms = {key: Terms(pusd, fees) for key in (YES, NO, ODD)} | {SPOT: Terms(usd, Flat(maker=Fees()))}
        terms |= {LINEAR: Terms(usdc, FLAT, margin), INVERSE: Terms("BTC", FLAT, margin)}
        money = {usd: D(cash), pusd: D(cash), usdc: D(cash), "BTC": D("0.5")}
        model = FillModel("touch" if touch else "next_quote", max_age_ns=age)
        self.made = Exchange(made, money, model, markets=[BinaryMarket(YES, NO), BinaryMarket(ODD)], terms=terms)
        self.shadow = Shadow(self.made, self.tally)
        self.centre, self.now, self.sent, self.over = dict(CENTRE), 1, 0, set[str]()
        self.keys = (focus * 60)[:53] + list(KEYS)
        for key in KEYS:
            self._show(key, 0, 2, [20, 20], [20, 20], keep=False)

    # ---------------------------------------------------------------- the market

    def _show(self, key: str, at: int, spread: int, bids: list[int], asks: list[int], *, keep: bool) -> None:  # noqa: PLR0913 - a book
        lot = self.made.instruments[key].lot
        best = self.centre[key] + at * TICK[key]
        down = [Level(best - n * TICK[key], size * lot) for n, size in enumerate(bids)]
        up = [Level(best + (spread + n) * TICK[key], size * lot) for n, size in enumerate(asks)]
        self._record(key, down, up, keep=keep)

    def _record(self, key: str, down: list[Level], up: list[Level], *, keep: bool) -> None:
        reports = self.made.on_depth(key, down, up, self.now, keep_taken=keep)
        if key in self.over:
            assert reports == ()
            return
        self.shadow.record(key, down, up, self.now, keep=keep)
        self.shadow.hear(reports, "quote", self.now)
        self.shadow.settle_orders(key)
        self._margins_hold(key)

    @rule(
        key=keys,
        at=offsets,
        spread=st.sampled_from([1, 1, 2, 3, 0, -1]),
        bids=sides,
        asks=sides,
        keep=st.booleans(),
        wait=st.integers(0, 1),
    )
    def quote(self, *, key: int, at: int, spread: int, bids: list[int], asks: list[int], keep: bool, wait: int) -> None:  # noqa: PLR0913 - a book
        """Record a book, at times crossed or one-sided."""
        self.now += wait
        self._show(self.keys[key], at, spread, bids, asks, keep=keep)

    @rule(key=keys, between=st.sampled_from(["crossed", "empty", "nothing"]))
    def again(self, *, key: int, between: str) -> None:
        """Record a book once more as it was, what was taken of it included, also after one that is none."""
        name = self.keys[key]
        bids, asks = (side.rows for side in self.shadow.kept[name])
        if between != "nothing":
            self._show(name, 0, -1, *(([5], [5]) if between == "crossed" else ([], [])), keep=True)
        self._record(name, *([Level(price, shown) for price, shown, _ in side] for side in (bids, asks)), keep=True)

    @rule(which=st.integers(0, 1_000), size=sizes, keep=st.booleans())
    def come(self, *, which: int, size: int, keep: bool) -> None:
        """Let the other side come to a limit order of ours."""
        waiting = [s.request for s in self.made.orders() if s.leaves and s.request.limit is not None]
        if waiting:
            one = waiting[which % len(waiting)]
            key, buy = one.instrument, one.qty > 0
            at = int(((one.limit or D(0)) - self.centre[key]) / TICK[key])
            self._show(key, at - 1 if buy else at, 1, [size, size], [size, size], keep=keep)

    @rule(key=perpetuals, factor=st.sampled_from(["0.5", "0.8", "1.25", "2"]), size=sizes)
    def jump(self, *, key: str, factor: str, size: int) -> None:
        """Move the whole market of a perpetual, of the one that is held: somebody is liquidated."""
        key = self._held(key)
        self.centre[key] = min(max(self.centre[key] * D(factor) // 1, D(100)), D(10_000))
        self._show(key, 0, 2, [size], [size], keep=False)

    @rule(key=keys, at=offsets, size=sizes)
    def trade(self, *, key: int, at: int, size: int) -> None:
        """Let others trade anywhere."""
        self._trade(self.keys[key], at, size)

    def _trade(self, key: str, at: int, size: int) -> None:
        qty = size * self.made.instruments[key].lot
        reports = self.made.on_trade(key, self.centre[key] + at * TICK[key], qty, self.now)
        assert key not in self.over or reports == ()
        self.shadow.hear(reports, "trade", self.now, qty)
        self._margins_hold(key)

    def _held(self, key: str) -> str:
        return next((each for each in (key, LINEAR, INVERSE) if self.shadow.held[each]), key)

    @rule(wait=st.sampled_from([1, 1, 2, 4, 86_400 * 10**9]))
    def wait(self, *, wait: int) -> None:
        """Let a book become stale or a day end."""
        self.now += wait

    @rule(key=perpetuals, rate=st.integers(-300, 300), at=offsets)
    def fund(self, *, key: str, rate: int, at: int) -> None:
        """Exchange funding: rate x position x mark, from longs to shorts."""
        key = self._held(key)
        mark, held = self.centre[key] + at * TICK[key], self.shadow.held[key]
        done = self.made.fund(key, D(rate) / 1_000, mark, self.now)
        size = Fraction(held * 10) / Fraction(mark) if key == INVERSE else Fraction(held) * Fraction(mark) / 10
        off = Fraction(done.paid) + Fraction(rate, 1_000) * size
        assert off == 0 if key == LINEAR else abs(off) <= Fraction(QUANTUM) / 2
        assert done.position == held
        self.tally["funded"] += bool(held)
        self.shadow.cash[self.shadow.currency[key]] += done.paid
        self.shadow.hear(done.reports, "fund", self.now)
        self._margins_hold(key)

    # ---------------------------------------------------------------- the client

    @rule(key=keys, size=sizes, buy=st.booleans(), at=st.none() | offsets, tif=tifs, post=st.booleans())
    def order(self, *, key: int, size: int, buy: bool, at: int | None, tif: str, post: bool) -> None:  # noqa: PLR0913 - an order
        """Send an order anywhere."""
        self._send(self.keys[key], size if buy else -size, at, tif, post=post and at is not None)

    @rule(key=keys, size=sizes, times=st.sampled_from([1, 1, 5]), buy=st.booleans(), tif=tifs)
    def take(self, *, key: int, size: int, times: int, buy: bool, tif: str) -> None:
        """Send an order that takes what is there, at times a large one."""
        self._send(self.keys[key], size * times if buy else -size * times, 9 if buy else -9, tif)

    @rule(key=perpetuals, buy=st.booleans())
    def lever(self, *, key: str, buy: bool) -> None:
        """Take as large a position in a perpetual as its margin allows, from an ample book."""
        self._show(key, 0, 1, [100_000], [100_000], keep=False)
        made, contract = self.made, self.made.ledger.contracts[key]
        one = contract.notional(contract.instrument.lot, made.marks[key]) * contract.margin.initial  # type: ignore[union-attr]
        size = int(made.summary(contract.currency).available / one)
        if size > 0:
            self._send(key, size if buy else -size, None, "ioc")

    @rule(key=keys, size=sizes, buy=st.booleans(), post=st.booleans())
    def join(self, *, key: int, size: int, buy: bool, post: bool) -> None:
        """Join the queue at the touch."""
        if (at := self._touch(self.keys[key], buy=buy)) is not None:
            self._send(self.keys[key], size if buy else -size, at, "gtc", post=post)

    @rule(key=keys, size=sizes, buy=st.booleans())
    def serve(self, *, key: int, size: int, buy: bool) -> None:
        """Let others trade at the touch, where we may stand in the queue."""
        if (at := self._touch(self.keys[key], buy=buy)) is not None:
            self._trade(self.keys[key], at, size)

    def _touch(self, key: str, *, buy: bool) -> int | None:
        rows = self.shadow.shown[key][0 if buy else 1].rows
        return int((rows[0][0] - self.centre[key]) / TICK[key]) if rows else None

    def _send(self, key: str, size: int, at: int | None, tif: str, *, post: bool = False) -> None:
        limit = None if at is None else self.centre[key] + at * TICK[key]
        qty = size * self.made.instruments[key].lot
        self.sent += 1
        request = NewOrder(f"c{self.sent}", key, qty, "market" if limit is None else "limit", limit, tif, post)  # type: ignore[arg-type]
        takes = self.shadow.takes(request, self.now)
        before, margin = self.shadow.snapshot(), self.made.summary(self.shadow.currency[key])
        reports = self.made.submit(request, self.now)
        first = reports[0]
        if isinstance(first, Rejected):
            assert len(reports) == 1
            assert self.shadow.snapshot() == before
            assert first.why is not Refusal.POST_ONLY or (post and (takes or tif in {"ioc", "fok"}))
            self.tally[f"refused, {first.why}"] += 1
            return
        assert isinstance(first, Accepted)
        assert key not in self.over
        own = [r for r in reports if isinstance(r, Executed) and r.order.request is request]
        assert not (post and (takes or own)), "post-only never takes"
        if len(reports) == 1 or self.made.model.name == "next_quote":
            after = self.made.summary(self.shadow.currency[key])
            assert after.initial <= margin.initial or key not in {LINEAR, INVERSE} or after.available >= 0
        touch = self.made.model.name == "touch"
        self.shadow.hear(reports, "submit", self.now)
        if touch:
            self.shadow.settle_orders(key)
            self._margins_hold(key)
        else:
            assert len(reports) == 1, "nothing fills on the quote that stands"
        self.shadow.orders[first.order.order_id].makes |= post

    @rule(which=st.integers(0, 1_000))
    def cancel(self, *, which: int) -> None:
        """Cancel an order, or find that it is over."""
        orders = self.made.orders()
        known = [state for state in orders if state.leaves] if which % 4 else orders
        if not known:
            return
        state, before = known[which % len(known)], self.shadow.snapshot()
        reports = self.made.cancel(state.order_id, self.now)
        if state.leaves:
            self.shadow.hear(reports, "submit", self.now)
        else:
            assert isinstance(reports[0], Rejected)
            assert self.shadow.snapshot() == before

    @rule(
        size=sizes | sizes | st.integers(-3, 0) | st.integers(290, 310),
        key=st.sampled_from([YES, NO, ODD]),
        back=st.booleans(),
        merge=st.booleans(),
    )
    def convert(self, *, size: int, key: str, back: bool, merge: bool) -> None:
        """Mint or merge sets: 1 of cash for one of each; there and back is nothing."""
        qty, before = D(size), self.shadow.snapshot()
        done = (self.made.merge if merge else self.made.split)(key, qty, self.now)
        if isinstance(done, Rejected):
            assert self.shadow.snapshot() == before
            return
        assert qty > 0
        ledger, currency = self.made.ledger, self.shadow.currency[key]
        reserved = self.made.summary(currency).reserved
        self.tally["merged" if merge else "split"] += 1
        assert (done.qty, done.paid) == ((-qty, qty) if merge else (qty, -qty))
        undone = (self.made.split if merge else self.made.merge)(key, qty, self.now) if back else None
        turns = [done.qty]
        if isinstance(undone, Converted):
            assert (dict(ledger.balances), ledger.positions()) == before[:2]  # type: ignore[index]
            assert self.made.summary(currency).reserved == reserved
            turns.append(undone.qty)
        elif undone is not None:
            assert undone.why is Refusal.THROUGH_ZERO or ledger.balances[currency] < qty, "promised to a sale, or borrowed"
        assert merge or self.shadow.cash[currency] >= qty, "sets are paid from cash"
        for each in (YES, NO):
            for turn in turns:
                self.shadow.held[each] += turn
                self.shadow.enter(each, turn, Fraction(turn) / 2)
            promised = sum(o.leaves for o in self.shadow.orders.values() if o.request.instrument == each and o.request.qty < 0)
            assert len(turns) > 1 or promised <= self.shadow.held[each], "held, and not promised to a sale"
        self.shadow.cash[currency] -= sum(turns)

    @rule(key=st.sampled_from([YES, NO, ODD]), tenths=st.sampled_from([0, 10, 10, 5, 3]), rare=st.integers(0, 5))
    def settle(self, *, key: str, tenths: int, rare: int) -> None:
        """Resolve a market, now and then: what one pays, the other pays the rest of 1."""
        if rare or key in self.over:
            return
        done = self.made.settle(key, D(tenths) / 10, self.now)
        self.over |= set(done.payouts)
        assert sum(done.payouts.values()) == (1 if len(done.payouts) > 1 else D(tenths) / 10)
        self.shadow.hear(done.cancelled, "submit", self.now)
        for each, pays in done.payouts.items():
            self.tally["settled"] += bool(done.paid[each])
            assert (done.positions[each], done.paid[each]) == (self.shadow.held[each], self.shadow.held[each] * pays)
            self.shadow.cash[self.shadow.currency[each]] += done.paid[each]
            held, self.shadow.held[each] = self.shadow.held[each], D(0)
            self.shadow.enter(each, -held, -Fraction(done.paid[each]))
            self.shadow.record(each, [], [], self.now, keep=False)

    @rule(key=st.sampled_from(KEYS), back=st.integers(1, 100))
    def time(self, *, key: str, back: int) -> None:
        """Go back in time: an error, and nothing has happened."""
        before = self.shadow.snapshot()
        with pytest.raises(ValueError, match="time went back"):
            self.made.on_trade(key, CENTRE[key], D(1), self.made._matching.now_ns - back)
        assert self.shadow.snapshot() == before

    # ------------------------------------------------------------------ the laws

    def _margins_hold(self, key: str) -> None:
        """Below maintenance nothing works on perpetuals, and whatever can be closed is closed."""
        currency = self.shadow.currency[key]
        now = self.made.summary(currency)
        if now.equity >= now.maintenance:
            return
        for each in (LINEAR, INVERSE):
            held = self.shadow.held[each]
            if self.shadow.currency[each] == currency:
                assert self.made._books[each].orders() == []
                assert not held or self.made.blocked(each, self.now, buy=held < 0)

    @invariant()
    def books_agree(self) -> None:
        """After every step: cash, positions, fills and displayed sizes are those of the second set of books."""
        self.tally["steps"] += 1
        self.shadow.agree()

    def teardown(self) -> None:
        """At the end: every booking, order, profit and equity."""
        self.shadow.audit()


def test_the_laws_hold_for_any_sequence() -> None:
    """Of more than 10,000 steps, 60 to an exchange; both they and what happened in them are counted.

    Which sequences come depends on the constants of all modules that happen to be loaded, so what is rare may need another round.
    """
    Machine.tally.clear()
    many = settings(max_examples=300, stateful_step_count=60, suppress_health_check=[HealthCheck.too_slow], derandomize=False)
    for number in range(ROUNDS):
        run_state_machine_as_test(seed(number)(Machine), settings=many)  # type: ignore[no-untyped-call]
        if all(Machine.tally[name] for name in OFTEN):
            break
    assert Machine.tally["steps"] >= STEPS
    assert [name for name in OFTEN if not Machine.tally[name]] == [], "a law that is never put to the test proves nothing"
