"""Stocks of Alpaca from a stand-in: live prices, instruments and history, by the commands."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import (
    bot_trading_pb2,
    bot_trading_pb2_grpc,
    market_data_pb2,
    market_data_pb2_grpc,
    order_pb2,
)
from server.market.replay_file import check_replay_file
from server.market.sessions import AlwaysOpen
from server.market.universe_file import (
    DEFAULT_UNIVERSE_PATH,
    default_universe,
    load_universe,
)
from tests.support.exchanges.alpaca import KEY, SECRET, Alpaca
from tests.support.exchanges.elsewhere import Tell, elsewhere
from tests.support.process import STOP_SECONDS_MAX, Process, channel, make_key

HISTORY = ("--interval", "1m", "--since", "2025-03-03", "--until", "2025-04-12")


@pytest.fixture
def alpaca(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Alpaca, Tell]]:
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    with elsewhere(Alpaca) as (broker, tell):
        monkeypatch.setenv("BOTTRADING_FEED_URLS", broker.url)
        yield broker, tell


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "server", *arguments]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, timeout=50
    )


def test_a_universe_is_printed_and_its_errors_are_one_line(
    alpaca: tuple[Alpaca, Tell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("universe", "alpaca", "AAPL", "spy,BRK.B")
    unknown = run("universe", "alpaca", "AAPL", "NOPE")
    path = tmp_path / "universe.toml"
    path.write_text(done.stdout)

    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(load_universe(path, simulated=False).instruments(0)) == ["AAPL", "BRK.B", "SPY"]
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == (
        "bottrading: alpaca has no stock NOPE: write symbols such as AAPL or BRK.B\n"
    )

    kept = ("--out", str(path), "--keep", "AAPL", "--keep-from", str(DEFAULT_UNIVERSE_PATH))
    path.unlink()
    assert run("universe", "alpaca", "AAPL,SPY", *kept).returncode == 0
    listings = load_universe(path, simulated=False).listings(0)
    assert (listings["AAPL"].level > 0, listings["SPY"].level) == (True, 0)
    monkeypatch.delenv("APCA_API_KEY_ID")
    assert "needs the environment variable APCA_API_KEY_ID" in run("universe", "alpaca", "A").stderr


@pytest.mark.timeout(120)
def test_a_download_killed_in_the_middle_goes_on_and_its_file_plays(
    alpaca: tuple[Alpaca, Tell], tmp_path: Path
) -> None:
    broker, tell = alpaca
    whole, out = tmp_path / "whole.csv", tmp_path / "bars.csv"
    done = run("history", "alpaca", "AAPL,SPY", *HISTORY, "--out", str(whole))
    assert done.returncode == 0, done.stderr
    broker.answers_bars = 1

    async def until_it_waits() -> None:
        await broker.until(lambda: broker.answers_bars < 0)

    with subprocess.Popen(
        command("history", "alpaca", "AAPL,SPY", *HISTORY, "--out", str(out))
    ) as download:
        tell(until_it_waits())
        download.send_signal(signal.SIGKILL)
        download.wait(STOP_SECONDS_MAX)
    begun = {path.name: path.stat().st_size for path in (tmp_path / "bars.csv.parts").iterdir()}
    broker.answers_bars = 1_000
    again = run("history", "alpaca", "AAPL,SPY", *HISTORY, "--out", str(out))

    assert begun["AAPL.csv"] > 100_000
    assert again.returncode == 0, again.stderr
    assert "23,400 bars" in again.stderr
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bars.csv", "whole.csv"]
    facts = check_replay_file(out, default_universe(), AlwaysOpen())
    assert (facts.is_sorted, facts.notes) == (True, ())
    assert run("history", "alpaca", "AAPL", *HISTORY, "--out", str(out)).stderr == (
        f"bottrading: {out} exists already: remove it, or choose another --out\n"
    )


class Trader:
    """A bot that waits for prices."""

    def __init__(self, service: Process) -> None:
        self._metadata = (("x-bot-key", make_key(service)),)
        self._channel = channel(service.grpc)
        self._market = market_data_pb2_grpc.MarketDataStub(self._channel)
        self._trading = bot_trading_pb2_grpc.BotTradingStub(self._channel)

    def __enter__(self) -> "Trader":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def wait_until_stale(self, symbol: str) -> None:
        request = market_data_pb2.GetQuoteRequest(symbol=symbol)
        deadline = time.monotonic() + 30
        while not self._market.GetQuote(request, metadata=self._metadata, timeout=10).quote.stale:
            assert time.monotonic() < deadline
            # One request in a second is within the limit of an account.
            time.sleep(1)

    def wait_for(self, symbol: str, ask: str) -> None:
        """Wait until a fresh quote is shown."""
        request = market_data_pb2.StreamQuotesRequest(symbols=[symbol])
        stream = self._market.StreamQuotes(request, metadata=self._metadata, timeout=30)
        for message in stream:
            if message.quote.ask.rstrip("0") == ask and not message.quote.stale:
                stream.cancel()
                return
        raise AssertionError("the stream ended")

    def buy(self, symbol: str, limit_price: str | None = None) -> order_pb2.Order:
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol=symbol, side=order_pb2.SIDE_BUY, quantity="1"
        )
        if limit_price is not None:
            request.order_type = order_pb2.ORDER_TYPE_LIMIT
            request.limit_price = limit_price
        return self._trading.PlaceOrder(request, metadata=self._metadata, timeout=10).order

    def order(self, order_id: str) -> order_pb2.Order:
        request = bot_trading_pb2.GetOrderRequest(order_id=order_id)
        return self._trading.GetOrder(request, metadata=self._metadata, timeout=10).order

    def symbols(self) -> list[str]:
        request = market_data_pb2.ListInstrumentsRequest()
        found = self._market.ListInstruments(request, metadata=self._metadata, timeout=10)
        return [instrument.symbol for instrument in found.instruments]


@pytest.mark.timeout(120)
def test_a_venue_of_live_stocks_trades_on_fresh_quotes_and_keeps_what_is_held(
    alpaca: tuple[Alpaca, Tell], tmp_path: Path
) -> None:
    broker, tell = alpaca
    settings: dict[str, Any] = {
        "sessions": "always-open",
        "slippage": "none",
        "quote_staleness_seconds": "6",
        "feed_urls": broker.url,
    }

    async def vanish() -> None:
        broker.refusing = True
        broker.lose_connections()

    tell(broker.quote("AAPL", 185.41, 185.43))
    options = ("--feed", "alpaca", "--feed-symbols")
    with (
        Process(tmp_path / "data", *options, "AAPL,SPY", **settings) as service,
        Trader(service) as bot,
    ):
        bot.wait_for("AAPL", "185.43")
        resting, bought = bot.buy("AAPL", "185.20"), bot.buy("AAPL")
        tell(broker.quote("AAPL", 185.17, 185.19))
        bot.wait_for("AAPL", "185.19")
        filled = bot.order(resting.id)
        tell(vanish())
        bot.wait_until_stale("AAPL")
        rejected = bot.buy("AAPL")
        broker.refusing = False
        tell(broker.quote("AAPL", 185.5, 185.51))
        bot.wait_for("AAPL", "185.51")
        assert bot.buy("AAPL").filled_price == "185.51000000"
        assert service.stop() == 0
    broker.assets["GME"] = broker.assets["SPY"] | {"symbol": "GME", "name": "GameStop"}
    del broker.assets["AAPL"]
    with Process(tmp_path / "data", *options, "GME", **settings) as service, Trader(service) as bot:
        assert bot.symbols() == ["AAPL", "GME"]
        told = service.log.read_text()
        assert service.stop() == 0

    assert (bought.filled_price, resting.status) == ("185.43000000", order_pb2.ORDER_STATUS_OPEN)
    assert (filled.status, filled.filled_price) == (
        order_pb2.ORDER_STATUS_FILLED,
        "185.19000000",
    )
    assert rejected.status == order_pb2.ORDER_STATUS_REJECTED
    assert "AAPL stays listed without quotes, because accounts use it" in told
