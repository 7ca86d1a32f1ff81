"""Backtest against paper, trade by trade, with the reason for each difference (A22, A30).

Trades are the same if they were entered at the same bar on the same side; what is left is paired by overlap in time, so a trade entered
some bars later is a late trade and not two missing ones. Then each leg's difference is split exactly (``split.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.errors import ConfigError
from hedgekit.journal.story import NO_TRADE, role
from hedgekit.tca import words
from hedgekit.tca.read import NAT, ns
from hedgekit.tca.sides import LOOKS, Side, check_alike, settings, side_of
from hedgekit.tca.split import PARTS, ZERO, Leg, exact, leg_of, split
from hedgekit.types import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from hedgekit.backtest import Backtest
    from hedgekit.journal import Journal

REASONS = ("missing", *PARTS)
"""What a difference is made of: a trade that one run does not have, or the parts of ``split.py``."""

Pair = tuple[int | None, int | None]
_END = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """Two runs, trade by trade. A and B stand for their names ("backtest" and "paper"); money is B less A, in the quote currency.

    Attributes
    ----------
    names : tuple of str
        A and B.
    trades : DataFrame
        One row for each trade of either, by time of entry: ``A``, ``B`` (trade numbers, missing if it has none), ``side``, ``opened_A``,
        ``opened_B``, ``closed_A``, ``closed_B``, ``exit_A``, ``exit_B`` (reasons), ``pnl_A``, ``pnl_B`` (net; 0 for a missing trade),
        ``difference``, one column for each of :data:`REASONS` (they add up to ``difference``), ``reason`` (the largest,
        or "none"), ``code`` (why a trade is missing, or entered later) and ``why`` (a sentence).
    legs : DataFrame
        One row for each leg of each: ``row`` in ``trades``, ``instrument``, ``role``, ``qty_A``, ``qty_B`` (entered, signed),
        ``entry_A``, ``entry_B``, ``exit_A``, ``exit_B`` (average prices; what is held at the end leaves at its last mid), ``fee_A``,
        ``fee_B``, ``first_A``, ``first_B``, ``last_A``, ``last_B`` (first and last fill at the venue), ``pnl_A``, ``pnl_B``, and
        the reasons.
    settings : DataFrame
        Parameters, fees, lots and ticks in which they differ. Latencies are not there: a journal does not hold them.
    """

    names: tuple[str, str]
    trades: pd.DataFrame
    legs: pd.DataFrame
    settings: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Return money and number of trades by reason, with the total: index ``reason``, columns ``money``, ``trades``."""
        parts = self.trades[list(REASONS)]
        table = pd.DataFrame({"money": parts.sum(), "trades": (parts != 0).sum()}).rename_axis("reason")
        table.loc["total"] = [self.trades["difference"].sum(), (parts != 0).any(axis=1).sum()]
        return table.astype({"money": "float64", "trades": "int64"})

    @property
    def says(self) -> str:
        """All of it in a sentence or two."""
        first, second = self.names
        both = int((self.trades[first].notna() & self.trades[second].notna()).sum())
        same = int((self.trades["reason"] == "none").sum())
        only = [f"{int(self.trades[other].isna().sum())} only of {name}" for name, other in ((first, second), (second, first))]
        found = self.summary().drop("total")["money"]
        parts = {str(name): float(value) for name, value in found.items()}
        total = words.different(first, second, float(self.trades["difference"].sum()), parts, {})
        return f"{both} trades of both, {same} of them the same; {', '.join(only)}. {total}"


def compare(first: Backtest | Journal, second: Backtest | Journal, *, names: tuple[str, str] = ("backtest", "paper")) -> Comparison:
    """Compare two runs trade by trade and say in money what made each difference.

    Parameters
    ----------
    first, second : Backtest or Journal
        Usually a backtest on the session's tape, and the session's journal.
    names : tuple of str
        What they are called in columns and sentences.

    Returns
    -------
    Comparison
        Equal runs give zeros everywhere. Parts are computed in fractions, so their sum is the difference but for the last digit of a float.

    Raises
    ------
    ConfigError
        If the runs trade other instruments or other bars, or an inverse perpetual; if the names are the same, or a backtest does not
        know its tape.
    DataError
        If a trade is open at the end and there is no mid to value it.
    JournalError
        If a journal has no record.

    Notes
    -----
    Which part comes first is a choice: quantity is valued at the first run's prices, everything else at the second's quantity. From the
    first difference on, later trades differ also because the state does; a sentence names what was done, not that history.
    """
    if len(set(names)) != len(names) or not all(names):
        msg = f"names={names!r}: give two different names, for example ('backtest', 'paper')"
        raise ConfigError(msg)
    return between(side_of(first, names[0]), side_of(second, names[1]))


def between(one: Side, two: Side) -> Comparison:
    """Return the comparison of two sides: :func:`compare`."""
    check_alike(one, two)
    rows = [_row(one, two, pair) for pair in pairs(one, two)]
    parts = [f"{name}_{side.name}" for name in ("qty", "entry", "exit", "fee", "first", "last", "pnl") for side in (one, two)]
    legs = [{"row": number, **leg} for number, (_, its) in enumerate(rows) for leg in its]
    trades = pd.DataFrame([row for row, _ in rows], columns=_columns(one.name, two.name))
    numbers: dict[str, str] = dict.fromkeys((one.name, two.name), "Int64") | dict.fromkeys(
        (f"pnl_{one.name}", f"pnl_{two.name}", "difference", *REASONS), "float64"
    )
    table = pd.DataFrame(legs, columns=["row", "instrument", "role", *parts, *REASONS])
    return Comparison((one.name, two.name), trades.astype(numbers), table, settings(one, two))


def _columns(one: str, two: str) -> list[str]:
    by_run = [f"{what}_{name}" for what in ("opened", "closed", "exit", "pnl") for name in (one, two)]
    return [one, two, "side", *by_run, "difference", *REASONS, "reason", "code", "why"]


# --------------------------------------------------------------------- pairing


def pairs(one: Side, two: Side) -> list[Pair]:
    """Return rows of the two ``trades`` frames that are the same trade, None where one has none, by time of entry."""
    bars = [side.bars(side.trades["opened"]) for side in (one, two)]
    keys = [list(zip(bar.tolist(), side.trades["side"].tolist(), strict=True)) for bar, side in zip(bars, (one, two), strict=True)]
    known = [_known(side) for side in (one, two)]
    at = {key: n for n, key in enumerate(keys[1]) if known[1][n]}
    found: dict[int, int] = {n: at.pop(key) for n, key in enumerate(keys[0]) if known[0][n] and key in at}
    left = [[n for n in range(len(keys[0])) if n not in found], [n for n in range(len(keys[1])) if n not in set(found.values())]]
    taken: set[int] = set()
    near = np.argwhere(_overlap(one, two)[np.ix_(*left)]).tolist()
    for _, n, m in sorted((abs(int(bars[0][left[0][i]] - bars[1][left[1][j]])), left[0][i], left[1][j]) for i, j in near):
        if n not in found and m not in taken:
            found[n] = m
            taken.add(m)
    out: list[Pair] = [*found.items()]
    out += [(n, None) for n in left[0] if n not in found] + [(None, m) for m in left[1] if m not in taken]
    opened = [ns(side.trades["opened"]) for side in (one, two)]
    starts = [np.where(times == NAT, _END, times) for times in opened]
    return sorted(out, key=lambda pair: min(int(times[n]) for times, n in zip(starts, pair, strict=True) if n is not None))


def _known(side: Side) -> list[bool]:
    return ((side.trades["trade"] != NO_TRADE) & side.trades["opened"].notna()).tolist()


def _overlap(one: Side, two: Side) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whether two trades of the same side were held at the same time, shape (trades of one, trades of two)."""
    sides, starts, ends, known = ([], [], [], [])
    for side in (one, two):
        closed = ns(side.trades["closed"])
        sides.append(side.trades["side"].to_numpy(dtype=np.int64))
        starts.append(ns(side.trades["opened"]))
        ends.append(np.where(closed == NAT, _END, closed))
        known.append(np.array(_known(side), dtype=bool))
    both = known[0][:, None] & known[1][None, :] & (sides[0][:, None] == sides[1][None, :])
    found: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = both & (starts[0][:, None] < ends[1]) & (starts[1] < ends[0][:, None])
    return found


# ------------------------------------------------------------------- one trade


@dataclass(frozen=True, slots=True)
class _Half:
    """One run's part of a pair: its row of ``trades``, and its legs."""

    side: Side
    row: pd.Series | None
    legs: list[Leg]

    @property
    def money(self) -> Fraction:
        return sum((leg.money for leg in self.legs), ZERO)

    def cell(self, name: str) -> object:
        return None if self.row is None else self.row[name]

    def span(self, leg: int) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """Return the venue's times of a leg's first and last fill, None if nothing filled."""
        rows = [] if self.row is None else self.side.filled(int(self.row["trade"]), leg)
        return (rows[0]["venue_ts"], rows[-1]["venue_ts"]) if rows else None


def _half(side: Side, n: int | None, theirs: Side | None) -> _Half:
    if n is None:
        return _Half(side, None, [leg_of([], exact(i.multiplier)) for i in side.instruments])
    row = side.trades.iloc[n]
    legs = [leg_of(side.deals(int(row["trade"]), leg, theirs), exact(i.multiplier)) for leg, i in enumerate(side.instruments)]
    return _Half(side, row, legs)


def _row(one: Side, two: Side, pair: Pair) -> tuple[dict[str, object], list[dict[str, object]]]:
    halves = (_half(one, pair[0], None), _half(two, pair[1], one))
    lacking = next((half for half in halves if half.row is None), None)
    legs = [_leg(halves, leg, whole=lacking is not None) for leg in range(len(one.instruments))]
    parts = {name: sum((its[name] for its, _ in legs), ZERO) for name in REASONS}
    money = {half.side.name: half.money for half in halves}
    difference = halves[1].money - halves[0].money
    code = _late(halves) if lacking is None else why_not(lacking.side, halves[0] if lacking is halves[1] else halves[1])
    told = {name: float(value) for name, value in parts.items()}
    row: dict[str, object] = {half.side.name: half.cell("trade") for half in halves}
    row["side"] = next(half.row["side"] for half in halves if half.row is not None)
    row |= {f"{new}_{half.side.name}": half.cell(old) for new, old in _CELLS.items() for half in halves}
    row |= {f"pnl_{name}": float(value) for name, value in money.items()}
    row |= {"difference": float(difference), **told, "reason": _largest(parts), "code": code}
    row["why"] = _why(halves, lacking, float(difference), told, code)
    return row, [table for _, table in legs]


_CELLS = {"opened": "opened", "closed": "closed", "exit": "exit_reason"}


def _largest(parts: dict[str, Fraction]) -> str:
    name = max(parts, key=lambda key: abs(parts[key]))
    return name if parts[name] else "none"


def _leg(halves: tuple[_Half, _Half], leg: int, *, whole: bool) -> tuple[dict[str, Fraction], dict[str, object]]:
    first, second = (half.legs[leg] for half in halves)
    parts = dict.fromkeys(REASONS, ZERO)
    if whole:
        parts["missing"] = second.money - first.money
    else:
        parts |= split(first, second)
    table: dict[str, object] = {"instrument": halves[0].side.instruments[leg].key, "role": role(leg)}
    for half in halves:
        its, name, ends = half.legs[leg], half.side.name, half.span(leg) or (pd.NaT, pd.NaT)
        table |= {f"qty_{name}": float(its.qty), f"fee_{name}": float(its.fee), f"pnl_{name}": float(its.money)}
        table |= {
            f"entry_{name}": float(its.entry.price) if its.entry else np.nan,
            f"exit_{name}": float(its.exit.price) if its.exit else np.nan,
        }
        table |= {f"first_{name}": ends[0], f"last_{name}": ends[1]}
    return parts, table | {name: float(value) for name, value in parts.items()}


# ------------------------------------------------------------------------- why


def why_not(side: Side, other: _Half) -> str:
    """Return why a run has no trade at the bar at which the other entered: its decision's reason there, or one of ``words``' codes."""
    assert other.row is not None  # noqa: S101 - the other run is the one that traded
    if other.row["trade"] == NO_TRADE or pd.isna(other.row["opened"]):
        return words.UNKNOWN_ORDER
    return said_at(side, other.row["opened"])


def said_at(side: Side, opened: pd.Timestamp) -> str:
    """Return what a run said at the bar that closed at ``opened``."""
    if not len(side.decisions):
        return words.NOT_RUNNING
    wanted, bars = side.bar(opened), side.bars(side.decisions["ts"])
    if not bars.min() <= wanted <= bars.max():
        return words.NOT_RUNNING
    there = side.decisions[(bars == wanted) & ~side.decisions["reason"].isin([reason.value for reason in LOOKS])]
    if not len(there):
        return words.NO_DECISION
    decision = there.iloc[0]
    if decision["reason"] != Reason.ENTRY:
        return str(decision["reason"])
    return words.OTHER_SIDE if (side.fills["trade"] == decision["trade"]).any() else words.NOT_FILLED


def _late(halves: Sequence[_Half]) -> str:
    """Return what the run that entered later said when the other entered; empty if they entered at the same bar."""
    times = [_stamp(half, "opened") for half in halves]
    bars = [half.side.bar(time) for half, time in zip(halves, times, strict=True) if time is not None]
    if len(set(bars)) < len(halves):
        return ""
    later, sooner = (1, 0) if bars[1] > bars[0] else (0, 1)
    return said_at(halves[later].side, pd.Timestamp(str(times[sooner])))


def _why(halves: tuple[_Half, _Half], lacking: _Half | None, difference: float, parts: dict[str, float], code: str) -> str:
    first, second = halves
    if lacking is not None:
        other = second if lacking is first else first
        return words.missing(lacking.side.name, other.side.name, float(other.money), code)
    times = [words.shifted("it decided to enter", _stamp(first, "opened"), _stamp(second, "opened")) or _filled(halves, last=False)]
    times += [_filled(halves, last=True), words.left(first.cell("exit_reason"), second.cell("exit_reason"))]
    facts = {
        "quantity": "; ".join(
            f"{float(two.qty):,g} instead of {float(one.qty):,g} {i.symbol}"
            for one, two, i in zip(first.legs, second.legs, first.side.instruments, strict=True)
            if one.qty != two.qty
        ),
        "timing": ", ".join(filter(None, times)) or "at the same first and last times, in other portions",
        "fee": " against ".join(words.money(float(sum((leg.fee for leg in half.legs), ZERO))) for half in (second, first)),
        "quotes": "other prices at the same times",
    }
    sentence = words.different(first.side.name, second.side.name, difference, parts, facts)
    return sentence + (f" When the other entered, {words.SAID.get(code, code)} ({code})." if code else "")


def _stamp(half: _Half, name: str) -> pd.Timestamp | None:
    value = half.cell(name)
    return value if isinstance(value, pd.Timestamp) else None


def _filled(halves: tuple[_Half, _Half], *, last: bool) -> str:
    """Say how much later or earlier the first (or last) fills came, of the leg where it is most."""
    told = []
    for leg in range(len(halves[0].legs)):
        one, two = (half.span(leg) for half in halves)
        if one and two:
            ends = (one[last], two[last])
            told.append((abs((ends[1] - ends[0]).total_seconds()), words.shifted(f"its {'last' if last else 'first'} fill came", *ends)))
    return max(told, default=(0.0, ""))[1]
