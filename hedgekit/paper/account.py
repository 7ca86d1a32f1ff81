"""One session for an account: a lock that ends with its process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from urllib.parse import urlsplit

import platformdirs

from hedgekit.errors import SessionError
from hedgekit.journal.lock import FileLock


@contextmanager
def held(venue: str, url: str, key: str, session: str) -> Iterator[None]:
    """Hold an account on this machine, for this user: its venue, the host of its orders and its key, of which a hash is kept.

    Raises
    ------
    SessionError
        If another process holds it; names that process.
    """
    name = f"{venue}-{sha256(f'{urlsplit(url).netloc.lower()} {key}'.encode()).hexdigest()[:12]}"

    def refuse(_: str, holder: str) -> SessionError:
        return SessionError(
            f"{venue} account {name!r} is traded by {holder}: one session for an account, or each would take the other's orders for "
            "a stranger's; stop that one, or give several pairs to one session (`hedgekit paper run a.json b.json`)"
        )

    folder = platformdirs.user_state_path("hedgekit", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / f"{name}.lock", session, refuse)
    try:
        yield
    finally:
        lock.release()
