"""A keyring in a file, for tests: machines that run them have none of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class FileRing(KeyringBackend):
    """Keeps its passwords in the file that ``HEDGEKIT_TEST_RING`` names; the text "locked" in it locks it."""

    priority = 1  # type: ignore[assignment] # as every backend's

    def _read(self) -> dict[str, str]:
        path = Path(os.environ.get("HEDGEKIT_TEST_RING", os.devnull))  # keyring finds every backend that is imported
        text = (path.read_text() if path.exists() else "") or "{}"
        if text == "locked":
            raise KeyringLocked(text)
        found: dict[str, str] = json.loads(text)
        return found

    def _write(self, found: dict[str, str]) -> None:
        Path(os.environ["HEDGEKIT_TEST_RING"]).write_text(json.dumps(found))

    def get_password(self, service: str, username: str) -> str | None:
        """Return one, None if there is none."""
        return self._read().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep one."""
        self._write(self._read() | {f"{service} {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        """Remove one."""
        found = self._read()
        if f"{service} {username}" not in found:
            raise PasswordDeleteError
        del found[f"{service} {username}"]
        self._write(found)
