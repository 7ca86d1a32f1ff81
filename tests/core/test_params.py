"""Every number has its unit, rule and range; a wrong one gets the fix."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.params import Params

NUMBERS = [name for name in Params.model_fields if Params.range_of(name)[0] is not None]
WORDS = [name for name in Params.model_fields if name not in NUMBERS]


@pytest.mark.parametrize("name", Params.model_fields)
def test_every_parameter_says_unit_rule_and_meaning(name: str) -> None:
    _, _, unit, rule = Params.range_of(name)
    assert rule[0] == "A"
    assert 1 <= int(rule[1:]) <= 30
    assert Params.model_fields[name].description
    assert unit or name in WORDS


@pytest.mark.parametrize("name", NUMBERS)
def test_usual_values_and_default_lie_in_the_range(name: str) -> None:
    low, high, _, _ = Params.range_of(name)
    assert low is not None
    assert high is not None
    usual = Params._extra(name)["usual"]
    assert low <= usual[0] <= usual[1] <= high
    assert low <= Params.model_fields[name].default <= high


def test_the_words_are_these() -> None:
    assert WORDS == [
        "structure",
        "signal",
        "reentry",
        "delta_model",
        "expiry",
        "hedge_expiry",
        "rebalance_to",
        "order_type",
        "stand_in",
        "evidence_override",
    ]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_value_out_of_range_is_named_with_range_and_fix(name: str) -> None:
    low, high, unit, rule = Params.range_of(name)
    assert low is not None
    assert high is not None
    for bad in (low - 1, high * 2 + 1, float("nan"), float("inf")):
        with pytest.raises(ConfigError) as caught:
            Params.make(**{name: bad})
        text = str(caught.value)
        assert f"{name}={bad!r}" in text
        assert f"must be {low:g} to {high:g} {unit}".rstrip() in text
        assert f"({rule})" in text
        usual = Params._extra(name)["usual"]
        assert ("usual values" in text) is ([*usual] != [low, high])
        assert f"usual values: {usual[0]:g} to {usual[1]:g}" in text or "usual" not in text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"entri": 2.0}, ["unknown parameter 'entri'", "did you mean 'entry'"]),
        ({"zzz": 1}, ["unknown parameter 'zzz'", "known: structure"]),
        ({"structure": "pair"}, ["structure='pair'", "'pairs', 'synthetic', 'delta' or 'unhedged'", "A6"]),
        ({"evidence_override": "because"}, ["evidence_override='because'", "at least 10 characters"]),
        ({"lookback": 20.5}, ["lookback=20.5: must be a whole number, 5 to 512 bars"]),
        ({"entry": "high"}, ["entry='high'", "must be 0.1 to 10 sd"]),
        ({"target": 2.0, "entry": 2.0}, ["target=2", "target < entry < stop", "write for example"]),
        ({"stop": 1.0}, ["stop=1", "target < entry < stop"]),
        ({"bar_s": 60, "bar_offset_s": 60}, ["bar_offset_s=60", "below bar_s=60"]),
        ({"entry": 99, "lookbak": 3}, ["entry=99", "lookbak", "did you mean 'lookback'"]),
    ],
)
def test_messages(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Params.make(**values)
    for word in words:
        assert word in str(caught.value)


def test_the_error_hides_pydantic() -> None:
    with pytest.raises(ConfigError) as caught:
        Params.make(entry=99)
    assert caught.value.__cause__ is None
    assert "pydantic" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_are_frozen_and_survive_a_journal() -> None:
    made = Params.make(entry=1.7, stop=4)
    with pytest.raises(ValueError, match="frozen"):
        made.entry = 3.0  # type: ignore[misc]
    assert Params.make(**made.model_dump()) == made


def test_the_table_for_readers_has_every_parameter() -> None:
    table = Params.table()
    head, rule, *rows = table.splitlines()
    assert head == "| parameter | default | range | usual | unit | rule | meaning |"
    assert set(rule) == {"|", "-"}
    assert [row.split(" | ")[0].strip("| `") for row in rows] == list(Params.model_fields)
    assert "| `entry` | 2 | 0.1 to 10 | 1.5 to 2.5 | sd | A1 | enter when |" in table.replace("\\|z\\|", "|z|")
    assert all(row.replace("\\|", "").count("|") == 8 for row in rows)


@given(entry=st.floats(), target=st.floats(), stop=st.floats(), lookback=st.integers())
def test_whatever_comes_is_valid_or_refused_by_our_own_error(entry: float, target: float, stop: float, lookback: int) -> None:
    try:
        made = Params.make(entry=entry, target=target, stop=stop, lookback=lookback)
    except ConfigError as error:
        assert "=" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert made.target < made.entry < made.stop
