"""Key performance indicators over gRPC, worked by hand."""

import pytest

from bottrading.v1 import leaderboard_pb2
from tests.support.accounts import deposit, id_of, kpi_of, on_margin, to_midnight
from tests.support.venue import Bot, Venue


async def trade(venue: Venue, bot: Bot, buy: str, sell: str) -> None:
    """Buy ten at one price and sell them at another."""
    await venue.publish("AAPL", buy, buy)
    await bot.place("AAPL", "BUY", "10")
    await venue.publish("AAPL", sell, sell)
    await bot.place("AAPL", "SELL", "10")


async def test_an_account_that_never_traded_has_no_ratios_and_no_rank(venue: Venue) -> None:
    bot = await venue.bot()

    kpi = await kpi_of(bot)

    assert (kpi.total_return_pct, kpi.max_drawdown, kpi.total_trades) == (0.0, 0.0, 0)
    for name in (
        "sharpe_ratio",
        "sortino_ratio",
        "win_rate",
        "profit_factor",
        "expectancy",
        "rank",
        "rank_total",
    ):
        assert not kpi.HasField(name), name


async def test_closed_trades_make_the_figures(venue: Venue) -> None:
    bot = await venue.bot()
    for buy, sell in (("100", "120"), ("100", "110"), ("100", "95"), ("100", "100")):
        await trade(venue, bot, buy, sell)

    kpi = await kpi_of(bot)

    assert kpi.total_trades == 4
    assert kpi.win_rate == 50.0
    assert kpi.profit_factor == 300 / 50
    assert kpi.expectancy == (200 + 100 - 50) / 4
    assert (kpi.consecutive_wins, kpi.consecutive_losses) == (2, 1)
    assert kpi.total_return_pct == pytest.approx(0.25)
    assert (kpi.rank, kpi.rank_total) == (1, 1)


async def test_trades_of_both_directions_are_closed_trades_in_one_row(venue: Venue) -> None:
    """Short +100, long +100, through zero +50, back through zero -40, short -200, long +0.

    The orders that only open are no closed trades, and a live one is none before it ends.
    """
    bot = await venue.bot()
    await on_margin(bot)
    orders = (
        ("SELL", "10", "100"),
        ("BUY", "10", "90"),
        ("BUY", "10", "100"),
        ("SELL", "10", "110"),
        ("BUY", "10", "100"),
        ("SELL", "30", "105"),
        ("BUY", "20", "107"),
        ("SELL", "10", "100"),
        ("BUY", "10", "120"),
        ("BUY", "5", "100"),
        ("SELL", "5", "100"),
    )
    for side, quantity, price in orders:
        await venue.publish("AAPL", price, price)
        await bot.place("AAPL", side, quantity)
    await venue.publish("AAPL", "100", "100", size="1")
    await bot.place("AAPL", "SELL", "1")
    await venue.publish("AAPL", "90", "90", size="1")
    await bot.place("AAPL", "BUY", "2", limit_price="90")

    kpi = await kpi_of(bot)

    assert kpi.total_trades == 6
    assert (kpi.consecutive_wins, kpi.consecutive_losses) == (3, 2)
    assert kpi.win_rate == 50
    assert kpi.profit_factor == pytest.approx(250 / 240)
    assert kpi.expectancy == pytest.approx(10 / 6)
    assert (await bot.portfolio()).realized_pnl == "20.00"


async def test_ratios_are_of_the_last_snapshot_of_each_day_and_of_now(venue: Venue) -> None:
    """Equity 100 000 to begin with, 101 000, 99 000, 102 000 at the ends of days and now."""
    bot = await venue.bot()
    await venue.publish("AAPL", "100", "100")
    await bot.place("AAPL", "BUY", "100")
    for price in ("110", "90", "120"):
        venue.clock.turn(seconds=1)
        await venue.publish("AAPL", price, price)
        to_midnight = 86_400_000_000 - venue.clock.now % 86_400_000_000
        venue.pass_time(seconds=to_midnight / 1_000_000 - 1.5)
        venue.clock.turn(seconds=10)
    kpi = await kpi_of(bot)

    returns = [0.01, 99_000 / 101_000 - 1, 102_000 / 99_000 - 1, 0.0]
    mean = sum(returns) / 4
    deviation = (sum((r - mean) ** 2 for r in returns) / 3) ** 0.5
    downside = (returns[1] ** 2 / 4) ** 0.5
    assert kpi.sharpe_ratio == pytest.approx(mean / deviation * 365**0.5, rel=1e-9)
    assert kpi.sortino_ratio == pytest.approx(mean / downside * 365**0.5, rel=1e-9)
    assert kpi.max_drawdown == pytest.approx(100 * 2_000 / 101_000, rel=1e-9)
    assert kpi.total_return_pct == pytest.approx(2.0)


async def test_money_that_comes_in_makes_no_figure_of_what_did_not_change(venue: Venue) -> None:
    """100 000 × 100 000 ÷ 110 000 × 110 000 ÷ 111 000 of 111 000 in floating point is a bit less.

    A Sharpe ratio of such returns was −9.2, and one who lost nothing ranked below another.
    """
    ada, bob = await venue.bot("ada"), await venue.bot("bob")
    for bot in (ada, bob):
        await trade(venue, bot, "100", "100")
    for amount in ("10000", "1000", "0.01"):
        await to_midnight(venue)
        await deposit(venue, await id_of(ada), amount)

    first, second = await kpi_of(ada), await kpi_of(bob)

    assert (first.total_return_pct, first.max_drawdown) == (0, 0)
    assert not first.HasField("sharpe_ratio")
    assert not first.HasField("sortino_ratio")
    assert (first.rank, second.rank, first.rank_total) == (1, 1, 2)
    for period in leaderboard_pb2.LeaderboardPeriod.values():
        board = await ada.call("GetLeaderboard", period=period)
        assert {entry.return_pct for entry in board.entries} == {0}


async def test_ranks_are_by_return_and_leave_operators_and_idle_accounts_out(
    venue: Venue,
) -> None:
    ada, bob, idle = await venue.bot("ada"), await venue.bot("bob"), await venue.bot("idle")
    operator = await venue.bot("operator", operator=True)
    await trade(venue, ada, "100", "101")
    await trade(venue, bob, "100", "102")
    await trade(venue, operator, "100", "200")

    ranks = [
        (
            (await kpi_of(bot)).rank,
            (await kpi_of(bot)).rank_total,
        )
        for bot in (ada, bob, idle, operator)
    ]

    assert ranks == [(2, 2), (1, 2), (0, 0), (0, 0)]
