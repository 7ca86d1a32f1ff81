"""The campaign: many runs, each with its own faults and kills, and one line of JSON about them all.

python -m tests.chaos --runs 200 --seed 1 --out DIR        the campaign
python -m tests.chaos --only 17 --seed 1 --out DIR         one of its runs again
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hedgekit.exchange.faults import FaultKind
from tests.chaos.audit import LAWS, audit
from tests.chaos.desks import DESKS
from tests.chaos.play import play
from tests.chaos.recipe import KILL_POINTS, draw


def one(seed: int, run: int, out: Path, desk: str) -> dict[str, Any]:
    """Play a run in a folder of its own, and return the auditor's verdict on it."""
    folder = out / f"{seed}-{run:04d}"
    shutil.rmtree(folder, ignore_errors=True)
    play(draw(seed, run, desk), folder)
    return audit(folder)


def campaign(seed: int, runs: Iterable[int], out: Path, *, jobs: int, venues: Sequence[str] = DESKS) -> dict[str, Any]:
    """Play runs, several at once, the venues in turn; return the summary."""
    out.mkdir(parents=True, exist_ok=True)
    runs, verdicts = list(runs), {}
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(one, seed, run, out, venues[run % len(venues)]): run for run in runs}
        for done in tqdm(as_completed(waiting), total=len(runs), desc="chaos", unit="run", file=sys.stderr):
            verdicts[waiting[done]] = done.result()
    return summary(seed, verdicts)


def summary(seed: int, verdicts: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """Return what came of a campaign; a kind of fault, a point or a law that did not occur is there with 0."""
    facts = [verdict["facts"] for verdict in verdicts.values() if verdict["facts"]]
    laws = Counter(violation["law"] for verdict in verdicts.values() for violation in verdict["violations"])
    sums = {name: sum(fact[name] for fact in facts) for name in _SUMMED}
    return {
        "seed": seed,
        "runs": len(verdicts),
        "venues": {
            desk: dict(sum((Counter(fact["counts"]) for fact in facts if fact["venues"] == desk), Counter[str]())) for desk in DESKS
        },
        "faults": dict.fromkeys(sorted(FaultKind), 0) | _sum(facts, "faults"),
        "crash_points": dict.fromkeys(KILL_POINTS, 0) | _sum(facts, "kills"),
        **sums,
        "ended": dict(Counter(fact["ended"] for fact in facts)),
        "violations": dict.fromkeys(dict(LAWS), 0) | {"L1": 0} | dict(laws),
        "failing": sorted(run for run, verdict in verdicts.items() if verdict["violations"]),
    }


_SUMMED = ("restarts", "requests", "orders", "fills", "trades", "silences", "naked_breaches_reported")


def _sum(facts: list[dict[str, Any]], name: str) -> dict[str, int]:
    return dict(sum((Counter(fact[name]) for fact in facts), Counter[str]()))


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; 1 if a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Break the sandbox and kill the session in many ways.")
    parser.add_argument("--runs", type=int, default=20, help="how many (20)")
    parser.add_argument("--seed", type=int, default=1, help="of the campaign; with the run's number it decides all of a run (1)")
    parser.add_argument("--venues", type=_venues, default=DESKS, help=f"where, in turn, comma-separated (all: {','.join(DESKS)})")
    parser.add_argument("--only", type=int, help="one run of the campaign, by its number from 0")
    parser.add_argument("--out", type=Path, default=Path("reports/chaos"), help="folder for what the runs leave behind (reports/chaos)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at once; the results do not depend on it")
    options = parser.parse_args(arguments)
    runs = range(options.runs) if options.only is None else [options.only]
    done = campaign(options.seed, runs, options.out, jobs=options.jobs, venues=options.venues)
    for line in _complaints(options, done["failing"]):
        sys.stderr.write(f"{line}\n")
    sys.stdout.write(json.dumps(done) + "\n")
    return int(bool(done["failing"]))


def _venues(text: str) -> tuple[str, ...]:
    """Return where to trade, in turn."""
    wanted = tuple(text.split(","))
    if strangers := [desk for desk in wanted if desk not in DESKS]:
        msg = f"there is no {strangers[0]!r}; choose of {', '.join(DESKS)}"
        raise argparse.ArgumentTypeError(msg)
    return wanted


def _complaints(options: argparse.Namespace, failing: list[int]) -> Iterator[str]:
    """Yield what was broken, and how to see it again."""
    seed, out, chosen = options.seed, options.out, "" if options.venues == DESKS else f" --venues {','.join(options.venues)}"
    for run in failing:
        verdict = json.loads((out / f"{seed}-{run:04d}" / "audit.json").read_bytes())
        yield from (f"run {run}: {violation['law']}: {violation['what']}" for violation in verdict["violations"])
        yield f"again: python -m tests.chaos --seed {seed} --only {run}{chosen} --out {out}"


if __name__ == "__main__":
    raise SystemExit(main())
