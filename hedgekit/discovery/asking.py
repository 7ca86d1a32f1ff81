"""Questions to a venue's public API, page by page: who asks is a generator without sockets, and this drives it.

It runs on a thread of its own, so it may be called from a notebook, whose thread has a loop already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import aiohttp
from tqdm import tqdm

from hedgekit.errors import SessionError, VenueError
from hedgekit.net.transport import body_of, require_paper
from hedgekit.types import NS
from hedgekit.venues.reading import wait_of

R = TypeVar("R")

TRIES = 6
"""A page that the venue is too busy for is asked for so often; after 1, 2, 4 ... s, or as long as it says."""

_TIMEOUT_S, _LONGEST_S = 30.0, 60.0
_OK, _TOO_MANY, _SERVER = 200, 429, 500
_SHOWN_AFTER_S = 1.0


class Ask(NamedTuple):
    """One page: which of the venue's addresses, path and query."""

    base: str
    path: str
    query: Mapping[str, str]


Walk = Generator[Ask, bytes, R]
"""Yields pages to ask for, is sent their bodies, and returns what they say."""


def walked(walk: Walk[R], hosts: Iterable[str], headers: Mapping[str, str], *, what: str, progress: bool) -> R:
    """Drive a walk to its end.

    Parameters
    ----------
    walk : generator
        What to ask.
    hosts : iterable of str
        Hosts that may be asked, besides loopback; redirects and proxies are not followed (L8).
    headers : mapping
        What each question carries.
    what : str
        Named in the progress bar and in errors.
    progress : bool
        Whether to show pages as they come.

    Raises
    ------
    LiveHostRefused
        If a host is none of them.
    SessionError
        If nobody answers.
    VenueError
        If the venue refuses, stays too busy, or says what cannot be read.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _walked(walk, [*hosts], headers, what, progress)).result()


async def _walked(walk: Walk[R], hosts: list[str], headers: Mapping[str, str], what: str, progress: bool) -> R:  # noqa: FBT001 - within this file
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
        with tqdm(desc=what, unit=" pages", delay=_SHOWN_AFTER_S, disable=not progress) as bar:
            try:
                ask = next(walk)
                while True:
                    body = await _page(http, ask, hosts, what)
                    bar.update()
                    ask = walk.send(body)
            except StopIteration as end:
                found: R = end.value
                return found


async def _page(http: aiohttp.ClientSession, ask: Ask, hosts: list[str], what: str) -> bytes:
    """Ask for one page, again while the venue is too busy."""
    url = require_paper(ask.base.rstrip("/") + ask.path, hosts)
    for tried in range(TRIES):
        try:
            async with http.get(url, params=ask.query, allow_redirects=False) as reply:
                body, status, after = await body_of(reply), reply.status, reply.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError) as error:
            msg = f"cannot ask {ask.base} for {what}: {type(error).__name__}; is the address right, and the network there?"
            raise SessionError(msg) from None
        if status == _OK:
            return body
        if status != _TOO_MANY and status < _SERVER:
            break
        if tried + 1 < TRIES:
            wait_ns = wait_of(after, time.time_ns())
            await asyncio.sleep(min(2.0**tried if wait_ns is None else wait_ns / NS, _LONGEST_S))
    msg = f"{ask.base} refused {what} ({status}) at {ask.path}: {body[:200]!a}"
    raise VenueError(msg, status=status, code=str(status))
