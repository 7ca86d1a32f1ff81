"""The demo looks at its session's journal from the first moment on, also while that is being made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest

from hedgekit import demo
from hedgekit.errors import SessionError
from hedgekit.journal import Journal
from hedgekit.launch import Child
from hedgekit.types import SessionStarted


def test_a_journal_that_is_being_made_is_no_error(tmp_path: Path) -> None:
    """No file, an empty file, a database without a table: nothing is reached yet."""
    path = tmp_path / "journal.db"
    assert demo._reached(path) is None
    path.touch()
    assert demo._reached(path) is None
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE other (x)")
    made.close()
    assert demo._reached(path) is None


def test_a_session_that_writes_nothing_is_waited_for_in_words_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any process that runs and has no journal; it may compile for minutes."""
    monkeypatch.setattr(demo, "_COLD_S", 0.3)
    monkeypatch.setattr(demo, "_PATIENCE_S", 1.0)
    keys = dict.fromkeys((*demo.Alpaca.key_env, demo.CONTROL_TOKEN_ENV), "x")
    log = tmp_path / "session.log"
    with (
        log.open("wb") as file,
        Child(["sandbox"], secrets=keys, log=file) as child,
        pytest.raises(SessionError, match="wrote nothing for 1 s"),
    ):
        demo._follow(child, tmp_path / "journal.db", demo.MARKET.tape(), log)
    assert "compiling, once" in capsys.readouterr().err


def test_a_session_that_stands_at_its_start_is_said_to_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It writes its first record before it compiles."""
    monkeypatch.setattr(demo, "_COLD_S", 0.3)
    path, tape = tmp_path / "journal.db", demo.MARKET.tape()
    start = SessionStarted(ts_ns=int(tape.ts_ns[0]), session=demo.SESSION, instruments=(), params={}, market={}, version="0")
    with Journal.open(path, demo.SESSION) as journal:
        journal.append(start)
        journal.commit(start.ts_ns)
    log = tmp_path / "session.log"
    keys = dict.fromkeys((*demo.Alpaca.key_env, demo.CONTROL_TOKEN_ENV), "x")
    with log.open("wb") as file, Child(["sandbox"], secrets=keys, log=file) as child:
        Timer(1.5, child._process.kill).start()  # asked politely it may end as one that is done
        with pytest.raises(SessionError, match="the paper session failed"):
            demo._follow(child, path, tape, log)
    assert "compiling, once" in capsys.readouterr().err
