"""Run the report notebook on a journal and leave one page that opens anywhere.

papermill executes ``notebooks/07_session_report.ipynb`` in a kernel over unix
sockets; the result becomes one HTML file without any reference to the network,
with the executed notebook beside it. Either both files are complete or, on a
failure, neither is touched: what did run is kept as ``<name>.failed.ipynb``.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from sqlalchemy.engine import make_url

from hedgekit.errors import ConfigError, ReportError
from hedgekit.journal import Journal
from hedgekit.report.html import page
from hedgekit.report.kernel import ipc_kernel
from hedgekit.report.session import summarise
from hedgekit.report.summary import MIME, Summary

TEMPLATE = "07_session_report.ipynb"


@dataclass(frozen=True)
class ReportRun:
    """What a report run left on disk, and its figures."""

    path_html: Path
    path_ipynb: Path
    summary: Summary


def template_path() -> Path:
    """Return the report notebook: in the installed package, or in ``notebooks/`` of a clone."""
    here = Path(__file__).resolve()
    places = here.parents[1] / "notebooks" / TEMPLATE, here.parents[2] / "notebooks" / TEMPLATE
    for place in places:
        if place.is_file():
            return place
    msg = f"the report notebook {TEMPLATE} is in neither {places[0].parent} nor {places[1].parent}: reinstall hedgekit"
    raise ConfigError(msg)


def run_report(  # noqa: PLR0913 - what, where, and three options with defaults
    journal: str | os.PathLike[str],
    session: str,
    out_dir: str | os.PathLike[str] = "reports",
    name: str | None = None,
    *,
    progress: bool = True,
    timeout_s: float = 600.0,
    template: Path | None = None,
) -> ReportRun:
    """Run the report of a finished session.

    Parameters
    ----------
    journal : path or URL
        The session's journal.
    session : str
        Which session of the journal.
    out_dir : path
        Where ``<name>.html`` and ``<name>.ipynb`` land; created if missing.
    name : str, optional
        File name without suffix; the session's name by default.
    progress : bool
        Show a progress bar on stderr.
    timeout_s : float
        Most seconds that the whole notebook may take.
    template : Path, optional
        Another notebook with a ``parameters`` cell for ``journal`` and ``session``.

    Raises
    ------
    ConfigError
        A folder that cannot be written, or a URL with a password in it.
    ReportError
        A cell failed, or time ran out; names the cell and the partial notebook.
    """
    source, out = _journal(journal), _folder(out_dir)
    stem = re.sub(r"[^\w.-]+", "-", name or session).strip("-.") or "report"
    with Journal.open(source, session, mode="read"):
        pass  # if it is not there, say so now and not from a notebook's cell
    partial = out / f"{stem}.failed.ipynb"
    node = _execute(template or template_path(), partial, {"journal": source, "session": session}, progress=progress, timeout_s=timeout_s)
    paths = out / f"{stem}.html", out / f"{stem}.ipynb"
    _write(paths[0], page(node, title=f"{session}: session report"))
    partial.replace(paths[1])
    return ReportRun(*paths, _summary(node) or summarise(source, session))


def _summary(node: NotebookNode) -> Summary | None:
    """Return the figures that the notebook carries: computed once, and the same as on its page."""
    found = [output["data"][MIME] for cell in node.cells for output in cell.get("outputs", []) if MIME in output.get("data", {})]
    return Summary.from_json(found[-1]) if found else None


def _journal(journal: str | os.PathLike[str]) -> str:
    """Return the journal as the kernel should be told it: an absolute path, or a URL that holds no secret (L9)."""
    text = os.fspath(journal)
    if "://" not in text:
        return str(Path(text).resolve())
    if make_url(text).password is not None:
        msg = "the journal's URL has a password in it, which would be written into the notebook: put it in ~/.pgpass or PGPASSWORD"
        raise ConfigError(msg)
    return text


def _folder(out_dir: str | os.PathLike[str]) -> Path:
    out = Path(out_dir)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cannot make the report folder {out}: {error.strerror}; choose another out_dir"
        raise ConfigError(msg) from None
    try:
        with tempfile.TemporaryFile(dir=out):
            return out
    except OSError as error:
        msg = f"cannot write to the report folder {out}: {error.strerror}; choose another out_dir"
        raise ConfigError(msg) from None


def _write(path: Path, text: str) -> None:
    """Write a whole file or nothing: a reader never sees half a page."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _execute(template: Path, partial: Path, parameters: dict[str, str], *, progress: bool, timeout_s: float) -> NotebookNode:
    end = time.monotonic() + timeout_s
    options: dict[str, Any] = {
        "progress_bar": {"desc": "Report", "unit": "cell"} if progress else False,
        "timeout_func": lambda _cell: max(1, round(end - time.monotonic())),
    }
    with ipc_kernel() as manager:
        try:
            done = papermill.execute_notebook(str(template), str(partial), parameters, kernel_manager_class=manager, **options)
            return NotebookNode(done)
        except PapermillExecutionError as error:
            index, why = _mark(partial), f"{error.ename}: {error.evalue}"
        except CellTimeoutError:
            index, why = _mark(partial, f"ran out of time: the report's limit is {timeout_s:g} s"), f"ran out of time after {timeout_s:g} s"
        except KeyboardInterrupt:
            _mark(partial, "interrupted")
            raise
        except DeadKernelError:
            index, why = _mark(partial, "the kernel died (out of memory?)"), "the kernel died (out of memory?)"
    msg = f"the report stopped at cell {index + 1} ({_first_line(partial, index)}): {why}; what ran is in {partial}"
    raise ReportError(msg)


def _mark(partial: Path, why: str | None = None) -> int:
    """Mark the cell that was running as failed, those after it as pending; return its index.

    papermill does so for an exception, but calls every cell of a notebook that timed out "completed".
    """
    node = nbformat.read(partial, as_version=4)
    ran = [i for i, cell in enumerate(node.cells) if cell.cell_type == "code" and cell.metadata.get("papermill", {}).get("start_time")]
    last = ran[-1] if ran else 0
    node.metadata.papermill["exception"] = True
    node.cells[last].metadata.setdefault("papermill", {}).update(status="failed", exception=True)
    for cell in node.cells[last + 1 :]:
        cell.metadata.setdefault("papermill", {})["status"] = "pending"
    if why is not None:
        note = nbformat.v4.new_markdown_cell(f"**This report is incomplete.** Cell {last + 2}: {why}.")
        note.metadata["tags"] = ["papermill-error-cell-tag"]
        node.cells.insert(0, note)
        last += 1
    nbformat.write(node, partial)
    return last


def _first_line(partial: Path, index: int) -> str:
    source = nbformat.read(partial, as_version=4).cells[index].source
    return next((line for line in source.splitlines() if line.strip()), "empty").strip()
