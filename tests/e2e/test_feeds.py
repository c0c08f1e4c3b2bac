"""Live prices in one command: `serve --feed` and `bottrading feed`, with lines through a pipe."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from bottrading.v1 import market_data_pb2 as market_data
from bottrading.v1 import market_data_pb2_grpc as market_data_grpc
from tests.support.process import Process, channel, free_port, make_key, wait_until_gone

BURST_LINES = 50_000


class Lines:
    """A pipe that a feed reads."""

    def __init__(self) -> None:
        self.end, self._write = os.pipe()

    def say(self, symbol: str, bid: str, ask: str, **more: str) -> None:
        fields = {"symbol": symbol, "bid": bid, "ask": ask, **more}
        os.write(self._write, f"{json.dumps(fields)}\n".encode())

    def write(self, text: bytes) -> None:
        """Write all of a text, however slowly it is read."""
        while text:
            text = text[os.write(self._write, text) :]

    def close(self) -> None:
        for descriptor in (self.end, self._write):
            with suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines()
    yield made
    made.close()


class Trader:
    """A bot that waits for prices."""

    def __init__(self, service: Process) -> None:
        self._metadata = (("x-bot-key", make_key(service)),)
        self._channel = channel(service.grpc)

    def __enter__(self) -> "Trader":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def wait_for(self, symbol: str, ask: str) -> Any:
        """Wait until a quote is shown."""
        stub = market_data_grpc.MarketDataStub(self._channel)
        request = market_data.StreamQuotesRequest(symbols=[symbol])
        stream = stub.StreamQuotes(request, metadata=self._metadata, timeout=30)
        for message in stream:
            if message.quote.ask == f"{ask}.00000000" and not message.quote.stale:
                stream.cancel()
                return message.quote
        raise AssertionError("the stream ended")

    def buy(self, symbol: str) -> Any:
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol=symbol, side=order_pb2.SIDE_BUY, quantity="1"
        )
        stub = bot_trading_pb2_grpc.BotTradingStub(self._channel)
        return stub.PlaceOrder(request, metadata=self._metadata, timeout=10).order


def test_serve_with_a_feed_is_a_venue_on_live_prices(tmp_path: Path, lines: Lines) -> None:
    options = ("--feed", "lines", "--feed-symbols", "BTC/USD,AAPL")
    with (
        Process(tmp_path / "data", *options, stdin=lines.end, slippage="none") as service,
        Trader(service) as bot,
    ):
        lines.say("BTC/USD", "99", "100", ask_size="50")
        bot.wait_for("BTC-USD", "100")
        filled = bot.buy("BTC-USD")
        # A feed that dies is started again, and goes on.
        os.kill(service.feed(), signal.SIGKILL)
        service.wait_until_told(r"The feed ended with status -9; starting it again\.")
        lines.say("BTC/USD", "199", "200")
        bot.wait_for("BTC-USD", "200")
        children = service.children()
        assert service.stop() == 0
        wait_until_gone(children)

    assert (filled.status, filled.filled_price) == (order_pb2.ORDER_STATUS_FILLED, "100.00000000")


def test_a_feed_of_an_unknown_symbol_ends_the_service_with_one_line(
    tmp_path: Path, lines: Lines
) -> None:
    options = ("--feed", "lines", "--feed-symbols", "NOPE")
    with Process(tmp_path / "data", *options, stdin=lines.end, wait=False) as service:
        assert service.process.wait(30) == 2
        told = service.log.read_text().splitlines()

    assert told[-1] == (
        "bottrading: feed: the venue has no instrument NOPE:"
        " start it with a universe file that has them"
    )


def test_a_feed_whose_lines_have_ended_leaves_the_service_running(
    tmp_path: Path, lines: Lines
) -> None:
    with Process(tmp_path / "data", "--feed", "lines", stdin=lines.end) as service:
        lines.close()
        service.wait_until_told("The feed has ended")
        assert service.is_serving()
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--feed", "ccxt:kraken"), "feed ccxt:kraken needs feed_symbols, such as BTC/USD,ETH/USD"),
        (
            ("--feed", "lines", "--market", "simulated"),
            "market simulated has quotes of its own: leave out market or feed",
        ),
        (("--feed-symbols", "A"), "feed_symbols needs feed: the source of their prices"),
        (("--feed", "yahoo", "--feed-symbols", "A"), "feed: 'yahoo' is not a source: choose one"),
    ],
)
def test_a_wrong_feed_is_told_in_one_line(
    tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    with Process(tmp_path / "data", *options, wait=False) as service:
        assert service.process.wait(30) == 2
        [line] = service.log.read_text().splitlines()

    assert told in line


def test_a_feed_of_its_own_publishes_to_a_running_service(tmp_path: Path, lines: Lines) -> None:
    with (
        Process(tmp_path / "data", "--market", "published") as service,
        Trader(service) as bot,
    ):
        command = [sys.executable, "-m", "server", "feed", "lines", "AAPL"]
        command += ["--data-dir", str(tmp_path / "data")]
        with subprocess.Popen(command, stdin=lines.end) as feed:
            lines.say("AAPL", "99", "100")
            bot.wait_for("AAPL", "100")
            feed.terminate()
            assert feed.wait(20) == 0


def test_a_feed_needs_a_service_that_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server", "feed", "lines", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 2
    assert done.stderr.startswith("bottrading: no service answers on the data directory")


def test_a_feed_that_falls_silent_is_told_in_log_metric_and_readiness(
    tmp_path: Path, lines: Lines
) -> None:
    metrics = f"127.0.0.1:{free_port()}"
    options = ("--feed", "lines", "--metrics", metrics)
    data = tmp_path / "data"
    with (
        Process(data, *options, stdin=lines.end, rest=True, quote_staleness_seconds="5") as service,
        Trader(service) as bot,
    ):
        lines.say("AAPL", "99", "100")
        bot.wait_for("AAPL", "100")
        ready = httpx.get(f"http://{service.rest}/readyz")
        lines.close()
        service.wait_until_told(r"1 of 1 quotes are stale \(AAPL\)")
        stale = httpx.get(f"http://{service.rest}/readyz")
        counted = httpx.get(f"http://{metrics}/metrics").text
        rejected = bot.buy("AAPL")

    assert ready.json()["ready"]
    assert ready.json()["quotes"].keys() == {"fresh", "stale"}
    assert (stale.status_code, stale.json()) == (
        200,
        {"ready": True, "quotes": {"fresh": 0, "stale": 1}},
    )
    assert 'bottrading_quotes{state="stale"} 1.0' in counted
    assert rejected.status == order_pb2.ORDER_STATUS_REJECTED


def test_a_burst_of_lines_with_garbage_in_it_leaves_no_backlog(
    tmp_path: Path, lines: Lines
) -> None:
    options = ("--feed", "lines", "--feed-symbols", "AAPL")
    burst = b"".join(
        b'{"symbol": "AAPL", "bid": "%d", "ask": "%d"}\n' % (ask - 1, ask) + b"\xff garbage {\n"
        for ask in range(1_000, 1_100)
        for _ in range(BURST_LINES // 100)
    )
    with (
        Process(tmp_path / "data", *options, stdin=lines.end, slippage="none") as service,
        Trader(service) as bot,
    ):
        lines.say("AAPL", "99", "100")
        bot.wait_for("AAPL", "100")
        lines.write(burst)
        lines.say("AAPL", "199", "200")
        bot.wait_for("AAPL", "200")
        filled = bot.buy("AAPL")

    assert (filled.status, filled.filled_price) == (order_pb2.ORDER_STATUS_FILLED, "200.00000000")
