"""A report's parameters, checked before anything runs.

What a notebook takes is what its cell tagged ``parameters`` assigns: names, and by their defaults the kinds of value. papermill itself
only logs an unknown name and goes on with the defaults: a report with a misspelt parameter would be a report of something else.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from hedgekit import keys
from hedgekit.errors import ConfigError, meant

TEMPLATES = {"session": "07_session_report.ipynb", "revalidation": "08_revalidation_report.ipynb"}
"""Reports by their names."""

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a JSON list", dict: "a JSON object"}


def notebook_of(name: str | os.PathLike[str]) -> Path:
    """Return the notebook of a report's name, or of a path.

    Raises
    ------
    ConfigError
        If it is neither; names what was probably meant.
    """
    text = os.fspath(name)
    if text in TEMPLATES or text in TEMPLATES.values() or f"{text}.ipynb" in TEMPLATES.values():
        return _template(TEMPLATES.get(text, text if text.endswith(".ipynb") else f"{text}.ipynb"))
    path = Path(text)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    what = f"there is no notebook {text}" if path.suffix == ".ipynb" else f"no report is called {text!r}{_meant(text, TEMPLATES)}"
    msg = f"{what}; choose {' or '.join(TEMPLATES)}, or give a notebook's path"
    raise ConfigError(msg)


def _template(file: str) -> Path:
    """Return a template: in the installed package, or in ``notebooks/`` of a clone."""
    here = Path(__file__).resolve()
    places = here.parents[1] / "notebooks" / file, here.parents[2] / "notebooks" / file
    for place in places:
        if place.is_file():
            return place
    msg = f"the report notebook {file} is in neither {places[0].parent} nor {places[1].parent}: reinstall hedgekit"
    raise ConfigError(msg)


def defaults_of(notebook: Path) -> dict[str, Any]:
    """Return the parameters of a notebook with their defaults; what is no plain literal is None.

    Raises
    ------
    ConfigError
        If it is no notebook, or its parameters cell is no Python.
    """
    try:
        node = nbformat.read(notebook, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError, OSError) as error:
        msg = f"{notebook} cannot be read as a notebook: {str(error).splitlines()[0][:120]}"
        raise ConfigError(msg) from None
    sources = [cell.source for cell in node.cells if cell.cell_type == "code" and "parameters" in cell.metadata.get("tags", [])]
    try:
        body = ast.parse(sources[0]).body if sources else []
    except SyntaxError as error:
        msg = f"the parameters cell of {notebook} is no Python: {error.msg} (line {error.lineno})"
        raise ConfigError(msg) from None
    found: dict[str, Any] = {}
    for statement in body:
        targets = (
            statement.targets if isinstance(statement, ast.Assign) else [statement.target] if isinstance(statement, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(statement, ast.Assign | ast.AnnAssign):
                found[target.id] = _literal(statement.value)
    return found


def _literal(node: ast.expr | None) -> object:
    try:
        return ast.literal_eval(node) if node is not None else None
    except ValueError:
        return None


def checked(notebook: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters for a run: known names, values of the defaults' kinds, a journal and a session that are there.

    Text for a parameter whose default is no text is read as what the default is.

    Raises
    ------
    ConfigError
        An unknown name (with what was probably meant), a value of another kind, or a journal's URL that holds a password.
    JournalError
        If a ``journal`` or the ``session`` in it is not there.
    """
    defaults = defaults_of(notebook)
    for name in given:
        if name not in defaults:
            takes = f"it takes {', '.join(defaults)}" if defaults else "it has no cell tagged parameters, so it takes none"
            msg = f"{notebook.name} has no parameter {name!r}{_meant(name, defaults)}; {takes}"
            raise ConfigError(msg)
    values = {name: _of_kind(name, value, defaults[name]) for name, value in given.items()}
    if "journal" in defaults and "session" in defaults and str(values.get("journal", defaults["journal"])):
        values |= _session_of(*(str(values.get(name, defaults[name])) for name in ("journal", "session")))
    return values


def _of_kind(name: str, value: object, default: object) -> object:
    """Return a value as what the default is; None says nothing of the kind."""
    kind = type(default)
    if kind is str or default is None:
        return value if default is None or isinstance(value, str) else str(value)
    try:
        read = _read(value, kind) if isinstance(value, str) else value
    except ValueError:
        read = None
    if isinstance(read, int) and not isinstance(read, bool) and kind is float:
        read = float(read)
    if type(read) is not kind:
        msg = f"parameter {name}={value!r} must be {_KINDS.get(kind, kind.__name__)}, as its default {default!r} is"
        raise ConfigError(msg)
    return read


def _read(text: str, kind: type) -> object:
    if kind is bool:
        word = text.strip().lower()
        if word not in _TRUE + _FALSE:
            raise ValueError
        return word in _TRUE
    if kind in {int, float}:
        return kind(text)
    return json.loads(text)


def _session_of(journal: str, session: str) -> dict[str, Any]:
    """Return journal and session as the kernel should be told them: an absolute path or a URL without a secret (L9), and a name."""
    from hedgekit.journal import Journal, sessions  # noqa: PLC0415 - a notebook without a journal does not need it

    source = where(journal)
    if not session:
        names = [info.session for info in sessions(source)]
        if len(names) != 1:
            msg = f"{journal} holds {len(names)} sessions ({', '.join(names) or 'none'}); choose one with -p session NAME"
            raise ConfigError(msg)
        session = names[0]
    with Journal.open(source, session, mode="read"):
        pass  # if it is not there, say so now and not from a notebook's cell
    return {"journal": source, "session": session}


def where(journal: str | os.PathLike[str]) -> str:
    """Return a journal's place as an absolute path or a URL; a password in it is refused, for it would be written into the notebook."""
    from hedgekit.journal.store import locate  # noqa: PLC0415 - as above

    text = os.fspath(journal)
    if "://" not in text:
        return str(Path(text).resolve())
    if keys.in_query(text) or locate(text).password is not None:
        msg = "the journal's URL has a password in it, which would be written into the notebook: put it in ~/.pgpass or PGPASSWORD"
        raise ConfigError(msg)
    return text


def _meant(word: str, known: Mapping[str, Any]) -> str:
    asked = meant(word, known)
    return f" ({asked})" if asked else ""
