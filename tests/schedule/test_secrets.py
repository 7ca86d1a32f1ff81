"""Secrets planted in the environment and in a keyring are in nothing that a report or a schedule leaves (L9)."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import nbformat
import pytest
from pypdf import PdfReader

from hedgekit import keys
from hedgekit.schedule import Runner
from tests.schedule.made import job, kept

RING = (
    "import os, keyring\n"
    "from hedgekit import keys\n"
    "ring = {name: keyring.get_password('hedgekit', name) for name in sorted(keys.every())}\n"
)
SHOW = RING + "from hedgekit.report import record\nprint(dict(os.environ), ring)\nrecord(n=len(os.environ))"
FAIL = RING + "raise ValueError(' '.join(os.environ.values()) + str(ring))"


@pytest.fixture
def ring(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Plant every secret in a keyring, which all processes of the test have."""
    path = tmp_path_factory.mktemp("ring") / "ring.json"
    planted = {name: f"ringed-{os.urandom(6).hex()}" for name in sorted(keys.every())}
    monkeypatch.setenv("HEDGEKIT_TEST_RING", str(path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.ring.FileRing")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    script = "import json, sys, keyring; [keyring.set_password('hedgekit', *item) for item in json.load(sys.stdin).items()]"
    subprocess.run([sys.executable, "-c", script], input=json.dumps(planted), text=True, check=True)
    assert all(value in path.read_text() for value in planted.values())
    return planted


async def test_planted_secrets_are_in_no_artefact(tmp_path: Path, ring: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that shows its whole environment and keyring, another that fails with them; the failure's command and webhook fail too."""
    planted = {name: f"planted-{n}-{os.urandom(6).hex()}" for n, name in enumerate(sorted(keys.every()))}
    webhook = f"http://127.0.0.1:9/{planted['HEDGEKIT_WEBHOOK']}"
    for name, value in (planted | {"HEDGEKIT_WEBHOOK": webhook}).items():
        monkeypatch.setenv(name, value)
    store = kept(tmp_path, job(tmp_path, SHOW, pdf=True), job(tmp_path, FAIL, name="bad", command=["false"]))
    said: list[str] = []
    runner = Runner(store, webhook=webhook, say=said.append)
    ended = [await runner.now("job"), await runner.now("bad")]
    assert [entry.event for entry in ended] == ["completed", "failed"]
    assert [entry.event for entry in store.log("bad")][-2:] == ["not told", "not told"]
    shown = nbformat.read(tmp_path / "out" / ended[0].run / "report.ipynb", as_version=4)
    assert "HEDGEKIT_REPORT" in str(shown)  # it did show its environment
    printed = "".join(
        page.extract_text().replace("\n", "") for page in PdfReader(tmp_path / "out" / ended[0].run / "report.pdf").pages
    )  # a line may end anywhere
    assert "HEDGEKIT_REPORT" in printed  # and what is printed can be read
    with closing(sqlite3.connect(store.path)) as conn, conn:
        dumped = "\n".join(conn.iterdump())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]  # noqa: ASYNC240 - nothing else runs now
    assert {"report.html", "report.ipynb", "report.failed.ipynb", "metrics.json", "run.json", "index.html"} <= {path.name for path in files}
    for text in (*(path.read_bytes().decode(errors="replace") for path in files), printed, dumped, *said):
        for value in (*planted.values(), *ring.values()):
            assert value not in text
