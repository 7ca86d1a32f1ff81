"""The flat records of the step, packed and unpacked from Python: by ``struct``, which is many times as fast as numpy's own way."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from hedgekit.errors import ConfigError
from hedgekit.params import Params, instant_ns
from hedgekit.rules import state as codes
from hedgekit.structures import delta
from hedgekit.types import NS, HedgePlan, Instrument, Kind

_AS_THEY_ARE = (
    *("scale_steps", "lookback", "bar_ticks", "entry", "target", "stop", "time_stop", "scale_gap", "hedge_frac", "loss_cap"),
    *("volatility", "correlation", "notional", "tolerance", "risk_aversion", "horizon_bars", "retries"),
)


def _layout(record: np.dtype[np.void]) -> tuple[struct.Struct, list[int | slice]]:
    """Return how to read a record's bytes, and where each of its fields is among the values: one, or one for each leg."""
    text, places, at = "=", [], 0
    for name in record.names or ():
        kind = record[name]
        size = kind.shape[0] if kind.shape else 1
        text += f"{size}{'d' if kind.base == np.float64 else 'q'}"
        places.append(slice(at, at + size) if kind.shape else at)
        at += size
    return struct.Struct(text), places


OUT, OUT_FIELDS = _layout(codes.OUT)
OBSERVED, _ = _layout(codes.OBSERVATION)
PARAMS, _ = _layout(codes.PARAMS)
NO_RATIOS = (0.0,) * codes.LEGS_MAX


STAND_INS = {"none": -1, "primary": 0, "hedge": 1}
"""Which leg the last instrument stands in for."""


def structure_legs(params: Params, instruments: Sequence[Instrument]) -> int:
    """Return how many of the instruments, the first ones, are legs of the structure; the one after them stands in for one of them.

    Raises
    ------
    ConfigError
        If none is left to stand in, or it is listed where the leg is that it stands in for.
    """
    if params.stand_in == "none":
        return len(instruments)
    legs, stands_for = len(instruments) - 1, STAND_INS[params.stand_in]
    if legs <= max(stands_for, 1):
        msg = f"stand_in={params.stand_in!r} needs a further instrument, after the legs: the same thing at another venue"
        raise ConfigError(msg)
    if instruments[-1].venue == instruments[stands_for].venue:
        msg = f"stand_in={params.stand_in!r}: {instruments[-1].key} is at the venue of {instruments[stands_for].key} itself; name another"
        raise ConfigError(msg)
    return legs


def venues_of(instruments: Sequence[Instrument]) -> list[str]:
    """Return the venues in leg order, each once: their numbers in the records."""
    return list(dict.fromkeys(instrument.venue for instrument in instruments))


def pack_params(params: Params, instruments: Sequence[Instrument]) -> np.void:
    """Return the flat record of a strategy's numbers that the step reads.

    Raises
    ------
    ConfigError
        If the number or kind of instruments does not fit the structure or the signal.
    """
    most = codes.LEGS_MAX if params.structure in {"pairs", "unhedged"} else 2
    if not 2 <= len(instruments) <= most:  # noqa: PLR2004 - a primary and a hedge
        allowed = "2 instruments (primary, hedge)" if most == 2 else f"2 to {most} instruments (primary, hedges)"  # noqa: PLR2004 - as above
        msg = f"structure={params.structure!r} needs {allowed}, got {len(instruments)}"
        raise ConfigError(msg)
    contracts = {
        "loss_cap": instruments if params.loss_cap > 0 else (),
        "signal": instruments[:1] if params.signal == "logit" else (),
        "delta_model": instruments[: {"digital": 1, "information": 2}.get(params.delta_model, 0) if params.structure == "delta" else 0],
    }
    for name, needed in contracts.items():
        other = [instrument.key for instrument in needed if instrument.kind is not Kind.BINARY]
        if other:
            msg = f"{name}={getattr(params, name)!r} needs contracts that pay 0 or 1, and {other[0]} is none"
            raise ConfigError(msg)
    venues = venues_of(instruments)

    def each(values: Sequence[int | float]) -> tuple[int | float, ...]:
        return (*values, *(0,) * (codes.LEGS_MAX - len(values)))

    values: dict[str, Any] = {name: getattr(params, name) for name in _AS_THEY_ARE} | {
        "structure": codes.STRUCTURES[params.structure],
        "signal": codes.SIGNALS[params.signal],
        "to_edge": params.rebalance_to == "edge",
        "rearm": params.reentry == "inside entry",
        "cooldown": params.cooldown_bars,
        "n_legs": structure_legs(params, instruments),
        "n_all": len(instruments),
        "stands_for": STAND_INS[params.stand_in],
        "bar_ns": round(params.bar_s * NS),
        "offset_ns": round(params.bar_offset_s * NS),
        "interval_ns": round(params.interval_s * NS),
        "max_age_ns": round(params.max_quote_age_s * NS),
        "delta_model": delta.MODELS[params.delta_model],
        "expiry_ns": each([0 if expiry is None else instant_ns(expiry) for expiry in (params.expiry, params.hedge_expiry)]),
        "buffer": params.slippage_buffer,
        "limits": params.order_type == "limit",
        "patience_ns": round(params.patience_s * NS),
        "accept": params.accept_filled,
        "cap": params.slippage_cap,
        "naked_limit": params.naked_limit_s * params.notional,
        "inverse": each([instrument.inverse for instrument in instruments]),
        "venue": each([venues.index(instrument.venue) for instrument in instruments]),
        "tick": each([float(instrument.tick) for instrument in instruments]),
        "lot": each([float(instrument.lot) for instrument in instruments]),
        "multiplier": each([float(instrument.multiplier) for instrument in instruments]),
        "fee_rate": each([float(instrument.fees.rate) for instrument in instruments]),
        "fee_unit": each([float(instrument.fees.per_unit) for instrument in instruments]),
    }
    flat: list[int | float] = []
    for name in codes.PARAMS.names or ():
        value = values[name]
        flat.extend(value if isinstance(value, tuple) else (value,))
    record: np.void = np.frombuffer(bytearray(PARAMS.pack(*flat)), codes.PARAMS)[0]
    return record


def pack_plan(plan: HedgePlan, legs: int, significance: float) -> dict[str, Any]:
    """Return the observation that a revised plan is.

    Raises
    ------
    ConfigError
        If the plan has not one ratio for each hedge.
    """
    if len(plan.ratios) != legs - 1:
        msg = f"the plan has {len(plan.ratios)} hedge ratios for {legs - 1} hedges; give one for each"
        raise ConfigError(msg)
    return {
        "kind": codes.PLAN,
        "b": math.inf if plan.half_life is None else plan.half_life,
        "ratio": (0.0, *plan.ratios, *(0.0,) * (codes.LEGS_MAX - legs)),
        "until_ns": plan.valid_until_ns,
        "flag": int(plan.trusted(significance)),
    }
