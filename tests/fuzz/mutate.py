"""Seeded spoiling of bytes and of JSON: what a fuzz campaign is fed with."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from hedgekit.sandbox.calls import UNREADABLE
from tests.venues.fuzz import JUNK

WORDS = (
    "",
    "0",
    "-1",
    "nan",
    "Infinity",
    "1e9",
    "1e-999999",
    "9" * 40,
    "0." + "1" * 40,
    "\u0661",
    "\x00",
    "BUY",
    "../../etc",
    "<script>",
    "null",
    "2026-01-05T14:30:00Z",
)
ODD: tuple[Any, ...] = (None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.1, 1e308, -0.0, [], {}, [[]], {"": {}}, *WORDS)
LONGEST = 200_000
"""Bytes of the longest input."""


def spoilt(data: bytes, chance: Random) -> bytes:
    """Return bytes that are almost a message: one to three changes to its bytes or to the values in it, now and then nothing of it."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = chance.choice(_WAYS)(data, chance)
    return data[:LONGEST]


def value(chance: Random) -> Any:
    """Return a value that no venue would send, or one that could stand somewhere else."""
    return chance.choice(ODD)


def _bytes(data: bytes, chance: Random) -> bytes:
    at, cut = chance.randrange(len(data) + 1), chance.randrange(20)
    put = chance.choice(JUNK) if chance.random() < 0.5 else chance.randbytes(chance.randrange(7))
    return data[:at] + put + data[at + cut :]


def _cut(data: bytes, chance: Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _twice(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at:] * chance.choice((2, 3, 50))


def _noise(_: bytes, chance: Random) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 3, 40, 300)))


def _deep(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice((b"[", b'{"a":')) * chance.choice((10, 1_000, 20_000)) + data[at:]


def _leaf(data: bytes, chance: Random) -> bytes:
    """Another value, a missing key or one too many, somewhere in the tree."""
    try:
        tree = msgspec.json.decode(data)
    except UNREADABLE:
        return _bytes(data, chance)
    node = tree
    while isinstance(node, dict | list) and node:
        key = chance.choice(list(node)) if isinstance(node, dict) else chance.randrange(len(node))
        child = node[key]
        if not isinstance(child, dict | list) or not child or chance.random() < 0.2:
            way = chance.random()
            if way < 0.75:
                node[key] = value(chance)
            elif way < 0.9:
                del node[key]
            elif isinstance(node, dict):
                node[chance.choice(WORDS)] = child
            else:
                node.append(child)
            break
        node = child
    return msgspec.json.encode(tree)


_WAYS = (_leaf, _leaf, _leaf, _leaf, _bytes, _bytes, _cut, _twice, _noise, _deep)
