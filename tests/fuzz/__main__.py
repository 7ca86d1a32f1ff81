"""A fuzz campaign over all parsers, skins and sockets: the same seed feeds the same inputs.

    python -m tests.fuzz [--inputs 1000000] [--seed 1] [--only "Kalshi skin"]

Of 40 inputs, 16 go to the parsers (each to all of a venue's), 16 to the skins without sockets and 8 to the sandbox's WebSockets. Each
broken word is told once, with its input; one line of JSON at the end: inputs by target, how many broke their word, the slowest
input, memory before and after. Exit code 1 if any did.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from tqdm import tqdm

from tests.fuzz.lines import Lines, lines
from tests.fuzz.targets import Fault, Parsers, Skins, targets

SHARE = 4
"""Inputs to each parser and skin for one to each socket."""


def name_of(target: object) -> str:
    """Return what a target is called."""
    return (
        f"{getattr(target, 'name', '')} {'parsers' if isinstance(target, Parsers) else 'socket' if isinstance(target, Lines) else 'skin'}"
    )


def place_of(fault: Fault) -> str:
    """Return where a target broke its word: the innermost line of the product."""
    ours = [line for line in traceback.extract_tb((fault.__cause__ or fault).__traceback__) if "hedgekit" in line.filename]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "an answer"


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one target's name")
    asked = parser.parse_args()
    sockets = lines()
    all_: list[Parsers | Skins | Lines] = [target for target in [*targets() * SHARE, *sockets] if asked.only in (None, name_of(target))]
    fed, broken = Counter[str](), Counter[str]()
    slowest, began, chance = (0.0, "", 0), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, Random(asked.seed)  # noqa: S311 - a seed makes it again
    for number in tqdm(range(asked.inputs), desc="fuzz", unit="input", mininterval=1.0):
        target = all_[number % len(all_)]
        before = time.process_time()
        try:
            data = target.once(chance)
        except Fault as fault:
            if not broken[place_of(fault)]:
                print(f"\nseed {asked.seed}, input {number}: {place_of(fault)}: {fault}", file=sys.stderr)
            broken[place_of(fault)] += 1
            continue
        fed[name_of(target)] += 1
        slowest = max(slowest, (round(1e3 * (time.process_time() - before), 1), name_of(target), len(data)))
    for line in sockets:
        line.close()
    memory = {"before": began // 1024, "after": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    print(json.dumps({"inputs": dict(fed), "slowest_ms": slowest, "mib": memory, "seed": asked.seed, "broken": broken.total()}))
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
