"""The offline browser sees what a page asks for and what goes wrong in it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.browser import OfflinePage


def _write(folder: Path, body: str) -> str:
    file = folder / "page.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><title>t</title><body>{body}</body>", encoding="utf-8")
    return file.as_uri()


def test_a_quiet_page_asks_for_nothing(offline_page: OfflinePage, tmp_path: Path) -> None:
    page, requests, errors = offline_page
    page.goto(_write(tmp_path, "<p id=a>drawn</p><img src='data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAAC'>"))
    assert page.locator("#a").inner_text() == "drawn"
    assert page.evaluate("[1, 2].map(x => 2 * x)") == [2, 4]
    assert (requests, errors) == ([], [])


def test_requests_and_errors_are_recorded_and_no_host_is_reached(offline_page: OfflinePage, tmp_path: Path) -> None:
    page, requests, errors = offline_page
    page.goto(_write(tmp_path, "<script src='https://plots.invalid/p.js'></script><link rel=stylesheet href=s.css><script>none.x</script>"))
    page.wait_for_load_state("load")
    assert sorted(url.rpartition("/")[2] for url in requests) == ["p.js", "s.css"]
    assert any("ERR_NAME_NOT_RESOLVED" in error for error in errors)
    assert any("none is not defined" in error for error in errors)


def test_the_browser_leaves_the_thread_free_for_asyncio(offline_page: OfflinePage) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return offline_page.page.evaluate("6 * 7")

    assert asyncio.run(answer()) == 42
