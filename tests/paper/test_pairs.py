"""Several pairs of one account in one session: the journals together are the account, each alone is its pair."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hedgekit.data import SyntheticMarket
from hedgekit.errors import ConfigError
from hedgekit.paper import Session, SessionConfig
from hedgekit.paper.session import BETWEEN
from hedgekit.replay import replay
from hedgekit.rules.guard import CODE, Limits
from hedgekit.types import Ack, Command, Decision, Reason, Record, Reject
from tests.paper.rig import TINY_PARAMS, Rig, sandbox

MARKET = SyntheticMarket(rows=400, half_life=6.0, spread_sd=0.008, hedge_vol=0.0005, size_notional=5e7)
"""Deep enough that one pair's orders leave the other's untouched."""

QUICK: dict[str, Any] = {**TINY_PARAMS, "bar_s": 1.0, "bar_offset_s": 0.5, "breaker_s": 0.0}
PAIRS = {"quick": {**QUICK, "lookback": 20, "entry": 1.5}, "slow": {**QUICK, "lookback": 40, "entry": 2.0}}


def configs(rig: Rig, names: tuple[str, ...] = ("quick", "slow"), **changes: Any) -> list[Path]:
    return [rig.config(name, params=PAIRS[name], **changes) for name in names]


def traded(folder: Path, names: tuple[str, ...], kills: tuple[tuple[str, int], ...] = (), **changes: Any) -> Rig:
    """Run one session of these pairs, killed where asked; the rig has the exchange's ledger."""
    with sandbox(folder, MARKET) as rig:
        paths = configs(rig, names, **changes)
        for point, count in kills:
            done = rig.run(*paths, kill_at=point, count=count)
            assert done.returncode == -signal.SIGKILL, done.stderr
        done = rig.run(*paths)
        assert done.returncode == 0, done.stderr
        rig.ready["ledger"] = rig.ledger(names[0])
    return rig


def records(rig: Rig, name: str) -> list[Record]:
    with rig.journal(name) as journal:
        journal.verify()
        return list(journal.records())


def digests(rig: Rig, names: tuple[str, ...] = ("quick", "slow")) -> list[str]:
    out = []
    for name in names:
        with rig.journal(name) as journal:
            out.append(journal.digest())
    return out


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return traded(tmp_path_factory.mktemp("both"), ("quick", "slow"))


def test_the_journals_together_are_the_exchanges_ledger(both: Rig) -> None:
    held: Counter[str] = Counter()
    cash, fills = Decimal(1_000_000), 0
    for name in PAIRS:
        with both.journal(name) as journal:
            ledger = journal.ledger()
        assert ledger.fills > 10
        held.update({key: qty for key, qty in ledger.positions.items() if qty})
        cash, fills = cash + ledger.cash, fills + ledger.fills
    theirs = both.ready["ledger"]
    assert fills == len(theirs["fills"])
    assert cash == Decimal(theirs["cash"])
    assert {key: qty for key, qty in held.items() if qty} == {key: Decimal(qty) for key, qty in theirs["positions"].items() if Decimal(qty)}


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_a_pair_trades_in_company_as_it_does_alone(both: Rig, name: str, tmp_path: Path) -> None:
    alone = traded(tmp_path, (name,))
    with both.journal(name) as journal, alone.journal(name) as other:
        assert journal.economic_digest() == other.economic_digest()
    replay(records(both, name))


@pytest.mark.parametrize(
    "kills", [((BETWEEN, 150),), (("outbox.after_commit", 3), (BETWEEN, 40)), (("session.decided", 4), ("session.asked", 1))]
)
def test_killed_between_the_journals_it_goes_on_as_if_nothing_had_been(
    both: Rig, kills: tuple[tuple[str, int], ...], tmp_path: Path
) -> None:
    again = traded(tmp_path, ("quick", "slow"), kills)
    for name in PAIRS:
        with both.journal(name) as journal, again.journal(name) as other:
            assert journal.economic_digest() == other.economic_digest()
    assert len(again.ready["ledger"]["fills"]) == len(both.ready["ledger"]["fills"])


def test_limits_are_the_accounts(tmp_path: Path) -> None:
    """There is room for one pair of 100,000 a leg: while it is held, the other's entries are refused, both legs, and a replay agrees."""
    rig = traded(tmp_path, ("quick", "slow"), limits=Limits(gross_notional=250_000.0))
    stories = {name: records(rig, name) for name in PAIRS}
    refusals = [record for story in stories.values() for record in story if isinstance(record, Reject)]
    assert refusals
    assert all(one.code == CODE and "beyond gross_notional=250000" in one.message for one in refusals)
    for story in stories.values():
        replay(story)
    asked = {record.order_id for story in stories.values() for record in story if isinstance(record, Ack)}
    for one in refusals:
        decided = next(r for r in stories[one.order_id.partition("-")[0]] if isinstance(r, Decision) and one.order_id in _names(r))
        assert not asked & _names(decided), "a pair is opened whole or not at all"


def _names(decision: Decision) -> set[str]:
    return {order.order_id for order in decision.orders}


def test_too_great_a_loss_of_the_account_closes_every_pair(tmp_path: Path) -> None:
    rig = traded(tmp_path, ("quick", "slow"), limits=Limits(session_loss=30.0))
    for name in PAIRS:
        story = records(rig, name)
        at = next(n for n, record in enumerate(story) if isinstance(record, Command) and record.ref.startswith(CODE))
        assert "is beyond session_loss=30" in story[at].ref  # type: ignore[union-attr] # a command
        after = [record for record in story[at:] if isinstance(record, Decision)]
        assert after[0].reason is Reason.FLATTEN
        assert not any(record.reason is Reason.ENTRY for record in after)
        assert after[-1].positions == (0.0, 0.0)
        replay(story)


def test_a_loss_that_one_journal_has_closes_the_other_pair_too_after_the_restart(tmp_path: Path) -> None:
    """Killed when the first journal has the command to close, and the second not yet."""
    limits = Limits(session_loss=30.0)
    whole = traded(tmp_path / "whole", ("quick", "slow"), limits=limits)
    with closing(sqlite3.connect(whole.folder / "journal.db")) as db:
        (instant,) = db.execute("SELECT instant FROM events WHERE session = 'quick' AND type = 'command' ORDER BY id LIMIT 1").fetchone()
    killed = traded(tmp_path / "killed", ("quick", "slow"), ((BETWEEN, instant),), limits=limits)
    for name in PAIRS:
        assert [r for r in records(killed, name) if isinstance(r, Command)] == [r for r in records(whole, name) if isinstance(r, Command)]


def test_a_second_session_on_the_account_is_refused(tmp_path: Path) -> None:
    with sandbox(tmp_path, MARKET) as rig:
        holding = (
            "import sys, time\nfrom hedgekit.paper.account import held\n"
            "with held('ALPACA', sys.argv[1], sys.argv[2], 'other'):\n print('held', flush=True)\n sys.stdin.read()"
        )
        command = [sys.executable, "-c", holding, rig.ready["accounts"]["ALPACA"]["rest"], rig.keys["APCA_API_KEY_ID"]]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            done = rig.run(*configs(rig))
            assert other.stdin is not None
            other.stdin.close()
        assert done.returncode != 0
        assert f"is traded by process {other.pid}" in done.stderr
        assert rig.keys["APCA_API_KEY_ID"] not in done.stderr


def test_what_belongs_to_the_account_is_the_same_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://127.0.0.1:1"
    ready = {"accounts": {"ALPACA": dict.fromkeys(("rest", "stream", "data"), url)}, "control": url}
    rig = Rig(tmp_path, MARKET, {}, ready)
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "HEDGEKIT_CONTROL_TOKEN"):
        monkeypatch.setenv(name, "not a secret")
    first, second = (SessionConfig.load(path) for path in configs(rig))
    other = {venue: msgspec.structs.replace(access, calendar="XNYS") for venue, access in second.accounts.items()}
    with pytest.raises(ConfigError, match="differ in their account at ALPACA; write the same in all"):
        Session(first, msgspec.structs.replace(second, accounts=other))
    with pytest.raises(ConfigError, match="differ in limits"):
        Session(first, msgspec.structs.replace(second, limits=Limits(session_loss=1.0)))
    with pytest.raises(ConfigError, match="each pair needs a name of its own"):
        Session(first, first)
    with pytest.raises(ConfigError, match="no pair to trade"):
        Session()
