"""backtrader's part, run by the interpreter of the peers' own environment: one strategy on two feeds."""

from __future__ import annotations

from functools import partial
from typing import Any

import backtrader as bt  # type: ignore[import-not-found,import-untyped,unused-ignore] # installed in the peers' environment only
import numpy as np
import pandas as pd

from tests.perf.peers import market as m
from tests.perf.peers.worker import Work, serve

# mypy: disable-error-code="attr-defined, call-arg"
# backtrader's metaclasses make lines and parameters of class attributes; no checker can see that.

CASH = 1e7


class Feed(bt.feeds.PandasData):  # type: ignore[misc,unused-ignore] # its base has no types
    """Prices with the score, the spread and the lots of an entry beside them."""

    lines = ("z", "spread", "lots")
    params = (("z", -1), ("spread", -1), ("lots", -1))


class Score(bt.Indicator):  # type: ignore[misc,unused-ignore] # as above
    """The z-score by backtrader's own indicators; its standard deviation divides by n."""

    lines = ("z",)

    def __init__(self) -> None:
        """Build the lines."""
        mean = bt.indicators.SimpleMovingAverage(self.data, period=m.LOOKBACK)
        sd = bt.indicators.StandardDeviation(self.data, period=m.LOOKBACK) * (m.LOOKBACK / (m.LOOKBACK - 1)) ** 0.5
        self.lines.z = (self.data - mean) / sd


class Pair(bt.Strategy):  # type: ignore[misc,unused-ignore] # as above
    """Both legs by one score."""

    params = (("own", False),)

    def __init__(self) -> None:
        """Take the score as it is, or compute it."""
        self.score = Score(self.data0.spread).lines.z if self.p.own else self.data0.z
        self.side = 0
        self.done: list[tuple[int, int, float, float, float]] = []

    def notify_order(self, order: Any) -> None:
        """Keep each fill, as a table of trades needs it."""
        if order.status == order.Completed:
            done = order.executed
            self.done.append((len(self) - 1, int(order.data is self.data1), done.size, done.price, done.comm))

    def next(self) -> None:
        """Decide at a bar's close."""
        z = self.score[0]
        if self.side:
            if -self.side * z <= m.TARGET or -self.side * z >= m.STOP:
                self.side = 0
                self.close(self.data0)
                self.close(self.data1)
        elif m.ENTRY <= abs(z) < m.STOP and len(self) > m.FIT_BARS + 1:
            self.side = -1 if z > 0 else 1
            first, second = (self.buy, self.sell) if self.side > 0 else (self.sell, self.buy)
            first(self.data0, size=self.data0.lots[0])
            second(self.data1, size=self.data1.lots[0])


class Bench:
    """Runs on frames made once."""

    frames: list[pd.DataFrame] | None = None

    def run(self, market: m.Market, *, own: bool = False) -> Any:
        """Return the strategy after its run."""
        self.frames = self.frames or [_frame(market, leg) for leg in range(2)]
        cerebro = bt.Cerebro(stdstats=False)
        for frame in self.frames:
            cerebro.adddata(Feed(dataname=frame))
        cerebro.addstrategy(Pair, own=own)
        cerebro.broker.setcash(CASH)
        cerebro.broker.setcommission(commission=m.FEE)
        return cerebro.run()[0]

    @staticmethod
    def answer(done: Any, _market: m.Market) -> dict[str, np.ndarray]:
        """Return fills (row, leg, quantity, price, fee) in time order and backtrader's own P&L."""
        fills = np.array(sorted(done.done), dtype=np.float64).reshape(-1, 5)
        return {"fills": fills, "pnl": np.array(done.broker.getvalue() - CASH)}


def _frame(market: m.Market, leg: int) -> pd.DataFrame:
    price = market.mid[:, leg]
    index = pd.date_range("2020-01-01", periods=len(price), freq="min")
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return pd.DataFrame({**prices, "z": market.z, "spread": market.spread, "lots": market.lots[:, leg]}, index=index)


def main() -> None:
    """Serve."""
    bench = Bench()
    serve({"pair": Work(bench.run, bench.answer), "pair-own": Work(partial(bench.run, own=True), bench.answer)})


if __name__ == "__main__":
    main()
