"""A plugin in a process of its own, and what a session makes of one that fails, lies or looks ahead."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hedgekit import plugins
from hedgekit.errors import ConfigError, DataError
from hedgekit.plugins.apart import Apart
from hedgekit.plugins.checks import scores_of
from hedgekit.plugins.module import read
from hedgekit.plugins.watched import FAILURES, MEMORY, Watched
from hedgekit.stats.revise import Reviser
from hedgekit.types import Command, Event, PlanRevised, Score
from tests.core.core_made import DAILY, params
from tests.plugin_files import CENTRED, HONEST, MIDS, SLOPE, apart, on_bars, write

EXIT = "import os; os._exit(1)"


# --------------------------------------------------------- a process of its own


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
