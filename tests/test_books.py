"""Recorded books: checks, the vendored sample, the top of the book and walks down it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from hedgekit.data.books import Books, Walk, books_of, load_books
from hedgekit.data.tape import Tape
from hedgekit.errors import DataError
from hedgekit.types import Fees, Instrument, Kind

UP, DOWN = (Instrument("P", name, Kind.BINARY) for name in ("UP", "DOWN"))
SHARES = (Instrument("X", "A"), Instrument("X", "B"))
NAN = np.nan


def made(**changes: Any) -> Books:
    """Return two rows of two legs with two levels; the second row has no news of the second leg."""
    bid_px = np.array([[[0.40, 0.39], [0.58, 0.57]], [[0.41, 0.40], [NAN, NAN]]])
    ask_px = np.array([[[0.42, 0.43], [0.60, 0.61]], [[0.43, NAN], [NAN, NAN]]])
    sizes = {"bid_sz": np.where(np.isnan(bid_px), NAN, 10.0), "ask_sz": np.where(np.isnan(ask_px), NAN, 20.0)}
    fields: dict[str, Any] = {"instruments": (UP, DOWN), "ts_ns": np.array([10, 20]), "bid_px": bid_px, "ask_px": ask_px, **sizes}
    return Books(**fields | {"recorded": np.array([[True, True], [True, False]])} | changes)


def put(books: Books, name: str, at: tuple[int, ...], value: float) -> dict[str, Any]:
    """Return one array of the books with one value changed."""
    array = getattr(books, name).copy()
    array[at] = value
    return {name: array}


# ------------------------------------------------------------------ the sample

RECORDED = 25_256
"""MANIFEST: rows of pm_poly_btc15m_books_l5, of which 6 are crossed and 4.2 % have no bid, 4.2 % no ask."""


def test_the_sample_has_every_recorded_book_and_its_known_defects() -> None:
    books = load_books()
    assert len(books) == 12
    assert sum(int(b.recorded.sum()) for b in books.values()) == RECORDED
    assert sum(int(b.crossed.sum()) for b in books.values()) == 6
    for side in ("bid_px", "ask_px"):
        empty = sum(int((np.isnan(getattr(b, side)[:, :, 0]) & b.recorded).sum()) for b in books.values())
        assert empty / RECORDED == pytest.approx(0.042, abs=0.0005)
    assert [b.payout for b in books.values()] == [(0, 1)] * 3 + [(1, 0)] * 9
    assert all(b.complementary and b.levels == 5 and b.settle_ns is not None for b in books.values())
    first = books["btc-updown-15m-1790586000"]
    assert str(first.index[0]) == "2026-09-28 08:45:12.649000+00:00"
    assert first.bid_px[0].tolist() == [[0.49, 0.48, 0.47, 0.46, 0.45], [0.5, 0.49, 0.48, 0.47, 0.46]]
    assert first.bid_sz[0].tolist() == [[514.99, 445.0, 644.44, 927.68, 1190.35], [205.0, 75.0, 232.25, 496.05, 754.86]]
    assert str(pd.Timestamp(first.settle_ns or 0, tz="UTC")) == "2026-09-28 09:15:17.999000+00:00" or first.settle_ns == first.ts_ns[-1]


def test_up_and_down_are_one_bet() -> None:
    """MANIFEST: the mids add up to 1 in every book that has both."""
    for books in load_books().values():
        total = books.mid.sum(axis=1)
        assert total[~np.isnan(total)] == pytest.approx(1.0, abs=1e-12)


def test_the_sample_takes_fees_and_lots() -> None:
    books = load_books(fees=Fees(quantum=UP.tick), lot=UP.tick)
    one = next(iter(books.values())).instruments[0]
    assert (one.key, one.kind, one.lot, one.fees.quantum) == ("POLYMARKET:btc-updown-15m-1790586000-UP", Kind.BINARY, UP.tick, UP.tick)


def test_a_misspelt_sample_gets_a_hint() -> None:
    with pytest.raises(DataError, match="no recorded books 'pm_poly_btc'; did you mean 'pm_poly_btc15m'"):
        load_books("pm_poly_btc")


# ------------------------------------------------------------- tape and walks


def test_the_top_of_the_book_is_a_tape_without_what_a_tape_cannot_hold() -> None:
    base = made()
    books = made(**put(base, "bid_px", (0, 0, 0), 0.42))
    assert books.crossed.tolist() == [[True, False], [False, False]], "bid at the ask: no venue leaves that"
    tape = books.tape()
    assert np.array_equal(tape.bid, [[NAN, 0.58], [0.41, NAN]], equal_nan=True)
    assert np.array_equal(tape.ask_size, [[NAN, 20.0], [20.0, NAN]], equal_nan=True)
    assert tape.description.endswith("top of the book; 1 of 3 quotes one-sided or crossed and left out")
    assert np.array_equal(books.mid, [[NAN, 0.59], [0.42, NAN]], equal_nan=True) or books.mid[0, 1] == pytest.approx(0.59)


def test_a_tape_is_books_of_one_level_and_back() -> None:
    bid = np.array([[10.0, NAN], [11.0, 20.0]])
    tape = Tape(SHARES, np.array([1, 2]), bid, bid + 0.01, np.full((2, 2), 5.0), np.array([[5.0, 5.0], [0.0, 5.0]]), "t")
    books = Books.of_tape(tape)
    assert books.recorded.tolist() == [[True, False], [True, True]]
    assert np.isnan(books.ask_px[1, 0, 0]), "a displayed size of 0 is no level"
    assert books.levels == 1
    assert np.array_equal(books.tape().bid, [[10.0, NAN], [NAN, 20.0]], equal_nan=True)


def test_walks_by_hand() -> None:
    books = made()
    assert books.walk(0, 0, 20) == Walk(20.0, pytest.approx(0.42), 1)
    assert books.walk(0, 0, 25) == Walk(25.0, pytest.approx((20 * 0.42 + 5 * 0.43) / 25), 2)
    assert books.walk(0, 0, -100) == Walk(20.0, pytest.approx(0.395), 2), "all there is"
    nothing = books.walk(1, 1, 5)
    assert (nothing.filled, nothing.levels) == (0.0, 0)
    assert np.isnan(nothing.price)
    crossed = made(**put(books, "bid_px", (0, 0, 0), 0.43)).walk(0, 0, 5)
    assert (crossed.filled, crossed.levels) == (0.0, 0)
    with pytest.raises(DataError, match=r"walk: qty=0: give a signed quantity other than 0"):
        books.walk(0, 0, 0)


def test_rows_and_digest() -> None:
    books = made(payout=(1, 0), complementary=True)
    cut = books.rows(1, 2)
    assert (len(cut), cut.payout, cut.ts_ns.tolist()) == (1, (1, 0), [20])
    assert made().digest == made().digest
    others = [made(**put(books, "ask_sz", (0, 0, 1), 21.0)), made(payout=(1, 0)), made(description="x"), cut]
    assert len({made().digest, *(other.digest for other in others)}) == 5


# ---------------------------------------------------------------------- tables


def table(**changes: Any) -> pd.DataFrame:
    """Return a UP book with its mirror, then a DOWN book of its own."""
    rows = {
        "ts": ["2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"],
        "side": ["BOTH", "DOWN"],
        "bid_px1": [0.40, 0.55],
        "bid_sz1": [10.0, 7.0],
        "ask_px1": [0.43, NAN],
        "ask_sz1": [20.0, NAN],
    }
    return pd.DataFrame(rows | changes)


def test_a_table_with_a_mirror() -> None:
    books = books_of(table(), {"UP": UP, "DOWN": DOWN}, complementary=True, settle_ns=5)
    assert books.recorded.tolist() == [[True, True], [False, True]]
    assert books.bid_px[:, 1, 0].tolist() == [0.57, 0.55]
    assert books.ask_px[0, 1, 0] == 0.6
    assert (books.bid_sz[0, 1, 0], books.ask_sz[0, 1, 0]) == (20.0, 10.0)
    assert books.settle_ns == books.ts_ns[-1], "moved to the last row"


@pytest.mark.parametrize(
    ("rows", "complementary", "message"),
    [
        (table().drop(columns="ask_sz1"), True, "no column 'ask_sz1'; did you mean 'ask_px1'"),
        (table(side=["UP", "NO"]), True, "side 'NO' is unknown; there are: UP, DOWN, BOTH"),
        (table(), False, "side 'BOTH' is unknown; there are: UP, DOWN"),
        (table(ts=["2026-01-01T00:00:01Z"] * 2), True, "DOWN has two rows of one time"),
        (table(ts=["2026-01-01T00:00:01Z"] * 2, side=["UP", "UP"]), True, "UP has two rows of one time"),
    ],
)
def test_what_a_table_may_not_be(rows: pd.DataFrame, complementary: bool, message: str) -> None:  # noqa: FBT001 - a case's flag
    with pytest.raises(DataError, match=message):
        books_of(rows, {"UP": UP, "DOWN": DOWN}, complementary=complementary)


# ---------------------------------------------------------------------- checks

BASE = made()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ask_px": BASE.ask_px[:, :, :1]}, r"ask_px has shape \(2, 2, 1\), must be \(2, 2, 2\) \(rows, legs, levels\)"),
        ({"recorded": BASE.recorded[:1]}, r"recorded has shape \(1, 2\), must be \(2, 2\) \(rows, legs\)"),
        ({"ts_ns": np.array([10, 10])}, "time does not increase at row 1"),
        (put(BASE, "bid_px", (0, 1, 0), 1.2), r"DOWN has a price that is not between 0 and what .* \(bid, level 1\)"),
        (put(BASE, "ask_px", (0, 0, 1), -0.1), r"UP has a price that is not between 0 .* \(ask, level 2\)"),
        (put(BASE, "bid_sz", (0, 0, 1), 0.0), "UP has a level without a size above 0"),
        (put(BASE, "bid_sz", (0, 0, 1), NAN), "UP has a level without a size above 0"),
        (
            put(BASE, "ask_px", (1, 0, 0), NAN) | put(BASE, "ask_sz", (1, 0, 0), NAN) | put(BASE, "bid_px", (0, 0, 1), 0.40),
            "bids that do not fall",
        ),
        (put(BASE, "ask_px", (0, 1, 1), 0.60), "DOWN has asks that do not rise from the best on"),
        (put(BASE, "bid_px", (0, 0, 0), NAN) | put(BASE, "bid_sz", (0, 0, 0), NAN), "UP has a level behind a missing one"),
        ({"recorded": np.array([[True, True], [False, False]])}, "UP has levels in a row that is said to have no news of it"),
        ({"payout": (1,)}, r"payout=\(1,\) needs binary legs \(2 here\), and 0 or 1 for each"),
        ({"payout": (1, 2)}, r"payout=\(1, 2\) needs binary legs"),
        ({"payout": (1, 0), "instruments": SHARES}, r"payout=\(1, 0\) needs binary legs"),
        ({"payout": (1, 1), "complementary": True}, r"complementary needs two binary legs of which exactly one pays; payout is \(1, 1\)"),
        ({"complementary": True, "instruments": SHARES}, "complementary needs two binary legs"),
        ({"settle_ns": 15}, r"settle_ns=15 is before the last row \(20\)"),
    ],
)
def test_what_books_may_not_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made(**changes)


def test_shares_may_cost_more_than_one() -> None:
    assert made(instruments=SHARES, bid_px=BASE.bid_px * 100, ask_px=BASE.ask_px * 100).levels == 2
