"""One real session in step with the sandbox, for all tests of this room that only read it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hedgekit.exchange import FillModel
from hedgekit.journal import Journal
from tests.paper.rig import TINY, TINY_PARAMS
from tests.tca import made


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """Return the journal of a session of 336 daily bars under the sandbox's own latencies."""
    with made.finished(tmp_path_factory.mktemp("paper"), FillModel(), TINY, TINY_PARAMS).journal() as journal:
        yield journal
