"""What a user may hand over by mistake: every estimator gives a finite ratio, or says what is wrong, where and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats import ratio
from hedgekit.stats.inputs import legs, panel

METHODS: dict[str, Callable[..., ratio.RatioFit]] = {
    "naive": ratio.naive,
    "ols": ratio.ols,
    "dols": ratio.dols,
    "johansen": ratio.johansen,
    "tls": ratio.tls,
    "rolling": ratio.rolling,
    "ewma": ratio.ewma,
    "kalman": ratio.kalman,
    "dcc": ratio.dcc,
}


def frame_of(n: int = 320, seed: int = 0) -> pd.DataFrame:
    """Return two tied prices with a UTC index."""
    rng = np.random.default_rng(seed)
    h = 0.01 * rng.standard_normal(n).cumsum()
    p = 0.8 * h + 0.004 * rng.standard_normal(n)
    return pd.DataFrame({"KO": 40 * np.exp(p), "PEP": 90 * np.exp(h)}, index=pd.date_range("2024-01-01", periods=n, tz="UTC"))


# ------------------------------------------------------- one mistake, one message


def with_value(column: str, row: int, value: float) -> pd.DataFrame:
    frame = frame_of()
    frame.iloc[row, list(frame).index(column)] = value
    return frame


def mixed_zones(n: int = 320) -> pd.Index:
    return pd.Index([pd.Timestamp(2024, 1, 1, tz="UTC" if i % 2 else "Asia/Tokyo") + pd.Timedelta(days=i) for i in range(n)], dtype=object)


def texts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).assign(PEP=[f"{x:.2f}" for x in frame.PEP])


SHIFTED = frame_of().index + pd.Timedelta(days=3)
TWICE = frame_of().index.where(np.arange(320) != 7, frame_of().index[6])

MISTAKES: dict[str, tuple[Callable[[], tuple[Any, Any]], str]] = {
    "missing": (
        lambda: (with_value("KO", 17, np.nan).KO, frame_of().PEP),
        r"KO is nan at position 17 \(2024-01-18 .*\) \(1 such rows\): .*missing='drop'",
    ),
    "infinite": (lambda: (frame_of().KO, with_value("PEP", 3, np.inf).PEP), r"PEP is inf at position 3 .*: correct the value"),
    "minus infinite": (lambda: (frame_of().KO, with_value("PEP", 3, -np.inf).PEP), r"PEP is -inf at position 3"),
    "not above zero": (
        lambda: (frame_of().KO, with_value("PEP", 5, 0.0).PEP),
        r"PEP is 0 at position 5 .*logs and returns need prices above 0; work on price changes",
    ),
    "never moves": (lambda: (frame_of().KO * 0 + 7, frame_of().PEP), r"KO never moves \(7 at all 320 positions\): choose a window"),
    "one pace": (
        lambda: (frame_of().KO, frame_of().PEP * 0 + 1.001 ** np.arange(320)),
        r"PEP makes the same move at all positions, 1 to 319",
    ),
    "too few": (lambda: (frame_of().KO[:8], frame_of().PEP[:8]), r"8 prices are too few, at least \d+ are needed; load more history"),
    "empty": (lambda: ([], []), r"0 prices are too few"),
    "lengths": (
        lambda: (frame_of().KO.to_numpy()[1:], frame_of().PEP.to_numpy()),
        r"primary has shape \(319,\), hedge \(320,\): give series",
    ),
    "indexes": (
        lambda: (frame_of().KO, frame_of().PEP.set_axis(SHIFTED)),
        r"different indexes \(.* is in (primary|hedge) only\): align them first, or say align='inner'",
    ),
    "duplicate times": (
        lambda: (frame_of().KO.set_axis(TWICE), frame_of().PEP.set_axis(TWICE)),
        r"the index: 2024-01-07 .* at position 7 is there twice; keep one row",
    ),
    "unsorted": (
        lambda: (frame_of().KO[::-1], frame_of().PEP[::-1]),
        r"the index: .* at position 1 comes after a later one; sort the rows",
    ),
    "zones of two": (
        lambda: (frame_of().KO.tz_convert("America/New_York"), frame_of().PEP),
        r"primary's times are in America/New_York, hedge's in UTC: mixed time zones; convert both",
    ),
    "zones of one": (
        lambda: (frame_of().KO.set_axis(mixed_zones()), frame_of().PEP.set_axis(mixed_zones())),
        r"the index mixes time zones \(Asia/Tokyo, UTC\): make one with pd.to_datetime",
    ),
    "texts": (lambda: (frame_of().KO, texts(frame_of()).PEP), r"PEP is '.*' at position 0, not a number; correct the value"),
    "truth values": (lambda: (frame_of().KO, frame_of().PEP > 90), r"PEP is (True|False) at position 0, not a number"),
    "dates": (lambda: (frame_of().KO.to_numpy(), frame_of().index.to_numpy()), r"hedge is .* at position 0, not a number"),
    "complex": (lambda: (frame_of().KO.to_numpy() * 1j, frame_of().PEP.to_numpy()), r"primary is .*j.* at position 0, not a number"),
    "columns twice": (
        lambda: (frame_of().KO, pd.concat([frame_of().PEP, frame_of().PEP], axis=1)),
        r"column 'PEP' is there twice; give every column its own name",
    ),
    "primary too wide": (lambda: (frame_of(), frame_of().PEP), r"primary has 2 columns: give one, for example prices\['KO'\]"),
    "one number": (lambda: (1.0, 2.0), r"primary has shape \(\): give \(n,\)"),
    "no column": (lambda: (frame_of().KO, frame_of()[[]]), r"hedge has no column"),
    "too large": (lambda: (with_value("KO", 2, 1e31).KO, frame_of().PEP), r"KO is 1e\+31 at position 2 .*: beyond 1e-30 to 1e\+30"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_estimator_says_what_is_wrong_where_and_how_to_mend_it(mistake: str, method: str) -> None:
    make, text = MISTAKES[mistake]
    p, h = make()
    with pytest.raises(DataError, match=text):
        METHODS[method](p, h)


@pytest.mark.parametrize("method", ["naive", "ols", "dols", "johansen"])
def test_the_second_of_several_hedges_is_named(method: str) -> None:
    frame = frame_of()
    more = frame[["PEP"]].assign(MNST=20 + np.random.default_rng(1).standard_normal(320).cumsum() * 0.1)
    assert METHODS[method](frame.KO, more).hedges == ("PEP", "MNST")
    for value, text in ((np.nan, "MNST is nan at position 9"), (-np.inf, "MNST is -inf at position 9"), (-2.0, "MNST is -2 at position 9")):
        bad = more.copy()
        bad.iloc[9, 1] = value
        with pytest.raises(DataError, match=text):
            METHODS[method](frame.KO, bad)


# ------------------------------------------------------------ what may be asked for


def test_missing_rows_are_left_out_when_asked_and_told() -> None:
    frame = with_value("KO", 17, np.nan)
    fit = ratio.ols(frame.KO, frame.PEP, missing="drop")
    clean = frame.dropna()
    assert fit == replace(ratio.ols(clean.KO, clean.PEP), warnings=fit.warnings)
    assert any(
        text.startswith("missing='drop': left out 1 of 320 rows with a missing value, the first at position 17") for text in fit.warnings
    )


def test_times_that_both_have_are_kept_when_asked_and_told() -> None:
    frame = frame_of()
    fit = ratio.ols(frame.KO[10:], frame.PEP[:300], align="inner")
    assert fit.n == 289
    assert "align='inner': 290 times that both have; left out 20 of primary, 10 of hedge" in fit.warnings
    nothing = frame.PEP.set_axis(frame.index + pd.Timedelta(days=900))
    with pytest.raises(DataError, match="0 prices are too few"):
        ratio.ols(frame.KO, nothing, align="inner")


def test_negative_prices_may_be_hedged_on_changes() -> None:
    frame = frame_of() - 60.0
    assert np.isfinite(ratio.ols(frame.KO, frame.PEP, on="changes").ratio)
    with pytest.raises(DataError, match="need prices above 0"):
        ratio.ols(frame.KO, frame.PEP)


@pytest.mark.parametrize("kind", ["float32", "int64", "Int64", "Float64", "object"])
def test_other_kinds_of_numbers_are_numbers(kind: str) -> None:
    frame = (frame_of() * 100).round().astype(kind)
    assert ratio.ols(frame.KO, frame.PEP).ratio == pytest.approx(ratio.ols(*(frame_of()[name] for name in ("KO", "PEP"))).ratio, rel=0.05)


def test_inputs_are_never_changed() -> None:
    frame = frame_of()
    before = frame.copy()
    for method in METHODS.values():
        method(frame.KO, frame.PEP)
    pd.testing.assert_frame_equal(frame, before)


def test_a_panel_names_columns_and_times() -> None:
    frame = frame_of()
    whole = panel(frame.tz_localize(None))
    assert whole.names == ("KO", "PEP")
    assert str(whole.index.tz) == "UTC"  # type: ignore[union-attr]  # the frame has times
    assert whole.where(3) == "position 3 (2024-01-04 00:00:00+00:00)"
    assert len(whole.rows(5, 9)) == 4
    assert panel(frame.to_numpy(), names=["a", "b"]).names == ("a", "b")
    assert panel(frame.to_numpy()).names == ("column 0", "column 1")
    assert legs(frame.KO, frame.KO).names == ("primary", "KO")
    assert legs(frame.KO.to_numpy(), frame.to_numpy()).names == ("primary", "hedge 1", "hedge 2")
    with pytest.raises(DataError, match="3 dimensions"):
        panel(np.zeros((2, 2, 2)))
    with pytest.raises(DataError, match=r"1 names for 2 columns: give one for each"):
        panel(frame.to_numpy(), names=["a"])


# -------------------------------------------------------------------------- Hypothesis

ODD = [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-300, 1e300, 5e-324, 1e15, 1e-15]
ONS = ["log returns", "returns", "changes", "log prices", "prices"]
SHAPES = ("walk", "constant", "line", "growth", "step", "same", "integers", "alternating")


def shape_of(kind: str, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    walk = 50 * np.exp(0.01 * rng.standard_normal(n).cumsum())
    place = np.arange(n)
    shapes = {
        "walk": walk,
        "constant": np.full(n, 3.0),
        "line": 1.0 + place,
        "growth": 1.001**place,
        "step": np.where(place < n // 2, 2.0, 3.0),
        "same": 50 * np.exp(0.01 * np.random.default_rng(99).standard_normal(n).cumsum()),
        "integers": rng.integers(1, 4, n).astype(np.float64),
        "alternating": np.where(place % 2 == 0, 2.0, 3.0),
    }
    return shapes[kind]


@st.composite
def handed_over(draw: st.DrawFn) -> tuple[Any, Any]:
    """Return a primary and a hedge as a careless user might hand them over: about half are sound."""
    n = draw(st.sampled_from([260, 260, 120, 62, 31, 11, 9, 2, 1, 0]))
    spoilt = draw(st.sets(st.sampled_from(["shape", "value", "kind", "scale", "index"]), max_size=2)) if draw(st.booleans()) else set()
    sides: list[Any] = []
    for place in range(2):
        kind = draw(st.sampled_from(SHAPES)) if "shape" in spoilt else "walk"
        values = shape_of(kind, n, draw(st.integers(0, 5)) + 10 * place)
        values = values * draw(st.sampled_from([1e-12, 1e12, -1.0, 1e25])) if "scale" in spoilt else values
        if "value" in spoilt and n:
            values[draw(st.integers(0, n - 1))] = draw(st.sampled_from(ODD))
        dtype = draw(st.sampled_from(["float32", "object", "bool"])) if "kind" in spoilt else "float64"
        with np.errstate(over="ignore", under="ignore"):
            sides.append(values.astype(dtype))
    if "index" in spoilt or draw(st.booleans()):
        index = pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC")
        others = {
            "shifted": index + pd.Timedelta(hours=1),
            "twice": index[np.maximum(np.arange(n) - 1, 0)],
            "backwards": index[::-1],
            "zones": index.tz_convert("Asia/Tokyo"),
            "numbers": pd.RangeIndex(n),
        }
        other = others[draw(st.sampled_from(sorted(others)))] if "index" in spoilt else index
        return pd.Series(sides[0], index, name="KO"), pd.Series(sides[1], other, name="PEP")
    return sides[0], sides[1]


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    pair=handed_over(),
    on=st.sampled_from(ONS),
    align=st.sampled_from(["refuse", "inner"]),
    missing=st.sampled_from(["refuse", "drop"]),
    folds=st.sampled_from([0, 2]),
)
def test_law_a_finite_ratio_or_a_clear_error(  # noqa: PLR0913 - whatever a user may say
    method: str, pair: tuple[Any, Any], on: str, align: str, missing: str, folds: int
) -> None:
    try:
        fit = METHODS[method](*pair, on=on, align=align, missing=missing, folds=folds)
    except ConfigError as error:
        event("option refused")
        assert re.search(r"on='[a-z ]+': ", str(error))  # noqa: PT017 - an error is one of the right answers
    except DataError as error:
        event("data refused")
        check_error(str(error))
    else:
        event("fitted")
        assert np.isfinite(fit.ratios).all()
        panel_rows = fit.n + sum(fit.details.get(name, 0) for name in ("leads", "lags") if method == "dols") + 2 * (method == "johansen")
        asked = [text for text in fit.warnings if text.startswith(("missing=", "align="))]
        assert asked or method == "rolling" or panel_rows >= len(pair[0]) - 1


def check_error(text: str) -> None:
    """Check that a message is one line, and names a column and a position (or what stands for all of them)."""
    assert "\n" not in text
    assert re.search("position|too few|index|times|same length|linearly dependent", text), text
    assert re.search("primary|hedge|KO|PEP|index|too few", text), text
