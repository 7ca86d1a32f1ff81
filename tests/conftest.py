"""What all tests share: Hypothesis without a stop-watch and with the same examples each time, and a browser without a network."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.browser import OfflineBrowser, OfflinePage

# A slow machine is not a wrong result: no deadline for one example. A run can be repeated: the same examples each time.
# HYPOTHESIS_PROFILE=explore draws new ones; a failure then prints how to get it again.
settings.register_profile("hedgekit", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "hedgekit"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in a shell's background; Ctrl-C is tested all the same
    signal.signal(signal.SIGINT, signal.default_int_handler)

IN_A_LAB = ("tests/widgets/", "tests/test_lab.py", "tests/perf/test_bench_browser.py")
"""Tests that drive JupyterLab in Chromium: two at a time would take the processors of two from each other, and wait in vain."""


class OneLab(LoadFileScheduling):
    """Gives each file to one process, and to the same one all files that drive JupyterLab."""

    def _split_scope(self, nodeid: str) -> str:
        return "in a lab" if nodeid.startswith(IN_A_LAB) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneLab:
    """Return how tests are shared out among processes."""
    return OneLab(config, log)


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
