"""A real JupyterLab in a real browser, for tests: our own `hedgekit lab`, this machine only.

Pages talk to Lab's own application object, which ``--LabApp.expose_app_in_browser``
puts on the page, instead of hunting for menus.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import TimeoutError as Late

from tests.browser import OfflineBrowser, OfflinePage

TOKEN = "paper-token"  # noqa: S105 - of a server that lives for one test
START_S = 90.0
WAIT_MS = 90_000

NOISE = (
    "Failed to load resource",  # Lab asks for settings and workspaces that are not there yet
    "the server responded with a status of 404",
    "Error with Permissions-Policy header",
    "WebSocket connection to",  # Lab's own reconnecting when a kernel is killed or restarted
    "Comm not found for comm id",  # rows that come after a reload, before Lab has found its widgets again
)
"""What JupyterLab itself writes to the console; everything else is ours."""


POLL_MS = 50
"""How often a page is asked for what is waited for. Many look at the text, for which Chromium lays the page out: not at every frame."""

SHOWN = """
const rows = d => [...d._all_models.values()].filter(m => m.get_length).map(m => `${m.name}: ${m.get_length()} rows`);
[...(window.Bokeh?.documents ?? []).flatMap(rows), document.querySelector('.jp-Notebook')?.innerText].join('\\n');
"""
"""What a page shows: the rows of its plots' sources, and the notebook's words."""


def write_notebook(path: Path, cells: Sequence[str]) -> Path:
    """Write a notebook; a cell that begins with ``#md`` is prose."""
    node = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    node.cells = [new_markdown_cell(text[3:].strip()) if text.startswith("#md") else new_code_cell(text) for text in cells]
    nbformat.write(node, str(path))
    return path


class Lab:
    """One JupyterLab on a folder, with folders of its own for everything that Jupyter keeps."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root, self.base, self.tabs = root, base, 0
        self.home = base / "home"
        parts = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
        folders = {f"JUPYTER_{name}": str(base / part) for name, part in parts.items()}
        folders |= {"JUPYTERLAB_SETTINGS_DIR": str(base / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(base / "workspaces")}
        folders |= {"IPYTHONDIR": str(base / "ipython"), "HEDGEKIT_HOME": str(self.home), "JUPYTER_PREFER_ENV_PATH": "1"}
        self._log = (base / "lab.log").open("wb")
        options = [f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True", "--ServerApp.port=0"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hedgekit", "lab", str(root), "--no-browser", "--", *options],
            env={**os.environ, **folders},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self.url = self._ready()

    def _ready(self) -> str:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            for file in (self.base / "runtime").glob("jpserver-*.json"):
                try:
                    url = json.loads(file.read_text())["url"]
                    urllib.request.urlopen(f"{url}api/status?token={TOKEN}", timeout=2).read()  # noqa: S310 - our own server
                except (OSError, ValueError):
                    continue
                return str(url).rstrip("/")
            time.sleep(0.1)
        raise RuntimeError("JupyterLab did not start: " + (self.base / "lab.log").read_text()[-2000:])

    def close(self) -> None:
        """End it; no kernel is left."""
        family = psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else []
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()
        self._log.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.close()

    def kernels(self) -> list[psutil.Process]:
        """Return the kernels' processes."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in found if "ipykernel_launcher" in " ".join(process.cmdline())]

    def shut(self, name: str) -> None:
        """Shut down the kernel of a notebook, as closing it from Lab's list does; what it streams would cost later tests their time."""
        for session in self._ask("GET", "api/sessions"):
            if session["path"] == name:
                self._ask("DELETE", f"api/sessions/{session['id']}")

    def _ask(self, method: str, path: str) -> Any:
        asked = urllib.request.Request(f"{self.url}/{path}", method=method, headers={"Authorization": f"token {TOKEN}"})  # noqa: S310 - our own server
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - our own server
            return json.loads(answer.read() or b"null")


class LabPage:
    """One browser tab on one notebook."""

    def __init__(self, lab: Lab, browser: OfflineBrowser, name: str, *, width: int = 1280, height: int = 900) -> None:
        self.lab, self.name = lab, name
        opened: OfflinePage = browser.open(width=width, height=height)
        self.page, self._requests, self._errors = opened.page, opened.requests, opened.errors
        lab.tabs += 1  # a workspace for each tab, else Lab opens what other tabs had open
        self.page.goto(f"{lab.url}/lab/workspaces/tab{lab.tabs}/tree/{name}?token={TOKEN}")
        self.ready()

    def ready(self) -> None:
        """Wait until the notebook is shown and its kernel idle."""
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=WAIT_MS)
        self.until(
            "(() => { const w = window.jupyterapp?.shell.currentWidget, c = w?.sessionContext, k = c?.session?.kernel;"
            " return w?.context?.isReady && c?.isReady && k?.connectionStatus === 'connected' && k.status === 'idle' })()"
        )

    def until(self, expression: str, *, timeout_ms: int = WAIT_MS) -> None:
        """Wait until JavaScript says true; if it never does, say what the page showed instead."""
        try:
            self.page.wait_for_function(expression, timeout=timeout_ms, polling=POLL_MS)
        except Late as late:
            raise AssertionError(f"not within {timeout_ms / 1000:g} s: {expression}\n{self.js(SHOWN)}\n{self._errors}") from late

    def js(self, expression: str) -> Any:
        """Return what JavaScript says."""
        return self.page.evaluate(expression)

    def run_all(self, *, wait: bool = True) -> None:
        """Run every cell."""
        self.js("window.hkRan = false; window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.hkRan = true }); 0")
        if wait:
            self.until("window.hkRan === true")

    def run(self, cell: int, *, wait: bool = True) -> None:
        """Run one cell."""
        self.js(
            f"(() => {{ const n = window.jupyterapp.shell.currentWidget.content; n.activeCellIndex = {cell}; n.deselectAll();"
            " window.hkRan = false;"
            " window.jupyterapp.commands.execute('notebook:run-cell').then(() => { window.hkRan = true }); })()"
        )
        if wait:
            self.until("window.hkRan === true")

    def output(self, cell: int) -> str:
        """Return a cell's output as text."""
        one = f"document.querySelectorAll('.jp-Notebook .jp-Cell')[{cell}]"
        return str(self.js(f"{one}.querySelector('.jp-Cell-outputWrapper')?.innerText ?? ''"))

    def click(self, label: str) -> None:
        """Click a widget's button."""
        self.page.get_by_role("button", name=label, exact=True).first.click()

    def restart_kernel(self) -> None:
        """Restart the kernel, as the menu does."""
        self.js("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart().then(() => true)")
        self.ready()

    def execute(self, code: str) -> str:
        """Run code in the kernel, past the notebook; return what it prints."""
        return str(
            self.js(
                "(async () => { const k = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel; let out = '';"
                f" const f = k.requestExecute({{code: {code!r}, silent: false, store_history: false}});"
                " f.onIOPub = m => { if (m.header.msg_type === 'stream') out += m.content.text;"
                " if (m.header.msg_type === 'error') out += m.content.evalue };"
                " await f.done; return out.trim() })()"
            )
        )

    def kill_kernel(self) -> None:
        """Kill the kernel (SIGKILL), as a crash does; Lab says so, and its server starts a new one."""
        pid = int(self.execute("import os; print(os.getpid())"))
        os.kill(pid, signal.SIGKILL)
        self.page.locator(".jp-Dialog button").first.click(timeout=WAIT_MS)
        wait_for(lambda: pid not in [kernel.pid for kernel in self.lab.kernels()], what="the kernel is dead")
        self.ready()
        wait_for(lambda: self.execute("print(6 * 7)") == "42", what="a new kernel answers")

    def theme(self, name: str) -> None:
        """Choose "Light" or "Dark"."""
        self.js(f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {name}'}}).then(() => true)")
        self.until(f"document.body.dataset.jpThemeLight === '{'true' if name == 'Light' else 'false'}'")

    def save(self) -> None:
        """Save the notebook."""
        self.js("window.jupyterapp.commands.execute('docmanager:save').then(() => true)")

    def reload(self) -> None:
        """Reload the page."""
        self.page.reload()
        self.ready()

    def close(self) -> None:
        """Close the tab."""
        self.page.context.close()

    def errors(self) -> list[str]:
        """Return what went wrong on the page, JupyterLab's own noise aside."""
        return [error for error in self._errors if not any(noise in error for noise in NOISE)]

    def strangers(self) -> list[str]:
        """Return every address that the page asked for beyond this server."""
        ours = (self.lab.url, self.lab.url.replace("http", "ws", 1), "data:", "blob:")
        return [url for url in self._requests if not url.startswith(ours)]


def wait_for(condition: Callable[[], object], timeout_s: float = 60.0, *, what: str = "") -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what or "what was waited for did not come")
        time.sleep(0.05)
