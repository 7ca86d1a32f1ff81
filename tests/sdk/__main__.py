"""``make sdk-test``: each venue's own SDK, in an environment of its own under ``.sdk``, judges the sandbox.

    python -m tests.sdk [VENUE ...]

An SDK that cannot be installed here (no Python of its versions, or pip fails) is skipped with a line that says why; one that was
installed and does not hold fails the run. An environment is made once, and anew when its requirements change.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HOME = ROOT / ".sdk"
PLAIN = ("3.11", "3.12", "3.13")
SDKS = {"alpaca": PLAIN, "deribit": PLAIN, "kalshi": ("3.13", "3.14"), "polymarket": PLAIN}
"""Versions of Python that a venue's SDK is installed on, the first that is found."""

PATIENCE_S = 600
VERDICTS = ("PASS ", "FAIL ")
PROBE = "import ensurepip, venv, sys; print('%d.%d' % sys.version_info[:2])"


def interpreters(version: str) -> Iterator[str]:
    """Find what may be a Python of a version: this one, on the path, pyenv's."""
    yield sys._base_executable  # type: ignore[attr-defined] # what a venv's interpreter was made from
    if found := shutil.which(f"python{version}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from (str(path) for path in sorted(pyenv.glob(f"versions/{version}*/bin/python{version}")))


def interpreter(versions: Sequence[str]) -> tuple[str, str] | None:
    """Return the first version that is here, and an interpreter of it that can make environments."""
    for version in versions:
        for path in interpreters(version):
            probe = subprocess.run([path, "-c", PROBE], capture_output=True, text=True, check=False)
            if probe.stdout.strip() == version:
                return version, path
    return None


def environment(venue: str, base: str, version: str) -> Path | None:
    """Return the interpreter of a venue's environment, which is made if it is not there; None if pip fails."""
    wanted = HERE / f"requirements-{venue}.txt"
    folder, stamp = HOME / venue, HOME / venue / "made"
    python, made = folder / "bin" / "python", f"{version}\n{wanted.read_text()}"
    if stamp.is_file() and stamp.read_text() == made:
        return python
    say(f"{venue}: installing {', '.join(wanted.read_text().split())} on Python {version} ...")
    shutil.rmtree(folder, ignore_errors=True)
    HOME.mkdir(exist_ok=True)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "-r", wanted]
    with (HOME / f"{venue}.log").open("w") as log:
        for command in ([base, "-m", "venv", folder], pip):
            if subprocess.run(command, stdout=log, stderr=log, check=False).returncode:
                return None
    stamp.write_text(made)
    return python


def judged(venue: str, python: Path) -> bool:
    """Run a judge; say its verdicts, and all that it said if one is bad."""
    command = [python, HERE / f"{venue}_judge.py", sys.executable]
    env = {**os.environ, "PYTHONPATH": ""}
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as late:
        say(f"FAIL {venue}: no verdict after {PATIENCE_S} s\n{(late.stdout or b'').decode()}")
        return False
    verdicts = [line for line in done.stdout.splitlines() if line.startswith(VERDICTS)]
    passed = done.returncode == 0 and bool(verdicts) and all(line.startswith("PASS ") for line in verdicts)
    if not passed:
        say(f"{done.stdout}{done.stderr}")
    for line in verdicts or [f"FAIL {venue}: the judge ended with {done.returncode} and gave no verdict"]:
        say(f"{venue}: {line}")
    return passed


def say(line: str) -> None:
    """Write a line for the person at the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(venues: Sequence[str]) -> int:
    """Judge by the SDKs of these venues, or of all; return 1 if one that was installed does not hold."""
    if unknown := sorted(set(venues) - set(SDKS)):
        say(f"no venue {', '.join(unknown)}; there are {', '.join(SDKS)}")
        return 2
    results = []
    for venue in venues or SDKS:
        if (found := interpreter(SDKS[venue])) is None:
            say(f"{venue}: SKIP, its SDK needs Python {' or '.join(SDKS[venue])}, and none was found on the path or under pyenv")
        elif (python := environment(venue, found[1], found[0])) is None:
            say(f"{venue}: SKIP, its SDK could not be installed; what venv and pip said is in .sdk/{venue}.log")
        else:
            results.append(judged(venue, python))
    say(f"{sum(results)} of {len(results)} judges hold; {len(venues or SDKS) - len(results)} skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
