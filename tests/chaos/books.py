"""What a run left behind, read without the product's code: JSON lines, SQLite, zlib and SHA-256 are all it takes."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.chaos.accounts import Account
from tests.chaos.dialects import READERS, execution, ties

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NS = 1_000_000_000
Line = dict[str, Any]


class Row(NamedTuple):
    """A record of the journal: its number from 1, and its body."""

    id: int
    body: Line


class Broken(Exception):
    """The journal's rows do not form one chain."""


@dataclass(frozen=True)
class Books:
    """The files of one run.

    Attributes
    ----------
    run : dict
        ``run.json``.
    requests, ledger, faults : list of dict
        The exchange's own lines, but for what opened. Each request has what it ``asked`` for, and an order's name in both
        is that of its intent, where there is one.
    opened : dict
        By venue, the account as it opened.
    rows : list of Row
        The journal, in order.
    heads : dict
        The chain's head after each stored row, by the number of its last record.
    """

    run: Line
    requests: list[Line]
    ledger: list[Line]
    faults: list[Line]
    opened: dict[str, Line]
    rows: list[Row]
    heads: dict[int, str]

    @property
    def recipe(self) -> Line:
        """What the run was drawn as."""
        recipe: Line = self.run["recipe"]
        return recipe

    @property
    def params(self) -> Line:
        """The strategy's numbers, as the journal's first record has them."""
        params: Line = self.rows[0].body["params"]
        return params

    @property
    def venues(self) -> list[str]:
        """The venues, that of the primary first."""
        return list(self.opened)

    def account(self, venue: str) -> Account:
        """Return a venue's account as it opened."""
        return Account(venue, self.opened[venue]["cash"], self.listed[venue])

    @property
    def listed(self) -> dict[str, dict[str, Line]]:
        """What is traded, by venue and symbol, with the venue's own ids as ``native``."""
        found: dict[str, dict[str, Line]] = {}
        for one in self.rows[0].body["instruments"]:
            native = self.run["native"].get(f"{one['venue']}:{one['symbol']}")
            found.setdefault(one["venue"], {})[one["symbol"]] = _INSTRUMENT | one | {"native": native and json.loads(native)}
        return found

    def all(self, *types: str) -> Iterator[Line]:
        """Yield the journal's records of these types."""
        return (row.body for row in self.rows if row.body["type"] in types)

    def decided(self) -> dict[str, tuple[Row, Line]]:
        """Return every order ever decided, by its id, with the record of its decision."""
        return {order["order_id"]: (row, order) for row in self.rows if row.body["type"] == "decision" for order in row.body["orders"]}


def read(folder: Path) -> Books:
    """Read a run's folder.

    Raises
    ------
    Broken
        If the journal is not one unbroken chain.
    """
    run = json.loads((folder / "run.json").read_bytes())
    rows, heads = _journal(folder / "journal.db", run["session"])
    requests, ledger, faults = (_lines(folder / f"{name}.jsonl") for name in ("requests", "ledger", "faults"))
    opened = {line["venue"]: line for line in ledger if line["event"] == "opened"}
    books = Books(run, requests, [line for line in ledger if line["event"] != "opened"], faults, opened, rows, heads)
    if rows:
        _translate(books)
    return books


def _translate(books: Books) -> None:
    """Read what each request asked for, and call orders and executions as the journal does."""
    listed = books.listed
    for line in books.requests:
        if "method" in line:
            line["asked"] = READERS[line["venue"]](line, listed[line["venue"]])
    acks = {body["venue_order_id"]: body["order_id"] for body in books.all("ack") if body["venue_order_id"].startswith("0x")}
    decided = {
        name: (row.body["ts_ns"], order["instrument"].partition(":")[2], Decimal(order["qty"]))
        for name, (row, order) in books.decided().items()
    }
    names = ties((line["asked"] for line in books.requests if "asked" in line), acks, decided)
    for line in books.requests:
        if "asked" in line:
            line["asked"] = line["asked"]._replace(name=names.get(line["asked"].name, line["asked"].name))
    for line in books.ledger:
        line["execution_id"] = execution(line["venue"], line) if line["execution_id"] else None
        line["client_id"] = names.get(line["client_id"], line["client_id"])


_INSTRUMENT = {"kind": "spot", "multiplier": "1"}
"""What the journal leaves out."""


def orders(books: Books) -> list[Line]:
    """Return every request for an order that reached an exchange."""
    return [line for line in books.requests if "asked" in line and line["asked"].kind == "order"]


def posts(books: Books) -> dict[str, Line]:
    """Return the request that left first for each order, by its name."""
    first: dict[str, Line] = {}
    for line in sorted((line for line in orders(books) if line.get("label")), key=turn):
        first.setdefault(line["asked"].name, line)
    return first


def turn(line: Line) -> tuple[int, ...]:
    """Return the order in which a request left: the session's process, and its count."""
    return tuple(int(part) for part in line["label"].split("-"))


def _lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def _journal(path: Path, session: str) -> tuple[list[Row], dict[int, str]]:
    """Return the records, and the heads of the chain: each link is the hash of the one before it, session, number and body."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        stored = db.execute("SELECT id, body, hash, packed FROM events WHERE session = ? ORDER BY id", (session,)).fetchall()
    rows: list[Row] = []
    heads: dict[int, str] = {}
    link = sha256(session.encode()).digest()
    for last, body, said, packed in stored:
        for text in [body.encode()] if packed is None else _unpacked(packed):
            number = len(rows) + 1
            link = sha256(b"%b%b\0%d\0%b" % (link, session.encode(), number, text)).digest()
            rows.append(Row(number, json.loads(text)))
        if len(rows) != last or link.hex() != said:
            raise Broken(f"the journal's chain breaks at record {last}")
        heads[last] = said
    return rows, heads


def _unpacked(packed: bytes) -> Iterator[bytes]:
    """Yield the records of a batch, byte for byte: ``[[instant, [record, ...]], ...]``, compressed."""
    text = zlib.decompress(packed).decode()
    decoder = json.JSONDecoder()
    for _, group in json.loads(text):
        for _ in group:
            start = text.index('{"type"')
            _, end = decoder.raw_decode(text, start)
            yield text[start:end].encode()
            text = text[end:]
