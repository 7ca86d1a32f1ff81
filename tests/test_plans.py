"""The plan file: what it says comes back bit for bit, and what no session may take is refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.plans import PlanFile
from hedgekit.types import NS, Evidence, HedgePlan

DAY = 86_400 * NS
MADE = 1_700_000_000 * NS
PAIR = ("ALPACA:KO", "ALPACA:PEP")


def plan(**changes: Any) -> HedgePlan:
    base = HedgePlan(
        ratio=0.1 + 0.2,
        stderr=0.05,
        n=250,
        method="OLS on log returns",
        fitted_at_ns=MADE - DAY,
        valid_until_ns=MADE + 60 * DAY,
        evidence=Evidence("Engle-Granger", -3.4, 0.03, 250, ("short",)),
        half_life=8.0,
    )
    return msgspec.structs.replace(base, **changes)


def file(**changes: Any) -> PlanFile:
    base = PlanFile(instruments=PAIR, decision="refit", reasons=("ratio: another one",), decided_at_ns=MADE, data="ab" * 32, plan=plan())
    return msgspec.structs.replace(base, **changes)


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(ratio=finite, stderr=finite.map(abs), half_life=st.none() | finite, override=st.none() | st.text(), reasons=st.lists(st.text()))
def test_what_is_written_comes_back_bit_for_bit(
    ratio: float, stderr: float, half_life: float | None, override: str | None, reasons: list[str]
) -> None:
    written = file(plan=plan(ratio=ratio, stderr=stderr, half_life=half_life, override=override), reasons=tuple(reasons))
    back = PlanFile.decode(written.encode())
    assert msgspec.structs.replace(back, sha256="") == written
    assert back.plan is not None
    assert back.plan.ratio.hex() == ratio.hex()
    assert back.encode() == written.encode()


def test_a_file_is_read_as_it_was_saved(tmp_path: Path) -> None:
    path = file().save(tmp_path / "new" / "plan.json")
    assert PlanFile.load(path).taken(PAIR, MADE + DAY) == plan()
    assert json.loads(path.read_text())["plan"]["ratio"] == 0.30000000000000004
    assert [found.name for found in path.parent.iterdir()] == ["plan.json"]


@pytest.mark.parametrize("cut", [1, 10, 200, -2])
def test_a_file_that_was_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(ConfigError, match=r"mine\.json is no plan file, or was cut off: .*write it anew with"):
        PlanFile.decode(file().encode()[:cut], "mine.json")


@given(at=st.integers(0, 2_000), to=st.integers(32, 126))
def test_no_changed_byte_is_taken(at: int, to: int) -> None:
    """One character of the file becomes another: it is refused, or what it says is the same (a space for a space, say)."""
    content = bytearray(file().encode())
    at %= len(content)
    content[at] = to
    try:
        found = PlanFile.decode(bytes(content))
    except ConfigError:
        return
    assert msgspec.structs.replace(found, sha256="") == file()


def test_a_changed_ratio_is_told_as_damage() -> None:
    content = file().encode().replace(b"0.30000000000000004", b"0.30000000000000001")  # the same float: 0.3 is another one
    assert PlanFile.decode(content.replace(b"0.30000000000000001", b"0.30000000000000004"))
    with pytest.raises(ConfigError, match="was changed or damaged: its checksum is not that of what it says"):
        PlanFile.decode(content.replace(b"0.30000000000000001", b"0.8"))


def test_another_schema_is_named() -> None:
    with pytest.raises(ConfigError, match="is of schema 2, known here is 1; read it with the hedgekit that wrote it"):
        PlanFile.decode(file().encode().replace(b'"schema": 1', b'"schema": 2'))


def test_a_missing_file_and_another_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        PlanFile.load(tmp_path / "plan.json")
    (tmp_path / "session.json").write_text('{"session": "demo"}')
    with pytest.raises(ConfigError, match="is no plan file"):
        PlanFile.load(tmp_path / "session.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        file().save(tmp_path / "session.json" / "plan.json")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"plan": None}, "without a plan"),
        ({"decision": "retire"}, "with a plan"),
        ({"instruments": ("ALPACA:KO",)}, "name the primary and each hedge once"),
        ({"instruments": ("ALPACA:KO", "ALPACA:KO")}, "name the primary and each hedge once"),
        ({"instruments": ("A:P", "A:H", "A:G")}, "1 ratios for 2 hedges"),
        ({"plan": plan(unit="units per unit")}, "a session trades dollar per dollar"),
        ({"plan": plan(stderr=float("nan"))}, "must be finite"),
        ({"plan": plan(stderr=-0.1)}, "not below 0"),
        ({"plan": plan(ratio=float("inf"))}, "must be finite"),
        ({"plan": plan(fitted_at_ns=MADE + 1)}, "after it was decided on"),
    ],
)
def test_what_no_session_could_trade_by_is_not_written(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        file(**changes).encode()


def test_what_was_written_by_other_hands_is_checked_too() -> None:
    wrong = file(instruments=("ALPACA:KO", "ALPACA:KO"))
    with pytest.raises(ConfigError, match="name the primary and each hedge once"):
        PlanFile.decode(msgspec.json.encode(msgspec.structs.replace(wrong, sha256=wrong.checksum)))


@pytest.mark.parametrize(
    ("changes", "pair", "now", "says"),
    [
        ({}, ("ALPACA:PEP", "ALPACA:KO"), MADE, "is of ALPACA:KO and ALPACA:PEP; this session trades ALPACA:PEP and ALPACA:KO"),
        ({}, PAIR, MADE - 1, "from the future: decided on 2023-11-14 22:13:20 UTC"),
        ({}, PAIR, MADE + 60 * DAY, "expired on 2024-01-13 22:13:20 UTC.*revalidate it"),
        ({"decision": "retire", "plan": None}, PAIR, MADE, r"retired this pair on .*\(ratio: another one\).*flatten"),
    ],
)
def test_what_this_session_may_not_take_is_refused(changes: dict[str, Any], pair: tuple[str, ...], now: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        file(**changes).taken(pair, now)


def test_it_is_taken_from_its_decision_until_it_expires() -> None:
    assert file().taken(PAIR, MADE) == file().taken(PAIR, MADE + 60 * DAY - 1) == plan()
    assert file().text() == "refit: ratio 0.3, decided on 2023-11-14 22:13:20 UTC, valid until 2024-01-13 22:13:20 UTC"
    assert file(decision="retire", plan=None).text() == "retired on 2023-11-14 22:13:20 UTC"
