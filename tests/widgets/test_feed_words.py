"""The feed has a sentence for what the machine says, and none for what it never says."""

from __future__ import annotations

import re
from pathlib import Path

import hedgekit.step
from hedgekit.widgets.panes.feed import SENTENCES

QUIET = {("hold", "in_band"), ("hold", "plan_revised"), ("hold", "noted")}
"""Said by the machine, and kept out of the feed or told by the event itself."""


def said() -> set[tuple[str, str]]:
    """Return action and reason of each ``say(out, ACTION, REASON)`` in the sources of the step, both ways of a choice."""
    found = set()
    for path in Path(hedgekit.step.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for action, reason in re.findall(r"say\(out, ([A-Z_]+(?: if acted else [A-Z_]+)?), ([A-Z_]+(?: if [^,()]* else [A-Z_]+)?)\)", text):
            one, two = re.findall(r"\b[A-Z][A-Z_]+\b", action), re.findall(r"\b[A-Z][A-Z_]+\b", reason)
            both = zip(one, two, strict=True) if len(one) == len(two) else ((a, b) for a in one for b in two)
            found |= {({"ENTER": "open"}.get(a, a.lower()), b.lower()) for a, b in both}
    return found


def test_the_sources_are_read_as_they_are_meant() -> None:
    found = said()
    assert {("repair", "reversed"), ("hold", "reversed"), ("close", "reconciled"), ("repair", "venue_back"), ("open", "entry")} <= found
    assert ("hold", "leg_shortfall") not in found
    assert len(found) > 35


def test_what_is_said_has_a_sentence() -> None:
    assert said() - set(SENTENCES) <= QUIET


def test_sentences_are_for_what_is_said_by_name_or_through_a_variable() -> None:
    by_variable = {("close", name) for name in ("target", "stop", "time_stop", "settled", "cut_back", "naked_limit")}
    by_variable |= {("repair", name) for name in ("order_overdue", "naked_limit", "cut_back")}
    assert set(SENTENCES) - said() - by_variable == set()
