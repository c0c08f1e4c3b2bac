"""Live prices of Kraken through the unmodified ccxt, from a stand-in on loopback."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal

import pytest

from bottrading_feeds.ccxt_connection import Patience
from bottrading_feeds.ccxt_source import CcxtSource, open_source
from bottrading_feeds.logs import one_line
from bottrading_feeds.port import Listing, SourceError, Tick
from tests.clients.feeds.hearing import Hearing, hearing
from tests.support.exchanges.kraken import Kraken, Pair

BURST = 50_000
GARBAGE = [
    '{"channel":"ticker","type":"upd',
    "not JSON at all",
    "",
    "[]",
    "null",
    '{"channel":"ticker"}',
    '{"channel":"ticker","data":null}',
    '{"channel":"ticker","data":[7]}',
    '{"channel":"ticker","data":[{"symbol":["BTC/USD"],"bid":1}]}',
    '{"channel":"ticker","data":[{"symbol":"NOT/LISTED","bid":1,"ask":2}]}',
    '{"channel":"executions","data":{"0":1}}',
    '{"channel":["ticker"]}',
    "{" * 2000,
]


@pytest.fixture
async def kraken() -> AsyncIterator[Kraken]:
    async with Kraken() as exchange:
        yield exchange


@asynccontextmanager
async def source_of(
    exchange: Kraken, patience: Patience | None = None
) -> AsyncIterator[CcxtSource]:
    source = open_source("kraken", {"": exchange.url}, patience=patience or Patience())
    try:
        yield source
    finally:
        await source.close()


async def test_instruments_have_the_ticks_and_steps_of_the_exchange(kraken: Kraken) -> None:
    async with source_of(kraken) as source:
        listings = await source.instruments(["ETH-USD", "BTC/USD"])

    assert listings == [
        Listing(
            symbol=f"{base}-USD",
            source_symbol=f"{base}/USD",
            name=f"{base}/USD at Kraken",
            asset_type="CRYPTO",
            price_tick=Decimal(tick),
            quantity_step=Decimal("0.00000001"),
            session="always-open",
            currency="USD",
        )
        for base, tick in (("ETH", "0.01"), ("BTC", "0.1"))
    ]


async def test_a_pair_that_the_exchange_does_not_have_is_named(kraken: Kraken) -> None:
    async with source_of(kraken) as source:
        with pytest.raises(SourceError) as refused:
            await source.instruments(["BTC/USD", "BTC/USX", "FOO/BAR"])

    assert str(refused.value) == (
        "kraken has no spot market BTC-USX, FOO-BAR: did you mean BTC-USD?"
    )


async def test_quotes_come_with_their_sizes(kraken: Kraken) -> None:
    async with source_of(kraken) as source:
        listings = await source.instruments(["BTC/USD", "ETH/USD"])
        await kraken.quote("ETH/USD", 3500.01, 3500.02)
        async with hearing(source, listings) as heard:
            await kraken.until_subscribed("BTC/USD", "ETH/USD")
            await kraken.quote("BTC/USD", 108359.8, 108359.9, 0.01362603, 17.17988863, 108360.0)

            assert await heard.until_bid("BTC-USD", "108359.8") == Tick(
                symbol="BTC-USD",
                bid=Decimal("108359.8"),
                bid_size=Decimal("0.01362603"),
                ask=Decimal("108359.9"),
                ask_size=Decimal("17.17988863"),
                last=Decimal("108360.0"),
            )
            await heard.until_bid("ETH-USD", "3500.01")


async def test_an_unchanged_quote_is_told_once(kraken: Kraken) -> None:
    """A runner confirms what has not changed; it needs no second tick for that."""
    async with source_of(kraken) as source:
        listings = await source.instruments(["BTC/USD", "ETH/USD"])
        async with hearing(source, listings) as heard:
            await kraken.until_subscribed("BTC/USD", "ETH/USD")
            for _ in range(3):
                await kraken.quote("BTC/USD", 100.0, 100.1)
                await heard.until_bid("BTC-USD", "100")
            await kraken.quote("ETH/USD", 10.0, 10.1)
            await heard.until_bid("ETH-USD", "10")

    assert heard.count == 2


@pytest.mark.timeout(180)
async def test_the_newest_quote_of_a_burst_wins() -> None:
    pairs = [Pair(f"C{number:02}/USD") for number in range(100)]
    async with (
        Kraken(*pairs) as exchange,
        source_of(exchange, Patience(silence_seconds=120)) as source,
    ):
        listings = await source.instruments([pair.symbol for pair in pairs])
        async with hearing(source, listings) as heard:
            await exchange.until_subscribed(*(pair.symbol for pair in pairs))
            for number in range(1, BURST + 1):
                await exchange.quote(pairs[number % 100].symbol, number, number + 1)
            await heard.until_bid("C00-USD", str(BURST))

            assert [int(heard.newest[f"C{number:02}-USD"].bid or 0) for number in range(100)] == [
                BURST,
                *range(BURST - 99, BURST),
            ]
            assert heard.count < BURST / 2, "older quotes of a symbol are passed over"


async def test_garbage_is_dropped_and_the_connection_goes_on(kraken: Kraken) -> None:
    async with source_of(kraken) as source:
        listings = await source.instruments(["BTC/USD"])
        async with hearing(source, listings) as heard:
            await kraken.until_subscribed("BTC/USD")
            for number, garbage in enumerate(GARBAGE, 1):
                await kraken.send(garbage)
                await kraken.quote("BTC/USD", number, number + 0.1)
                await heard.until_bid("BTC-USD", str(number))

    assert sum(path == "/v2" for path in kraken.asked) == 1
    assert GARBAGE[0] in heard.unreadable


@pytest.mark.parametrize("politely", [True, False])
async def test_a_lost_connection_is_told_and_the_next_one_starts_anew(
    kraken: Kraken, politely: bool
) -> None:
    async with source_of(kraken) as source:
        listings = await source.instruments(["BTC/USD", "ETH/USD"])
        async with hearing(source, listings) as heard:
            await kraken.until_subscribed("BTC/USD", "ETH/USD")
            await kraken.quote("BTC/USD", 100.0, 100.1)
            await heard.until_bid("BTC-USD", "100")
            if politely:
                await kraken.close_connections()
            else:
                kraken.lose_connections()
            with pytest.raises(ConnectionError, match=r"^kraken: NetworkError: "):
                await heard.stream

        del kraken.tickers["BTC/USD"]
        await kraken.quote("ETH/USD", 10.0, 10.1)
        async with hearing(source, listings) as heard:
            await heard.until_bid("ETH-USD", "10")

    assert heard.count == 1, "what the lost connection said is not told again"


@pytest.mark.parametrize("ping_seconds", [0.05, 60])
async def test_an_exchange_that_is_silent_is_lost(kraken: Kraken, ping_seconds: float) -> None:
    """A socket that stays open without a word would keep old prices alive."""
    async with source_of(kraken, Patience(ping_seconds, silence_seconds=0.4)) as source:
        listings = await source.instruments(["BTC/USD"])
        async with hearing(source, listings) as heard:
            await kraken.until_subscribed("BTC/USD")
            kraken.silent = True
            async with asyncio.timeout(5):
                with pytest.raises(ConnectionError):
                    await heard.stream


async def test_a_silent_connection_gives_no_sign_of_life(kraken: Kraken) -> None:
    """Quotes of a connection that may be dead must not be confirmed."""
    async with source_of(kraken, Patience(0.01, silence_seconds=2)) as source:
        listings = await source.instruments(["BTC/USD"])
        async with hearing(source, listings) as heard:
            await kraken.until_subscribed("BTC/USD")
            await heard.until(lambda: heard.alive > 0)
            kraken.silent = True
            before = heard.alive
            with pytest.raises(ConnectionError):
                await heard.stream

    assert heard.alive <= before + 2


async def test_a_quiet_exchange_that_answers_pings_is_not_lost(kraken: Kraken) -> None:
    patience = Patience(ping_seconds=0.05, silence_seconds=0.4)
    async with source_of(kraken, patience) as source:
        listings = await source.instruments(["BTC/USD"])
        async with hearing(source, listings) as heard:
            await kraken.until(lambda: kraken.pings >= 20)
            assert not heard.stream.done()
            assert heard.alive
            assert not heard.count


async def test_a_connection_whose_pongs_are_late_is_lost(kraken: Kraken) -> None:
    """In a burst that is not read fast enough, all that comes is old."""
    patience = Patience(ping_seconds=0.05, silence_seconds=0.4)
    async with source_of(kraken, patience) as source:
        listings = await source.instruments(["BTC/USD"])
        async with hearing(source, listings) as heard:
            await kraken.until_subscribed("BTC/USD")
            kraken.answers_pings = False
            async with asyncio.timeout(10):
                with pytest.raises(ConnectionError, match="ping-pong"):
                    await _quote_for_ever(kraken, heard)


async def test_an_exchange_that_is_away_is_tried_again(kraken: Kraken) -> None:
    async with source_of(kraken) as source:
        kraken.refusing = True
        with pytest.raises(ConnectionError, match=r"^kraken: ExchangeNotAvailable: [^\n]+$"):
            await source.instruments(["BTC/USD"])
        kraken.refusing = False
        assert len(await source.instruments(["BTC/USD"])) == 1


async def test_neither_passwords_nor_control_characters_are_told(kraken: Kraken) -> None:
    kraken.refusing = True
    kraken.refusal = "\x1b[2Jgone\r\naway"
    url = kraken.url.replace("//", "//user:password@")
    source = open_source("kraken", {"": url})
    with pytest.raises(ConnectionError) as failed:
        await source.instruments(["BTC/USD"])
    await source.close()

    assert "password" not in str(failed.value)
    assert str(failed.value).endswith("503 Service Unavailable \\x1b[2Jgone away")
    assert "password" not in one_line(ValueError(f"no connection to {url}/v2"))


async def test_a_message_that_is_much_too_long_ends_the_connection(kraken: Kraken) -> None:
    async with source_of(kraken) as source:
        listings = await source.instruments(["BTC/USD"])
        async with hearing(source, listings) as heard:
            await kraken.until_subscribed("BTC/USD")
            with suppress(ConnectionError):
                await kraken.send("x" * 20_000_000)
            with pytest.raises(ConnectionError, match="exceeds limit"):
                await heard.stream


async def test_the_stream_of_an_exchange_that_is_away_ends(kraken: Kraken) -> None:
    async with source_of(kraken) as source:
        listings = await source.instruments(["BTC/USD"])
        kraken.refusing = True
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionError, match=r"^kraken: "):
                await source.stream(listings, lambda tick: None)


async def _quote_for_ever(kraken: Kraken, heard: Hearing) -> None:
    for number in itertools.count(1):
        await kraken.quote("BTC/USD", number, number + 0.1)
        await heard.until_bid("BTC-USD", str(number))
