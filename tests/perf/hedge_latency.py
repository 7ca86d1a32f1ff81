"""From a quote on the WebSocket to both hedge legs acknowledged by REST, beside a bare client that makes the same two posts (A11).

    python -m tests.perf.hedge_latency [--size smoke | quick | full] [--json FILE]

Sandbox, session and bare client are three processes on 127.0.0.1; the session decides on every quote, and both intents are flushed to
disk before a request leaves. The bare client runs before and after the session, against the same exchange while it streams.
Times are of the clock that never goes back.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import msgspec
import numpy as np

from hedgekit import demo
from hedgekit.cli.running import run_until_stopped
from hedgekit.data import SyntheticMarket
from hedgekit.launch import Child, die_with_parent
from hedgekit.paper import Session, SessionConfig
from hedgekit.paper import session as loop
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.paper.pacer import Inbox
from hedgekit.types import Feed, MarketEvent, Priority, Request
from hedgekit.venues.alpaca import Alpaca
from tests.perf.journal_writes import core, quotes
from tests.perf.rows import Row, Size, refuse, run

MARKET = SyntheticMarket(rows=60_000, half_life=2.0, spread_sd=0.012, hedge_vol=0.0002, size_notional=5e6)
PARAMS = demo.PARAMS | {"bar_ticks": 1, "fit_bars": 60, "refit_bars": 1_000_000, "lookback": 20, "entry": 1.5, "max_quote_age_s": 1.0}
PLENTY = 600_000
"""Requests a minute: the limit is not what is measured here."""

STAGES = ("wake up", "journal the events and decide", "commit (durable)", "hand over to the network", "network and exchange")


class Stamped(Inbox):
    """Notes when a frame or an answer came."""

    def __init__(self, venues: Iterable[str]) -> None:
        super().__init__(venues)
        self.frame_ns = 0
        self.answers: dict[int, int] = {}
        for box in self.boxes.values():
            box.on_quotes = partial(self.quoted, box.on_quotes)  # type: ignore[method-assign] # the measurement's own

    def quoted(self, keep: Callable[..., None], feed: Feed[MarketEvent], frame: bytes | str) -> None:
        """Keep the first frame's time until it is taken."""
        self.frame_ns = self.frame_ns or time.monotonic_ns()
        keep(feed, frame)

    def on_reply(self, number: int, reply: Any) -> None:
        """Keep an answer's time."""
        self.answers[number] = time.monotonic_ns()
        super().on_reply(number, reply)


async def trade(path: str, hedges: int, out: str) -> None:
    """Run a session until it has sent so many pairs of orders, and write down when each step was reached."""
    made: list[Stamped] = []
    pairs: list[tuple[int, list[int]]] = []
    marks: list[int] = []
    before, warm = 0, min(20, hedges)

    def inbox(venues: Iterable[str]) -> Stamped:
        made.append(Stamped(venues))
        return made[0]

    async def at(name: str) -> None:
        nonlocal before
        now = time.monotonic_ns()
        if name == "session.received":
            marks[:] = [made[0].frame_ns, now]
            made[0].frame_ns, before = 0, session._numbers.given
        elif marks and name in ("session.decided", "outbox.after_commit"):
            marks.append(now)
        elif marks and name == "outbox.after_send":
            first = session._numbers.given
            if marks[0] and first - before == 2:
                pairs.append((first - 1, [*marks, now]))
        if len(pairs) >= hedges + warm:
            raise asyncio.CancelledError

    loop.Inbox = inbox  # type: ignore[misc, assignment] # the measurement's own
    session = Session(SessionConfig.load(path), at=at)
    try:
        await session.run()
    except asyncio.CancelledError:
        answers = made[0].answers
        rows = [[*times, max(answers[n], answers[n + 1])] for n, times in pairs if n in answers and n + 1 in answers]
        Path(out).write_bytes(msgspec.json.encode(rows[warm:][:hedges]))  # noqa: ASYNC240 - it is over


async def post(rest: str, count: int, out: str) -> None:
    """Make the same two posts, again and again, without anything else."""
    took: list[int] = []
    headers = Alpaca([os.environ[name] for name in Alpaca.key_env], ()).signed(Request("GET", "/", "account", Priority.QUERY), 0)
    symbols = [instrument.symbol for instrument in MARKET.tape().instruments]
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as http:

        async def one(symbol: str, side: str, number: int) -> None:
            body = {"symbol": symbol, "qty": "10", "side": side, "type": "market", "time_in_force": "gtc"}
            body["client_order_id"] = f"bare-{os.getpid()}-{number}-{symbol}"
            async with http.post(f"{rest}/v2/orders", data=msgspec.json.encode(body)) as response:
                assert response.status == 200, await response.text()
                await response.read()

        for number in range(count):
            sides = ("buy", "sell") if number % 2 else ("sell", "buy")
            begin = time.monotonic_ns()
            await asyncio.gather(*(one(symbol, side, number) for symbol, side in zip(symbols, sides, strict=True)))
            took.append(time.monotonic_ns() - begin)
            await asyncio.sleep(0.02)
    Path(out).write_bytes(msgspec.json.encode(took))  # noqa: ASYNC240 - as above


def deciding_us(count: int) -> float:
    """Return what a decision on a quote takes with nothing around it, median in microseconds."""
    decide, took = core(), []
    for quote in quotes(count):
        began = time.perf_counter_ns()
        decide(quote)
        took.append(time.perf_counter_ns() - began)
    return median(took) / 1e3


def measure(size: Size) -> list[Row]:
    """Measure the bare client, the session, and the bare client again."""
    hedges, rows = size.pick(8, 400, 2_000), 100
    keys = {name: secrets.token_hex(16) for name in (*Alpaca.key_env, CONTROL_TOKEN_ENV)}
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        command = ["sandbox", "--market", demo.encode(MARKET), "--live", "--speed", f"{rows:g}", "--budget", str(PLENTY)]
        command += ["--cash", "100000000"]
        with (folder / "log").open("wb") as log, Child(command, secrets=keys, log=log) as child:
            ready = msgspec.json.decode(child.line())
            config = demo.configure(MARKET, MARKET.tape(), folder / "journal.db", ready | {"control": ""})
            accounts = {venue: msgspec.structs.replace(access, requests_per_minute=PLENTY) for venue, access in config.accounts.items()}
            path = msgspec.structs.replace(config, params=PARAMS, accounts=accounts).save(folder / "session.json")

            def child_of(kind: str, what: str, count: int, name: str) -> Any:
                out = folder / f"{name}.json"
                command = [sys.executable, "-m", "tests.perf.hedge_latency", "--child", kind, what, str(count), str(out)]
                with subprocess.Popen(command, env={**os.environ, **keys}, stdin=subprocess.PIPE) as process:  # it ends with this one
                    if code := process.wait(1_800):
                        refuse(f"the process that measures {name} ended with {code}")
                return np.array(msgspec.json.decode(out.read_bytes()))

            rest = ready["accounts"]["ALPACA"]["rest"]
            before = child_of("post", rest, hedges // 2, "before")  # an even number: nothing is held afterwards
            ours = child_of("trade", str(path), hedges, "ours")
            bare = np.concatenate([before, child_of("post", rest, hedges - hedges // 2, "after")])
    if len(ours) < hedges - max(hedges // 100, 1):  # the last one may be under way when the session is stopped
        refuse(f"{len(ours)} of {hedges} hedges had both orders answered")
    return told(bare / 1e6, ours / 1e6, size)


def told(bare: np.ndarray, ours: np.ndarray, size: Size) -> list[Row]:
    """Return the rows of times in ms: the bare client's, and when each of the session's steps was reached."""
    total, steps, part = ours[:, -1] - ours[:, 0], np.diff(ours, axis=1), "tick to hedge acknowledged"
    same = "two orders answered by the same exchange"
    rows = []
    for name, q, most in (("p50", 0.5, 2.0), ("p95", 0.95, None), ("p99", 0.99, 3.0), ("longest", 1.0, None)):
        mine, floor = (float(np.quantile(times, q)) for times in (total, bare))
        rows.append(Row(part, f"{name} of {len(ours):,}", "ms", mine, "bare aiohttp client", floor, target=most, same=same))
    rows += [Row(part, f"of it at p50: {name}", "ms", float(np.median(step))) for name, step in zip(STAGES, steps.T, strict=True)]
    return [*rows, Row(part, "a decision on a quote, median", "us", deciding_us(size.pick(200, 20_000, 20_000)), target=20.0)]


def main() -> None:
    """Measure, or be one of the measured processes."""
    if sys.argv[1:2] == ["--child"]:
        die_with_parent()
        kind, what, count, out = sys.argv[2:]
        run_until_stopped(trade(what, int(count), out) if kind == "trade" else post(what, int(count), out), stopped=0)
        return
    run(measure, __doc__)


if __name__ == "__main__":
    main()
