"""A hedge structure by eye: what it holds for a position, what a move of the primary then does, and when it would trade again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from bokeh.models import NumeralTickFormatter
from bokeh.models.annotations import BoxAnnotation

from hedgekit.data import Carry
from hedgekit.errors import DataError
from hedgekit.look import BLUE, GREEN, GREY, ORANGE, SKY
from hedgekit.plots import draw
from hedgekit.step.legs import price, wanted_hedge
from hedgekit.structures.pairs import lots
from hedgekit.types import NS, Kind
from hedgekit.widgets.engine import Engine, Run
from hedgekit.widgets.explorer import Explorer, checked
from hedgekit.widgets.panes import words
from hedgekit.widgets.signal_explorer import source

if TYPE_CHECKING:
    from hedgekit.data import Array
    from hedgekit.params import Params
    from hedgekit.types import Instrument

# The step's own functions are compiled.
# mypy: disallow-untyped-calls=False

MOVE = 0.3
"""How far the primary is moved, as a share of its price; a binary contract from 0 to 1."""

ROLES = ("primary", "hedge")

HOUR_NS = 3_600 * NS

LINES = {
    "together": (BLUE, "solid", "both legs, the hedge moves along as it did on this tape"),
    "still": (GREEN, "dashed", "both legs, the hedge stands still"),
    "alone": (ORANGE, "dotted", "primary alone"),
}


class StructureExplorer(Explorer):
    """Choose a structure and its numbers; the position that it would hold at the tape's last bar, long the spread, follows.

    Quantities are those of a session: the step's own rule, on the tape's last prices and its last plan's ratio. The upper plot is the money
    that a move of the primary makes, before costs, at mids. The lower one is the hedge that the structure would want at each price of the
    primary, the hedge's own price standing still; inside the corridor it would not trade (A15).

    A contract of an inverse perpetual is a fixed amount of dollars and pays in coin. If a leg is one there is a third plot: what it makes
    in coin when its own price moves, beside a linear contract of the same amount; and the table has its coins. A leg with funding on the
    tape says what the position pays or receives at the last rate.

    Attributes
    ----------
    position : DataFrame
        One row for each leg: ``role``, ``quantity`` (signed), ``mid ($)`` and ``value ($)`` (signed, of an inverse perpetual the amount of
        its contracts); if a leg is inverse ``coin`` (signed), how many coins that amount is, NaN of other legs.

    Parameters
    ----------
    market : Tape, or a recipe that has one
        Quotes of both legs.
    params : Params or mapping, optional
        Where the controls begin.
    names : iterable of str
        Parameters that have a control.

    Raises
    ------
    ConfigError, DataError
        If a parameter is wrong, or does not fit the tape.
    """

    title = "Structure explorer"

    def __init__(
        self,
        market: Any,  # noqa: ANN401 - refused in words
        params: Params | Mapping[str, Any] | None = None,
        *,
        names: Iterable[str] = (
            "structure",
            "notional",
            "hedge_frac",
            "loss_cap",
            "delta_model",
            "volatility",
            "correlation",
            "expiry",
            "tolerance",
        ),
    ) -> None:
        self._engine = Engine(market)
        super().__init__(self._figures(), checked(params), names)

    def _figures(self) -> Any:  # noqa: ANN401 - bokeh's grid
        self._legs = self._engine.tape.instruments[:2]
        self._binary = self._legs[0].kind is Kind.BINARY
        x = f"price of {self._legs[0].symbol} ($)" if self._binary else f"move of {self._legs[0].symbol} (%)"
        payoff = source("payoff", "x", *LINES)
        top = draw.frame_of("What a move of the primary makes, before costs", "P&L ($)", height=250, x=x)
        shown = {
            said: [top.line("x", name, source=payoff, color=color, line_dash=dash, line_width=2)]
            for name, (color, dash, said) in LINES.items()
        }
        tips = [(x, "@x{0.00}"), *((said, f"@{name}{{$0,0.00}}") for name, (*_, said) in LINES.items())]
        draw.hover(top, shown[LINES["alone"][2]], tips)
        draw.head(top, [], shown, columns=1)
        wanted = source("wanted", "x", "value")
        low = draw.frame_of(
            "Hedge that is wanted, and the corridor in which nothing is traded", "hedge ($)", height=draw.LOW, x=x, x_range=top.x_range
        )
        self._corridor = BoxAnnotation(bottom=0.0, top=0.0, fill_color=SKY, fill_alpha=0.25, line_color=GREY, line_dash="dashed")
        low.add_layout(self._corridor)
        line = low.line("x", "value", source=wanted, color=BLUE, line_width=2)
        draw.hover(low, [line], [(x, "@x{0.00}"), ("hedge", "@value{$0,0}")])
        for plot in (top, low):
            plot.yaxis.formatter = NumeralTickFormatter(format="$0,0")
            plot.min_border_left = 64
            draw.level(plot, 0.0)
        return draw.stack([top, low, *self._in_coin()])

    def _in_coin(self) -> list[Any]:
        """Return the plot of what inverse legs make in coin; none if there is no such leg."""
        legs = [leg for leg in (0, 1) if self._legs[leg].inverse]
        if not legs:
            return []
        x = "move of the contract's own price (%)"
        plot = draw.frame_of("What an inverse contract makes, in coin, before costs", "P&L (coin)", height=draw.LOW, x=x)
        shown = {}
        for leg in legs:
            symbol, color = self._legs[leg].symbol, (BLUE, ORANGE)[leg]
            coin = source(f"coin{leg}", "x", "inverse", "linear")
            line = plot.line("x", "inverse", source=coin, color=color, line_width=2)
            shown[symbol] = [line]
            other = plot.line("x", "linear", source=coin, color=color, line_dash="dotted")
            shown[f"a linear contract of its amount ({ROLES[leg]})"] = [other]
            draw.hover(plot, [line], [(x, "@x{0.00}"), (symbol, "@inverse{0.000000}"), ("if it were linear", "@linear{0.000000}")])
        draw.head(plot, [], shown, columns=2)
        plot.min_border_left = 64
        draw.level(plot, 0.0)
        return [plot]

    def _draw(self, params: Params) -> str:
        run = self._engine.run(params)
        if not run.plans:
            msg = f"no plan was made: fit_bars={params.fit_bars} leaves none of {len(run.ms):,} bars; choose a smaller one"
            raise DataError(msg)
        state, p, now = run.work.s.copy(), run.work.p, int(run.work.close_ns)
        state["pos"], state["coins"], state["working"] = 0.0, 0.0, 0.0
        state["ratio"][1] = run.plans[-1].ratio
        primary = float(lots(params.notional / price(state, p, 0), p["lot"][0]))
        hedge = float(wanted_hedge(state, p, primary, 1, now))
        mids = np.array([0.5 * (state["bid"][leg] + state["ask"][leg]) for leg in (0, 1)])
        prices = self._prices(mids[0])
        x = prices if self._binary else 100.0 * (prices / mids[0] - 1.0)
        slope = _slope(run, binary=self._binary)
        along = mids[1] + slope * (prices - mids[0]) if self._binary else mids[1] * (prices / mids[0]) ** slope
        first = _gain(self._legs[0], primary, mids[0], prices)
        still = first + _gain(self._legs[1], hedge, mids[1], np.full_like(prices, mids[1]))
        self.plot.replace(
            "payoff", {"x": x, "alone": first, "still": still, "together": first + _gain(self._legs[1], hedge, mids[1], along)}
        )
        each = float(price(state, p, 1))
        self.plot.replace("wanted", {"x": x, "value": _wanted(state, p, primary, prices, now) * each})
        held = hedge * each
        self.plot.set(self._corridor, bottom=held - params.tolerance * params.notional, top=held + params.tolerance * params.notional)
        self._table.value = self._held((primary, hedge), mids, (float(price(state, p, 0)), each)) + self._carried()
        self._draw_coin()
        moves = f"{slope:+.2f} $ for each $" if self._binary else f"{slope:+.2f}% for each 1%"
        per = held / (primary * float(price(state, p, 0))) if primary else 0.0
        return f"{params.structure}: {per:+.3f} $ of hedge for each $ of primary · on this tape the hedge moved {moves} of the primary"

    def _prices(self, mid: float) -> Array:
        """Return prices of the primary, the present one among them."""
        if not self._binary:
            return mid * (1.0 + np.linspace(-MOVE, MOVE, 61))
        tick = float(self._legs[0].tick)
        return np.unique(np.append(np.linspace(tick, 1.0 - tick, 60), mid))

    def _held(self, quantities: tuple[float, float], mids: Array, each: tuple[float, float]) -> str:
        """Keep the position, and return it as a table."""
        values = [qty * one for qty, one in zip(quantities, each, strict=True)]
        columns = {"role": ROLES, "quantity": quantities, "mid ($)": mids, "value ($)": values}
        heads = {"leg": "t", "role": "t", "side": "t", "quantity": "", "mid ($)": "", "value ($)": ""}
        if any(leg.inverse for leg in self._legs):
            columns |= {"coin": [value / mid if leg.inverse else np.nan for leg, value, mid in zip(self._legs, values, mids, strict=True)]}
            heads |= {"coin": ""}
        self.position = pd.DataFrame(columns, index=[leg.symbol for leg in self._legs])
        rows = [
            [str(symbol), role, _side(qty), f"{abs(qty):,.6g}", f"{mid:,.6g}", f"{value:,.0f}", *(words.number(one, 6) for one in coin)]
            for symbol, role, qty, mid, value, *coin in self.position.itertuples()
        ]
        rows.append(["", "", "gross / net", "", f"{sum(map(abs, values)):,.0f}", f"{sum(values):,.0f}", *[""] * (len(heads) - 6)])
        return words.table("Position at the tape's last bar, long the spread", heads, rows, "")

    def _draw_coin(self) -> None:
        """Show what each inverse leg of the position makes in coin."""
        moves = np.linspace(-MOVE, MOVE, 61)
        for leg in (0, 1):
            if self._legs[leg].inverse:
                coin = float(self.position["coin"].to_numpy()[leg])
                self.plot.replace(f"coin{leg}", {"x": 100 * moves, "inverse": coin * moves / (1 + moves), "linear": coin * moves})

    def _carried(self) -> str:
        """Return what is to be known of inverse contracts, and what the tape's last funding makes each leg pay or receive."""
        lines = []
        carries = self._engine.tape.carry or (Carry(), Carry())
        for leg, carry, (symbol, row) in zip(self._legs, carries, self.position.iterrows(), strict=False):
            value, mid = float(row["value ($)"]), float(row["mid ($)"])
            if leg.inverse:
                lines.append(f"{symbol}: a contract is ${leg.multiplier} at any price; its profit is paid in coin")
            if len(carry.funding_ns):
                lines.append(f"{symbol}: {_funding(carry, value, mid if leg.inverse else None)}")
        return "".join(words.line(line, "contracts") for line in lines)


def _side(qty: float) -> str:
    return "buy" if qty > 0 else "sell" if qty < 0 else "nothing"


def _funding(carry: Carry, value: float, mid: float | None) -> str:
    """Return what a position of this value pays or receives at the tape's last rate; in coin too, if ``mid`` is the price of one."""
    rate, paid = float(carry.funding_rate[-1]), value * float(carry.funding_rate[-1])
    every = f" every {np.median(np.diff(carry.funding_ns)) / HOUR_NS:.4g} h" if len(carry.funding_ns) > 1 else ""
    coin = "" if mid is None else f" ({abs(paid) / mid:.6f} coin)"
    does = f"{'pays' if paid > 0 else 'receives'} ${abs(paid):,.2f}{coin}" if paid else "pays and receives nothing"
    return f"funding at the tape's last rate, {rate:+.4%}{every}: this position {does} each time"


def _gain(leg: Instrument, qty: float, before: float, after: Array) -> Array:
    """Return the money that a position makes when its price moves; an inverse contract's profit in coin is valued at the new price."""
    if leg.inverse:
        return qty * float(leg.multiplier) * (after / before - 1.0)
    return qty * float(leg.multiplier) * (after - before)


def _wanted(state: np.void, p: np.void, primary: float, prices: Array, now: int) -> Array:
    """Return the hedge quantity that the structure wants at each price of the primary."""
    then, wanted = state.copy(), np.empty(len(prices))
    for i, at in enumerate(prices):
        then["bid"][0] = then["ask"][0] = at
        wanted[i] = wanted_hedge(then, p, primary, 1, now)
    return wanted


def _slope(run: Run, *, binary: bool) -> float:
    """Return how the hedge moved for one of the primary on the tape's bars: prices of binary contracts, log returns of others."""
    mids = run.work.mids[:, :2]
    moves = np.diff(mids if binary else np.log(mids), axis=0)
    risk = float(np.var(moves[:, 0]))
    return float(np.cov(moves.T)[0, 1] / risk) if risk > 0.0 else 0.0
