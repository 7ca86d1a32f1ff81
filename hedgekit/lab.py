"""JupyterLab on the notebooks, on this machine only, with the settings that live panels need.

Widget messages go over the kernel's main channel (with JupyterLab's default they
arrive on other threads), and nothing asks the network for news or updates.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from hedgekit.errors import ConfigError

HOST = "127.0.0.1"
OWN = "hedgekit-notebooks"
STORY = "05_paper_trading.ipynb"
"""A folder that has this notebook has hedgekit's notebooks."""


def source() -> Path:
    """Return the folder of the notebooks: of the clone, or in the installed package.

    Raises
    ------
    ConfigError
        If they are in neither place.
    """
    here = Path(__file__).resolve().parent
    for place in (here.parent / "notebooks", here / "notebooks"):
        if (place / STORY).is_file():
            return place
    msg = f"the notebooks are neither beside nor in {here}: reinstall hedgekit"
    raise ConfigError(msg)


def choose(folder: Path | None) -> tuple[Path, str]:
    """Return the folder to open, and what was done for it, in words.

    Without a name it is ``notebooks`` here if this is a clone, else a folder of the user's own into which the notebooks are
    copied. A notebook that is there already is never overwritten.

    Raises
    ------
    ConfigError
        If a named folder is not there, or the copy cannot be made.
    """
    if folder is not None:
        if not folder.is_dir():
            msg = f"{folder} is not a folder; name one that is, or none for hedgekit's own notebooks"
            raise ConfigError(msg)
        return folder.resolve(), ""
    if Path("notebooks", STORY).is_file():
        return Path("notebooks").resolve(), ""
    own = Path(OWN).resolve()
    return own, _copy(own)


def _copy(own: Path) -> str:
    try:
        own.mkdir(exist_ok=True)
        missing = [file for file in sorted(source().glob("*.ipynb")) if not (own / file.name).exists()]
        for file in missing:
            shutil.copyfile(file, own / file.name)
    except OSError as error:
        msg = f"the notebooks cannot be copied to {own} ({error.strerror}); go to a folder of yours, or name one"
        raise ConfigError(msg) from None
    return f"copied {len(missing)} notebooks to {own}" if missing else f"your notebooks in {own}"


def command(folder: Path, port: int | None, *, browser: bool, more: Sequence[str] = ()) -> list[str]:
    """Return the command line of JupyterLab.

    Raises
    ------
    ConfigError
        If jupyterlab is not installed, or the port is in use.
    """
    if find_spec("jupyterlab") is None:
        msg = "jupyterlab is not installed here: pip install jupyterlab"
        raise ConfigError(msg)
    if port:
        _check_free(port)
    return [
        *(sys.executable, "-P", "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", f"--ServerApp.ip={HOST}"),
        *([f"--ServerApp.port={port}", "--ServerApp.port_retries=0"] if port else []),
        *([] if browser else ["--no-browser"]),
        "--LabApp.news_url=",
        "--LabApp.extension_manager=readonly",
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
        *more,
    ]


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            msg = f"port {port} on {HOST} cannot be used ({error.strerror}); choose another with --port, or none for a free one"
            raise ConfigError(msg) from None


def environment() -> dict[str, str]:
    """Return this process's environment with our settings in front of the user's."""
    ours = str(Path(__file__).resolve().parent / "jupyter")
    theirs = os.environ.get("JUPYTER_CONFIG_PATH")
    return {**os.environ, "JUPYTER_CONFIG_PATH": ours if not theirs else f"{ours}{os.pathsep}{theirs}"}
