"""backtesting.py's part, run by the interpreter of the peers' own environment.

It knows one instrument, so the pair is two runs, one for each leg, that follow the same score.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy  # type: ignore[import-not-found,unused-ignore] # installed in the peers' environment only

from tests.perf.peers import market as m
from tests.perf.peers.worker import Work, serve

CASH = 1e7


class Leg(Strategy):  # type: ignore[misc,unused-ignore] # its base has no types
    """One leg of the pair; ``sign`` is +1 for the primary, -1 for the hedge."""

    sign = 1
    own = False

    def init(self) -> None:
        """Take the score as it is, or compute it."""
        if self.own:
            self.score = self.I(_scored, self.data.Spread, name="z")

    def next(self) -> None:
        """Decide at a bar's close."""
        z = self.score[-1] if self.own else self.data.Z[-1]
        if self.position:
            side = self.sign * (1 if self.position.is_long else -1)
            if -side * z <= m.TARGET or -side * z >= m.STOP:
                self.position.close()
        elif m.ENTRY <= abs(z) < m.STOP and len(self.data) > m.FIT_BARS + 1:
            size = self.data.Lots[-1]
            if z * self.sign > 0:
                self.sell(size=size)
            else:
                self.buy(size=size)


def _scored(spread: Any) -> Any:
    series = pd.Series(np.asarray(spread))
    window = series.rolling(m.LOOKBACK)
    return (series - window.mean()) / window.std()


class Pair:
    """Two runs, on frames made once."""

    frames: list[pd.DataFrame] | None = None

    def run(self, market: m.Market, *, own: bool = False) -> list[Any]:
        """Return the statistics of both legs; trades and equity are in them."""
        self.frames = self.frames or [_frame(market, leg) for leg in range(2)]
        tests = [Backtest(frame, Leg, cash=CASH, commission=m.FEE, finalize_trades=False) for frame in self.frames]
        return [test.run(sign=sign, own=own) for test, sign in zip(tests, (1, -1), strict=True)]

    @staticmethod
    def answer(done: list[Any], _market: m.Market) -> dict[str, np.ndarray]:
        """Return fills (row, leg, quantity, price, fee) in time order and backtesting.py's own P&L."""
        rows = []
        for leg, stats in enumerate(done):
            for trade in (*stats._strategy.closed_trades, *stats._strategy.trades):
                rows.append((trade.entry_bar, leg, trade.size, trade.entry_price, m.FEE * abs(trade.size) * trade.entry_price))
                if trade.exit_bar is not None:
                    rows.append((trade.exit_bar, leg, -trade.size, trade.exit_price, m.FEE * abs(trade.size) * trade.exit_price))
        pnl = sum(stats["Equity Final [$]"] - CASH for stats in done)
        return {"fills": np.array(sorted(rows), dtype=np.float64).reshape(-1, 5), "pnl": np.array(pnl)}


def _frame(market: m.Market, leg: int) -> pd.DataFrame:
    price = market.mid[:, leg]
    index = pd.date_range("2020-01-01", periods=len(price), freq="min")
    prices = dict.fromkeys(("Open", "High", "Low", "Close"), price)
    return pd.DataFrame({**prices, "Z": market.z, "Spread": market.spread, "Lots": market.lots[:, leg]}, index=index)


def main() -> None:
    """Serve."""
    pair = Pair()
    sys.modules["backtesting.backtesting"]._tqdm = lambda items, **_: items  # type: ignore[attr-defined] # no progress bar
    serve({"pair": Work(pair.run, pair.answer), "pair-own": Work(partial(pair.run, own=True), pair.answer)})


if __name__ == "__main__":
    main()
