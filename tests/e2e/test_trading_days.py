"""Ratios over the days on which an account could trade, in a replay of a month.

`data/kpi-weekdays.csv` has a quote of AAPL for each weekday of February 2025, and one of the day
before. On the 17th, Presidents' Day, the exchange is closed.
"""

import csv
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import empyrical
import numpy as np
import pytest

from server.domain.values import DAY, SECOND
from tests.e2e.test_report import report, tiles
from tests.support.accounts import id_of
from tests.support.venue import Bot, Venue, VenueFactory

QUOTES = Path(__file__).with_name("data") / "kpi-weekdays.csv"
HOLIDAY = date(2025, 2, 17)
SPEED = 86_400.0


def closes() -> dict[date, float]:
    """Return what 1 000 shares were worth at the end of each day that has a quote."""
    with QUOTES.open() as file:
        return {
            datetime.fromisoformat(row["time"]).date(): 1_000 * float(row["bid"])
            for row in csv.DictReader(file)
        }


def figures(values: list[float], a_year: int) -> tuple[Any, Any]:
    """Return the ratios of values from the beginning on, as empyrical has them."""
    returns = np.array([after / before - 1 for before, after in pairwise([100_000.0, *values])])
    return (
        pytest.approx(empyrical.sharpe_ratio(returns, annualization=a_year), rel=1e-9),
        pytest.approx(empyrical.sortino_ratio(returns, annualization=a_year), rel=1e-9),
    )


async def play(venue: Venue, *symbols: str) -> Bot:
    """Buy at the first quote, and play the file to its end."""
    while not venue.parts.feed.board.get("AAPL"):
        venue.pass_time(seconds=0.001)
    bot = await venue.bot("ada")
    for symbol in symbols:
        assert (await bot.place(symbol, quantity="1000")).filled_quantity == "1000.00000000"
    before = -1
    while venue.parts.clock() != before:
        before = venue.parts.clock()
        venue.pass_time(seconds=1)
    return bot


async def ratios(venue: Venue, bot: Bot, tmp_path: Path) -> tuple[float, float]:
    """Return the ratios of KPIs; leaderboard and report must show the same."""
    kpi = (await bot.call("GetTradingKpi")).kpi
    venue.refresh_leaderboard()
    (entry,) = (await bot.call("GetLeaderboard")).entries
    assert entry.sharpe_ratio == pytest.approx(kpi.sharpe_ratio, rel=1e-12)
    page = tmp_path / "report.html"
    done = await report(venue, await id_of(bot), page)
    assert done.returncode == 0, done.stderr
    shown = tiles(page.read_text())
    assert shown["Sharpe ratio"] == f"{kpi.sharpe_ratio:,.2f}"
    assert shown["Sortino ratio"] == f"{kpi.sortino_ratio:,.2f}"
    return kpi.sharpe_ratio, kpi.sortino_ratio


async def test_days_without_a_session_do_not_count_where_only_sessions_are_traded(
    start_venue: VenueFactory, tmp_path: Path
) -> None:
    """20 days of trading, √252; the holiday's change is part of the return of the day after."""
    venue = await start_venue(
        market="replay", replay_file=QUOTES, replay_speed=SPEED, sessions="exchange"
    )
    bot = await play(venue, "AAPL")
    worth = [value for day, value in closes().items() if day != HOLIDAY]

    assert len(worth) == 20
    assert await ratios(venue, bot, tmp_path) == figures(worth, 252)


async def test_every_day_counts_where_everything_trades_all_the_time(
    start_venue: VenueFactory, tmp_path: Path
) -> None:
    """29 days from 31 January to 28 February, √365; a day without a quote changes nothing."""
    venue = await start_venue(
        market="replay", replay_file=QUOTES, replay_speed=SPEED, sessions="always-open"
    )
    bot = await play(venue, "AAPL")
    known, worth = closes(), list[float]()
    for number in range(29):
        day = date(2025, 1, 31) + timedelta(days=number)
        worth.append(known.get(day, worth[-1] if worth else 0.0))

    assert await ratios(venue, bot, tmp_path) == figures(worth, 365)


async def test_a_replay_that_jumps_over_days_counts_the_same(
    start_venue: VenueFactory, tmp_path: Path
) -> None:
    """At full speed, a replay takes a step at each quote and none in between."""
    venue = await start_venue(
        market="replay", replay_file=QUOTES, replay_speed=10_000_000.0, sessions="exchange"
    )
    bot = await play(venue, "AAPL")
    worth = [value for day, value in closes().items() if day != HOLIDAY]

    assert await ratios(venue, bot, tmp_path) == figures(worth, 252)


async def test_days_count_from_when_something_that_trades_on_them_was_traded(
    start_venue: VenueFactory,
) -> None:
    """A week of stocks, then a worthless coin: its weekend counts, and the year has 365 days."""
    thursday = int(datetime(2026, 11, 19, 12, tzinfo=UTC).timestamp()) * SECOND
    venue = await start_venue(sessions="exchange", now=thursday + 4 * 3_600 * SECOND)
    account, days = await venue.bot("ada"), list[tuple[bool, bool, int]]()
    await venue.publish("AAPL", "100", "100")
    await account.place("AAPL", quantity="1")
    for number in range(14):
        if number == 7:
            await venue.publish("DOGE-USD", "0.1", "0.1")
            await account.place("DOGE-USD", quantity="1")
        venue.pass_time(seconds=1)
        venue.pass_time(seconds=DAY / SECOND)
        curve = venue.base.reads.standing(await id_of(account)).curve
        days.append((curve.day_counts, curve.every_day, curve.closed_returns.count))

    # From Friday the 20th on; the 26th is Thanksgiving, when nothing trades on the exchange.
    counted = [day_counts for day_counts, _, _ in days]
    assert counted[:7] == [True, False, False, True, True, True, False]
    assert counted[7:] == [True] * 7
    assert [every_day for _, every_day, _ in days] == [False] * 7 + [True] * 7
    assert days[-1][2] == days[6][2] + 6
