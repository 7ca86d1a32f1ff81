"""A user's module in a real paper session: the backtest's decisions, a journal that needs no module, and no harm when it fails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hedgekit import backtest, demo, plugins
from hedgekit.backtest import Backtest
from hedgekit.errors import ConfigError, JournalError, SessionError
from hedgekit.exchange import FillModel
from hedgekit.journal import Journal
from hedgekit.paper import Session
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.params import Params
from hedgekit.replay import replay
from hedgekit.types import Action, Command, Decision, Fill, Phase, PlanRevised, Reason, Record, Score, SessionStarted
from hedgekit.venues.alpaca import Alpaca
from tests.paper.rig import TINY_PARAMS, Rig, finished, sandbox
from tests.plugin_files import HONEST, SLOPE, write

MARKET = demo.Market(first="1990-01-01", last="1990-10-31", size_notional=150_000.0)
"""211 rows; the first ratio after 61 bars, small displayed sizes."""

ALL_BARS = HONEST.replace("return z", "return z + np.cumsum(spread) / np.arange(1, len(spread) + 1)")
"""z over 20 bars, and a part that rests on every bar since the first."""

USER = {**TINY_PARAMS, "signal": "user", "entry": 1.6}


def started(folder: Path, text: str, params: dict[str, Any] = USER, **changes: Any) -> Rig:
    """Run a whole session on a module; the module is gone when this returns."""
    module = write(folder, text)
    rig = finished(folder, MARKET, params=params, plugin=str(module), **changes)
    module.unlink()
    return rig


def records_of(rig: Rig) -> list[Record]:
    with rig.journal() as journal:
        journal.verify()
        return list(journal.records())


def decisions(records: list[Record]) -> list[Decision]:
    return [record for record in records if isinstance(record, Decision)]


def incidents(records: list[Record]) -> list[Command]:
    return [record for record in records if isinstance(record, Command) and record.ref]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    """Return the backtest of the honest module."""
    plugin = plugins.load(write(tmp_path_factory.mktemp("module"), ALL_BARS))
    return backtest.run(MARKET.tape(), Params.make(**USER), FillModel(), session=demo.SESSION, scores=plugin.scores)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return started(tmp_path_factory.mktemp("honest"), ALL_BARS)


def held_bars(expected: Backtest) -> list[int]:
    """Return the numbers of bars, counted from 1, that close within a trade and bring no exit."""
    within = {d.ts_ns for d in expected.decisions if d.phase is Phase.OPEN and d.reason is Reason.WAIT_TARGET}
    return [bar + 1 for bar, ts_ns in enumerate(expected.bar_ns.tolist()) if ts_ns in within]


def test_backtest_and_session_decide_alike(honest: Rig, expected: Backtest) -> None:
    """L1, every bar from the first: the module sees the same history in both."""
    records = records_of(honest)
    ours = decisions(records)
    assert max(decision.trade for decision in ours) > 3
    assert ours == expected.decisions
    fills = [(r.ts_ns, r.order_id, r.qty, r.price) for r in records if isinstance(r, Fill)]
    assert fills == [(r.ts_ns, r.order_id, r.qty, r.price) for r in expected.records if isinstance(r, Fill)]
    scores = [record for record in records if isinstance(record, Score)]
    assert [score.ts_ns for score in scores] == expected.bar_ns.tolist()
    assert not incidents(records)


def test_the_journal_needs_no_module(honest: Rig) -> None:
    assert not (honest.folder / "mine.py").exists()
    assert replay(records_of(honest)).decisions > 100


def test_a_score_that_was_changed_afterwards_is_found(honest: Rig) -> None:
    records = records_of(honest)
    place = next(i for i, record in enumerate(records) if isinstance(record, Score) and record.z is not None and abs(record.z) > 1.6)
    records[place] = msgspec.structs.replace(records[place], z=0.0)
    with pytest.raises(JournalError, match="replay differs"):
        replay(records)


def test_the_journal_names_file_and_hash_and_no_folder(honest: Rig) -> None:
    first = records_of(honest)[0]
    assert isinstance(first, SessionStarted)
    assert first.market["plugin"] == "mine.py"
    assert first.market["plugin_sha256"] == plugins.load(write(honest.folder, ALL_BARS)).sha256
    (honest.folder / "mine.py").unlink()
    assert str(honest.folder).encode() not in (honest.folder / "journal.db").read_bytes()


def test_a_killed_session_goes_on(honest: Rig, tmp_path: Path) -> None:
    """L2, L3: the economic content and every score are the unkilled run's."""
    module = write(tmp_path, ALL_BARS)
    with sandbox(tmp_path, MARKET) as rig:
        config = rig.config(params=USER, plugin=str(module), plugin_sha256=plugins.load(module).sha256)
        assert rig.run(config, kill_at="outbox.after_send", count=5).returncode == -9
        done = rig.run(config)
        assert done.returncode == 0, done.stderr
    with rig.journal() as ours, honest.journal() as theirs:
        assert ours.economic_digest() == theirs.economic_digest()
        assert [r for r in ours.records() if isinstance(r, Score)] == [r for r in theirs.records() if isinstance(r, Score)]
        replay(ours.records())


FAULTS = """    if len(mids) == {}:
        raise KeyError(open(__file__).read())
    while len(mids) >= {}:
        pass
"""


def test_a_failure_stops_entries_and_exits_go_on_and_a_module_that_hangs_is_ended(expected: Backtest, tmp_path: Path) -> None:
    """It fails once while a trade is open, and does not return any more on the last bars."""
    bar, last = held_bars(expected)[0], len(expected.bar_ns) - 5
    text = ALL_BARS.replace("def scores(mids):\n", "def scores(mids):\n" + FAULTS.format(bar, last))
    records = records_of(started(tmp_path, text, plugin_limit_s=1.0))
    first, second = incidents(records)
    assert (first.ts_ns, first.name) == (expected.bar_ns[bar - 1], "pause")
    assert first.ref == f"plugin mine.py: scores raised KeyError at line 9 on {bar} bars"
    assert (second.ts_ns, second.name) == (expected.bar_ns[last - 1], "flatten")
    assert second.ref == "plugin mine.py: scores took longer than 1 s; do less, or state WINDOW; it is not asked again"
    ours = decisions(records)
    assert [d for d in ours if d.ts_ns < first.ts_ns] == [d for d in expected.decisions if d.ts_ns < first.ts_ns]
    later = [d for d in ours if d.ts_ns >= first.ts_ns]
    assert not [d for d in later if d.action is Action.OPEN]
    assert Reason.PAUSED in {d.reason for d in later if d.action is Action.VETO}
    exits = [
        [(d.ts_ns, d.reason) for d in found if d.ts_ns >= first.ts_ns and d.action is Action.CLOSE] for found in (ours, expected.decisions)
    ]
    assert exits[0] == [exits[1][0], (second.ts_ns, Reason.FLATTEN)], "the trade that was open ends as it would have"
    assert not any(later[-1].positions)
    unsaid = [score.ts_ns for score in records if isinstance(score, Score) and score.z is None]
    assert unsaid == [ns for n, ns in enumerate(expected.bar_ns.tolist(), 1) if n < 20 or n == bar or n >= last]
    replay(records)


def test_a_users_hedge_is_traded_and_replayed_without_its_module(expected: Backtest, tmp_path: Path) -> None:
    text = SLOPE.replace("def ratios(mids):", "def ratios(mids):\n    if len(mids) == 103:\n        1 / 0")
    records = records_of(started(tmp_path, text, params={**TINY_PARAMS, "entry": 1.6, "evidence_override": None}))
    plans = [record for record in records if isinstance(record, PlanRevised)]
    mids = expected.bar_mids
    [told] = incidents(records)
    assert told == Command(ts_ns=told.ts_ns, name="pause", ref="plugin mine.py: ratios raised ZeroDivisionError at line 7 on 103 bars")
    assert len(plans) == 1 + (len(mids) - 61) // 42 - 1
    for bars, revised in zip((61, 145, 187), plans, strict=True):
        p, h = np.diff(np.log(mids[bars - 61 : bars]), axis=0).T
        plan = revised.plan
        assert (plan.ratio, plan.method, plan.evidence.test, plan.stderr) == (float(p @ h / (h @ h)), "user", "user: by hand", 0.25)
    assert plans[0].plan.override is None
    assert max(decision.trade for decision in decisions(records)) > 0
    replay(records)


@pytest.mark.parametrize(
    ("text", "signal", "said"),
    [
        (ALL_BARS, "log spread", "has scores(mids), which need signal='user'; signal is 'log spread'"),
        (SLOPE, "user", "has no scores(mids), which signal='user' needs; signal is 'user'"),
        ("import nosuchthing", "user", "plugin mine.py at line 1: ModuleNotFoundError when it was loaded"),
        (None, "user", "takes a user's scores from a module file; name it as plugin"),
    ],
)
async def test_a_session_that_does_not_fit_its_module_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, signal: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        await nowhere(tmp_path, monkeypatch, signal, "" if text is None else str(write(tmp_path, text))).run()
    assert not (tmp_path / "journal.db").exists()


async def test_a_session_goes_on_with_the_module_that_it_began_with(honest: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with honest.journal() as journal:
        Journal.open(tmp_path / "journal.db", demo.SESSION, mode="write").close()
        with Journal.open(tmp_path / "journal.db", demo.SESSION, mode="write") as copy:
            copy.append(next(journal.records()))
            copy.commit(1)
    other = write(tmp_path, ALL_BARS + "\n")
    with pytest.raises(SessionError, match=r"began with the plugin of hash .* now it is given that of hash .*; put the first one back"):
        await nowhere(tmp_path, monkeypatch, "user", str(other)).run()
    with pytest.raises(SessionError, match="now it is given none; put the first one back, or start a new session"):
        await nowhere(tmp_path, monkeypatch, "log spread", "").run()
    with pytest.raises(SessionError, match=r"127\.0\.0\.1"):
        await nowhere(tmp_path, monkeypatch, "user", str(write(tmp_path, ALL_BARS))).run()


def nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch, signal: str, module: str) -> Session:
    """Return a session that nothing is there for to connect to."""
    for name in (*Alpaca.key_env, CONTROL_TOKEN_ENV):
        monkeypatch.setenv(name, "k" * 20)
    url = "ws://127.0.0.1:1"
    ready = {"accounts": {"ALPACA": {"rest": "http://127.0.0.1:1", "stream": url, "data": url}}, "control": url}
    config = demo.configure(MARKET, MARKET.tape(), folder / "journal.db", ready)
    return Session(msgspec.structs.replace(config, params={**TINY_PARAMS, "signal": signal}, plugin=module))
