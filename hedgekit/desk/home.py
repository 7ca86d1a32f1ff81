"""Where paper sessions live on this machine, and who holds what.

One folder for each user: ``sessions/<id>/`` with everything of a session, and
``accounts/<name>.lock``, held by the session that trades the account. Locks are
POSIX record locks: they end with their process however it ends, and the kernel
says which process holds one, so that a kill never meets a stranger who was
given the same process number.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from hedgekit.errors import ConfigError, SessionError
from hedgekit.home import HOME_ENV, home_of
from hedgekit.journal.lock import holder, take, words

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


def home(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of all sessions, made if missing: ``folder``, else $HEDGEKIT_HOME, else the user's data folder.

    Raises
    ------
    ConfigError
        If it cannot be made or written.
    """
    path = home_of(folder)
    try:
        for part in (path, path / "sessions", path / "accounts"):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        msg = f"{path} cannot hold sessions ({error.strerror}); set {HOME_ENV} to a folder of yours"
        raise ConfigError(msg) from None
    if not os.access(path / "sessions", os.W_OK):
        msg = f"{path} may not be written; set {HOME_ENV} to a folder of yours"
        raise ConfigError(msg)
    return path


def check_account(name: str) -> str:
    """Return ``name`` if it may name an account.

    Raises
    ------
    ConfigError
        If it may not.
    """
    if not _ACCOUNT.fullmatch(name):
        msg = f"account={name!r}: use 1 to 32 letters, digits, '_' or '-', starting with a letter or digit"
        raise ConfigError(msg)
    return name


class AccountLock:
    """One session for an account, on this machine and for this user.

    Held until the process ends. The file stays: were it removed, a second
    process could lock the old file and a third one the new.

    Raises
    ------
    SessionError
        If another session has the account.
    JournalError
        If the lock's file cannot be made or written.
    """

    def __init__(self, path: Path, session: str) -> None:
        if take(path, session, 0o600) is None:
            raise taken(path)


def occupant(path: Path) -> str | None:
    """Return the session that holds an account's lock, None if the account is free."""
    return None if holder(path) is None else words(path) or "a session that is just starting"


def taken(path: Path) -> SessionError:
    """Return the error for an account that is in use."""
    session = occupant(path)
    return SessionError(
        f"account {path.stem!r} is in use by session {session!r} (process {holder(path)}): one session for an account; "
        f"attach to it with desk.attach({session!r}), stop it, or choose another account"
    )
