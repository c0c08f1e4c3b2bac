"""Replay files that once played wrongly: what an order fills at, and what is shown.

The files are in `data`.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_replay import pass_real_seconds
from tests.support.venue import Bot, Venue, VenueFactory

DATA = Path(__file__).with_name("data")
HOUR_A_SECOND = 3_600.0


async def begin(start_venue: VenueFactory, name: str, **options: Any) -> tuple[Venue, Bot]:
    """Begin a replay right before its first quote, in the hours of its exchanges."""
    venue = await start_venue(
        market="replay",
        replay_file=DATA / f"{name}.csv",
        replay_speed=HOUR_A_SECOND,
        sessions="exchange",
        **options,
    )
    return venue, await venue.bot()


@pytest.mark.parametrize("zone", ["by-date", "new-york-midnight", "new-york-midnight-in-utc"])
async def test_an_order_before_the_first_day_fills_at_its_open(
    start_venue: VenueFactory, zone: str
) -> None:
    venue, bot = await begin(start_venue, f"daily-bars-{zone}")
    order = await bot.place("AAPL", quantity="1")
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 0.001)
    filled = await bot.order(order.id)
    assert filled.filled_price == "248.93000000"
    assert f"{filled.updated_at.ToDatetime():%Y-%m-%d %H:%M}" == "2025-01-02 14:30"


async def test_an_order_of_the_night_fills_at_the_open_of_an_hour_that_begins_before(
    start_venue: VenueFactory,
) -> None:
    venue, bot = await begin(start_venue, "hourly-bars-over-the-opening")
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 5)
    order = await bot.place("AAPL", quantity="1")
    assert order.filled_quantity == "0.00000000"
    pass_real_seconds(venue, 20)
    assert (await bot.order(order.id)).filled_price == "250.01000000"


async def test_gold_plays_on_a_day_on_which_stocks_do_not(start_venue: VenueFactory) -> None:
    venue, bot = await begin(start_venue, "gold-on-a-day-of-mourning")
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 26)
    assert (await bot.place("MGC", quantity="1")).filled_price == "2678.10000000"


async def test_a_currency_without_volumes_fills(start_venue: VenueFactory) -> None:
    venue, bot = await begin(start_venue, "bars-with-volume-zero")
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 20)
    assert (await bot.place("EUR-USD", quantity="5000")).filled_quantity == "5000.00000000"
    assert (await bot.place("GME", quantity="3")).filled_quantity == "0.75000000"


async def test_an_option_that_existed_plays_with_its_strike(
    start_venue: VenueFactory, tmp_path: Path
) -> None:
    universe = tmp_path / "universe.toml"
    universe.write_text(
        "[STOCK]\n"
        'AAPL = { name = "Apple", level = 340, annual_volatility = 0.27, spread_bps = 1 }\n'
        "[OPTION]\nAAPL = { strikes = [350], spread_bps = 100 }\n"
    )
    venue, bot = await begin(start_venue, "real-option-2020", universe_file=universe)
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 1)
    assert (await bot.place("AAPL200619C00350000", quantity="1")).filled_price == "2.15000000"
