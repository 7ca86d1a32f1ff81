"""A user's recorded file as a market: books, top of book, closes; what is refused, and where."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hedgekit.backtest import run
from hedgekit.backtest.events import run_events
from hedgekit.data import CLOSE_S, Books, LiveFeed, Recorded, recipe_of
from hedgekit.errors import ConfigError, DataError
from tests.core.core_made import params
from tests.data.recorded_made import BOOKS, LEVELS, T0, TOP, recorded, walking, write

NAN = np.nan


def test_every_level_is_read_as_it_was_recorded(tmp_path: Path) -> None:
    books = recorded(tmp_path, LEVELS, *BOOKS).books()
    assert books.ts_ns.tolist() == [T0, T0 + 123_456_789, T0 + 2 * 10**9, T0 + 3 * 10**9, T0 + 4 * 10**9]
    assert books.levels == 2
    assert books.recorded.tolist() == [[True, True], [True, False], [False, True], [True, False], [True, True]]
    assert books.ask_px[0].tolist() == [[44.70, 44.71], [90.02, 90.03]]
    assert np.array_equal(books.bid_sz[1], [[10.0, NAN], [NAN, NAN]], equal_nan=True)
    assert books.crossed.tolist() == [[False, False], [False, False], [False, False], [True, False], [True, False]]
    assert [i.key for i in books.instruments] == ["ALPACA:KO", "ALPACA:PEP"]


def test_the_tape_is_the_top_of_the_book_and_what_it_leaves_out_is_counted(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, LEVELS, *BOOKS)
    tape = recipe.tape()
    assert np.array_equal(tape.bid, [[44.68, 90.0], [44.69, NAN], [NAN, NAN], [NAN, NAN], [NAN, 90.0]], equal_nan=True)
    assert tape.digest == recipe.books().tape().digest
    said = recipe.describe(tape)
    assert "2 a side, as recorded (7 of 7 rows; 3 of 7 quotes one-sided or crossed" in said["description"]
    assert said["levels"] == "2"
    assert said["sha256"] == hashlib.sha256(Path(recipe.path).read_bytes()).hexdigest()
    assert "size_notional" not in said, "nothing of these quotes is made"


def test_the_digest_covers_the_depth(tmp_path: Path) -> None:
    """Level 2 changed, and the file's hash left out of account: another digest, and the recipe says so."""
    one = recorded(tmp_path, LEVELS, *BOOKS)
    said, tape = one.describe(one.tape()), one.tape()
    assert said["digest"] == one.books().digest != tape.digest
    Path(one.path).write_text(Path(one.path).read_text().replace("89.99,50", "89.98,50", 1))
    assert one.books().digest != said["digest"]
    with pytest.raises(DataError, match=r"mine\.csv: the file gives another tape"):
        one.describe(tape)


def test_a_top_of_book_file_is_books_of_one_level(tmp_path: Path) -> None:
    lines = TOP, "2026-01-05 14:30:00,KO,44.68,44.70,300,200", "2026-01-05 15:30:00+01:00,PEP,0,90.02,0,100"
    books = recorded(tmp_path, *lines, name="mine.csv.gz").books()
    assert (books.levels, books.ts_ns.tolist()) == (1, [T0]), "a zone counts, no zone is UTC"
    assert np.array_equal(books.bid_px[0], [[44.68], [NAN]], equal_nan=True), "price 0 and size 0 is no side"
    assert books.ask_sz[0].tolist() == [[200.0], [100.0]]


def test_closes_become_quotes_by_stated_assumptions(tmp_path: Path) -> None:
    lines = "ts,symbol,open,close", *(f"2026-01-0{day},{name},1,{price}" for day in (5, 6) for name, price in (("KO", 44.69), ("PEP", 90)))
    recipe = recorded(tmp_path, *lines)
    books, tape = recipe.books(), recipe.tape()
    assert tape.ts_ns.tolist() == [1_767_571_200_000_000_000 + (day * 86_400 + CLOSE_S) * 10**9 for day in (0, 1)], "after the close"
    assert tape.bid[0].tolist() == [44.68, 89.99]
    assert tape.ask[0].tolist() == [44.70, 90.01]
    assert books.bid_px[:, :, 0].tolist() == tape.bid.tolist()
    said = recipe.describe(tape)
    assert "Quotes and displayed sizes are made" in said["description"]
    assert said["size_notional"] == "500000.0"
    bars = recorded(tmp_path, "ts,symbol,close", "2026-01-05T14:31:00Z,KO,44.69", "2026-01-05T14:31:00Z,PEP,90")
    assert bars.tape().ts_ns.tolist() == [T0 + 60 * 10**9], "a bar within a day is known at its own time"


def test_other_symbols_and_columns_are_left_alone_and_named(tmp_path: Path) -> None:
    lines = f"{TOP},note", *(f"{T0},{name},10,10.01,1,1,x" for name in ("KO", "PEP", "NA"))
    recipe = recorded(tmp_path, *lines)
    assert "2 of 3 rows; columns not used: note" in recipe.describe(recipe.tape())["description"]
    assert recorded(tmp_path, *lines, hedge="NA").books().instruments[1].symbol == "NA", "no word means a missing value"


def test_cuts_are_inclusive(tmp_path: Path) -> None:
    lines = TOP, *(f"2026-01-0{day}T{hour}:00:00Z,{name},10,10.01,1,1" for day in (5, 6) for hour in (10, 20) for name in ("KO", "PEP"))
    assert len(recorded(tmp_path, *lines).books()) == 4
    assert len(recorded(tmp_path, *lines, last="2026-01-05").books()) == 2, "the whole day"
    assert len(recorded(tmp_path, *lines, first="2026-01-05T20:00:00Z", last="2026-01-06T10:00:00Z").books()) == 2
    with pytest.raises(DataError, match=r"first=2027-01-01, last=None: no row left; mine.csv has 2026-01-05 10:00"):
        recorded(tmp_path, *lines, first="2027-01-01").books()
    with pytest.raises(ConfigError, match="last='soon' is not a time"):
        recorded(tmp_path, *lines, last="soon").books()


def test_a_file_that_has_changed_is_refused_and_both_hashes_are_named(tmp_path: Path) -> None:
    recipe = recorded(tmp_path, LEVELS, *BOOKS).pinned()
    assert recipe.sha256 is not None
    assert recipe.books().levels == 2
    write(tmp_path, LEVELS, *BOOKS[:2])
    now = hashlib.sha256((tmp_path / "mine.csv").read_bytes()).hexdigest()
    with pytest.raises(DataError, match=f"mine.csv has changed: its sha256 is {now}, the recipe names {recipe.sha256}"):
        recipe.books()
    with pytest.raises(ConfigError, match="must be 64 hex digits"):
        msgspec.structs.replace(recipe, sha256="ABC").books()


LONG = f"{TOP}\n{T0},KO,10,10.01,1,1\n{T0},PEP,20,20.01,1,1\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read as CSV"),
        (f"{TOP}\n", "no rows"),
        ("when,symbol,bid\n1,KO,1\n", "no column 'ts'"),
        ("ts,symbl,bid\n1,KO,1\n", "no column 'symbol'; did you mean 'symbl'"),
        ("ts,symbol,side,bid\n1,KO,KO,1\n", "both a column 'symbol' and a column 'side'"),
        ("ts,symbol,price\n2026-01-05,KO,1\n2026-01-05,PEP,1\n", "no prices among the columns price; give either"),
        (f"{TOP},close\n{T0},KO,1,2,1,1,1\n{T0},PEP,1,2,1,1,1\n", "columns of top and of closes; give either"),
        ("ts,symbol,bid,ask,bid_size\n2026-01-05,KO,1,2,1\n2026-01-05,PEP,1,2,1\n", "no column 'ask_size'"),
        (f"{LONG}{T0 + 1},,10,10.01,1,1\n", r"row 3 \(.*\) has no symbol"),
        (f"{LONG}soon,KO,10,10.01,1,1\n", "has no time in ts"),
        (f"{LONG}{T0 - 1},KO,10,10.01,1,1\n", r"row 3 .* comes after a later time; sort the rows by ts"),
        (f"{TOP}\n1767623400000,KO,10,10.01,1,1\n", r"row 1 .* no count of nanoseconds since 1970"),
        (f"{LONG}{T0},KO,10,10.01,1,1\n", r"row 3 .*KO\) is there twice; keep one row"),
        (f"{LONG}{T0 + 1},KO,ten,10.01,1,1\n", r"row 3 .*KO\) has something in bid that is no number"),
        (f"{LONG}{T0 + 1},KO,inf,10.01,1,1\n", r"row 3 .* in bid that is no number"),
        (f"{LONG}{T0 + 1},KO,-1,10.01,1,1\n", r"row 3 .* at bid level 1, a price that is not above 0"),
        (
            f"{LONG}{T0 + 1},KO,10,10.015,1,1\n",
            r"row 3 .* at ask level 1, a price that is no whole number of ticks; correct it, or tick=0.01",
        ),
        (f"{LONG}{T0 + 1},KO,10,10.01,,1\n", r"row 3 .* at bid level 1, a price without a size above 0"),
        (f"{LONG}{T0 + 1},KO,10,10.01,0,1\n", r"row 3 .* at bid level 1, a price without a size above 0"),
        (
            f"{LEVELS}\n{T0},PEP,9,1,10,1,8,1,11,1\n{T0},KO,,,10,1,8,1,11,1\n",
            r"row 2 .*KO\) has, at bid level 2, a level behind a missing one",
        ),
        (f"{LEVELS}\n{T0},PEP,9,1,10,1,8,1,10,1\n{T0},KO,9,1,10,1,8,1,11,1\n", r"row 1 .* at ask level 2, a price that is not worse"),
        (f"{LEVELS},ask_px3\n{T0},PEP,9,1,10,1,8,1,11,1,12\n{T0},KO,9,1,10,1,8,1,11,1,12\n", "too much is column 'ask_px3' beside 2"),
        ("ts,symbol,bid_px1,bid_sz1,ask_px1\n2026-01-05,KO,1,1,2\n2026-01-05,PEP,1,1,2\n", "there is no column 'ask_sz1' beside 1"),
        ("ts,symbol,close\n2026-01-05,KO,1\n2026-01-05,PEP,1\n2026-01-06,KO,1\n", "closes: PEP on 2026-01-06 is missing"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_row_and_the_fix(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "mine.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        Recorded(str(tmp_path / "mine.csv"), "KO", "PEP").books()


def test_a_missing_file_or_symbol_and_a_field_out_of_range_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv cannot be read \(No such file"):
        Recorded("nowhere.csv", "KO", "PEP").books()
    with pytest.raises(DataError, match="no row of symbol 'PEPP'; did you mean 'PEP'"):
        recorded(tmp_path, LEVELS, *BOOKS, hedge="PEPP").books()
    for name, value, said in (
        ("tick", "0", "tick='0'"),
        ("hedge", "KO", "both 'KO'"),
        ("fee_rate", "x", "fee_rate='x'"),
        ("size_sigma", -1.0, "size_sigma=-1.0"),
    ):
        with pytest.raises(ConfigError, match=said):
            recorded(tmp_path, LEVELS, *BOOKS, **{name: value}).books()


def test_parquet_without_its_reader_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"PAR1 no parquet at all")
    with pytest.raises(DataError, match=r"pyarrow|cannot be read as Parquet"):
        Recorded(str(tmp_path / "mine.parquet"), "KO", "PEP").books()


def test_recipes_pass_between_processes_by_their_kind(tmp_path: Path) -> None:
    for recipe in (recorded(tmp_path, LEVELS, *BOOKS), LiveFeed("ws://127.0.0.1:1/v2/sip", "KO", "PEP")):
        assert recipe_of(msgspec.json.encode(recipe)) == recipe
    for text, said in (
        ('{"kind":"file","path":"a"}', "primary"),
        ('{"kind":"feed","url":"a","primary":"A","hedge":"B","ticks":1}', "ticks"),
    ):
        with pytest.raises(msgspec.DecodeError, match=said):
            recipe_of(text)


def test_both_backtests_take_it(tmp_path: Path) -> None:
    """The compiled one the top of the book, the event replay every level: orders larger than the touch walk down."""
    market = walking(tmp_path, 400, flawed=False)
    numbers = params(
        bar_s=1.0, bar_offset_s=0.5, fit_bars=60, refit_bars=40, lookback=10, entry=1.5, target=0.3, stop=6.0, notional=4_000.0
    )
    deep, top = run_events(market.books(), numbers), run(market.tape(), numbers)
    assert set(deep.executions.level) == {1, 2, 3}
    assert len(top.decisions) > 0
    assert isinstance(market.books(), Books)


# ------------------------------------------------------------------------ feed


def test_a_feed_has_no_tape_and_says_what_to_do() -> None:
    feed = LiveFeed("wss://stream.data.alpaca.markets/v2/iex", "KO", "PEP", fee_rate="0.0001")
    with pytest.raises(ConfigError, match="its prices are still to come; play it with `hedgekit sandbox --live`"):
        feed.tape()
    assert [i.key for i in feed.instruments()] == ["ALPACA:KO", "ALPACA:PEP"]
    assert feed.describe()["url"] == feed.url
    assert "digest" not in feed.describe()
    for changes, said in (({"url": "https://x"}, "address of a stream"), ({"tick": "0"}, "tick='0'"), ({"hedge": "KO"}, "both 'KO'")):
        with pytest.raises(ConfigError, match=said):
            msgspec.structs.replace(feed, **changes).instruments()
