"""How cost grows with size: bars, combinations, symbols, pairs in a session, open sessions, clients of the sandbox.

    python -m tests.perf.scaling [--size smoke | quick | full] [--json FILE]

Costs in seconds of the processor where other processes work too, so that a busy machine counts little; the exponent is the slope of
their logarithms (:func:`~tests.perf.rows.fitted`). All pairs of a screen cost n squared, the rest must be no worse than n log n.
Events in a journal are in ``journal_scale`` and ``panel_poll``.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pandas as pd

import hedgekit as hk
from hedgekit.data import SyntheticMarket
from hedgekit.stats.screen import screen
from hedgekit.types import Priority, Request
from hedgekit.venues.alpaca import Alpaca
from tests.paper.rig import RUNNER, sandbox
from tests.perf.peers.made import made
from tests.perf.peers.ours import PARAMS, Pair, tape_of
from tests.perf.rows import Curve, Found, Size, fitted, refuse, run, seconds
from tests.perf.soak import PARAMS as SESSION
from tests.perf.soak import sandbox_process
from tests.perf.statistics_speed import walks

HTTP_OK = 200


def by_bars(size: Size) -> Curve:
    """Grow the tape of one backtest."""
    sizes, costs = size.pick([1_000, 2_000], [10_000, 30_000, 100_000], [10_000, 30_000, 100_000, 300_000, 1_000_000]), []
    for bars in sizes:
        market, pair = made(bars), Pair()
        pair.money(pair.run(market))
        costs.append([seconds(lambda p=pair, m=market: p.money(p.run(m))) for _ in range(size.pick(1, 3, 5))])  # type: ignore[misc]
    return fitted("a backtest", "bars", "s", sizes, costs)


def by_combinations(size: Size) -> Curve:
    """Grow the grid of one sweep on 10,000 bars."""
    sizes = size.pick([4, 8], [24, 50, 100, 200], [50, 100, 200, 400, 800])
    tape = tape_of(made(size.pick(1_000, 10_000, 10_000)).mid)

    def swept(count: int) -> None:
        grid = {"entry": np.linspace(1.6, 2.4, count // 2).round(6).tolist(), "target": [0.0, 0.5]}
        with tempfile.TemporaryDirectory() as folder:
            done = hk.sweep(tape, grid, PARAMS, study="scale", ledger=Path(folder) / "trials.sqlite", jobs=1, progress=False)
        if len(done.table) != count:
            refuse(f"{len(done.table)} combinations of {count} in the sweep's table")

    swept(sizes[0])
    costs = [[seconds(lambda n=count: swept(n)) for _ in range(size.pick(1, 3, 5))] for count in sizes]  # type: ignore[misc]
    return fitted("a sweep", "combinations", "s", sizes, costs)


def by_symbols(size: Size) -> Curve:
    """Grow the universe of one screen, all of whose pairs are tried."""
    sizes, days = size.pick([4, 6], [25, 50, 100], [25, 50, 100, 200, 400]), size.pick(300, 1_250, 1_250)
    prices = pd.DataFrame(np.exp(walks(sizes[-1], days).T), columns=[f"S{k}" for k in range(sizes[-1])])
    screen(prices.iloc[:, :3], progress=False)
    costs = [
        [seconds(lambda n=n: screen(prices.iloc[:, :n], lags=1, progress=False)) for _ in range(size.pick(1, 3, 5))]  # type: ignore[misc]
        for n in sizes
    ]
    return fitted("a screen, all pairs", "symbols", "s", sizes, costs, allowed=2.0)


def market_of(rows: int) -> SyntheticMarket:
    """Return a market for sessions in step."""
    return SyntheticMarket(rows=rows, half_life=600.0, spread_sd=0.01, hedge_vol=0.0002)


def children_s() -> float:
    """Return the processor's seconds of all processes that we started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_pairs(size: Size) -> Curve:
    """Grow the pairs of one session, on one tape; its start is in the figures."""
    sizes, costs = size.pick([1, 2], [1, 2, 4, 8], [1, 2, 4, 8, 16]), []
    rows = size.pick(60, 4_000, 10_000)
    for pairs in sizes:
        with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder), market_of(rows)) as rig:
            before = children_s()
            done = rig.run(*(rig.config(f"pair{n}", params=SESSION) for n in range(pairs)))
            if done.returncode:
                refuse(f"a session of {pairs} pairs: {done.stderr[-300:]}")
            costs.append(children_s() - before)
    return fitted("one session", "pairs", "s", sizes, costs)


def by_sessions(size: Size) -> Curve:
    """Grow the number of sessions at work at one time, each with an exchange of its own."""
    sizes, rows, costs = size.pick([1, 2], [1, 2, 4], [1, 2, 4, 8]), size.pick(60, 4_000, 10_000), []

    def one(folder: Path) -> None:
        with sandbox(folder, market_of(rows)) as rig:
            command = [sys.executable, str(RUNNER), str(rig.config(params=SESSION)), "", "1"]
            subprocess.run(command, env={**os.environ, **rig.keys}, check=True, stdout=subprocess.DEVNULL)

    for sessions in sizes:
        before = children_s()
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(sessions) as pool:
            list(pool.map(one, [Path(folder, str(n)) for n in range(sessions)]))
        costs.append(children_s() - before)
    return fitted("sessions at one time, with their exchanges", "sessions", "s", sizes, costs)


def used_s(process: int) -> float:
    """Return the processor's seconds of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def asked(ready: dict[str, Any], keys: dict[str, str], clients: int, each: int) -> None:
    """Let so many clients, each with a connection of its own, ask the exchange so often for the account."""
    rest = ready["accounts"]["ALPACA"]["rest"]
    headers = Alpaca([keys[name] for name in Alpaca.key_env], ()).signed(Request("GET", "/", "account", Priority.QUERY), 0)

    async def one() -> None:
        async with aiohttp.ClientSession(headers=headers) as http:
            for _ in range(each):
                async with http.get(f"{rest}/v2/account") as answer:
                    if answer.status != HTTP_OK or "cash" not in await answer.json():
                        refuse(f"the exchange answers {answer.status}: {await answer.text()}")

    await asyncio.gather(*(one() for _ in range(clients)))


def by_clients(size: Size) -> Curve:
    """Grow the clients of one exchange, each asking equally often: its processor seconds. Streams are one account's, so not many's."""
    sizes, each = size.pick([1, 3], [8, 16, 32, 64], [8, 16, 32, 64, 128]), size.pick(5, 50, 50)
    options = ("--live", "--budget", "10000000")
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder), market_of(100_000), options=options) as rig:
        process = sandbox_process()

        def spent(clients: int) -> float:
            before = used_s(process)
            asyncio.run(asked(rig.ready, rig.keys, clients, each))
            return max(used_s(process) - before, 1e-3)

        spent(1)
        costs = [[spent(clients) for _ in range(size.pick(1, 3, 5))] for clients in sizes]
    return fitted("an exchange, each client asking equally often", "clients", "s", sizes, costs)


def measure(size: Size) -> Found:
    """Measure all curves."""
    return Found([], [grown(size) for grown in (by_bars, by_combinations, by_symbols, by_pairs, by_sessions, by_clients)])


if __name__ == "__main__":
    run(measure, __doc__)
