"""L9: credentials are found in the environment or a keyring, by name, and never shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keyring
import pytest
from keyring.backends.fail import Keyring as NoRing

from hedgekit import keys
from hedgekit.errors import ConfigError
from hedgekit.venues import CLIENTS, client_of
from tests.ring import FileRing

NAMES = [name for venue in CLIENTS for name in (*client_of(venue).key_env, *client_of(venue).data_key_env)]
VALUE = "a-value-that-nobody-may-see"


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a keyring of its own, and an environment without keys."""
    path, before = tmp_path / "ring.json", keyring.get_keyring()
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HEDGEKIT_TEST_RING", str(path))
    monkeypatch.setattr(keyring, "get_keyring", lambda: before)
    keyring.set_keyring(FileRing())
    yield path
    keyring.set_keyring(before)


def run(*words: str, given: str = "", ring: Path) -> subprocess.CompletedProcess[str]:
    """Run ``hedgekit keys`` in a process of its own, with the test's keyring."""
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment |= {"HEDGEKIT_TEST_RING": str(ring), "PYTHON_KEYRING_BACKEND": "tests.ring.FileRing", "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "hedgekit", "keys", *words]
    return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, timeout=60, check=False)


def test_the_environment_goes_before_the_keyring(ring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.keep("APCA_API_SECRET_KEY", VALUE)
    assert (keys.secret("APCA_API_SECRET_KEY"), keys.place("APCA_API_SECRET_KEY")) == (VALUE, "keyring")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "another")
    assert (keys.secret("APCA_API_SECRET_KEY"), keys.place("APCA_API_SECRET_KEY")) == ("another", "environment")
    monkeypatch.delenv("APCA_API_SECRET_KEY")
    keys.forget("APCA_API_SECRET_KEY")
    keys.forget("APCA_API_SECRET_KEY")
    assert keys.place("APCA_API_SECRET_KEY") == "missing"
    assert VALUE not in ring.read_text()


def test_every_venue_is_listed_with_every_name(ring: Path) -> None:
    keys.keep(NAMES[0], VALUE)
    found = keys.known()
    assert [one.name for one in found] == NAMES
    assert [one.place for one in found] == ["keyring", *["missing"] * (len(NAMES) - 1)]
    assert VALUE not in repr(found)
    assert ring.exists()


@pytest.mark.usefixtures("ring")
def test_what_is_nowhere_is_named_with_the_fix() -> None:
    with pytest.raises(ConfigError, match="APCA_API_KEY_ID is not set in the environment, nor in the keyring; set it, or keep it with"):
        keys.secret("APCA_API_KEY_ID")
    for change in (lambda: keys.keep("PATH", VALUE), lambda: keys.forget("PATH")):
        with pytest.raises(ConfigError, match="no venue has a key 'PATH'; there are APCA_API_KEY_ID"):
            change()
    with pytest.raises(ConfigError, match="APCA_API_KEY_ID: nothing given"):
        keys.keep("APCA_API_KEY_ID", "")


def test_a_locked_keyring_is_told_and_a_machine_without_one_has_no_keys(ring: Path) -> None:
    ring.write_text("locked")
    with pytest.raises(ConfigError, match="the keyring did not read APCA_API_KEY_ID \\(KeyringLocked\\); unlock it"):
        keys.secret("APCA_API_KEY_ID")
    keyring.set_keyring(NoRing())
    assert keys.place("APCA_API_KEY_ID") == "missing"
    with pytest.raises(ConfigError, match="this machine has no keyring for APCA_API_KEY_ID; set the variable"):
        keys.keep("APCA_API_KEY_ID", VALUE)


@pytest.mark.usefixtures("ring")
def test_without_the_package_the_environment_is_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "find_spec", lambda _: None)
    assert keys.place("APCA_API_KEY_ID") == "missing"
    with pytest.raises(ConfigError, match=r'the package keyring is not installed \(pip install "hedgekit\[keyring\]"\)'):
        keys.secret("APCA_API_KEY_ID")
    with pytest.raises(ConfigError, match="the package keyring is not installed"):
        keys.keep("APCA_API_KEY_ID", VALUE)


def test_the_command_shows_names_and_places_alone(tmp_path: Path) -> None:
    ring = tmp_path / "ring.json"
    said = [run("set", "DERIBIT_CLIENT_SECRET", given=f"{VALUE}\n", ring=ring), run("check", ring=ring), run("check", "deribit", ring=ring)]
    assert [one.returncode for one in said] == [0, 0, 1], said
    assert "DERIBIT_CLIENT_SECRET" in ring.read_text()
    assert "DERIBIT     DERIBIT_CLIENT_SECRET" in said[1].stdout
    (line,) = [line for line in said[2].stdout.splitlines() if "SECRET" in line]
    assert line.split() == ["DERIBIT", "DERIBIT_CLIENT_SECRET", "keyring"]
    wrong = run("check", "nowhere", ring=ring)
    assert (wrong.returncode, wrong.stderr.startswith("hedgekit: no venue 'NOWHERE'")) == (2, True), wrong
    assert run("forget", "DERIBIT_CLIENT_SECRET", ring=ring).returncode == 0
    assert not any(VALUE in one.stdout + one.stderr for one in said)
