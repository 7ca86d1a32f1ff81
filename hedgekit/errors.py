"""Every error hedgekit raises on purpose.

    HedgekitError
    ├── ConfigError            the user's side: a wrong parameter, option or file
    │   └── LiveHostRefused    a live order host was asked for (law L8: paper only)
    ├── DataError              the user's data: gaps, duplicates, wrong columns
    │   └── PluginError        a user's own function failed or gave what cannot be used (hedgekit/plugins)
    ├── JournalError           the journal cannot be written, or its hash chain is broken
    ├── SessionError           a paper session cannot start, go on or be reached
    ├── ReportError            a report notebook failed
    │   └── ReportTimeout      it ran out of time
    ├── NotTold                an alert did not arrive, and is told again (hedgekit/alerts)
    └── VenueError             the venue's side: it refused, or answered nonsense

A message says what was wrong, which value, and what to write instead. The
command line prints the message alone; a traceback is for our own mistakes.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def meant(word: str, known: Iterable[str], otherwise: str = "", *, most: int = 1) -> str:
    """Return "did you mean 'entry'?" of what is known and near to a wrong word, at ``most`` so many; ``otherwise`` if nothing is."""
    near = get_close_matches(word, list(known), n=most)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else otherwise


class HedgekitError(Exception):
    """Base of every error that hedgekit raises on purpose."""


class ConfigError(HedgekitError):
    """A parameter, option or file given by the user is wrong."""


class LiveHostRefused(ConfigError):
    """Orders may go to the sandbox or to a venue's demo host only (L8)."""


class DataError(HedgekitError):
    """Market data that cannot be used as it stands."""


class JournalError(HedgekitError):
    """The journal cannot be opened, written or trusted."""


class SessionError(HedgekitError):
    """A paper session cannot start, continue or be reached."""


class ReportError(HedgekitError):
    """A report notebook failed; the message names the cell and the partial notebook."""


class ReportTimeout(ReportError):
    """A report notebook ran out of time; the message names the cell and the partial notebook."""


MOST = 1_000
"""Characters of a venue's error that are kept."""


class VenueError(HedgekitError):
    """The venue refused a request or sent something that has no meaning.

    Parameters
    ----------
    message : str
        What happened, in one line. It may quote the venue, so it is kept printable and to :data:`MOST` characters.
    status : int, optional
        HTTP status of the venue's answer.
    code : int or str, optional
        The venue's own error code.
    """

    def __init__(self, message: str, *, status: int | None = None, code: int | str | None = None) -> None:
        text = message if message.isprintable() else ascii(message)[1:-1]
        super().__init__(text if len(text) <= MOST else f"{text[:MOST]} ... ({len(text):,} characters)")
        self.status = status
        self.code = code
