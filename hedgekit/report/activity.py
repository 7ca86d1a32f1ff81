"""What the session did: costs, slippage, orders, decisions, trades. Each function returns a cell's output."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from IPython.display import HTML

from hedgekit.report.naked import LADDER
from hedgekit.report.summary import partial
from hedgekit.report.words import NOTHING, Html, bp, columns, count, esc, label, money, num, pct, span, table, when

if TYPE_CHECKING:
    from collections.abc import Hashable

    from hedgekit.report.naked import Uneven
    from hedgekit.report.session import Session

TAKEN = ("open", "close", "rebalance", "repair")
OF_TRADES = (("Mean of a trade", "mean"), ("Standard deviation of a trade", "std"), ("Worst trade", "min"), ("Best trade", "max"))
TRADE_MONEY = ("hedged", "unhedged", "costs", "hedged at mids")
TRADE_HEAD = ("trade", "spread", "opened", "closed", "ended by", "bars", "z in", "z out", *TRADE_MONEY, "fills")
CENT = 0.01
NAKED_HEAD = ("trade", "opened", "money x s", "of its notional", "of the budget", "uneven for", "cut short", "what the orders did")
LAST, ENDS = 10, 5
"""Rows of the trades tables: the newest, and the best and worst."""


def compared(s: Session) -> HTML:
    """Hedged and unhedged side by side, on the same entries and exits."""
    h, u = s.summary.hedged, s.summary.unhedged
    closed = s.trades.dropna(subset=["closed"])
    rows: list[tuple[object, ...]] = [
        ("P&L at executable prices, fees paid", *_pair(u.pnl, h.pnl)),
        ("P&L at mids, before costs (cannot be had)", *_pair(u.gross, h.gross)),
        ("Max drawdown, executable prices", *_pair(u.drawdown, h.drawdown)),
    ]
    if len(closed):
        rows += [(words, *_pair(float(closed["unhedged"].agg(how)), float(closed["hedged"].agg(how)))) for words, how in OF_TRADES]
        rows.append(("Trades with profit", *(f"{(closed[name] > 0).mean():.0%}" for name in ("unhedged", "hedged")), ""))
    return HTML(f"<p>{esc(_did(h.pnl - u.pnl, h.drawdown - u.drawdown))}</p>{table(('', 'unhedged', 'hedged', 'difference'), rows)}")


def _did(pnl: float, drawdown: float) -> str:
    """Say in one sentence what the hedge did."""
    gave = f"{'added' if pnl >= 0 else 'cost'} {money(abs(pnl))} of P&L"
    took = f"{'took' if drawdown <= 0 else 'put'} {money(abs(drawdown))} {'off' if drawdown <= 0 else 'on'} the deepest drawdown"
    return f"After its costs the hedge {gave} and {took}."


def _pair(unhedged: float, hedged: float) -> tuple[str, str, str]:
    return money(unhedged), money(hedged), money(hedged - unhedged)


def costs(s: Session) -> HTML:
    """Costs by kind for each leg, in money and in basis points of what was traded; funding where there was any."""
    rows: list[tuple[object, ...]] = []
    total, funded = np.zeros(4), "funding_primary" in s.equity
    for role, name in (("primary", s.primary), ("hedge", s.hedge)):
        fills = s.fills[s.fills["role"] == role]
        traded, spread, fee = (float(fills[c].sum()) for c in ("notional", "spread_cost", "fee"))
        funding = float(s.equity[f"funding_{role}"].iloc[-1]) if funded else 0.0
        total += (traded, spread, fee, funding)
        rows.append(_cost_row(f"{name} ({role})", traded, spread, fee, funding, funded=funded))
    rows.append(_cost_row("both", *total, funded=funded))
    parts = ("spread paid", "fees", *(("funding",) if funded else ()))
    head = ("leg", "traded", *parts, "together" if funded else "spread + fees", "of traded")
    return HTML(table(head, rows, last="total"))


def _cost_row(name: str, traded: float, spread: float, fee: float, funding: float, *, funded: bool) -> tuple[str, ...]:  # noqa: PLR0913 - the columns
    whole = spread + fee + funding
    parts = (spread, fee, *((funding,) if funded else ()))
    return name, money(traded), *map(money, parts), money(whole), bp(whole / traded if traded else None)


def slippage(s: Session) -> HTML:
    """Fill against the touch on which it was decided: what the delay cost, and what a wider spread cost."""
    frame = split_slippage(s)
    rows = []
    for role, name in (("primary", s.primary), ("hedge", s.hedge), (None, "both")):
        part = frame if role is None else frame[frame["role"] == role]
        traded = float(part["notional"].sum())
        worst = float(part["slippage_frac"].max()) if len(part) else None
        size = float((part["slippage_frac"].abs() * part["notional"]).sum() / traded) if traded else None
        mean = float(part["slippage"].sum() / traded) if traded else None
        wait = span(round(part["wait_s"].median(), 3)) if len(part) else "n/a"
        rows.append((name, *(money(float(part[c].sum())) for c in ("slippage", "delay", "spread")), bp(mean), bp(size), bp(worst), wait))
    head = ("leg", "slippage", "of it: price moved", "of it: spread changed", "mean, signed", "mean, unsigned", "worst fill", "median wait")
    return HTML(table(head, rows, last="total"))


def split_slippage(s: Session) -> pd.DataFrame:
    """Return the fills with slippage split into ``delay`` + ``spread`` (money, + = adverse), and ``wait_s`` from decision to fill.

    delay: the mid moved between decision and fill; spread: the half-spread was another one.
    """
    mids = s.decisions.drop_duplicates("ts", keep="last").set_index("ts")[["mid_primary", "mid_hedge"]]
    decided = s.orders.drop_duplicates("order_id").set_index("order_id")["ts"]
    frame = s.fills.copy()
    sent = pd.DatetimeIndex(decided.reindex(frame["order_id"]))
    at = mids.reindex(sent)
    frame["wait_s"] = (pd.DatetimeIndex(frame["venue_ts"]) - sent).total_seconds()
    then = np.where(frame["role"] == "primary", at["mid_primary"], at["mid_hedge"])
    frame["delay"] = (frame["mid"].to_numpy() - then) * frame["qty"] * frame["multiplier"]
    frame["spread"] = frame["slippage"] - frame["delay"]
    return frame


def orders(s: Session) -> HTML:
    """Orders and fills for each leg, and refusals by the venue's code."""
    rows = []
    for role, name in (("primary", s.primary), ("hedge", s.hedge), (None, "both")):
        o = s.orders if role is None else s.orders[s.orders["role"] == role]
        f = s.fills if role is None else s.fills[s.fills["role"] == role]
        status = o["status"].value_counts()
        left = len(o) - sum(int(status.get(k, 0)) for k in ("filled", "rejected", "cancelled"))
        split = int((o["n_fills"] > 1).sum())
        figures = len(o), *(int(status.get(k, 0)) for k in ("filled", "rejected", "cancelled")), left, split, len(f), partial(o, f)
        rows.append((name, *map(count, figures)))
    head = ("leg", "orders", "filled", "rejected", "cancelled", "unfinished", "filled in parts", "fills", "partial fills")
    body = table(head, rows, last="total")
    refused = [(code, message, count(n)) for (code, message), n in s.refusals]
    return HTML(body + (table(("rejected with code", "the venue said", "orders"), refused, words={0, 1}) if refused else ""))


def naked(s: Session) -> HTML:
    """Tell how long one leg stood without the other: the worst trades, all that went beyond the budget, and the steps that were taken."""
    found, budget_s = s.summary.naked, s.summary.naked.budget_s
    many = len(s.trades)
    share = f"{count(found.trades)} of {count(many, 'trade')} ({pct(found.trades / many if many else 0.0)})"
    alone = f"{money(found.money_s)} x s in all, as if one leg of a whole trade stood alone for {span(found.money_s / found.notional)}"
    line = f"In {share} one leg stood without the other for a time: {alone}. {_beyond(s)}"
    ranked = sorted(s.uneven, key=lambda trade: trade.money_s, reverse=True)
    shown = [trade for n, trade in enumerate(ranked) if n < ENDS or trade.hurried or (budget_s and trade.used_s > budget_s)]
    rows = [_uneven(s, trade) for trade in shown]
    steps = [(label(reason), words, count(s.ladder[reason])) for reason, words in LADDER.items()]
    caption = f"The worst {min(ENDS, len(rows))}, and all that were cut short or went beyond the budget while quotes came"
    trades = table(NAKED_HEAD, rows, words={0, 1, 6, 7}, caption=caption) if rows else Html("")
    taken = table(("step", "meaning", "times"), steps, words={0, 1}, caption="Steps of the ladder and of the breaker")
    return HTML(f"<p>{esc(line)}</p>{trades}{taken}")


def _beyond(s: Session) -> str:
    n = s.summary.naked
    if not n.budget_s:
        return "No budget was set."
    budget = f"{money(n.budget_s)} x s ({n.budget_s / n.notional:,.0f} s of a trade's whole notional)"
    if not n.beyond:
        return f"None went beyond the budget of {budget}."
    return f"{count(n.beyond)} went beyond the budget of {budget}, {count(n.helpless)} of them for want of fresh quotes."


def _uneven(s: Session, u: Uneven) -> tuple[object, ...]:
    n = s.summary.naked
    return (
        u.trade,
        Html(f'<span class="nowrap">{esc(when(pd.Timestamp(u.opened_ns, unit="ns", tz="UTC"), s.bar_s))}</span>'),
        money(u.money_s),
        span(u.money_s / n.notional),
        f"{u.money_s / n.budget_s:,.2f} x" if n.budget_s else NOTHING,
        span(u.seconds),
        "yes" if u.hurried else "",
        u.cause,
    )


def decisions(s: Session) -> HTML:
    """Decisions that traded, and those that did not, by reason."""
    taken = s.decisions["action"].isin(TAKEN)
    parts = [_reasons(s.decisions[mask], words) for mask, words in ((taken, "Decisions to trade"), (~taken, "Decisions to do nothing"))]
    return HTML(columns(*parts))


def _reasons(rows: pd.DataFrame, caption: str) -> Html:
    found = Counter(zip(rows["action"], rows["reason"], strict=True)).most_common()
    top = found[0][1] if found else 1
    bar = '<span class="hk-bar" style="width:{}px"></span>'
    lines = [(label(action), label(reason), Html(bar.format(max(1, round(90 * n / top)))), count(n)) for (action, reason), n in found]
    return table(("action", "reason", "", "decisions"), lines, words={0, 1, 2}, caption=f"{caption}: {count(len(rows))}")


def trades(s: Session) -> HTML:
    """List the newest trades, and the best and worst of all."""
    ranked = s.trades.dropna(subset=["closed"]).sort_values("hedged")
    many = len(ranked) > 2 * ENDS
    parts = [_trade_rows(s, s.trades.tail(LAST).iloc[::-1], f"Last {min(LAST, len(s.trades))} trades, newest first")]
    if many:
        best, worst = ranked.tail(ENDS).iloc[::-1], ranked.head(ENDS)
        parts += [_trade_rows(s, best, f"Best {ENDS}, hedged"), _trade_rows(s, worst, f"Worst {ENDS}, hedged")]
    return HTML("".join(parts))


def _trade_rows(s: Session, rows: pd.DataFrame, caption: str) -> Html:
    lines = [_trade(trade, s.bar_s) for trade in rows.to_dict("records")]
    return table(TRADE_HEAD, lines, words=range(5), caption=caption)


def _trade(t: dict[Hashable, Any], bar_s: float) -> tuple[object, ...]:
    return (
        t["trade"],
        "long" if t["side"] > 0 else "short",
        when(t["opened"], bar_s),
        "open" if pd.isna(t["closed"]) else when(t["closed"], bar_s),
        "" if pd.isna(t["exit_reason"]) else label(t["exit_reason"]),
        count(t["bars"]),
        num(t["z_entry"]),
        num(t["z_exit"]),
        money(t["hedged"]),
        money(t["unhedged"]),
        money(t["cost_primary"] + t["cost_hedge"]),
        money(t["gross_hedged"]),
        count(t["n_fills"]),
    )


def settled(s: Session) -> HTML:
    """Say in one line whether the books add up: trades against the P&L curve."""
    total, curve = float(s.trades["hedged"].sum()), s.summary.hedged.pnl
    same = abs(total - curve) <= CENT * max(1, len(s.fills))
    words = "they agree" if same else "they do not agree: trust neither before the difference is found"
    both = f"Sum of all trades {money(total, cents=True)}, end of the P&L curve {money(curve, cents=True)}: {words}."
    return HTML(f"<p>{esc(both)}</p>")
