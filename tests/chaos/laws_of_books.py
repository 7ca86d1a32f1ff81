"""Laws of the books: what was decided, sent, executed and held (L2, L3), and how the session ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.books import Books, Line, orders, posts
from tests.chaos.dialects import PROVISIONAL, TAKEN, UNMATCHED, Asked, Terms, reverses, set_aside
from tests.chaos.fees import possible
from tests.chaos.own import PREVENTS, kept_apart, short_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.accounts import Account


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
    for line in books.ledger:
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
    for name, qty in executed.items():  # a fill that was taken back later was executed all the same
        whole = Decimal(decided[name][1]["qty"]) if name in decided else Decimal(0)
        if name in void or qty * whole <= 0 or abs(qty) > abs(whole):
            yield f"order {name} of {whole} was executed {qty}{', though its id was made void' if name in void else ''}"
    sent = {name: line for name, line in posts(books).items() if name not in decided or decided[name][0].body["ts_ns"] > line["t"]}
    yield from (f"order {name} was sent at {line['t']}, before anything was decided" for name, line in sent.items())


def asked(books: Books) -> Iterator[str]:
    """Check that every request for an order asks for what was decided, and that the exchange's two files say the same of it.

    An order may be taken at a tighter limit than was asked for where the account's own order stood in its way, and by no more than that.
    """
    own, listed = kept_apart(books), books.listed
    decided, accepted = books.decided(), {line["client_id"]: line for line in books.ledger if line["event"] == "accepted"}
    done: dict[str, list[Line]] = defaultdict(list)
    for line in orders(books):
        one: Asked = line["asked"]
        if line["result"] in TAKEN[line["venue"]] | UNMATCHED.get(line["venue"], set()):
            done[one.name].append(line)
        if one.name in decided and not one.takes and not _as_decided(one, line["venue"], decided[one.name][1]):
            yield f"order {one.name} was decided as {_wanted(decided[one.name][1])} and sent as {one.terms} at {line['venue']}"
    taken = {name for name, lines in done.items() if any(line["result"] in TAKEN[line["venue"]] for line in lines)}
    yield from (f"order {name} was answered as accepted, and is not in the ledger" for name in taken - accepted.keys())
    for name, line in accepted.items():
        terms = Terms(line["symbol"], Decimal(line["qty"]), _price(line["price"]))
        if not any((one.venue, _apart(one, own[name], listed)) == (line["venue"], terms) for one in map(_at, done[name])):
            yield f"order {name} was accepted for {line['symbol']} at {line['price']}, and no request asked for that"
    processes = {str(number) for number, _ in enumerate(books.run["lives"], 1)}
    strangers = {line["label"] for line in books.requests if line.get("label")} - {None}
    yield from (
        f"request {label} is of no process of the session" for label in sorted(strangers) if label.partition("-")[0] not in processes
    )


def executed(books: Books) -> Iterator[str]:  # noqa: C901, PLR0912 - one branch for each kind of line
    """Check the exchange's own bookkeeping: no execution but of an order that works, within its limit; position and cash line by line."""
    accounts = {venue: books.account(venue) for venue in books.venues}
    works: dict[str, Line] = {}
    fills: dict[str, Line] = {}
    seen: set[tuple[str, str]] = set()
    for line in books.ledger:
        name, symbol, venue = line["client_id"], line["symbol"], line["venue"]
        account = accounts[venue]
        if line["event"] == "accepted":
            works[name] = line
        elif _over(line):
            works.pop(name, None)
        elif line["event"] == "fill":
            qty, price, order = Decimal(line["qty"]), Decimal(line["price"]), works.get(name)
            account.book(symbol, qty, price, Decimal(line["fee"]))
            if order is None or (order["venue"], order["symbol"]) != (venue, symbol):
                yield f"order {name} was executed in {symbol} while no such order worked"
            elif order["price"] is not None and qty * (price - Decimal(order["price"])) > 0:
                yield f"order {name} was executed at {price}, worse than its limit {order['price']}"
            if (venue, line["execution_id"]) in seen:
                yield f"execution {line['execution_id']} is there twice"
            seen.add((venue, line["execution_id"]))
            fills[line["execution_id"]] = line
        elif line["event"] == "reversed":
            account.book(symbol, Decimal(line["qty"]), Decimal(line["price"]), Decimal(line["fee"]))
            yield from _undone(line, fills)
        elif line["event"] == "settled":
            if Decimal(line["qty"]) != -account.held[symbol] or line["price"] not in {"0", "1"}:
                yield f"{symbol} was settled: {line['qty']} at {line['price']}, where {account.held[symbol]} were held"
            account.book(symbol, Decimal(line["qty"]), Decimal(line["price"]), Decimal(0))
        elif line["event"] == "funding":
            account.pay(symbol, paid := -Decimal(line["fee"]))
            rate = Decimal(str(books.recipe["market"][f"funding_{_leg(books, venue, symbol)}"]))
            if paid != (due := account.funding(symbol, rate, Decimal(line["price"]))):
                yield f"the ledger has {paid} of funding in {symbol} at {line['t']}, where {account.held[symbol]} at {rate} make {due}"
        purse = account.currency(symbol)
        if (said := Decimal(line["cash"])) != account.cash[purse]:
            yield f"the ledger's cash at {line['t']} is {said} {purse} at {venue}, its executions make {account.cash[purse]}"
            account.cash[purse] = said
        if symbol and line["position"] is not None and Decimal(line["position"]) != account.held[symbol]:
            yield f"the ledger's position at {line['t']} is {line['position']} {symbol}, its executions make {account.held[symbol]}"


def _undone(line: Line, fills: dict[str, Line]) -> Iterator[str]:
    """Check that what is taken back was executed, and is taken back once, wholly, soon after, and at a venue that may."""
    whole = fills.pop(reverses(line["execution_id"]), None)
    if whole is None:
        yield f"{line['execution_id']} takes back what was never executed, or was taken back before"
        return
    ours, theirs = ([Decimal(one[name]) for name in ("qty", "price", "fee")] for one in (line, whole))
    if line["venue"] not in PROVISIONAL or (line["client_id"], line["symbol"]) != (whole["client_id"], whole["symbol"]):
        yield f"{line['execution_id']} takes back {whole['execution_id']} of {whole['client_id']} at {whole['venue']}"
    if ours != [-theirs[0], theirs[1], -theirs[2]]:
        yield f"{line['execution_id']} takes back {ours} (quantity, price, fee), where {theirs} was executed"


def _leg(books: Books, venue: str, symbol: str) -> str:
    """Return which leg of the market a symbol is."""
    return "primary" if books.rows[0].body["instruments"][0]["symbol"] == symbol and books.venues[0] == venue else "hedge"


def charged(books: Books) -> Iterator[str]:
    """Check that each execution cost what its venue charges."""
    listed = books.listed
    for line in books.ledger:
        if line["event"] == "fill":
            one, qty, price = listed[line["venue"]][line["symbol"]], Decimal(line["qty"]), Decimal(line["price"])
            if Decimal(line["fee"]) not in (fees := possible(line["venue"], one, qty, price)):
                yield f"execution {line['execution_id']} of {qty} {line['symbol']} at {price} cost {line['fee']}, not {sorted(fees)}"


def agreed(books: Books) -> Iterator[str]:
    """Check that what the venue is journalled to have said it holds is what its ledger says, at some moment up to then."""
    moments = {venue: list(_moments(books, venue)) for venue in books.venues}
    for body in books.all("reconciled"):
        venue = body.get("venue") or books.venues[0]
        held = {key.partition(":")[2]: Decimal(qty) for key, qty in body["positions"].items() if Decimal(qty)}
        before = [(cash, there) for at, cash, there in moments[venue] if at <= body["ts_ns"]]
        if (Decimal(body["cash"]), held) not in before:
            yield f"at {body['ts_ns']} {venue} is said to hold {body['positions']} and {body['cash']}, which its ledger never did at once"


def _moments(books: Books, venue: str) -> Iterator[tuple[int, Decimal, dict[str, Decimal]]]:
    """Yield from when on a venue's ledger has what cash, in the account's own currency and as the venue tells it, and what positions."""
    account, held, works = books.account(venue), dict[str, Decimal](), dict[str, Terms]()
    cash = account.cash[account.home]
    yield 0, cash, {}
    for line in books.ledger:
        if line["venue"] != venue:
            continue
        name = line["client_id"]
        if line["event"] == "accepted":
            works[name] = Terms(line["symbol"], Decimal(line["qty"]), _price(line["price"]))
        elif line["event"] == "fill" and name in works:
            works[name] = works[name]._replace(qty=works[name].qty - Decimal(line["qty"]))
        elif _over(line):
            works.pop(name, None)
        held |= {line["symbol"]: Decimal(line["position"])} if line["symbol"] and line["position"] else {}
        cash = Decimal(line["cash"]) if account.currency(line["symbol"]) == account.home else cash
        yield line["t"], cash - set_aside(venue, held, works.values()), {symbol: qty for symbol, qty in held.items() if qty}


def _over(line: Line) -> bool:
    """Whether a line ends an order; a refused duplicate of it, which has no number of the exchange's, does not."""
    return line["event"] == "cancelled" or (line["event"] == "rejected" and line["order_id"] is not None)


def _price(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


class _Placed(NamedTuple):
    venue: str
    terms: Terms | None


def _at(line: Line) -> _Placed:
    return _Placed(line["venue"], line["asked"].terms)


def _apart(one: _Placed, own: list[Decimal], listed: dict[str, dict[str, Line]]) -> Terms | None:
    """Return the terms at which an order is taken that does not meet these of the account's own."""
    if one.venue not in PREVENTS or one.terms is None or one.terms.limit is None:
        return one.terms
    tick = Decimal(listed[one.venue][one.terms.symbol]["tick"])
    return one.terms._replace(limit=short_of(one.terms.limit, own, tick, buys=one.terms.qty > 0))


def _as_decided(one: Asked, venue: str, order: Line) -> bool:
    """Whether a request is for an order, at its venue; where there are no market orders, one that stands for it has a limit of its own."""
    wanted = _wanted(order)
    terms = one.terms._replace(limit=None) if one.terms and one.unlimited and wanted.limit is None else one.terms
    return order["instrument"].partition(":")[0] == venue and terms == wanted


def _wanted(order: Line) -> Terms:
    """Return symbol, signed quantity and limit of a decided order."""
    return Terms(order["instrument"].partition(":")[2], Decimal(order["qty"]), _price(order.get("limit")))


def _voids(books: Books) -> set[str]:
    """Return the ids that were used up by an order that cannot fill."""
    return {line["asked"].name for line in orders(books) if line["asked"].takes and line["result"] in TAKEN[line["venue"]]}


# --------------------------------------------------------- L3: nothing lost


def complete(books: Books) -> Iterator[str]:
    """Check that fills, positions and cash of journal and ledger are the same, to the last digit."""
    theirs = Counter(_execution(line, "client_id", "execution_id") for line in books.ledger if line["event"] in _EXECUTED)
    ours = Counter(_execution(fill, "order_id", "fill_id") for fill in books.all("fill") if fill.get("cause") != "settlement")
    yield from (f"the ledger has {times} execution(s) {what} that the journal has not" for what, times in (theirs - ours).items())
    yield from (f"the journal has {times} fill(s) {what} that the ledger has not" for what, times in (ours - theirs).items())
    accounts = {venue: books.account(venue) for venue in books.venues}
    for fill in books.all("fill"):
        venue, _, symbol = fill["instrument"].partition(":")
        accounts[venue].book(symbol, *(Decimal(fill[name]) for name in ("qty", "price", "fee")))
    yield from _settled(books)
    yield from _paid(books, accounts)
    held, cash = dict[tuple[str, str], str](), dict[tuple[str, str], str]()
    for line in books.ledger:
        cash[line["venue"], accounts[line["venue"]].currency(line["symbol"])] = line["cash"]
        if line["symbol"]:
            held[line["venue"], line["symbol"]] = line["position"]
    for (venue, symbol), said in held.items():
        if Decimal(said) != (ours := accounts[venue].held[symbol]):
            yield f"the ledger holds {said} {symbol} at {venue}, the journal {ours}"
    for (venue, purse), said in cash.items():
        if Decimal(said) != (ours := accounts[venue].cash[purse]):
            yield f"the ledger's cash is {said} {purse} at {venue}, the journal's {ours}"


def _settled(books: Books) -> Iterator[str]:
    """Check that the journal takes every contract out that was settled, at what it paid, in one part or as it heard of the last fills."""
    theirs = {
        f"{line['venue']}:{line['symbol']}": (Decimal(line["qty"]), line["price"]) for line in books.ledger if line["event"] == "settled"
    }
    ours: dict[str, Decimal] = defaultdict(Decimal)
    for fill in books.all("fill"):
        if fill.get("cause") == "settlement":
            key = fill["instrument"]
            ours[key] += Decimal(fill["qty"])
            if key not in theirs or Decimal(fill["price"]) != Decimal(theirs[key][1]):
                yield f"the journal has {key} settled at {fill['price']}, the ledger {theirs.get(key, ('', 'not'))[1]}"
    for key, (qty, _) in theirs.items():
        if qty != ours[key]:
            yield f"the ledger has {qty} of {key} taken out by its settlement, the journal {ours[key]}"


def _paid(books: Books, accounts: dict[str, Account]) -> Iterator[str]:
    """Check that the journal has every funding of the ledger, and no other, once; book it."""
    theirs = Counter((f"{line['venue']}:{line['symbol']}", -Decimal(line["fee"])) for line in books.ledger if line["event"] == "funding")
    ours = Counter((body["instrument"], Decimal(body["amount"])) for body in books.all("payment"))
    yield from (f"the ledger has funding {what} {times} time(s) more often than the journal" for what, times in (theirs - ours).items())
    yield from (f"the journal has funding {what} {times} time(s) more often than the ledger" for what, times in (ours - theirs).items())
    for body in books.all("payment"):
        venue, _, symbol = body["instrument"].partition(":")
        accounts[venue].pay(symbol, Decimal(body["amount"]))


_EXECUTED = {"fill": "trade", "reversed": "reversal"}
"""Events of the ledger that are fills in the journal, and their cause there."""


def _execution(line: Line, order: str, name: str) -> tuple[str, ...]:
    cause = _EXECUTED[line["event"]] if "event" in line else line.get("cause", "trade")
    key = f"{line['venue']}:{line['symbol']}" if "symbol" in line else line["instrument"]
    return (cause, line[order], line[name], key, *(str(Decimal(line[field]).normalize()) for field in ("qty", "price", "fee")))


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
        if body.get("cause", "trade") == "trade":
            left[body["order_id"]] = left.get(body["order_id"], Decimal(0)) - Decimal(body["qty"])
    over = {body["order_id"] for body in books.all("cancelled", "reject")}
    return [name for name, qty in left.items() if qty and name not in over]


def standing(books: Books) -> str:
    """Return how a session ended.

    ``flat``; ``hedged``: the net delta that its last decision states is within the tolerance and a lot of rounding; ``unhedged
    by design``; ``cut off``: the tape's end stopped it while it opened, closed or recovered, so that a leg was on its way;
    ``taken back``: a fill failed after the stop, when nothing is ordered any more; ``as decided``: a decision of this trade says why
    its legs are not as they were meant to be; else ``residual``.
    """
    last, params = _last(books), books.params
    if not any(last["positions"]):
        return "flat"
    lot = max((worth(*leg) for leg in zip(books.rows[0].body["instruments"], last["mids"], strict=True)), default=0.0) / params["notional"]
    if last["delta"] is not None and abs(last["delta"]) <= params["tolerance"] + lot:
        return "hedged"
    if params["structure"] in {"unhedged", "synthetic"} and last["positions"][0]:
        return "unhedged by design"
    before = [row.body for row in books.rows[: _stop(books)] if row.body["type"] == "decision"]
    if before and before[-1]["phase"] in {"opening", "closing", "recovering"}:
        return "cut off"
    if any(row.body["type"] == "fill" and row.body.get("cause") == "reversal" for row in books.rows[_stop(books) :]):
        return "taken back"
    return "as decided" if any(body["trade"] == last["trade"] and body["reason"] in _SHORT for body in before) else "residual"


def worth(instrument: Line, mid: float | None) -> float:
    """Return the money of one lot at a mid price: an inverse perpetual's contract is a fixed sum, its multiplier."""
    one = Decimal(instrument.get("lot", "1")) * Decimal(instrument.get("multiplier", "1"))
    return float(one) * (1.0 if instrument.get("kind") == "inverse_perp" else mid or 0.0)


_SHORT = {"short_accepted", "cut_back", "leg_rejected", "cost_exceeds_benefit"}


def _last(books: Books) -> Line:
    return [row.body for row in books.rows if row.body["type"] == "decision"][-1]


def _stop(books: Books) -> int:
    """Return how many records there are before the stop."""
    return next((row.id - 1 for row in books.rows if row.body["type"] == "command" and row.body["name"] == "stop"), len(books.rows))
