"""ListBars over gRPC: the same behaviour on every market."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import bar_pb2 as pb
from server.domain.bar import BarInterval, joined, minute_bars
from server.domain.quote import Quote
from server.domain.values import DAY, SECOND, Micros, format_units
from server.engine.frames import FrameBuffer, unpack_answer
from server.wire.market import BARS_DEFAULT, BARS_MAX
from tests.support.venue import NOON, Bot, Venue, VenueFactory, refusal

MINUTE = 60 * SECOND
INTERVALS = {interval: f"BAR_INTERVAL_{interval.value}" for interval in BarInterval}


def at(moment: Micros) -> Timestamp:
    seconds, micros = divmod(moment, SECOND)
    return Timestamp(seconds=seconds, nanos=micros * 1_000)


async def bars(bot: Bot, symbol: str = "AAPL", **fields: Any) -> Sequence[pb.Bar]:
    found: Sequence[pb.Bar] = (await bot.call("ListBars", symbol=symbol, **fields)).bars
    return found


def starts(found: Sequence[pb.Bar]) -> list[float]:
    """Return when bars start, in minutes after noon."""
    return [(bar.start.seconds * SECOND - NOON) / MINUTE for bar in found]


async def publish(venue: Venue, *prices: str, symbol: str = "AAPL") -> None:
    for price in prices:
        await venue.publish(symbol, price, price)


async def test_a_bar_shows_first_highest_lowest_and_last_price_as_soon_as_they_are_published(
    venue: Venue,
) -> None:
    bot = await venue.bot()
    await publish(venue, "20", "31.5", "12", "25")

    (bar,) = await bars(bot, "aapl")

    assert bar == pb.Bar(
        symbol="AAPL",
        start=at(NOON),
        open="20.00000000",
        high="31.50000000",
        low="12.00000000",
        close="25.00000000",
        complete=False,
    )


async def test_what_is_stored_and_what_was_heard_since_are_one_bar(venue: Venue) -> None:
    """Published quotes are stored when a second has passed, and shown at once."""
    bot = await venue.bot()
    await publish(venue, "20", "90")
    venue.pass_time(seconds=1)
    await publish(venue, "10", "30")
    (minute,) = await bars(bot)
    venue.clock.turn(seconds=60)
    await publish(venue, "40")
    minutes = await bars(bot)
    (hour,) = await bars(bot, interval=INTERVALS[BarInterval.ONE_HOUR])
    venue.pass_time(seconds=1)

    assert (minute.open, minute.high, minute.low, minute.close) == (
        "20.00000000",
        "90.00000000",
        "10.00000000",
        "30.00000000",
    )
    assert [bar.close for bar in minutes] == ["30.00000000", "40.00000000"]
    assert (hour.open, hour.low, hour.close) == ("20.00000000", "10.00000000", "40.00000000")
    assert [bar.close for bar in await bars(bot)] == [bar.close for bar in minutes]
    assert await bars(bot, interval=INTERVALS[BarInterval.ONE_HOUR]) == [hour]


async def test_what_an_engine_lost_is_not_shown_after_it_has_started_again(venue: Venue) -> None:
    bot = await venue.bot()
    await publish(venue, "20")
    loaded = venue.parts.service.board()
    venue.pass_time(seconds=1)
    await publish(venue, "90")
    assert [bar.high for bar in await bars(bot)] == ["90.00000000"]

    for frame in FrameBuffer().feed(b"".join(loaded)):
        venue.base.notifications.take(unpack_answer(frame))

    assert [bar.high for bar in await bars(bot)] == ["20.00000000"]


@pytest.mark.parametrize("interval", BarInterval)
async def test_the_running_bar_comes_last_and_is_not_complete(
    venue: Venue, interval: BarInterval
) -> None:
    bot = await venue.bot()
    await publish(venue, "20", "10")
    venue.pass_time(seconds=interval.width / SECOND)
    await publish(venue, "30", "40")
    venue.pass_time(seconds=1)

    before, running = await bars(bot, interval=INTERVALS[interval])

    assert (before.open, before.close, before.complete) == ("20.00000000", "10.00000000", True)
    assert (running.open, running.close, running.complete) == ("30.00000000", "40.00000000", False)
    assert running.start.seconds - before.start.seconds == interval.width // SECOND


async def test_a_bar_that_is_over_is_complete_when_no_quote_of_it_can_be_on_its_way(
    venue: Venue,
) -> None:
    bot = await venue.bot()
    await publish(venue, "20")
    complete = []
    for second in (59.9, 60, 64.9, 65):
        venue.clock.now = NOON + round(second * SECOND)
        complete += [bar.complete for bar in await bars(bot)]
    assert complete == [False, False, False, True]


async def test_a_quote_that_comes_late_is_in_the_bar_of_its_time(venue: Venue) -> None:
    bot = await venue.bot()
    await publish(venue, "20")
    venue.clock.now = NOON + 61 * SECOND
    await venue.publish("AAPL", "30", "30", time=at(NOON + 59 * SECOND))

    (bar,) = await bars(bot)

    assert (bar.close, bar.complete) == ("30.00000000", False)


async def test_a_refused_quote_is_in_no_bar(venue: Venue) -> None:
    bot = await venue.bot()
    await publish(venue, "20")
    await venue.publish("AAPL", "99", "98")
    await venue.publish("AAPL", "99", "99", time=at(NOON - SECOND))

    (bar,) = await bars(bot)

    assert (bar.high, bar.close) == ("20.00000000", "20.00000000")


async def test_a_bar_that_begins_after_now_is_not_there_yet(venue: Venue) -> None:
    """A feed may be 5 s ahead."""
    bot = await venue.bot()
    venue.clock.now = NOON + 57 * SECOND
    await venue.publish("AAPL", "20", "20", time=at(NOON + 61 * SECOND))
    early = await bars(bot, end=at(NOON + DAY))
    venue.clock.now = NOON + 60 * SECOND

    assert list(early) == []
    assert starts(await bars(bot)) == [1]


async def test_start_is_included_and_end_is_not(venue: Venue) -> None:
    bot = await venue.bot()
    for _ in range(6):
        await publish(venue, "20")
        venue.pass_time(seconds=60)

    async def found(**fields: Any) -> list[float]:
        return starts(await bars(bot, **fields))

    assert await found() == [0, 1, 2, 3, 4, 5]
    assert await found(start=at(NOON + MINUTE), end=at(NOON + 3 * MINUTE)) == [1, 2]
    assert await found(start=at(NOON + MINUTE + 1), end=at(NOON + 3 * MINUTE + 1)) == [2, 3]
    assert await found(start=at(NOON + 4 * MINUTE)) == [4, 5]
    assert await found(end=at(NOON + 2 * MINUTE)) == [0, 1]
    assert await found(start=at(NOON), end=at(NOON)) == []
    assert await found(start=at(NOON + DAY)) == []
    fives = {"interval": INTERVALS[BarInterval.FIVE_MINUTES]}
    assert await found(**fields_of(fives, start=NOON + 1)) == [5]
    assert await found(**fields_of(fives, end=NOON + 1)) == [0]


def fields_of(fields: dict[str, Any], **moments: Micros) -> dict[str, Any]:
    return fields | {name: at(moment) for name, moment in moments.items()}


async def test_without_a_start_the_newest_bars_come_whenever_they_were(venue: Venue) -> None:
    bot = await venue.bot()
    for _ in range(BARS_DEFAULT + 1):
        await publish(venue, "20")
        venue.pass_time(seconds=120)
    venue.clock.turn(seconds=3_600)

    found = starts(await bars(bot))

    assert found == [2 * number for number in range(1, BARS_DEFAULT + 1)]


@pytest.mark.parametrize("interval", BarInterval)
async def test_an_answer_holds_a_thousand_bars_and_more_are_refused(
    venue: Venue, interval: BarInterval
) -> None:
    bot, name = await venue.bot(), INTERVALS[interval]
    most = interval.begin(NOON) - (BARS_MAX - 1) * interval.width
    beyond = at(NOON + 400 * DAY)

    too_early = at(most - interval.width)
    told = await refusal(bot.call("ListBars", symbol="AAPL", interval=name, start=too_early))

    assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert (told.fields, str(BARS_MAX) in told.message) == (("start",), True)
    assert list(await bars(bot, interval=name, start=at(most), end=beyond)) == []
    assert list(await bars(bot, interval=name, start=too_early, end=at(most))) == []


REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("ENUM_VALUE_UNKNOWN", "interval", {"interval": 77}),
    ("ENUM_VALUE_UNKNOWN", "interval", {"interval": -1}),
    ("FIELD_INVALID", "start", {"start": at(NOON), "end": at(NOON - 1)}),
    ("FIELD_INVALID", "start", {"start": Timestamp(seconds=2**62)}),
    ("FIELD_INVALID", "end", {"end": Timestamp(nanos=-1)}),
    ("FIELD_INVALID", "start", {"start": Timestamp(seconds=0)}),
    ("FIELD_INVALID", "end", {"symbol": "NOPE", "end": Timestamp(nanos=-1)}),
]


async def test_a_bad_field_is_named_before_an_unknown_symbol_is_not_found(venue: Venue) -> None:
    bot = await venue.bot()

    for reason, field, fields in REFUSED:
        told = await refusal(bot.call("ListBars", **{"symbol": "AAPL"} | fields))
        assert (told.reason, told.fields) == (reason, (field,)), fields
    for symbol in ("NOPE", ""):
        told = await refusal(bot.call("ListBars", symbol=symbol))
        assert (told.code, told.reason) == (grpc.StatusCode.NOT_FOUND, "SYMBOL_UNKNOWN")


async def test_an_instrument_without_a_quote_has_no_bars(venue: Venue) -> None:
    assert list(await bars(await venue.bot())) == []


async def test_bars_of_an_expired_option_stay(venue: Venue) -> None:
    bot, call = await venue.bot(), "AAPL261120C00280000"
    await publish(venue, "5", "7", symbol=call)
    venue.clock.turn(seconds=3 * 86_400)

    (bar,) = await bars(bot, call, interval=INTERVALS[BarInterval.FIVE_MINUTES])

    assert (bar.symbol, bar.high, bar.complete) == (call, "7.00000000", True)


def shown(heard: Sequence[Quote], interval: BarInterval) -> list[tuple[Any, ...]]:
    made = joined(minute_bars(heard), interval)
    return [
        (bar.start // SECOND, *map(format_units, (bar.open, bar.high, bar.low, bar.close)))
        for bar in made
    ]


async def test_bars_of_the_simulated_market_are_those_of_the_quotes_that_were_heard(
    data_dir: Path, start_venue: VenueFactory
) -> None:
    """This holds across a restart: times without quotes have no bar."""
    heard: dict[str, list[Quote]] = {symbol: [] for symbol in ("AAPL", "BTC-USD", "EUR-USD")}
    venue, now = await start_venue(market="simulated", seed=5), NOON
    for seconds in [20] * 10 + [700] + [1] * 5:
        if seconds == 700:
            await venue.stop()
            venue = await start_venue(market="simulated", seed=5, now=now + 600 * SECOND)
        venue.pass_time(seconds=seconds)
        now = venue.clock.now
        for symbol, quotes in heard.items():
            quote = venue.base.board.get(symbol)
            assert quote is not None
            assert quote.time <= now
            quotes.append(quote)

    bot = await venue.bot()
    for symbol, quotes in heard.items():
        for interval, name in INTERVALS.items():
            found = await bars(bot, symbol, interval=name)
            told = [(it.start.seconds, it.open, it.high, it.low, it.close) for it in found]
            assert told == shown(quotes, interval)
            assert [it.complete for it in found] == [True] * (len(found) - 1) + [False]


async def test_a_bar_of_a_replay_is_complete_at_its_end(
    tmp_path: Path, start_venue: VenueFactory
) -> None:
    path = tmp_path / "bars.csv"
    rows = ["2025-01-02,AAPL,20,30,10,25", "2025-01-03,AAPL,25,40,24,39"]
    path.write_text("\n".join(["time,symbol,open,high,low,close", *rows, ""]))
    venue = await start_venue(market="replay", replay_file=path, sessions="exchange")
    bot = await venue.bot()
    venue.pass_time(seconds=0)
    told = []
    # The replay begins right before 14:30, and the day of the bar ends at midnight.
    for seconds in (9.5 * 3_600, 0.000001):
        venue.pass_time(seconds=seconds)
        [bar] = await bars(bot, interval=INTERVALS[BarInterval.ONE_DAY])
        told.append(bar.complete)

    assert told == [False, True]


async def test_bars_of_a_replay_are_in_the_time_of_the_replay(
    tmp_path: Path, start_venue: VenueFactory
) -> None:
    path = tmp_path / "bars.csv"
    rows = ["2025-01-02,AAPL,20,30,10,25", "2025-01-03,AAPL,25,40,24,39"]
    path.write_text("\n".join(["time,symbol,open,high,low,close", *rows, ""]))
    venue = await start_venue(
        market="replay", replay_file=path, sessions="always-open", replay_speed=1_000_000
    )
    bot = await venue.bot()
    for _ in range(3):
        venue.pass_time(seconds=1)

    found = await bars(bot, interval=INTERVALS[BarInterval.ONE_DAY])
    told = [(it.start.ToJsonString(), it.open, it.high, it.low, it.close) for it in found]

    assert [day[:2] for day in told] == [
        ("2025-01-02T00:00:00Z", "20.00000000"),
        ("2025-01-03T00:00:00Z", "25.00000000"),
    ]
    assert [day[2:] for day in told] == [
        ("30.00000000", "10.00000000", "25.00000000"),
        ("40.00000000", "24.00000000", "39.00000000"),
    ]
