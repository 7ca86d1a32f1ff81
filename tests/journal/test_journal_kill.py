"""A writer that is killed at any point of any sequence leaves whole commits, and the next one goes on to the same journal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.journal import Gather, Journal
from tests.journal.killing import Job, Killer
from tests.journal.made import SESSION
from tests.journal.scripts import GATHERS, Script, entries_of, perform, scripts, sealed
from tests.journal.server import fresh

POINTS = ["before insert", "after insert", "before commit", "after commit"]


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    made = Killer()
    yield made
    made.close()


def ends(script: Script) -> list[tuple[int, int]]:
    """Return (records, instant) after each commit, and before the first."""
    counts = accumulate((len(commit.records) for commit in script), initial=0)
    instants = accumulate((commit.later for commit in script), initial=0)
    return list(zip(counts, instants, strict=True))


def killed(killer: Killer, script: Script, where: str, told: Path, gather: Gather | None, point: str, count: int) -> None:  # noqa: PLR0913 - what is killed, where and when
    """Kill a writer, look at what it left, let another go on, and compare with what the script says."""
    job = Job(script, where, SESSION, str(told), (gather.records, gather.span_ns) if gather else None, point, count)
    code = killer.do(job)
    assert code in {0, -signal.SIGKILL}, "it ends as it should, or is killed where it should be"
    said = [tuple(map(int, line.split())) for line in told.read_text().splitlines()]
    wanted, places = entries_of(script), ends(script)
    with Journal.open(where, SESSION) as journal:
        journal.verify()
        stand = (journal.count, journal.last_instant)
        assert stand in places, "whole commits, and each with its instant"
        assert list(journal.entries()) == wanted[: journal.count]
    last = said[-1] if said else (0, 0)
    if code and point != "after commit":
        assert stand == last, "what was not committed is not there, and what was said to be written is"
    elif code:
        assert stand > last
    else:
        assert stand == places[-1]
    head = perform(script, where, SESSION, gather=gather)
    assert head == sealed(entry.record for entry in wanted)[-1][1]
    with Journal.open(where, SESSION, mode="read") as journal:
        journal.verify()
        assert list(journal.entries()) == wanted
        assert (journal.count, journal.last_instant) == places[-1]


@pytest.mark.parametrize("point", POINTS)
@settings(max_examples=15)
@given(scripts(most=5, long=False), GATHERS, st.integers(1, 4))
def test_law_a_killed_writer_leaves_whole_commits(  # noqa: PLR0913 - the fixtures, and what is drawn
    tmp_path_factory: pytest.TempPathFactory, killer: Killer, point: str, script: Script, gather: Gather | None, count: int
) -> None:
    folder = tmp_path_factory.mktemp("kill")
    killed(killer, script, str(folder / "j.db"), folder / "told", gather, point, count)


@pytest.mark.parametrize("point", POINTS)
@settings(max_examples=3)
@given(scripts(most=4, long=False), st.integers(1, 3))
def test_law_on_postgres_too(  # noqa: PLR0913 - the fixtures, and what is drawn
    server: str, tmp_path_factory: pytest.TempPathFactory, killer: Killer, point: str, script: Script, count: int
) -> None:
    folder = tmp_path_factory.mktemp("kill")
    killed(killer, script, fresh(server, folder.name), folder / "told", Gather(records=20), point, count)
