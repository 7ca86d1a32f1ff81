"""The exchange's own files against each other and against what was decided: what an honest exchange would not write is seen."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.books import Line, read
from tests.chaos.forge import first, journal, lines, seen


def order_of(found: list[Line], **fields: Any) -> Line:
    """Return the first line with these fields that has a price and fills."""
    filled = {line["client_id"] for line in found if line["event"] == "fill"}
    return next(
        line for line in found if line.get("price") and line["client_id"] in filled and all(line[k] == v for k, v in fields.items())
    )


def later(found: list[Line], line: Line) -> None:
    """Move a line to the end of the ledger, with what the ledger says there of position and cash."""
    found.remove(line)
    found.append(line | {"cash": found[-1]["cash"]})


@pytest.mark.parametrize("change", [{"symbol": "SYNB"}, {"price": "1.23"}])
def test_an_order_accepted_with_other_terms(folder: Path, change: Line) -> None:
    lines(folder, "ledger", lambda found: order_of(found, event="accepted", symbol="SYNA").update(change))
    assert seen(folder, "L2", "and no request asked for that")


@pytest.mark.parametrize("change", [{"qty": "7"}, {"limit_price": "1.23"}, {"symbol": "SYNX"}])
def test_a_request_that_asks_for_what_was_not_decided(folder: Path, change: Line) -> None:
    def wrong(found: list[Line]) -> None:
        line = found[first(found, method="POST", result=200)]
        line["body"] = json.dumps(json.loads(line["body"]) | change)

    lines(folder, "requests", wrong)
    assert seen(folder, "L2", "and sent as")


def test_an_accepted_order_without_a_request_and_a_request_without_its_order(folder: Path) -> None:
    lines(folder, "requests", lambda found: found.pop(first(found, method="POST", result=200)))
    assert seen(folder, "L2", "and no request asked for that")
    lines(folder, "ledger", lambda found: found.pop(first(found, event="accepted", client_id=found[-1]["client_id"])))
    assert seen(folder, "L2", "was answered as accepted, and is not in the ledger")


def test_a_request_of_a_process_that_never_was(folder: Path) -> None:
    lines(folder, "requests", lambda found: found[first(found, label="2-1")].update(label="9-1"))
    assert seen(folder, "L2", "request 9-1 is of no process")


def test_an_execution_of_an_order_that_does_not_work(folder: Path) -> None:
    """It is accepted after its own executions."""
    lines(folder, "ledger", lambda found: later(found, order_of(found, event="accepted")))
    assert seen(folder, "L3", "while no such order worked")


def test_an_execution_worse_than_its_limit_in_all_books(folder: Path) -> None:
    """The exchange's mistake, which the journal repeats: five dollars more for each unit, and the cash with it."""
    (bad,) = [order_of(read(folder).ledger, event="fill")]
    worse = Decimal(bad["price"]) + (5 if Decimal(bad["qty"]) > 0 else -5)
    cost = abs(Decimal(bad["qty"])) * 5

    def ledger(found: list[Line]) -> None:
        for line in found[first(found, execution_id=bad["execution_id"]) :]:
            line["cash"] = str(Decimal(line["cash"]) - cost)
        found[first(found, execution_id=bad["execution_id"])]["price"] = str(worse)

    lines(folder, "ledger", ledger)
    journal(folder, lambda records: records[first(records, fill_id=bad["execution_id"])].update(price=str(worse)))
    assert seen(folder, "L3", "worse than its limit")


@pytest.mark.parametrize(("field", "words"), [("cash", "the ledger's cash at"), ("position", "the ledger's position at")])
def test_a_line_of_the_ledger_that_does_not_follow(folder: Path, field: str, words: str) -> None:
    lines(folder, "ledger", lambda found: found[first(found, event="fill")].update({field: "77"}))
    assert seen(folder, "L3", words)


@pytest.mark.parametrize("change", [{"positions": {"ALPACA:SYNA": "7"}}, {"cash": "12345"}])
def test_a_venue_that_is_said_to_hold_what_its_ledger_never_did(folder: Path, change: Line) -> None:
    journal(folder, lambda records: records[first(records, type="reconciled")].update(change))
    assert seen(folder, "L3", "which its ledger never did")


def test_an_order_whose_duplicate_was_refused_works_on(folder: Path) -> None:
    """A refused duplicate is no end of it."""

    def change(found: list[Line]) -> None:
        line = found.pop(first(found, event="cancelled"))
        found.append(found[-1] | {"event": "rejected", "client_id": line["client_id"], "order_id": None, "symbol": None, "position": None})

    lines(folder, "ledger", change)
    assert seen(folder, "L3", "still works at the exchange")
