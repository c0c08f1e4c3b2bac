"""GetPortfolioHistory: the equity curve by hand, over days, deposits, a reset and a restart."""

from typing import Any

import grpc
import pytest

from bottrading.v1 import portfolio_pb2
from server.application import queries
from tests.support.accounts import deposit, id_of, manage, to_midnight
from tests.support.venue import NOON, Bot, Venue, VenueFactory, refusal

pytestmark = pytest.mark.both

QUARTER_SECONDS = 900
SNAPSHOT = portfolio_pb2.HISTORY_INTERVAL_SNAPSHOT
HOUR = portfolio_pb2.HISTORY_INTERVAL_HOUR
ALL = portfolio_pb2.HISTORY_PERIOD_ALL
DAY = portfolio_pb2.HISTORY_PERIOD_DAY


async def history(bot: Bot, **fields: Any) -> list[tuple[str, str]]:
    """Read the curve as (equity, deposits); its last point must be the portfolio's."""
    points = (await bot.call("GetPortfolioHistory", **fields)).points
    times = [point.time.ToMicroseconds() for point in points]
    assert times == sorted(times)
    assert points[-1].equity == (await bot.portfolio()).total_equity
    return [(point.equity, point.deposits) for point in points]


async def invested(venue: Venue) -> Bot:
    """Return a bot with 100 shares bought at 100, whose account was opened at noon."""
    bot = await venue.bot()
    await venue.publish("AAPL", "100", "100")
    await bot.place("AAPL", quantity="100")
    return bot


async def quarter(venue: Venue, price: str) -> None:
    """Let the price change, and a quarter of an hour pass after which a snapshot is taken."""
    await venue.publish("AAPL", price, price)
    venue.pass_time(seconds=QUARTER_SECONDS)


async def test_a_new_account_has_its_beginning_and_now(venue: Venue) -> None:
    bot = await venue.bot()

    assert await history(bot) == [("100000.00", "100000.00"), ("100000.00", "0.00")]


async def test_a_day_shows_every_snapshot_and_money_where_it_came_in(venue: Venue) -> None:
    bot = await invested(venue)
    await quarter(venue, "110")
    await deposit(venue, await id_of(bot), "500.00")
    await quarter(venue, "120")
    await quarter(venue, "90")
    await venue.publish("AAPL", "95", "95")

    assert await history(bot, period=DAY) == [
        ("100000.00", "100000.00"),
        ("101000.00", "0.00"),
        ("102500.00", "500.00"),
        ("99500.00", "0.00"),
        ("100000.00", "0.00"),
    ]


async def test_of_an_hour_the_last_snapshot_counts_and_of_the_running_one_now(
    venue: Venue,
) -> None:
    bot = await invested(venue)
    for price in ("110", "120", "130", "140", "150", "160"):
        await quarter(venue, price)
    await deposit(venue, await id_of(bot), "1.00")

    assert await history(bot, interval=HOUR) == [
        ("100000.00", "100000.00"),
        ("103000.00", "0.00"),
        ("106001.00", "1.00"),
    ]


async def test_a_period_leaves_out_what_was_before_it(venue: Venue) -> None:
    bot = await invested(venue)
    await venue.publish("AAPL", "110", "110")
    await to_midnight(venue)
    await venue.publish("AAPL", "120", "120")
    await to_midnight(venue)
    await venue.publish("AAPL", "130", "130")

    assert await history(bot, period=ALL) == [
        ("100000.00", "100000.00"),
        ("101000.00", "0.00"),
        ("102000.00", "0.00"),
        ("103000.00", "0.00"),
    ]
    assert await history(bot, period=DAY, interval=HOUR) == [
        ("102000.00", "0.00"),
        ("103000.00", "0.00"),
    ]


async def test_a_reset_begins_the_curve_anew(venue: Venue) -> None:
    bot = await invested(venue)
    await quarter(venue, "150")
    await manage(venue.person(), "ResetAccount", account_id=await id_of(bot))

    assert await history(bot) == [("100000.00", "100000.00"), ("100000.00", "0.00")]
    points = (await bot.call("GetPortfolioHistory")).points
    assert points[0].time.ToMicroseconds() > NOON + QUARTER_SECONDS * 10**6


async def test_the_curve_survives_a_restart(start_venue: VenueFactory) -> None:
    first = await start_venue()
    bot = await invested(first)
    await quarter(first, "110")
    await first.publish("AAPL", "120", "120")
    before = await history(bot, period=DAY)
    now = first.clock.now
    await first.stop()
    second = await start_venue(now=now)
    await second.publish("AAPL", "120", "120")

    assert len(before) == 3
    assert await history(Bot(second, bot.key), period=DAY) == before


async def test_more_points_than_an_answer_holds_are_refused(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "POINTS_MAX", 3)
    bot = await invested(venue)
    await quarter(venue, "110")
    await venue.publish("AAPL", "120", "120")
    assert len(await history(bot, interval=SNAPSHOT)) == 3
    await quarter(venue, "120")
    await venue.publish("AAPL", "120", "120")
    told = await refusal(bot.call("GetPortfolioHistory", interval=SNAPSHOT))

    assert (told.code, told.reason, told.fields) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "FIELD_INVALID",
        ("interval",),
    )


@pytest.mark.parametrize("field", ["period", "interval"])
async def test_an_unknown_value_is_refused_by_name(venue: Venue, field: str) -> None:
    told = await refusal((await venue.bot()).call("GetPortfolioHistory", **{field: 99}))

    assert (told.reason, told.fields) == ("ENUM_VALUE_UNKNOWN", (field,))
