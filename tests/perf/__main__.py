"""``make bench``: every benchmark in a process of its own, one table, ``reports/bench.json`` and ``reports/bench.html``.

    python -m tests.perf [--size quick | full] [--only NAME ...] [--out reports] [--markdown]

The peers' environment (``.bench``) is made the first time. A benchmark whose results differ from its peers', or that fails, is told
and makes the exit code 1; the others go on. With ``--only`` the earlier figures of the others are kept. ``--markdown`` measures
nothing and prints the table of the documentation.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import msgspec

from tests.perf.page import Bench, markdown, page
from tests.perf.peers.contest import REQUIREMENTS, ROOT, environment
from tests.perf.rows import Found, Size, table

PLAIN = (
    "backtest_speed",
    "statistics_speed",
    "message_rate",
    "hedge_latency",
    "limiter_saturated",
    "journal_writes",
    "journal_scale",
    "panel_poll",
    "report_speed",
    "soak",
    "scaling",
)
BROWSER = ("live_stream", "desk_stream", "explorer_follow")
"""Benchmarks that need Chromium or Chrome."""
OURS = ("numpy", "pandas", "numba", "statsmodels", "arch", "aiohttp", "uvloop", "msgspec", "sqlalchemy", "bokeh")


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    )
    return names[0] if names else platform.processor() or platform.machine()


def where() -> dict[str, str]:
    """Return what the figures depend on."""
    peers = dict(line.split("==") for line in REQUIREMENTS.read_text().splitlines()[1:7] if "==" in line)
    return {
        processor(): f"({os.cpu_count()} cores)",
        platform.system(): platform.release().split("-")[0],
        "Python": platform.python_version(),
        **{name: version(name) for name in OURS},
        **peers,
    }


def measured(name: str, size: Size) -> Found | str:
    """Run one benchmark; return what it found, or its last words."""
    print(f"\n{name} ...", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, "-m", f"tests.perf.{name}", "--size", size, "--json", str(out)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode or not out.exists():
            said = done.stderr.strip().splitlines() or ["no word why"]
            return next((line for line in reversed(said) if re.match(r"[\w.]+(Error|Exception)\b|SystemExit", line)), said[-1])
        found = msgspec.json.decode(out.read_bytes(), type=Found)
    print(f"{table(found.rows)}\n{found.took_s:.0f} s, load {found.load[0]:.1f} to {found.load[-1]:.1f}", flush=True)
    for curve in found.curves:
        print(f"  {curve.name}: {curve.x}^{curve.slope:.2f} ({curve.low:.2f} to {curve.high:.2f}), allowed {curve.allowed:.2f}")
    return found


def main() -> int:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=Size, default=Size.FULL, choices=list(Size))
    parser.add_argument("--only", nargs="+", default=[], choices=[*PLAIN, *BROWSER], metavar="NAME")
    parser.add_argument("--out", type=Path, default=ROOT / "reports")
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    file = given.out / "bench.json"
    kept = msgspec.json.decode(file.read_bytes(), type=Bench) if file.exists() else Bench({})
    if given.markdown:
        print(markdown(kept))
        return 0
    if given.size is not Size.SMOKE:
        environment()
    bench, began = Bench(where(), kept.found if given.only else {}), time.monotonic()
    for name in given.only or [*PLAIN, *BROWSER]:
        found = measured(name, given.size)
        if isinstance(found, Found):
            bench.found[name] = found
        else:
            bench.failed[name] = found
            print(f"  FAILED: {found}")
        given.out.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(bench), indent=1))
        file.with_suffix(".html").write_text(page(bench), encoding="utf-8")
    print(f"\n{bench.summary()}; {time.monotonic() - began:.0f} s; {file.with_suffix('.html')}")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
