"""One folder of the user's, whichever room asks: $HEDGEKIT_HOME with its ~, else the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedgekit import trials
from hedgekit.desk.home import home
from hedgekit.home import HOME_ENV, home_of
from hedgekit.schedule.store import Store


@pytest.mark.parametrize("said", ["~/mine", "elsewhere/../mine", "", None])
def test_every_room_has_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv(trials.TRIALS_ENV, raising=False)
    monkeypatch.delenv(HOME_ENV, raising=False) if said is None else monkeypatch.setenv(HOME_ENV, said)
    folder = tmp_path / ("mine" if said else "data/hedgekit")
    assert home_of() == home() == Store().path.parent == trials.ledger().parent == folder


def test_what_is_asked_for_goes_first(tmp_path: Path) -> None:
    assert home_of(tmp_path / "this") == tmp_path / "this"
