"""The phase table, read as a person reads it."""

from __future__ import annotations

from hedgekit.rules import phase
from hedgekit.rules.state import ACTIONS, CLOSING, FLAT, HALTED, OPEN, OPENING, PHASES, REASONS, RECOVERING
from hedgekit.types import Action, Phase, Reason


def test_codes_and_words_agree() -> None:
    assert [PHASES[code] for code in (FLAT, OPENING, OPEN, CLOSING, RECOVERING, HALTED)] == list(Phase)
    assert tuple(Action) == ACTIONS
    assert tuple(Reason) == REASONS
    from hedgekit.rules import state  # noqa: PLC0415 - as a table of names

    assert all(getattr(state, {"OPEN": "ENTER"}.get(a.name, a.name)) == i for i, a in enumerate(Action))
    assert all(getattr(state, r.name) == i for i, r in enumerate(Reason))


def test_the_life_of_a_trade() -> None:
    at = FLAT
    for trigger, expected in ((phase.ENTERED, OPENING), (phase.AT_TARGET, OPEN), (phase.EXITED, CLOSING), (phase.AT_ZERO, FLAT)):
        at = phase.after(at, trigger)
        assert at == expected


def test_a_halt_comes_from_everywhere_and_only_a_person_ends_it() -> None:
    assert all(phase.after(at, phase.HALT_ASKED) == HALTED for at in (FLAT, OPENING, OPEN, CLOSING, HALTED))
    ways_out = [t for t in range(len(phase.TRIGGERS)) if phase.after(HALTED, t) != HALTED]
    assert ways_out == [phase.EXITED, phase.RESUMED]


def test_what_is_not_in_the_table_changes_nothing() -> None:
    for at in range(len(PHASES)):
        for trigger in range(len(phase.TRIGGERS)):
            assert phase.after(at, trigger) == phase.TRANSITIONS.get((at, trigger), at)


def test_no_way_from_flat_to_open_but_through_opening() -> None:
    """Nor back but through closing; recovering goes on where it was."""
    assert {at for (at, _), to in phase.TRANSITIONS.items() if to == OPEN} == {OPENING, RECOVERING}
    assert {at for (at, _), to in phase.TRANSITIONS.items() if to == FLAT} == {CLOSING, RECOVERING}
    for at in (FLAT, OPENING, OPEN, CLOSING):
        assert phase.after(phase.after(at, phase.CUT_OFF), phase.AGREED_FLAT + at) == at
