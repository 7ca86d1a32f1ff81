"""From a quote on the WebSocket to both hedge legs acknowledged by REST, beside a bare client that makes the same two posts (A11).

    python -m tests.perf.hedge_latency [--hedges 2000] [--rows 100]

Sandbox, session and bare client are three processes on 127.0.0.1; the session decides on every quote, and both intents are flushed to
disk before a request leaves. The bare client runs before and after the session, against the same exchange while it streams.
A measurement, not a test: pytest does not collect it. Times are of the clock that never goes back, in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import msgspec
import numpy as np

from hedgekit import demo
from hedgekit.cli import _run
from hedgekit.data import SyntheticMarket
from hedgekit.launch import Child
from hedgekit.paper import Session, SessionConfig
from hedgekit.paper import session as loop
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.paper.pacer import Inbox
from hedgekit.types import Feed, MarketEvent, Priority, Request
from hedgekit.venues.alpaca import Alpaca

MARKET = SyntheticMarket(rows=60_000, half_life=2.0, spread_sd=0.012, hedge_vol=0.0002, size_notional=5e6)
PARAMS = demo.PARAMS | {"bar_ticks": 1, "fit_bars": 60, "refit_bars": 1_000_000, "lookback": 20, "entry": 1.5, "max_quote_age_s": 1.0}
PLENTY = 600_000
"""Requests a minute: the limit is not what is measured here."""

STAGES = ("journal the events and decide", "commit (durable)", "hand over to the network", "network and exchange")


class Stamped(Inbox):
    """Notes when a frame or an answer came."""

    def __init__(self) -> None:
        super().__init__()
        self.frame_ns = 0
        self.answers: dict[int, int] = {}

    def on_quotes(self, feed: Feed[MarketEvent], frame: bytes | str) -> None:
        """Keep the first frame's time until it is taken."""
        self.frame_ns = self.frame_ns or time.monotonic_ns()
        super().on_quotes(feed, frame)

    def on_reply(self, number: int, reply: Any) -> None:
        """Keep an answer's time."""
        self.answers[number] = time.monotonic_ns()
        super().on_reply(number, reply)


async def trade(path: str, hedges: int, out: str) -> None:
    """Run a session until it has sent so many pairs of orders, and write down when each step was reached."""
    made: list[Stamped] = []
    pairs: list[tuple[int, list[int]]] = []
    marks: list[int] = []
    before = 0

    def inbox() -> Stamped:
        made.append(Stamped())
        return made[0]

    async def at(name: str) -> None:
        nonlocal before
        now = time.monotonic_ns()
        if name == "session.received":
            marks[:] = [made[0].frame_ns]
            made[0].frame_ns, before = 0, session._numbers.given
        elif marks and name in ("session.decided", "outbox.after_commit"):
            marks.append(now)
        elif marks and name == "outbox.after_send":
            first = session._numbers.given
            if marks[0] and first - before == 2:
                pairs.append((first - 1, [*marks, now]))
        if len(pairs) >= hedges + 20:
            raise asyncio.CancelledError

    loop.Inbox = inbox  # type: ignore[misc, assignment] # the measurement's own
    session = Session(SessionConfig.load(path), at=at)
    try:
        await session.run()
    except asyncio.CancelledError:
        answers = made[0].answers
        rows = [[*times, max(answers[n], answers[n + 1])] for n, times in pairs if n in answers and n + 1 in answers]
        Path(out).write_bytes(msgspec.json.encode(rows[20:][:hedges]))  # noqa: ASYNC240 - it is over


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


def quantiles(ns: Any) -> str:
    """Return p50, p95, p99 and the longest, in ms."""
    return "".join(f"{value / 1e6:9.2f}" for value in (*np.quantile(ns, [0.5, 0.95, 0.99]), np.max(ns)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hedges", type=int, default=2_000)
    parser.add_argument("--rows", type=float, default=100.0, help="rows of the market a second")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        kind, what, count, out = asked.child
        _run(trade(what, int(count), out) if kind == "trade" else post(what, int(count), out), stopped=0)
        return
    keys = {name: secrets.token_hex(16) for name in (*Alpaca.key_env, CONTROL_TOKEN_ENV)}
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        command = ["sandbox", "--market", demo.encode(MARKET), "--live", "--speed", f"{asked.rows:g}", "--budget", str(PLENTY)]
        command += ["--cash", "100000000"]
        with (folder / "log").open("wb") as log, Child(command, secrets=keys, log=log) as child:
            ready = msgspec.json.decode(child.line())
            config = demo.configure(MARKET, MARKET.tape(), folder / "journal.db", ready | {"control": ""})
            accounts = {venue: msgspec.structs.replace(access, requests_per_minute=PLENTY) for venue, access in config.accounts.items()}
            path = msgspec.structs.replace(config, params=PARAMS, accounts=accounts).save(folder / "session.json")

            def run(kind: str, what: str, count: int) -> Any:
                out = folder / f"{kind}-{count}.json"
                command = [sys.executable, "-m", "tests.perf.hedge_latency", "--child", kind, what, str(count), str(out)]
                subprocess.run(command, env={**os.environ, **keys}, check=True, timeout=1_800)
                return np.array(msgspec.json.decode(out.read_bytes()))

            bare = run("post", ready["accounts"]["ALPACA"]["rest"], asked.hedges // 2)
            ours = run("trade", str(path), asked.hedges)
            bare = np.concatenate([bare, run("post", ready["accounts"]["ALPACA"]["rest"], asked.hedges - asked.hedges // 2)])
    total, steps = ours[:, -1] - ours[:, 0], np.diff(ours, axis=1)
    print(f"{len(ours):,} hedges of two legs, {asked.rows:g} rows a second; ms{'':16}p50      p95      p99      max")
    print(f"{'bare client: both posts answered':46}{quantiles(bare)}")
    print(f"{'session: quote received to both acknowledged':46}{quantiles(total)}")
    for name, column in zip(STAGES, steps.T, strict=True):
        print(f"  {name:44}{quantiles(column)}")
    ratios = [np.quantile(total, q) / np.quantile(bare, q) for q in (0.5, 0.99)]
    print(f"session / bare client: p50 {ratios[0]:.2f} (target 2), p99 {ratios[1]:.2f} (target 3)")


if __name__ == "__main__":
    main()
