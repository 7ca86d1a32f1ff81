"""Samples, checks and made quotes: nothing is filled or dropped in silence, and a price's unit decides nothing."""

from __future__ import annotations

import gzip
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.data import Market, Tape, check_closes, load_closes, load_sample, tape_from_closes
from hedgekit.errors import ConfigError, DataError
from hedgekit.types import NS, Instrument

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "date,A,B\n2020-01-02,10.5,20\n2020-01-03,11,21\n2020-01-06,12,22\n"


@pytest.fixture(scope="module")
def tape() -> Tape:
    return Market().tape()


def written(folder: Path, text: str) -> Path:
    path = folder / "closes.csv"
    path.write_text(text)
    return path


def test_sample_is_as_its_readme_says() -> None:
    closes = load_sample("eq_daily")
    assert closes.shape == (6805, 8)
    assert list(closes) == ["KO", "PEP", "BAC", "JPM", "XOM", "CVX", "JNJ", "PG"]
    assert str(closes.index[0]) == "1990-01-02 00:00:00+00:00"
    assert str(closes.index[-1]) == "2016-12-30 00:00:00+00:00"
    assert closes.KO.iloc[[0, -1]].tolist() == [2.235, 33.696]
    readme = (files("hedgekit.samples") / "README.md").read_text()
    for said in ("BSD 3-Clause", "skfolio 1.12.2", "Survivors only", "Copyright (c)", "Redistribution and use"):
        assert said in readme


def test_a_file_reads_back_as_written(tmp_path: Path) -> None:
    packed = tmp_path / "closes.csv.gz"
    packed.write_bytes(gzip.compress(GOOD.encode()))
    for path in (written(tmp_path, GOOD), packed):
        frame = load_closes(path, columns=("B", "A"))
        assert frame.columns.tolist() == ["B", "A"]
        assert frame.A.tolist() == [10.5, 11, 12]
        assert frame.index.tz is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2020-01-03,11,21", "2020-01-03,,21", r"closes.csv: A on 2020-01-03 is missing or not finite \(nan; 1 such rows\)"),
        ("2020-01-03,11,21", "2020-01-03,inf,21", "A on 2020-01-03 is missing or not finite"),
        ("2020-01-06,12,22", "2020-01-06,12,-22", r"B on 2020-01-06 is not above 0 \(-22"),
        ("2020-01-06,12,22", "2020-01-06,12,0", "B on 2020-01-06 is not above 0"),
        ("2020-01-06,12,22", "2020-01-06,12,n.q.", "B on 2020-01-06 is 'n.q.', not a number"),
        ("2020-01-06,12,22", "2020-01-03,12,22", "row 3 .2020-01-03.* is there twice"),
        ("2020-01-03,11,21", "2019-01-03,11,21", "row 2 .2019-01-03.* comes after a later date"),
        ("2020-01-03,11,21", "soon,11,21", "column 'date' has something that is not a date"),
        ("2020-01-03,11,21", ",11,21", "row 2 .NaT. has no date"),
        ("date,A,B", "day,A,B", "no column 'date'"),
        ("2020-01-03,11,21", "2020-01-03,11,21,5,6", "cannot be read as CSV"),
        (GOOD[9:], "", "no rows"),
    ],
)
def test_a_fault_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(DataError, match=said):
        load_closes(written(tmp_path, GOOD.replace(old, new)))


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*nowhere\.csv"):
        load_closes(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="no column 'KOO'; did you mean 'KO'"):
        Market(primary="KOO").tape()
    with pytest.raises(DataError, match="no sample 'eq_dayly'; did you mean 'eq_daily'"):
        load_sample("eq_dayly")
    with pytest.raises(DataError, match="A on 2020-01-03"):
        tape_from_closes(pd.DataFrame({"A": [1.0, np.nan]}, index=pd.DatetimeIndex(["2020-01-02", "2020-01-03"])), [Instrument("X", "A")])


def test_checking_changes_nothing() -> None:
    closes = load_sample("eq_daily", columns=("KO",))
    before = closes.copy()
    assert check_closes(closes) is closes
    pd.testing.assert_frame_equal(closes, before)


def test_first_rows_by_hand(tape: Tape) -> None:
    # KO 2.235 x 20 = 44.70, PEP 4.738 x 20 = 94.76; one basis point is under a cent, so the half-spread is a cent
    assert tape.bid[0].tolist() == [44.69, 94.75]
    assert tape.ask[0].tolist() == [44.71, 94.77]
    # last: KO 33.696 x 20 = 673.92, 1 bp = .067392: 673.852608 down, 673.987392 up
    assert (tape.bid[-1, 0], tape.ask[-1, 0]) == (673.85, 673.99)
    assert str(tape.index[0]) == "1990-01-02 21:00:00+00:00"
    assert [i.key for i in tape.instruments] == ["ALPACA:KO", "ALPACA:PEP"]
    assert len(tape) == 6805


def test_quotes_keep_their_promises(tape: Tape) -> None:
    closes = load_sample("eq_daily", columns=("KO", "PEP")).to_numpy() * 20
    half = np.maximum(closes * 1e-4, 0.01)
    assert (tape.bid <= closes - half + 1e-9).all()
    assert (tape.ask >= closes + half - 1e-9).all()
    assert (tape.ask - tape.bid < 2 * half + 0.02 + 1e-9).all()
    assert (tape.index.hour == 21).all()
    for side in (tape.bid, tape.ask):  # whole ticks, exactly: the shortest decimal of the double has two places
        assert all(Decimal(repr(price)) % Decimal("0.01") == 0 for price in side[:, 0].tolist())
    for size in (tape.bid_size, tape.ask_size):
        assert (size >= 1).all()
        assert (size % 1 == 0).all()


def test_share_of_partial_fills_is_as_documented(tape: Tape) -> None:
    share = []
    for leg, notional in ((0, 100_000), (1, 50_000)):
        quantity = np.floor(notional / tape.mid[:, leg])
        share.append(np.mean(np.r_[tape.bid_size[:, leg] < quantity, tape.ask_size[:, leg] < quantity]))
    assert share == pytest.approx([0.141, 0.060], abs=5e-4)
    assert np.mean(share) == pytest.approx(0.101, abs=5e-4)


def test_a_cut_tape_has_the_rows_of_the_whole_one(tape: Tape) -> None:
    part = Market(first="1995-06-30", last="1995-07-31").tape()
    start = int(np.searchsorted(tape.ts_ns, part.ts_ns[0]))
    assert len(part) == 21
    assert str(part.index[0].date()) == "1995-06-30"
    assert str(part.index[-1].date()) == "1995-07-31"
    assert part.digest == tape.rows(start, start + 21).digest
    with pytest.raises(DataError, match="no row left; eq_daily has 1990-01-02 to 2016-12-30"):
        Market(first="2020-01-01").tape()
    with pytest.raises(ConfigError, match="first='soon' is not a date"):
        Market(first="soon").tape()


def test_digest_sees_every_part(tape: Tape) -> None:
    short = tape.rows(0, 5)
    assert short.digest == Market().tape().rows(0, 5).digest
    for name in ("ts_ns", "bid", "ask", "bid_size", "ask_size"):
        other = getattr(short, name).copy()
        other.flat[-1] += 1 if name != "bid" else -1
        parts = {field: getattr(short, field) for field in ("instruments", "ts_ns", "bid", "ask", "bid_size", "ask_size", "description")}
        assert Tape(**{**parts, name: other}).digest != short.digest
    assert Market(size_seed=8).tape().digest != tape.digest
    assert Market(fee_rate="0").tape().digest != tape.digest


def test_another_unit_is_the_same_market_exactly(tape: Tape) -> None:
    cents = Market(price_factor=100).tape()
    assert cents.bid.tolist() == np.rint(tape.bid * 100).tolist()
    assert (cents.bid_size == tape.bid_size).all()
    assert (cents.ask_size == tape.ask_size).all()
    for instrument in cents.instruments:
        assert (instrument.multiplier, instrument.tick, instrument.lot) == (Decimal("0.01"), 1, 1)
    for old, new in zip(tape.bid[:, 0].tolist(), cents.bid[:, 0].tolist(), strict=True):  # money is equal to the last digit
        assert Decimal(repr(old)) == Decimal(repr(new)) * Decimal("0.01")


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([0.001, 0.01, 0.1, 0.5, 2.0, 10.0, 1000.0]))
def test_law_units_give_the_same_money(factor: float) -> None:
    market = Market(last="1990-03-30")
    base, other = market.tape(), msgspec.structs.replace(market, price_factor=factor).tape()
    assert (other.ask_size == base.ask_size).all()
    for leg, instrument in enumerate(other.instruments):
        for old, new in zip(base.ask[:, leg].tolist(), other.ask[:, leg].tolist(), strict=True):
            assert Decimal(repr(old)) == Decimal(repr(new)) * instrument.multiplier


def test_a_recipe_travels_as_json() -> None:
    market = Market(primary="JNJ", hedge="PG", last="1999-12-31", price_factor=100.0)
    assert msgspec.json.decode(msgspec.json.encode(market), type=Market) == market


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"scale": 0.0}, "scale=0.0: must be above 0"),
        ({"size_notional": float("nan")}, "size_notional=nan: must be above 0"),
        ({"half_spread_bps": -1.0}, "half_spread_bps=-1.0: must be 0 or more"),
        ({"hedge": "KO"}, "primary and hedge are both 'KO'"),
        ({"price_factor": 3.0}, "price_factor=3.0: 1/3.0 is not exact"),
    ],
)
def test_a_wrong_recipe_says_the_fix(values: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Market(**values).tape()


def test_a_price_below_a_tick_is_refused() -> None:
    with pytest.raises(DataError, match=r"KO at 0.0[0-9]+ is too low for a bid of one tick; raise the scale"):
        Market(scale=0.005).tape()


def test_a_tape_checks_itself(tape: Tape) -> None:
    one = (tape.instruments[0],)
    two, good = np.array([1, 2], dtype=np.int64), np.ones((2, 1))
    with pytest.raises(DataError, match=r"bid has shape \(1, 1\), must be \(2, 1\)"):
        Tape(one, two, good[:1], good + 1, good, good)
    with pytest.raises(DataError, match="time does not increase at row 1"):
        Tape(one, two[::-1].copy(), good, good + 1, good, good)
    with pytest.raises(DataError, match="KO has one side only at 1970"):
        Tape(one, two, np.where([[False], [True]], np.nan, good), good + 1, good, good)
    with pytest.raises(DataError, match="KO bid 1 is not below ask 1 at 1970"):
        Tape(one, two * NS, good, good, good, good)
    assert len(Tape(one, two, good * np.nan, good * np.nan, good, good)) == 2  # a leg without a quote
