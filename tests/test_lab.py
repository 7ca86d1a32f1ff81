"""`hedgekit lab`: which folder it opens, what it copies, what it refuses, and that its settings are in force."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hedgekit import lab as room
from hedgekit.errors import ConfigError
from tests.browser import OfflineBrowser
from tests.lab import Lab, LabPage, write_notebook


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_in_a_clone_the_clones_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(room.source().parent)
    assert room.choose(None) == (room.source(), "")


def test_elsewhere_a_copy_that_is_never_overwritten(elsewhere: Path) -> None:
    names = sorted(file.name for file in room.source().glob("*.ipynb"))
    assert room.choose(None) == (elsewhere / room.OWN, f"copied {len(names)} notebooks to {elsewhere / room.OWN}")
    assert sorted(file.name for file in (elsewhere / room.OWN).iterdir()) == names
    mine = elsewhere / room.OWN / room.STORY
    mine.write_text("mine")
    (elsewhere / room.OWN / names[-1]).unlink()
    assert room.choose(None)[1] == f"copied 1 notebooks to {elsewhere / room.OWN}"
    assert mine.read_text() == "mine"
    assert room.choose(None)[1] == f"your notebooks in {elsewhere / room.OWN}"


def test_what_it_refuses(elsewhere: Path) -> None:
    with pytest.raises(ConfigError, match="is not a folder"):
        room.choose(elsewhere / "none")
    (elsewhere / room.OWN).touch()
    with pytest.raises(ConfigError, match="cannot be copied"):
        room.choose(None)
    with socket.socket() as taken:
        taken.bind((room.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} .*choose another with --port"):
            room.command(elsewhere, port, browser=False)


def test_it_stays_on_this_machine_and_puts_our_settings_first(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = room.command(elsewhere, None, browser=False, more=["--debug"])
    assert command[:4] == [sys.executable, "-P", "-m", "jupyterlab"]
    assert {"--ServerApp.ip=127.0.0.1", "--no-browser", "--LabApp.news_url=", "--debug"} <= set(command)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    ours, theirs = room.environment()["JUPYTER_CONFIG_PATH"].split(":")
    assert (Path(ours) / "labconfig" / "default_setting_overrides.json").is_file()
    assert theirs == "mine"


def test_the_settings_are_in_force(elsewhere: Path, browser: OfflineBrowser) -> None:
    """In the browser: widget messages take the main channel, and nothing is asked of the network."""
    root = elsewhere / "notebooks"
    root.mkdir()
    write_notebook(root / "a.ipynb", ["import ipywidgets\nipywidgets.Button(description='a button')"])
    with Lab(root, elsewhere) as running:
        page = LabPage(running, browser, "a.ipynb")
        page.run_all()
        page.click("a button")
        kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        assert page.js(f"String({kernel}.commsOverSubshells)") == "disabled"
        assert page.strangers() == []
        assert page.errors() == []
        page.close()
        family = running.kernels()
        assert len(family) == 1
        sockets = [one for process in (psutil.Process(running.process.pid), *family) for one in process.net_connections("inet")]
        assert {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN} == {room.HOST}
    assert not any(kernel.is_running() for kernel in family), "no kernel is left"
