"""Finished combinations on disk, so that a sweep that was stopped goes on where it was."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hedgekit.errors import JournalError

if TYPE_CHECKING:
    from hedgekit.data import Array

FIGURES = (
    *("trades", "pnl", "pnl_unhedged", "pnl_at_mids", "sharpe", "sharpe_unhedged", "sharpe_gain"),
    *("drawdown", "drawdown_unhedged"),
)
"""What a sweep tells of each combination."""


class Outcome(NamedTuple):
    """What is kept of a combination: its figures by name, and the hedged P&L of each bar, shape (bars,), money."""

    figures: dict[str, float]
    pnl: Array


class Kept:
    """A folder with one file for each finished combination, named by the hash of its trial.

    That hash covers the numbers, the tape, the fill model and the version of hedgekit: another of these is another file.

    Parameters
    ----------
    folder : path
        Made if it is not there.

    Raises
    ------
    JournalError
        If the folder cannot be made, or a file in it cannot be written or read.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unkept(self.folder, error) from None

    def get(self, trial: str, bars: int) -> Outcome | None:
        """Return a finished combination, or None if it is not here."""
        file = self._file(trial)
        if not file.exists():
            return None
        try:
            with file.open("rb") as raw, np.load(raw, allow_pickle=False) as found:
                figures, pnl = found["figures"], found["pnl"]
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise _unkept(file, error) from None
        if figures.shape != (len(FIGURES),) or pnl.shape != (bars,):
            raise _unkept(file, f"{len(figures)} figures of {len(pnl)} bars, where {len(FIGURES)} of {bars} belong")
        return Outcome(_named(figures), pnl)

    def put(self, trial: str, outcome: Outcome) -> None:
        """Write a finished combination: whole or not at all."""
        file, part = self._file(trial), self.folder / f".{trial}.{os.getpid()}"
        try:
            with part.open("wb") as out:
                np.savez(out, figures=np.array([outcome.figures[name] for name in FIGURES]), pnl=outcome.pnl)
            part.replace(file)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise _unkept(file, error) from None

    def _file(self, trial: str) -> Path:
        return self.folder / f"{trial}.npz"


def _named(figures: Array) -> dict[str, float]:
    named = dict(zip(FIGURES, figures.tolist(), strict=True))
    return named | {"trades": int(named["trades"])}


def _unkept(path: Path, why: object) -> JournalError:
    return JournalError(f"{path}: {why}; delete it, or give keep= another folder")
