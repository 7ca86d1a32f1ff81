"""The same targets fed by atheris, which looks for inputs that reach lines no input reached before.

    python -m pip install atheris
    python -m tests.fuzz.guided "Kalshi parsers" --seconds 600

atheris (libFuzzer for Python) is no dependency: it exists for few machines and Pythons. It starts from the recorded payloads, spoils
half of the inputs by its own ways and half by ours (:mod:`tests.fuzz.mutate`), and stops with a traceback, and the input in a file, at
the first broken word, at an input that takes 10 s, or at 4 GiB of memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any


def main() -> None:
    """Run it; atheris ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="for example 'Kalshi parsers' or 'Deribit skin'")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()), help="where an input that breaks a word is kept")
    asked = parser.parse_args()
    try:
        atheris: Any = import_module("atheris")
    except ImportError:
        raise SystemExit("atheris is not installed: python -m pip install atheris") from None
    with atheris.instrument_imports(include=["hedgekit.venues", "hedgekit.sandbox"]):
        targets = import_module("tests.fuzz.targets")
        spoilt = import_module("tests.fuzz.mutate").spoilt
        name_of = import_module("tests.fuzz.__main__").name_of
    every = {name_of(target): target for target in targets.targets()}
    if asked.target not in every:
        raise SystemExit(f"target {asked.target!r}: there are {', '.join(every)}")
    target = every[asked.target]

    def mutated(data: bytes, longest: int, seed: int) -> bytes:
        chance = Random(seed)  # noqa: S311 - a seed makes it again
        return bytes(atheris.Mutate(data, longest) if chance.random() < 0.5 else spoilt(data, chance)[:longest])

    with tempfile.TemporaryDirectory() as folder:
        for number, payload in enumerate(target.corpus):
            (Path(folder) / str(number)).write_bytes(payload)
        limits = ["-timeout=10", "-rss_limit_mb=4096", "-max_len=200000", f"-max_total_time={asked.seconds}"]
        atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={asked.out}/", folder], target.feed, custom_mutator=mutated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
