"""A session on a terminal: its records as JSON lines for programs, its tables for people."""

from __future__ import annotations

import typing
from collections.abc import Collection, Iterator
from itertools import islice

import pandas as pd

from hedgekit.errors import ConfigError
from hedgekit.journal.codec import tag
from hedgekit.journal.log import Journal
from hedgekit.types import Event, Record

RECORDS = "records"

TABLES = {
    "orders": "ts trade role side qty instrument kind expected status filled_qty avg_price action reason",
    "fills": "ts trade role qty instrument price fee expected slippage mid spread_cost",
    "decisions": "ts action reason phase trade z ratio delta cost benefit n_orders n_cancels",
    "equity": "",
    "trades": "",
    "plans": "",
}
"""The columns that are shown of each table; of those without any, all."""

ROWS = 20
"""Newest rows of a table that are shown if nobody says how many."""

_KINDS: dict[str, type[Event]] = {tag(kind): kind for kind in typing.get_args(Record)}


def show(journal: Journal, what: str = RECORDS, *, after: int = 0, types: Collection[str] = (), limit: int | None = None) -> Iterator[str]:
    """Return the lines of what is asked for.

    Parameters
    ----------
    journal : Journal
    what : str
        "records" for JSON lines (id, instant, record) in their order, or one of :data:`TABLES`.
    after : int
        Records with a larger id only.
    types : collection of str
        Records of these types only, by the names in their JSON.
    limit : int, optional
        Most records, from the first; or rows of the table, the newest, 20 by default.

    Raises
    ------
    ConfigError
        If there is no such table or type, or a table is asked for with ``after`` or ``types``.
    JournalError
        If a record cannot be read.
    """
    if after < 0 or (limit is not None and limit < 1):
        msg = f"after={after}, limit={limit}: give 0 or more, and 1 or more"
        raise ConfigError(msg)
    if what == RECORDS:
        return _lines(journal, after, types, limit)
    if what not in TABLES:
        msg = f"{what!r} is nothing to show; choose {RECORDS}, {', '.join(TABLES)}"
        raise ConfigError(msg)
    if after or types:
        msg = f"{what} is made of the whole session: --after and --type are for {RECORDS}, --limit gives the newest rows"
        raise ConfigError(msg)
    return _table(getattr(journal, what)(), TABLES[what].split(), limit or ROWS)


def _lines(journal: Journal, after: int, types: Collection[str], limit: int | None) -> Iterator[str]:
    unknown = sorted(set(types) - set(_KINDS))
    if unknown:
        msg = f"--type {unknown[0]}: there is no such record; choose from {', '.join(sorted(_KINDS))}"
        raise ConfigError(msg)
    found = journal.lines(after, [_KINDS[name] for name in types] if types else None)
    return (line.decode("utf-8", "backslashreplace") for line in islice(found, limit))


def _table(frame: pd.DataFrame, columns: list[str], rows: int) -> Iterator[str]:
    if frame.index.name is not None:
        frame = frame.reset_index()
    newest = frame[columns or list(frame.columns)].tail(rows)
    if newest.empty:
        yield f"nothing yet: {', '.join(newest.columns)}"
        return
    yield from newest.to_string(index=False, na_rep="-").splitlines()
    if len(frame) > rows:
        yield f"the newest {rows} of {len(frame)} rows"
