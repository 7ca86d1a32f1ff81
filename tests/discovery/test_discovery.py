"""Discovery against real servers on this machine.

They speak payloads made here. *documented*: Kalshi's markets, event and market, Deribit's instruments, Alpaca's assets and bars, in the
fields of the venues' documents. *constructed*, of fields that could not be verified: Kalshi's candlesticks, Deribit's chart data,
Polymarket's Gamma markets and prices-history.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd
import pytest

from hedgekit.discovery import VENUES, discover
from hedgekit.discovery import asking as room
from hedgekit.errors import ConfigError, LiveHostRefused, SessionError, VenueError
from hedgekit.types import Kind
from tests.venues.counter import counter
from tests.venues.test_contract import TestDeribit as Perpetuals
from tests.venues.test_contract import TestKalshi as Contracts

PAYLOADS = Path(__file__).parents[1] / "venues" / "payloads"
Told = tuple[int, object] | tuple[int, object, dict[str, str]]
Say = Callable[[str, dict[str, str]], Told]
DAY = 1_767_571_200
"""2026-01-05, UTC."""


class Heard:
    """What a server was asked: path and query, and the headers of the last question."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: dict[str, str] = {}


@contextmanager
def serving(say: Say) -> Iterator[Heard]:
    """Serve what ``say`` says for path and query."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            heard.asked.append((parts.path, query))
            heard.headers = {name.lower(): value for name, value in self.headers.items()}
            status, body, *more = say(parts.path, query)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    heard.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def closes(frame: pd.DataFrame) -> list[tuple[int, float]]:
    """Return Unix seconds and close of each bar."""
    return [(int(at.timestamp()), float(price)) for at, price in frame["close"].items()]  # type: ignore[attr-defined] # a time


# ----------------------------------------------------------------------- kalshi


def kalshi_market(ticker: str, title: str, **more: object) -> dict[str, object]:
    (market,) = json.loads((PAYLOADS / "kalshi_markets.json").read_bytes())["markets"][:1]
    return {**market, "ticker": ticker, "title": title, "close_time": "2026-03-18T18:00:00Z", **more}


def test_kalshi_lists_page_by_page_and_words_choose() -> None:
    pages = {
        "": ([kalshi_market("KXFED-A", "Fed above 4%?", yes_bid_dollars="0.4100", yes_ask_dollars="0.4300", volume_fp="12.50")], "next"),
        "next": ([kalshi_market("KXRAIN-B", "Rain?"), kalshi_market("KXFED-C", "fed above 5%?")], ""),
    }

    def say(_: str, query: dict[str, str]) -> Told:
        markets, cursor = pages[query.get("cursor", "")]
        return 200, {"markets": markets, "cursor": cursor}

    with serving(say) as heard:
        found = discover("KALSHI", url=heard.url, progress=False).markets("FED above", series_ticker="KXFED")
    assert list(found["symbol"]) == ["KXFED-A", "KXFED-C"]
    first = found.iloc[0]
    assert (first["bid"], first["ask"], first["volume"]) == (0.41, 0.43, 12.5)
    assert (first["instrument"].key, first["instrument"].kind) == ("KALSHI:KXFED-A", Kind.BINARY)
    assert first["closes"] == pd.Timestamp("2026-03-18T18:00Z")
    assert found["bid"].isna().tolist() == [False, True], "what is not said is not made up"
    paths, queries = zip(*heard.asked, strict=True)
    assert set(paths) == {"/trade-api/v2/markets"}
    assert [query.get("cursor") for query in queries] == [None, "next"]
    assert all(query["series_ticker"] == "KXFED" for query in queries)
    assert not any(name.startswith("kalshi") for name in heard.headers), "no key is sent"


def test_kalshis_candles_are_asked_in_windows_of_the_markets_own_series(monkeypatch: pytest.MonkeyPatch) -> None:
    from hedgekit.discovery import kalshi  # noqa: PLC0415 - a window of its own size

    monkeypatch.setattr(kalshi, "_MOST", 2)

    def say(path: str, query: dict[str, str]) -> Told:
        if path.endswith("/markets/KXFED-A"):
            return 200, {"market": kalshi_market("KXFED-A", "?", event_ticker="KXFED-26MAR")}
        if path.endswith("/events/KXFED-26MAR"):
            return 200, {"event": {"series_ticker": "KXFED", "event_ticker": "KXFED-26MAR"}}
        assert path == "/trade-api/v2/series/KXFED/markets/KXFED-A/candlesticks"
        assert query["period_interval"] == "60"
        ends = range(int(query["start_ts"]), int(query["end_ts"]) + 1, 3600)  # both ends, so that pages overlap
        names = [f"{name}_dollars" for name in ("open", "high", "low", "close")]
        candles: list[dict[str, Any]] = [
            {"end_period_ts": end, "price": dict.fromkeys(names, f"0.{(end - DAY) // 3600:02d}00"), "volume_fp": "3.00"} for end in ends
        ]
        candles[-1] = {"end_period_ts": ends[-1], "price": {"close_dollars": None}} if ends[-1] == DAY + 5 * 3600 else candles[-1]
        return 200, {"ticker": "KXFED-A", "candlesticks": candles}

    with serving(say) as heard:
        found = discover("KALSHI", url=heard.url, progress=False).history("KXFED-A", "2026-01-05", "2026-01-05T05:00", bar="1h")
    assert len(heard.asked) == 2 + 3
    assert closes(found.iloc[:4]) == [(DAY + hour * 3600, (hour + 1) / 100) for hour in range(4)], "a bar is named by its beginning"
    assert found["close"].isna().tolist() == [False] * 4 + [True], "a bar without a trade has no price"
    assert found["volume"].tolist()[:4] == [3.0] * 4


# ---------------------------------------------------------------------- deribit


def test_deribit_lists_perpetuals_of_each_currency() -> None:
    listed = json.loads((PAYLOADS / "deribit_instruments.json").read_bytes())

    def say(_: str, query: dict[str, str]) -> Told:
        return 200, listed if query["currency"] == "BTC" else {**listed, "result": []}

    with serving(say) as heard:
        found = discover("DERIBIT", url=heard.url, progress=False).markets("btc")
        assert discover("DERIBIT", url=heard.url, progress=False).markets(currency="ETH").empty
    assert list(found["symbol"]) == ["BTC-PERPETUAL"]
    assert found.iloc[0]["instrument"].inverse
    assert [query["currency"] for _, query in heard.asked] == ["BTC", "ETH", "USDC", "ETH"]


def test_deribits_chart_comes_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    from hedgekit.discovery import deribit  # noqa: PLC0415 - as above

    monkeypatch.setattr(deribit, "_MOST", 2)

    def say(_: str, query: dict[str, str]) -> Told:
        ticks = [*range(int(query["start_timestamp"]), int(query["end_timestamp"]), 86_400_000)]
        bars = [float(tick // 86_400_000) for tick in ticks]
        names = ("open", "high", "low", "close", "volume", "cost")
        return 200, {"jsonrpc": "2.0", "result": {"ticks": ticks, "status": "ok", **dict.fromkeys(names, bars)}}

    with serving(say) as heard:
        found = discover("DERIBIT", url=heard.url, progress=False).history("BTC-PERPETUAL", "2026-01-05", "2026-01-10", bar="1D")
    assert closes(found) == [(DAY + day * 86_400, float(DAY // 86_400 + day)) for day in range(5)]
    assert [query["resolution"] for _, query in heard.asked] == ["1D"] * 3


def test_a_chart_with_unequal_columns_is_an_error() -> None:
    chart = {"status": "ok", "ticks": [DAY * 1000], "open": [1.0], "high": [1.0], "low": [1.0], "close": [], "volume": [1.0]}
    with serving(lambda *_: (200, {"jsonrpc": "2.0", "result": chart})) as heard, pytest.raises(VenueError, match="columns of lengths"):
        discover("DERIBIT", url=heard.url, progress=False).history("X", "2026-01-05", "2026-01-06")


@pytest.mark.parametrize("facts", [Contracts, Perpetuals])
async def test_the_sandbox_lists_what_it_trades(facts: type) -> None:
    async with counter(facts()) as desk:
        ours = discover(facts.venue, url=desk.account["rest"], progress=False)  # type: ignore[attr-defined] # a contract's
        found = await asyncio.to_thread(ours.markets)
    assert set(found["symbol"]) == {one.symbol for one in facts.listed}  # type: ignore[attr-defined] # as above
    assert {one.kind for one in found["instrument"]} == {one.kind for one in facts.listed}  # type: ignore[attr-defined] # as above


# ------------------------------------------------------------------- polymarket


def gamma(number: int, **more: Any) -> dict[str, Any]:
    tokens = json.dumps([str(10**70 + number), str(2 * 10**70 + number)])
    about = {"question": f"Rain {number}?", "outcomes": '["Yes", "No"]', "clobTokenIds": tokens, "endDate": "2026-03-01T00:00:00Z"}
    return {"id": str(number), "conditionId": f"0x{number:064x}", **about, "orderPriceMinTickSize": 0.01, "orderMinSize": 5, **more}


def test_polymarket_lists_both_outcomes_by_offset() -> None:
    every = [gamma(number) for number in range(4)] + [gamma(4, clobTokenIds=None) | {"clobTokenIds": "[]"}]

    def say(path: str, query: dict[str, str]) -> Told:
        assert (path, query["closed"]) == ("/markets", "false")
        return 200, every[int(query["offset"]) : int(query["offset"]) + int(query["limit"])]

    with serving(say) as heard:
        found = discover("POLYMARKET", url=heard.url, progress=False).markets(limit="2")
    assert [query["offset"] for _, query in heard.asked] == ["0", "2", "4"]
    assert len(found) == 8, "a market without a book has nothing to trade"
    yes, no = (json.loads(found["native"][row]) for row in (0, 1))
    assert (yes["token"], yes["opposite"]) == (no["opposite"], no["token"])
    assert found["symbol"][0] == str(10**70)
    assert list(found["outcome"][:2]) == ["Yes", "No"]


def test_polymarkets_history_is_the_last_price_of_each_bar() -> None:
    points = [{"t": DAY + 10, "p": 0.4}, {"t": DAY + 50, "p": 0.41}, {"t": DAY + 130, "p": 0.43}, {"t": DAY + 86_400, "p": 0.9}]
    with serving(lambda *_: (200, {"history": points})) as heard:
        found = discover("POLYMARKET", url=heard.url, progress=False).history("123", "2026-01-05", "2026-01-06", bar="1min")
    assert closes(found) == [(DAY, 0.41), (DAY + 120, 0.43)]
    assert found["open"].isna().all()
    assert heard.asked == [
        ("/prices-history", {"market": "123", "startTs": str(DAY), "endTs": str(DAY + 86_400), "fidelity": "1"}),
    ]


# ----------------------------------------------------------------------- alpaca


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "an-id")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "a-planted-secret")


@pytest.mark.usefixtures("keyed")
def test_alpaca_gets_its_keys_and_pages_bars_by_token() -> None:
    flags = {"tradable": True, "shortable": True, "easy_to_borrow": False, "fractionable": True}
    asset = {"id": "1", "class": "us_equity", "exchange": "NYSE", "symbol": "KO", "name": "Coca-Cola Company", "status": "active", **flags}

    def say(path: str, query: dict[str, str]) -> Told:
        if path == "/v2/assets":
            return 200, [asset, asset | {"symbol": "PEP", "name": "PepsiCo"}]
        number = int(query.get("page_token", "0"))
        bar = {"t": f"2026-01-0{5 + number}T05:00:00Z", "o": 1.0, "h": 2.0, "l": 0.5, "c": 1.5 + number, "v": 100, "n": 3, "vw": 1.2}
        return 200, {"bars": {"KO": [bar]}, "next_page_token": None if number == 2 else str(number + 1)}

    with serving(say) as heard:
        alpaca = discover("ALPACA", url=heard.url, progress=False)
        assert list(alpaca.markets("cola")["symbol"]) == ["KO"]
        assert heard.headers["apca-api-secret-key"] == "a-planted-secret"
        found = alpaca.history("KO", "2026-01-05", "2026-01-08", bar="1D")
    assert found["close"].tolist() == [1.5, 2.5, 3.5]
    assert "a-planted-secret" not in repr(alpaca)
    assert heard.asked[1][1] == {
        "symbols": "KO", "timeframe": "1Day", "start": "2026-01-05T00:00:00Z", "end": "2026-01-08T00:00:00Z",
        "limit": "10000", "adjustment": "all", "feed": "iex",
    }  # fmt: skip


@pytest.mark.usefixtures("keyed")
def test_a_refusal_does_not_show_a_key() -> None:
    with serving(lambda *_: (401, {"message": "unauthorized."})) as heard, pytest.raises(VenueError, match=r"401.*unauthorized") as caught:
        discover("ALPACA", url=heard.url, progress=False).markets()
    assert "a-planted-secret" not in f"{caught.value!r}{caught.getrepr()}"


# --------------------------------------------------------------------- everyone


def test_a_busy_venue_is_asked_again_as_late_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(room.asyncio, "sleep", sleep)
    answers: list[Told] = [(429, {}, {"Retry-After": "7"}), (503, {}), (200, {"history": []})]
    with serving(lambda *_: answers.pop(0)) as heard:
        assert discover("POLYMARKET", url=heard.url, progress=False).history("1", "2026-01-05", "2026-01-06").empty
    assert waits == [7.0, 2.0]
    with serving(lambda *_: (503, {})) as heard, pytest.raises(VenueError, match="503"):
        discover("POLYMARKET", url=heard.url, progress=False).history("1", "2026-01-05", "2026-01-06")
    assert len(heard.asked) == room.TRIES


def test_a_redirect_is_not_followed() -> None:
    with serving(lambda *_: (200, {"history": []})) as elsewhere:
        to = {"Location": f"{elsewhere.url}/prices-history"}
        with serving(lambda *_: (302, {}, to)) as heard, pytest.raises(VenueError, match="302"):
            discover("POLYMARKET", url=heard.url, progress=False).history("1", "2026-01-05", "2026-01-06")
    assert elsewhere.asked == []


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.usefixtures("keyed")
def test_what_is_not_understood_is_quoted_and_no_other_host_is_asked(venue: str) -> None:
    with serving(lambda *_: (200, b"<html>maintenance")) as heard:
        for ask in (lambda one: one.markets(), lambda one: one.history("X", "2026-01-05", "2026-01-06")):
            with pytest.raises(VenueError, match="maintenance"):
                ask(discover(venue, url=heard.url, progress=False))
    with pytest.raises(LiveHostRefused):
        discover(venue, url="https://example.com", progress=False).markets()
    with pytest.raises(SessionError, match="cannot ask http"):
        discover(venue, url=heard.url, progress=False).markets()


@pytest.mark.parametrize(
    ("start", "end", "bar", "said"),
    [
        ("2026-01-06", "2026-01-05", "1h", "nothing lies between"),
        ("soon", "2026-01-05", "1h", "start='soon' is no time"),
        ("2026-01-05", "2026-01-06", "7min", "the venue has 1min, 1h, 1D"),
    ],
)
def test_what_cannot_be_asked_is_said(start: str, end: str, bar: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        discover("KALSHI").history("X", start, end, bar=bar)
    with pytest.raises(ConfigError, match="no venue 'NYSE'"):
        discover("NYSE")


def test_it_works_where_a_loop_runs_already() -> None:
    async def cell(url: str) -> pd.DataFrame:
        return discover("POLYMARKET", url=url, progress=False).history("1", "2026-01-05", "2026-01-06")

    with serving(lambda *_: (200, {"history": [{"t": DAY, "p": 0.5}]})) as heard:
        assert closes(asyncio.run(cell(heard.url))) == [(DAY, 0.5)]
