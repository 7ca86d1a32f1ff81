"""Planned faults: what fits together, what is due when, how long it lasts, and random plans that are functions of their seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.exchange.faults import EVERYWHERE, Fault, FaultKind, Faults, Outage, schedule
from hedgekit.exchange.faults.fault import DRAWN
from hedgekit.types import NS

NOW = 1_000 * NS

# ---------------------------------------------------------------------- a fault


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "earthquake"}, "no fault is called 'earthquake'; there are too_many, too_early"),
        ({"kind": "lost", "at": "md"}, "at must be now, or one of submit, cancel, request, md, trade, row with a number from 1"),
        ({"kind": "lost", "at": "md:0"}, "at must be now"),
        ({"kind": "lost", "at": "md:-1"}, "at must be now"),
        ({"kind": "lost", "at": "quote:1"}, "at must be now"),
        ({"kind": "lost", "at": ""}, "at must be now"),
        ({"kind": "partial", "at": "cancel:1", "fraction": 0.5}, "a cancel is no order"),
        ({"kind": "late"}, "seconds must be above 0"),
        ({"kind": "delayed_ack"}, "seconds must be above 0"),
        ({"kind": "freeze"}, "seconds must be above 0"),
        ({"kind": "reversal"}, "seconds must be above 0: how long it lasts, or how much later it comes"),
        ({"kind": "reversal", "at": "cancel:1", "seconds": 1.0}, "a cancel is no order"),
        ({"kind": "outage", "seconds": -1.0}, "seconds=-1.0 must be a number from 0"),
        ({"kind": "outage", "seconds": float("inf")}, "seconds=inf must be a number from 0"),
        ({"kind": "skew", "seconds": float("nan")}, "seconds=nan must be a number"),
        ({"kind": "skew"}, "seconds must not be 0"),
        ({"kind": "lost", "seconds": 1.0}, "seconds=1.0 has no meaning"),
        ({"kind": "partial"}, "fraction=0.0 must be between 0 and 1"),
        ({"kind": "partial", "fraction": 1.0}, "fraction=1.0 must be between 0 and 1"),
        ({"kind": "lost", "fraction": 0.5}, "fraction=0.5 has no meaning"),
        ({"kind": "lost", "count": 0}, "count=0 must be at least 1"),
        ({"kind": "outage", "seconds": 1.0, "count": 2}, "count=2 must be 1"),
        ({"kind": "freeze", "seconds": 1.0, "count": 2}, "count=2 must be 1"),
        ({"kind": "pause"}, "seconds must be above 0"),
        ({"kind": "pause", "seconds": 1.0, "count": 2}, "count=2 must be 1"),
        ({"kind": "disconnect", "at": "row:1", "count": 2}, "count=2 must be 1"),
    ],
)
def test_parts_that_do_not_fit_together(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Fault(**fields)
    assert said in str(caught.value)


def test_a_fault_is_read_from_json_and_its_kind_from_a_word() -> None:
    fault = msgspec.json.decode('{"kind":"late","at":"submit:3","seconds":2.5}', type=Fault)
    assert fault == Fault("late", "submit:3", 2.5) == Fault(FaultKind.LATE, "submit:3", 2.5, 0.0, 1)  # type: ignore[arg-type]
    assert (fault.place, fault.number, fault.ns, Fault(FaultKind.LOST).place) == ("submit", 3, 2_500_000_000, "now")
    assert msgspec.json.decode(msgspec.json.encode(fault), type=Fault) == fault


def test_there_are_all_the_kinds_of_the_issue() -> None:
    assert (len(FaultKind), {*FaultKind} - {*EVERYWHERE}) == (20, {FaultKind.REVERSAL})


# ------------------------------------------------------------------ what is due


def requests(faults: Faults, *purposes: Any) -> list[str | None]:
    """Send requests; return what befalls each."""
    return [None if (fault := faults.request(purpose, NOW)) is None else fault.kind.value for purpose in purposes]


def messages(faults: Faults, *channels: Any) -> list[str | None]:
    """Send messages; return what befalls each."""
    return [None if (fault := faults.message(channel, NOW)) is None else fault.kind.value for channel in channels]


def test_requests_are_counted_by_purpose_and_all_together() -> None:
    faults = Faults([Fault("too_early", "submit:2"), Fault("error_500", "cancel:1"), Fault("late", "request:5", 1.0)])
    sent = requests(faults, "query", "submit", "submit", "cancel", "query", "submit", "cancel")
    assert sent == [None, None, "too_early", "error_500", "late", None, None]


def test_several_in_a_row_and_only_what_fits() -> None:
    faults = Faults([Fault("drop_reply", "submit:1", count=2), Fault("partial", "request:2", fraction=0.5)])
    assert requests(faults, "query", "submit", "cancel", "submit", "query", "submit") == [
        None,
        "drop_reply",
        None,
        "drop_reply",
        None,
        "partial",
    ]


def test_one_fault_at_a_time_and_the_first_of_the_plan_first() -> None:
    faults = Faults([Fault("late", "request:2", 1.0), Fault("too_early", "submit:1"), Fault("error_500", "request:2")])
    assert requests(faults, "query", "submit", "query", "submit", "query") == [None, "late", "error_500", "too_early", None]


def test_messages_are_counted_by_channel() -> None:
    faults = Faults(
        [Fault("lost", "md:2"), Fault("duplicate", "trade:1"), Fault("disconnect", "trade:2"), Fault("reorder", "md:4", count=2)]
    )
    sent = messages(faults, "md", "md", "trade", "md", "md", "trade", "md", "md")
    assert sent == [None, "lost", "duplicate", None, "reorder", "disconnect", "reorder", None]


def test_a_fault_may_be_due_at_a_place_of_another_kind() -> None:
    faults = Faults([Fault("lost", "row:1"), Fault("too_early", "md:2"), Fault("duplicate", "submit:1")])
    assert messages(faults, "md") == [None]
    faults.row(NOW)
    assert messages(faults, "trade", "md") == ["lost", None]
    assert requests(faults, "query", "submit") == ["too_early", None]
    assert messages(faults, "md") == ["duplicate"]


def test_now_is_the_next_chance_and_a_place_that_has_passed_too() -> None:
    faults = Faults()
    assert requests(faults, "submit", "submit") == [None, None]
    faults.add(Fault("too_early"), NOW)
    faults.add(Fault("error_500", "submit:1"), NOW)
    assert requests(faults, "query", "query", "submit") == ["too_early", None, "error_500"]


@given(st.lists(st.sampled_from(["submit", "cancel", "query"]), max_size=30), st.integers(1, 30), st.integers(1, 4))
def test_a_fault_befalls_exactly_the_requests_that_it_names(sent: list[str], number: int, count: int) -> None:
    faults = Faults([Fault("too_early", f"submit:{number}", count=count)])
    submits = 0
    for purpose, befell in zip(sent, requests(faults, *sent), strict=True):
        submits += purpose == "submit"
        assert (befell is not None) == (purpose == "submit" and number <= submits < number + count)


# ------------------------------------------------------------------- what lasts


def begun(faults: Faults) -> list[str]:
    return [fault.kind.value for fault in faults.begun()]


def test_an_outage_begins_at_its_place_and_ends_by_itself() -> None:
    faults = Faults([Fault("outage", "row:2", 60.0)])
    faults.row(NOW)
    assert (faults.out(NOW), faults.outage, begun(faults)) == (False, None, [])
    faults.row(NOW)
    assert (faults.outage, begun(faults), begun(faults)) == (Outage(NOW, NOW + 60 * NS), ["outage"], [])
    assert [faults.out(NOW + at) for at in (0, 60 * NS - 1, 60 * NS)] == [True, True, False]
    assert faults.outage == Outage(NOW, NOW + 60 * NS), "the last one, also when it is over"


def test_an_outage_within_another_makes_it_longer_and_never_shorter() -> None:
    faults = Faults()
    for seconds, at, until in ((60.0, 0, 60), (10.0, 20, 60), (60.0, 30, 90)):
        faults.add(Fault("outage", seconds=seconds), NOW + at * NS)
        assert faults.outage == Outage(NOW, NOW + until * NS)
    faults.add(Fault("outage", seconds=5.0), NOW + 90 * NS)
    assert faults.outage == Outage(NOW + 90 * NS, NOW + 95 * NS), "a new one"


def test_a_freeze_swallows_market_data_alone() -> None:
    faults = Faults([Fault("freeze", "md:2", 10.0), Fault("lost", "md:3"), Fault("duplicate", "trade:1")])
    assert messages(faults, "md", "md", "md", "trade") == [None, "freeze", "freeze", "duplicate"]
    assert faults.message("md", NOW + 10 * NS - 1) == Fault("freeze", "md:2", 10.0)
    after = faults.message("md", NOW + 10 * NS)
    assert after is not None
    assert after.kind is FaultKind.LOST, "it waited for a message that could be lost"


def test_a_skew_lasts_so_many_rows() -> None:
    faults = Faults([Fault("skew", "row:2", -2.5, count=2), Fault("skew", "row:6", 1.0)])
    shifts = []
    for _ in range(8):
        faults.row(NOW)
        shifts.append(faults.shift_ns)
    assert shifts == [0, -2_500_000_000, -2_500_000_000, 0, 0, NS, 0, 0]


def test_a_disconnect_of_both_channels_begins_by_itself_and_one_of_a_channel_befalls_its_message() -> None:
    faults = Faults([Fault("disconnect", "row:1"), Fault("disconnect", "md:1")])
    faults.row(NOW)
    assert begun(faults) == ["disconnect"]
    assert messages(faults, "trade", "md") == [None, "disconnect"]
    assert begun(faults) == []


def test_hits_are_what_was_said_to_have_come_to_pass() -> None:
    faults = Faults([Fault("lost", "md:1", count=2)])
    assert messages(faults, "md", "md") == ["lost", "lost"]
    assert sum(faults.hits.values()) == 0
    faults.hit(Fault("lost"))
    assert {kind: n for kind, n in faults.hits.items() if n} == {FaultKind.LOST: 1}
    assert list(faults.hits) == list(FaultKind)


# ----------------------------------------------------------------- random plans

SIZES = {"requests": 200, "messages": 400, "rows": 100}


def test_a_plan_is_a_function_of_its_seed() -> None:
    """The first faults of seed 1 are written down: no machine or version may draw others."""
    plan = schedule(1, **SIZES, mean_faults=20)
    assert plan == schedule(1, **SIZES, mean_faults=20)
    assert plan != schedule(2, **SIZES, mean_faults=20)
    assert [(f.kind.value, f.at, f.seconds, f.fraction, f.count) for f in plan[:5]] == PLAN_1


PLAN_1 = [
    ("gateway_504_after", "request:51", 0.0, 0.0, 1),
    ("reject_hedge", "submit:65", 0.0, 0.0, 1),
    ("outage", "row:69", 1.334, 0.0, 1),
    ("reorder", "trade:74", 0.0, 0.0, 1),
    ("skew", "md:149", -532.294, 0.0, 3),
]


def test_the_number_of_faults_is_poisson() -> None:
    """Mean and variance of 2,000 plans; six standard errors."""
    numbers = [len(schedule(seed, **SIZES, mean_faults=8)) for seed in range(2_000)]
    mean = sum(numbers) / len(numbers)
    variance = sum((n - mean) ** 2 for n in numbers) / len(numbers)
    assert abs(mean - 8) < 6 * (8 / 2_000) ** 0.5
    assert abs(variance - 8) < 6 * ((8 + 2 * 64) / 2_000) ** 0.5
    assert schedule(1, **SIZES, mean_faults=0) == ()


def test_every_kind_is_drawn_as_often_as_another_within_the_sizes() -> None:
    faults = [fault for seed in range(200) for fault in schedule(seed, **SIZES, mean_faults=90)]
    counts = Counter(fault.kind for fault in faults)
    expected = len(faults) / len(DRAWN)
    assert counts.keys() == {*DRAWN} == {*EVERYWHERE} - {FaultKind.PAUSE}
    assert all(abs(counts[kind] - expected) < 6 * expected**0.5 for kind in DRAWN)
    tops = {"submit": 100, "cancel": 25, "request": 200, "md": 400, "trade": 200, "row": 100}
    assert all(1 <= fault.number <= tops[fault.place] for fault in faults)
    assert {fault.place for fault in faults} == set(tops)
    assert {fault.seconds > 0 for fault in faults if fault.kind is FaultKind.REJECT_HEDGE} == {True, False}, "before and after acceptance"
    assert {fault.seconds > 0 for fault in faults if fault.kind is FaultKind.TOO_MANY} == {True, False}, "with and without Retry-After"
    assert {fault.seconds > 0 for fault in faults if fault.kind is FaultKind.SKEW} == {True, False}, "early and late"
    assert {fault.count for fault in faults if fault.kind is FaultKind.LOST} == {1, 2, 3}


def test_what_one_venue_alone_can_do_is_drawn_where_it_is_named() -> None:
    plan = schedule(4, **SIZES, mean_faults=20, kinds=[FaultKind.REVERSAL])
    assert {(fault.kind, fault.place) for fault in plan} == {(FaultKind.REVERSAL, "submit")}
    assert all(0.5 <= fault.seconds <= 30.0 for fault in plan)
    assert not any(fault.kind is FaultKind.REVERSAL for seed in range(50) for fault in schedule(seed, **SIZES, mean_faults=90))


def test_a_plan_of_chosen_kinds() -> None:
    plan = schedule(3, **SIZES, mean_faults=30, kinds=[FaultKind.LATE, FaultKind.LOST])
    assert {fault.kind for fault in plan} == {FaultKind.LATE, FaultKind.LOST}


@given(st.integers(-(2**70), 2**70), st.integers(1, 5), st.floats(0, 40))
def test_every_plan_can_be_made_and_written(seed: int, size: int, mean: float) -> None:
    plan = schedule(seed, requests=size, messages=size, rows=size, mean_faults=mean)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=tuple[Fault, ...]) == plan


@pytest.mark.parametrize("wrong", [{"mean_faults": -1.0}, {"mean_faults": float("nan")}, {"mean_faults": 1.0, "kinds": []}])
def test_a_plan_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="give a number from 0, and at least one kind"):
        schedule(1, **SIZES, **wrong)


# ------------------------------------------------------------------------- laws

PLACES = st.sampled_from(["submit", "cancel", "query", "md", "trade", "row"])


@given(st.integers(0, 10_000), st.lists(st.tuples(PLACES, st.integers(0, 30 * NS)), max_size=80))
def test_no_fault_comes_before_its_place_or_more_often_than_planned(seed: int, steps: list[tuple[Any, int]]) -> None:
    plan = schedule(seed, requests=20, messages=20, rows=10, mean_faults=15)
    faults, seen, befell, now = Faults(plan), Counter[str](), Counter[Fault](), NOW
    for place, gap in steps:
        now += gap
        seen.update([place] if place in {"md", "trade", "row"} else [place, "request"])
        if place == "row":
            faults.row(now)
            fault = None
        else:
            fault = faults.message(place, now) if place in {"md", "trade"} else faults.request(place, now)
        for each in faults.begun() + ([] if fault is None or fault.kind is FaultKind.FREEZE else [fault]):
            befell[each] += 1
            assert seen[each.place] >= each.number
    allowed = Counter[Fault]()
    for fault in plan:
        allowed[fault] += 1 if fault.kind is FaultKind.SKEW else fault.count
    assert befell <= allowed
