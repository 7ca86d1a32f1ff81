"""`hedgekit journal`: what a person at a terminal, and a script that reads exit codes, gets to see."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from hedgekit.cli import main
from hedgekit.journal import Journal
from tests.journal.made import EVERY, SESSION, session, write
from tests.journal.processes import ROOT
from tests.journal.scripts import by_hand, feed, thick
from tests.journal.test_journal_schema import DEMO, HEADS, OLD


def hedgekit(*arguments: object, code: int = 0) -> str:
    """Run the command line's own main in this process; return what it says, and check that an error is one line."""
    out, err, before = io.StringIO(), io.StringIO(), signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["hedgekit", "journal", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    signal.signal(signal.SIGTERM, before)
    assert (ended.value.code or 0) == code, err.getvalue()
    if code:
        assert len(err.getvalue().strip().splitlines()) == 1, err.getvalue()
        return err.getvalue()
    assert err.getvalue() == ""
    return out.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("cli") / "journal.db"
    write(file, thick(40))
    return file


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a journal with a session that the core decided."""
    file = Path(shutil.copy(OLD, tmp_path_factory.mktemp("real") / "journal.db"))
    assert hedgekit("migrate", file) == ""
    return file


@pytest.mark.parametrize("command", [[], ["verify"], ["replay"], ["show"], ["list"], ["migrate"]])
def test_help_reads_well(command: list[str]) -> None:
    said = hedgekit(*command, "--help")
    assert "Usage:" in said
    for name in ("--help",) if command else ("verify", "replay", "show", "list", "migrate"):
        assert name in said


def test_list(real: Path) -> None:
    assert hedgekit("list", real) == f"{DEMO}: 387 records, tape ended\n{SESSION}: 65 records, not ended\n"


# --------------------------------------------------------------------- verify


def test_verify_says_the_head(made: Path) -> None:
    with Journal.open(made, SESSION, mode="read") as journal:
        count, head = journal.count, journal.head
    for where in (made, f"sqlite:///{made}"):
        assert hedgekit("verify", where) == f"{SESSION}: {count} records, hash chain whole, head {head}\n"
    assert hedgekit("verify", made, "--head", head)
    assert hedgekit("verify", made, "--session", SESSION, "--head", "0" * 64, code=1).startswith(
        f"hedgekit: session '{SESSION}': {count} records do not reach head 0000"
    )


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE events SET body = replace(body, '0.03', '0.02') WHERE type = 'fill'", "record 169 of session 'made' was changed"),
        ("UPDATE events SET packed = substr(packed, 1, 50) WHERE id = 83", "one of the records 44 to 83, a batch, .* was changed"),
        ("DELETE FROM events WHERE id = 85", "record 85 of session 'made' is missing"),
        ("DELETE FROM events WHERE id = 83", "record 44 of session 'made' is missing"),
        ("UPDATE events SET (body, hash) = (SELECT body, hash FROM events WHERE id = 86) WHERE id = 85", "record 85 .* was changed"),
        ("INSERT INTO events SELECT session, 0, 0, ts_ns, type, body, hash, 0, 1, NULL FROM events WHERE id = 85", "record 0 .* was added"),
    ],
)
def test_verify_names_the_first_wrong_record(made: Path, tmp_path: Path, sql: str, says: str) -> None:
    file = Path(shutil.copy(made, tmp_path / "j.db"))
    with by_hand(file) as conn:
        conn.execute(sql)
    assert re.search(says, hedgekit("verify", file, code=1))


def test_verify_finds_a_cut_tail_by_the_head(made: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(made, tmp_path / "j.db"))
    with Journal.open(made, SESSION, mode="read") as journal:
        head = journal.head
    with by_hand(file) as conn:
        conn.execute("DELETE FROM events WHERE id > 200")
    assert "hash chain whole" in hedgekit("verify", file)
    assert "do not reach head" in hedgekit("verify", file, "--head", head, code=1)


# --------------------------------------------------------------------- replay


def test_replay_says_how_many(real: Path) -> None:
    assert hedgekit("replay", real, "--session", DEMO) == f"{DEMO}: 96 decisions from 289 events, all identical\n"


def test_replay_tells_the_first_difference(real: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(real, tmp_path / "j.db"))
    with by_hand(file) as conn:
        id_, ts_ns = conn.execute(
            "SELECT id, ts_ns FROM events WHERE session = ? AND type = 'decision' AND body LIKE '%\"open\"%' ORDER BY id", [DEMO]
        ).fetchone()
        conn.execute("UPDATE events SET body = replace(body, '\"cost\":', '\"cost\":1') WHERE session = ? AND id = ?", [DEMO, id_])
    said = hedgekit("replay", file, "--session", DEMO, code=1)
    assert said.startswith(f"hedgekit: replay differs at {ts_ns}: journal has Decision(")
    assert f"record {id_} of session" in hedgekit("verify", file, "--session", DEMO, code=1)


# ----------------------------------------------------------------------- show


def test_show_gives_records_as_json_lines(made: Path) -> None:
    with Journal.open(made, SESSION, mode="read") as journal:
        wanted = [json.loads(line) for line in journal.lines()]
    assert [json.loads(line) for line in hedgekit("show", made).splitlines()] == wanted
    assert [line["id"] for line in wanted] == list(range(1, len(wanted) + 1))
    some = [json.loads(line) for line in hedgekit("show", made, "--after", 30, "--limit", 5).splitlines()]
    assert some == wanted[30:35]
    kinds = hedgekit("show", made, "records", "--type", "fill", "--type", "timer", "--limit", 7).splitlines()
    assert [json.loads(line) for line in kinds] == [line for line in wanted if line["record"]["type"] in {"fill", "timer"}][:7]


def test_show_gives_tables(made: Path, tmp_path: Path) -> None:
    orders = hedgekit("show", made, "orders").splitlines()
    assert orders[0].split()[:6] == ["ts", "trade", "role", "side", "qty", "instrument"]
    assert len(orders) == 1 + 10
    decisions = hedgekit("show", made, "decisions", "--limit", 4).splitlines()
    assert len(decisions) == 1 + 4 + 1
    assert decisions[-1] == "the newest 4 of 15 rows"
    assert "skip" in decisions[3]
    for table in ("fills", "equity", "trades", "plans"):
        assert len(hedgekit("show", made, table).splitlines()) > 1
    write(tmp_path / "j.db", session()[:1])
    assert hedgekit("show", tmp_path / "j.db", "fills").startswith("nothing yet: ts, trade, role")


def test_show_of_a_damaged_record_is_no_traceback(tmp_path: Path) -> None:
    write(tmp_path / "j.db", [[EVERY[0], *feed(0, 20)]])
    with by_hand(tmp_path / "j.db") as conn:
        conn.execute("UPDATE events SET packed = x'00' WHERE id > 1")
    for what in ("records", "fills"):
        assert "the batch of records up to 21 cannot be read" in hedgekit("show", tmp_path / "j.db", what, code=1)


# ------------------------------------------------------------------ it cannot be looked at


def test_what_cannot_be_looked_at_is_exit_code_2(made: Path, real: Path, tmp_path: Path) -> None:
    for command in ("verify", "replay", "show", "list", "migrate"):
        assert "none.db: no such journal" in hedgekit(command, tmp_path / "none.db", code=2)
    assert "2 sessions" in hedgekit("verify", real, code=2)
    assert "no session 'x'; there are: made" in hedgekit("verify", made, "--session", "x", code=2)
    assert "choose records, orders, fills" in hedgekit("show", made, "quotes", code=2)
    assert "--type quotes: there is no such record; choose from ack," in hedgekit("show", made, "--type", "quotes", code=2)
    assert "orders is made of the whole session" in hedgekit("show", made, "orders", "--after", 3, code=2)
    assert "give 0 or more, and 1 or more" in hedgekit("show", made, "--limit", 0, code=2)
    assert list(tmp_path.iterdir()) == []


def test_an_old_journal_is_migrated_by_command(tmp_path: Path) -> None:
    file = Path(shutil.copy(OLD, tmp_path / "j.db"))
    assert "`hedgekit journal migrate` brings it up to date" in hedgekit("verify", file, "--session", DEMO, code=2)
    hedgekit("migrate", file)
    assert hedgekit("verify", file, "--session", DEMO).endswith(f"head {HEADS[DEMO]}\n")


def test_in_a_process_of_its_own(made: Path, tmp_path: Path) -> None:
    """Exit codes are the process's, and a pipe that closes early ends it without a word."""
    us, environment = f"{sys.executable} -m hedgekit journal", os.environ | {"PYTHONPATH": str(ROOT)}
    for command, code in ((f"verify {made} --head {'0' * 64}", 1), (f"verify {tmp_path / 'none.db'}", 2)):
        done = subprocess.run(f"{us} {command}".split(), capture_output=True, text=True, check=False, env=environment)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    piped = subprocess.run(f"{us} show {made} | head -n 1", shell=True, capture_output=True, text=True, check=False, env=environment)  # noqa: S602 - a pipe
    assert json.loads(piped.stdout)["id"] == 1
    assert piped.stderr == ""
