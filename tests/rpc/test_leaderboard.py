"""The leaderboard over gRPC, worked by hand: places, periods, pages and the caller's own row."""

from random import Random
from typing import Any

import grpc
import pytest

from bottrading.v1 import leaderboard_pb2
from server.application.leaderboard import PAUSE_FACTOR, PAUSE_MIN, Leaderboard
from server.application.return_curves import ReturnCurves
from server.domain.values import SECOND
from tests.support.accounts import (
    bot_on,
    deposit,
    id_of,
    kpi_of,
    manage,
    to_midnight,
)
from tests.support.venue import Bot, Venue, refusal

pytestmark = pytest.mark.both

PERIODS = ("DAY", "WEEK", "MONTH", "ALL")


async def board_of(bot: Bot, period: str = "ALL", **fields: Any) -> Any:
    """Read a page of the leaderboard as of now."""
    bot.venue.refresh_leaderboard()
    number = leaderboard_pb2.LeaderboardPeriod.Value(f"LEADERBOARD_PERIOD_{period}")
    return await bot.call("GetLeaderboard", period=number, **fields)


async def earn(venue: Venue, bot: Bot, dollars: str) -> None:
    """Buy one for 1 000 and sell it for so much more."""
    await venue.publish("AAPL", "1000", "1000")
    await bot.place(quantity="1")
    price = str(1000 + int(dollars))
    await venue.publish("AAPL", price, price)
    await bot.place(side="SELL", quantity="1")


async def test_the_board_shows_who_earned_most_first_and_the_callers_own_row(
    venue: Venue,
) -> None:
    ada, bob, idle = await venue.bot("ada"), await venue.bot("bob"), await venue.bot("idle")
    await earn(venue, ada, "100")
    await earn(venue, bob, "250")
    await earn(venue, bob, "-50")

    board = await board_of(ada)

    first, second = board.entries
    assert (first.rank, first.display_name, first.badge, first.own) == (1, "bob", "🤖", False)
    assert (first.return_pct, first.win_rate, first.trades) == (pytest.approx(0.2), 50, 2)
    assert first.max_drawdown == 0  # The fall from 100 250 is in no snapshot.
    assert not first.HasField("sharpe_ratio")
    assert (second.rank, second.display_name, second.own) == (2, "ada", True)
    assert (second.return_pct, second.win_rate, second.was_reset) == (0.1, 100, False)
    assert board.own_entry == second
    assert (board.rank_total, board.next_page_token) == (2, "")
    assert not (await board_of(idle)).HasField("own_entry")


async def test_its_figures_are_those_that_the_accounts_read_themselves(venue: Venue) -> None:
    """With open positions, contracts of ten, money that came in, and days that passed."""
    bots = [await venue.bot(name) for name in ("ada", "bob", "eve")]
    for number, bot in enumerate(bots):
        await venue.publish("AAPL", "100.01", "100.02")
        await bot.place(quantity=str(1 + 3 * number))
        await venue.publish("MGC", "2000.1", "2000.1")
        await bot.place("MGC", quantity=str(number + 1))
    await deposit(venue, await id_of(bots[1]), "1234.56")
    for price in ("103.37", "99.99", "101.23"):
        await venue.publish("AAPL", price, price)
        await to_midnight(venue)
    await venue.publish("AAPL", "102.03", "102.05")

    board = await board_of(bots[0])

    by_name = {entry.display_name: entry for entry in board.entries}
    for name, bot in zip(("ada", "bob", "eve"), bots, strict=True):
        kpi, entry = await kpi_of(bot), by_name[name]
        assert entry.return_pct == pytest.approx(kpi.total_return_pct, rel=1e-12)
        assert entry.sharpe_ratio == pytest.approx(kpi.sharpe_ratio, rel=1e-12)
        assert entry.max_drawdown == pytest.approx(kpi.max_drawdown, rel=1e-12)
        assert (entry.rank, board.rank_total) == (kpi.rank, kpi.rank_total)


async def test_half_a_cent_is_rounded_as_in_the_portfolio(venue: Venue) -> None:
    """0.5 × 100.01 is 50.005 and 0.5 × 100.03 is 50.015: a half cent goes to the even one."""
    bot = await venue.bot()
    await venue.publish("AAPL", "100", "100")
    await bot.place(quantity="0.5")
    returns = []
    for price in ("100.01", "100.03"):
        await venue.publish("AAPL", price, price)
        returns.append((await board_of(bot)).own_entry.return_pct)
        assert returns[-1] == (await kpi_of(bot)).total_return_pct

    assert returns == pytest.approx([0, 0.00002], rel=1e-12, abs=0)


async def test_ranks_are_a_permutation_where_returns_differ_and_shared_where_they_are_equal(
    venue: Venue,
) -> None:
    chance = Random(7)
    earned = [chance.randint(-9, 9) for _ in range(12)]
    bots = [await venue.bot(f"bot {number}") for number in range(len(earned))]
    for bot, dollars in zip(bots, earned, strict=True):
        await earn(venue, bot, str(dollars))

    entries = (await board_of(bots[0], limit=100)).entries

    by_rank = sorted(earned, reverse=True)
    assert [entry.rank for entry in entries] == [1 + by_rank.index(it) for it in by_rank]
    assert [round(entry.return_pct * 1_000) for entry in entries] == by_rank
    assert len({entry.display_name for entry in entries}) == len(earned)
    kpis = [await kpi_of(bot) for bot in bots]
    assert [kpi.rank for kpi in kpis] == [1 + by_rank.index(dollars) for dollars in earned]
    assert {kpi.rank_total for kpi in kpis} == {len(earned)}


async def test_pages_follow_one_another_and_every_one_shows_the_own_row(venue: Venue) -> None:
    bots = [await venue.bot(f"bot {number}") for number in range(5)]
    for number, bot in enumerate(bots):
        await earn(venue, bot, str(number // 2))

    names, token, owns = [], "", set()
    for _ in range(3):
        page = await board_of(bots[3], limit=2, page_token=token)
        names += [entry.display_name for entry in page.entries]
        owns.add((page.own_entry.display_name, page.own_entry.rank, page.own_entry.own))
        token = page.next_page_token

    assert names == ["bot 4", "bot 2", "bot 3", "bot 0", "bot 1"]
    assert owns == {("bot 3", 2, True)}
    assert token == ""


async def test_a_token_is_good_for_its_period_only(venue: Venue) -> None:
    for name in ("ada", "bob"):
        await earn(venue, await venue.bot(name), "1")
    bot = await venue.bot("ada")
    token = (await board_of(bot, limit=1)).next_page_token

    for wrong in (board_of(bot, "DAY", page_token=token), board_of(bot, page_token=token + "x")):
        told = await refusal(wrong)
        assert told.code is grpc.StatusCode.INVALID_ARGUMENT
        assert told.fields == ("page_token",)


async def test_a_period_compares_with_the_last_snapshot_before_it(venue: Venue) -> None:
    """Ada earns 1 000, 2 000 and 4 000 on three days; Bob, who came on the last, 3 000."""
    ada = await venue.bot("ada")
    for dollars, days in (("1000", 29), ("2000", 4), ("4000", 0)):
        await earn(venue, ada, dollars)
        await to_midnight(venue)
        venue.clock.turn(seconds=86_400 * days)
    bob = await venue.bot("bob")
    await earn(venue, bob, "3000")

    boards = {period: await board_of(ada, period) for period in PERIODS}

    returns = {
        period: {entry.display_name: entry.return_pct for entry in board.entries}
        for period, board in boards.items()
    }
    assert returns["DAY"] == pytest.approx({"ada": 100 * 4 / 103, "bob": 3}, rel=1e-9)
    assert returns["WEEK"] == pytest.approx({"ada": 100 * 6 / 101, "bob": 3}, rel=1e-9)
    assert returns["MONTH"] == pytest.approx({"ada": 100 * 6 / 101, "bob": 3}, rel=1e-9)
    assert returns["ALL"] == pytest.approx({"ada": 7, "bob": 3}, rel=1e-9)
    assert [entry.display_name for entry in boards["DAY"].entries] == ["ada", "bob"]


async def test_a_reset_is_shown_and_a_period_with_one_is_not_ranked(venue: Venue) -> None:
    bot = await venue.bot("ada")
    await earn(venue, bot, "-500")
    await to_midnight(venue)
    await manage(venue.person("ada"), "ResetAccount", account_id=await id_of(bot))
    await earn(venue, bot, "100")
    right_after = {period: (await board_of(bot, period)).rank_total for period in PERIODS}
    await to_midnight(venue)
    venue.clock.turn(seconds=2 * 86_400)
    two_days_later = {period: (await board_of(bot, period)).rank_total for period in PERIODS}

    (entry,) = (await board_of(bot)).entries
    assert (entry.was_reset, entry.return_pct, entry.trades) == (True, 0.1, 1)
    assert right_after == {"DAY": 0, "WEEK": 0, "MONTH": 0, "ALL": 1}
    assert two_days_later == {"DAY": 1, "WEEK": 0, "MONTH": 0, "ALL": 1}


async def test_a_key_of_a_second_account_has_no_row_of_its_own(venue: Venue) -> None:
    await earn(venue, await venue.bot("ada"), "5")
    account = (await manage(venue.person("ada"), "OpenAccount")).account
    second = await bot_on(venue, account.bot_user_id)
    await earn(venue, second, "100")

    board = await board_of(second)

    assert [entry.own for entry in board.entries] == [False]
    assert not board.HasField("own_entry")


async def test_before_the_first_ranking_the_board_is_not_available_and_figures_are(
    venue: Venue,
) -> None:
    bot = await venue.bot()
    await earn(venue, bot, "5")

    told = await refusal(bot.call("GetLeaderboard"))
    kpi = (await bot.call("GetTradingKpi")).kpi

    assert told.code is grpc.StatusCode.UNAVAILABLE
    assert told.retry_seconds is not None
    assert told.executed is None, "the call had begun"
    assert (kpi.total_trades, kpi.HasField("rank")) == (1, False)


async def test_what_changes_is_seen_with_the_next_ranking(venue: Venue) -> None:
    bot = await venue.bot()
    await earn(venue, bot, "5")
    venue.refresh_leaderboard()
    await earn(venue, bot, "5")

    before = await bot.call("GetLeaderboard")
    venue.refresh_leaderboard()
    after = await bot.call("GetLeaderboard")

    assert [board.own_entry.trades for board in (before, after)] == [1, 2]


@pytest.mark.parametrize(("seconds", "pause"), [(0, PAUSE_MIN), (3, 3 * PAUSE_FACTOR * SECOND)])
async def test_refreshes_take_a_small_part_of_the_time_at_most(
    venue: Venue, seconds: int, pause: int
) -> None:
    moments = iter((0, seconds * SECOND))
    leaderboard = Leaderboard(
        rankings=venue.base.rankings,
        curves=ReturnCurves(venue.base.reads),
        mode_of=venue.base.reads.ranked_as,
        board=venue.base.board,
        clock=venue.clock,
        instruments=venue.parts.feed.instruments,
        monotonic=lambda: next(moments),
    )

    assert leaderboard.refresh() == pause
