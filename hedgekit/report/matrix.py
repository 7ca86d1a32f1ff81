"""Many reports at once: a matrix of parameters, run by joblib's workers on one machine or on a Dask cluster.

Each worker keeps one warm process, which has imported everything and loaded the compiled code, and forks a kernel of it for each report.
"""

from __future__ import annotations

import atexit
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hedgekit.errors import ConfigError, HedgekitError, ReportTimeout
from hedgekit.report.parameters import checked, notebook_of
from hedgekit.report.run import plain, run_notebook
from hedgekit.report.warm import POSIX, Warm

MOST = 10_000


@dataclass(frozen=True)
class Outcome:
    """What became of one report of a matrix: its folder, and how it failed if it did."""

    parameters: dict[str, Any]
    folder: Path | None
    error: str = ""
    late: bool = False


def combinations(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the sets of parameters that a YAML file describes.

    A list of mappings is taken as it stands; a mapping of names to lists means all combinations, a single value being the same in all.

    Raises
    ------
    ConfigError
        If the file cannot be read, or is neither.
    """
    import yaml  # noqa: PLC0415 - a single report does not need it

    try:
        body = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"the matrix {os.fspath(path)} cannot be read: {' '.join(str(error).split())[:200]}"
        raise ConfigError(msg) from None
    if isinstance(body, Mapping) and body:
        lists = [value if isinstance(value, list) else [value] for value in body.values()]
        found = [dict(zip(body, values, strict=True)) for values in itertools.islice(itertools.product(*lists), MOST + 1)]
    elif isinstance(body, list) and body and all(isinstance(item, Mapping) for item in body):
        found = [dict(item) for item in body]
    else:
        msg = f"the matrix {os.fspath(path)} must be a mapping of names to lists (all combinations) or a list of parameter sets"
        raise ConfigError(msg)
    if not 0 < len(found) <= MOST:
        msg = f"the matrix {os.fspath(path)} makes {len(found)} reports; make it 1 to {MOST:,}"
        raise ConfigError(msg)
    return found


def run_matrix(  # noqa: PLR0913 - what, where, and options with defaults
    notebook: str | os.PathLike[str],
    sets: Sequence[Mapping[str, Any]],
    out_dir: str | os.PathLike[str] = "reports",
    name: str | None = None,
    *,
    workers: int = -1,
    pdf: bool = False,
    progress: bool = True,
    timeout_s: float = 600.0,
) -> list[Outcome]:
    """Run one report for each set of parameters; one that fails does not stop the others.

    Parameters
    ----------
    notebook, out_dir, pdf, progress, timeout_s
        As for :func:`~hedgekit.report.run_notebook`; the time is that of each report.
    sets : sequence of mappings
        Parameters of each report; all are checked before the first one runs.
    name : str, optional
        Folders are ``name-0001`` and so on; by default named as single runs are.
    workers : int
        Processes; by default as many as there are processors. Inside ``joblib.parallel_config(backend="dask")`` the cluster's workers
        run the reports; they need to see the same journals and ``out_dir``.

    Returns
    -------
    list of Outcome
        In the order of ``sets``.

    Raises
    ------
    ConfigError, JournalError
        Before anything runs, naming the set by its number.
    """
    path = notebook_of(notebook).resolve()
    ready = [_checked(path, values, number) for number, values in enumerate(sets, 1)]
    from joblib import Parallel, delayed  # noqa: PLC0415 - a single report does not need it
    from tqdm import tqdm  # noqa: PLC0415 - as above

    out = Path(out_dir).resolve()
    names = [f"{plain(name)}-{number:04d}" if name else None for number in range(1, len(ready) + 1)]
    jobs = (delayed(_one)(str(path), values, str(out), each, pdf, timeout_s) for values, each in zip(ready, names, strict=True))
    done = Parallel(n_jobs=workers, return_as="generator", batch_size=1)(jobs)
    return list(tqdm(done, total=len(ready), desc="Reports", unit="report", disable=not progress))


def _checked(path: Path, values: Mapping[str, Any], number: int) -> dict[str, Any]:
    try:
        return checked(path, values)
    except HedgekitError as error:
        msg = f"report {number} of the matrix: {error}"
        raise type(error)(msg) from None


_warm: tuple[int, Warm] | None = None


def _own_warm() -> Warm | None:
    """Return this worker's warm process, started when first needed and again if it has ended."""
    global _warm  # noqa: PLW0603 - one for each worker process, for as long as that lives
    if not POSIX:
        return None
    if _warm is None or _warm[0] != os.getpid() or not _warm[1].alive:
        _warm = os.getpid(), Warm(rehearse=True)
        atexit.register(_warm[1].close)
    return _warm[1]


def _one(path: str, values: dict[str, Any], out: str, name: str | None, pdf: bool, timeout_s: float) -> Outcome:  # noqa: FBT001, PLR0913 - a job's fields
    """Run one report inside a worker."""
    try:
        done = run_notebook(path, values, out, name, pdf=pdf, progress=False, timeout_s=timeout_s, warm=_own_warm())
    except (HedgekitError, OSError) as error:
        return Outcome(values, None, str(error), isinstance(error, ReportTimeout))
    return Outcome(values, done.folder)
