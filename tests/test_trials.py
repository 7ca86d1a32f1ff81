"""The trial ledger: nothing counted twice, nothing lost, also with two processes at once, and every fault said in one line."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit import trials as tr
from hedgekit.errors import ConfigError, DataError, JournalError
from hedgekit.home import HOME_ENV

STUDY = "KO~PEP z-score"
DAY_NS = 86_400 * 10**9


def tried(entry: float = 2.0, code: str = "1", **figures: float) -> tr.Trial:
    return tr.Trial("pairs", "d1g", {"entry": entry, "window": 60}, figures, code)


def raw(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute(statement)


def test_the_same_trial_counts_once(tmp_path: Path) -> None:
    first = tr.record(STUDY, [tried(2.0), tried(2.5), tried(2.0)], where=tmp_path)
    assert (first.new, first.known) == (2, 1)
    again = tr.record(STUDY, tried(2), where=tmp_path)  # a kernel later: 2 is 2.0
    assert (again.new, again.known, again.differing) == (0, 1, ())
    assert tr.count(STUDY, where=tmp_path) == 2
    assert tr.count("another", where=tmp_path) == 0
    assert tr.record("another", tried(), where=tmp_path).new == 1


def test_what_makes_another_trial() -> None:
    one = tried()
    others = [
        tr.Trial("basket", one.data, one.parameters, code="1"),
        tr.Trial("pairs", "other", one.parameters, code="1"),
        tr.Trial("pairs", one.data, {**one.parameters, "fee": 0.1}, code="1"),
        tried(code="2"),
    ]
    assert len({trial.hash for trial in [one, *others]}) == 5
    assert tried(sharpe=1.0).hash == one.hash
    assert tr.Trial("pairs", "d1g", {"window": np.int64(60), "entry": np.float64(2)}, code="1").hash == one.hash
    assert tr.Trial("pairs", "d", {}).code  # this hedgekit's version


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(), st.booleans())))
def test_the_order_of_parameters_does_not_matter(parameters: dict[str, object]) -> None:
    backwards = dict(reversed(parameters.items()))
    assert tr.Trial("s", "d", parameters, code="1").hash == tr.Trial("s", "d", backwards, code="1").hash


def test_true_is_not_one() -> None:
    assert tr.Trial("s", "d", {"a": True}, code="1").hash != tr.Trial("s", "d", {"a": 1}, code="1").hash


def test_trials_as_a_frame(tmp_path: Path) -> None:
    tr.record(STUDY, tried(2.0, sharpe=0.1, drawdown=float("nan")), at_ns=DAY_NS, where=tmp_path)
    tr.record(
        STUDY, tr.Trial("basket", "d", {"legs": ["a", "b"], "cap": None}, {"sharpe": float("inf")}, "1"), at_ns=2 * DAY_NS, where=tmp_path
    )
    frame = tr.trials(STUDY, where=tmp_path)
    assert frame["strategy"].tolist() == ["pairs", "basket"]
    assert frame["at"].tolist() == [pd.Timestamp("1970-01-02", tz="UTC"), pd.Timestamp("1970-01-03", tz="UTC")]
    assert frame["figure.sharpe"].tolist() == [0.1, np.inf]
    assert frame["figure.drawdown"].isna().all()
    assert frame["parameter.legs"].iloc[1] == ["a", "b"]
    assert frame.index[0] == tried().hash
    listed = tr.studies(where=tmp_path)
    assert listed.loc[STUDY, "trials"] == 2
    assert listed.loc[STUDY, "last"] == pd.Timestamp("1970-01-03", tz="UTC")


def test_an_unknown_study_is_empty(tmp_path: Path) -> None:
    assert tr.trials(STUDY, where=tmp_path).empty
    assert tr.studies(where=tmp_path).empty
    assert not (tmp_path / tr.FILE).exists()  # looking makes no file


def test_other_figures_for_the_same_trial_are_told(tmp_path: Path) -> None:
    tr.record(STUDY, tried(sharpe=0.1), where=tmp_path)
    assert tr.record(STUDY, tried(sharpe=0.1 + 1e-15), where=tmp_path).differing == ()
    assert tr.record(STUDY, tried(sharpe=0.2), where=tmp_path).differing == (tried().hash,)
    assert tr.trials(STUDY, where=tmp_path)["figure.sharpe"].tolist() == [0.1]


def test_where_the_ledger_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_ENV, str(tmp_path / "home"))
    assert tr.ledger() == tmp_path / "home" / "trials.db"
    tr.record(STUDY, tried())
    assert tr.count(STUDY) == 1
    monkeypatch.delenv(HOME_ENV)
    assert tr.ledger().name == "trials.db"
    assert "hedgekit" in str(tr.ledger())
    assert tr.ledger(tmp_path / "mine.db") == tmp_path / "mine.db"


WRITER = """
import sys
from hedgekit import trials as tr
first, path = int(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
new = 0
for i in range(first, first + 60):
    new += tr.record("both", tr.Trial("s", "d", {"i": i}, {"sharpe": i / 100}, "1"), where=path).new
print(new)
"""


def test_two_processes_at_once_lose_nothing_and_count_nothing_twice(tmp_path: Path) -> None:
    path = str(tmp_path / "shared.db")
    starts = ("0", "30")  # 30 trials are the same
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([sys.executable, "-c", WRITER, start, path], **pipes) for start in starts]
    assert [process.stdout.readline() for process in running] == ["ready\n"] * 2
    for process in running:  # both make the file at the same time
        process.stdin.write("go\n")
        process.stdin.flush()
    new = [int(process.communicate(timeout=120)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sum(new) == 90
    assert tr.count("both", where=path) == 90
    assert sorted(tr.trials("both", where=path)["parameter.i"]) == list(range(90))


def test_threads_at_once(tmp_path: Path) -> None:
    def write(first: int) -> None:
        for i in range(first, first + 10):
            tr.record(STUDY, tried(float(i)), where=tmp_path)

    threads = [Thread(target=write, args=(first,)) for first in (0, 5, 10, 15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tr.count(STUDY, where=tmp_path) == 25


def test_a_row_can_neither_be_changed_nor_deleted(tmp_path: Path) -> None:
    tr.record(STUDY, tried(), where=tmp_path)
    for statement in ("DELETE FROM trials", "UPDATE trials SET study = 'x'"):
        with pytest.raises(sqlite3.IntegrityError, match="the ledger is append-only"):
            raw(tmp_path / tr.FILE, statement)
    assert tr.count(STUDY, where=tmp_path) == 1


def test_a_bad_trial_among_good_ones_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"parameters\['entry'\] is nan \(float\): write it as a finite number"):
        tr.record(STUDY, [tried(), tried(float("nan"))], where=tmp_path)
    assert tr.count(STUDY, where=tmp_path) == 0


def test_a_locked_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tr, "WAIT_S", 0.1)  # a public setting: nobody waits 30 s in a test
    tr.record(STUDY, tried(), where=tmp_path)
    other = sqlite3.connect(tmp_path / tr.FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalError, match=r"database is locked; another program keeps it locked.*; 2 trials were not counted"):
        tr.record(STUDY, [tried(3), tried(4)], where=tmp_path)
    with pytest.raises(JournalError, match="database is locked"):
        tr.count(STUDY, where=tmp_path)
    other.execute("ROLLBACK")
    other.close()
    assert tr.record(STUDY, [tried(3), tried(4)], where=tmp_path).new == 2


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a ledger " * 200)
    for call in (lambda: tr.record(STUDY, tried(), where=tmp_path / "notes.txt"), lambda: tr.count(STUDY, where=tmp_path / "notes.txt")):
        with pytest.raises(JournalError, match="file is not a database; it is not an SQLite file; choose another path"):
            call()


def test_a_damaged_ledger(tmp_path: Path) -> None:
    tr.record(STUDY, [tried(i / 10) for i in range(400)], where=tmp_path)
    path = tmp_path / tr.FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(JournalError, match="malformed; the file is damaged; restore it from a copy; 1 trial was not counted"):
        tr.record(STUDY, tried(99), where=tmp_path)
    with pytest.raises(JournalError, match="malformed"):
        tr.trials(STUDY, where=tmp_path)


def test_another_programs_database(tmp_path: Path) -> None:
    raw(tmp_path / "other.db", "CREATE TABLE things (x)")
    with pytest.raises(JournalError, match="a database, but not a trial ledger; choose another path"):
        tr.record(STUDY, tried(), where=tmp_path / "other.db")
    with pytest.raises(JournalError, match="not a trial ledger"):
        tr.count(STUDY, where=tmp_path / "other.db")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=f"unable to open.*or set {HOME_ENV}; 1 trial was not counted"):
        tr.record(STUDY, tried(), where=tmp_path / "file" / "trials.db")
    with pytest.raises(JournalError, match="unable to open"):
        tr.record(STUDY, tried(), where=Path("/proc/1/trials.db"))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda path: tr.record(" ", tried(), where=path), "study=' ': must be a text that is not empty"),
        (lambda path: tr.record(STUDY, tr.Trial("", "d", {}), where=path), "strategy=''"),
        (lambda path: tr.record(STUDY, tr.Trial("s", "", {}), where=path), "data=''"),
        (lambda path: tr.record(STUDY, tr.Trial("s", "d", {"f": print}), where=path), r"parameters\['f'\] is .*builtin_function"),
        (lambda path: tr.record(STUDY, tr.Trial("s", "d", {"a": [1, {2: 3}]}), where=path), r"parameters\['a'\]\[1\] is \{2: 3\}"),
        (lambda path: tr.record(STUDY, tried(sharpe="good"), where=path), "figure 'sharpe' is 'good': must be a number"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda path: tr.count("", where=path), "study=''"),
    ],
)
def test_errors_say_the_fix(call, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a lambda
    with pytest.raises(ConfigError, match=said):
        call(tmp_path)


def test_data_digest() -> None:
    frame = pd.DataFrame({"p": [1.0, 2.0], "h": [3.0, 4.0]}, index=pd.date_range("2026-01-01", periods=2, tz="UTC"))
    one = tr.data_digest(frame)
    assert one == tr.data_digest(frame.copy())
    others = [frame * 1.0001, frame.rename(columns={"p": "q"}), frame.shift(freq="1D"), frame[["h", "p"]], frame["p"]]
    assert len({one, *map(tr.data_digest, others)}) == 6
    x = np.arange(6.0)
    assert tr.data_digest(x) == tr.data_digest(x.copy())
    assert len({tr.data_digest(x), tr.data_digest(x.reshape(2, 3)), tr.data_digest(x.astype(np.float32)), tr.data_digest(x[::-1])}) == 4
    with pytest.raises(DataError, match="give an array of numbers or a DataFrame"):
        tr.data_digest([object()])
    with pytest.raises(DataError, match="the data cannot be hashed"):
        tr.data_digest(pd.DataFrame({"a": [[1], [2]]}))
