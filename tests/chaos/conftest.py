"""An honest run, played once, and copies of it to tamper with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hedgekit.exchange.faults import Fault, FaultKind
from tests.chaos.audit import audit
from tests.chaos.made import made
from tests.chaos.play import play


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Play a run with a kill, a long outage in a trade, a naked leg beyond the budget, and partial fills; no law is broken in it."""
    faults = (
        Fault(FaultKind.OUTAGE, "row:43", 40.0),  # a pair is held, and half a second later it is to be closed
        Fault(FaultKind.PARTIAL, "submit:6", fraction=0.1),
        Fault(FaultKind.DELAYED_ACK, "submit:9", 5.0),
    )
    folder = tmp_path_factory.mktemp("honest") / "run"
    play(made(*faults, kills=("outbox.after_send:4",)), folder)
    verdict = audit(folder)
    assert verdict["violations"] == []
    assert verdict["facts"]["restarts"] == 1
    assert verdict["facts"]["silences"] == 1
    assert verdict["facts"]["naked_breaches_reported"] >= 1
    return folder


@pytest.fixture
def folder(honest: Path, tmp_path: Path) -> Path:
    """Return a copy to tamper with."""
    return Path(shutil.copytree(honest, tmp_path / "run"))
