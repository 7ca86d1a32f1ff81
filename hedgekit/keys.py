"""Where credentials are: the environment, then the operating system's keyring. They are looked up by name, and never shown (L9).

The keyring is used if the package ``keyring`` is installed (``pip install "hedgekit[keyring]"``).
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, NamedTuple
from urllib.parse import unquote

from hedgekit.errors import ConfigError
from hedgekit.venues import CLIENTS, client_of

SERVICE = "hedgekit"
"""The name under which the keyring keeps them."""

OTHERS = ("HEDGEKIT_CONTROL_TOKEN", "HEDGEKIT_WEBHOOK")
"""Secrets that are no venue's."""

SHORTEST = 6
"""Shorter values are not looked for in texts: a paper account's key may be any word."""

_IN_QUERY = re.compile(r"://\S*[?&](?:ssl)?password=", re.IGNORECASE)

Place = Literal["environment", "keyring", "missing"]


class Known(NamedTuple):
    """A credential by its name: which venue's, and where it is; its value is not in here."""

    venue: str
    name: str
    place: Place


def in_query(text: str) -> bool:
    """Return whether a password stands after an address's ``?``, where nothing that shows the address hides it."""
    return _IN_QUERY.search(unquote(text)) is not None


def secret(name: str) -> str:
    """Return a credential.

    Raises
    ------
    ConfigError
        If it is nowhere, or the keyring cannot be read; names the variable, never a value.
    """
    value = os.environ.get(name) or _from_keyring(name)
    if not value:
        where = "nor in the keyring" if _installed() else 'and the package keyring is not installed (pip install "hedgekit[keyring]")'
        msg = f"{name} is not set in the environment, {where}; set it, or keep it with `hedgekit keys set {name}`"
        raise ConfigError(f"{name} is not set in the environment; set it" if name in OTHERS else msg)
    return value


def names(venue: str) -> tuple[str, ...]:
    """Return the names of a venue's credentials: the account's, then those of a key that can only read, where live prices want one."""
    return *client_of(venue).key_env, *client_of(venue).data_key_env


def every() -> frozenset[str]:
    """Return the names of all credentials that hedgekit knows."""
    return frozenset([*OTHERS, *(name for venue in CLIENTS for name in names(venue))])


def scrubbed(text: str) -> str:
    """Return a text with each credential's value replaced by its name; PGPASSWORD too."""
    held = {os.environ.get(name) or _of_keyring_or_none(name): name for name in sorted({*every(), "PGPASSWORD"})}
    for value in sorted(held, key=len, reverse=True):  # one may be a part of another
        if len(value) >= SHORTEST:
            text = text.replace(value, f"[{held[value]}]")
    return text


def known(*venues: str) -> list[Known]:
    """Return where the credentials of venues are, of all by default.

    Raises
    ------
    ConfigError
        If there is no such venue, or the keyring cannot be read.
    """
    return [Known(venue, name, place(name)) for venue in venues or CLIENTS for name in names(venue)]


def place(name: str) -> Place:
    """Return where a credential is found first."""
    if os.environ.get(name):
        return "environment"
    return "keyring" if _from_keyring(name) else "missing"


def keep(name: str, value: str) -> None:
    """Keep a credential in the keyring.

    Raises
    ------
    ConfigError
        If no venue has one of that name, it is empty, or there is no keyring.
    """
    _check(name)
    if not value:
        msg = f"{name}: nothing given; paste the value, or leave it as it is"
        raise ConfigError(msg)
    _keyring("keep", name, value)


def forget(name: str) -> None:
    """Remove a credential from the keyring; one that is not there is no error.

    Raises
    ------
    ConfigError
        If no venue has one of that name, or there is no keyring.
    """
    _check(name)
    if _from_keyring(name):
        _keyring("forget", name)


def _check(name: str) -> None:
    there = [known for venue in CLIENTS for known in names(venue)]
    if name not in there:
        msg = f"no venue has a key {name!r}; there are {', '.join(there)}"
        raise ConfigError(msg)


def _installed() -> bool:
    return find_spec("keyring") is not None


def _from_keyring(name: str) -> str:
    return _keyring("read", name) if _installed() else ""


def _of_keyring_or_none(name: str) -> str:
    """Return what the keyring has, nothing if it is locked: what nobody can read is in no text either."""
    try:
        return _from_keyring(name)
    except ConfigError:
        return ""


def _keyring(do: Literal["read", "keep", "forget"], name: str, value: str = "") -> str:
    """Read, write or delete; a machine without any keyring has nothing to read, and nowhere to write."""
    if not _installed():
        msg = 'the package keyring is not installed: pip install "hedgekit[keyring]", or set the variable in the environment'
        raise ConfigError(msg)
    keyring, errors = import_module("keyring"), import_module("keyring.errors")
    try:
        if do == "read":
            return str(keyring.get_password(SERVICE, name) or "")
        if do == "keep":
            keyring.set_password(SERVICE, name, value)
        else:
            keyring.delete_password(SERVICE, name)
    except errors.NoKeyringError:
        if do != "read":
            msg = f"this machine has no keyring for {name}; set the variable in the environment"
            raise ConfigError(msg) from None
    except errors.KeyringError as error:
        msg = f"the keyring did not {do} {name} ({type(error).__name__}); unlock it, or set the variable in the environment"
        raise ConfigError(msg) from None
    return ""
