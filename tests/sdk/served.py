"""What the judges share: a sandbox served by hedgekit's interpreter, and the verdict; no library is known here but the standard one.

Each judge is run by the interpreter of its SDK's own environment, with hedgekit's as its argument::

    ENV/bin/python tests/sdk/deribit_judge.py .venv/bin/python

``make sdk-test`` makes the environments and runs them all (``tests/sdk/__main__.py``).
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, TypeVar

Failure = TypeVar("Failure", bound=Exception)
TOUCH = json.dumps({"name": "touch", "ws_ns": 0, "up_ns": 0, "down_ns": 0})
"""Orders are filled at the best price at once."""


def python() -> str:
    """Return hedgekit's interpreter, which the command line names."""
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: python {sys.argv[0]} HEDGEKIT_PYTHON")
    return sys.argv[1]


@contextmanager
def sandbox(venue: str, secrets: Mapping[str, str], market: str, *options: str) -> Iterator[dict[str, Any]]:
    """Serve a live sandbox of one venue; give its addresses, and the venue's ids where it has its own."""
    command = [python(), "-m", "hedgekit", "sandbox", "--venue", venue, "--live", "--market", market, "--model", TOUCH, *options]
    env = {**os.environ, **secrets, "HEDGEKIT_CONTROL_TOKEN": "tok-secret"}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"the sandbox did not start: {python()} must be hedgekit's interpreter"
            yield json.loads(line)["accounts"][venue]
        finally:
            process.terminate()
            process.wait(10)


def raised(kind: type[Failure], call: Callable[[], object]) -> Failure:
    """Return the error that a call ends with; it has to be of this kind."""
    try:
        answer = call()
    except kind as error:
        return error
    raise AssertionError(answer)


def judge(sdk: str, parts: Sequence[Callable[..., Any]], *given: Any) -> bool:
    """Run all parts with what is given to each; say how each went, and then the verdict in one line."""
    results = [_holds(part, *given) for part in parts]
    return verdict([sdk], [part.__name__ for part in parts], passed=all(results))


def verdict(sdks: Sequence[str], parts: Sequence[str], *, passed: bool) -> bool:
    """Say the verdict in the line that ``make sdk-test`` repeats."""
    names = ", ".join(f"{sdk} {version(sdk)}" for sdk in sdks)
    say(f"{'PASS' if passed else 'FAIL'} {names} on Python {sys.version.split()[0]}: {', '.join(parts)}")
    return passed


def say(line: str) -> None:
    """Write a line for whoever runs this."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _holds(part: Callable[..., Any], *given: Any) -> bool:
    try:
        asyncio.run(part(*given)) if inspect.iscoroutinefunction(part) else part(*given)
    except Exception:  # noqa: BLE001 - whatever it is, it is a failure
        say(f"FAILED {part.__name__}\n{traceback.format_exc()}")
        return False
    say(f"ok {part.__name__}: {(part.__doc__ or '').splitlines()[0]}")
    return True
