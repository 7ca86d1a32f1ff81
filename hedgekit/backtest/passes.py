"""One compiled pass over a tape under way: the arrays that the compiled loop works on."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.backtest import loop
from hedgekit.backtest.grid import grid_of
from hedgekit.errors import ConfigError, DataError
from hedgekit.rules.state import OBSERVATION, OUT, PARAMS, STATE, USER
from hedgekit.step.records import pack_params, pack_plan

if TYPE_CHECKING:
    from hedgekit.backtest.grid import Grid
    from hedgekit.data import Array, Tape
    from hedgekit.exchange.model import FillModel
    from hedgekit.params import Params
    from hedgekit.types import HedgePlan

_LOG = 2048
"""Places that a log begins with, trips with a quarter of them: most trades have four fills. Both grow."""
_NONE: Array = np.zeros(0)
_NO_PLANS = np.zeros(0, loop.KNOWN)


def _longer(log: np.ndarray) -> np.ndarray:
    """Return a log of twice the length with the same entries (numpy would copy field by field)."""
    out = np.zeros(2 * len(log), log.dtype)
    out.view(np.uint8)[: log.nbytes] = log.view(np.uint8)
    return out


def _check_scores(scores: tuple[Array, Array], bars: int) -> None:
    """Refuse scores that are not one for each bar: the compiled loop reads them without looking."""
    for name, values in zip(("z", "sd"), scores, strict=True):
        if values.shape != (bars,):
            wanted = f"signal='user' needs one score for each of the {bars} bars" if bars else "scores are for signal='user'"
            msg = f"scores: {name} has shape {values.shape}; {wanted}: give run_backtest(..., scores=...), or another signal"
            raise ConfigError(msg)


class Known:
    """The plans of a tape, found by an earlier pass: they depend on the tape and on no threshold.

    Parameters
    ----------
    plans : list of HedgePlan
        In the order in which they were due.
    bars : list of int
        How many bars had closed at each.
    grid : Grid
        The tape's bars.
    legs : int
        How many instruments are traded.
    significance : float
        As in Params.
    """

    def __init__(self, plans: list[HedgePlan], bars: list[int], grid: Grid, legs: int, significance: float) -> None:
        self.plans = np.zeros(len(plans), loop.KNOWN)
        for row, plan, at in zip(self.plans, plans, bars, strict=True):
            told = pack_plan(plan, legs, significance)
            row["bars"], row["ts_ns"], row["until_ns"] = at, grid.close_ns[at - 1], told["until_ns"]
            row["ratio"], row["half_life"], row["trusted"] = told["ratio"], told["b"], told["flag"]
        self.digest = hashlib.sha256(self.plans.tobytes()).digest()


class Pass:
    """One backtest under way.

    Parameters
    ----------
    tape, params, model
        As in :func:`hedgekit.backtest.run`.
    words : bool
        Log every decision (then every step is taken); otherwise what was filled alone.
    grid : Grid, optional
        The tape's bars, if they are known already.
    scores : tuple of float64 arrays, shape (bars,), optional
        A user's own scores and what one unit of each is worth.
    """

    def __init__(  # noqa: PLR0913 - what is run, and how
        self,
        tape: Tape,
        params: Params,
        model: FillModel,
        *,
        words: bool,
        grid: Grid | None = None,
        scores: tuple[Array, Array] | None = None,
    ) -> None:
        if model.name != "next_quote":
            msg = f"fill model {model.name!r}: the compiled backtest knows 'next_quote'; use hedgekit.replay for others"
            raise ConfigError(msg)
        self.tape, self.significance = tape, params.significance
        self.scores: tuple[Array, Array] = (_NONE, _NONE) if scores is None else scores
        rows = [np.zeros(1, kind) for kind in (loop.CURSOR, STATE, PARAMS, OBSERVATION, OUT, loop.DELAYS)]
        rows[2][0] = pack_params(params, tape.instruments)
        rows[5][0] = model.ws_ns, model.up_ns, model.up_ns + max(model.down_ns, model.ws_ns)
        self.c, self.s, self.p = rows[0][0], rows[1][0], rows[2][0]
        self.s["z"] = math.nan
        self._bytes = tuple(row.view(np.uint8) for row in rows)
        self.grid = grid or grid_of(tape, self.p, model.ws_ns)
        _check_scores(self.scores, len(self.grid.close_ns) if self.p["signal"] == USER else 0)
        self.c["words"] = words or not self.grid.sound or self.p["signal"] == USER
        self.log, self.said = np.zeros(_LOG, loop.LOG), np.zeros(_LOG if self.c["words"] else 1, OUT)
        self.trips = np.zeros(_LOG // 4, loop.TRIP)
        self._plan = _NO_PLANS

    def go(self, next_fit: int, known: Known | None = None) -> int:
        """Run until something is due that is not known; return what."""
        tape, grid = self.tape, self.grid
        arrays = (tape.ts_ns, tape.bid, tape.ask, tape.bid_size, tape.ask_size, *self.scores)
        first, last = int(self.c["bars"]), min(next_fit, len(grid.close_ns))
        kind, lookback = int(self.p["signal"]), int(self.p["lookback"])
        z: Array = np.full(0 if self.c["words"] else max(last - first, 0), math.nan)
        sd = z
        if known is not None and not self.c["words"]:
            first, (z, sd) = 0, grid.scores_by(kind, lookback, known.plans, known.digest)
        elif len(self._plan) and not self.c["words"]:
            z, sd = grid.scores(kind, lookback, self._plan["ratio"][0], first, max(last, first))
        glides = (grid.row, grid.ns, grid.fresh, grid.last, grid.logs, z, sd, first)
        plans = self._plan if known is None else known.plans
        while True:
            why = loop.go(self._bytes, self._logs, arrays, glides, plans, next_fit)
            if why == loop.CROWDED:
                msg = f"about {loop.QUEUE} orders wait on one leg: the displayed sizes are too small for the strategy's notional"
                raise DataError(msg)
            if why != loop.FULL:
                return int(why)
            used = int(self.c["logged"]), int(self.c["said"]), int(self.s["trade"])
            full = (n + loop.ROOM > len(log) for n, log in zip(used, self._logs, strict=True))
            self.log, self.said, self.trips = (_longer(log) if more else log for more, log in zip(full, self._logs, strict=True))

    @property
    def _logs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.log, self.said, self.trips

    @property
    def bars(self) -> int:
        """Bars closed so far."""
        return int(self.c["bars"])

    @property
    def close_ns(self) -> int:
        """Close of the newest bar."""
        return int(self.grid.close_ns[self.bars - 1])

    @property
    def mids(self) -> Array:
        """Mids of the bars so far, shape (bars, legs)."""
        return self.grid.mids[: self.bars]

    @property
    def ending(self) -> bytes:
        """All that the step knows and all that was filled, as bytes: equal for two passes that did the same."""
        state = self.s.copy()
        state["scratch"] = 0.0
        log = self.log[: int(self.c["logged"])]
        filled = log[log["what"] == loop.FILLED][["leg", "ts_ns", "venue_ns", "qty", "price"]]
        state_bytes: bytes = state.tobytes()
        return state_bytes + b"".join(np.ascontiguousarray(filled[name]).tobytes() for name in filled.dtype.names or ())

    def revise(self, plan: HedgePlan) -> None:
        """Let the step take a new ratio, at the newest bar: what it hears first when the pass goes on."""
        self._plan = Known([plan], [self.bars], self.grid, len(self.tape.instruments), self.significance).plans
        self.c["plans"], self.c["due"] = 0, 1
