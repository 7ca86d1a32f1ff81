"""Pages in a headless browser that cannot reach anything but this machine.

Playwright's synchronous API leaves a running event loop in its thread, where
``asyncio.run`` then fails. So the browser lives in a thread of its own, and
tests get stand-ins that carry every call there.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, cast

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from tests import chromium


class OfflinePage(NamedTuple):
    """A page, the addresses it asked for beyond its own document, and its errors."""

    page: Page
    requests: list[str]
    errors: list[str]


class _Carried:
    """Stand-in for an object of the browser's thread."""

    def __init__(self, thread: ThreadPoolExecutor, target: object) -> None:
        self._thread = thread
        self._target = target

    def __getattr__(self, name: str) -> Any:
        value = self._thread.submit(getattr, self._target, name).result()
        if callable(value):
            return lambda *args, **kwargs: self._carry(self._thread.submit(value, *_bare(args), **kwargs).result())
        return self._carry(value)

    def _carry(self, value: object) -> Any:
        if isinstance(value, list):
            return [self._carry(item) for item in value]
        return _Carried(self._thread, value) if type(value).__module__.startswith("playwright.") else value


def _bare(args: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(arg._target if isinstance(arg, _Carried) else arg for arg in args)


class OfflineBrowser:
    """One headless browser for the test run; every page has a context of its own."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="browser")
        self._browser: Browser | None = None
        self._stop: Callable[[], None] = lambda: None
        self._thread.submit(self._start).result()

    def _start(self) -> None:
        path = chromium.find()
        if path is None:
            raise RuntimeError(chromium.HELP)
        playwright = sync_playwright().start()
        self._stop = playwright.stop
        self._browser = playwright.chromium.launch(executable_path=path, headless=True, args=[*chromium.FLAGS, chromium.OFFLINE])

    def open(self, *, width: int = 1280, height: int = 900) -> OfflinePage:
        """Return an empty page that records what it asks for and what goes wrong."""
        return self._thread.submit(self._open, width, height).result()

    def _open(self, width: int, height: int) -> OfflinePage:
        assert self._browser is not None
        page = self._browser.new_context(viewport={"width": width, "height": height}).new_page()
        requests: list[str] = []
        errors: list[str] = []

        def on_request(request: Request) -> None:
            own = request.is_navigation_request() and request.frame == page.main_frame
            if not own and not request.url.startswith(("data:", "blob:")):
                requests.append(request.url)

        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error":
                errors.append(message.text)

        def on_error(error: Error) -> None:
            errors.append(error.message)

        page.on("request", on_request)
        page.on("console", on_console)
        page.on("pageerror", on_error)
        page.on("crash", lambda _: errors.append("the page crashed"))
        return OfflinePage(cast("Page", _Carried(self._thread, page)), requests, errors)

    def close(self) -> None:
        """Close all pages, the browser and the thread."""
        if self._browser is not None:
            self._thread.submit(self._browser.close).result()
        self._thread.submit(self._stop).result()
        self._thread.shutdown()
