"""The strategy for cron, run once for each bar as cron does."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from bottrading.v1 import order_pb2
from tests.support.venue import Bot, Venue

ROOT = Path(__file__).parents[2]
MINUTES = ["--interval", "1M", "--fast", "2", "--slow", "3", "--quantity", "7"]


async def tick(venue: Venue, bot: Bot) -> str:
    """Return what one run prints."""
    environment = {"BOTTRADING_BOT_KEY": bot.key, "BOTTRADING_TARGET": venue.address}
    command = [sys.executable, "examples/cron/moving_average.py", "AAPL", *MINUTES]
    done = await asyncio.to_thread(
        subprocess.run, command, env=os.environ | environment, cwd=ROOT, timeout=30,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
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
        "AAPL: no crossing, not held",
        "BUY 7.00000000 AAPL FILLED 110.00000000",
        "AAPL: no crossing, held",
        "AAPL: no crossing, held",
        "SELL 7.00000000 AAPL FILLED 60.00000000",
        "AAPL: no crossing, not held",
    ]


async def test_a_bar_is_acted_on_once_though_its_position_is_gone(venue: Venue) -> None:
    bot = await venue.bot()
    await minutes(venue, "100", "100", "100", "110")
    await tick(venue, bot)
    await bot.place(side="SELL", quantity="7")

    assert await tick(venue, bot) == "BUY 7.00000000 AAPL FILLED 110.00000000"
    orders = (await bot.call("ListOrders")).orders
    assert [order_pb2.Side.Name(order.side) for order in orders] == ["SIDE_SELL", "SIDE_BUY"]
