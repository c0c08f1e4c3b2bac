"""Return curves of the leaderboard: moments of equal distance, as of the newest snapshots."""

from itertools import pairwise
from typing import Any

import grpc
import pytest

from bottrading.v1 import leaderboard_pb2, portfolio_pb2
from server.domain.values import DAY, SECOND, Micros
from tests.rpc.test_leaderboard import PERIODS, board_of, earn
from tests.support.accounts import deposit, id_of, manage, to_midnight
from tests.support.venue import NOON, Bot, Venue, refusal

pytestmark = pytest.mark.both

BEGINNINGS = {"DAY": DAY, "WEEK": 7 * DAY, "MONTH": 30 * DAY}


def micros(time: Any) -> Micros:
    return int(time.ToMicroseconds())


def returns(entry: leaderboard_pb2.LeaderboardEntry) -> list[float]:
    return [point.return_pct for point in entry.return_curve]


async def history_of(bot: Bot) -> list[tuple[Micros, float]]:
    """Return all snapshots of an account, and its equity now."""
    answer = await bot.call(
        "GetPortfolioHistory",
        period=portfolio_pb2.HISTORY_PERIOD_ALL,
        interval=portfolio_pb2.HISTORY_INTERVAL_SNAPSHOT,
    )
    return [(micros(point.time), float(point.equity)) for point in answer.points]


async def traded_for_days(venue: Venue, bot: Bot, days: int) -> None:
    """Let a bot earn another amount on each day."""
    for number in range(days):
        await earn(venue, bot, str(100 + 70 * number * (-1) ** number))
        await to_midnight(venue)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("points", [2, 3, 60])
async def test_a_curve_is_the_portfolios_history_at_moments_of_equal_distance(
    venue: Venue, period: str, points: int
) -> None:
    bot = await venue.bot()
    await traded_for_days(venue, bot, 33)
    await earn(venue, bot, "11")
    history = await history_of(bot)

    (entry,) = (await board_of(bot, period, curve_points=points)).entries

    times = [micros(point.time) for point in entry.return_curve]
    begun = max(venue.clock.now - BEGINNINGS.get(period, venue.clock.now), history[0][0])
    assert (len(times), times[0], times[-1]) == (points, begun, venue.clock.now)
    assert {later - earlier for earlier, later in pairwise(times)} <= {
        (times[-1] - times[0]) // (points - 1) + more for more in (0, 1)
    }
    equities = [[equity for time, equity in history if time <= moment][-1] for moment in times]
    expected = [100 * (equity / equities[0] - 1) for equity in equities]
    assert returns(entry) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert entry.return_curve[-1].return_pct == entry.return_pct


async def test_there_are_no_curves_unless_asked_for(venue: Venue) -> None:
    bot = await venue.bot()
    await traded_for_days(venue, bot, 2)

    (entry,) = (await board_of(bot)).entries

    assert not entry.return_curve


async def test_money_that_comes_in_is_no_return(venue: Venue) -> None:
    bot = await venue.bot()
    await earn(venue, bot, "1000")
    await to_midnight(venue)
    await deposit(venue, await id_of(bot), "101000.00")
    await to_midnight(venue)
    await earn(venue, bot, "2020")

    (entry,) = (await board_of(bot, curve_points=60)).entries

    assert {round(value, 9) for value in returns(entry)} == {0, 1, 2.01}


async def test_an_epoch_begins_its_own_curve(venue: Venue) -> None:
    """Snapshots from before a reset are not in it; an account with no snapshot has a curve too."""
    bot, late = await venue.bot("ada"), await venue.bot("late")
    await traded_for_days(venue, bot, 3)
    await manage(venue.person("ada"), "ResetAccount", account_id=await id_of(bot))
    reset_at = venue.clock.now
    await earn(venue, bot, "500")
    await to_midnight(venue)
    await earn(venue, late, "300")

    by_name = {it.display_name: it for it in (await board_of(bot, curve_points=9)).entries}

    assert micros(by_name["ada"].return_curve[0].time) == reset_at
    assert set(map(round_, returns(by_name["ada"]))) == {0, 0.5}
    assert list(map(round_, returns(by_name["late"]))) == [0] * 8 + [0.3]
    assert micros(by_name["late"].return_curve[0].time) == NOON


def round_(value: float) -> float:
    return round(value, 9)


async def test_the_own_row_has_its_curve_on_every_page(venue: Venue) -> None:
    best, own = await venue.bot("best"), await venue.bot("own")
    await earn(venue, best, "500")
    await earn(venue, own, "100")

    board = await board_of(own, limit=1, curve_points=5)

    assert [entry.display_name for entry in board.entries] == ["best"]
    assert list(map(round_, returns(board.own_entry))) == [0] * 4 + [0.1]


@pytest.mark.parametrize("points", [-1, 0, 1, 61])
async def test_a_curve_has_2_to_60_points(venue: Venue, points: int) -> None:
    told = await refusal((await venue.bot()).call("GetLeaderboard", curve_points=points))

    assert (told.code, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("curve_points",))


async def test_a_clock_that_went_back_leaves_a_curve_in_order(venue: Venue) -> None:
    bot = await venue.bot()
    await earn(venue, bot, "500")
    venue.clock.now -= 100 * SECOND

    (entry,) = (await board_of(bot, curve_points=3)).entries

    times = [micros(point.time) for point in entry.return_curve]
    assert times == sorted(times)
    assert len(returns(entry)) == 3
