"""The strategy for cron, run once for each bar as cron does."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bottrading.v1 import order_pb2
from tests.support.venue import Bot, Venue

ROOT = Path(__file__).parents[2]
MINUTES = ["--interval", "1M", "--fast", "2", "--slow", "3", "--quantity", "7"]


async def tick(venue: Venue, bot: Bot, *options: str, symbol: str = "AAPL") -> str:
    """Return what one run prints; options given last win."""
    environment = {"BOTTRADING_BOT_KEY": bot.key, "BOTTRADING_TARGET": venue.address}
    command = [sys.executable, "examples/cron/moving_average.py", symbol, *MINUTES, *options]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=os.environ | environment,
        cwd=ROOT,
        timeout=30,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


async def minutes(venue: Venue, *closes: str) -> None:
    """End a minute at each price; the one that runs then begins at the last of them."""
    for close in closes:
        await venue.publish("AAPL", close, close)
        venue.pass_time(seconds=60)
    await venue.publish("AAPL", closes[-1], closes[-1])
    venue.pass_time()


async def test_it_buys_and_sells_where_the_averages_cross_and_never_twice(venue: Venue) -> None:
    bot, told = await venue.bot(), list[str]()
    await minutes(venue, "100", "100", "100")
    told.append(await tick(venue, bot))
    await minutes(venue, "100")
    told.append(await tick(venue, bot))
    await minutes(venue, "110")
    told += [await tick(venue, bot), await tick(venue, bot)]
    await minutes(venue, "120")
    told.append(await tick(venue, bot))
    await minutes(venue, "60")
    told += [await tick(venue, bot), await tick(venue, bot)]

    assert told == [
        "3 of 4 bars: nothing to say yet",
        "AAPL: nothing to do, not held",
        "BUY 7.00000000 AAPL FILLED 110.00000000",
        "AAPL: nothing to do, held",
        "AAPL: nothing to do, held",
        "SELL 7.00000000 AAPL FILLED 60.00000000",
        "AAPL: nothing to do, not held",
    ]


async def test_a_bar_is_acted_on_once_though_its_position_is_gone(venue: Venue) -> None:
    bot = await venue.bot()
    await minutes(venue, "100", "100", "100", "110")
    await tick(venue, bot)
    await bot.place(side="SELL", quantity="7")

    assert await tick(venue, bot) == "BUY 7.00000000 AAPL FILLED 110.00000000"
    orders = (await bot.call("ListOrders")).orders
    assert [order_pb2.Side.Name(order.side) for order in orders] == ["SIDE_SELL", "SIDE_BUY"]


async def test_a_symbol_in_small_letters_finds_its_position_again(venue: Venue) -> None:
    bot = await venue.bot()
    await minutes(venue, "100", "100", "100", "110")
    bought = await tick(venue, bot, symbol="aapl")
    repeated = await tick(venue, bot, symbol="AAPL")
    await minutes(venue, "60")

    assert bought == "BUY 7.00000000 AAPL FILLED 110.00000000"
    assert repeated == "AAPL: nothing to do, held"
    assert await tick(venue, bot, symbol="aapl") == "SELL 7.00000000 AAPL FILLED 60.00000000"


async def test_what_another_order_offers_is_not_sold_again(venue: Venue) -> None:
    bot = await venue.bot()
    await minutes(venue, "100", "100", "100", "110")
    await tick(venue, bot)
    await bot.place(side="SELL", quantity="7", limit_price="500")
    await minutes(venue, "60")

    assert await tick(venue, bot) == "AAPL: nothing to do, held"


async def test_the_slow_average_reaches_beyond_the_hundred_newest_bars(venue: Venue) -> None:
    bot = await venue.bot()
    await minutes(venue, *["100"] * 121, "110")

    told = await tick(venue, bot, "--slow", "120")
    assert told == "BUY 7.00000000 AAPL FILLED 110.00000000"


@pytest.mark.parametrize("fast", ["0", "3", "4"])
async def test_a_fast_average_that_is_not_faster_is_refused(venue: Venue, fast: str) -> None:
    bot = await venue.bot()

    with pytest.raises(subprocess.CalledProcessError) as refused:
        await tick(venue, bot, "--fast", fast)
    assert "--fast must be from 1 to less than --slow" in refused.value.stderr
