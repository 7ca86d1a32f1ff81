"""A session's figures, once: the report's page and the command line print the same object."""

from __future__ import annotations

import html
import json
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Self

import msgspec
import pandas as pd

from hedgekit.report.mime import SUMMARY_MIME
from hedgekit.report.words import bp, count, figure_of, interval_of, length, money, pct, prob, span, when
from hedgekit.types import Evidence
from hedgekit.verdict import Gauge, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hedgekit.params import Params
    from hedgekit.report.naked import Uneven
    from hedgekit.verdict import Verdict

WIDTH = 100
"""Columns that :meth:`Summary.text` fits into."""


@dataclass(frozen=True)
class Book:
    """Profit and its worst fall, in the quote currency: ``pnl`` at executable prices after fees, ``gross`` at mids before costs."""

    pnl: float
    gross: float
    drawdown: float


@dataclass(frozen=True)
class Leg:
    """What one leg paid: spread, fees and funding, what it traded, and its slippage against the touch at the decision (+ = adverse)."""

    symbol: str
    traded: float
    spread: float
    fees: float
    slippage: float
    funding: float = 0.0

    @property
    def costs(self) -> float:
        """Spread, fees and funding together."""
        return self.spread + self.fees + self.funding


@dataclass(frozen=True)
class Naked:
    """One leg without the other (L4): ``trades`` with such a time, ``money_s`` of all and ``worst_s`` of the worst, in money x seconds.

    ``budget_s`` is a trade's budget in the same unit, 0 for none; ``beyond`` counts trades that exceeded it, ``helpless`` those of
    them that did so only while there was no fresh quote to trade on.
    """

    trades: int
    money_s: float
    worst_s: float
    notional: float
    budget_s: float
    beyond: int
    helpless: int

    @property
    def text(self) -> str:
        """One line, the worst in seconds of a trade's whole notional."""
        if not self.trades:
            return "legs never uneven"
        budget = f" (budget {span(self.budget_s / self.notional)})" if self.budget_s else ""
        worst = f"the worst for {span(self.worst_s / self.notional)} of its whole notional{budget}"
        over = f"; {count(self.beyond)} beyond it, {count(self.helpless)} of them for want of quotes" if self.beyond else ""
        return f"legs uneven in {count(self.trades, 'trade')}, {worst}{over}"


@dataclass(frozen=True)
class Summary:
    """The figures of one session; money in the quote currency, fractions as fractions.

    ``drawdown`` is the deepest fall of P&L from its highest value so far (at
    least zero), above zero. ``partial_fills`` counts fills that left their order
    unfinished. ``plans_passed`` counts plans whose own test had a p-value below ``significance``.
    """

    session: str
    first: pd.Timestamp
    last: pd.Timestamp
    bars: int
    bar_s: float
    bar_ticks: int
    ended: str | None
    records: int
    evidence: Evidence
    significance: float
    plans: int
    plans_passed: int
    overrides: tuple[str, ...]
    trades: int
    open_trades: int
    won: float | None
    best5: float | None
    hedged: Book
    unhedged: Book
    primary: Leg
    hedge: Leg
    orders: int
    filled: int
    rejected: int
    fills: int
    partial_fills: int
    naked: Naked
    result: str
    reasons: tuple[str, ...]
    gauges: tuple[Gauge, ...]
    digest: str
    economic_digest: str

    @property
    def costs(self) -> float:
        """Spread and fees of both legs."""
        return self.primary.costs + self.hedge.costs

    def text(self) -> str:
        """Return the summary in plain text: about 40 lines of 100 columns, nothing cut off."""
        lines = [*self._head(), "", *self._evidence(), "", *self._money(), "", *self._orders(), "", *self._verdict(), "", *self._hashes()]
        return "\n".join(line.rstrip() for line in lines)

    def to_json(self) -> str:
        """Return all figures as text from which :meth:`from_json` makes an equal summary."""
        return json.dumps(asdict(self) | {"evidence": msgspec.to_builtins(self.evidence)}, default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the summary that :meth:`to_json` wrote."""
        d: dict[str, Any] = json.loads(text)
        d |= {name: pd.Timestamp(d[name]) for name in ("first", "last")}
        d |= {name: Book(**d[name]) for name in ("hedged", "unhedged")} | {name: Leg(**d[name]) for name in ("primary", "hedge")}
        d["naked"] = Naked(**d["naked"])
        d["gauges"] = tuple(Gauge(**gauge | {"result": Result(gauge["result"])}) for gauge in d["gauges"])
        d |= {name: tuple(d[name]) for name in ("overrides", "reasons")}
        return cls(**d | {"evidence": msgspec.convert(d["evidence"], Evidence)})

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Show the plain text folded away, and carry the figures for programs."""
        folded = f"<details><summary>The same in plain text</summary><pre>{html.escape(self.text())}</pre></details>"
        return {"text/plain": self.text(), "text/html": folded, SUMMARY_MIME: self.to_json()}

    def _head(self) -> list[str]:
        days = f"{when(self.first, self.bar_s)} to {when(self.last, self.bar_s)}"
        pair, ended = f"{self.primary.symbol} hedged with {self.hedge.symbol}", self.ended or "not ended"
        return [f"{pair}, session {self.session}: {days}, {count(self.bars)} bars of {length(self.bar_s, self.bar_ticks)}, {ended}"]

    def _evidence(self) -> list[str]:
        p, alpha = self.evidence.p_value, self.significance
        says = "cointegrated" if p is not None and p < alpha else "not shown to be cointegrated"
        out = [
            f"Evidence     Engle-Granger p {prob(p)} over {count(self.evidence.n)} bars (needed: < {alpha:g}): {says}",
            f"             {count(self.plans_passed)} of {count(self.plans)} hedge plans passed their own test",
        ]
        return out + [line for text in self.overrides for line in _wrapped(f"override: {text}", 13)]

    def _money(self) -> list[str]:
        h, u = self.hedged, self.unhedged
        open_ = f" ({count(self.open_trades)} more still open)" if self.open_trades else ""
        rows = (
            ("", "hedged", "unhedged", "", self.primary.symbol, self.hedge.symbol, "both"),
            ("P&L, executable", money(h.pnl), money(u.pnl), "spread paid", *self._legs("spread")),
            ("P&L, at mids", money(h.gross), money(u.gross), "fees", *self._legs("fees")),
            ("max drawdown", money(h.drawdown), money(u.drawdown), "slippage", *self._legs("slippage")),
        )
        table = [f"{a:<17}{b:>12}{c:>12}    {d:<13}{e:>12}{f:>12}{g:>12}" for a, b, c, d, e, f, g in rows]
        slip = (self.primary.slippage + self.hedge.slippage) / ((self.primary.traded + self.hedge.traded) or float("nan"))
        return [
            f"Trades       {count(self.trades)} closed{open_}, {pct(self.won)} with profit; slippage {bp(slip)} of what was traded",
            *table,
        ]

    def _legs(self, name: str) -> tuple[str, str, str]:
        a, b = getattr(self.primary, name), getattr(self.hedge, name)
        return money(a), money(b), money(a + b)

    def _orders(self) -> list[str]:
        other = self.orders - self.filled - self.rejected
        orders = (
            f"{count(self.orders)}: {count(self.filled)} filled, {count(self.rejected)} rejected, {count(other)} cancelled or unfinished"
        )
        fills = f"{count(self.fills, 'fill')}, {count(self.partial_fills)} of them partial"
        return [f"Orders       {orders}", f"             {fills}", *_wrapped(self.naked.text, 13)]

    def _verdict(self) -> list[str]:
        names = [f"  {g.rule:<4} {g.name[:27]:<27} {g.result:<12}" for g in self.gauges]
        numbers = [f"{figure_of(g.value, g.unit):>9}  {interval_of(g):<20} {g.target:<12} n {count(g.n)}" for g in self.gauges]
        rows = [name + number for name, number in zip(names, numbers, strict=True)]
        head = f"Verdict      {self.result:<21} {'':<12}{'figure':>9}  {'95% interval':<20} {'target':<12}"
        said = [reason for reason in self.reasons if not reason.startswith(("traded under", *Result))]  # those stand above
        return [head, *rows, *(line for reason in said for line in _wrapped(reason, 2))]

    def _hashes(self) -> list[str]:
        return [f"Event log    sha256 {self.digest}", f"Economic     sha256 {self.economic_digest}"]


def _wrapped(text: str, indent: int) -> list[str]:
    """Return ``text`` in lines of the page's width."""
    return wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))


def figures(  # noqa: PLR0913 - everything a summary rests on, by name
    frames: Mapping[str, pd.DataFrame],
    evidence: Evidence,
    verdict: Verdict,
    params: Params,
    apart: Sequence[Uneven],
    *,
    session: str,
    symbols: tuple[str, str],
    ended: str | None,
    records: int,
    digests: tuple[str, str],
) -> Summary:
    """Return the figures of a session from its journal's frames."""
    equity, trades, orders, fills, plans = (frames[name] for name in ("equity", "trades", "orders", "fills", "plans"))
    closed = trades.dropna(subset=["closed"])
    status = orders["status"].value_counts()
    profit = float(closed["hedged"].sum())
    legs = [_leg(fills[fills["role"] == role], symbol, equity, role) for role, symbol in zip(("primary", "hedge"), symbols, strict=True)]
    return Summary(
        session=session,
        first=equity.index[0],
        last=equity.index[-1],
        bars=len(equity),
        bar_s=params.bar_s,
        bar_ticks=params.bar_ticks,
        ended=ended,
        records=records,
        evidence=evidence,
        significance=params.significance,
        plans=len(plans),
        plans_passed=int((plans["p_value"] < params.significance).sum()),
        overrides=tuple(str(text) for text in plans["override"].dropna().unique()),
        trades=len(closed),
        open_trades=len(trades) - len(closed),
        won=float((closed["hedged"] > 0).mean()) if len(closed) else None,
        best5=float(closed["hedged"].nlargest(5).sum()) / profit if profit > 0 else None,
        hedged=_book(equity["hedged"], equity["gross_primary"] + equity["gross_hedge"]),
        unhedged=_book(equity["unhedged"], equity["gross_primary"]),
        primary=legs[0],
        hedge=legs[1],
        orders=len(orders),
        filled=int(status.get("filled", 0)),
        rejected=int(status.get("rejected", 0)),
        fills=len(fills),
        partial_fills=partial(orders, fills),
        naked=_naked(apart, params),
        result=str(verdict.result),
        reasons=tuple(verdict.reasons),
        gauges=tuple(verdict.gauges),
        digest=digests[0],
        economic_digest=digests[1],
    )


def partial(orders: pd.DataFrame, fills: pd.DataFrame) -> int:
    """Return how many fills left their order unfinished."""
    wanted = orders.drop_duplicates("order_id").set_index("order_id")["qty"].abs()
    so_far = fills["qty"].abs().groupby(fills["order_id"]).cumsum()
    return int((so_far < wanted.reindex(fills["order_id"]).to_numpy() * (1 - 1e-9)).sum())


def _naked(apart: Sequence[Uneven], params: Params) -> Naked:
    spent, budget_s = [trade.money_s for trade in apart], params.naked_limit_s * params.notional
    beyond = [trade for trade in apart if budget_s and trade.money_s > budget_s]
    helpless = sum(trade.used_s <= budget_s for trade in beyond)
    return Naked(len(apart), sum(spent), max(spent, default=0.0), params.notional, budget_s, len(beyond), helpless)


def _book(net: pd.Series[float], gross: pd.Series[float]) -> Book:
    fall = net.cummax().clip(lower=0.0) - net
    return Book(pnl=float(net.iloc[-1]), gross=float(gross.iloc[-1]), drawdown=float(fall.max()))


def _leg(fills: pd.DataFrame, symbol: str, equity: pd.DataFrame, role: str) -> Leg:
    traded, spread, fees, slippage = (float(fills[c].sum()) for c in ("notional", "spread_cost", "fee", "slippage"))
    funding = float(equity[f"funding_{role}"].iloc[-1]) if f"funding_{role}" in equity else 0.0
    return Leg(symbol, traded, spread, fees, slippage, funding)
