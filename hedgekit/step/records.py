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
    *("entry", "target", "stop", "time_stop", "scale_gap", "hedge_frac", "loss_cap", "volatility", "correlation"),
    *("notional", "tolerance", "risk_aversion", "horizon_bars", "retries"),
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
    record: np.void = np.zeros(1, codes.PARAMS)[0]
    record["structure"] = codes.STRUCTURES[params.structure]
    record["signal"] = codes.SIGNALS[params.signal]
    record["to_edge"], record["rearm"] = params.rebalance_to == "edge", params.reentry == "inside entry"
    record["cooldown"], record["scale_steps"] = params.cooldown_bars, params.scale_steps
    stands_for = STAND_INS[params.stand_in]
    record["n_all"], record["n_legs"], record["stands_for"] = len(instruments), structure_legs(params, instruments), stands_for
    record["lookback"], record["bar_ticks"] = params.lookback, params.bar_ticks
    for name, seconds in (("bar", params.bar_s), ("offset", params.bar_offset_s), ("interval", params.interval_s)):
        record[f"{name}_ns"] = round(seconds * NS)
    record["limits"], record["accept"], record["cap"] = params.order_type == "limit", params.accept_filled, params.slippage_cap
    record["patience_ns"], record["naked_limit"] = round(params.patience_s * NS), params.naked_limit_s * params.notional
    record["max_age_ns"] = round(params.max_quote_age_s * NS)
    record["buffer"] = params.slippage_buffer
    for name in _AS_THEY_ARE:
        record[name] = getattr(params, name)
    record["delta_model"] = delta.MODELS[params.delta_model]
    for leg, expiry in enumerate((params.expiry, params.hedge_expiry)):
        record["expiry_ns"][leg] = 0 if expiry is None else instant_ns(expiry)
    venues = venues_of(instruments)
    for leg, instrument in enumerate(instruments):
        record["inverse"][leg] = instrument.inverse
        record["venue"][leg] = venues.index(instrument.venue)
        record["lot"][leg], record["tick"][leg] = float(instrument.lot), float(instrument.tick)
        record["multiplier"][leg] = float(instrument.multiplier)
        record["fee_rate"][leg] = float(instrument.fees.rate)
        record["fee_unit"][leg] = float(instrument.fees.per_unit)
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
