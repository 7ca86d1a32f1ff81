"""hedgekit's own part: the work by its public functions alone."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import hedgekit as hk
from hedgekit.backtest import Backtest
from hedgekit.data import Tape
from hedgekit.types import NS, Fees, Fill, Instrument
from tests.perf.peers import market as m
from tests.perf.peers.worker import Work, serve

if TYPE_CHECKING:
    from hedgekit.backtest.sweep import Sweep  # it loads pandas, which a backtest does without

BAR_S = 60
T0 = 1_577_836_800 * NS
"""2020-01-01, midnight UTC."""
TOLD = 200_000
"""Longest tape whose tables are made for the comparison."""

PARAMS: dict[str, Any] = {
    "structure": "pairs",
    "lookback": m.LOOKBACK,
    "entry": m.ENTRY,
    "target": m.TARGET,
    "stop": m.STOP,
    "reentry": "at once",  # the plain rule has no memory of its stops
    "bar_s": float(BAR_S),
    "bar_offset_s": 1.0,  # a bar closes a second after its quotes, so orders meet the next bar's
    "notional": m.NOTIONAL,
    "tolerance": 1.0,  # the plain rule does not rebalance; the look at the delta is made all the same
    "slippage_buffer": 0.0,
    "fit_bars": m.FIT_BARS,
    "refit_bars": 1_000_000,  # one ratio for the whole tape: the peers have no other
    "plan_valid_days": 3_650.0,
    "evidence_override": "a comparison of speed, on a made market",
}


def tape_of(mid: np.ndarray) -> Tape:
    """Return the tape of a market: deep quotes as narrow as floats allow, so that all costs are proportional."""
    fees = Fees(rate=Decimal(str(m.FEE)), quantum=Decimal("1e-12"))
    legs = tuple(Instrument("MADE", name, fees=fees) for name in ("PRIMARY", "HEDGE"))
    deep = np.full(mid.shape, 1e9)
    ts_ns = T0 + np.arange(len(mid), dtype=np.int64) * (BAR_S * NS)
    return Tape(legs, ts_ns, np.nextafter(mid, 0.0), np.nextafter(mid, np.inf), deep, deep, "a made market")


class Pair:
    """One backtest; the tape is made once, as the peers' frames are."""

    tape: Tape | None = None

    def run(self, market: m.Market) -> Backtest:
        """Return the backtest."""
        self.tape = self.tape or tape_of(market.mid)
        return hk.run_backtest(self.tape, hk.Params.make(**PARAMS))

    @staticmethod
    def money(done: Backtest) -> object:
        """Return the number of trades and the equity."""
        return done.curves.trades, done.curves.hedged

    @staticmethod
    def tell(done: Backtest) -> object:
        """Return the table of trades."""
        return done.trades

    @staticmethod
    def answer(done: Backtest, market: m.Market) -> dict[str, np.ndarray]:
        """Return fills (row, leg, quantity, price, fee) and hedgekit's own P&L: by its curves and, if affordable, its tables."""
        rows = [
            (
                (fill.venue_ns - T0) // (BAR_S * NS),
                int(fill.instrument == "MADE:HEDGE"),
                float(fill.qty),
                float(fill.price),
                float(fill.fee),
            )
            for fill in done.records
            if isinstance(fill, Fill)
        ]
        own = [done.curves.hedged[-1]]
        if len(market.mid) <= TOLD:
            own.append(done.tables.equity["hedged"].iloc[-1])
        return {"fills": np.array(rows, dtype=np.float64).reshape(-1, 5), "pnl": np.array(own)}


class Grid:
    """A sweep; each run has a trial ledger of its own."""

    tape: Tape | None = None

    def run(self, market: m.Market, jobs: int) -> Sweep:
        """Return the sweep of the market's grid."""
        self.tape = self.tape or tape_of(market.mid)
        grid = {"lookback": market.lookbacks, "entry": market.entries, "target": market.targets}
        with tempfile.TemporaryDirectory() as folder:
            ledger = Path(folder) / "trials.sqlite"
            return hk.sweep(self.tape, grid, PARAMS, study="speed", ledger=ledger, jobs=jobs, progress=False)

    @staticmethod
    def answer(done: Sweep, _market: m.Market) -> dict[str, np.ndarray]:
        """Return the four metrics of every combination."""
        return {"figures": done.table[["pnl", "sharpe", "drawdown", "trades"]].to_numpy(dtype=np.float64)}


def main() -> None:
    """Serve."""
    pair, grid = Pair(), Grid()
    serve(
        {
            "pair": Work(pair.run, pair.answer, pair.money, pair.tell),
            "pair-lean": Work(pair.run, pair.answer, pair.money),
            "sweep-1": Work(partial(grid.run, jobs=1), grid.answer),
            "sweep-2": Work(partial(grid.run, jobs=2), grid.answer),
        }
    )


if __name__ == "__main__":
    main()
