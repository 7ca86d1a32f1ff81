"""vectorbt's part: ``Portfolio.from_signals``, its fastest call that knows this rule, by either of its engines.

Run by the interpreter of the peers' own environment. Signals are moved on by one bar, so that orders meet the next bar's price;
an entry signal against what is held only closes it. ``max_orders`` is the number that the entry signals allow. ``from_orders``
on positions from a hand-written loop was no faster, and ``from_order_func`` calls back at every bar.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt  # type: ignore[import-not-found,unused-ignore] # installed in the peers' environment only

from tests.perf.peers import market as m
from tests.perf.peers.worker import Work, serve

CASH = 1e7
CHUNK = 25
"""Combinations simulated together: more take more memory and no less time; the grid's ends are a multiple of it."""
LEGS = ("primary", "hedge")


def moved(signal: np.ndarray) -> np.ndarray:
    """Return a signal moved on by one bar."""
    out = np.zeros_like(signal)
    out[1:] = signal[:-1]
    return out


def signals(z: np.ndarray, entries: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return long entries, long exits, short entries and short exits of the spread, moved on by one bar."""
    with np.errstate(invalid="ignore"):
        inside = np.abs(z) < m.STOP
        told = ((z <= -entries) & inside, (z >= -targets) | (z <= -m.STOP), (z >= entries) & inside, (z <= targets) | (z >= m.STOP))
    return tuple(moved(signal) for signal in told)


def portfolio(close: Any, sides: tuple[Any, ...], size: np.ndarray, engine: str) -> Any:
    """Return the simulated portfolio; every column has cash of its own."""
    most = 2 * max(1, int(sum(np.count_nonzero(side) for side in (sides[0], sides[2])))) * (2 if sides[0].ndim == 1 else 1)
    return vbt.Portfolio.from_signals(
        close,
        *sides,
        size=size,
        fees=m.FEE,
        init_cash=CASH,
        upon_opposite_entry="close",
        max_orders=most,
        engine=engine,
    )


class Pair:
    """One backtest: two columns, the hedge's signals being the primary's with sides changed."""

    close: pd.DataFrame | None = None

    def run(self, market: m.Market, engine: str, *, own: bool = False) -> Any:
        """Return the portfolio."""
        if self.close is None:
            self.close = pd.DataFrame(market.mid, columns=list(LEGS))
        z = self._own(self.close, market) if own else market.z
        sides = signals(z, np.array(m.ENTRY), np.array(m.TARGET))
        pairs = tuple(np.column_stack([sides[k], sides[(k + 2) % 4]]) for k in range(4))
        size = np.empty_like(market.mid)
        size[1:], size[0] = market.lots[:-1], 0.0
        return portfolio(self.close, pairs, size, engine)

    @staticmethod
    def _own(close: pd.DataFrame, market: m.Market) -> np.ndarray:
        spread = np.log(close["primary"]) - market.ratio * np.log(close["hedge"])
        window = spread.rolling(m.LOOKBACK)
        z: np.ndarray = ((spread - window.mean()) / window.std()).to_numpy(copy=True)
        z[: market.first] = np.nan
        return z

    @staticmethod
    def money(done: Any) -> object:
        """Return the number of orders and the value at every bar."""
        return done.orders.count(), done.value(group_by=True)

    @staticmethod
    def tell(done: Any) -> object:
        """Return the table of trades."""
        return done.trades.records

    @staticmethod
    def answer(done: Any, _market: m.Market) -> dict[str, np.ndarray]:
        """Return fills (row, leg, quantity, price, fee) in time order and vectorbt's own P&L."""
        orders = done.orders.records
        side = np.where(orders["side"] == 0, 1.0, -1.0)
        fills = np.column_stack([orders["idx"], orders["col"], side * orders["size"], orders["price"], orders["fees"]])
        fills = fills[np.lexsort((fills[:, 1], fills[:, 0]))]
        return {"fills": fills.astype(np.float64), "pnl": np.array(done.total_profit(group_by=False).sum())}


def sweep(market: m.Market, engine: str, part: slice) -> np.ndarray:
    """Return the four metrics of every combination of a part of the lookbacks, a chunk of columns at a time."""
    entries, targets = (axis.ravel() for axis in np.meshgrid(market.entries, market.targets, indexing="ij"))
    close = [pd.DataFrame(np.repeat(market.mid[:, leg : leg + 1], CHUNK, axis=1)) for leg in range(2)]
    size = np.zeros_like(market.mid)
    size[1:] = market.lots[:-1]
    spread = pd.Series(market.spread)
    found = []
    for lookback in market.lookbacks[part]:
        window = spread.rolling(lookback)
        z = ((spread - window.mean()) / window.std()).to_numpy(copy=True)
        z[: market.first] = np.nan
        for k in range(0, len(entries), CHUNK):
            sides = signals(z[:, None], entries[k : k + CHUNK], targets[k : k + CHUNK])
            other = (*sides[2:], *sides[:2])
            legs = [portfolio(close[0], sides, size[:, :1], engine), portfolio(close[1], other, size[:, 1:], engine)]
            curve = sum(leg.value().to_numpy() - CASH for leg in legs)
            found.append(m.figures(curve, (legs[0].orders.count().to_numpy() + 1) // 2))
    return np.concatenate(found)


def rows(market: m.Market, part: slice) -> np.ndarray:
    """Return which rows of the whole grid a part of the lookbacks makes."""
    every = np.arange(len(market.lookbacks) * len(market.entries) * len(market.targets)).reshape(len(market.lookbacks), -1)
    return every[part].ravel()


def main() -> None:
    """Serve; the third argument, ``ENGINE[:PART/PARTS]``, names the engine and which part of a sweep is this process's."""
    engine, _, part = sys.argv[3].partition(":")
    number, _, parts = part.partition("/")
    mine = slice(int(number), None, int(parts)) if parts else slice(None)
    pair = Pair()
    serve(
        {
            "pair": Work(partial(pair.run, engine=engine), pair.answer, pair.money, pair.tell),
            "pair-own": Work(partial(pair.run, engine=engine, own=True), pair.answer, pair.money, pair.tell),
            "sweep": Work(partial(sweep, engine=engine, part=mine), lambda found, market: {"figures": found, "rows": rows(market, mine)}),
        }
    )


if __name__ == "__main__":
    main()
