"""`serve --feed ccxt:kraken` against an exchange on loopback, through the unmodified ccxt."""

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from bottrading_client import BotTradingClient, ErrorReason, OrderStatus, Side
from tests.support.exchanges.kraken import Kraken
from tests.support.exchanges.running import Running
from tests.support.process import Process, make_key

WAIT_SECONDS_MAX = 40
STALE_POLL_SECONDS = 0.5  # a bot may ask 120 times a minute
OPTIONS = ("--feed", "ccxt:kraken", "--feed-symbols", "BTC/USD,ETH/USD")


@pytest.fixture
def kraken() -> Iterator[Running[Kraken]]:
    with Running(Kraken()) as running:
        yield running


def serve(tmp_path: Path, kraken: Running[Kraken]) -> Process:
    return Process(
        tmp_path / "data",
        *OPTIONS,
        feed_urls=kraken.url,
        slippage="none",
        quote_staleness_seconds="8",
    )


def buy(client: BotTradingClient) -> tuple[OrderStatus, Decimal | None]:
    order = client.place_order("BTC-USD", Side.BUY, "0.5")
    return order.status, order.filled_price


def filled_at(price: int) -> tuple[OrderStatus, Decimal | None]:
    return OrderStatus.FILLED, Decimal(price)


def wait_until_stale(client: BotTradingClient) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not client.quote("BTC-USD").stale:
        assert time.monotonic() < deadline
        time.sleep(STALE_POLL_SECONDS)


def wait_for_ask(client: BotTradingClient, ask: int) -> None:
    with client.quote_updates(["BTC-USD"]) as quotes:
        for quote in quotes:
            if quote.ask == ask and not quote.stale:
                return


@pytest.mark.timeout(180)
def test_orders_fill_at_the_newest_quote_and_never_at_one_of_a_lost_exchange(
    tmp_path: Path, kraken: Running[Kraken]
) -> None:
    exchange = kraken.exchange
    with (
        serve(tmp_path, kraken) as service,
        BotTradingClient(make_key(service), service.grpc) as bot,
    ):
        ticks = {it.symbol: it.price_tick for it in bot.instruments()}
        kraken.do(exchange.until_subscribed("BTC/USD", "ETH/USD"))
        for price in (100, 200):
            kraken.do(exchange.quote("BTC/USD", price, price + 1, 7, 7))
            wait_for_ask(bot, price + 1)
            assert buy(bot) == filled_at(price + 1)

        # Silence is followed by a connection that is refused.
        exchange.silent = exchange.refusing = True
        wait_until_stale(bot)
        refused = bot.place_order("BTC-USD", Side.BUY, "0.5")

        exchange.silent = exchange.refusing = False
        kraken.do(exchange.quote("BTC/USD", 300, 301, 7, 7))
        wait_for_ask(bot, 301)
        assert buy(bot) == filled_at(301)

    assert ticks == {"BTC-USD": Decimal("0.1"), "ETH-USD": Decimal("0.01")}
    assert (refused.status, refused.rejection_reason) == (
        OrderStatus.REJECTED,
        ErrorReason.NO_QUOTE,
    )


@pytest.mark.timeout(180)
def test_a_quiet_market_stays_open_and_a_burst_leaves_no_backlog(
    tmp_path: Path, kraken: Running[Kraken]
) -> None:
    """An exchange says nothing of a price that stays; that is no reason to stop trading."""
    exchange = kraken.exchange
    with (
        serve(tmp_path, kraken) as service,
        BotTradingClient(make_key(service), service.grpc) as bot,
    ):
        kraken.do(exchange.until_subscribed("BTC/USD", "ETH/USD"))
        kraken.do(exchange.quote("BTC/USD", 100, 101, 7, 7))
        wait_for_ask(bot, 101)
        pings = exchange.pings
        kraken.do(exchange.until(lambda: exchange.pings >= pings + 5))
        assert buy(bot) == filled_at(101)
        for _ in range(10):
            kraken.do(exchange.burst("BTC/USD", 5_000))
        kraken.do(exchange.quote("BTC/USD", 200, 201, 7, 7))
        wait_for_ask(bot, 201)
        assert buy(bot) == filled_at(201)
