"""The sandbox's process: it starts, says where it is, keeps secrets, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

import aiohttp
import pytest

from hedgekit.errors import ConfigError
from hedgekit.sandbox.options import cash_of
from tests.sandbox.desk import AUTH, KEYS, MARKET, command, environment, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


def start(*options: str, **changes: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command(*options), stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment(**changes))


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    process = start("--die-with-parent")
    assert process.stdout is not None
    process.ready = json.loads(process.stdout.readline())  # type: ignore[attr-defined]
    yield process
    if process.poll() is None:
        process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()  # type: ignore[union-attr]
    process.wait(timeout=10)


def refused(*options: str, **changes: str) -> str:
    """Run a sandbox that cannot start; return its one line of stderr."""
    process = start(*options, **changes)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1, err
    assert not any(secret in err for secret in KEYS.values())
    return err


def test_the_ready_line_names_every_address_on_loopback(running: subprocess.Popen[str]) -> None:
    ready = running.ready  # type: ignore[attr-defined]
    venue, control = ready["accounts"]["ALPACA"]["rest"].rsplit(":", 1)[1], ready["control"].split(":")[2].split("/")[0]
    assert ready == {
        "accounts": {
            "ALPACA": {
                "rest": f"http://127.0.0.1:{venue}",
                "stream": f"ws://127.0.0.1:{venue}/stream",
                "data": f"ws://127.0.0.1:{venue}/v2/sip",
            }
        },
        "control": f"ws://127.0.0.1:{control}/control",
        "first_ns": 631314000000000000,
    }
    assert venue != control


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(running: subprocess.Popen[str], number: signal.Signals) -> None:
    running.send_signal(number)
    assert running.communicate(timeout=10) == ("", "")
    assert running.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)


def test_it_dies_with_its_parent(running: subprocess.Popen[str]) -> None:
    assert running.stdin is not None
    running.stdin.close()
    assert running.wait(timeout=10) == 0


@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_an_occupied_port_is_one_clear_line(option: str) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refused(option, str(port)) == (
            f"hedgekit: port {port} on 127.0.0.1 is in use; choose another with {option}, or 0 for a free one\n"
        )


def test_a_missing_secret_is_named() -> None:
    said = refused(HEDGEKIT_CONTROL_TOKEN="", APCA_API_KEY_ID="")
    assert "set APCA_API_KEY_ID, HEDGEKIT_CONTROL_TOKEN in the environment" in said


@pytest.mark.parametrize(
    ("market", "said"),
    [('{"first": 7}', "Expected `str | null`, got `int` - at `$.first`"), ("nonsense", "malformed"), ('{"sample": "x"}', "no sample 'x'")],
)
def test_a_bad_market_is_one_clear_line(market: str, said: str) -> None:
    assert said in refused("--market", market)


def test_a_bad_model_is_one_clear_line() -> None:
    assert "is not a FillModel" in refused("--model", '{"name":"magic"}')


async def test_the_control_port_wants_its_token() -> None:
    async with sandbox(market=MARKET) as process, aiohttp.ClientSession() as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}, AUTH):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await http.ws_connect(process.ready["control"], headers=headers)


def test_money_is_that_of_a_venue_or_of_all() -> None:
    assert cash_of(()) == (Decimal(1_000_000), {})
    assert cash_of(("5", "DERIBIT=0.5", "X=7")) == (Decimal(5), {"DERIBIT": Decimal("0.5"), "X": Decimal(7)})
    for wrong in ("a", "", "=5", "DERIBIT=", "-1", "nan", "A=B=C"):
        with pytest.raises(ConfigError, match=r"--cash .* is not an amount; write for example 1000000, or DERIBIT=50"):
            cash_of((wrong,))
    assert "--cash DERIBIT=...: nothing of this market is listed there, only at ALPACA" in refused("--cash", "DERIBIT=5")
    assert "--venue KALSHI: nothing of this market is listed there, only at ALPACA" in refused("--venue", "KALSHI")
