"""Tables that are made from the code when the site is built, so that they cannot be out of date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata
from typer.core import TyperGroup
from typer.main import get_command

from hedgekit import Params
from hedgekit.cli import app
from hedgekit.tca.words import SAID
from hedgekit.types import Reason


class Written(SphinxDirective):
    """A directive that writes Markdown."""

    def lines(self) -> list[str]:
        """Return the Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return what the Markdown says."""
        found = nodes.Element()
        self.state.nested_parse(StringList(self.lines(), source=self.env.docname), self.content_offset, found)
        return found.children


class Numbers(Written):
    """Every field of Params."""

    def lines(self) -> list[str]:
        """Return one row for each parameter."""
        rows = ["| parameter | default | accepted | usual | unit | rule | what it is |", "|---|---|---|---|---|---|---|"]
        for name, of in Params.model_json_schema()["properties"].items():
            default = "none" if of.get("default") is None else of["default"]
            rest = " | ".join(of.get(key, "") for key in ("unit", "rule", "description"))
            rows.append(f"| `{name}` | {default} | {_accepted(of)} | {_usual(of)} | {rest} |")
        return [row.replace("|z|", "abs(z)") for row in rows]


class Reasons(Written):
    """Every reason that a decision can have."""

    def lines(self) -> list[str]:
        """Return one row for each reason."""
        return ["| reason | in words |", "|---|---|", *(f"| `{reason}` | {SAID[reason]} |" for reason in Reason)]


class Commands(Written):
    """The help of the command line."""

    def lines(self) -> list[str]:
        """Return each command with its options."""
        return _command("hedgekit", get_command(app))


def _accepted(of: dict[str, object]) -> str:
    if "minimum" in of:
        return f"{of['minimum']:,} to {of['maximum']:,}"
    if "enum" in of:
        return ", ".join(str(word) for word in of["enum"])  # type: ignore[attr-defined]
    return "yes or no" if of.get("type") == "boolean" else "text"


def _usual(of: dict[str, Any]) -> str:
    values = of.get("usual") or ()
    return " to ".join(f"{value:g}" for value in values) if "minimum" in of else ""


def _command(name: str, command: object) -> list[str]:
    if isinstance(command, TyperGroup):
        return [line for word, inner in command.commands.items() if not inner.hidden for line in _command(f"{name} {word}", inner)]
    words = (command.help or "").strip().split("\n\n")  # type: ignore[attr-defined]
    rows = [f"**`{name}`**", "", *words, ""]
    params = [one for one in command.params if one.name != "help" and not getattr(one, "hidden", False)]  # type: ignore[attr-defined]
    if params:
        rows += ["| | default | |", "|---|---|---|"]
        rows += [f"| `{' '.join([*one.opts, *one.secondary_opts])}` | {_default(one)} | {_words(one)} |" for one in params]
    return [*rows, ""]


def _words(param: object) -> str:
    return " ".join((getattr(param, "help", "") or "").split()).replace("|", "\\|")


def _default(param: object) -> str:
    value = getattr(param, "default", None)
    return f"`{value}`" if isinstance(value, str | int | float | Path) and not isinstance(value, bool) and str(value) else ""


def setup(app: Sphinx) -> ExtensionMetadata:
    """Name the directives."""
    app.add_directive("numbers", Numbers)
    app.add_directive("reasons", Reasons)
    app.add_directive("commands", Commands)
    return {"version": "1", "parallel_read_safe": True}
