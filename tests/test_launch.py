"""Signals are not lost where Python would swallow them."""

from __future__ import annotations

import gc
import signal
import threading
import weakref

import pytest

from hedgekit.launch import signals_held


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
