"""Every number of a strategy: default, range, unit and the article's rule.

The hard range is what the code accepts; ``usual`` is what the article calls
usual, and widgets use it for their sliders. A wrong value gives one error that
names the value, the range and the fix; a misspelt name gets "did you mean".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hedgekit.errors import ConfigError, meant

IN_FLIGHT = (
    *("entry", "target", "stop", "time_stop", "cooldown_bars"),
    *("tolerance", "interval_s", "risk_aversion", "horizon_bars", "slippage_buffer"),
)
"""Numbers that may change while a session runs: thresholds and the corridor. What is held, measured or warmed up depends on the others."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?")

WINDOW_MAX = 512
"""Longest lookback in bars: the compiled state has room for this many."""


def _number(  # noqa: PLR0913 - one row of a table, read across
    default: float, low: float, high: float, unit: str, rule: str, help_: str, usual: tuple[float, float] | None = None
) -> Any:  # noqa: ANN401 - pydantic's own Field type is Any
    extra: dict[str, Any] = {"unit": unit, "rule": rule, "usual": list(usual or (low, high))}
    return Field(default=default, ge=low, le=high, description=help_, json_schema_extra=extra)


def instant_ns(text: str) -> int:
    """Return a UTC time written as ISO 8601 in nanoseconds; ValueError if it is none, or of another zone."""
    plain = text.removesuffix("Z").removesuffix("+00:00")
    if not _TIME.fullmatch(plain):
        msg = f"{text!r} is no UTC time"
        raise ValueError(msg)
    return int(np.datetime64(plain, "ns").astype(np.int64))


class Params(BaseModel):
    """A strategy's parameters, validated and frozen.

    Raises
    ------
    ConfigError
        From :meth:`make`, naming the parameter, its value, its range and the fix.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    structure: Literal["pairs", "synthetic", "delta", "unhedged"] = Field(
        default="pairs",
        description="hedge structure",
        json_schema_extra={"unit": "", "rule": "A6", "usual": ["pairs", "synthetic", "delta", "unhedged"]},
    )
    signal: Literal["log spread", "spread", "ratio", "price", "logit", "s-score", "user"] = Field(
        default="log spread",
        description="what z is the score of: see rules/signal.py",
        json_schema_extra={"unit": "", "rule": "A1", "usual": ["log spread", "s-score", "logit"]},
    )
    lookback: int = _number(20, 5, WINDOW_MAX, "bars", "A1", "window of the z-score, the present bar included", (20, 60))
    entry: float = _number(2.0, 0.1, 10.0, "sd", "A1", "enter when |z| reaches this", (1.5, 2.5))
    target: float = _number(0.5, -10.0, 10.0, "sd", "A2", "take profit when z comes back to this, on the side entered", (0.0, 1.0))
    stop: float = _number(3.5, 0.1, 100.0, "sd", "A2", "close both legs when z goes on to this", (3.0, 5.0))
    time_stop: float = _number(
        0.0, 0.0, 1_000.0, "half-lives", "A2", "close a trade that is older than this many half-lives of its plan; 0 for never", (0.0, 5.0)
    )
    cooldown_bars: int = _number(0, 0, 1_000_000, "bars", "A2", "no entry for so long after a stop or time stop", (0, 60))
    reentry: Literal["inside entry", "at once"] = Field(
        default="inside entry",
        description="after a stop: wait until |z| is below the entry level again, or enter at once",
        json_schema_extra={"unit": "", "rule": "A2", "usual": ["inside entry", "at once"]},
    )
    scale_steps: int = _number(1, 1, 10, "steps", "A1", "equal parts in which a position is entered", (1, 3))
    scale_gap: float = _number(0.5, 0.01, 10.0, "sd", "A1", "how much further z must go for each next part", (0.25, 1.0))
    bar_s: float = _number(60.0, 0.1, 604_800.0, "s", "A1", "length of a bar")
    bar_ticks: int = _number(0, 0, 1_000_000, "quotes", "A1", "quotes of the primary in a bar; 0 for bars of bar_s")
    bar_offset_s: float = _number(0.0, 0.0, 604_800.0, "s", "A1", "a bar closes at multiples of bar_s after midnight UTC, plus this")
    notional: float = _number(100_000.0, 1e-6, 1e12, "quote currency", "A4", "size of the primary leg")
    hedge_frac: float = _number(
        0.15,
        0.0,
        10.0,
        "hedge dollars a primary dollar",
        "A7",
        "size of a synthetic hedge, from the adverse excursion it must cover",
        (0.1, 0.5),
    )
    loss_cap: float = _number(
        0.0,
        0.0,
        1e12,
        "quote currency",
        "A7",
        "synthetic hedge by the opposite binary contract: most that a resolution may cost; 0: by hedge_frac",
    )
    delta_model: Literal["beta", "linear", "digital", "information"] = Field(
        default="beta",
        description="what the delta structure holds for a dollar of primary: see structures/delta.py",
        json_schema_extra={"unit": "", "rule": "A8", "usual": ["beta", "linear", "digital", "information"]},
    )
    volatility: float = _number(
        0.0, 0.0, 100.0, "per square root of a year", "A8", "of the hedge's price: what a digital contract's delta rests on", (0.2, 1.0)
    )
    correlation: float = _number(
        1.0, -1.0, 1.0, "fraction", "A8", "of the news that moves two contracts; -1 for one that pays when its hedge falls", (0.5, 1.0)
    )
    expiry: str | None = Field(
        default=None,
        description="when the primary contract ends, UTC, for example 2026-12-31T00:00:00",
        json_schema_extra={"unit": "", "rule": "A8", "usual": []},
    )
    hedge_expiry: str | None = Field(
        default=None,
        description="when the hedge contract ends, UTC",
        json_schema_extra={"unit": "", "rule": "A8", "usual": []},
    )
    tolerance: float = _number(0.05, 0.0, 1.0, "fraction of notional", "A15", "net delta allowed before a rebalance", (0.02, 0.10))
    interval_s: float = _number(5.0, 0.001, 86_400.0, "s", "A15", "shortest time between two looks at the delta", (1.0, 60.0))
    rebalance_to: Literal["edge", "target"] = Field(
        default="edge",
        description="where a rebalance goes: the near edge of the band in which trading costs more than it helps, or the target itself",
        json_schema_extra={"unit": "", "rule": "A16", "usual": ["edge", "target"]},
    )
    risk_aversion: float = _number(
        10.0, 0.0, 1e6, "1 / notional", "A16", "price of variance when a rebalance is weighed against its cost", (1.0, 20.0)
    )
    horizon_bars: float = _number(10.0, 0.1, 10_000.0, "bars", "A16", "how long a rebalance is expected to matter", (1.0, 60.0))
    slippage_buffer: float = _number(
        0.003, 0.0, 0.1, "fraction of notional", "A20", "kept back in every profitability calculation", (0.002, 0.005)
    )
    max_quote_age_s: float = _number(5.0, 0.001, 86_400.0, "s", "A9", "no decision on a quote older than this", (1.0, 60.0))
    order_type: Literal["market", "limit"] = Field(
        default="market",
        description="orders at market, or limited to the touch that they were decided on",
        json_schema_extra={"unit": "", "rule": "A18", "usual": ["market", "limit"]},
    )
    patience_s: float = _number(
        5.0, 0.0, 86_400.0, "s", "A18", "an order that a newer quote has left unfilled for so long is cancelled; 0 for never", (1.0, 10.0)
    )
    accept_filled: float = _number(
        1.0, 0.0, 1.0, "fraction", "A18", "an overdue leg is accepted as it is when so much of it has filled; 1 for never", (0.8, 1.0)
    )
    retries: int = _number(2, 0, 100, "orders", "A18", "how often an overdue order is sent anew at the touch, before it crosses", (0, 3))
    slippage_cap: float = _number(
        0.005,
        0.0,
        0.1,
        "fraction of price",
        "A18",
        "how far beyond the touch the last limit order goes, before the pair is cut back",
        (0.002, 0.005),
    )
    naked_limit_s: float = _number(
        60.0, 0.0, 1e6, "s", "A18", "a trade's unhedged exposure, in seconds of its whole notional; 0 for no limit", (5.0, 60.0)
    )
    breaker_s: float = _number(
        45.0,
        0.0,
        86_400.0,
        "s",
        "A19",
        "no word from the venue for so long: stop, and close both legs when it is back; 0 for never",
        (30.0, 60.0),
    )
    stand_in: Literal["none", "primary", "hedge"] = Field(
        default="none",
        description="leg that the last instrument, the same thing at another venue, stands in for while its venue is silent (sessions)",
        json_schema_extra={"unit": "", "rule": "A19", "usual": ["none", "primary", "hedge"]},
    )
    fit_bars: int = _number(250, 30, 1_000_000, "bars", "A4", "returns used to estimate the hedge ratio", (126, 252))
    refit_bars: int = _number(42, 1, 1_000_000, "bars", "A5", "bars between two estimates of the hedge ratio", (21, 42))
    plan_valid_days: float = _number(90.0, 0.001, 3_650.0, "days", "A5", "a plan older than this opens no trade", (30.0, 90.0))
    significance: float = _number(0.05, 0.0001, 0.5, "probability", "A4", "a plan's evidence must have a p-value below this", (0.01, 0.1))
    evidence_override: str | None = Field(
        default=None,
        min_length=10,
        description="the reason for trading although the evidence fails; written to the journal and the report",
        json_schema_extra={"unit": "", "rule": "A4", "usual": []},
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.target < self.entry < self.stop:
            msg = (
                f"target={self.target:g}, entry={self.entry:g}, stop={self.stop:g}: "
                "they must satisfy target < entry < stop; write for example target=0.5, entry=2, stop=3.5"
            )
            raise ValueError(msg)
        if self.bar_offset_s >= self.bar_s:
            msg = f"bar_offset_s={self.bar_offset_s:g}: must be below bar_s={self.bar_s:g}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _timed(self) -> Self:
        for name in ("expiry", "hedge_expiry"):
            given = getattr(self, name)
            if given is not None:
                try:
                    instant_ns(given)
                except ValueError:
                    msg = f"{name}={given!r}: is no time; write for example 2026-12-31T00:00:00 (UTC)"
                    raise ValueError(msg) from None
        if self.structure != "delta" or self.delta_model not in {"digital", "information"}:
            return self
        needed = {"expiry": "2026-12-31T00:00:00"} | (
            {"volatility": 0.6} if self.delta_model == "digital" else {"hedge_expiry": "2026-12-31T00:00:00"}
        )
        for name, example in needed.items():
            if not getattr(self, name):
                msg = f"{name}={getattr(self, name)!r}: delta_model={self.delta_model!r} needs it; write for example {name}={example!r}"
                raise ValueError(msg)
        return self

    @classmethod
    def make(cls, **values: Any) -> Self:  # noqa: ANN401 - anything may come from a notebook; it is validated here
        """Return validated parameters, or raise one :class:`ConfigError` that says the fix."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise ConfigError("; ".join(cls._say(item) for item in error.errors())) from None

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return these parameters with some of :data:`IN_FLIGHT` changed, in their ranges and in order among themselves.

        Raises
        ------
        ConfigError
            If there is nothing to change, or a name or value is not allowed.
        """
        fixed = [name for name in changes if name in type(self).model_fields and name not in IN_FLIGHT]
        if fixed or not changes:
            said = f"{fixed[0]}={changes[fixed[0]]!r}: cannot change while a session runs" if fixed else "nothing to change"
            msg = f"{said}; these can: {', '.join(IN_FLIGHT)}"
            raise ConfigError(msg)
        return self.make(**(self.model_dump() | dict(changes)))

    @classmethod
    def _say(cls, item: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
        name, value = ".".join(map(str, item["loc"])), item.get("input")
        if item["type"] == "extra_forbidden":
            return f"unknown parameter {name!r}; {meant(name, cls.model_fields, 'known: ' + ', '.join(cls.model_fields))}"
        if not name:
            return str(item["msg"]).removeprefix("Value error, ")
        low, high, unit, rule = cls.range_of(name)
        if low is None:
            return f"{name}={value!r}: {str(item['msg']).lower()} ({rule})"
        whole = "a whole number, " if item["type"].startswith("int_") else ""
        usual = cls._extra(name)["usual"]
        fix = f"; usual values: {usual[0]:g} to {usual[1]:g}" if [*usual] != [low, high] else ""
        return f"{name}={value!r}: must be {whole}{low:g} to {high:g} {unit}".rstrip() + f" ({rule}){fix}"

    @classmethod
    def _extra(cls, name: str) -> dict[str, Any]:
        extra = cls.model_fields[name].json_schema_extra
        return extra if isinstance(extra, dict) else {}

    @classmethod
    def range_of(cls, name: str) -> tuple[float | None, float | None, str, str]:
        """Return (lowest, highest, unit, rule) of a parameter; None where it has no range."""
        bounds = {type(m).__name__: m for m in cls.model_fields[name].metadata}
        low = getattr(bounds.get("Ge"), "ge", None)
        high = getattr(bounds.get("Le"), "le", None)
        extra = cls._extra(name)
        return low, high, str(extra["unit"]), str(extra["rule"])

    @classmethod
    def table(cls) -> str:
        """Return every parameter as a Markdown table, for the README and notebooks."""
        head = "| parameter | default | range | usual | unit | rule | meaning |"
        return "\n".join([head, "|---" * 7 + "|", *(cls._row(name) for name in cls.model_fields)])

    @classmethod
    def _row(cls, name: str) -> str:
        low, high, unit, rule = cls.range_of(name)
        field, usual = cls.model_fields[name], [f"{u:g}" if isinstance(u, float | int) else str(u) for u in cls._extra(name)["usual"]]
        default = f"{field.default:g}" if isinstance(field.default, float | int) else str(field.default)
        allowed, common = (f"{low:g} to {high:g}", " to ".join(usual)) if low is not None else ("", ", ".join(usual))
        meaning = (field.description or "").replace("|", "\\|")
        return f"| `{name}` | {default} | {allowed} | {common} | {unit} | {rule} | {meaning} |"
