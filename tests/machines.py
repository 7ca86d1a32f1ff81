"""Many random event sequences through the state machines, on seeds of their own: ``python -m tests.machines --sequences 10000 --seed 1``.

Each test run drives some hundreds; this is the same laws over more, without a database of old examples. A sequence that breaks a law
is shrunk and printed, and ends the run.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.core.test_hedger_machine import AnyEvents
from tests.exchange.test_machine import Machine
from tests.net.test_limiter_machine import Calm, Storm
from tests.net.test_sender_machine import AnyFault

MACHINES: dict[str, tuple[type[RuleBasedStateMachine], int]] = {
    "hedger": (AnyEvents, 70),
    "limiter, calm": (Calm, 100),
    "limiter, storm": (Storm, 100),
    "outbox and sender": (AnyFault, 80),
    "exchange": (Machine, 60),
}
"""What is driven, and how many events a sequence has at most."""

ROUND = 250


def counted(kind: type[RuleBasedStateMachine], tally: Counter[str]) -> type[RuleBasedStateMachine]:
    """Return a machine that counts its sequences as they end, and its events."""

    class Counted(kind):  # type: ignore[misc, valid-type] # the class is the argument
        def check_invariants(self, *about: Any) -> None:  # after every event, and once before the first
            tally["events"] += 1
            super().check_invariants(*about)

        def teardown(self) -> None:
            tally["sequences"] += 1
            super().teardown()

    return Counted


def drive(name: str, sequences: int, first: int) -> Counter[str]:
    """Drive a machine through at least so many sequences, in rounds of a seed each; return how many there were."""
    kind, steps = MACHINES[name]
    tally: Counter[str] = Counter()
    machine = counted(kind, tally)
    phases = (Phase.explicit, Phase.generate, Phase.shrink)
    how = settings(
        max_examples=ROUND, stateful_step_count=steps, deadline=None, database=None, derandomize=False, phases=phases,
        suppress_health_check=[*HealthCheck],
    )  # fmt: skip
    number = first
    while tally["sequences"] < sequences:
        run_state_machine_as_test(seed(number)(machine), settings=how)  # type: ignore[no-untyped-call]
        number += 1
    return tally


def main(arguments: list[str] | None = None) -> None:
    """Drive all machines and print what was driven."""
    parser = argparse.ArgumentParser(prog="python -m tests.machines", description=__doc__)
    parser.add_argument("--sequences", type=int, default=10_000, help="in all; each machine gets an equal part")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    total: Counter[str] = Counter()
    for name in MACHINES:
        began = time.monotonic()
        tally = drive(name, -(-chosen.sequences // len(MACHINES)), 1_000 * chosen.seed)
        total += tally
        print(f"{name:18} {tally['sequences']:>7,} sequences {tally['events']:>9,} events {time.monotonic() - began:7.1f} s", flush=True)  # noqa: T201 - its output
    print(f"{'all':18} {total['sequences']:>7,} sequences {total['events']:>9,} events; no law was broken")  # noqa: T201 - its output


if __name__ == "__main__":
    main()
