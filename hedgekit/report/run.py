"""Run a report's notebook and leave one page that opens anywhere.

papermill executes the notebook in a kernel over unix sockets; the result becomes one HTML file without any reference to the network,
with the executed notebook and its figures beside it. A run is a folder:

    report.html, report.ipynb, metrics.json    all three, whole, or as they were before
    report.pdf                                 if it was asked for
    plan.json                                  of a revalidation: the plan file that a session can load
    run.json                                   what was run, when, and how it ended; written last
    report.failed.ipynb                        what did run of a run that failed, its failing cell marked
"""

from __future__ import annotations

import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hedgekit.errors import ConfigError, HedgekitError, ReportError, ReportTimeout
from hedgekit.report.parameters import TEMPLATES, checked, notebook_of
from hedgekit.report.pdf import browser, print_pdf
from hedgekit.report.process import birth
from hedgekit.report.warm import POSIX, Warm

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from hedgekit.report.summary import Summary

SCHEMA = 1
PAGE, NOTEBOOK, FAILED, METRICS, RUN, PDF = "report.html", "report.ipynb", "report.failed.ipynb", "metrics.json", "run.json", "report.pdf"
PLAN = "plan.json"


@dataclass(frozen=True)
class ReportRun:
    """What a report run left on disk, and its figures.

    Attributes
    ----------
    folder, path_html, path_ipynb, path_metrics : Path
    path_pdf : Path or None
        If it was asked for.
    metrics : dict
        The contents of ``metrics.json``.
    seconds : float
        How long it took.
    path_plan : Path or None
        The plan file, if the notebook decided on one.
    text : str
        The session's summary as text; empty if the notebook showed none.
    """

    folder: Path
    path_html: Path
    path_ipynb: Path
    path_metrics: Path
    path_pdf: Path | None
    metrics: dict[str, Any]
    seconds: float
    path_plan: Path | None = None
    text: str = ""

    @property
    def summary(self) -> Summary:
        """The figures of the session that was reported.

        Raises
        ------
        ReportError
            If the notebook showed no session's summary.
        """
        from hedgekit.report.summary import Summary  # noqa: PLC0415 - pandas and the statistics, which a matrix's parent does without

        if "summary" not in self.metrics:
            msg = f"{self.path_ipynb} shows no session's summary"
            raise ReportError(msg)
        return Summary.from_json(json.dumps(self.metrics["summary"]))


def run_report(
    journal: str | os.PathLike[str],
    session: str = "",
    out_dir: str | os.PathLike[str] = "reports",
    name: str | None = None,
    **options: Any,  # noqa: ANN401 - those of run_notebook
) -> ReportRun:
    """Run the report of a finished session; as :func:`run_notebook` with the session report's notebook.

    Parameters
    ----------
    journal : path or URL
        The session's journal.
    session : str
        Which session of the journal; the only one by default.
    out_dir, name, **options
        As for :func:`run_notebook`.
    """
    return run_notebook("session", {"journal": os.fspath(journal), "session": session}, out_dir, name, **options)


def run_notebook(  # noqa: PLR0913 - what, where, and options with defaults
    notebook: str | os.PathLike[str],
    parameters: Mapping[str, Any],
    out_dir: str | os.PathLike[str] = "reports",
    name: str | None = None,
    *,
    pdf: bool = False,
    progress: bool = True,
    timeout_s: float = 600.0,
    warm: Warm | None = None,
) -> ReportRun:
    """Run one report.

    Parameters
    ----------
    notebook : str or path
        ``session``, ``revalidation``, or a notebook of your own with a cell tagged ``parameters``.
    parameters : mapping of str
        Values in place of the defaults in that cell.
    out_dir : path
        Where the run's folder is made.
    name : str, optional
        Name of the folder; by default the report's, the session's and the time, and never one that is there.
    pdf : bool
        Print it to PDF too; needs Chromium or Chrome.
    progress : bool
        Show a progress bar on stderr.
    timeout_s : float
        Most seconds that the whole notebook may take.
    warm : Warm, optional
        The process whose forks are the kernels; one of its own by default.

    Raises
    ------
    ConfigError
        Before anything runs: an unknown report or parameter, a folder that cannot be written, a URL with a password in it.
    JournalError
        Before anything runs: the journal or the session is not there.
    ReportError
        A cell failed, or time ran out (:class:`~hedgekit.errors.ReportTimeout`); names the cell and the partial notebook.
    """
    with ExitStack() as stack:
        path = notebook_of(notebook)
        if warm is None and POSIX:
            warm = stack.enter_context(Warm())  # it imports while we check and import ourselves
        values = checked(path, parameters)
        printer = browser() if pdf else None
        folder = new_folder(Path(out_dir), name, _kind(path), values)
        return _Run(path, values, folder, timeout_s).go(warm, printer, progress=progress)


class _Run:
    """One run in its folder."""

    def __init__(self, notebook: Path, parameters: dict[str, Any], folder: Path, timeout_s: float) -> None:
        self.notebook, self.parameters, self.folder, self.timeout_s = notebook, parameters, folder, timeout_s
        self.started = datetime.now(UTC)
        self.begun = time.monotonic()
        self.decided, self.text = False, ""

    def go(self, warm: Warm | None, printer: str | None, *, progress: bool) -> ReportRun:
        self.note("running")
        try:
            node = self._execute(warm, progress=progress)
            metrics = self._keep(node, printer)
        except HedgekitError as error:
            self.note("timed out" if isinstance(error, ReportTimeout) else "failed", str(error))
            raise
        except BaseException as error:
            self.note("interrupted" if isinstance(error, KeyboardInterrupt | SystemExit) else "failed", f"{type(error).__name__}: {error}")
            raise
        self.note("completed")
        at = self.folder
        paths = at / PAGE, at / NOTEBOOK, at / METRICS, (at / PDF if printer else None)
        plan = at / PLAN if self.decided else None
        return ReportRun(at, *paths, metrics, time.monotonic() - self.begun, plan, self.text)

    def note(self, status: str, error: str = "") -> None:
        """Write down how the run stands."""
        stated(self.folder, self.notebook, self.parameters, status, error, self.started)

    def _keep(self, node: NotebookNode, printer: str | None) -> dict[str, Any]:
        """Make every file beside the old ones, then put them in their places."""
        from hedgekit.report.carried import recorded  # noqa: PLC0415 - as above
        from hedgekit.report.html import page  # noqa: PLC0415 - as above

        metrics = {"schema": SCHEMA, "kind": _kind(self.notebook), **recorded(node)}
        plan, self.text = metrics.pop("plan", None), metrics.pop("text", "")
        title = f"{self.parameters.get('session') or self.folder.name}: {_kind(self.notebook)} report"
        fresh = self.folder / f".{PAGE}.{os.getpid()}.html"
        fresh.write_text(page(node, title=title), encoding="utf-8")
        try:
            if printer is not None:
                print_pdf(printer, fresh, self.folder / PDF)
            fresh.replace(self.folder / PAGE)
        finally:
            fresh.unlink(missing_ok=True)
        (self.folder / FAILED).replace(self.folder / NOTEBOOK)
        write(self.folder / METRICS, json.dumps(metrics, indent=1))
        if plan is not None:
            write(self.folder / PLAN, plan)
            self.decided = True
        return metrics

    def _execute(self, warm: Warm | None, *, progress: bool) -> NotebookNode:
        import papermill  # noqa: PLC0415 - loaded while the kernel's process loads
        from nbclient.exceptions import CellTimeoutError, DeadKernelError  # noqa: PLC0415 - as above
        from nbformat import NotebookNode  # noqa: PLC0415 - as above
        from papermill.exceptions import PapermillExecutionError  # noqa: PLC0415 - as above

        from hedgekit.report import engine  # noqa: PLC0415 - as above
        from hedgekit.report.html import prepare  # noqa: PLC0415 - as above
        from hedgekit.report.kernel import ipc_kernel  # noqa: PLC0415 - as above

        prepare()  # the kernel's process is not ready yet, so this costs no time
        partial, end = self.folder / FAILED, time.monotonic() + self.timeout_s
        options: dict[str, Any] = {
            "engine_name": engine.NAME,
            "progress_bar": {"desc": "Report", "unit": "cell"} if progress else False,
            "timeout_func": lambda _cell: max(1, round(end - time.monotonic())),
        }
        with ipc_kernel(warm) as manager:
            try:
                done = papermill.execute_notebook(
                    str(self.notebook), str(partial), self.parameters, kernel_manager_class=manager, **options
                )
                return NotebookNode(done)
            except PapermillExecutionError as error:
                self._stopped(f"{error.ename}: {error.evalue}")
            except CellTimeoutError:
                self._stopped(
                    f"ran out of time after {self.timeout_s:g} s", f"ran out of time: the limit is {self.timeout_s:g} s", late=True
                )
            except DeadKernelError:
                self._stopped("the kernel died (out of memory?)", "the kernel died (out of memory?)")
            except (KeyboardInterrupt, SystemExit):
                _mark(partial, "interrupted")
                raise

    def _stopped(self, why: str, told: str | None = None, *, late: bool = False) -> NoReturn:
        partial = self.folder / FAILED
        index = _mark(partial, told)
        msg = f"the report stopped at cell {index + 1} ({_first_line(partial, index)}): {why}; what ran is in {partial}"
        raise (ReportTimeout if late else ReportError)(msg)


def stated(folder: Path, notebook: Path, parameters: Mapping[str, Any], status: str, error: str, started: datetime) -> None:  # noqa: PLR0913 - what is to be said
    """Write ``run.json``: what was run, when, and how it stands."""
    now = datetime.now(UTC)
    told = {
        "schema": SCHEMA,
        "run": folder.name,
        "kind": _kind(notebook),
        "notebook": notebook.name,
        "parameters": parameters,
        "status": status,
        "error": error,
        "started": started.isoformat(timespec="milliseconds"),
        "ended": None if status == "running" else now.isoformat(timespec="milliseconds"),
        "seconds": round((now - started).total_seconds(), 3),
        "version": version("hedgekit"),
        "host": platform.node(),
        "pid": os.getpid(),
        "born": birth(os.getpid()),
    }
    write(folder / RUN, json.dumps(told, indent=1, default=str))


def told_of(folder: Path) -> dict[str, Any]:
    """Return what a run's folder tells of it; nothing if there is none, or it cannot be read."""
    try:
        return dict(json.loads((folder / RUN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _kind(notebook: Path) -> str:
    """Return a report's name: the template's, or a notebook's own without number and suffix."""
    named = {file: name for name, file in TEMPLATES.items()}
    return named.get(notebook.name) or re.sub(r"^\d+[_-]", "", notebook.stem)


def new_folder(out: Path, name: str | None, kind: str, values: Mapping[str, Any]) -> Path:
    """Return the run's folder, made.

    Raises
    ------
    ConfigError
        If it cannot be made or written.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    stem = plain(name) if name else "-".join(filter(None, (kind, plain(str(values.get("session", ""))), stamp)))
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder, number = out / stem, 1
        while True:
            try:
                folder.mkdir(exist_ok=name is not None)
                break
            except FileExistsError:
                if name is not None:
                    raise
                number += 1
                folder = out / f"{stem}-{number}"
    except OSError as error:
        msg = f"cannot make the report folder {out / stem}: {error.strerror}; choose another out_dir"
        raise ConfigError(msg) from None
    try:
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        msg = f"cannot write to the report folder {folder}: {error.strerror}; choose another out_dir"
        raise ConfigError(msg) from None


def plain(text: str) -> str:
    """Return a text as it can be a file's name: letters, digits, ``_``, ``.`` and ``-``."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.")[:120] or "report"


def write(path: Path, text: str) -> None:
    """Write a whole file or nothing: a reader never sees half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _mark(partial: Path, why: str | None = None) -> int:
    """Mark the cell that was running as failed, those after it as pending; return its index.

    papermill does so for an exception, but calls every cell of a notebook that timed out "completed".
    """
    import nbformat  # noqa: PLC0415 - loaded while the kernel's process loads

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
    import nbformat  # noqa: PLC0415 - as above

    source = nbformat.read(partial, as_version=4).cells[index].source
    return next((line for line in source.splitlines() if line.strip()), "empty").strip()
