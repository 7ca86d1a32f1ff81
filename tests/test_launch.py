"""Signals are not lost where Python would swallow them, and children are hedgekit's own."""

from __future__ import annotations

import gc
import json
import signal
import threading
import weakref
from pathlib import Path

import pytest

from hedgekit.launch import Child, detached, signals_held
from hedgekit.venues.alpaca import Alpaca
from tests.lab import wait_for


class Node:
    """Something with a destructor in it."""


def test_a_signal_waits_until_the_block_is_over() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), signals_held():  # noqa: PT012 - the rest of the block is what is tested
        signal.raise_signal(signal.SIGINT)
        done.append("the block's rest")
    assert done == ["the block's rest"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_in_a_destructor_is_lost_without_it_and_not_with_it() -> None:
    def collect() -> None:
        node = Node()
        weakref.finalize(node, signal.raise_signal, signal.SIGINT).atexit = False
        del node
        gc.collect()

    collect()  # Python prints "Exception ignored", and goes on
    with pytest.raises(KeyboardInterrupt), signals_held():
        collect()


def test_an_error_of_the_block_goes_on() -> None:
    with pytest.raises(ValueError, match="mine"), signals_held():
        raise ValueError("mine")


def test_another_thread_holds_nothing() -> None:
    seen = []

    def work() -> None:
        with signals_held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_no_child_imports_what_lies_in_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own modules are called random, calendar, code; a notebook's neighbours may be as well."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "random.py").write_text("raise SystemExit('this is mine')\n")
    keys = dict.fromkeys((*Alpaca.key_env, "HEDGEKIT_CONTROL_TOKEN"), "x")
    with (tmp_path / "log").open("wb") as log, Child(["sandbox"], secrets=keys, log=log) as child:
        assert "ALPACA" in json.loads(child.line())["accounts"]
    detached(["paper", "--help"], log=tmp_path / "detached")
    wait_for(lambda: "Paper sessions" in (tmp_path / "detached").read_text(), what="the detached command says nothing")
