"""What every test of reversion says in the same form: the null in words, the statistic, p, and what follows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from hedgekit.data import Array


@dataclass(frozen=True, slots=True)
class Finding:
    """One test of a report.

    Attributes
    ----------
    test : str
        Name of the test.
    null : str
        What is assumed until the data speak against it, in words.
    statistic, p_value : float or None
        None where the test has none.
    p_bound : str
        How to read ``p_value``: "=" as it is; "<=" or ">=" if p lies outside the test's table and is only bounded.
    n : int
        Observations.
    says : str
        What follows, in words.
    warnings : tuple of str
        What the library or we had to say.
    """

    test: str
    null: str
    statistic: float | None
    p_value: float | None
    n: int
    says: str
    p_bound: str = "="
    warnings: tuple[str, ...] = ()


def messages(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return the texts of library warnings, each once, on one line, in order."""
    return tuple(dict.fromkeys(f"{w.category.__name__}: {' '.join(str(w.message).split())}" for w in caught))


def bounded_note(x: Array, name: str) -> tuple[str, ...]:
    """Return a warning if every value lies in [0, 1], as the prices of binary contracts do; else nothing."""
    if not (x.min() >= 0 and x.max() <= 1):
        return ()
    text = (
        f"{name} is between 0 and 1 throughout: if it is the price of a binary contract, the bounds alone make unit-root "
        "tests see reversion too often (Cavaliere & Xu 2014) and it resolves to 0 or 1; use hedgekit.stats.bounded.excess_movement"
    )
    return (text,)
