"""The auditor: holds what the exchange wrote by itself against what the session journalled, law by law.

All but one of the checks read files only (:mod:`tests.chaos.books`); L1 replays the journal, for which it needs the code that decides.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgekit.errors import HedgekitError
from hedgekit.journal import Journal
from hedgekit.replay import replay
from tests.chaos import laws_of_books, laws_of_time
from tests.chaos.books import Books, Broken, read
from tests.chaos.naked import Ledgers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def audit(folder: Path) -> dict[str, Any]:
    """Return the verdict on a run, and write it to ``audit.json``: ``violations`` (law, what) and ``facts``."""
    found: list[dict[str, str]] = []
    facts: dict[str, Any] = {}
    try:
        books = read(folder)
    except (Broken, OSError, ValueError, KeyError) as error:
        found.append({"law": "L1", "what": f"the books cannot be read: {error}"})
    else:
        for law, check in LAWS:
            found += [{"law": law, "what": what} for what in check(books)] if books.rows else []
        found += [{"law": "L1", "what": what} for what in _replayed(folder, books)]
        facts = _facts(books)
    verdict = {"violations": found, "facts": facts}
    (folder / "audit.json").write_text(json.dumps(verdict, indent=2))
    return verdict


def _replayed(folder: Path, books: Books) -> Iterator[str]:
    """Check that the journal's decisions come out of its events bit for bit."""
    try:
        with Journal.open(folder / "journal.db", books.run["session"], mode="read") as journal:
            journal.verify()
            replay(journal.records())
    except HedgekitError as error:
        yield str(error)[:500]


LAWS: tuple[tuple[str, Callable[[Books], Iterator[str]]], ...] = (
    ("end", laws_of_books.ended),
    ("L9", laws_of_books.secret),
    ("L2", laws_of_books.durable),
    ("L2", laws_of_books.once),
    ("L2", laws_of_books.asked),
    ("L3", laws_of_books.executed),
    ("L3", laws_of_books.charged),
    ("L3", laws_of_books.agreed),
    ("L3", laws_of_books.complete),
    ("L3", laws_of_books.closed),
    ("L4", laws_of_time.naked),
    ("L5", laws_of_time.first),
    ("L6", laws_of_time.breaker),
    ("L6", laws_of_time.groundless),
    ("L6", laws_of_time.stale),
)


def _facts(books: Books) -> dict[str, Any]:
    """Return what the campaign counts."""
    lives, breaches = books.run["lives"], 0
    if books.rows:
        limit = books.params["naked_limit_s"] * books.params["notional"]
        breaches = sum(bool(limit) and trade.reported > limit for trade in Ledgers(books, laws_of_time.away(books)).walk().values())
    faults = Counter(fault["kind"] for fault in books.faults)
    events = Counter(line["event"] for line in books.ledger)
    kills = Counter(life["kill"].partition(":")[0] for life in lives if life["kill"] and life["returncode"] == -9)
    counts = {
        "runs": 1,
        "orders": events["accepted"],
        "fills": events["fill"],
        "reversed": events["reversed"],
        "settled": sum(line["event"] == "settled" and Decimal(line["qty"]) != 0 for line in books.ledger),
        "kills": kills.total(),
        "faults": faults.total(),
    }
    return {
        "venues": books.recipe["desk"],
        "counts": counts,
        "faults": dict(faults),
        "kills": dict(kills),
        "restarts": len(lives) - 1,
        "requests": len(books.requests),
        "orders": counts["orders"],
        "fills": counts["fills"],
        "trades": max((row["trade"] for row in books.all("decision")), default=0),
        "silences": sum(link["state"] in {"down", "frozen"} for link in books.all("link")),
        "naked_breaches_reported": breaches,
        "ended": laws_of_books.standing(books) if books.rows and any(books.all("decision")) else "nothing decided",
    }
