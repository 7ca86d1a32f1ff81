"""What a trader acts on: incidents by hand, parity that can fail, decisions that add up, trials from the ledger."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from bs4 import BeautifulSoup

from hedgekit import trials as ledger
from hedgekit.errors import ConfigError
from hedgekit.journal import Journal
from hedgekit.report import Session, act, load
from hedgekit.report.act import Incident, incidents_of, parity_of
from hedgekit.report.words import money
from hedgekit.types import NS, Command, Decision, Gap, Reject, Switch
from tests.alerts import made


def test_incidents_by_hand() -> None:
    """A silence of 6 s, a restart, missed prices of 3 s, a halt to the end, a refusal, a person's word; the session's own is none."""
    records = [
        made.link(2, "down", 0),
        made.link(3, "down", 0),
        Reject(ts_ns=4 * NS, order_id="o", code="403", message="<no>"),
        made.link(5, "restarted", 2),
        made.link(8, "up", 0),
        Gap(ts_ns=12 * NS, since_ns=9 * NS),
        made.status(13, made.PEP, "halted"),
        Command(ts_ns=14 * NS, name="flatten", ref="m-1"),
        Command(ts_ns=15 * NS, name="stop"),
    ]
    found = incidents_of(records)
    assert [(i.ts_ns // NS, i.seconds) for i in found] == [(2, 6.0), (4, 0.0), (5, 0.0), (9, 3.0), (13, -1.0), (14, 0.0)]
    assert [i.what.rpartition(": ")[2] for i in found if ":" in i.what][:2] == ["fell silent", "<no>"]
    assert found[-1].what == "command: flatten"
    opened = incidents_of([*records, made.status(20, made.PEP, "open")])
    assert Incident(13 * NS, f"{made.PEP}: halted", 7.0) in opened


def test_a_lost_switch_and_what_the_venue_took_back_are_incidents() -> None:
    """The switch is lost from second 40 to 70; an execution of +10 is taken back at 80, and a contract settles at 90."""
    switched = [
        Switch(ts_ns=at * NS, venue="POLYMARKET", state=state, since_ns=0)  # type: ignore[arg-type] # one of the two
        for at, state in ((1, "held"), (40, "lost"), (70, "held"))
    ]
    back = msgspec.structs.replace(made.fill(80, "o", "-10", "100"), cause="reversal")
    settled = msgspec.structs.replace(made.fill(90, "", "-5", "1"), cause="settlement")
    found = incidents_of([*switched, made.fill(60, "o", "10", "100"), back, settled])
    key = back.instrument
    assert found == [
        Incident(40 * NS, "POLYMARKET: took no beat of the dead man's switch", 30.0),
        Incident(80 * NS, f"execution taken back by the venue: +10 {key} at 100"),
        Incident(90 * NS, f"contract settled: {key} at 1"),
    ]


def test_parity_is_proven_and_can_fail(journal: Path, read: Session) -> None:
    with Journal.open(journal, "made", mode="read") as book:
        records = list(book.records())
    decisions = [n for n, record in enumerate(records) if isinstance(record, Decision)]
    assert (read.parity.decisions, read.parity.differs) == (len(decisions), "")
    assert f"all {len(decisions):,} decisions identical" in act.parity(read).data
    at = decisions[len(decisions) // 2]
    other = [*records[:at], msgspec.structs.replace(records[at], ratio=0.123), *records[at + 1 :]]
    assert "replay differs" in parity_of(other).differs
    assert "replay differs" in parity_of([*records[:at], *records[at + 1 :]]).differs


def test_decisions_weighed_add_up(read: Session) -> None:
    d = read.decisions
    rows = [
        [cell.get_text() for cell in row.find_all("td")] for row in BeautifulSoup(act.weighed(read).data, "html.parser").find_all("tr")[1:]
    ]
    entries = next(row for row in rows if row[1] == "open: entry")
    opened = d[(d["action"] == "open") & (d["reason"] == "entry")]
    assert entries[2:5] == [f"{len(opened):,}", money(float(opened["cost"].sum())), money(float(opened["benefit"].sum()))]
    assert {row[0] for row in rows} == {"taken", "skipped"}


def test_next_steps_have_evidence(read: Session) -> None:
    rows = BeautifulSoup(act.next_steps(read).data, "html.parser").find_all("tr")[1:]
    assert [row.find("td").get_text() for row in rows] == ["hedge ratio", "thresholds", "rebalance band", "legs apart"]
    assert all(len(row.find_all("td")[3].get_text()) > 15 for row in rows)


@pytest.mark.usefixtures("own_home")
def test_trials_are_those_of_the_ledger(journal: Path) -> None:
    ledger.record("entry search", [ledger.Trial("pairs", "d", {"entry": entry}) for entry in (1.5, 2.0, 2.5)])
    session = load(journal, "made", "entry search")
    assert "3 variants tried" in act.trials(session).data
    assert any("3 variants were tried" in reason for reason in session.verdict.reasons)
    with pytest.raises(ConfigError, match=r"knows no study 'entri': entry search"):
        load(journal, "made", "entri")
