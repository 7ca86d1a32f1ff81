"""Laws of the clock: how long a leg is naked (L4), who goes first (L5), and what happens around a silence (L6)."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.chaos.books import NS, Books, Line, Row, orders, posts, turn
from tests.chaos.dialects import LATE_NS, TAKEN, UNKEYED
from tests.chaos.naked import Ledgers

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRY = "open"
RECOVERED_NS = 5 * NS
"""After the venue is back, so long passes until a session can have found out."""

RECOVERY_NS = 45 * NS
"""The longest from the venue's first word to the close: three answers in a row that are lost, and asked for again when overdue."""


# ------------------------------------------------------- L4: the naked leg


def naked(books: Books) -> Iterator[str]:
    """Check that what was unhedged is what the journal reports, and within the budget or a breach that is reported and has a cause."""
    limit = books.params["naked_limit_s"] * books.params["notional"]
    for trade in Ledgers(books, away(books)).walk().values():
        slack = 0.01 * (trade.told + trade.late) + 1.0
        if trade.furthest > slack:
            yield f"trade {trade.number}: a decision reports {trade.furthest:.2f} money x s more or less unhedged than its own fills make"
        if abs(trade.true - trade.told) > trade.late + slack:
            yield f"trade {trade.number}: {trade.true:.2f} money x s unhedged by the ledger, {trade.told:.2f} as reported"
        if limit and trade.true - trade.late - slack > limit >= trade.reported:
            yield f"trade {trade.number}: {trade.true:.2f} money x s unhedged, limit {limit:.2f}, and no breach is reported"
        if limit and trade.idle > limit / 2 + slack + trade.late:
            yield f"trade {trade.number}: {trade.idle:.2f} money x s unhedged while no order worked and the venue was there"
        if limit and trade.true - trade.late - trade.blind > limit + slack and not trade.acted and not away(books):
            yield f"trade {trade.number}: {trade.true:.2f} money x s unhedged, limit {limit:.2f}, and the ladder did nothing"


def away(books: Books) -> list[tuple[int, int]]:
    """Return when the venue did not serve.

    Outages, frozen feeds and pauses; a silence, until every venue has told what is held; and a refused leg, until the
    next bar, at which it is ordered again.
    """
    spans = [(fault["t"], fault["t"] + round(fault["seconds"] * NS) + RECOVERED_NS) for fault in books.faults if _lasts(fault)]
    spans += [(reject["ts_ns"], reject["ts_ns"] + round(books.params["bar_s"] * NS)) for reject in books.all("reject")]
    since, untold = 0, set[str]()
    for body in books.all("link", "reconciled"):
        if body["type"] == "link" and body["state"] != "up":
            since, untold = since or body["ts_ns"], set(books.venues)
        elif body["type"] == "reconciled" and since:
            untold.discard(body.get("venue") or books.venues[0])
            if not untold:
                spans.append((since, body["ts_ns"]))
                since = 0
    return spans


def _lasts(fault: Line) -> bool:
    return fault["kind"] in {"outage", "freeze", "pause"}


# ------------------------------------------------- L5: who goes first


APART = {"DERIBIT", "KALSHI"}
"""Venues that count questions by credits or tokens of their own, so that none of them can hold up what goes to the matching engine."""


def first(books: Books) -> Iterator[str]:
    """Check that a close or hedge left before all but one of the less urgent requests that left after its decision."""
    decided, up_ns = books.decided(), books.recipe["model"]["up_ns"]
    late = {fault["n"]: round(fault["seconds"] * NS) for fault in books.faults if fault["kind"] == "late"}
    trips: list[tuple[tuple[int, ...], int, Line]] = []
    for line in sorted((line for line in books.requests if line.get("label")), key=turn, reverse=True):
        left = line["t"] - up_ns - late.get(line["n"], 0)  # if it was late and then dropped, its lateness is not on record
        trips.append((turn(line), min(left, trips[-1][1]) if trips else left, line))
    for name, line in posts(books).items():
        if name not in decided or (order := decided[name][1])["priority"] not in {"close", "hedge"}:
            continue
        row = decided[name][0].body
        if row["action"] == ENTRY:
            continue  # the hedge of an entry follows its primary, by design
        ahead = [
            other
            for when, left, other in trips
            if other["venue"] == line["venue"] and when < turn(line) and left > row["ts_ns"] and _lower(other, order, decided)
        ]
        if len(ahead) > 1:
            yield f"order {name} ({order['priority']}) waited for {len(ahead)} less urgent requests"


def _lower(line: Line, order: Line, decided: dict[str, Any]) -> bool:
    """Whether a request is of lower priority than an order."""
    kind, name = line["asked"].kind, line["asked"].name
    if kind != "order":
        return bool(kind == "question") and line["venue"] not in APART
    ranks = ["close", "hedge", "primary"]
    return name in decided and ranks.index(decided[name][1]["priority"]) > ranks.index(order["priority"])


# ------------------------------------------------------ L6: the breaker


def breaker(books: Books) -> Iterator[str]:
    """Check that an outage beyond the limit is noticed at once, nothing entered in a silence, and what is held agreed on, then closed."""
    limit = round(books.params["breaker_s"] * NS)
    for venue in books.venues:
        downs = [link["ts_ns"] for link in books.all("link") if link["state"] == "down" and link["venue"] == venue]
        for since, until in outages(books, venue):
            noticed = any(since + limit <= at <= min(until, since + limit + NS) for at in downs)
            if limit and until - since > limit and not noticed:
                yield f"{venue} was out from {since} to {until}, longer than {limit} ns, and the journal does not say so within a second"
    silent: dict[str, str] = {}
    for row in books.rows:
        body = row.body
        if body["type"] == "link" and body["state"] != "restarted":
            silent.pop(body["venue"], None)
            silent |= {body["venue"]: body["state"]} if body["state"] in _SILENT else {}
        if body["type"] == "link" and body["state"] in _SILENT:
            yield from _recovery(books, row)
            yield from _called_back(books, row)
        if body["type"] == "decision" and body["orders"] and silent and not _elsewhere(body, silent):
            yield f"an order was decided at {body['ts_ns']}, while " + " and ".join(f"{name} was {state}" for name, state in silent.items())


def _elsewhere(body: Line, silent: dict[str, str]) -> bool:
    """Whether a decision closes what is held at venues that are heard, while nothing is held where prices only stand still."""
    orders = [order["instrument"].partition(":")[0] for order in body["orders"]]
    frozen = set(silent.values()) == {"frozen"}
    return frozen and not silent.keys() & {*orders} and (body["action"], body["reason"]) == ("close", "reconciled")


def _called_back(books: Books, start: Row) -> Iterator[str]:
    """Check that what works at the other venues is cancelled as soon as one is silent; where nobody hears it, it is not asked for."""
    down = {start.body["venue"]}
    for row in books.rows[: start.id]:
        if row.body["type"] == "link":
            (down.add if row.body["state"] == "down" else down.discard)(row.body["venue"])
    left = {name: Decimal(order["qty"]) for name, (row, order) in books.decided().items() if row.id < start.id}
    for row in books.rows[: start.id]:
        if row.body["type"] == "fill" and row.body["order_id"] in left and row.body.get("cause", "trade") == "trade":
            left[row.body["order_id"]] -= Decimal(row.body["qty"])
        elif row.body["type"] in {"cancelled", "reject"}:
            left.pop(row.body["order_id"], None)
        elif row.body["type"] == "decision":
            left = {name: qty for name, qty in left.items() if name not in row.body["cancels"]}
    decisions = (row.body for row in books.rows[start.id :] if row.body["type"] == "decision")
    called = next((set(body["cancels"]) for body in decisions), set())
    for name, qty in left.items():
        if qty and books.decided()[name][1]["instrument"].partition(":")[0] not in down and name not in called:
            yield f"{start.body['venue']} fell silent at {start.body['ts_ns']}, and order {name} at the other venue was not cancelled"


_SILENT = {"down", "frozen"}


def groundless(books: Books) -> Iterator[str]:
    """Check that a silence is told only where a fault made one since the last quote: a quiet market is none, nor is a clock that is off."""
    faults = books.faults
    for link in books.all("link"):
        here = [fault for fault in faults if fault["venue"] == link["venue"]]
        causes = {fault["kind"] for fault in here if fault["t"] <= link["ts_ns"] and _until(fault) >= link["since_ns"] - NS}
        if (link["state"] == "down" and "outage" not in causes) or (link["state"] == "frozen" and not causes & _NO_QUOTES):
            yield f"{link['venue']} is said to be {link['state']} at {link['ts_ns']}, and nothing was wrong with it"


_NO_QUOTES = {"outage", "freeze", "pause", "disconnect", "lost", "reorder"}


def _until(fault: Line) -> int:
    """Return when a fault is over."""
    return int(fault["t"]) + round(fault["seconds"] * NS)


def outages(books: Books, venue: str) -> list[tuple[int, int]]:
    """Return when a venue was out; one that was made longer is one."""
    found: list[tuple[int, int]] = []
    for fault in books.faults:
        if fault["kind"] == "outage" and fault["venue"] == venue:
            since, until = fault["t"], fault["t"] + round(fault["seconds"] * NS)
            if found and since < found[-1][1]:
                since, until = found[-1][0], max(found.pop()[1], until)
            found.append((since, until))
    return found


def _recovery(books: Books, start: Row) -> Iterator[str]:
    """Check what follows a silence up to the first order after it: every venue is to have told what is held before it."""
    unsure, shut = _unsure(books, start), _shut(books)
    out = [span for venue in books.venues for span in outages(books, venue)]
    agreed, states, heard, recovering = set[str](), {start.body["venue"]: start.body["state"]}, 0, True
    for row in books.rows[start.id :]:
        body = row.body
        venue = body.get("venue") or books.venues[0]
        if body["type"] == "link" and body["state"] != "restarted":
            states[venue] = body["state"]
            heard = 0 if _SILENT & set(states.values()) else body["ts_ns"]
        elif body["type"] == "reconciled":
            agreed = agreed | {venue} if body["agrees"] and states.get(venue) != "down" else agreed - {venue}
        if body["type"] != "decision":
            continue
        left, recovering = recovering and body["phase"] != "recovering", body["phase"] == "recovering"
        if left and any(body["positions"]) and body["phase"] not in {"closing", "halted"}:  # a tape may end in it
            yield f"the session had recovered at {body['ts_ns']} with positions held, and did not close them"
        gone = [*shut, *(span for span in out if heard <= span[0])]  # out again, too short a time to be told
        since = max(heard, unsure, *(until for at, until in gone if at <= body["ts_ns"]), 0)
        if heard and body["ts_ns"] - since > RECOVERY_NS:
            yield f"{start.body['venue']} was back at {heard}, and until {body['ts_ns']} the session had not recovered"
            return
        heard *= body["phase"] == "recovering"
        if not body["orders"]:
            continue
        if missing := [name for name in books.venues if name not in agreed]:
            yield f"orders were decided at {body['ts_ns']}, after a silence and before {' and '.join(missing)} had told what is held"
        held = any(books.rows[row.id - 1].body["positions"])
        if held and not _closes(body):
            yield f"after a silence, the first orders at {body['ts_ns']} are {body['action']} ({body['reason']}), with positions held"
        return


def _shut(books: Books) -> list[tuple[int, int]]:
    """Return when nothing could be traded at one of the venues: what is held there is asked again when it opens."""
    spans: list[tuple[int, int]] = []
    for venue in books.venues:
        keys = {f"{one['venue']}:{one['symbol']}" for one in books.rows[0].body["instruments"] if one["venue"] == venue}
        closed, since = set[str](), 0
        for body in books.all("market_status"):
            (closed.discard if body["status"] == "open" else closed.add)(body["instrument"])
            if since and not keys <= closed:
                spans.append((since, body["ts_ns"]))
            since = (since or body["ts_ns"]) if keys <= closed else 0
        spans += [(since, sys.maxsize)] if since else []
    return spans


def _closes(body: Line) -> bool:
    """Whether a decision closes what is held after a silence: both legs, or what came back when a fill was taken back after that."""
    said = (body["action"], body["reason"])
    return said == ("close", "reconciled") or body["reason"] == "flatten" or (said == ("repair", "reversed") and body["phase"] == "closing")


def _unsure(books: Books, start: Row) -> int:
    """Return until when an order that left before a silence may still reach a venue where it cannot be looked for but by waiting.

    A process that was started while nothing was known of the order cannot know when the one before it sent it last.
    """
    began: dict[str, int] = {}
    for line in books.requests:
        if "label" in line:
            began.setdefault(line["label"].partition("-")[0], line["t"])
    told: dict[str, int] = {}
    for row in books.rows:
        if row.body["type"] in {"ack", "fill", "cancelled", "reject"} and row.body["order_id"]:
            told.setdefault(row.body["order_id"], row.body["ts_ns"])
    left = []
    for line in orders(books):
        name = line["asked"].name
        if line["venue"] in UNKEYED and line["result"] is None and books.decided().get(name, (start,))[0].id < start.id:
            starts = (at for at in began.values() if line["t"] < at <= told.get(name, at))
            left.append(max([line["t"], *starts]) + LATE_NS[line["venue"]])
    return max((at for at in left if at > start.body["ts_ns"]), default=0)


def stale(books: Books) -> Iterator[str]:
    """Check that no order that was decided before a silence leaves for the exchange after it."""
    decided, up_ns = books.decided(), books.recipe["model"]["up_ns"]
    late = {fault["n"]: round(fault["seconds"] * NS) for fault in books.faults if fault["kind"] == "late"}
    downs = [(link["ts_ns"], link["venue"]) for link in books.all("link") if link["state"] == "down"]
    for line in orders(books):
        name = line["asked"].name
        row = decided.get(name, (None, None))[0]
        if row is None or line["asked"].takes or line["result"] not in TAKEN[line["venue"]]:
            continue
        left = line["t"] - up_ns - late.get(line["n"], 0)
        if any(row.body["ts_ns"] <= down < left and venue == line["venue"] for down, venue in downs):
            yield f"order {name} was decided before a silence, left after it and was accepted"
