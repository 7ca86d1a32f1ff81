"""One scheduler: calls in time order, each at its own time, and nothing after it was cancelled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hedgekit.clock import Handle, Scheduler


def test_calls_come_at_their_own_time_in_order_of_time_rank_and_asking() -> None:
    clock, seen = Scheduler(100), []
    for at, rank, name in ((300, 0, "late"), (200, 1, "second"), (200, 0, "first"), (200, 1, "third")):
        clock.call_at(at, lambda name=name: seen.append((clock.now_ns, name)), rank=rank)
    clock.advance(250)
    assert seen == [(200, "first"), (200, "second"), (200, "third")]
    assert clock.now_ns == 250
    assert clock.next_ns() == 300


def test_a_time_in_the_past_is_called_at_once_and_the_clock_never_goes_back() -> None:
    clock, seen = Scheduler(100), []
    clock.call_at(5, lambda: seen.append(clock.now_ns))
    assert clock.next_ns() == 100
    clock.advance(50)
    assert seen == []
    assert clock.now_ns == 100
    clock.advance(100)
    assert seen == [100]


def test_a_call_may_ask_for_calls_that_are_due_too() -> None:
    clock, seen = Scheduler(), []

    def again() -> None:
        seen.append(clock.now_ns)
        if len(seen) < 4:
            clock.call_at(clock.now_ns + 10, again)

    clock.call_at(10, again)
    clock.advance(35)
    assert seen == [10, 20, 30]
    clock.advance(40)
    assert seen == [10, 20, 30, 40]
    assert clock.next_ns() is None


def test_a_call_may_cancel_another_of_the_same_instant() -> None:
    clock, seen = Scheduler(), []
    handles: list[Handle] = []
    clock.call_at(10, lambda: [handle.cancel() for handle in handles])
    handles.append(clock.call_at(10, lambda: seen.append("no")))
    clock.advance(10)
    handles[0].cancel()
    assert seen == []
    assert clock.next_ns() is None


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2), st.booleans()), max_size=30),
    st.lists(st.integers(0, 60), min_size=1, max_size=6),
)
def test_every_living_call_is_made_once_in_order_however_time_advances(asked: list[tuple[int, int, bool]], steps: list[int]) -> None:
    clock, seen = Scheduler(), []
    handles = [clock.call_at(at, lambda i=i: seen.append((clock.now_ns, i)), rank=rank) for i, (at, rank, _) in enumerate(asked)]
    for handle, (_, _, dead) in zip(handles, asked, strict=True):
        if dead:
            handle.cancel()
    for to in sorted(steps):
        clock.advance(to)
    due = sorted((at, rank, i) for i, (at, rank, dead) in enumerate(asked) if not dead and at <= max(steps))
    assert seen == [(at, i) for at, _, i in due]
    assert clock.now_ns == max(steps)
