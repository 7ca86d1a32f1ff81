"""Every benchmark of ``make bench`` still runs, and what it compares is equal: tiny sizes, real processes, no judgement of a time.

The peers that live in an environment of their own take part in ``make bench`` only; here hedgekit is held against the rule by hand in
numba, statsmodels, arch, pandas, bare sqlite3 and the exchange's own books.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.perf.__main__ import BROWSER, PLAIN
from tests.perf.page import Bench, markdown, page
from tests.perf.rows import Found, Row, Size, asked, fitted, table, verdict
from tests.perf.smoke import ran

HERE = Path(__file__).parent
NO_BENCHMARKS = {"__main__", "message_frames", "page", "rows", "smoke", "verdict_calibration"}


@pytest.mark.parametrize("name", PLAIN)
def test_it_runs_and_finds_its_results_equal(name: str, tmp_path: Path) -> None:
    ran(name, tmp_path)


def test_no_benchmark_is_left_out() -> None:
    assert {file.stem for file in HERE.glob("*.py") if not file.stem.startswith("test_")} - NO_BENCHMARKS == {*PLAIN, *BROWSER}


RATE = Row("part", "rate", "bars/s", 30.0, "other", 10.0, more=True, target=4.0)
TIME = Row("part", "time", "ms", 3.0, "floor", 2.0, target=2.0)


def test_targets_by_hand() -> None:
    assert (RATE.ratio, RATE.met, TIME.ratio, TIME.met) == (3.0, False, 1.5, True)
    alone = msgspec.structs.replace(TIME, of_ratio=False)
    assert (alone.met, asked(alone), asked(TIME), asked(RATE)) == (False, "<= 2 ms", "<= 2 x", ">= 4 x")
    assert verdict(msgspec.structs.replace(RATE, target=None)) == ""
    assert "NOT MET" in table([RATE, TIME])
    assert table([RATE, TIME]).count("met") == 1


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_a_planted_exponent_is_found(power: float) -> None:
    rng = np.random.default_rng(1)
    sizes = [10.0, 100.0, 1_000.0, 10_000.0]
    costs = [[3.0 * size**power * np.exp(0.02 * rng.standard_normal()) for _ in range(5)] for size in sizes]
    found = fitted("planted", "n", "s", sizes, costs)
    assert found.low < power < found.high
    assert found.high - found.low < 0.02
    assert found.met is (power < 2)


def test_n_log_n_is_allowed_and_its_square_is_not() -> None:
    sizes = [1e3, 1e4, 1e5, 1e6]
    assert fitted("", "n", "s", sizes, [n * np.log(n) for n in sizes]).met
    assert not fitted("", "n", "s", sizes, [n**1.5 for n in sizes]).met


def test_small_sizes_that_are_all_start_are_left_out() -> None:
    sizes = [1.0, 10.0, 1e4, 1e5, 1e6]
    found = fitted("", "n", "s", sizes, [5.0, 5.0, 1e4, 1e5, 1e6], since=1e4)
    assert found.slope == pytest.approx(1.0)
    assert len(found.costs) == 5


def test_the_page_says_what_is_missed_and_loads_nothing() -> None:
    curve = fitted("a backtest", "bars", "s", [1e3, 1e4, 1e5], [1.0, 10.0, 100.0])
    bench = Bench({"a processor": "(2 cores)"}, {"one": Found([RATE, TIME], [curve], [0.5, 1.5], 3.0)}, {"two": "<it> broke"})
    made = page(bench)
    assert "1 of 2 targets met; 1 of 1 curves no worse than asked for; load 0.5 to 1.5" in made
    assert "NOT MET" in made
    assert "&lt;it&gt; broke" in made
    assert "src=" not in made.replace(" ", "").split("</script>")[0][:2_000]
    said = markdown(bench)
    assert "| rate, bars/s | 30 | 10 other | 3 | >= 4 x | **not met** |" in said
    assert "| a backtest | bars | 1.00 | 1.00 to 1.00 | 1.11 |" in said


def test_sizes_are_picked_by_name() -> None:
    assert [Size(word).pick(1, 2, 3) for word in ("smoke", "quick", "full")] == [1, 2, 3]
