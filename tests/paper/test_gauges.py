"""What a session shows of its request budgets: in the file of every pair, and none the worse for one that cannot be written."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hedgekit.paper import Session, SessionConfig
from hedgekit.paper.allowance import limiter_of
from hedgekit.paper.config import Access
from hedgekit.paper.gauges import Allowance, Gauges
from hedgekit.types import Instrument
from hedgekit.venues.alpaca import Alpaca
from tests.paper.rig import TINY_PARAMS

ACCOUNT = Access("http://127.0.0.1:1", "ws://127.0.0.1:1", "ws://127.0.0.1:1")


def test_every_pair_has_them_in_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Alpaca.key_env:
        monkeypatch.setenv(name, "not a secret")
    legs = (Instrument("ALPACA", "KO"), Instrument("ALPACA", "PEP"))
    one = SessionConfig("first", str(tmp_path / "journal.db"), {"ALPACA": ACCOUNT}, "", legs, TINY_PARAMS, {})
    files = {
        "first": "",
        "second": str(tmp_path / "file" / "gauges.json"),
        "third": str(tmp_path / "3.json"),
        "fourth": str(tmp_path / "4.json"),
    }
    (tmp_path / "file").touch()
    session = Session(*(msgspec.structs.replace(one, session=name, gauges=path) for name, path in files.items()))
    account = session.accounts["ALPACA"]
    account._limiter = limiter_of(account.client, "first", 200, [], 0, live=True)
    session._dashboard.show([account], 7)
    for name in ("3.json", "4.json"):
        found = Gauges.read(tmp_path / name)
        assert found is not None
        assert (found.ts_ns, found.budgets) == (7, (Allowance("ALPACA", "requests", 50, 50, 0),))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.json", "4.json", "file"]
