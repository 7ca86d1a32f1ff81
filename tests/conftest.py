"""What all tests share: Hypothesis without a stop-watch and with the same examples each time, and a browser without a network."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from tests.browser import OfflineBrowser, OfflinePage

# A slow machine is not a wrong result: no deadline for one example. A run can be repeated: the same examples each time.
# HYPOTHESIS_PROFILE=explore draws new ones; a failure then prints how to get it again.
settings.register_profile("hedgekit", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "hedgekit"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in a shell's background; Ctrl-C is tested all the same
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give a test file a home, and so a trial ledger, of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEDGEKIT_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[OfflineBrowser]:
    """Return the run's one headless browser; it cannot reach any host but this one."""
    browser = OfflineBrowser()
    yield browser
    browser.close()


@pytest.fixture
def new_page(browser: OfflineBrowser) -> Iterator[Callable[..., OfflinePage]]:
    """Return a function that opens pages: ``new_page(width=1280, height=900)``."""
    opened: list[OfflinePage] = []

    def open_page(*, width: int = 1280, height: int = 900) -> OfflinePage:
        opened.append(browser.open(width=width, height=height))
        return opened[-1]

    yield open_page
    for item in opened:
        item.page.context.close()


@pytest.fixture
def offline_page(new_page: Callable[..., OfflinePage]) -> OfflinePage:
    """Return ``(page, requests, errors)``: a page, what it asked for besides itself, and its console errors."""
    return new_page()
