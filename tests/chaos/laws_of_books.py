"""Laws of the books: what was decided, sent, executed and held (L2, L3), and how the session ended."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.chaos.books import ORDERS, Books, Line, posts

if TYPE_CHECKING:
    from collections.abc import Iterator


# ----------------------------------------------------------------- how it ended


def ended(books: Books) -> Iterator[str]:
    """Check that the last process ended in order, and the others where they were to."""
    *killed, last = books.run["lives"]
    if any(life["returncode"] != -9 for life in killed):
        yield "a session that was to be restarted had not been killed"
    if last["returncode"] is None:
        yield f"the session hung, at record {last['records']}"
    elif last["returncode"] != 0:
        yield f"the session ended with exit code {last['returncode']}: {(last['error'].strip().splitlines() or ['no message'])[-1][:300]}"
    elif not books.rows or books.rows[-1].body["type"] != "session_ended":
        yield "the journal does not end with session_ended"


def secret(books: Books) -> Iterator[str]:
    """Check that no file holds a key of the account."""
    yield from (f"{name} holds a secret of the account" for name in books.run["leaks"])


def durable(books: Books) -> Iterator[str]:
    """Check that what a dead process left in the journal is still there, and was all that it had let out."""
    decided, first = books.decided(), posts(books)
    for number, life in enumerate(books.run["lives"], 1):
        if life["records"] and books.heads.get(life["records"]) != life["head"]:
            yield f"after process {number} the journal's head was {life['head'][:12]} at record {life['records']}; it is not any more"
        for name, line in first.items():
            if line["label"].startswith(f"{number}-") and name in decided and decided[name][0].id > life["records"]:
                yield f"order {name} left process {number} before its intent was durable"


# ----------------------------------------------------- L2: no intent twice


def once(books: Books) -> Iterator[str]:
    """Check that every order at the exchange is a journalled intent, was accepted once and executed no more than it says."""
    decided, void = books.decided(), _voids(books)
    accepted = Counter(line["client_id"] for line in books.ledger if line["event"] == "accepted")
    executed: dict[str, Decimal] = defaultdict(Decimal)
    ordered: dict[str, Decimal] = {}
    for line in books.ledger[1:]:
        if line["event"] == "accepted":
            ordered[line["client_id"]] = Decimal(line["qty"])
        elif line["event"] == "fill":
            executed[line["client_id"]] += Decimal(line["qty"])
    for name, times in accepted.items():
        if times > 1:
            yield f"order {name} was accepted {times} times"
        if name not in decided:
            yield f"order {name} reached the exchange, and the journal has no intent of it"
        elif ordered[name] != Decimal(decided[name][1]["qty"]) and name not in void:
            yield f"order {name} was decided as {decided[name][1]['qty']} and accepted as {ordered[name]}"
    for name, qty in executed.items():
        whole = Decimal(decided[name][1]["qty"]) if name in decided else Decimal(0)
        if name in void or qty * whole <= 0 or abs(qty) > abs(whole):
            yield f"order {name} of {whole} was executed {qty}{', though its id was made void' if name in void else ''}"
    sent = {name: line for name, line in posts(books).items() if name not in decided or decided[name][0].body["ts_ns"] > line["t"]}
    yield from (f"order {name} was sent at {line['t']}, before anything was decided" for name, line in sent.items())


def _voids(books: Books) -> set[str]:
    """Return the ids that were used up by an order that cannot fill: the one accepted came with time in force ioc."""
    done = [line for line in books.requests if line.get("method") == "POST" and line["path"] == ORDERS and line["result"] == 200]
    bodies = [json.loads(line["body"]) for line in done]
    return {body["client_order_id"] for body in bodies if body["time_in_force"] == "ioc"}


# --------------------------------------------------------- L3: nothing lost


def complete(books: Books) -> Iterator[str]:
    """Check that fills, positions and cash of journal and ledger are the same, to the last digit."""
    theirs = Counter(_execution(line, "client_id", "execution_id") for line in books.ledger if line["event"] == "fill")
    ours = Counter(_execution(fill, "order_id", "fill_id") for fill in books.all("fill"))
    yield from (f"the ledger has {times} execution(s) {what} that the journal has not" for what, times in (theirs - ours).items())
    yield from (f"the journal has {times} fill(s) {what} that the ledger has not" for what, times in (ours - theirs).items())
    cash, held = Decimal(books.ledger[0]["cash"]), defaultdict[str, Decimal](Decimal)
    for fill in books.all("fill"):
        symbol, qty = fill["instrument"].partition(":")[2], Decimal(fill["qty"])
        held[symbol] += qty
        cash -= qty * Decimal(fill["price"]) * Decimal(books.ledger[0]["multipliers"][symbol]) + Decimal(fill["fee"])
    last = {line["symbol"]: Decimal(line["position"]) for line in books.ledger[1:] if line["symbol"]}
    yield from (f"the ledger holds {qty} {symbol}, the journal {held[symbol]}" for symbol, qty in last.items() if qty != held[symbol])
    if (said := Decimal(books.ledger[-1]["cash"])) != cash:
        yield f"the ledger's cash is {said}, the journal's {cash}"


def _execution(line: Line, order: str, name: str) -> tuple[str, ...]:
    symbol = line["symbol"] if "symbol" in line else line["instrument"].partition(":")[2]
    return (line[order], line[name], symbol, *(str(Decimal(line[field]).normalize()) for field in ("qty", "price", "fee")))


# ------------------------------------------------------------ how it stands


def closed(books: Books) -> Iterator[str]:
    """Check that no order works any more, here or there, and that what is held is as it may be (:func:`standing`)."""
    alive = {line["client_id"] for line in books.ledger if line["event"] == "accepted"}
    left = {name: abs(Decimal(row_order[1]["qty"])) for name, row_order in books.decided().items()}
    for line in books.ledger:
        if line["event"] == "fill":
            left[line["client_id"]] = left.get(line["client_id"], Decimal(0)) - abs(Decimal(line["qty"]))
            if left[line["client_id"]] <= 0:
                alive.discard(line["client_id"])
        elif line["event"] in {"cancelled", "rejected"}:
            alive.discard(line["client_id"])
    yield from (f"order {name} still works at the exchange after the session has ended" for name in sorted(alive))
    yield from (f"order {name} has no end in the journal" for name in _endless(books))
    if standing(books) == "residual":
        yield f"the session ended with {_last(books)['positions']} held, which is neither flat nor hedged, and no reason is given"


def _endless(books: Books) -> list[str]:
    """Return the orders of which the journal says neither that they were filled nor that they are over."""
    left = {name: Decimal(order["qty"]) for name, (_, order) in books.decided().items()}
    for body in books.all("fill"):
        left[body["order_id"]] = left.get(body["order_id"], Decimal(0)) - Decimal(body["qty"])
    over = {body["order_id"] for body in books.all("cancelled", "reject")}
    return [name for name, qty in left.items() if qty and name not in over]


def standing(books: Books) -> str:
    """Return how a session ended.

    ``flat``; ``hedged``: the net delta that its last decision states is within the tolerance and a lot of rounding; ``unhedged
    by design``; ``cut off``: the tape's end stopped it while it opened, closed or recovered, so that a leg was on its way;
    ``as decided``: a decision of this trade says why its legs are not as they were meant to be; else ``residual``.
    """
    last, params = _last(books), books.params
    if not any(last["positions"]):
        return "flat"
    lot = max((mid for mid in last["mids"] if mid), default=0.0) / params["notional"]
    if last["delta"] is not None and abs(last["delta"]) <= params["tolerance"] + lot:
        return "hedged"
    if params["structure"] in {"unhedged", "synthetic"} and last["positions"][0]:
        return "unhedged by design"
    before = [row.body for row in books.rows[: _stop(books)] if row.body["type"] == "decision"]
    if before and before[-1]["phase"] in {"opening", "closing", "recovering"}:
        return "cut off"
    return "as decided" if any(body["trade"] == last["trade"] and body["reason"] in _SHORT for body in before) else "residual"


_SHORT = {"short_accepted", "cut_back", "leg_rejected", "cost_exceeds_benefit"}


def _last(books: Books) -> Line:
    return [row.body for row in books.rows if row.body["type"] == "decision"][-1]


def _stop(books: Books) -> int:
    """Return how many records there are before the stop."""
    return next((row.id - 1 for row in books.rows if row.body["type"] == "command" and row.body["name"] == "stop"), len(books.rows))
