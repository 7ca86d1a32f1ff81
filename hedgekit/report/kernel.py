"""A Jupyter kernel over unix sockets, for reports that run without a person.

Stock kernels choose free TCP ports before they bind them, so two reports that
start together can collide, and ipykernel warns on every run that the traffic
is not encrypted. Unix sockets in a private folder have neither problem. (One
loopback port is left: ipykernel binds it itself, for what child processes of a
cell print.) All that the kernel writes (sockets, connection file, IPython's
profile) lives in that folder, which is gone afterwards, as is the process.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

_SOCKET_PATH_MAX = 80
"""Longest folder whose sockets still fit the system's limit (104 to 108 bytes for the whole path)."""


class _ThisPython(KernelSpecManager):
    """Offers one kernel: the interpreter that runs us, with the same hedgekit."""

    folder = ""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        return KernelSpec(
            argv=[sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            env={"IPYTHONDIR": self.folder, "PYTHONPATH": os.pathsep.join(paths), "HEDGEKIT_REPORT": "1"},
            display_name=kernel_name,
            language="python",
        )


@contextmanager
def ipc_kernel() -> Iterator[type[AsyncKernelManager]]:
    """Give a kernel manager class for nbclient or papermill; afterwards no file and no process is left.

    Where the platform has no unix sockets (Windows) the kernel speaks TCP on loopback.
    """
    with tempfile.TemporaryDirectory(prefix="hk-", dir=_short_folder(), ignore_cleanup_errors=True) as folder:
        started: list[AsyncKernelManager] = []

        class IPCKernelManager(AsyncKernelManager):
            def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - traitlets takes any trait
                specs = _ThisPython()
                specs.folder = folder
                super().__init__(**kwargs, kernel_spec_manager=specs, connection_file=str(Path(folder, "kernel.json")))
                if hasattr(socket, "AF_UNIX"):
                    self.transport, self.ip = "ipc", str(Path(folder, "k"))
                started.append(self)

        try:
            yield IPCKernelManager
        finally:
            for manager in started:
                if manager.has_kernel:
                    run_sync(manager.shutdown_kernel)(now=True)


def _short_folder() -> str | None:
    return "/tmp" if len(tempfile.gettempdir()) > _SOCKET_PATH_MAX and os.name == "posix" else None  # noqa: S108 - a private folder in it
