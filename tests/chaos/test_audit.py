"""The auditor can fail: each law, broken in the books by hand, is seen, also where the forger made the journal's chain anew."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.audit import audit
from tests.chaos.books import Line, read
from tests.chaos.forge import about, first, journal, lines, seen, with_orders
from tests.chaos.play import leaks


def test_a_forger_who_changes_nothing_is_not_accused(folder: Path) -> None:
    """So what the other tests see is the change, and not the forging."""
    journal(folder, lambda _: None)
    for name in ("ledger", "requests", "faults"):
        lines(folder, name, lambda _: None)
    assert audit(folder)["violations"] == []


# --------------------------------------------------------------------------- L1


def test_a_changed_row_breaks_the_chain(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "journal.db")) as db, db:
        db.execute("UPDATE events SET body = replace(body, '\"qty\":\"', '\"qty\":\"1') WHERE type = 'fill'")
    assert seen(folder, "L1", "chain breaks at record")


def test_a_decision_that_does_not_follow_is_seen(folder: Path) -> None:
    def change(records: list[Line]) -> None:
        records[with_orders(records)]["z"] += 0.25

    journal(folder, change)
    assert seen(folder, "L1", "replay differs")


# --------------------------------------------------------------------------- L2


def test_an_order_accepted_twice(folder: Path) -> None:
    lines(folder, "ledger", lambda found: found.insert(2, found[first(found, event="accepted")]))
    assert seen(folder, "L2", "was accepted 2 times")


def test_a_doubled_execution(folder: Path) -> None:
    def change(found: list[Line]) -> None:
        last = max(n for n, line in enumerate(found) if line["event"] == "fill")
        found.insert(last, found[last] | {"execution_id": "another"})

    lines(folder, "ledger", change)
    assert seen(folder, "L2", "was executed")
    assert seen(folder, "L3", "that the journal has not")


def test_an_order_accepted_with_another_quantity(folder: Path) -> None:
    def change(found: list[Line]) -> None:
        found[first(found, event="accepted")]["qty"] += "0"

    lines(folder, "ledger", change)
    assert seen(folder, "L2", "and accepted as")


def test_a_missing_intent(folder: Path) -> None:
    journal(folder, lambda records: records.pop(with_orders(records)))
    assert seen(folder, "L2", "the journal has no intent of it")


def test_an_intent_that_was_not_durable_when_its_order_left(folder: Path) -> None:
    """The process died with fewer records in its journal than the intent of what it had sent."""
    books = read(folder)
    early = max(number for number in books.heads if number < books.decided()[next(iter(books.decided()))][0].id)
    about(folder, lambda run: run["lives"][0].update(records=early, head=books.heads[early]))
    assert seen(folder, "L2", "before its intent was durable")


def test_a_journal_that_forgot_what_it_had(folder: Path) -> None:
    about(folder, lambda run: run["lives"][0].update(head="0" * 64))
    assert seen(folder, "L2", "it is not any more")


def test_an_order_sent_before_it_was_decided(folder: Path) -> None:
    def change(found: list[Line]) -> None:
        found[first(found, method="POST")]["t"] -= 3_600_000_000_000

    lines(folder, "requests", change)
    assert seen(folder, "L2", "before anything was decided")


# --------------------------------------------------------------------------- L3


def test_a_missing_fill(folder: Path) -> None:
    journal(folder, lambda records: records.pop(first(records, type="fill")))
    assert seen(folder, "L3", "that the journal has not")
    assert seen(folder, "L3", "the ledger's cash is")


def test_a_fill_told_twice(folder: Path) -> None:
    journal(folder, lambda records: records.insert(first(records, type="session_ended"), records[first(records, type="fill")]))
    assert seen(folder, "L3", "that the ledger has not")


@pytest.mark.parametrize("field", ["price", "qty", "fee"])
def test_a_changed_amount_in_the_last_digit(folder: Path, field: str) -> None:
    def change(found: list[Line]) -> None:
        found[first(found, event="fill")][field] += "1" if "." in found[first(found, event="fill")][field] else ".1"

    lines(folder, "ledger", change)
    assert seen(folder, "L3", "that the journal has not")


def test_cash_that_is_a_hundredth_of_a_cent_off(folder: Path) -> None:
    lines(folder, "ledger", lambda found: found[-1].update(cash=found[-1]["cash"] + "1"))
    assert seen(folder, "L3", "the ledger's cash is")


def test_an_order_that_works_on_after_the_end(folder: Path) -> None:
    lines(folder, "ledger", lambda found: found.pop(first(found, event="cancelled")))
    assert seen(folder, "L3", "still works at the exchange")


def test_an_order_whose_end_is_not_told(folder: Path) -> None:
    journal(folder, lambda records: records.pop(first(records, type="cancelled")))
    assert seen(folder, "L3", "has no end in the journal")


def test_a_position_left_without_a_reason(folder: Path) -> None:
    def change(records: list[Line]) -> None:
        decisions = [record for record in records if record["type"] == "decision"]
        decisions[-1].update(positions=[50.0, 0.0], delta=0.8, trade=99)
        decisions[-2].update(phase="open", trade=99)

    journal(folder, change)
    assert seen(folder, "L3", "neither flat nor hedged")


# --------------------------------------------------------------------------- L4


def test_a_naked_breach_that_is_not_reported(folder: Path) -> None:
    journal(folder, lambda records: [record.update(naked=0.0) for record in records if record["type"] == "decision"])
    assert seen(folder, "L4", "no breach is reported")


def test_a_naked_figure_that_is_a_twentieth_off(folder: Path) -> None:
    journal(folder, lambda records: [record.update(naked=record["naked"] * 1.05) for record in records if record["type"] == "decision"])
    assert seen(folder, "L4", "than its own fills make")


def test_executions_long_before_they_are_told(folder: Path) -> None:
    """Unhedged at the exchange for a minute that the journal's own times hide: both legs' fills, one of them moved."""

    def change(found: list[Line]) -> None:
        found[first(found, event="fill")]["t"] -= 60_000_000_000

    def told(records: list[Line]) -> None:
        records[first(records, type="fill")]["fill_id"] = "another"  # so that the auditor cannot tell how late it is

    lines(folder, "ledger", change)
    journal(folder, told)
    assert seen(folder, "L4", "unhedged by the ledger")


# ---------------------------------------------------------------------- L5, L6


def test_a_close_behind_two_questions(folder: Path) -> None:
    books = read(folder)
    close = next(order["order_id"] for row, order in books.decided().values() if order["priority"] == "close")

    def change(found: list[Line]) -> None:
        at = next(n for n, line in enumerate(found) if close in line.get("body", ""))
        question = found[at] | {"method": "GET", "path": "/v2/positions", "body": ""}
        found[at].update(label=found[at]["label"] + "99", t=found[at]["t"] + 3_000)
        found[at:at] = [question | {"n": 10_001, "t": question["t"] + 1_000}, question | {"n": 10_002, "t": question["t"] + 2_000}]

    lines(folder, "requests", change)
    assert seen(folder, "L5", f"order {close} (close) waited for")


def test_an_outage_that_the_journal_does_not_tell(folder: Path) -> None:
    def change(records: list[Line]) -> None:
        records[:] = [record for record in records if record["type"] != "link"]

    journal(folder, change)
    assert seen(folder, "L6", "the journal does not say so")


def test_an_outage_that_is_told_late(folder: Path) -> None:
    journal(
        folder, lambda records: [record.update(ts_ns=record["ts_ns"] + 5_000_000_000) for record in records if record["type"] == "link"]
    )
    assert seen(folder, "L6", "does not say so within a second")


def test_a_silence_that_nothing_made(folder: Path) -> None:
    lines(folder, "faults", lambda found: found.clear())
    assert seen(folder, "L6", "and nothing was wrong with it")


def test_an_entry_in_a_silence(folder: Path) -> None:
    def change(records: list[Line]) -> None:
        entry = records.pop(with_orders(records))
        records.insert(first(records, type="link") + 1, entry)

    journal(folder, change)
    assert seen(folder, "L6", "while ALPACA was down")


def test_a_position_that_is_kept_after_a_silence(folder: Path) -> None:
    def change(records: list[Line]) -> None:
        up = first(records, type="link", state="up")
        found = [record for record in records[up:] if record["type"] == "decision"]
        for record in found[:20]:
            record.update(orders=[], phase="open", positions=[50.0, 0.0])

    journal(folder, change)
    assert seen(folder, "L6", "with positions held, and did not close them")


def test_an_entry_in_place_of_the_close_after_a_silence(folder: Path) -> None:
    def change(records: list[Line]) -> None:
        records[first(records, type="decision", action="close", reason="reconciled")].update(action="open", reason="entry")

    journal(folder, change)
    assert seen(folder, "L6", "after a silence, the first orders")


def test_orders_before_the_venue_has_told_what_is_held(folder: Path) -> None:
    def change(records: list[Line]) -> None:
        down = first(records, type="link")
        records[:] = [record for n, record in enumerate(records) if n < down or record["type"] != "reconciled"]

    journal(folder, change)
    assert seen(folder, "L6", "before ALPACA had told what is held")


LATE = 46_000_000_000
"""Longer than a recovery takes."""


def late(records: list[Line]) -> int:
    """Let all that comes after the venue's first word come late; return where that word is."""
    up = first(records, type="link", state="up")
    for record in records[up + 1 :]:
        record["ts_ns"] += LATE
    return up


def test_a_recovery_that_takes_too_long(folder: Path) -> None:
    journal(folder, late)
    assert seen(folder, "L6", "the session had not recovered")


def test_a_recovery_that_waits_for_a_market_that_is_shut(folder: Path) -> None:
    def change(records: list[Line]) -> None:
        up = late(records)
        said = {"type": "market_status", "status": "closed", "ts_ns": records[up]["ts_ns"]}
        keys = [f"{one['venue']}:{one['symbol']}" for one in records[0]["instruments"]]
        records[up + 1 : up + 1] = [said | {"instrument": key} for key in keys]

    journal(folder, change)
    assert not seen(folder, "L6", "the session had not recovered")


def test_a_recovery_in_which_the_venue_is_out_again(folder: Path) -> None:
    def change(found: list[Line]) -> None:
        last = found[first(found, kind="outage")]
        until = last["t"] + round(last["seconds"] * 1e9)
        found.append(last | {"t": until, "seconds": 20.0})

    journal(folder, late)
    lines(folder, "faults", change)
    assert not seen(folder, "L6", "the session had not recovered")


def test_a_stale_intent_that_leaves_after_a_silence(folder: Path) -> None:
    down = next(read(folder).all("link"))["ts_ns"]

    def change(found: list[Line]) -> None:
        line = next(line for line in reversed(found) if line.get("method") == "POST" and line["result"] == 200 and line["t"] < down)
        line["t"] = down + 60_000_000_000

    lines(folder, "requests", change)
    assert seen(folder, "L6", "left after it and was accepted")


# ------------------------------------------------------------- L9, and the end


def test_a_secret_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "session-1.log").write_bytes(b"logged in with deadbeef")
    assert leaks(tmp_path, ["deadbeef"]) == ("session-1.log",)
    assert leaks(tmp_path, ["cafe"]) == ()


def test_a_leak_is_a_violation(folder: Path) -> None:
    about(folder, lambda run: run.update(leaks=["sandbox.log"]))
    assert seen(folder, "L9", "sandbox.log holds a secret")


@pytest.mark.parametrize(("code", "words"), [(1, "exit code 1"), (None, "hung")])
def test_a_session_that_did_not_end_in_order(folder: Path, code: int | None, words: str) -> None:
    about(folder, lambda run: run["lives"][-1].update(returncode=code))
    assert seen(folder, "end", words)
