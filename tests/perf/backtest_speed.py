"""How fast and how large the backtest is beside other libraries', in one run: the same trades and P&L, checked before times.

    python -m tests.perf.backtest_speed [--size smoke | quick | full] [--json FILE]

vectorbt (with both of its engines), backtesting.py and backtrader run in an environment of their own, which is made the first time;
versions in ``peers/requirements.txt``. Every contestant is a process of its own, and their rounds alternate, so that a busy moment of
the machine meets all of them; "by processor" is the ratio of processor times (all threads), which other work on the machine hardly
touches. backtrader is run without an equity curve. vectorbt's numba engine compiles anew in every process, which is in its peak
memory. ``limit`` is the rule by hand in numba, a floor with no product around it.

What hedgekit does and the others do not: it estimates the ratio and computes z itself (the others are given both, but for the
variant "own indicators"), sends two orders to a venue with latencies, looks at the delta between bars, and writes down every
decision with its reason.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.perf.peers.contest import ROOT, Contestant, Entrant, contest, environment
from tests.perf.rows import Row, Size, run, seconds

HERE = Path(sys.executable)
SLOW_UP_TO = 10_000
"""Most bars for the peers that call Python at every bar."""
TABLES_UP_TO = 100_000
MONEY = ("run", "money")
"""Stages of the work: until the equity at every bar and the number of trades are known."""
SAME = "fills, P&L of each trade and in all, to 1e-6"
MEMORY_MIB = 400e6 / 2**20
GOALS = {("pair", 100_000): 4.0, ("pair", 1_000_000): 4.0, ("pair-own", 10_000): 20.0}
"""Times vectorbt, by work and bars."""


def made(folder: Path, bars: int, *few: str) -> Path:
    """Return the file of a market of so many bars."""
    file = folder / f"{bars}{''.join(few)}.npz"
    if not file.exists():
        subprocess.run([str(HERE), "-m", "tests.perf.peers.made", str(file), str(bars), *few], cwd=ROOT, check=True)
    return file


def rate(one: Contestant, work: int, stages: tuple[str, ...]) -> float:
    """Return work a second, median of the rounds."""
    return work / median(sum(took[name] for name in stages) for took in one.times)


def by_processor(ours: Contestant, other: Contestant) -> str:
    """Return how many times as fast ours is by processor time, in words."""
    both = zip(ours.times, other.times, strict=False)
    ratio = median(sum(theirs[f"{name}_cpu"] for name in MONEY) / sum(mine[f"{name}_cpu"] for name in MONEY) for mine, theirs in both)
    return f"by processor {ratio:.2f}x; peak {other.first['mib']:,.0f} MiB"


def vectorbt(peers: Path | None, work: str, words: tuple[tuple[str, ...], ...]) -> list[Entrant]:
    """Return an entrant for each tuple of words: an engine, in one process or several."""
    many = {1: "", 2: ", 2 processes"}
    return [Entrant(f"vectorbt {w[0].split(':')[0]}{many[len(w)]}", peers, "by_vectorbt", work, w) for w in words] if peers else []


def pairs(peers: Path | None, folder: Path, size: Size, rounds: int, patience_s: float) -> list[Row]:
    """One pair backtest, z given to the peers; then at the smallest size with each one's own indicators."""
    rows = []
    sizes = size.pick((2_000,), (10_000, 100_000), (10_000, 100_000, 1_000_000))
    for bars, kind in [(bars, "pair") for bars in sizes] + [(sizes[0], "pair-own")]:
        others = vectorbt(peers, kind, (("rust",), ("numba",)))
        if peers and bars <= SLOW_UP_TO:
            others += [Entrant("backtesting.py", peers, "by_backtesting", kind), Entrant("backtrader", peers, "by_backtrader", kind)]
        ours = Entrant("hedgekit", HERE, "ours", "pair" if bars <= TABLES_UP_TO else "pair-lean")
        all_ = contest([ours, *others, Entrant("limit by hand", HERE, "limit", kind)], made(folder, bars), rounds, patience_s)
        name = f"{bars:,} bars" + (", own indicators" if kind == "pair-own" else "")
        mine = rate(all_[0], bars, MONEY)
        for other in all_[1:]:
            goal = GOALS.get((kind, bars)) if other.entrant.module == "by_vectorbt" else None
            theirs = rate(other, bars, MONEY)
            note = by_processor(all_[0], other)
            rows.append(
                Row("pair backtest", name, "bars/s", mine, other.entrant.name, theirs, more=True, target=goal, same=SAME, note=note)
            )
        if bars == max(sizes):
            rows.append(memory("pair backtest", f"peak memory, {bars:,} bars", all_, MEMORY_MIB if size is Size.FULL else None))
    return rows


def memory(part: str, name: str, all_: list[Contestant], most: float | None) -> Row:
    """Return the row of the first contestant's peak memory beside the next one's."""
    ours, other = all_[0].first["mib"], next((one for one in all_[1:] if one.entrant.module == "by_vectorbt"), all_[-1])
    return Row(part, name, "MiB", ours, other.entrant.name, other.first["mib"], target=most, of_ratio=False)


def sweeps(peers: Path | None, folder: Path, size: Size, rounds: int, patience_s: float) -> list[Row]:
    """Sweep 10,000 bars, in one job and in two."""
    few = size is not Size.FULL
    combinations, bars = (100 if few else 1_000), size.pick(2_000, 10_000, 10_000)
    parts = (("rust",), ("numba",), ("rust:0/2", "rust:1/2"))
    entrants = [
        Entrant("hedgekit", HERE, "ours", "sweep-1"),
        *vectorbt(peers, "sweep", parts),
        Entrant("limit by hand", HERE, "limit", "sweep-1"),
        Entrant("hedgekit, 2 jobs", HERE, "ours", "sweep-2"),
    ]
    all_ = contest(entrants, made(folder, bars, *(["few"] if few else [])), rounds, patience_s)
    mine, rows = rate(all_[0], combinations, ("wall",)), []
    for other in all_[1:]:
        goal = 30.0 if other.entrant.name in {"vectorbt rust", "vectorbt numba"} and not few else None
        rows.append(
            Row(
                "sweep",
                f"{combinations:,} combinations x {bars:,} bars",
                "comb./s",
                mine,
                other.entrant.name,
                rate(other, combinations, ("wall",)),
                more=True,
                target=goal,
                same="P&L, Sharpe, drawdown and trades of each, to 1e-6",
                note=f"peak {other.first['mib']:,.0f} MiB",
            )
        )
    return [*rows, memory("sweep", "peak memory", all_, None if few else MEMORY_MIB)]


def two_jobs(folder: Path, size: Size) -> Row:
    """Return what two jobs gain, beside a numba loop in registers: what the machine gives."""
    work_s, rounds = size.pick(0.1, 3.0, 20.0), size.pick(1, 2, 5)
    market, gains, machine = made(folder, size.pick(2_000, 10_000, 10_000), *(["few"] if size is Size.SMOKE else [])), [], []
    with (
        Contestant(Entrant("hedgekit", HERE, "ours", "sweep-1"), market) as one,
        Contestant(Entrant("hedgekit", HERE, "ours", "sweep-2"), market) as two,
    ):
        repeats = max(1, round(work_s / one.round() + 0.5))
        for _ in range(rounds):
            alone, together = (sum(who.round() for _ in range(repeats)) for who in (one, two))
            spin = [str(HERE), "-m", "tests.perf.peers.limit", "spin", str(work_s), "2"]
            machine.append(float(subprocess.run(spin, cwd=ROOT, check=True, capture_output=True, text=True).stdout))
            gains.append(alone / together)
    goal = 1.6 if size is Size.FULL else None
    name, control = f"two jobs for one, {repeats} sweeps in a row", "two threads in registers"
    return Row("sweep", name, "times", median(gains), control, median(machine), more=True, target=goal, of_ratio=False)


def starts(peers: Path | None, folder: Path, size: Size) -> list[Row]:
    """Import, and import with a first backtest, in fresh processes, bytecode and machine code cached."""
    market, rounds = made(folder, size.pick(2_000, 10_000, 10_000)), size.pick(1, 3, 5)
    imports = {"hedgekit": (HERE, "import hedgekit; hedgekit.run_backtest"), "numpy and pandas": (HERE, "import pandas")}
    first = {"hedgekit": Entrant("hedgekit", HERE, "ours", "pair-lean")}
    if peers:
        imports |= {name: (peers, f"import {name}") for name in ("vectorbt", "backtesting", "backtrader")}
        first |= {one.name: one for one in (*vectorbt(peers, "pair", (("rust",), ("numba",))),)}
        first["backtesting.py"] = Entrant("backtesting.py", peers, "by_backtesting", "pair")
    imported: dict[str, list[float]] = {name: [] for name in imports}
    worked: dict[str, list[float]] = {name: [] for name in first}
    for _ in range(rounds + 1):  # the first time fills the caches
        for name, (python, code) in imports.items():
            imported[name].append(seconds(lambda p=python, c=code: subprocess.run([str(p), "-c", c], cwd=ROOT, check=True)))  # type: ignore[misc]
        for name, entrant in first.items():
            with Contestant(entrant, market) as one:
                worked[name].append(one.cold_s)
    rows = []
    for what, took, most in (("import", imported, 1.5), ("import and first backtest", worked, 3.0)):
        mine, *others = (median(every[1:]) for every in took.values())
        names = list(took)[1:]
        if not others:
            rows.append(Row("start", what, "s", mine, target=most))
        for name, theirs in zip(names, others, strict=True):
            rows.append(Row("start", what, "s", mine, name, theirs, target=most, of_ratio=False))
    return rows


def measure(size: Size) -> list[Row]:
    """Measure backtest, sweep and start."""
    peers = None if size is Size.SMOKE else environment()
    rounds, patience_s = size.pick(1, 3, 5), size.pick(1.0, 10.0, 120.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = pairs(peers, folder, size, rounds, patience_s) + sweeps(peers, folder, size, rounds, patience_s)
        return [*rows, two_jobs(folder, size), *starts(peers, folder, size)]


if __name__ == "__main__":
    run(measure, __doc__)
