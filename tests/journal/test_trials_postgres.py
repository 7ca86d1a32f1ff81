"""The trial ledger on a real PostgreSQL server: the same answers as the file's, counted once by many processes, never changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from hedgekit import trials as tr
from hedgekit.errors import ConfigError, JournalError
from hedgekit.trials.server import NAME, Server
from tests.journal.processes import ROOT
from tests.journal.server import PASSWORD, free_port, fresh

DATA = "ab" * 32


def trial(entry: float, sharpe: float = 0.1) -> tr.Trial:
    return tr.Trial("z-score", DATA, {"entry": entry, "stop": 3.5}, {"sharpe": sharpe}, code="0.1.0")


def test_it_answers_as_the_file_does(server: str, tmp_path: Path) -> None:
    places = fresh(server, "ledger"), tmp_path / "trials.db"
    for where in places:
        assert tr.count("mine", where=where) == 0
        assert tr.studies(where=where).empty
        assert tr.record("mine", [], at_ns=1, where=where) == tr.Recorded(0, 0, ())
        first = [trial(2.0), trial(2.5, float("nan")), trial(2.0), trial(2.0, 0.2)]
        assert tr.record("mine", first, at_ns=1, where=where) == tr.Recorded(2, 2, (trial(2.0).hash,))
        again = [trial(2.5, float("nan")), trial(3.0), trial(2.0, 0.3)]
        assert tr.record("mine", again, at_ns=2, where=where) == tr.Recorded(1, 2, (trial(2.0).hash,))
        assert tr.record("100% of ünïcode ? :value %s", trial(2.0), at_ns=3, where=where).new == 1
        assert tr.count("mine", where=where) == 3
        assert tr.count("100% of ünïcode ? :value %s", where=where) == 1
    pd.testing.assert_frame_equal(*(tr.studies(where=where) for where in places))
    pd.testing.assert_frame_equal(*(tr.trials("mine", where=where) for where in places))
    assert list(tr.trials("mine", where=places[0])["parameter.entry"]) == [2.0, 2.5, 3.0]


WORKER = """
import sys
from hedgekit import trials as tr
mine = [tr.Trial("z", "ab" * 32, {"entry": float(n)}, {"sharpe": n / 100}, code="1") for n in range(40)]
sys.stdin.readline()
new = 0
for turn in range(8):
    part = mine if turn % 2 else mine[::-1]
    new += tr.record("shared", part[turn:turn + 20]).new
new += tr.record("shared", mine).new
print(new)
"""


def test_many_processes_count_each_trial_once(server: str) -> None:
    """Six workers hand in the same forty trials, in other orders, at once; by the address in the environment."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), tr.TRIALS_ENV: fresh(server, "shared")}
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    workers = [subprocess.Popen([sys.executable, "-c", WORKER], **options) for _ in range(6)]
    done = [worker.communicate("go\n", timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 6, done
    assert sum(int(out) for out, _ in done) == 40
    assert tr.count("shared", where=environment[tr.TRIALS_ENV]) == 40
    assert sorted(tr.trials("shared", where=environment[tr.TRIALS_ENV])["parameter.entry"]) == list(np.arange(40.0))


@pytest.mark.parametrize(
    "statement", ["UPDATE hedgekit_trials SET figures = ''", "DELETE FROM hedgekit_trials", "TRUNCATE hedgekit_trials"]
)
def test_the_database_refuses_to_change_or_remove_a_trial(server: str, statement: str) -> None:
    where = fresh(server, f"never_{statement[:6].lower()}")
    tr.record("mine", trial(2.0), where=where)
    engine = create_engine(where)
    with pytest.raises(DBAPIError, match="the ledger is append-only"), engine.begin() as conn:
        conn.execute(text(statement))
    engine.dispose()
    assert tr.count("mine", where=where) == 1


def test_all_or_none(server: str) -> None:
    """A text that the server cannot hold, last of many: nothing is counted, and the error says how many were lost."""
    where = fresh(server, "all_or_none")
    bad = tr.Trial("z\x00score", DATA, {"entry": 1.0}, {}, code="1")
    with pytest.raises(JournalError, match=r"; 3 trials were not counted") as caught:
        tr.record("mine", [trial(2.0), trial(2.5), bad], where=where)
    assert PASSWORD not in str(caught.value)
    assert tr.count("mine", where=where) == 0


def test_a_password_is_in_no_error_and_no_repr(server: str) -> None:
    assert PASSWORD in server
    assert PASSWORD not in repr(Server(server))
    nowhere = f"postgresql+psycopg://hedge:{PASSWORD}@127.0.0.1:{free_port()}/none"
    wrong = server.replace(PASSWORD, "an entirely-wrong one".replace(" ", "-"))
    for where, secret in ((nowhere, PASSWORD), (wrong, "an-entirely-wrong-one")):
        with pytest.raises(JournalError, match="1 trial was not counted") as caught:
            tr.record("mine", trial(2.0), where=where)
        assert secret not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("mysql://u:hidden-word@h/d", "no driver|by its URL"),
        ("postgresql+psycopg://h/d?user=u&password=hidden-word", "put it in ~/.pgpass or PGPASSWORD"),
        ("nothing://u:hidden-word@h/d", "no driver for this database"),
        ("postgresql+psycopg://u:hidden-word@h:port/d", "is no database URL"),
        ("sqlite:///x.db", "an SQLite file, by its path"),
    ],
)
def test_another_address_is_refused_with_the_fix(where: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        tr.count("mine", where=where)
    assert "hidden-word" not in str(caught.value)


def test_another_programs_table_is_not_taken_for_a_ledger(server: str) -> None:
    where = fresh(server, "theirs")
    engine = create_engine(where)
    with engine.begin() as conn:
        conn.execute(text(f"CREATE TABLE {NAME} (number int)"))
    engine.dispose()
    for use in (lambda: tr.count("mine", where=where), lambda: tr.record("mine", trial(1.0), where=where)):
        with pytest.raises(JournalError, match=f"has a table {NAME} that is no trial ledger"):
            use()
