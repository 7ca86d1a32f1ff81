"""Planted latencies, slippage, fills and censoring come back from the journal, and go into a backtest."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.random import PCG64, Generator

from hedgekit.backtest import run
from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange import FillModel
from hedgekit.journal import Journal
from hedgekit.params import Params
from hedgekit.tca import Calibration, calibrate
from hedgekit.types import Priority, Record
from tests.paper.rig import TINY, TINY_PARAMS
from tests.tca.made import BY_SECOND, MS, SECOND, SECOND_PARAMS, Life, finished, journal, quote

HOUR = 3600 * SECOND


@pytest.fixture(scope="module")
def fitted(paper: Journal) -> Calibration:
    return calibrate(paper)


def way(found: Calibration, name: str, column: str = "median") -> float:
    return float(found.latency.table.loc[name, column])  # type: ignore[arg-type]  # a column of numbers


# ------------------------------------------------------------------ a real session


def test_the_sandbox_latencies_come_back(fitted: Calibration) -> None:
    """FillModel's defaults, to the nanosecond; the reply's way cannot be seen and equals the request's here."""
    assert fitted.model() == FillModel()
    assert (way(fitted, "ack"), way(fitted, "fill"), way(fitted, "request")) == (30.0, 5.0, 25.0)


def test_other_latencies_come_back_and_move_the_backtest_with_the_session(tmp_path: Path) -> None:
    """A session under slow messages, its latencies fitted, gives its own fills again; under the default latencies it does not."""
    slow = FillModel(ws_ns=7 * MS, up_ns=2600 * MS, down_ns=2600 * MS)
    with finished(tmp_path, slow, BY_SECOND, SECOND_PARAMS).journal() as paper:
        model, theirs = calibrate(paper).model(), paper.fills()
    assert len(theirs) > 20
    assert (model.ws_ns, model.up_ns) == (slow.ws_ns, slow.up_ns)
    ours, fast = (run(BY_SECOND.tape(), Params.make(**SECOND_PARAMS), one).tables.fills for one in (model, FillModel()))
    columns = ["ts", "leg", "qty", "price", "fee"]
    pd.testing.assert_frame_equal(ours[columns], theirs[columns])
    assert not fast[columns].equals(theirs[columns])


def test_a_simulated_exchange_is_called_one(fitted: Calibration) -> None:
    notes = " ".join(fitted.notes)
    assert "simulated exchange's own parameters" in notes
    assert "86,399 s or more after the decision" in notes, "daily quotes: slippage is a day's move"
    assert "73 fills of 74 orders in 14 trades" in notes


def test_the_sandbox_gives_all_that_is_displayed(fitted: Calibration) -> None:
    """Its fill model is known: every order fills on its first quote, up to the size shown."""
    assert fitted.filling.displayed_frac.value == 1.0
    assert fitted.filling.probability.loc[0, "any"] == 1.0
    rows = fitted.filling.orders
    unseen = rows["displayed"].isna()
    assert rows.loc[unseen, "first"].tolist() == [0.0], "one order was cancelled before a first quote"
    seen = rows[~unseen]
    np.testing.assert_allclose(seen["first"], np.minimum(seen["qty"], seen["displayed"]))
    tape = TINY.tape()
    assert fitted.displayed(tape) is tape


def test_slippage_is_the_journals(fitted: Calibration, paper: Journal) -> None:
    table, fills = fitted.slippage, paper.fills()
    every = table[(table["role"] == "all") & (table["priority"] == "all")].set_index("against")
    assert every.loc["touch", "money"] == pytest.approx(fills["slippage"].sum())
    assert every.loc["mid", "money"] == pytest.approx(fills["spread_cost"].sum())
    assert every["trades"].eq(14).all(), "whole trades are resampled: their fills hang together"
    legs = table[(table["role"] != "all") & (table["priority"] != "all") & (table["against"] == "touch")]
    assert legs["money"].sum() == pytest.approx(fills["slippage"].sum())
    assert legs["fills"].sum() == len(fills)


def test_one_line_runs_the_backtest_with_all_that_was_fitted(fitted: Calibration) -> None:
    params, tape = Params.make(**TINY_PARAMS), TINY.tape()
    again = fitted.backtest(tape, params)
    assert again.params is not None
    assert again.params.slippage_buffer == fitted.buffer() > 0
    assert again.decisions == run(tape, fitted.params(params), fitted.model()).decisions
    assert again.decisions != run(tape, params).decisions, "the buffer keeps some entries out"


def test_the_table_has_every_figure_once(fitted: Calibration) -> None:
    table = fitted.table()
    assert table.index.is_unique
    known = table.dropna(subset=["low", "high"])
    assert len(known) >= 12
    assert (known["low"] <= known["value"]).all()
    assert (known["value"] <= known["high"]).all()


def test_same_seed_same_figures(paper: Journal, fitted: Calibration) -> None:
    pd.testing.assert_frame_equal(calibrate(paper).table(), fitted.table())
    assert calibrate(paper, seed=1).slippage_buffer.high != fitted.slippage_buffer.high


# ------------------------------------------------------------------ planted


def test_varying_latencies_are_in_their_intervals(tmp_path: Path) -> None:
    """Request 20 to 60 ms, word of it 2 to 12 ms: medians 40 and 7 ms, by construction."""
    rng = Generator(PCG64(5))
    up, down = rng.uniform(20, 60, 400), rng.uniform(2, 12, 400)
    lives = [
        Life(n * SECOND, ack=round((u + d) * MS), fills=[(round(u * MS) + 100 * MS, 10, "100.01")], stream=round(d * MS), trade=n)
        for n, (u, d) in enumerate(zip(up, down, strict=True))
    ]
    with journal(tmp_path / "j.db", lives) as made:
        found = calibrate(made)
    for name, truth in (("fill", 7.0), ("request", 40.0)):
        low, middle, high = (way(found, name, column) for column in ("low", "median", "high"))
        assert low <= truth <= high
        assert low < middle < high
        assert high - low < 8
    assert "simulated" not in " ".join(found.notes)


def test_a_reply_that_comes_first_makes_the_request_too_short(tmp_path: Path) -> None:
    """What the docstring says: 40 ms there, 2 ms back by the reply, 10 ms by the stream."""
    lives = [Life(n * SECOND, ack=42 * MS, fills=[(60 * MS, 10, "100.01")], stream=10 * MS) for n in range(3)]
    with journal(tmp_path / "j.db", lives) as made:
        assert way(calibrate(made), "request") == 32.0


def test_clocks_that_disagree_are_refused(tmp_path: Path) -> None:
    with journal(tmp_path / "j.db", [Life(0, ack=5 * MS, fills=[(50 * MS, 10, "100.01")], stream=30 * MS)]) as made:
        found = calibrate(made)
    with pytest.raises(DataError, match=r"30 ms \(venue to client\) and -25 ms \(client to venue\) cannot be; set this machine's clock"):
        found.model()


def test_nothing_to_fit_is_said(tmp_path: Path) -> None:
    with journal(tmp_path / "j.db", []) as made:
        found = calibrate(made)
    with pytest.raises(DataError, match="has no quote or fill"):
        found.model()
    with pytest.raises(DataError, match="0 closed trades; to bound slippage takes 10"):
        found.buffer()
    assert found.table()["n"].eq(0).all()


def test_orders_without_an_answer_are_counted(tmp_path: Path) -> None:
    lives = [Life(0, fills=[(HOUR, 10, "100.01")]), Life(SECOND, ack=None), Life(2 * SECOND, ack=None, refused=50 * MS)]
    with journal(tmp_path / "j.db", lives, [quote(HOUR)]) as made:
        found = calibrate(made)
    assert found.latency.without_ack == 2
    assert found.filling.refused == 2
    assert found.filling.completion.loc[0, "n"] == 1


def test_slippage_by_hand(tmp_path: Path) -> None:
    """Buy 10 at 100.11 decided on 100.01 (mid 100): $1.00 of $1000.10 against the touch, $1.10 of $1000 against the mid decided on."""
    lives = [
        Life(0, fills=[(HOUR, 10, "100.11")]),
        Life(2 * HOUR, -10, fills=[(HOUR, -10, "99.99")], expected="99.99", priority=Priority.CLOSE),
    ]
    with journal(tmp_path / "j.db", lives, [quote(HOUR, bid=100.05, ask=100.11), quote(3 * HOUR)]) as made:
        table = calibrate(made).slippage.set_index(["against", "role", "priority"])
    opening = table.xs(("primary", "primary"), level=("role", "priority"))
    assert opening.loc["touch", "mean_bps"] == pytest.approx(1.0 / 1000.1 * 1e4)
    assert opening.loc["decided mid", "mean_bps"] == pytest.approx(11.0)
    assert opening.loc["mid", "mean_bps"] == pytest.approx(0.03 / 100.08 * 1e4)
    assert table.loc[("touch", "primary", "close"), "money"] == pytest.approx(0.0)
    assert table.loc[("touch", "all", "all"), "sd_bps"] == pytest.approx(1.0 / 1000.1 * 1e4 / math.sqrt(2))
    assert math.isnan(table.loc[("touch", "all", "all"), "low"]), "one trade bounds nothing"  # type: ignore[arg-type]  # a number


def round_trips(slips: np.ndarray, *, start: int = 1) -> list[Life]:
    """Return trades that lose ``slip`` (price) on the way in and nothing on the way out."""
    out = []
    for n, slip in enumerate(slips, start):
        at = n * 4 * HOUR
        out.append(Life(at, fills=[(HOUR, 10, f"{100.01 + slip:.4f}")], trade=n))
        out.append(Life(at + 2 * HOUR, -10, fills=[(HOUR, -10, "99.99")], expected="99.99", trade=n, priority=Priority.CLOSE))
    return out


def test_the_buffer_is_what_a_round_trip_lost(tmp_path: Path) -> None:
    """0.2 a share on 100 is 20 bps of the leg, there and back; the interval holds it and its upper end is the buffer."""
    rng = Generator(PCG64(3))
    slips = 0.2 + 0.1 * rng.standard_normal(60)
    with journal(tmp_path / "j.db", round_trips(slips)) as made:
        found = calibrate(made)
    kept = found.slippage_buffer
    assert kept.n == 60
    assert kept.mean == pytest.approx(np.mean(np.round(slips, 4)) / 100.0, rel=1e-6)
    assert kept.low < 0.002 < kept.high == found.buffer() < 0.0025
    assert found.params(Params()).slippage_buffer == kept.high


def test_a_gain_gives_no_negative_buffer(tmp_path: Path) -> None:
    slips = -0.2 + 0.01 * Generator(PCG64(3)).standard_normal(20)
    with journal(tmp_path / "j.db", round_trips(slips)) as made:
        found = calibrate(made)
    assert found.slippage_buffer.high < 0
    assert found.buffer() == 0.0
    assert "even the upper end of its interval is a gain" in " ".join(found.notes)


def test_a_buffer_that_no_strategy_may_have_is_refused(tmp_path: Path) -> None:
    with journal(tmp_path / "j.db", round_trips(20 + Generator(PCG64(3)).standard_normal(20))) as made:
        found = calibrate(made)
    with pytest.raises(ConfigError, match=r"slippage_buffer=0\.2.*must be 0 to 0\.1"):
        found.params(Params())


@pytest.mark.parametrize("frac", [0.4, 1.0])
def test_the_part_of_a_displayed_size_that_can_be_had(tmp_path: Path, frac: float) -> None:
    """Orders of 10 to 150 against 100 displayed: those that wanted less than could be had only say "at least"."""
    wants = Generator(PCG64(9)).integers(10, 150, 80)
    lives, quotes = [], []
    for n, want in enumerate(wants.tolist()):
        got = min(want, round(100 * frac))
        lives.append(Life(n * HOUR, want, fills=[(SECOND, got, "100.01")], cancelled=10 * SECOND if got < want else None, trade=n))
        quotes += [quote(n * HOUR + SECOND), quote(n * HOUR + 2 * SECOND)]
    with journal(tmp_path / "j.db", lives, quotes) as made:
        found = calibrate(made)
    assert found.filling.displayed_frac.value == pytest.approx(frac)
    tape = TINY.tape()
    np.testing.assert_allclose(found.displayed(tape).ask_size, tape.ask_size * frac)
    first = found.filling.probability.loc[0]
    assert first["fraction"] == pytest.approx(np.minimum(wants, round(100 * frac)).sum() / wants.sum())
    assert first["full"] == pytest.approx(np.mean(wants <= round(100 * frac)))


def test_two_orders_share_a_quote(tmp_path: Path) -> None:
    """100 displayed: the first takes 70, so 30 were left for the second, which got all of them."""
    lives = [Life(0, 70, fills=[(SECOND, 70, "100.01")]), Life(MS, 50, fills=[(SECOND - MS, 30, "100.01")])]
    with journal(tmp_path / "j.db", lives, [quote(SECOND)], until=HOUR) as made:
        found = calibrate(made).filling
    assert found.orders["displayed"].tolist() == [100.0, 30.0]
    assert found.displayed_frac.value == 1.0


def test_who_had_no_chance_is_no_failure(tmp_path: Path) -> None:
    """One order fills on the first quote, one does not, one was cancelled before any came, one fills from the standing quote."""
    lives = [
        Life(0, fills=[(10 * SECOND, 10, "100.01")]),
        Life(SECOND, cancelled=60 * SECOND),
        Life(2 * SECOND, cancelled=3 * SECOND),
        Life(3 * SECOND, fills=[(50 * MS, 10, "100.01")]),
    ]
    quotes: list[Record] = [quote(10 * SECOND), quote(20 * SECOND), quote(30 * SECOND, bid=100.0, ask=99.0), quote(40 * SECOND)]
    with journal(tmp_path / "j.db", lives, quotes) as made:
        found = calibrate(made)
    assert found.filling.orders["chance"].tolist() == [True, True, False, False]
    assert list(found.filling.probability.loc[0, ["n", "any"]]) == [2, 0.5]
    assert found.filling.orders["quotes"].tolist() == [1.0, 3.0, 0.0, 0.0], "a crossed quote can fill nothing"
    assert "25% of 4 orders took from the standing quote" in " ".join(found.notes)


def test_the_last_quote_of_a_journal_is_a_chance(tmp_path: Path) -> None:
    with journal(tmp_path / "j.db", [Life(0)], [quote(SECOND)]) as made:
        assert list(calibrate(made).filling.probability.loc[0, ["n", "any"]]) == [1, 0.0]


def test_planted_censoring_is_recovered_without_bias(tmp_path: Path) -> None:
    """Exponential fills of mean 60 s, cancels of mean 80 s: 57% end. Those seen to fill took 34 s on average, and that is no estimate."""
    rng, n, truth = Generator(PCG64(11)), 1500, 60.0
    fill, cancel = rng.exponential(truth, n), rng.exponential(80.0, n)
    lives = [
        Life(k * SECOND, ack=5 * MS, fills=[(round(f * SECOND), 10, "100.01")], trade=k)
        if f < c
        else Life(k * SECOND, ack=5 * MS, cancelled=round(c * SECOND), trade=k)
        for k, (f, c) in enumerate(zip(fill, cancel, strict=True))
    ]
    with journal(tmp_path / "j.db", lives) as made:
        row = calibrate(made).filling.completion.loc[0]
    naive = fill[fill < cancel].mean()
    assert naive == pytest.approx(1 / (1 / truth + 1 / 80.0), rel=0.1)
    assert row["mean_low"] < truth < row["mean_high"]
    assert row["low"] < truth * math.log(2) < row["high"]
    assert row["mean"] == pytest.approx(np.minimum(fill, cancel).sum() / np.sum(fill < cancel), rel=1e-6)
    assert row["done"] == np.sum(fill < cancel)


@pytest.mark.parametrize(("option", "words"), [({"level": 1.0}, r"level=1\.0"), ({"level": 0.3}, r"level=0\.3"), ({"reps": 10}, "reps=10")])
def test_wrong_options_are_refused(paper: Journal, option: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        calibrate(paper, **option)  # type: ignore[arg-type]  # one of several options
