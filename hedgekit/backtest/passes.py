"""One compiled pass over a tape under way: the arrays that the loop works on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.backtest import loop
from hedgekit.errors import ConfigError, DataError
from hedgekit.hedger import pack_params
from hedgekit.rules.state import OBSERVATION, OUT, PLAN, STATE

if TYPE_CHECKING:
    from hedgekit.data import Tape
    from hedgekit.exchange.model import FillModel
    from hedgekit.params import Params
    from hedgekit.types import HedgePlan


class Pass:
    """One backtest under way: the arrays that the compiled loop works on."""

    def __init__(self, tape: Tape, params: Params, model: FillModel) -> None:
        if model.name != "next_quote":
            msg = f"fill model {model.name!r}: the compiled backtest knows 'next_quote'; use hedgekit.replay for others"
            raise ConfigError(msg)
        self.tape, self.model = tape, model
        self.p = pack_params(params, tape.instruments)
        self.s, self.c = np.zeros(1, STATE)[0], np.zeros(1, loop.CURSOR)[0]
        self.o, self.out, self.d = np.zeros(1, OBSERVATION)[0], np.zeros(1, OUT)[0], np.zeros(1, loop.DELAYS)[0]
        self.s["z"] = math.nan
        self.d["ws_ns"], self.d["up_ns"], self.d["reply_ns"] = model.ws_ns, model.up_ns, model.up_ns + max(model.down_ns, model.ws_ns)
        self.log = np.zeros(8 * len(tape.ts_ns) + 8 * loop.QUEUE, loop.LOG)
        self.bar_ns = np.zeros(len(tape.ts_ns) + 1, np.int64)
        self.bar_mids = np.zeros((len(tape.ts_ns) + 1, len(tape.instruments)))

    def go(self, next_fit: int) -> int:
        """Run until something is due; return what."""
        tape, bars = self.tape, (self.bar_ns, self.bar_mids)
        arrays = (tape.ts_ns, tape.bid, tape.ask, tape.bid_size, tape.ask_size)
        while True:
            why = loop.go(self.c, self.s, self.p, self.o, self.out, self.log, self.d, arrays, bars, next_fit)
            if why == loop.CROWDED:
                msg = f"about {loop.QUEUE} orders wait on one leg: the displayed sizes are too small for the strategy's notional"
                raise DataError(msg)
            if why != loop.FULL:
                return int(why)
            self.log = np.concatenate([self.log, np.zeros_like(self.log)])

    def revise(self, plan: HedgePlan, ts_ns: int, *, ok: bool) -> None:
        """Let the step take a new ratio."""
        self.o["kind"], self.o["ts_ns"], self.o["leg"] = PLAN, ts_ns, 0
        self.o["a"], self.o["b"] = plan.ratio, math.inf if plan.half_life is None else plan.half_life
        self.o["until_ns"], self.o["flag"] = plan.valid_until_ns, int(ok)
        loop.observe(self.c, self.s, self.p, self.o, self.out, self.log, self.d)
