"""The over-fitting guard and its parts: vectors, laws of purging, and what it says of noise and of planted edges."""

from __future__ import annotations

from collections import Counter
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import SPA
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats import overfit as of

HERE = Path(__file__).parent

# Vector PBO: Bailey et al. 2017, rank / (N + 1), code checked against R pbo.
BAILEY_2017_S4_LOGITS = [
    2.4849066497880012,
    -0.8109302162163287,
    1.2039728043259361,
    -2.4849066497880004,
    1.7047480922384253,
    2.4849066497880012,
]
BAILEY_2017_S4 = [1 / 3, 1.4543604482821806, -9.265592735662905, 1 / 3, 6]
BAILEY_2017_S8 = [0.2571428571428571, 1.7047480922384253, -1.1500429968379542, 0.2714285714285714, 70]

# Vector SPA: Hansen 2005 with mean block 10; White 2000; arch 8.0.0, which never studentises.
HANSEN_2005_T, HANSEN_2005_CONSISTENT, WHITE_2000_RC, ARCH_8_SPA = 3.6737737642697033, 0.0003, 0.448, 0.447

LOPEZ_DE_PRADO_2018_CPCV = {(6, 2): (15, 5), (10, 2): (45, 9), (16, 8): (12870, 6435)}


def noise(seed: int, n: int, k: int, common: float = 0.0) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.sqrt(1 - common) * rng.standard_normal((n, k)) + np.sqrt(common) * rng.standard_normal((n, 1))


def best_of(x: np.ndarray) -> int:
    return int((x.mean(axis=0) / x.std(axis=0)).argmax())


def pbo_dev() -> np.ndarray:
    return pd.read_csv(HERE / "pbo_dev.csv", header=None).to_numpy()


def hetero() -> pd.DataFrame:
    return -pd.read_csv(HERE / "spa_hetero.csv")


# -------------------------------------------------------------------------- PBO


def test_pbo_vectors() -> None:
    four, eight = of.pbo(pbo_dev(), blocks=4), of.pbo(pbo_dev(), blocks=8)
    assert four.logits == pytest.approx(BAILEY_2017_S4_LOGITS, abs=1e-8)
    for found, published in ((four, BAILEY_2017_S4), (eight, BAILEY_2017_S8)):
        figures = [found.pbo, found.median_logit, found.slope, found.prob_loss, found.n_comb]
        assert figures == pytest.approx(published, abs=1e-8)


def test_recentring_forces_pbo_to_one() -> None:
    x = noise(1, 160, 6)
    x[:, 0] += 0.5
    assert of.pbo(x).pbo == 0
    assert of.pbo(x - x.mean(axis=0)).pbo == 1


@pytest.mark.parametrize(("trials", "expected"), [(10, 0.5), (9, 5 / 9)])
def test_pbo_of_noise_is_a_half_or_the_odd_middle_more(trials: int, expected: float) -> None:
    found = [of.pbo(noise(seed, 80, trials), blocks=6).pbo for seed in range(300)]
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / np.sqrt(300))


def test_pbo_with_uneven_blocks_and_a_trial_that_never_traded() -> None:
    x = np.column_stack((noise(2, 101, 4), np.zeros(101)))
    found = of.pbo(x, blocks=4)
    assert found.n_comb == 6
    assert np.isfinite(found.logits).all()
    assert of.pbo(-np.abs(x), blocks=4).prob_loss == 0  # the one that did nothing is best, and loses nothing


def test_pbo_does_not_depend_on_units() -> None:
    x = noise(3, 90, 5)
    assert of.pbo(x * 1e-4).logits == pytest.approx(of.pbo(x).logits)


# -------------------------------------------------------------------------- SPA


def test_spa_vector() -> None:
    losses = hetero()
    found = of.spa(losses.iloc[:, 1:], losses["bench"], block=10, reps=20_000)
    assert found.statistic == pytest.approx(HANSEN_2005_T, abs=1e-6)
    assert found.consistent == pytest.approx(HANSEN_2005_CONSISTENT, abs=0.002)
    assert found.reality_check == pytest.approx(WHITE_2000_RC, abs=0.02)
    assert found.lower <= found.consistent <= found.upper
    assert found.best == 0
    assert found.adjusted[0] == found.consistent == found.adjusted.min()


def test_arch_never_studentises_which_is_why_we_do() -> None:
    losses = -hetero()
    for studentize in (True, False):
        theirs = SPA(losses["bench"], losses.iloc[:, 1:], block_size=10, reps=4_000, studentize=studentize, seed=1)
        theirs.compute()
        assert theirs.pvalues["consistent"] == pytest.approx(ARCH_8_SPA, abs=0.03)


def test_spa_without_a_winner_and_with_one_that_never_traded() -> None:
    x = np.column_stack((noise(4, 200, 2) - 0.2, np.zeros(200)))
    found = of.spa(x, reps=199)
    assert [found.statistic, found.lower, found.consistent, found.upper, found.reality_check] == [0, 1, 1, 1, 1]
    assert found.tried == 2
    assert (found.adjusted == 1).all()


def test_spa_holds_its_size_and_sees_an_edge() -> None:
    hits = sum(of.spa(noise(seed, 250, 5), reps=199, block=1).consistent <= 0.05 for seed in range(300))
    assert hits / 300 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    x = noise(5, 500, 5)
    x[:, 2] += 0.25
    assert of.spa(x, reps=499).adjusted[2] < 0.01
    assert of.spa(x, reps=499).best == 2


def test_spa_does_not_depend_on_units_and_repeats() -> None:
    x = noise(6, 60, 3)
    one, other, again = of.spa(x, reps=199, seed=3), of.spa(x * 128, reps=199, seed=3), of.spa(x, reps=199, seed=3)
    assert one.upper == other.upper == again.upper
    assert one.adjusted.tolist() == again.adjusted.tolist()


# ------------------------------------------------------------------------ splits


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (10, 2)])
def test_cpcv_counts(groups: int, tested: int) -> None:
    folds = list(of.splits(120, groups, tested))
    assert (len(folds), len(of.paths(groups, tested))) == LOPEZ_DE_PRADO_2018_CPCV[groups, tested]


def test_cpcv_counts_of_sixteen() -> None:
    found = of.paths(16, 8)
    assert (sum(1 for _ in of.splits(16, 16, 8)), len(found)) == LOPEZ_DE_PRADO_2018_CPCV[16, 8]
    assert found.shape == (6435, 16)


@given(
    n=st.integers(20, 60),
    groups=st.integers(2, 6),
    tested=st.integers(1, 5),
    purge=st.integers(0, 4),
    embargo=st.integers(0, 4),
    holding=st.integers(0, 6),
    seed=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_no_training_row_or_label_is_near_a_test_row(  # noqa: PLR0913 - the law holds for all of them
    n: int, groups: int, tested: int, purge: int, embargo: int, holding: int, seed: int
) -> None:
    tested = min(tested, groups - 1)
    rng = np.random.Generator(np.random.PCG64(seed))
    ends = np.minimum(np.arange(n) + rng.integers(0, holding + 1, n), n - 1)
    times = np.zeros(n, dtype=int)
    for fold in of.splits(n, groups, tested, purge=purge, embargo=embargo, ends=ends):
        times[fold.test] += 1
        assert len(fold.train) + len(fold.test) + fold.purged == n
        for i in fold.train:
            apart = np.maximum(fold.test - ends[i], i - ends[fold.test])  # label spans that do not meet within purge
            assert (apart > purge).all()
            before = fold.test[fold.test < i]
            assert not len(before) or i > ends[before].max() + purge + embargo or (ends[before] + purge + embargo < i).all()
    assert (times == comb(groups, tested) * tested // groups).all()


def test_nothing_is_purged_that_need_not_be() -> None:
    fold = list(of.splits(100, 10, purge=3, embargo=2))[4]
    assert fold.train.tolist() == [*range(37), *range(55, 100)]
    assert fold.test.tolist() == list(range(40, 50))
    assert fold.purged == 8


def test_a_trade_that_ends_in_the_test_rows_is_purged() -> None:
    ends = np.arange(100)
    ends[10] = 45
    ends[49] = 70
    fold = list(of.splits(100, 10, ends=ends))[4]
    assert 10 not in fold.train
    assert 9 in fold.train
    assert fold.train.tolist() == [i for i in range(100) if i != 10 and not 40 <= i <= 70]


def test_paths_are_assembled() -> None:
    folds = list(of.splits(30, 6, 2))
    whole = of.assemble(folds, [fold.test + 1000 * fold.number for fold in folds])
    assert whole.shape == (5, 30)
    assert (whole % 1000 == np.arange(30)).all()
    by = (whole // 1000).astype(int)[:, ::5]
    assert (by == of.paths(6, 2)).all()
    assert (of.assemble(folds[::-1], [fold.test + 1000 * fold.number for fold in folds[::-1]]) == whole).all()


@given(n=st.integers(12, 80), train=st.integers(1, 8), test=st.integers(1, 7), purge=st.integers(0, 3), anchored=st.booleans())
@settings(max_examples=40, deadline=None)
def test_walk_forward_never_looks_ahead(n: int, train: int, test: int, purge: int, *, anchored: bool) -> None:
    folds = list(of.walk_forward(n, train=train, test=test, purge=purge, anchored=anchored))
    assert np.concatenate([fold.test for fold in folds]).tolist() == list(range(train + purge, n))
    for fold in folds:
        assert fold.train[-1] == fold.test[0] - purge - 1
        assert len(fold.train) == (fold.test[0] - purge if anchored else train)


def test_walk_forward_purges_open_trades() -> None:
    ends = np.minimum(np.arange(40) + 5, 39)
    for fold in of.walk_forward(40, train=15, test=5, purge=2, ends=ends):
        assert ends[fold.train].max() < fold.test[0] - 2
        assert fold.purged == 2 + 5


# ------------------------------------------------------------------ independent


def test_copies_are_one_trial() -> None:
    x = noise(7, 400, 1)
    copies = of.independent_trials(np.column_stack([x[:, 0] + 0.01 * c for c in noise(8, 400, 10).T]))
    assert copies.clusters == 1
    assert copies.by_correlation == pytest.approx(1, abs=0.01)


def test_groups_are_counted() -> None:
    centres = noise(9, 500, 4)
    x = np.column_stack([centres[:, i // 5] + 0.3 * c for i, c in enumerate(noise(10, 500, 20).T)])
    found = of.independent_trials(x)
    assert found.clusters == 4
    assert found.labels is not None
    assert len(set(found.labels[:5])) == 1
    table = np.corrcoef(x.T)
    assert found.average_correlation == pytest.approx((table.sum() - 20) / (20 * 19))
    assert found.by_correlation == pytest.approx(found.average_correlation + (1 - found.average_correlation) * 20)
    assert of.independent_trials(x[:, :1]).by_correlation == 1


# ------------------------------------------------------------------------- guard


@pytest.mark.parametrize(("n", "k", "common", "blocks"), [(250, 10, 0.0, 4), (120, 8, 0.8, 4)])
def test_pure_noise_shows_no_edge_in_400_searches(n: int, k: int, common: float, blocks: int) -> None:
    said: Counter[str] = Counter()
    for seed in range(400):
        x = noise(1_000 + seed, n, k, common)
        said[of.guard(x, chosen=best_of(x), blocks=blocks, reps=99, block=1, seed=seed).finding] += 1
    assert said[of.Finding.NO_EDGE] >= 380
    assert said[of.Finding.SURVIVES] <= 20


def test_noise_of_which_only_the_best_were_kept_does_not_survive() -> None:
    for seed in range(30):
        x = noise(2_000 + seed, 250, 200)
        top = x[:, np.argsort(-x.mean(axis=0) / x.std(axis=0))[:5]]
        found = of.guard(top, chosen=0, trials=200, reps=199, block=1)
        assert found.finding == of.Finding.NO_EDGE
        assert any("195 of 200 trials have no returns here" in warning for warning in found.warnings)


def test_a_real_edge_survives() -> None:
    x = noise(11, 1_000, 20)
    x[:, 7] += 0.2
    table = pd.DataFrame(x, columns=[f"z{i}" for i in range(20)])
    found = of.guard(table, chosen="z7", trials=60, reps=499)
    assert found.finding == of.Finding.SURVIVES
    assert found.sentence.startswith("SURVIVES: z7, chosen among 60 trials, has a Sharpe ratio of ")
    assert found.psr >= found.dsr >= 0.95
    assert found.dsr_effective >= found.dsr
    assert found.spa_p <= 0.05
    assert found.min_track < 1_000
    assert found.sharpe_annual == pytest.approx(found.sharpe * np.sqrt(252))
    assert of.guard(table, chosen="z7", trials=60, reps=499).sentence == found.sentence


def test_equally_good_trials_make_the_choice_doubtful() -> None:
    seeds = [seed for seed in range(40) if of.pbo(noise(seed, 400, 4) + 0.3).pbo > 0.55]
    found = of.guard(noise(seeds[0], 400, 4) + 0.3, chosen=best_of(noise(seeds[0], 400, 4)), reps=199)
    assert found.finding == of.Finding.CANNOT_TELL
    assert "choosing the best in sample did worse than a random choice" in found.sentence


def test_opposite_copies_of_one_edge_are_over_counted_and_the_guard_cannot_tell() -> None:
    edge, own = noise(19, 1_000, 1) + 0.2, 0.05 * noise(20, 1_000, 40)
    x = np.where(np.arange(40) < 20, edge, -edge) + own  # the variance of the Sharpe ratios is that of the sign
    found = of.guard(x, chosen=best_of(x), reps=199)
    assert found.independent.clusters == 2
    assert found.dsr < 0.95
    assert found.spa_p <= 0.01
    assert found.finding == of.Finding.CANNOT_TELL
    assert "the resampled search is sure, but counted one by one" in found.sentence
    assert of.guard(x, chosen=best_of(x), trials=41, reps=199).finding == of.Finding.NO_EDGE  # one trial is not at hand


def test_one_trial_and_one_chosen_against_a_benchmark() -> None:
    x = noise(12, 600, 1) + 0.3
    found = of.guard(x, chosen=0, reps=199)
    assert found.finding == of.Finding.SURVIVES
    assert np.isnan(found.pbo)
    assert found.dsr == pytest.approx(found.psr)
    same = of.guard(x, chosen=0, benchmark=0.3 + noise(13, 600, 1)[:, 0], reps=199)
    assert same.finding == of.Finding.NO_EDGE
    assert same.sharpe < 0.1


def test_more_trials_deflate_more() -> None:
    x = noise(14, 500, 5)
    x[:, 0] += 0.15
    found = [of.guard(x, chosen=0, trials=trials, reps=99).dsr for trials in (5, 50, 5_000)]
    assert found[0] > found[1] > found[2]


def test_what_a_reader_has_to_know_is_said() -> None:
    x = np.column_stack((noise(15, 300, 2), np.zeros(300)))
    worst = 1 - best_of(x[:, :2])
    for t in range(1, 300):
        x[t, worst] += 0.7 * x[t - 1, worst]
    worst = int((x[:, :2].mean(axis=0) / x[:, :2].std(axis=0)).argmin())
    said = " | ".join(of.guard(x, chosen=worst, reps=99).warnings)
    assert "1 trial never differed from the benchmark" in said
    assert f"column {worst} is not the best trial" in said
    x = noise(16, 300, 1)
    for t in range(1, 300):
        x[t] += 0.7 * x[t - 1]
    found = of.guard(x, chosen=0, reps=99)
    assert any("returns hang together: 300 bars are worth" in warning for warning in found.warnings)
    assert found.effective_n < 150


def test_no_edge_says_how_long_it_would_take() -> None:
    x = noise(17, 100, 3)
    x[:, 1] += 0.02 + 0.1 - x[:, 1].mean()
    found = of.guard(x, chosen=1, reps=99)
    assert found.finding == of.Finding.NO_EDGE
    assert "years would be needed" in found.sentence or "no length of history would change that" in found.sentence
    assert found.min_track > 100


GOOD = noise(18, 60, 3)
SIXTY = pd.date_range("2026-01-01", periods=60, tz="UTC")


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: of.pbo(GOOD, blocks=5), ConfigError, "blocks=5: must be an even number from 2 to 20"),
        (lambda: of.pbo(GOOD, blocks=22), ConfigError, "blocks=22"),
        (lambda: of.pbo(GOOD[:, :1]), DataError, "one trial: nothing was chosen"),
        (lambda: of.pbo(GOOD[:10], blocks=8), DataError, "10 bars of returns are too few, at least 16"),
        (lambda: of.pbo(GOOD * np.array([1, 1, np.nan])), DataError, "column 2"),
        (lambda: of.pbo(np.column_stack((GOOD[:, :2], np.full(60, 0.1)))), DataError, "column 2 earns 0.1 at every bar"),
        (lambda: of.spa(GOOD[:, :0]), DataError, "returns have no column"),
        (lambda: of.spa(GOOD * 0), DataError, "no trial ever differs from the benchmark"),
        (lambda: of.spa(GOOD, GOOD[1:, 0]), DataError, "benchmark has 59 bars, returns 60"),
        (
            lambda: of.spa(pd.DataFrame(GOOD, index=SIXTY), pd.Series(GOOD[:, 0], index=SIXTY + pd.Timedelta("1D"))),
            DataError,
            "benchmark and returns have different indexes",
        ),
        (lambda: of.spa(GOOD, reps=5), ConfigError, "reps=5"),
        (lambda: of.spa(GOOD, block=0.5), ConfigError, "block=0.5: must be a finite number, 1 or more"),
        (lambda: of.splits(10, 1), ConfigError, "groups=1: must be a whole number, 2 or more"),
        (lambda: of.splits(10, 3, 3), ConfigError, "test_groups=3: must be less than groups=3"),
        (lambda: of.splits(10, 12), ConfigError, "n=10: must be a whole number, 12 or more"),
        (lambda: of.splits(50, 40, 20), ConfigError, "137,846,528,820 splits; at most 200,000"),
        (lambda: of.splits(10, 2, purge=-1), ConfigError, "purge=-1"),
        (lambda: of.splits(10, 2, embargo=-1), ConfigError, "embargo=-1"),
        (lambda: of.splits(10, 2, ends=[1, 2]), DataError, "ends has shape"),
        (lambda: of.splits(3, 2, ends=[0, 0, 2]), DataError, "ends is 0 at position 1: must lie from 1 to 2"),
        (lambda: of.walk_forward(10, train=9, test=1, purge=1), ConfigError, "train=9 and purge=1 leave no row to test"),
        (lambda: of.assemble([], []), DataError, "0 results for 0 folds"),
        (lambda: of.assemble(list(of.splits(10, 2))[:1], [np.zeros(5)]), DataError, "row 5 is tested 0 times, row 0 1 times"),
        (lambda: of.assemble(list(of.splits(10, 2)), [np.zeros(5), np.zeros(4)]), DataError, "result of fold 1 has shape"),
        (lambda: of.independent_trials(GOOD, alike=1), ConfigError, "alike=1"),
        (lambda: of.guard(GOOD, chosen=3), ConfigError, "chosen=3: no such trial; there are 3: 0, 1, 2"),
        (lambda: of.guard(GOOD, chosen=0, trials=2), ConfigError, "trials=2: fewer than the 3 trials whose returns are given"),
        (lambda: of.guard(GOOD, chosen=0, level=0.4), ConfigError, "level=0.4"),
        (lambda: of.guard(GOOD * [0, 1, 1], chosen=0), DataError, "column 0 never differs from the benchmark"),
    ],
)
def test_errors_say_the_fix(call, error: type[Exception], said: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a lambda
    with pytest.raises(error, match=said):
        call()
