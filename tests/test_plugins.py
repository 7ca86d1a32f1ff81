"""A user's module: pinned by its bytes, checked for what it gives and for looking ahead, harmless when it fails."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hedgekit import plugins
from hedgekit.errors import ConfigError, DataError
from hedgekit.plugins.apart import Apart
from hedgekit.plugins.checks import pair_of, ratios_of, scores_of
from hedgekit.plugins.module import read, run, versions_of
from hedgekit.plugins.watched import FAILURES, MEMORY, Watched
from hedgekit.stats.ratio import plan_due
from hedgekit.stats.revise import Reviser
from hedgekit.types import Command, Event, PlanRevised, Score
from tests.core.core_made import DAILY, OVERRIDE, ou_pair, params
from tests.plugin_files import CENTRED, HONEST, SLOPE, on_bars, write

MIDS = np.exp(ou_pair(3, 400))
OTHER = "0" * 64
EXIT = "import os; os._exit(1)"


def apart(folder: Path, text: str, **options: Any) -> Apart:
    return Apart(read(write(folder, text)), **options)


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


# ------------------------------------------------------- a process of its own


def test_a_process_answers_as_the_module_does(tmp_path: Path) -> None:
    path = write(tmp_path, HONEST + SLOPE)
    plugin = plugins.load(path)
    assert plugin.scores is not None
    assert plugin.ratios is not None
    with Apart(read(path)) as process:
        assert process.functions == {"scores", "ratios"}
        for bars in (1, 30, 31, 400):
            z, sd = process.scores(MIDS[:bars], min(bars, 5))
            assert np.array_equal(z, plugin.scores(MIDS[:bars])[-5:], equal_nan=True), "to the last bit"
            assert np.isnan(sd).all()
        for bars in (61, 400, 61):
            assert process.ratios(MIDS[:bars])["ratios"][0] == plugin.ratios(MIDS[:bars])["ratio"]


def test_a_window_bounds_what_a_bar_costs(tmp_path: Path) -> None:
    rows = "import numpy as np\ndef scores(mids):\n    return np.full(len(mids), float(len(mids)))\n"
    for text, seen in ((rows, 400.0), (f"WINDOW = 7\n{rows}", 7.0 + MEMORY)):
        with apart(tmp_path, text) as process:
            assert process.scores(MIDS, MEMORY + 1)[0].tolist() == [seen] * (MEMORY + 1)


PRYING = """
import os
print("hello", flush=True)

def ratios(mids):
    print("again", flush=True)
    return len([name for name in os.environ if name in ("APCA_API_KEY_ID", "OTHER")])
"""


def test_it_has_no_keys_and_its_prints_are_no_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "k" * 20)
    monkeypatch.setenv("OTHER", "1")
    with apart(tmp_path, PRYING, hide=("APCA_API_KEY_ID",)) as process:
        assert process.ratios(MIDS)["ratios"] == [1.0]
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "hello\nagain\n")


def test_it_imports_nothing_from_where_the_session_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.py").write_text("x = 1\n")
    with pytest.raises(ConfigError, match="No module named 'beside'"):
        apart(tmp_path, "import beside\ndef ratios(mids):\n    return 1\n")


@pytest.mark.parametrize(
    ("body", "said", "gone"),
    [
        ("raise KeyError('my own words')", r"scores raised KeyError at line 3 on 50 bars", False),
        ("return mids", r"scores: shapes \(50, 2\) and \(50,\) for 50 bars", False),
        ("raise SystemExit(1)", r"scores raised SystemExit at line 3", False),
        ("while True: pass", r"scores took longer than 1 s; do less, or state WINDOW", True),
        ("time.sleep(1000)", r"scores took longer than 1 s", True),
        ("os._exit(0)", r"its process ended during scores", True),
    ],
)
def test_what_fails_there_is_a_word_here(tmp_path: Path, body: str, said: str, gone: bool) -> None:  # noqa: FBT001 - a column of the table
    with apart(tmp_path, f"import os, time\ndef scores(mids):\n    {body}\n", limit_s=1.0) as process:
        for _ in range(2):
            with pytest.raises(plugins.PluginError, match=f"^{said}") as found:
                process.scores(MIDS[:50], 1)
            assert found.value.final is gone
            assert "my own words" not in str(found.value), "an exception's text may hold what a journal must not"


SPIN = """
import sys
from hedgekit.plugins.apart import Apart
from hedgekit.plugins.module import read
import numpy as np
process = Apart(read(sys.argv[1]), limit_s=60)
print(process._process.pid, flush=True)
process.scores(np.ones((3, 2)), 1)
"""


def test_it_ends_with_its_session_even_while_it_is_busy(tmp_path: Path) -> None:
    path = write(tmp_path, "def scores(mids):\n    while True: pass\n")
    session = subprocess.Popen([sys.executable, "-c", SPIN, str(path)], stdout=subprocess.PIPE, text=True)
    assert session.stdout is not None
    pid = int(session.stdout.readline())
    time.sleep(0.3)
    os.kill(pid, 0)
    session.send_signal(signal.SIGKILL)
    session.wait()
    session.stdout.close()
    until = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < until, "the worker outlives its session"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return Path("/proc").exists() is False


# ----------------------------------------------------------------- in a session


def heard(process: Apart, bars: int = 120, first: int = 1) -> list[Event]:
    """Return what a session would journal of a plugin."""
    watched = Watched(process, "mine.py")
    return [event for n in range(first, bars + 1) for event in watched.score(MIDS[:n], n)]


def commands(events: list[Event]) -> list[Command]:
    return [event for event in events if isinstance(event, Command)]


def test_an_honest_plugin_scores_every_bar(tmp_path: Path) -> None:
    with apart(tmp_path, HONEST) as process:
        events = heard(process)
    plugin = plugins.load(write(tmp_path, HONEST))
    assert plugin.scores is not None
    z = plugin.scores(MIDS[:120])
    assert events == [Score(ts_ns=n + 1, z=None if np.isnan(z[n]) else z[n]) for n in range(120)]


def test_a_failure_pauses_and_the_next_score_is_heard(tmp_path: Path) -> None:
    with apart(tmp_path, on_bars("in (50, 60)", "return 'x'")) as process:
        events = heard(process)
    told = commands(events)
    assert [(c.ts_ns, c.name) for c in told] == [(50, "pause"), (60, "pause")]
    assert told[0].ref == "plugin mine.py: scores: a str cannot be read as numbers; return one z for each bar, or a tuple of z and sd"
    scores = [event for event in events if isinstance(event, Score)]
    assert [event.ts_ns for event in scores if event.z is None] == [*range(1, 20), 50, 60]
    assert events.index(told[0]) + 1 == events.index(scores[49]), "first the incident, then the bar without an opinion"


@pytest.mark.parametrize(
    ("text", "bar", "said"),
    [
        (on_bars(">= 50", "1 / 0"), 50 + FAILURES - 1, "scores raised ZeroDivisionError at line 9 on 52 bars"),
        (on_bars("== 50", EXIT), 50, "its process ended during scores"),
        (CENTRED, 2, "scores: z of bar 0 was 0 and is [-.e\\d]+ with 2 bars: it changes what it has said"),
        (on_bars("== 99", "return np.zeros(99)"), 99, "scores: z of bar 0 was nan and is 0 with 99 bars: .*"),
        (on_bars(">= 50", "return np.full(len(mids), 1.0)"), 50, "scores: z of bar 0 was nan and is 1 .*"),
    ],
)
def test_a_plugin_that_cannot_be_trusted_is_stopped_for_good(tmp_path: Path, text: str, bar: int, said: str) -> None:
    with apart(tmp_path, text) as process:
        events = heard(process)
    last = commands(events)[-1]
    assert (last.ts_ns, last.name) == (bar, "flatten")
    assert re.fullmatch(f"plugin mine.py: {said}; it is not asked again", last.ref)
    scores = [event for event in events if isinstance(event, Score)]
    assert len(scores) == 120
    assert all(event.z is None for event in scores[bar - 1 :])


def test_rounding_is_no_repainting(tmp_path: Path) -> None:
    noisy = HONEST.replace("return z", "return z * (1 + 1e-15 * len(z))")
    with apart(tmp_path, noisy) as process:
        assert commands(heard(process)) == []
    with pytest.raises(DataError, match="it looks ahead"):
        scores_of(plugins.load(write(tmp_path, noisy)).scores, MIDS)  # type: ignore[arg-type]


def test_what_is_compared_reaches_back_as_far_as_is_said(tmp_path: Path) -> None:
    late = HONEST.replace("return z", "return np.where(np.arange(len(z)) == len(z) - {}, 9.0, z)")
    for back, found in ((MEMORY + 1, True), (MEMORY + 2, False)):
        with apart(tmp_path, late.format(back)) as process:
            assert bool(commands(heard(process, 130))) is found


@pytest.mark.parametrize("bars", ["in (45, 59, 61)", "in (58, 59, 60)", "in (59, 60, 61)", ""])
def test_a_restart_goes_on_where_the_journal_ends(tmp_path: Path, bars: str) -> None:
    text = on_bars(bars, "1 / 0") if bars else CENTRED
    with apart(tmp_path, text) as process:
        whole = heard(process)
    cut = next(i for i, event in enumerate(whole) if event.ts_ns == 60)
    with apart(tmp_path, text) as process:
        watched = Watched(process, "mine.py")
        for event in whole[:cut]:
            watched.note(event)
        watched.check(MIDS[:59])
        rest = [event for n in range(60, 121) for event in watched.score(MIDS[:n], n)]
    assert rest == whole[cut:]


def test_a_restart_compares_the_whole_past(tmp_path: Path) -> None:
    """A library that was changed meanwhile gives other numbers; so does this module."""
    with apart(tmp_path, HONEST) as process:
        before = heard(process, 300)
    other = HONEST.replace("return z", "z[25] += 1e-6\n    return z")
    with apart(tmp_path, other) as process:
        watched = Watched(process, "mine.py")
        for event in before:
            watched.note(event)
        watched.check(MIDS[:300])
        incident = commands(list(watched.score(MIDS[:301], 301)))[0]
    assert (incident.name, "z of bar 25 was" in incident.ref) == ("flatten", True)


def test_a_restart_tries_the_past_for_looking_ahead(tmp_path: Path) -> None:
    with apart(tmp_path, CENTRED) as process:
        watched = Watched(process, "mine.py")
        watched.check(MIDS[:300])
        incident = commands(list(watched.score(MIDS[:301], 301)))[0]
    assert "it looks ahead" in incident.ref


def test_a_ratio_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    text = SLOPE.replace("def ratios(mids):", "def ratios(mids):\n    if len(mids) == 81:\n        1 / 0")
    with apart(tmp_path, text) as process:
        watched = Watched(process, "mine.py")
        reviser = Reviser(params(**DAILY), watched.ratios)
        events = [event for n in (61, 81, 101) for event in watched.plan(reviser, MIDS[:n], n)]
    assert [type(event) for event in events] == [PlanRevised, Command, PlanRevised]
    assert events[1] == Command(ts_ns=81, name="pause", ref="plugin mine.py: ratios raised ZeroDivisionError at line 7 on 81 bars")
    assert events[0] == PlanRevised(
        ts_ns=61, plan=Reviser(params(**DAILY), plugins.load(write(tmp_path, SLOPE)).ratios).revise(MIDS[:61], 61)
    )
