"""All runs together: what their folders say, as rows and as one DataFrame."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hedgekit.report.process import birth
from hedgekit.report.run import FAILED, METRICS, NOTEBOOK, PAGE, PDF, PLAN, RUN

if TYPE_CHECKING:
    import pandas as pd

FILES = {"page": PAGE, "pdf": PDF, "notebook": NOTEBOOK, "partial": FAILED, "figures": METRICS, "plan": PLAN}
_OF_RUN = ("run", "kind", "notebook", "status", "error", "started", "ended", "seconds", "version")


@dataclass(frozen=True)
class Shelved:
    """One run as its folder tells it.

    Attributes
    ----------
    folder : Path
    told : dict
        ``run.json``; its status is "killed" if the process is gone that did not say how it ended.
    figures, curves : dict
        Of ``metrics.json``; empty if the run did not complete.
    files : dict of str to str
        What there is: ``page``, ``pdf``, ``notebook``, ``partial``, ``figures``, ``plan``, as names in the folder.
    """

    folder: Path
    told: dict[str, Any]
    figures: dict[str, Any]
    curves: dict[str, list[float]]
    files: dict[str, str]


def shelved(out_dir: str | os.PathLike[str] = "reports") -> list[Shelved]:
    """Return all runs in a folder, one or two levels deep, the newest first; what cannot be read as a run is told as a failed one."""
    out = Path(out_dir)
    found = [_read(path) for pattern in (f"*/{RUN}", f"*/*/{RUN}") for path in out.glob(pattern)]
    return sorted(found, key=lambda run: (str(run.told.get("started", "")), run.folder.name), reverse=True)


def runs(out_dir: str | os.PathLike[str] = "reports") -> pd.DataFrame:
    """Return all metrics of all runs: one row for each run, the newest first.

    Parameters
    ----------
    out_dir : path
        The folder with the runs' folders.

    Returns
    -------
    DataFrame
        ``folder``, ``run``, ``kind``, ``notebook``, ``status`` (completed, failed, timed out, interrupted, killed, running), ``error``,
        ``started``, ``ended`` (UTC), ``seconds``, ``version``; the parameters as ``param_NAME``; and every figure of ``metrics.json`` by
        its name, for a session's report among others ``verdict``, ``A23`` to ``A28`` with ``_lower``, ``_upper`` and
        ``_result``, ``pnl_hedged``, ``ratio``. One called as a column above is ``figure_NAME``. Missing where a run has none.
    """
    import pandas as pd  # noqa: PLC0415 - the index does without

    rows = [
        {"folder": str(run.folder)}
        | {name: run.told.get(name) for name in _OF_RUN}
        | {f"param_{name}": value for name, value in run.told.get("parameters", {}).items()}
        | {f"figure_{name}" if name in {"folder", *_OF_RUN} else name: value for name, value in run.figures.items()}
        for run in shelved(out_dir)
    ]
    frame = pd.DataFrame(rows, columns=None if rows else ["folder", *_OF_RUN])
    for name in ("started", "ended"):
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
    return frame


def _read(path: Path) -> Shelved:
    folder = path.parent
    files = {kind: name for kind, name in FILES.items() if (folder / name).is_file()}
    try:
        told = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        return Shelved(
            folder, {"run": folder.name, "status": "failed", "error": f"{RUN} cannot be read: {error}", "started": ""}, {}, {}, files
        )
    if told.get("status") == "running" and told.get("host") == platform.node() and not _alive(told):
        told |= {"status": "killed", "error": "its process is gone and did not say how it ended"}
    metrics: dict[str, Any] = {}
    if told.get("status") == "completed":
        try:
            metrics = dict(json.loads((folder / METRICS).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            told |= {"status": "failed", "error": f"{METRICS} cannot be read: {error}"}
    return Shelved(folder, told, metrics.get("figures", {}), metrics.get("curves", {}), files)


def _alive(told: Mapping[str, Any]) -> bool:
    """Tell whether the process that wrote this is there; its number alone may be another's by now, after a reboot for one."""
    pid = told.get("pid")
    now = birth(pid) if isinstance(pid, int) else ""
    return bool(now) and told.get("born", now) == now
