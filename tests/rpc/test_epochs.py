"""Figures of an epoch over gRPC, computed by hand, across resets, deposits and several accounts."""

import pytest

from tests.support.accounts import bot_on, deposit, id_of, kpi_of, manage, to_midnight
from tests.support.venue import Bot, Venue


async def test_ratios_of_a_new_epoch_leave_the_old_ones_days_out(venue: Venue) -> None:
    """Two wild days, then a reset and two days of 101 000 and 99 990: 1 % up and 1 % down."""
    bot, ada = await venue.bot(), venue.person()
    account_id = await id_of(bot)
    await venue.publish("AAPL", "100", "100")
    await bot.place("AAPL", quantity="900")
    for price in ("150", "60"):
        await venue.publish("AAPL", price, price)
        await to_midnight(venue)
    await manage(ada, "ResetAccount", account_id=account_id)
    await venue.publish("AAPL", "100", "100")
    await bot.place("AAPL", quantity="100")
    for price in ("110", "99.9"):
        await venue.publish("AAPL", price, price)
        await to_midnight(venue)

    kpi = await kpi_of(bot)

    returns = [0.01, 99_990 / 101_000 - 1, 0]
    mean, downside = sum(returns) / 3, (returns[1] ** 2 / 3) ** 0.5
    assert kpi.sortino_ratio == pytest.approx(mean / downside * 365**0.5, rel=1e-9)
    assert kpi.max_drawdown == pytest.approx(1, rel=1e-9)
    assert kpi.total_return_pct == pytest.approx(-0.01, rel=1e-9)
    assert (kpi.rank, kpi.rank_total) == (1, 1)


async def test_the_return_across_two_deposits_is_weighted_by_time(venue: Venue) -> None:
    """100 000 grow by 10 %, then with 90 000 more by 5 %, with 90 000 more fall by 10 %.

    All money is in the shares but for the deposits, which buy more of them at once.
    """
    bot = await venue.bot()
    account_id = await id_of(bot)
    await venue.publish("AAPL", "100", "100", size="1000000")
    await bot.place("AAPL", quantity="1000")
    await venue.publish("AAPL", "110", "110", size="1000000")
    await to_midnight(venue)
    before = await kpi_of(bot)
    await venue.publish("AAPL", "110", "110", size="1000000")
    given = await deposit(venue, account_id, "90000.00")
    right_after = await kpi_of(bot)
    await bot.place("AAPL", quantity="818")  # 89 980 of 90 000.
    await venue.publish("AAPL", "115.5", "115.5", size="1000000")
    await to_midnight(venue)
    await deposit(venue, account_id, "90000")
    await venue.publish("AAPL", "103.95", "103.95", size="1000000")
    await to_midnight(venue)
    kpi = await kpi_of(bot)

    worth = [110_000, 20 + 1818 * 115.5, 90_020 + 1818 * 103.95]
    growth = [1.1, worth[1] / 200_000, worth[2] / (worth[1] + 90_000)]
    assert (given.balance, before.total_return_pct) == ("90000.00", pytest.approx(10))
    assert right_after.total_return_pct == pytest.approx(before.total_return_pct, rel=1e-12)
    total = growth[0] * growth[1] * growth[2]
    assert kpi.total_return_pct == pytest.approx(100 * (total - 1), rel=1e-9)
    assert kpi.max_drawdown == pytest.approx(100 * (1 - growth[2]), rel=1e-9)
    returns = [growth[0] - 1, growth[1] - 1, growth[2] - 1, 0.0]
    mean = sum(returns) / 4
    deviation = (sum((r - mean) ** 2 for r in returns) / 3) ** 0.5
    assert kpi.sharpe_ratio == pytest.approx(mean / deviation * 365**0.5, rel=1e-9)
    assert (kpi.rank, kpi.rank_total) == (1, 1)


async def test_a_deposit_neither_wins_nor_loses_a_rank(venue: Venue) -> None:
    ada, bob, eve = [await venue.bot(name) for name in ("ada", "bob", "eve")]
    for bot, price in ((ada, "101"), (bob, "102"), (eve, "100.5")):
        await venue.publish("AAPL", "100", "100")
        await bot.place("AAPL", quantity="100")
        await venue.publish("AAPL", price, price)
        await bot.place("AAPL", "SELL", quantity="100")
    for bot in (bob, eve):
        await deposit(venue, await id_of(bot), "5000000.00")

    assert [(await kpi_of(bot)).rank for bot in (ada, bob, eve)] == [2, 1, 3]


async def test_only_the_first_account_of_a_person_ranks_also_after_a_reset(
    venue: Venue,
) -> None:
    """Otherwise a person could show the best of several accounts, and select it by a reset."""
    first, rival = await venue.bot("ada"), await venue.bot("bob")
    account = (await manage(venue.person("ada"), "OpenAccount")).account
    second = await bot_on(venue, account.bot_user_id)
    await venue.publish("AAPL", "100", "100")
    for bot in (first, second, rival):
        await bot.place("AAPL", quantity="10")

    ranked = await totals(first, second, rival)
    await manage(venue.person("ada"), "ResetAccount", account_id=await id_of(first))
    without_fills = await totals(first, second, rival)
    await first.place("AAPL", quantity="1")

    assert ranked == await totals(first, second, rival) == [2, 0, 2]
    assert without_fills == [0, 0, 1]


async def totals(*bots: Bot) -> list[int]:
    """Return the number of ranked accounts as each one sees it; 0 for an unranked one."""
    return [(await kpi_of(bot)).rank_total for bot in bots]
