"""README's first section, walked as it is written: its cell, its buttons, its words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

from hedgekit import desk
from hedgekit.desk import State
from tests.lab import Lab, LabPage
from tests.widgets.desk_pages import says, sound, sure, unfold

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.split("## Your first paper trade, in ten minutes")[1].split("\n## ")[0]


def test_from_readme_to_a_paper_trade(notebook: Callable[..., LabPage], lab: Lab) -> None:
    (cell,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    for step in ("**Start**", "*new hedge ratio*", "*entered trade 1*", "**Change numbers**", "write 2.2 into *entry*", "**Apply**"):
        assert step in SECTION
    page = notebook([dedent(cell)])
    page.run_all()
    page.click("Start")
    says(page, "new hedge ratio")
    says(page, "entered trade 1: z is beyond the entry level; expected $")
    unfold(page, "Change numbers")
    page.page.get_by_label("entry", exact=True).fill("2.2")
    page.click("Apply")
    says(page, "set entry to 2.2")
    of = desk.current("mine", folder=lab.home)
    assert of is not None
    sure(page, "Flatten")
    says(page, "flatten: applied")
    sure(page, "Stop")
    says(page, "ENDED")
    assert of.status().state is State.ENDED
    page.page.wait_for_function(f"[...document.querySelectorAll('.jp-OutputArea option')].some(o => /{of.session}.·.ended/.test(o.text))")
    with of.journal() as journal:
        assert len(journal.trades()) >= 1
        assert journal.started.params["entry"] == 1.8
    sound(of)
