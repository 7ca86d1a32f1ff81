"""The command line as its user meets it: help that reads well, one clear line for each mistake, nothing left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

KEYS = {"APCA_API_KEY_ID": "k" * 20, "APCA_API_SECRET_KEY": "s" * 20, "HEDGEKIT_CONTROL_TOKEN": "t" * 20}


def hedgekit(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "hedgekit", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "COLUMNS": "110", **environment}
    )


def test_the_index_is_made_without_the_grammar_that_jsonschema_builds(tmp_path: Path) -> None:
    """A second of every call; nbformat loads jsonschema, which asks for the grammar and does without."""
    done = hedgekit("report", "index", str(tmp_path), PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "jsonschema" in loaded
    assert "lark" not in loaded


@pytest.mark.parametrize(
    "command", ["", "demo", "sandbox", "paper", "paper run", "paper start", "paper kill", "report", "report run", "journal"]
)
def test_help_reads_well(command: str) -> None:
    """Every command says what it does; hidden options stay hidden."""
    done = hedgekit(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert "die-with-parent" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert that a failure is one line on stderr that holds ``words``."""
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_missing_configuration(tmp_path: Path) -> None:
    """A missing file is named."""
    one_line(hedgekit("paper", "run", str(tmp_path / "none.json")), "none.json")


def test_broken_configuration(tmp_path: Path) -> None:
    """A file of another kind is named."""
    path = tmp_path / "broken.json"
    path.write_text("{}")
    one_line(hedgekit("paper", "run", str(path)), "broken.json")


def test_missing_journal(tmp_path: Path) -> None:
    """A journal that is not there is not made."""
    path = tmp_path / "none.db"
    one_line(hedgekit("journal", "list", str(path)), "none.db")
    one_line(hedgekit("report", "run", "session", "-p", "journal", str(path), "--out", str(tmp_path)), "none.db")
    assert not path.exists()


def test_a_report_with_a_misspelt_parameter(tmp_path: Path) -> None:
    """It is told with what was probably meant, and nothing runs."""
    one_line(hedgekit("report", "run", "session", "-p", "jornal", "x.db", "--out", str(tmp_path)), "did you mean 'journal'?")
    one_line(hedgekit("report", "run", "sesion"), "did you mean 'session'?")
    assert list(tmp_path.iterdir()) == []


def test_bad_market() -> None:
    """A misspelt or impossible market is refused before anything starts."""
    one_line(hedgekit("sandbox", "--market", '{"primary": 5}', **KEYS), "market")
    one_line(hedgekit("sandbox", "--market", '{"primary": "KOO"}', **KEYS), "KOO")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--speed", "fast"], ["'fast'", "20"]),
        (["--speed", "60x"], ["60x", "--live"]),
        (["--speed", "0"], ["speed=0", "0.01 to 1000"]),
        (["--faults", "none.json"], ["none.json"]),
        (["--faults", "[{}]"], ["kind", "outage"]),
        (["--faults", '[{"kind": "late"}]'], ["late", "seconds must be above 0"]),
        (["--mean-faults", "3"], ["--seed"]),
        (["--seed", "1", "--mean-faults", "-3"], ["mean_faults=-3"]),
    ],
)
def test_bad_speed_and_bad_faults(options: list[str], words: list[str]) -> None:
    """A speed, a fault or a plan that cannot be is refused before anything starts."""
    one_line(hedgekit("sandbox", *options, **KEYS), *words)


def test_a_record_is_never_overwritten(tmp_path: Path) -> None:
    """The folder of another exchange's record is named."""
    (tmp_path / "ledger.jsonl").touch()
    one_line(hedgekit("sandbox", "--log", str(tmp_path), **KEYS), str(tmp_path), "--log")


def test_faults_from_a_file(tmp_path: Path) -> None:
    """A file of faults is read; a wrong one in it is named with its fault."""
    (tmp_path / "faults.json").write_text('[{"kind": "lost", "at": "md:0"}]')
    one_line(hedgekit("sandbox", "--faults", str(tmp_path / "faults.json"), **KEYS), "lost", "'md:0'")


def test_bad_dates(tmp_path: Path) -> None:
    """A tape without a row is refused."""
    done = hedgekit("demo", "--out", str(tmp_path), "--first", "2030-01-01")
    assert done.returncode == 2, done.stderr
    assert "2030-01-01" in done.stderr
    assert "Traceback" not in done.stderr


def configured(folder: Path, **changes: Any) -> str:
    """Write a session configuration on loopback with some fields changed; return its path."""
    here = {"rest": "http://127.0.0.1:1", "stream": "ws://127.0.0.1:1", "data": "ws://127.0.0.1:1", "control": "ws://127.0.0.1:1"}
    here |= {name: changes.pop(name) for name in here if name in changes}
    control, legs = here.pop("control"), [{"venue": "ALPACA", "symbol": symbol} for symbol in ("KO", "PEP")]
    text = {"session": "s", "journal": str(folder / "j.db"), "accounts": {"ALPACA": here, "X": here}, "control": control}
    text |= {"instruments": legs, "params": {}, "market": {}, **changes}
    path = folder / "session.json"
    path.write_text(json.dumps(text))
    return str(path)


def test_bad_parameter(tmp_path: Path) -> None:
    """A wrong number names the value, the range and the fix."""
    one_line(hedgekit("paper", "run", configured(tmp_path, params={"lookback": 3}), **KEYS), "lookback=3", "5 to 512 bars")


@pytest.mark.parametrize(
    ("venues", "word"),
    [
        (("ALPACA", "Y"), "no account at Y, of which ALPACA, X is given"),
        (("X", "X"), "no venue 'X'; there are ALPACA"),
    ],
)
def test_a_session_has_an_account_at_each_venue_and_the_venues_are_known(tmp_path: Path, venues: tuple[str, ...], word: str) -> None:
    legs = [{"venue": venue, "symbol": f"S{n}"} for n, venue in enumerate(venues)]
    one_line(hedgekit("paper", "run", configured(tmp_path, instruments=legs), **KEYS), word)


@pytest.mark.parametrize(
    ("field", "url", "host"),
    [
        ("rest", "https://api.alpaca.markets", "api.alpaca.markets"),
        ("stream", "wss://api.alpaca.markets/stream", "api.alpaca.markets"),
        ("data", "wss://prices.example.com/v2/iex", "prices.example.com"),
        ("control", "ws://10.0.0.1:9/control", "10.0.0.1"),
    ],
)
def test_live_and_foreign_hosts_are_refused(tmp_path: Path, field: str, url: str, host: str) -> None:
    """L8, L9: the command line cannot be talked into a live host, nor into sending a key to a stranger."""
    one_line(hedgekit("paper", "run", configured(tmp_path, **{field: url}), **KEYS), host, "paper")


def test_missing_key() -> None:
    """A secret that is not set is named, not asked for."""
    environment = dict.fromkeys(KEYS, "")
    one_line(hedgekit("sandbox", **environment), "APCA_API_KEY_ID")


def test_occupied_port() -> None:
    """A port that somebody has is named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one_line(hedgekit("sandbox", "--port", str(port), **KEYS), str(port))


def test_unwritable_folder(tmp_path: Path) -> None:
    """A folder that cannot be made is named (a file stands in its way, which root cannot write through either)."""
    (tmp_path / "file").write_text("")
    one_line(hedgekit("demo", "--out", str(tmp_path / "file" / "reports")), "reports")


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(text) for path in Path(f"/proc/{pid}/task").glob("*/children") for text in path.read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_behind(tmp_path: Path, name: signal.Signals) -> None:
    """Ctrl-C, a polite end and a killed parent: sandbox and session end too."""
    command = [sys.executable, "-m", "hedgekit", "demo", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        assert re.search(r"127\.0\.0\.1:\d+", job.stdout.readline())
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob("*/journal.db")) and time.monotonic() < deadline:
            time.sleep(0.1)
        children = children_of(job.pid)
        assert len(children) >= 2
        job.send_signal(name)
        _, errors = job.communicate(timeout=30)
    assert "Traceback" not in errors
    deadline = time.monotonic() + 15
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in children if alive(pid)] == []
