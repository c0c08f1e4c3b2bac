"""StreamQuotes: the newest quote of each symbol, at once and whenever it changes."""

import grpc
import pytest

from tests.support.streams import narrow_channel, quotes, until
from tests.support.venue import Bot, Venue


async def test_a_stream_sends_the_newest_quotes_at_once_and_then_each_change(
    venue: Venue,
) -> None:
    await venue.publish("AAPL", "98", "99")
    await venue.publish("AAPL", "99", "100")
    bot = await venue.bot()
    stream = quotes(bot, "aapl", "BTC/USD", "MSFT")
    first = (await stream.read()).quote
    await venue.publish("SPY", "1", "2")
    await venue.publish("BTC-USD", "90000", "90001")
    second = (await stream.read()).quote
    await venue.publish("AAPL", "100", "101")
    third = (await stream.read()).quote

    assert [(it.symbol, it.ask) for it in (first, second, third)] == [
        ("AAPL", "100.00000000"),
        ("BTC-USD", "90001.00000000"),
        ("AAPL", "101.00000000"),
    ]
    assert first == (await bot.call("BatchGetQuotes", symbols=["AAPL"])).quotes[0].__class__(
        symbol="AAPL",
        bid=first.bid,
        bid_size=first.bid_size,
        ask=first.ask,
        ask_size=first.ask_size,
        last=first.last,
        time=first.time,
    )


async def test_a_slow_reader_gets_the_newest_of_each_symbol_and_never_a_backlog(
    venue: Venue,
) -> None:
    await venue.publish("AAPL", "1", "1")
    await venue.publish("MSFT", "1", "1")
    made = await venue.bot()
    async with narrow_channel(venue.address) as channel:
        stream = quotes(Bot(venue, made.key, channel=channel), "AAPL", "MSFT")
        await stream.read()
        for price in range(2, 300):
            await venue.publish("AAPL", str(price), str(price))
            await venue.publish("MSFT", str(price), str(price))
        (open_stream,) = venue.base.streams
        assert open_stream.is_sending
        seen = [(await stream.read()).quote]
        while {it.symbol for it in seen if it.ask == "299.00000000"} != {"AAPL", "MSFT"}:
            seen.append((await stream.read()).quote)

    assert len(seen) < 60, "it was sent a backlog"
    for symbol in ("AAPL", "MSFT"):
        asks = [float(it.ask) for it in seen if it.symbol == symbol]
        assert asks == sorted(asks), "a price comes after a newer one"


async def test_a_quote_that_is_stale_is_sent_as_such(venue: Venue) -> None:
    await venue.publish("AAPL", "99", "100")
    bot = await venue.bot()
    fresh = (await quotes(bot, "AAPL").read()).quote
    venue.clock.turn(seconds=16)
    stale = (await quotes(bot, "AAPL").read()).quote

    assert (fresh.stale, stale.stale) == (False, True)


async def test_a_quiet_stream_is_open_before_there_is_a_quote(venue: Venue) -> None:
    bot = await venue.bot()
    stream = quotes(bot, "AAPL")

    assert "x-request-id" in dict(await stream.call.initial_metadata())
    await venue.publish("AAPL", "99", "100")
    assert (await stream.read()).quote.symbol == "AAPL"


async def test_a_quiet_stream_shows_that_it_lives(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rpc.streams.QUOTE_HEARTBEAT_SECONDS", 0.01)
    bot = await venue.bot()
    message = await quotes(bot, "AAPL").read()

    assert message.heartbeat.time.ToMicroseconds() == venue.clock.now
    assert not message.HasField("quote")


@pytest.mark.parametrize(
    ("symbols", "reason"),
    [((), "FIELD_INVALID"), (("NOPE",), "SYMBOL_UNKNOWN"), (("AAPL",) * 101, "FIELD_INVALID")],
)
async def test_wrong_symbols_are_refused(
    venue: Venue, symbols: tuple[str, ...], reason: str
) -> None:
    told = await quotes(await venue.bot(), *symbols).end()

    assert (told.code, told.reason, told.fields) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        reason,
        ("symbols",),
    )


async def test_a_reader_that_left_is_forgotten(venue: Venue) -> None:
    bot = await venue.bot()
    stream = quotes(bot, "AAPL", "AAPL")
    await stream.call.initial_metadata()
    stream.call.cancel()
    await until(lambda: len(venue.base.streams) == 0)

    assert venue.base.quote_updates._readers == {}
