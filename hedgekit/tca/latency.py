"""How long messages took: from the venue to us, from a decision to its acknowledgement, and what that says of the request alone.

A journal has four times of an order's life: decided, acknowledged (heard), executed (the venue's clock) and execution heard. So

    stream  = heard - venue's time, of fills and of quotes         one way, venue to client
    ack     = acknowledged - decided                               request there, word of it back
    request = ack - stream                                         one way, client to venue

The acknowledgement is noted once, by whichever comes first: the stream or the reply to the request. If the reply was
sooner, ``ack - stream`` is less than the request took, so ``request`` is exact or too short, and the reply's own way
cannot be told. One-way times compare two clocks: an offset between them is added to the one and taken from the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.tca.estimates import NAN, median
from hedgekit.tca.read import NAT, Executions, ns

if TYPE_CHECKING:
    from hedgekit.data.tape import Array, Stamps

QUANTILES = (0.05, 0.25, 0.75, 0.95, 0.99)
_MS = 1e-6
"""Milliseconds in a nanosecond."""

ROWS = {
    "quote": "venue to client, quotes",
    "fill": "venue to client, fills",
    "ack": "decision to acknowledgement heard",
    "request": "client to venue (ack less stream)",
    "to fill": "decision to first fill at the venue",
    "to fill heard": "decision to first fill heard",
}


@dataclass(frozen=True, eq=False, slots=True)
class Latency:
    """Times of a session's messages.

    Attributes
    ----------
    table : DataFrame
        Index :data:`ROWS`' names. Columns ``what``, ``n``, ``median``, ``low``, ``high`` (its interval from order statistics), ``least``,
        ``p05, p25, p75, p95, p99``, ``most``; all in milliseconds. NaN without an observation.
    stream_ns, request_ns : int or None
        Medians, venue to client (of fills, or of quotes if nothing filled) and client to venue; None if nothing tells.
    constant : bool
        Whether each of several observations of both is the same to the nanosecond: a simulated exchange's parameter.
    without_ack : int
        Orders never acknowledged; they are in no latency.
    """

    table: pd.DataFrame
    stream_ns: int | None
    request_ns: int | None
    constant: bool
    without_ack: int


def latency(found: Executions, level: float) -> Latency:
    """Measure the times of a session's messages.

    Parameters
    ----------
    found : Executions
        What was read of the session.
    level : float
        Confidence of the medians' intervals.
    """
    fill = ns(found.fills["ts"]) - ns(found.fills["venue_ts"])
    quote = np.concatenate([quotes.ts_ns - quotes.venue_ns for quotes in found.quotes.values()] or [np.zeros(0, np.int64)])
    acked, decided = ns(found.orders["acked"]), ns(found.orders["ts"])
    ack = (acked - decided)[acked != NAT]
    stream = _middle(fill if len(fill) else quote)
    request = ack - stream if stream is not None else np.zeros(0, np.int64)
    first = found.fills.drop_duplicates("order_id").merge(found.orders[["order_id", "ts"]], on="order_id", suffixes=("", "_decided"))
    away = ns(first["ts_decided"])
    samples = {
        "quote": quote,
        "fill": fill,
        "ack": ack,
        "request": request,
        "to fill": ns(first["venue_ts"]) - away,
        "to fill heard": ns(first["ts"]) - away,
    }
    rows = {name: {"what": ROWS[name], **_row(values * _MS, level)} for name, values in samples.items()}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("latency")
    constant = _same(fill if len(fill) else quote) and _same(ack)
    return Latency(table, stream, _middle(request), constant, int(np.sum(acked == NAT)))


def arrivals(found: Executions, measured: Latency) -> Stamps:
    """Return when each order reached the venue, int64 shape (orders,): acknowledged less the stream's median, else by the request's."""
    decided, acked = ns(found.orders["ts"]), ns(found.orders["acked"])
    own = acked - (measured.stream_ns or 0)
    known: Stamps = np.where(acked == NAT, decided + (measured.request_ns or 0), own)
    return known


def _middle(values: Stamps) -> int | None:
    return round(float(np.median(values))) if len(values) else None


def _same(values: Stamps) -> bool:
    return len(values) > 1 and int(np.ptp(values)) == 0


def _row(ms: Array, level: float) -> dict[str, float]:
    middle = median(ms, level)
    cuts = np.quantile(ms, QUANTILES) if len(ms) else np.full(len(QUANTILES), NAN)
    named = {f"p{round(q * 100):02d}": float(value) for q, value in zip(QUANTILES, cuts, strict=True)}
    ends = (float(ms.min()), float(ms.max())) if len(ms) else (NAN, NAN)
    return {"n": middle.n, "median": middle.value, "low": middle.low, "high": middle.high, "least": ends[0], **named, "most": ends[1]}
