"""A Jupyter kernel over unix sockets, for reports that run without a person.

Stock kernels choose free TCP ports before they bind them, so two reports that
start together can collide, and ipykernel warns on every run that the traffic
is not encrypted. Unix sockets in a private folder have neither problem. (One
loopback port is left: ipykernel binds it itself, for what child processes of a
cell print.) All that the kernel writes (sockets, connection file, IPython's
profile) lives in that folder, which is gone afterwards, as is the process.

A kernel is a process of its own, or a fork of one that has imported everything
already (:mod:`hedgekit.report.warm`).
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.utils import run_sync

from hedgekit.report.warm import without_secrets

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

    from hedgekit.report.warm import Warm

_SOCKET_PATH_MAX = 80
"""Longest folder whose sockets still fit the system's limit (104 to 108 bytes for the whole path)."""


_NEIGHBOURS = "--IPKernelApp.exec_lines=__import__('hedgekit.report.warm', fromlist=['neighbours']).neighbours()"
"""What a kernel runs first. It is started with ``-P``, or a ``json.py`` beside the notebook would be imported by Jupyter itself."""


class _ThisPython(KernelSpecManager):
    """Offers one kernel: the interpreter that runs us, with the same hedgekit."""

    folder = ""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        return KernelSpec(
            argv=[sys.executable, "-P", "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}", _NEIGHBOURS],
            env={"IPYTHONDIR": self.folder, "PYTHONPATH": os.pathsep.join(paths), "HEDGEKIT_REPORT": "1"},
            display_name=kernel_name,
            language="python",
        )


class _Fork(LocalProvisioner):
    """Starts a kernel as a fork of a warm process."""

    warm: Warm

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ANN401 - as the base class has it
        process = self.warm.start(cmd[cmd.index("-f") :], kwargs["env"], kwargs.get("cwd"))
        self.process, self.pid, self.pgid = process, process.pid, process.pid  # type: ignore[assignment] # it has what is asked of a Popen
        return self.connection_info


@contextmanager
def ipc_kernel(warm: Warm | None = None) -> Iterator[type[AsyncKernelManager]]:
    """Give a kernel manager class for nbclient or papermill; afterwards no file and no process is left.

    With ``warm`` its kernels are forks of that process. Where the platform has no unix sockets (Windows) the kernel speaks TCP on loopback.
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

            async def _async_pre_start_kernel(self, **kwargs: Any) -> tuple[list[str], dict[str, Any]]:  # noqa: ANN401 - as above
                kwargs["env"] = without_secrets(kwargs.get("env") or os.environ)
                if warm is not None and self.provisioner is None:
                    self.kernel_id = self.kernel_id or str(uuid.uuid4())
                    self.provisioner = _Fork(kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self)
                    self.provisioner.warm = warm
                return await super()._async_pre_start_kernel(**kwargs)

        try:
            yield IPCKernelManager
        finally:
            for manager in started:
                if manager.has_kernel:
                    run_sync(manager.shutdown_kernel)(now=True)


def _short_folder() -> str | None:
    return "/tmp" if len(tempfile.gettempdir()) > _SOCKET_PATH_MAX and os.name == "posix" else None  # noqa: S108 - a private folder in it
