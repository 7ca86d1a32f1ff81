"""What every notebook of ours has in common: short cells, prose between them, nothing programmed in it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode


def check_story(node: NotebookNode, *, programs: tuple[type[ast.AST], ...] = (ast.FunctionDef, ast.Lambda, ast.If)) -> None:
    """Assert that a notebook reads as one story; ``programs`` are the constructs that it may not have."""
    assert len(node.cells) <= 40
    code = [cell.source for cell in node.cells if cell.cell_type == "code"]
    prose = [cell.source for cell in node.cells if cell.cell_type == "markdown"]
    assert 0.6 < len(prose) / len(code) < 1.2
    assert all(len(text.splitlines()) <= 7 for text in code)
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in node.cells) == 1
    assert not [n for text in code for n in ast.walk(ast.parse(text)) if isinstance(n, programs)]
