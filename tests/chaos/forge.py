"""Changes to what a run left behind, made by hand, as by a perfect forger: what the auditor must see."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.chaos.audit import audit
from tests.chaos.books import Line, read

Change = Callable[[list[Line]], Any]


def lines(folder: Path, name: str, change: Change) -> None:
    """Change the lines of one of the exchange's files."""
    path = folder / f"{name}.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    change(found)
    path.write_text("".join(json.dumps(line) + "\n" for line in found))


def journal(folder: Path, change: Change) -> None:
    """Change the journal's records, and make its chain anew, and the heads that were noted when processes died: a perfect forger."""
    books = read(folder)
    session, records = books.run["session"], [row.body for row in books.rows]
    change(records)
    link, rows, heads = sha256(session.encode()).digest(), [], [sha256(session.encode()).hexdigest()]
    for number, record in enumerate(records, 1):
        text = json.dumps(record, separators=(",", ":")).encode()
        link = sha256(b"%b%b\0%d\0%b" % (link, session.encode(), number, text)).digest()
        heads.append(link.hex())
        rows.append((session, number, number, record["ts_ns"], record["type"], text.decode(), link.hex(), 0, 1, None))
    with closing(sqlite3.connect(folder / "journal.db")) as db, db:
        db.execute("DELETE FROM events")
        db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    about(folder, lambda run: [life.update(head=heads[min(life["records"], len(rows))]) for life in run["lives"]])


def about(folder: Path, change: Callable[[Line], Any]) -> None:
    """Change run.json."""
    run = json.loads((folder / "run.json").read_text())
    change(run)
    (folder / "run.json").write_text(json.dumps(run))


def seen(folder: Path, law: str, words: str) -> bool:
    """Whether the auditor finds a breach of a law, in these words."""
    return any(violation["law"] == law and words in violation["what"] for violation in audit(folder)["violations"])


def first(records: list[Line], **fields: Any) -> int:
    """Return where the first record with these fields is."""
    return next(n for n, record in enumerate(records) if all(record.get(name) == value for name, value in fields.items()))


def with_orders(records: list[Line]) -> int:
    """Return where the first decision with orders is."""
    return next(n for n, record in enumerate(records) if record.get("orders"))
