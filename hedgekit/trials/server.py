"""The trial ledger on a PostgreSQL server, shared by workers on several machines.

The same table as in the file, under the name ``hedgekit_trials``; triggers of the database refuse to change, delete or truncate. Whoever
records holds one lock for the time of its transaction, as with the file, so that a trial that several hand in at once is counted once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Identity,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from hedgekit import keys
from hedgekit.errors import ConfigError, JournalError

NAME = "hedgekit_trials"
_LOCK = 0x686B7472
"""PostgreSQL's advisory lock of whoever records."""

COLUMNS = ("study", "trial", "strategy", "data", "code", "parameters", "figures", "at_ns")

TABLE = Table(
    NAME,
    MetaData(),
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    *(Column(name, BigInteger if name == "at_ns" else Text, nullable=False) for name in COLUMNS),
    UniqueConstraint("study", "trial"),
)

_REFUSES = f"CREATE FUNCTION {NAME}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
_REFUSES += "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
_NEVER = f"CREATE TRIGGER never_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {NAME} EXECUTE FUNCTION {NAME}_append_only()"

_FIXES = {
    "password authentication": "put the right one in ~/.pgpass or PGPASSWORD",
    "does not exist": "see that the address is right",
    "permission denied": "let this user make and fill the table, or use another",
    "append-only": "a ledger is never changed; choose another database",
}


class Server:
    """A ledger by its URL.

    Parameters
    ----------
    url : str
        ``postgresql+psycopg://user@host/database``. Errors show it without a password.

    Raises
    ------
    ConfigError
        If it is no URL of a PostgreSQL database, or there is no driver for it.
    """

    def __init__(self, url: str) -> None:
        if keys.in_query(url):
            msg = "the trial ledger's address has a password after the '?', where errors would show it: put it in ~/.pgpass or PGPASSWORD"
            raise ConfigError(msg)
        try:
            self._url = make_url(url)
            self._url.get_dialect().import_dbapi()
        except (NoSuchModuleError, ImportError) as error:
            msg = f"{self._url.drivername}: no driver for this database ({error}); write postgresql+psycopg://... and install psycopg"
            raise ConfigError(msg) from None
        except (ArgumentError, ValueError):
            msg = "the trial ledger's address is no database URL; write a file's path or postgresql+psycopg://user@host/database"
            raise ConfigError(msg) from None
        if self._url.get_backend_name() != "postgresql":
            msg = f"{self._url.drivername}: a trial ledger is an SQLite file, by its path, or in PostgreSQL, by its URL"
            raise ConfigError(msg)
        self.name = self._url.render_as_string(hide_password=True)

    def __repr__(self) -> str:
        """Name it, without a password."""
        return f"<trial ledger {self.name}>"

    def record(self, rows: Sequence[tuple[Any, ...]], lost: str) -> tuple[set[str], dict[str, str]]:
        """Write rows, all or none; return the trials that are new, and the figures that stand in the ledger for each.

        Raises
        ------
        JournalError
            If the server cannot be reached or written; ``lost`` says what was not counted.
        """
        with self._connected(lost) as conn:
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            if not self._there(conn):
                TABLE.create(conn)
                for statement in (_REFUSES, _NEVER):
                    conn.exec_driver_sql(statement)
            if not rows:
                return set(), {}
            new = postgresql.insert(TABLE).on_conflict_do_nothing().returning(TABLE.c.trial)
            fresh = set(conn.execute(new, [dict(zip(COLUMNS, row, strict=True)) for row in rows]).scalars())
            mine = TABLE.c.study == rows[0][0], TABLE.c.trial.in_({row[1] for row in rows})
            stored = {row.trial: row.figures for row in conn.execute(select(TABLE.c.trial, TABLE.c.figures).where(*mine))}
            return fresh, stored

    def read(self, query: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Return the rows of a query on ``trials`` with at most one value; none if there is no ledger yet."""
        with self._connected("") as conn:
            if not self._there(conn):
                return []
            here = text(query.replace("FROM trials", f"FROM {NAME}").replace("?", ":value"))
            found = conn.execute(here, {"value": values[0]} if values else {})
            return [tuple(row) for row in found]

    def _there(self, conn: Connection) -> bool:
        """Return whether the ledger is there; refuse another program's table of its name."""
        found = inspect(conn)
        if not found.has_table(NAME):
            return False
        if {column["name"] for column in found.get_columns(NAME)} != {"number", *COLUMNS}:
            msg = f"{self.name}: has a table {NAME} that is no trial ledger; choose another database"
            raise JournalError(msg)
        return True

    @contextmanager
    def _connected(self, lost: str) -> Iterator[Connection]:
        """Give a transaction; turn the database's error into one line without SQL, values or password."""
        engine = create_engine(self._url, hide_parameters=True, connect_args={"application_name": "hedgekit trials"})
        try:
            with engine.begin() as conn:
                yield conn
        except DBAPIError as error:
            said = (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]
            fix = next((fix for sign, fix in _FIXES.items() if sign in said), "see that the server is up and the address right")
            msg = f"{self.name}: {self._hidden(said)}; {fix}{lost}"
            raise JournalError(msg) from None
        finally:
            engine.dispose()

    def _hidden(self, said: str) -> str:
        password = self._url.password
        return said.replace(str(password), "***") if password else said
