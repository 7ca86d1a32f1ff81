"""A user's module: pinned by its bytes, checked for what it gives and for looking ahead, harmless when it fails."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hedgekit import plugins
from hedgekit.errors import ConfigError, DataError
from hedgekit.plugins.checks import pair_of, ratios_of, scores_of
from hedgekit.plugins.module import read, run, versions_of
from hedgekit.stats.ratio import plan_due
from hedgekit.stats.revise import Reviser
from tests.core.core_made import DAILY, OVERRIDE, params
from tests.plugin_files import CENTRED, HONEST, MIDS, SLOPE, apart, write

OTHER = "0" * 64


# ------------------------------------------------------------------------- load


def test_a_module_is_its_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, HONEST)
    pinned = read(path)
    assert pinned.sha256 == sha256(path.read_bytes()).hexdigest()
    path.write_text(HONEST.replace("BARS = 20", "BARS = 99"))
    assert np.isfinite(run(pinned).scores(MIDS)).sum() == len(MIDS) - 19, "what was hashed runs, not what stands there now"  # type: ignore[misc]
    with pytest.raises(ConfigError, match="the file has changed"):
        plugins.load(path, pinned.sha256)


def test_a_loaded_plugin_says_what_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, HONEST + SLOPE)
    for expect in (None, read(path).sha256, "SHA256:" + read(path).sha256.upper() + "\n"):
        plugin = plugins.load(path, expect)
        assert (plugin.name, plugin.path, plugin.window) == ("mine.py", path, None)
        assert plugin.scores is not None
        assert plugin.ratios is not None
    assert str(tmp_path) not in str(plugin.described())
    assert plugin.described()["plugin_sha256"] == plugin.sha256
    assert re.fullmatch(r"python 3[.\d]+, numpy [.\d]+, pandas [.\d]+", plugin.described()["plugin_versions"])
    assert plugins.load(write(tmp_path, SLOPE)).scores is None


def test_what_a_module_imports_is_named_with_its_version() -> None:
    found = versions_of(b"import os, scipy.stats\nfrom statsmodels.api import OLS\nfrom . import x\nimport nosuchthing\n")
    assert found.keys() == {"python", "numpy", "pandas", "scipy", "statsmodels", "nosuchthing"}
    assert found["nosuchthing"] == "of unknown version"


def test_a_module_may_have_dataclasses_of_its_own(tmp_path: Path) -> None:
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass\nclass A:\n    x: int\n\n"
    assert plugins.load(write(tmp_path, text + "def ratios(mids):\n    return A(1).x\n")).ratios(MIDS) == 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n\ndef scores(mids:\n    return 1\n", r"plugin mine\.py at line 3: .*mend the file"),
        ("x = 'a", r"plugin mine\.py at line 1: unterminated string literal .*: \"x = 'a\"; mend the file"),
        ("x = 1\n\0", r"plugin mine\.py.*null bytes"),
        ("x = 1\ny = 1 / 0\n", r"plugin mine\.py at line 2: ZeroDivisionError when it was loaded: division by zero"),
        ("import nosuchthing\n", r"plugin mine\.py at line 1: ModuleNotFoundError when it was loaded: No module named 'nosuchthing'"),
        ("exec('1 +')\n", r"plugin mine\.py at line 1: SyntaxError when it was loaded"),
        ("raise SystemExit(3)\n", r"plugin mine\.py at line 1: SystemExit when it was loaded: 3"),
        ("x = 1\n", r"neither scores\(mids\) nor ratios\(mids\) is there; it defines no function: name yours so"),
        ("def score(mids):\n    return 1\n", r"neither scores\(mids\) nor ratios\(mids\) is there; it defines score: name yours so"),
        ("scores = 3\n", r"scores is a int; define it as a function: def scores\(mids\): \.\.\."),
        (
            "def scores():\n    pass\n",
            r"scores\(\) cannot be called as scores\(mids\): too many positional arguments; give other arguments a def",
        ),
        ("def ratios(mids, n):\n    pass\n", r"ratios\(mids, n\) cannot be called as ratios\(mids\): missing a required argument: 'n'"),
        ("async def scores(mids):\n    pass\n", r"scores must be a plain function that returns its numbers, neither async nor a generator"),
        ("def scores(mids):\n    yield 1\n", r"scores must be a plain function"),
        ("WINDOW = 2.5\ndef scores(mids):\n    pass\n", r"WINDOW = 2\.5 must be a whole number of bars, 1 or more, or not be there"),
        ("WINDOW = 0\ndef scores(mids):\n    pass\n", r"WINDOW = 0 must be a whole number"),
    ],
)
def test_a_file_that_is_no_plugin_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plugins.load(write(tmp_path, text))
    if "null bytes" in said or "SystemExit" in said or "neither" in said:  # a few are enough: it is the same function
        with pytest.raises(ConfigError, match=said):
            apart(tmp_path, text)


def test_a_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, HONEST)
    found = read(path).sha256
    with pytest.raises(ConfigError, match=f"plugin mine.py: its SHA-256 is {found}, expected was {OTHER}: the file has changed, or is ano"):
        plugins.load(path, OTHER)
    with pytest.raises(ConfigError, match=rf"'abc' is no SHA-256 \(64 hexadecimal digits\); that of the file is {found}"):
        plugins.load(path, "abc")
    with pytest.raises(ConfigError, match="there is no such file; give the Python file that defines"):
        plugins.load(tmp_path / "none.py")
    with pytest.raises(ConfigError, match=r"cannot be read .*; give the Python file that defines"):
        plugins.load(tmp_path)


def test_the_example_of_the_documentation_is_honest(tmp_path: Path) -> None:
    block = re.search(r"``my_signal\.py``::\n\n(.*?)\n\nthen backtest", plugins.__doc__ or "", re.DOTALL)
    assert block
    plugin = plugins.load(write(tmp_path, block[1]))
    assert plugin.scores is not None
    assert np.isfinite(scores_of(plugin.scores, MIDS)[0]).sum() == len(MIDS) - 29
    assert plugin.ratios is not None
    assert ratios_of(plugin.ratios(MIDS), 1)["ratios"][0] == pytest.approx(0.8, abs=0.1), "the truth is 0.8"


# ----------------------------------------------------------------------- checks


def test_scores_that_look_ahead_are_refused(tmp_path: Path) -> None:
    assert plugins.load(write(tmp_path, HONEST)).scores is not None
    with pytest.raises(DataError, match=r"scores: z of bar \d+ is [-.\d]+ with all bars and [-.\d]+ with the first 50: it looks ahead"):
        scores_of(plugins.load(write(tmp_path, CENTRED)).scores, MIDS)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"scores: sd of bar 0 .*it looks ahead"):
        scores_of(lambda mids: (np.zeros(len(mids)), np.full(len(mids), float(len(mids)))), MIDS)


def test_a_window_is_what_it_says(tmp_path: Path) -> None:
    for window, fits in ((20, True), (19, False)):
        plugin = plugins.load(write(tmp_path, f"WINDOW = {window}\n{HONEST}"))
        assert plugin.window == window
        assert plugin.scores is not None
        if fits:
            scores_of(plugin.scores, MIDS)
        else:
            with pytest.raises(DataError, match="with the 19 up to it alone: WINDOW = 19 is too short; give a larger one, or none"):
                scores_of(plugin.scores, MIDS)


def test_a_function_cannot_change_the_prices_of_others(tmp_path: Path) -> None:
    plugin = plugins.load(write(tmp_path, "def scores(mids):\n    mids -= 1\n    return mids[:, 0]\n"))
    before = MIDS.copy()
    with pytest.raises(DataError, match=r"scores raised ValueError at line 2 on 400 bars: .*read-only"):
        scores_of(plugin.scores, MIDS)  # type: ignore[arg-type]
    assert (before == MIDS).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros(2), r"shapes \(2,\) and \(3,\) for 3 bars; return one z for each bar"),
        (None, r"shapes \(1,\) and \(3,\) for 3 bars"),
        ((np.zeros(3), np.zeros(2)), r"shapes \(3,\) and \(2,\) for 3 bars"),
        ("abc", "a str cannot be read as numbers"),
        ((1, 2, 3), "a tuple cannot be read as numbers; return one z for each bar, or a tuple of z and sd"),
        ([0.0, np.inf, 0.0], "z of bar 1 is inf; give a finite number, or NaN for no opinion"),
        ((np.zeros(3), np.array([1.0, 1.0, -1.0])), "sd of bar 2 is -1; give a finite number, not negative, or NaN"),
    ],
)
def test_scores_of_another_shape_are_refused(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        pair_of(given, 3)


def test_scores_may_come_as_anything_that_is_numbers() -> None:
    for given in ([1, 2, float("nan")], np.array([1.0, 2.0, np.nan], dtype=np.float32), ((1.0, 2.0, np.nan), [0.1, 0.1, 0.1])):
        z, sd = pair_of(given, 3)
        assert (z.dtype, z[1], np.isnan(z[2])) == (np.float64, 2.0, True)
        assert sd.shape == (3,)


@pytest.mark.parametrize(
    ("given", "hedges", "ratios"),
    [
        (0.5, 1, (0.5,)),
        (np.float64(0.5), 1, (0.5,)),
        ([0.5, -0.1], 2, (0.5, -0.1)),
        ({"ratio": 0.5}, 1, (0.5,)),
        ({"ratios": (0.5, 0.2)}, 2, (0.5, 0.2)),
        ({"ratio": 0.5, "others": [0.2]}, 2, (0.5, 0.2)),
    ],
)
def test_ratios_may_come_in_several_forms(given: Any, hedges: int, ratios: tuple[float, ...]) -> None:
    told = ratios_of(given, hedges)
    assert told == {"ratios": ratios}
    assert ratios_of(told, hedges) == told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([0.5, 0.2], r"shape \(2,\); return one ratio for each of the 1 hedges"),
        (None, "every ratio must be finite"),
        (np.nan, "nan; every ratio must be finite: return the last one to keep it"),
        ("x", "cannot be read as numbers; return one ratio for each hedge, or a dict with 'ratio'"),
        ({"stderr": 1.0}, "the dict has no 'ratio'; give dollars of hedge for each dollar of primary"),
        ({"ratio": 1.0, "std_err": 1.0}, "a key of the dict is not known; did you mean 'stderr'"),
        ({"ratio": 1.0, "stderr": -1.0}, "stderr must be a finite number, not negative, got -1"),
        ({"ratio": 1.0, "half_life": 0}, "half_life must be bars above 0, or None where nothing reverts, got 0"),
        ({"ratio": 1.0, "p_value": 1.5}, "p_value must be a number from 0 to 1, got 1.5"),
        ({"ratio": 1.0, "n": None}, "n must be how many rows it rests on, got a NoneType"),
    ],
)
def test_ratios_that_cannot_be_used_are_refused(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        ratios_of(given, 1)


# ------------------------------------------------------------------------ plans


def test_a_users_ratio_takes_the_estimators_place() -> None:
    strategy = params(**DAILY)
    built, mine = Reviser(strategy), Reviser(strategy, lambda mids: float(len(mids)))
    for bars in (61, 81, 101):
        assert built.next_fit == mine.next_fit == bars
        ours, theirs = mine.revise(MIDS[:bars], 5), built.revise(MIDS[:bars], 5)
        assert theirs == plan_due(MIDS[:bars], 5, strategy)
        assert (ours.ratio, ours.n, ours.method, ours.fitted_at_ns) == (float(bars), bars, "user", 5)
        assert ours.valid_until_ns == theirs.valid_until_ns


def test_a_users_plan_claims_no_more_than_it_was_given() -> None:
    bare = Reviser(params(**DAILY), lambda _: 0.8).revise(MIDS[:61], 5)
    assert (bare.evidence.test, bare.evidence.p_value, bare.evidence.statistic) == ("user", None, None)
    assert "hedgekit has tested nothing" in bare.evidence.warnings[0]
    assert "no standard error was given" in bare.evidence.warnings[1]
    assert (bare.override, bare.stderr) == (OVERRIDE, 1.0)
    assert not Reviser(params(**DAILY, evidence_override=None), lambda _: 0.8).revise(MIDS[:61], 5).trusted(0.05)
    built = plan_due(MIDS[:181], 5, params(**DAILY))
    assert built.half_life is not None
    ours = Reviser(params(**DAILY), lambda _: built.ratio).revise(MIDS[:181], 5)
    assert ours.half_life == pytest.approx(built.half_life), "the spread's, as of any plan"
    told = {"ratio": 0.8, "stderr": 0.1, "half_life": 7.0, "p_value": 0.01, "test": "mine", "n": 50}
    full = Reviser(params(**DAILY), lambda _: told).revise(MIDS[:61], 5)
    assert (full.stderr, full.half_life, full.n, full.evidence.test, full.evidence.p_value) == (0.1, 7.0, 50, "user: mine", 0.01)
    assert (full.override, full.evidence.warnings) == (None, (bare.evidence.warnings[0] + "; the p-value is the user's too",))
    flat = np.ones((61, 2))
    assert Reviser(params(**DAILY), lambda _: 0.8).revise(flat, 5).half_life is None


def test_a_ratio_that_rests_on_what_came_later_is_refused() -> None:
    seen: list[int] = []

    def remembers(mids: np.ndarray) -> float:
        seen.append(len(mids))
        return float(max(seen))

    reviser = Reviser(params(**DAILY), remembers)
    reviser.revise(MIDS[:61], 5)
    with pytest.raises(DataError, match="on the first 61 bars it said 61 and 81: it looks ahead, or remembers"):
        reviser.revise(MIDS[:81], 6)
