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


def asked(books: Books) -> Iterator[str]:
    """Check that every request for an order asks for what was decided, and that the exchange's two files say the same of it."""
    decided, accepted = books.decided(), {line["client_id"]: line for line in books.ledger if line["event"] == "accepted"}
    done: dict[str, list[Line]] = defaultdict(list)
    for line, body in _posts(books):
        name = body["client_order_id"]
        if line["result"] == _OK:
            done[name].append(body)
        if name in decided and body["time_in_force"] != _CANNOT_FILL and _terms(body) != (wanted := _wanted(decided[name][1])):
            yield f"order {name} was decided as {wanted} and sent as {_terms(body)}"
    yield from (f"order {name} was answered as accepted, and is not in the ledger" for name in done.keys() - accepted.keys())
    for name, line in accepted.items():
        if not any((body["symbol"], _price(body.get("limit_price"))) == (line["symbol"], _price(line["price"])) for body in done[name]):
            yield f"order {name} was accepted for {line['symbol']} at {line['price']}, and no request asked for that"
    processes = {str(number) for number, _ in enumerate(books.run["lives"], 1)}
    strangers = {line["label"] for line in books.requests if line.get("label")} - {None}
    yield from (
        f"request {label} is of no process of the session" for label in sorted(strangers) if label.partition("-")[0] not in processes
    )


def executed(books: Books) -> Iterator[str]:
    """Check the exchange's own bookkeeping: no execution but of an order that works, within its limit; position and cash line by line."""
    cash, held = Decimal(books.ledger[0]["cash"]), defaultdict[str, Decimal](Decimal)
    works: dict[str, Line] = {}
    seen: set[str] = set()
    for line in books.ledger[1:]:
        name, symbol = line["client_id"], line["symbol"]
        if line["event"] == "accepted":
            works[name] = line
        elif _over(line):
            works.pop(name, None)
        elif line["event"] == "fill":
            qty, price, order = Decimal(line["qty"]), Decimal(line["price"]), works.get(name)
            held[symbol] += qty
            cash -= qty * price * Decimal(books.ledger[0]["multipliers"][symbol]) + Decimal(line["fee"])
            if order is None or order["symbol"] != symbol:
                yield f"order {name} was executed in {symbol} while no such order worked"
            elif order["price"] is not None and qty * (price - Decimal(order["price"])) > 0:
                yield f"order {name} was executed at {price}, worse than its limit {order['price']}"
            if line["execution_id"] in seen:
                yield f"execution {line['execution_id']} is there twice"
            seen.add(line["execution_id"])
        if (said := Decimal(line["cash"])) != cash:
            yield f"the ledger's cash at {line['t']} is {said}, its executions make {cash}"
            cash = said
        if symbol and line["position"] is not None and Decimal(line["position"]) != held[symbol]:
            yield f"the ledger's position at {line['t']} is {line['position']} {symbol}, its executions make {held[symbol]}"


def agreed(books: Books) -> Iterator[str]:
    """Check that what the venue is journalled to have said it holds is what its ledger says, at some moment up to then."""
    moments: list[tuple[int, Decimal, dict[str, Decimal]]] = [(0, Decimal(books.ledger[0]["cash"]), {})]
    for line in books.ledger[1:]:
        held = moments[-1][2] | ({line["symbol"]: Decimal(line["position"])} if line["symbol"] and line["position"] else {})
        moments.append((line["t"], Decimal(line["cash"]), {symbol: qty for symbol, qty in held.items() if qty}))
    for body in books.all("reconciled"):
        held = {key.partition(":")[2]: Decimal(qty) for key, qty in body["positions"].items() if Decimal(qty)}
        before = [(cash, there) for at, cash, there in moments if at <= body["ts_ns"]]
        if not any(held == there for _, there in before) or not any(Decimal(body["cash"]) == cash for cash, _ in before):
            yield f"at {body['ts_ns']} the venue is said to hold {body['positions']} and {body['cash']}, which its ledger never did"


def _over(line: Line) -> bool:
    """Whether a line ends an order; a refused duplicate of it, which has no number of the exchange's, does not."""
    return line["event"] == "cancelled" or (line["event"] == "rejected" and line["order_id"] is not None)


_OK = 200
_CANNOT_FILL = "ioc"
"""Time in force of the order that only uses up an id."""


def _posts(books: Books) -> list[tuple[Line, Line]]:
    """Return every request for an order that the exchange saw, with its body."""
    found = [line for line in books.requests if line.get("method") == "POST" and line["path"] == ORDERS]
    return [(line, json.loads(line["body"])) for line in found]


def _price(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _terms(body: Line) -> tuple[str, Decimal, Decimal | None]:
    """Return symbol, signed quantity and limit of a request."""
    return body["symbol"], Decimal(body["qty"]) * (1 if body["side"] == "buy" else -1), _price(body.get("limit_price"))


def _wanted(order: Line) -> tuple[str, Decimal, Decimal | None]:
    """Return the same of a decided order."""
    return order["instrument"].partition(":")[2], Decimal(order["qty"]), _price(order.get("limit"))


def _voids(books: Books) -> set[str]:
    """Return the ids that were used up by an order that cannot fill: the one accepted came with time in force ioc."""
    return {body["client_order_id"] for line, body in _posts(books) if line["result"] == _OK and body["time_in_force"] == _CANNOT_FILL}


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
        elif _over(line):
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
