"""How fast and how large the backtest is beside other libraries', in one run: the same trades and P&L, checked before times.

    python -m tests.perf.backtest_speed [--quick | --full] [--rounds N] [--json FILE] [--peers FOLDER]

A measurement, not a test: pytest does not collect it. vectorbt (with both of its engines), backtesting.py and backtrader run in
an environment of their own, which is made the first time; versions in ``peers/requirements.txt``. Every contestant is a process
of its own, and their rounds alternate, so that a busy moment of the machine meets all of them; "by CPU" is the ratio of processor
times (all threads) of run and equity, which other work on the machine hardly touches. backtrader is run without an equity curve.
vectorbt's numba engine compiles anew in every process, which is in its peak memory. ``limit`` is the rule by hand in numba, a
floor with no product around it. Rates are of this machine at this moment; the ratios are what counts.

What hedgekit does and the others do not: it estimates the ratio and computes z itself (the others are given both, but for the
variant "own indicators"), sends two orders to a venue with latencies, looks at the delta between bars, and writes down every
decision with its reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.perf.peers.contest import ROOT, Contestant, Entrant, contest, environment

BARS = {"quick": (10_000, 100_000), "usual": (10_000, 100_000, 1_000_000), "full": (10_000, 100_000, 1_000_000)}
SLOW_UP_TO = 100_000
"""Most bars for the peers that call Python at every bar, and for hedgekit's tables."""
MONEY: dict[str, tuple[str, ...]] = {"run": ("run",), "with equity": ("run", "money")}
CLOCKS: dict[str, tuple[str, ...]] = MONEY | {"with trades": ("run", "money", "tell")}
"""Until the call returns; until the equity at every bar and the number of trades are known; and a table of trades, too."""
QUICK_ROUNDS = 2
HERE = Path(sys.executable)
Table = list[dict[str, Any]]


def made(folder: Path, bars: int, *few: str) -> Path:
    """Return the file of a market of so many bars."""
    file = folder / f"{bars}{''.join(few)}.npz"
    subprocess.run([str(HERE), "-m", "tests.perf.peers.made", str(file), str(bars), *few], cwd=ROOT, check=True)
    return file


def beside(ours: Contestant, other: Contestant, names: tuple[str, ...]) -> float:
    """Return how many times as fast ours is, by a sum of stages: the median over the rounds that both took part in."""
    both = zip(ours.times, other.times, strict=False)
    return median(sum(theirs[name] for name in names) / sum(mine[name] for name in names) for mine, theirs in both)


def told(title: str, work: int, unit: str, all_: list[Contestant], clocks: dict[str, tuple[str, ...]]) -> Table:
    """Print one table and return it: by each clock the rate, and what the first contestant is beside the others."""
    head = "".join(f"{f'{name}, {unit}':>20}{'ours is':>9} |" for name in clocks)
    print(f"\n{title}\n{'':27}{head}{'by CPU':>8} |  peak MiB of work rounds")
    rows: Table = []
    for one in all_:
        line, rates = f"{one.entrant.name:<27}", {}
        for clock, names in clocks.items():
            spent, ratio = median(sum(took[name] for name in names) for took in one.times), beside(all_[0], one, names)
            rates[clock] = {"seconds": spent, "rate": work / spent, "ours_is": ratio}
            line += f"{work / spent:>20,.0f}" + (f"{'':>9}" if one is all_[0] else _times(ratio, 9)) + " |"
        cpu, peak = beside(all_[0], one, ("run_cpu", "money_cpu")), one.first["mib"]
        line += (f"{'':>8}" if one is all_[0] else _times(cpu, 8)) + f" |{peak:>10,.0f}{peak - one.started_mib:>8,.0f}{len(one.times):>7}"
        print(line)
        memory = {"peak_mib": peak, "work_mib": peak - one.started_mib}
        rows.append({"name": one.entrant.name, **rates, "ours_is_by_cpu": cpu, **memory, "cold_s": one.cold_s, "rounds": one.times})
    return rows


def _times(ratio: float, width: int) -> str:
    digits = 0 if ratio >= 100 else 1 if ratio >= 10 else 2 if ratio >= 0.1 else 4
    return f"{ratio:>{width - 1},.{digits}f}x"


def pairs(peers: Path, folder: Path, sizes: tuple[int, ...], rounds: int, patience_s: float) -> dict[str, Table]:
    """Work A: one pair backtest, z given to the peers; then at the smallest size with each one's own indicators."""
    tables = {}
    for bars, kind in [(bars, "pair") for bars in sizes] + [(sizes[0], "pair-own")]:
        slow = [
            Entrant(name, peers, module, kind) for name, module in (("backtesting.py", "by_backtesting"), ("backtrader", "by_backtrader"))
        ]
        entrants = [
            Entrant("hedgekit", HERE, "ours", "pair" if bars <= SLOW_UP_TO else "pair-lean"),
            Entrant("vectorbt, Rust engine", peers, "by_vectorbt", kind, ("rust",)),
            Entrant("vectorbt, numba engine", peers, "by_vectorbt", kind, ("numba",)),
            *(slow if bars == sizes[0] or (bars <= SLOW_UP_TO and rounds > QUICK_ROUNDS) else []),
            Entrant("limit", HERE, "limit", kind),
        ]
        title = f"A pair backtest, {bars:,} bars" + (", own indicators" if kind == "pair-own" else ", z given to all but hedgekit")
        found = contest(entrants, made(folder, bars), rounds, patience_s)
        tables[f"{kind} {bars}"] = told(title, bars, "bars/s", found, CLOCKS if bars <= SLOW_UP_TO else MONEY)
    return tables


def sweeps(peers: Path, folder: Path, *, few: bool, rounds: int, patience_s: float) -> Table:
    """Work B: a sweep on 10,000 bars, in one job and in two."""
    combinations = 100 if few else 1_000
    market = made(folder, 10_000, *(["few"] if few else []))
    entrants = [
        Entrant("hedgekit, 1 job", HERE, "ours", "sweep-1"),
        Entrant("hedgekit, 2 jobs", HERE, "ours", "sweep-2"),
        Entrant("vectorbt Rust, 1 process", peers, "by_vectorbt", "sweep", ("rust",)),
        Entrant("vectorbt numba, 1 process", peers, "by_vectorbt", "sweep", ("numba",)),
        Entrant("vectorbt Rust, 2 processes", peers, "by_vectorbt", "sweep", ("rust:0/2", "rust:1/2")),
        Entrant("vectorbt numba, 2 processes", peers, "by_vectorbt", "sweep", ("numba:0/2", "numba:1/2")),
        Entrant("limit, 1 thread", HERE, "limit", "sweep-1"),
        Entrant("limit, 2 threads", HERE, "limit", "sweep-2"),
    ]
    found = contest(entrants, market, rounds, patience_s)
    rows = told(
        f"A sweep of {combinations:,} combinations on 10,000 bars, four metrics each", combinations, "comb/s", found, {"all": ("wall",)}
    )
    two = next(one for one in found if one.entrant.name == "hedgekit, 2 jobs")
    for row, one in zip(rows, found, strict=True):
        row["ours_with_2_jobs_is"] = beside(two, one, ("wall",))
    print("hedgekit with 2 jobs beside: " + ", ".join(f"{row['name']} {row['ours_with_2_jobs_is']:.2f}x" for row in rows[2:]))
    return rows


def scaling(folder: Path, seconds: float, rounds: int) -> dict[str, Any]:
    """Return what two jobs gain on work of so many seconds, beside a numba loop in registers: what the machine gives."""
    market, found = made(folder, 10_000), []
    with (
        Contestant(Entrant("hedgekit", HERE, "ours", "sweep-1"), market) as one,
        Contestant(Entrant("hedgekit", HERE, "ours", "sweep-2"), market) as two,
    ):
        repeats = max(1, round(seconds / one.round() + 0.5))
        for _ in range(rounds):
            alone, together = (sum(who.round() for _ in range(repeats)) for who in (one, two))
            spin = [str(HERE), "-m", "tests.perf.peers.limit", "spin", str(seconds), "2"]
            machine = float(subprocess.run(spin, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
            found.append({"one_s": alone, "two_s": together, "gain": alone / together, "machine": machine})
    gain, machine = (median(row[name] for row in found) for name in ("gain", "machine"))
    print(f"\nTwo jobs instead of one, on {repeats} sweeps of 1,000 ({median(row['one_s'] for row in found):.1f} s with one job):")
    print(f"{gain:.2f} times as fast; two threads in registers are {machine:.2f} times as fast as one here; median of {rounds}")
    return {"gain": gain, "machine": machine, "repeats": repeats, "rounds": found}


def seconds_of(command: list[str]) -> float:
    """Return the wall time of a fresh process."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


def starts(peers: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """Work C: import, and import with a first backtest of 10,000 bars, in fresh processes, bytecode and machine code cached."""
    market = made(folder, 10_000)
    imports = [
        ("python alone", HERE, "pass"),
        ("hedgekit", HERE, "import hedgekit"),
        ("hedgekit.run_backtest", HERE, "from hedgekit import run_backtest"),
    ]
    imports += [(name, peers, f"import {name}") for name in ("vectorbt", "backtesting", "backtrader")]
    firsts = [
        Entrant("hedgekit", HERE, "ours", "pair-lean"),
        Entrant("vectorbt, Rust engine", peers, "by_vectorbt", "pair", ("rust",)),
        Entrant("vectorbt, numba engine", peers, "by_vectorbt", "pair", ("numba",)),
        Entrant("backtesting.py", peers, "by_backtesting", "pair"),
        Entrant("limit", HERE, "limit", "pair"),
    ]
    took: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, python, code in imports:
            spent = seconds_of([str(python), "-c", code])
            if number:  # the first time fills the caches
                took.setdefault(f"import: {name}", []).append(spent)
        for entrant in firsts:
            with Contestant(entrant, market) as one:
                if number:
                    took.setdefault(f"import and first backtest: {entrant.name}", []).append(one.cold_s)
    print("\nA fresh process, caches filled, seconds (median, lowest, highest)")
    for name, every in took.items():
        print(f"{name:<54}{median(every):>8.2f}{min(every):>8.2f}{max(every):>8.2f}")
    return {name: {"seconds": median(every), "rounds": every} for name, every in took.items()}


def main() -> None:
    """Measure and print; with ``--json`` write everything down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quick", action="store_true", help="up to 100,000 bars, 100 combinations, 2 rounds")
    amount.add_argument("--full", action="store_true", help="two jobs measured on work of 20 s, median of 5")
    parser.add_argument("--only", choices=("pair", "sweep", "scaling", "start"), action="append", help="these works alone")
    parser.add_argument("--rounds", type=int, help="rounds of each contestant; 2 with --quick, else 5")
    parser.add_argument("--peers", type=Path, help="folder of the peers' environment; in the user's cache by default")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    given = parser.parse_args()
    mode = "quick" if given.quick else "full" if given.full else "usual"
    rounds = given.rounds or (QUICK_ROUNDS if given.quick else 5)
    patience_s = {"quick": 20.0, "usual": 60.0, "full": 300.0}[mode]
    only = given.only or ["pair", "sweep", "start", *([] if given.quick else ["scaling"])]
    peers = environment(given.peers)
    found: dict[str, Any] = {"mode": mode, "python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count()}
    print(f"{mode}: {rounds} rounds; Python {found['python']}, {found['cpus']} processors, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "pair" in only:
            found["pair"] = pairs(peers, folder, BARS[mode], rounds, patience_s)
        if "sweep" in only:
            found["sweep"] = sweeps(peers, folder, few=given.quick, rounds=rounds, patience_s=patience_s)
        if "scaling" in only:
            found["scaling"] = scaling(folder, 20.0 if given.full else 5.0, 5 if given.full else 3)
        if "start" in only:
            found["start"] = starts(peers, folder, rounds)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
