"""``make wheel-test``: the wheel as a stranger installs it, on every Python that is asked for, and what it weighs.

    python -m tests.package [--python python3.11 python3.13] [--out FOLDER]

Each Python gets an environment of its own with the wheel, the versions of ``constraints.txt`` and nothing else. In an empty folder the
README's commands are run: ``demo``, ``report run``, ``journal verify``, ``paper list``, and ``lab`` and ``sandbox`` until they answer, with
a look at where they listen. One line of JSON for each Python; exit code 1 if a command failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.package.building import ROOT, build
from tests.sdk.__main__ import interpreter

PATIENCE_S = 900.0
KEYS = {"APCA_API_KEY_ID": "a-key-of-paper", "APCA_API_SECRET_KEY": "a-secret-of-paper", "HEDGEKIT_CONTROL_TOKEN": "a-token-of-paper"}


class Site:
    """An environment with the wheel, and an empty folder to work in."""

    def __init__(self, python: str, wheel: Path, base: Path) -> None:
        self.folder, self.work = base / "venv", base / "work"
        self.work.mkdir(parents=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "JUPYTER", "HEDGEKIT"))}
        self.env = {**inherited, "HEDGEKIT_HOME": str(base / "home"), "IPYTHONDIR": str(base / "ipython")}
        subprocess.run([python, "-m", "venv", str(self.folder)], check=True, env=self.env)
        pip = [self.bin("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True, env=self.env, cwd=self.work)

    def bin(self, name: str) -> str:
        """Return one of the environment's programs."""
        return str(self.folder / "bin" / name)

    def run(self, *words: str) -> str:
        """Run a program in the empty folder; return what it says."""
        done = subprocess.run(
            [self.bin(words[0]), *words[1:]], cwd=self.work, env=self.env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2_000:]}")
        return done.stdout

    def seconds(self, *words: str) -> float:
        """Return how long a program takes, the median of five."""
        times = []
        for _ in range(5):
            began = time.perf_counter()
            self.run(*words)
            times.append(time.perf_counter() - began)
        return round(median(times), 2)

    def weight(self) -> dict[str, Any]:
        """Return how many packages were installed, how many MiB they take, and what an import costs."""
        packages = json.loads(self.run("python", "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"))
        size = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file() and not file.is_symlink())
        return {
            "packages": len(packages) - sum(one["name"] in ("pip", "setuptools") for one in packages),
            "mib": size // 2**20,
            "python_s": self.seconds("python", "-c", "pass"),
            "import_s": self.seconds("python", "-c", "import hedgekit"),
            "help_s": self.seconds("hedgekit", "--help"),
        }

    @contextmanager
    def running(self, *words: str, secrets: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
        """Run a server until the block is over; Ctrl-C must end it."""
        with (self.work / "server.log").open("w") as log:
            process = subprocess.Popen(
                [self.bin(words[0]), *words[1:]],
                cwd=self.work,
                env=self.env | secrets,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise


def listening(pid: int) -> list[str]:
    """Return the addresses on which a process and its children listen."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sorted({one.laddr.ip for process in family for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN})


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("what was waited for did not come")
        time.sleep(0.1)


def loopback(addresses: list[str]) -> None:
    """Raise if a server listens anywhere else than on this machine, or nowhere."""
    if not addresses or not set(addresses) <= {"127.0.0.1", "::1"}:
        raise RuntimeError(f"listens on {addresses}")


def jobs(site: Site) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is tried, in order."""
    yield "demo", lambda: site.run("hedgekit", "demo", "--first", "1990-01-02", "--last", "1991-12-31")

    def journal() -> str:
        return str(next(site.work.glob("reports/*/journal.db")))

    yield "journal verify", lambda: site.run("hedgekit", "journal", "verify", journal())
    yield "report run", lambda: site.run("hedgekit", "report", "run", "session", "-p", "journal", journal())
    yield "paper list", lambda: site.run("hedgekit", "paper", "list")

    def lab() -> None:
        runtime = site.folder.parent / "runtime"
        with site.running("hedgekit", "lab", "--no-browser", secrets={"JUPYTER_RUNTIME_DIR": str(runtime)}) as process:
            until(lambda: [*runtime.glob("jpserver-*.json")])
            loopback(listening(process.pid))
        places = site.work / "hedgekit-notebooks", ROOT / "notebooks"
        copied, ours = (sorted(file.name for file in folder.glob("*.ipynb")) for folder in places)
        if copied != ours:
            raise RuntimeError(f"notebooks copied: {copied}")

    yield "lab", lab

    def sandbox() -> None:
        with site.running("hedgekit", "sandbox", secrets=KEYS) as process:
            assert process.stdout is not None
            json.loads(process.stdout.readline())
            loopback(listening(process.pid))

    yield "sandbox", sandbox


def tried(python: str, wheel: Path, base: Path) -> dict[str, Any]:
    """Install the wheel and try everything; return what it weighs, how long each took, and what failed."""
    site = Site(python, wheel, base)
    version = site.run("python", "-c", "import platform; print(platform.python_version())").strip()
    told: dict[str, Any] = {"python": version, **site.weight()}
    took: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name, job in jobs(site):
        began = time.perf_counter()
        try:
            job()
        except (RuntimeError, OSError, subprocess.SubprocessError, StopIteration, ValueError) as error:
            failed[name] = str(error)
        took[name] = round(time.perf_counter() - began, 1)
    return told | {"seconds": took, "failed": failed}


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", nargs="+", default=["3.11", "3.13"], help="versions of Python")
    asked = parser.parse_args()
    bad = False
    with tempfile.TemporaryDirectory() as name:
        wheel = build("wheel", ROOT, Path(name))
        print(json.dumps({"wheel": wheel.name, "kib": wheel.stat().st_size // 1024}), flush=True)
        for version in asked.python:
            found = interpreter([version])
            if found is None:
                print(json.dumps({"python": version, "failed": "there is none here"}), flush=True)
                bad = True
                continue
            told = tried(found[1], wheel, Path(name, version))
            print(json.dumps(told), flush=True)
            bad = bad or bool(told["failed"])
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
