"""Scenarios as functions of a tape: by hand, and the laws that hold for any tape."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit import Instrument, SyntheticBinary, SyntheticMarket, Tape
from hedgekit.errors import ConfigError, DataError
from hedgekit.stress import decorrelate, gap, momentum, wide_exit
from hedgekit.stress.tapes import scores, standing
from hedgekit.types import NS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

PAIR = (Instrument("V", "P"), Instrument("V", "H"))


def tape_of(bid: Any, ask: Any, instruments: tuple[Instrument, ...] = PAIR) -> Tape:
    bid, ask = (np.array(side, dtype=float) for side in (bid, ask))
    return Tape(instruments, np.arange(1, len(bid) + 1) * NS, bid, ask, np.full_like(bid, 7.0), np.full_like(bid, 9.0), "made")


FLAT = tape_of([[99.99, 49.98]] * 4, [[100.01, 50.02]] * 4)


def test_a_gap_by_hand() -> None:
    # 99.99 x .9 = 89.991, 100.01 x .9 = 90.009; the hedge: 49.98 x .9^.5 = 47.4152, 50.02 x .9^.5 = 47.4532
    found = gap(FLAT, 2, math.log(0.9), follow=0.5)
    assert found.bid.tolist() == [[99.99, 49.98]] * 2 + [[89.99, 47.42]] * 2
    assert found.ask.tolist() == [[100.01, 50.02]] * 2 + [[90.01, 47.45]] * 2
    assert found.description.startswith("made; gap of -0.105361 over rows 2 to 2")


def test_momentum_by_hand() -> None:
    found = momentum(FLAT, 1, 3, 2 * math.log(1.1))
    assert found.bid[:, 0].tolist() == [99.99, 109.99, 120.99, 120.99]  # x 1.1, x 1.21: 109.989, 120.9879
    assert np.array_equal(found.bid[:, 1], FLAT.bid[:, 1])


def test_wide_quotes_by_hand() -> None:
    # half-spreads .01 and .02, x 3: .02 and .04 more on each side; x 1.1: a tick more, for rounding goes up
    found = wide_exit(FLAT, 1, 3, 3)
    assert found.bid.tolist() == [[99.99, 49.98], [99.97, 49.94], [99.97, 49.94], [99.99, 49.98]]
    assert found.ask.tolist() == [[100.01, 50.02], [100.03, 50.06], [100.03, 50.06], [100.01, 50.02]]
    assert wide_exit(FLAT, 1, 3, 1.1).ask[1].tolist() == [100.02, 50.03]
    assert np.array_equal(wide_exit(FLAT, 1, 3, 1).ask, FLAT.ask)


def test_a_binary_contract_moves_in_log_odds_and_stays_inside_its_payoff() -> None:
    legs = tuple(Instrument("V", name, Kind.BINARY) for name in ("YES", "NO"))
    made = tape_of([[0.49, 0.49]] * 2, [[0.51, 0.51]] * 2, legs)
    # odds of .49 and .51 times 4: 4 x .49 / .51 = 3.843, price .7935; 4 x .51 / .49 = 4.163, price .8063
    found = gap(made, 1, math.log(4), follow=-1.0)
    assert found.bid[1].tolist() == [0.79, 0.19]
    assert found.ask[1].tolist() == [0.81, 0.21]
    far = gap(made, 1, 8.0)  # .9997 and .9998: a tick inside 1
    assert (far.bid[1, 0], far.ask[1, 0]) == (0.98, 0.99)
    assert far.description.endswith("1 quotes held at the edge of what a contract can be quoted at")
    wide = wide_exit(made, 1, 2, 51)  # half-spread .01 and .5 more: -.01 and 1.01
    assert wide.bid[1].tolist() == [0.01, 0.01]
    assert wide.ask[1].tolist() == [0.99, 0.99]
    assert wide.description.endswith("2 quotes held at the edge of what a contract can be quoted at")


def test_a_price_below_a_tick_is_refused() -> None:
    with pytest.raises(DataError, match=r"P would fall below a tick at 1970-01-01 00:00:02.*; make the scenario smaller"):
        gap(FLAT, 1, -12.0)


def test_decorrelation_takes_the_correlation_and_keeps_variance_and_what_follows() -> None:
    tape = SyntheticMarket(rows=6_000, spread_sd=0.004, seed=2).tape()
    found = decorrelate(tape, 1_000, 5_000, seed=1)
    old, new = (np.diff(np.log(t.mid), axis=0) for t in (tape, found))
    inside, after = slice(999, 4_999), slice(4_999, None)
    assert np.corrcoef(old[inside].T)[0, 1] > 0.8
    assert abs(np.corrcoef(new[inside].T)[0, 1]) < 4 / math.sqrt(4_000)
    assert new[inside, 1].std() == pytest.approx(old[inside, 1].std(), rel=0.002)
    assert np.array_equal(found.bid[:, 0], tape.bid[:, 0])
    assert np.corrcoef(new[after, 1], old[after, 1])[0, 1] > 0.995  # the same moves from another level, but for ticks
    assert found.digest == decorrelate(tape, 1_000, 5_000, seed=1).digest
    assert not np.array_equal(found.bid, decorrelate(tape, 1_000, 5_000, seed=2).bid)


def test_blocks_of_the_hedges_own_moves() -> None:
    """With one block as long as the window, the new moves are a stretch of the tape's, scaled to the window's deviation."""
    tape = SyntheticMarket(rows=400, seed=4, tick="0.000001").tape()
    new = np.diff(np.log(decorrelate(tape, 100, 150, seed=0, block=50).mid[:, 1]))[99:149]
    old = np.diff(np.log(tape.mid[:, 1]))
    circle = np.concatenate([old, old])
    best = max(abs(np.corrcoef(new, circle[k : k + 50])[0, 1]) for k in range(len(old)))
    assert best > 0.999
    assert new.std() == pytest.approx(old[99:149].std(), rel=1e-3)


def test_last_known_values_stand() -> None:
    values = np.array([[np.nan, 1.0], [2.0, np.nan], [np.nan, 3.0]])
    assert standing(values).tolist()[1:] == [[2.0, 1.0], [2.0, 3.0]]
    assert np.isnan(standing(values)[0, 0])
    assert scores(np.array([[math.e, 0.5]]), (PAIR[0], Instrument("V", "YES", Kind.BINARY))).tolist() == [[1.0, 0.0]]


# ------------------------------------------------------------------------- laws


@st.composite
def tapes(draw: Any) -> Tape:
    """Any tape: stale rows, ticks of several sizes, wide and narrow quotes, spot or binary."""
    rows, seed = draw(st.integers(12, 60)), draw(st.integers(0, 2**31))
    stale: dict[str, Any] = {"stale_primary": draw(st.sampled_from([0.0, 0.3])), "stale_hedge": draw(st.sampled_from([0.0, 0.5]))}
    tick = draw(st.sampled_from(["0.01", "0.05", "0.0001"]))
    if draw(st.booleans()):
        return SyntheticBinary(rows=rows, seed=seed).tape()
    return SyntheticMarket(rows=rows, seed=seed, tick=tick, half_spread_bps=draw(st.sampled_from([0.5, 20.0])), **stale).tape()


@st.composite
def happenings(draw: Any) -> tuple[Tape, int, int, Callable[[Tape], Tape]]:
    tape = draw(tapes())
    start = draw(st.integers(1, len(tape) - 2))
    stop = draw(st.integers(start + 1, len(tape)))
    move, follow = draw(st.floats(-0.2, 0.2)), draw(st.floats(-1.5, 1.5))
    which = draw(st.sampled_from(["gap", "momentum", "wide", "decorrelate"]))
    if which == "wide":
        return tape, start, stop, partial(wide_exit, start=start, stop=stop, factor=draw(st.floats(1.0, 4.0)))
    if which == "decorrelate":
        return tape, start, len(tape), partial(decorrelate, start=start, stop=stop, seed=draw(st.integers(0, 99)))
    if which == "gap":
        return tape, start, len(tape), partial(gap, row=start, move=move, follow=follow)
    return tape, start, len(tape), partial(momentum, start=start, stop=stop, move=move, follow=follow)


@settings(max_examples=60, deadline=None)
@given(happening=happenings())
def test_a_stressed_tape_is_a_tape_whose_past_keeps_every_bit(happening: tuple[Tape, int, int, Callable[[Tape], Tape]]) -> None:
    tape, start, stop, scenario = happening
    digest, sides = tape.digest, [side.copy() for side in (tape.bid, tape.ask)]
    found = scenario(tape)  # the tape's own checks: bid below ask, both or none
    assert found.digest != digest
    assert Tape(*(getattr(tape, name) for name in tape.__dataclass_fields__)).digest == digest  # the original is as it was
    assert all(np.array_equal(side, old, equal_nan=True) for side, old in zip((tape.bid, tape.ask), sides, strict=True))
    for name in ("bid", "ask"):
        new, old = getattr(found, name), getattr(tape, name)
        assert new[:start].tobytes() == old[:start].tobytes()
        assert new[stop:].tobytes() == old[stop:].tobytes()
        assert np.array_equal(np.isnan(new), np.isnan(old))
        for leg, instrument in enumerate(found.instruments):
            ticks = new[:, leg][~np.isnan(new[:, leg])] / float(instrument.tick)
            assert np.allclose(ticks, np.rint(ticks), atol=1e-6)
            assert (ticks > 0.5).all()
            if instrument.kind is Kind.BINARY:
                assert (ticks * float(instrument.tick) * float(instrument.multiplier) < 1 - 1e-9).all()
    assert found.instruments == tape.instruments
    assert found.bid_size is tape.bid_size
    assert found.ask_size is tape.ask_size
    assert np.array_equal(found.ts_ns, tape.ts_ns)
    assert found.description.startswith(f"{tape.description}; ")


@settings(max_examples=25, deadline=None)
@given(tape=tapes(), factor=st.floats(1.0, 4.0))
def test_wide_quotes_keep_the_mid_and_are_at_least_as_wide(tape: Tape, factor: float) -> None:
    found = wide_exit(tape, 3, len(tape), factor)
    if "held at the edge" in found.description:  # a contract next to 0 or 1 has no room
        return
    assert np.allclose(found.mid, tape.mid, rtol=0, atol=1e-9, equal_nan=True)
    wide, before = (t.ask[3:] - t.bid[3:] for t in (found, tape))
    known = ~np.isnan(wide)
    assert (wide[known] >= factor * before[known] - 1e-6).all()
    tick = max(float(i.tick) for i in tape.instruments)
    assert (wide[known] <= factor * before[known] + 2 * tick + 1e-6).all()


# ----------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: gap(FLAT, 4, 0.1), "rows 4 to 4: must be within 0 to 3"),
        (lambda: momentum(FLAT, 2, 2, 0.1), "rows 2 to 1: must be within 0 to 3, at least one row"),
        (lambda: gap(FLAT, 1, math.inf), "gap: move=inf|momentum: move=inf|finite numbers"),
        (lambda: gap(FLAT, 1, 0.1, follow=[1.0, 2.0]), "one follow for all 1 hedge legs or one for each"),
        (lambda: wide_exit(FLAT, 1, 2, math.nan), "factor=nan"),
        (lambda: decorrelate(FLAT, 0, 2, seed=1), "rows 0 to 1: must be within 1 to 3"),
        (lambda: decorrelate(FLAT, 1, 2, seed=1, block=0), "block=0: must be a whole number of 1 or more"),
        (lambda: decorrelate(tape_of([[9.0]] * 3, [[9.1]] * 3, PAIR[:1]), 1, 2, seed=1), "the tape has no hedge leg"),
    ],
)
def test_a_wrong_number_is_named(call: Callable[[], Tape], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        call()


def test_ticks_that_are_no_binary_fraction_stay_exact() -> None:
    odd = (Instrument("V", "P", tick=Decimal("0.03")), PAIR[1])
    found = gap(tape_of([[99.99, 49.98]] * 2, [[100.02, 50.02]] * 2, odd), 1, 0.1)
    ticks = found.bid[1, 0] / 0.03
    assert ticks == pytest.approx(round(ticks), abs=1e-9)
    assert found.bid[1, 0] == round(ticks) * 3 / 100
