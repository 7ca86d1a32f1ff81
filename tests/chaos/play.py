"""One run: a sandbox process, session processes that are killed and restarted, and what they leave behind in a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from signal import SIGKILL

import msgspec

from hedgekit.launch import Child
from hedgekit.paper.config import Access, SessionConfig
from tests.chaos import desks, process
from tests.chaos.recipe import Recipe

PATIENCE_S = 240.0
"""Real seconds after which a session counts as hung."""


class Life(msgspec.Struct, frozen=True):
    """One process of the session.

    Attributes
    ----------
    kill : str
        Where it was to kill itself; empty for nowhere.
    returncode : int or None
        -9 if it did, 0 for a session that has ended; None if it hung and was killed from outside.
    records : int
        How many records the journal had when it was over: the restart goes by these.
    head : str
        The head of the journal's hash chain then.
    error : str
        The end of what it said on standard error.
    """

    kill: str
    returncode: int | None
    records: int
    head: str
    error: str


class Run(msgspec.Struct, frozen=True):
    """The content of ``run.json``.

    ``native`` is what the venues know instruments by, where they have other ids; ``leaks`` names the files in which a secret of an
    account was found.
    """

    session: str
    recipe: Recipe
    native: dict[str, str]
    lives: tuple[Life, ...]
    leaks: tuple[str, ...]


def play(recipe: Recipe, folder: Path) -> Run:
    """Run a recipe in a new folder; write its ``run.json`` last, and return it."""
    folder.mkdir(parents=True)
    keys = desks.keys(recipe.desk, recipe.session)
    market, faults, model = (msgspec.json.encode(part).decode() for part in (recipe.market, recipe.faults, recipe.model))
    command = ["sandbox", "--market", market, "--faults", faults, "--model", model, "--budget", str(recipe.budget), "--log", str(folder)]
    command += desks.cash(recipe.desk)
    with (folder / "sandbox.log").open("wb") as log, Child(command, secrets=keys, log=log) as sandbox:
        ready = msgspec.json.decode(sandbox.line())
        accounts = msgspec.convert(ready["accounts"], dict[str, Access])
        config = SessionConfig(
            session=recipe.session,
            journal=str(folder / "journal.db"),
            accounts=accounts,
            control=ready["control"],
            instruments=recipe.market.instruments(),
            params=recipe.params,
            market={"source": "chaos campaign"},
        ).save(folder / "session.json")
        lives = _lives(recipe, config, folder / "journal.db", keys)
    native = {key: text for account in accounts.values() for key, text in account.native.items()}
    secrets = (value for name, value in keys.items() if desks.secret(name))
    run = Run(recipe.session, recipe, native, tuple(lives), leaks(folder, secrets))
    (folder / "run.json").write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2))
    return run


def leaks(folder: Path, secrets: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the files that hold one of these texts."""
    words = [secret.encode() for secret in secrets]
    return tuple(path.name for path in sorted(folder.iterdir()) if any(word in path.read_bytes() for word in words))


def _lives(recipe: Recipe, config: Path, journal: Path, keys: dict[str, str]) -> list[Life]:
    lives: list[Life] = []
    for number, kill in enumerate((*recipe.kills, ""), 1):
        log = journal.with_name(f"session-{number}.log")
        code = process.live(config, kill, keys, log, PATIENCE_S)
        error = log.read_text(errors="replace")[-2_000:] if log.exists() else ""
        lives.append(Life(kill, code, *_standing(journal, recipe.session), error))
        if not (kill and code == -SIGKILL):
            break
    return lives


def _standing(journal: Path, session: str) -> tuple[int, str]:
    """Return how many records a journal has, and the head of its chain; read without the product's code."""
    if not journal.exists():
        return 0, ""
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as db:
        row = db.execute("SELECT id, hash FROM events WHERE session = ? ORDER BY id DESC LIMIT 1", (session,)).fetchone()
    return row or (0, "")
