"""The public surface: sorted, small, all of it there, and free to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import hedgekit

MOST = 40
"""A notebook's reader should be able to know them all."""


def test_names_are_sorted_and_few() -> None:
    assert hedgekit.__all__ == sorted(set(hedgekit.__all__))
    assert 0 < len(hedgekit.__all__) <= MOST


def test_what_is_listed_is_what_is_visible() -> None:
    visible = {name for name in dir(hedgekit) if not name.startswith("_") and not isinstance(getattr(hedgekit, name), ModuleType)}
    assert visible == set(hedgekit.__all__)


def test_what_type_checkers_see_is_what_is_listed() -> None:
    tree = ast.parse(Path(hedgekit.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hedgekit.")]
    assert {alias.asname or alias.name for node in imports for alias in node.names} == set(hedgekit.__all__)


@pytest.mark.parametrize("name", hedgekit.__all__)
def test_every_name_is_ours_and_says_what_it_is(name: str) -> None:
    thing = getattr(hedgekit, name)
    assert thing.__module__.startswith("hedgekit.")
    assert inspect.getdoc(thing)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        hedgekit.no_such_name  # noqa: B018 - reading it is the test


@pytest.mark.parametrize(
    ("room", "heavy"),
    [
        ("hedgekit", {"pandas", "numpy", "numba", "bokeh", "statsmodels", "aiohttp"}),
        ("hedgekit.desk.host", {"pandas", "numba", "bokeh", "statsmodels", "aiohttp"}),
        ("hedgekit.paper.session", {"pandas", "bokeh", "statsmodels"}),
        (
            "hedgekit.sandbox.server, hedgekit.data; hedgekit.data.SyntheticMarket(rows=100).tape()",
            {"pandas", "numba", "bokeh", "statsmodels"},
        ),
        (
            "hedgekit.data; hedgekit.run_backtest(hedgekit.data.SyntheticMarket(rows=600).tape(), hedgekit.Params.make(bar_s=1.0)).curves",
            {"pandas", "bokeh", "statsmodels", "aiohttp"},
        ),
    ],
)
def test_a_process_loads_nothing_heavy_that_it_does_not_need(room: str, heavy: set[str]) -> None:
    """What is typed at a prompt answers at once, and a session starts half a second earlier."""
    program = f"import sys, hedgekit, {room}; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
