"""Ranks and figures of MARGIN accounts: with short positions, loans and debts, mode by mode."""

import sqlite3
from decimal import Decimal
from random import Random
from typing import Any

import grpc
import pytest

from bottrading.v1 import account_pb2, portfolio_pb2
from server.config import DATABASE_FILE
from tests.support.accounts import deposit, id_of, kpi_of, manage
from tests.support.venue import Bot, Venue, VenueFactory, refusal

CASH, MARGIN = account_pb2.MARGIN_MODE_CASH, account_pb2.MARGIN_MODE_MARGIN
SNAPSHOT = portfolio_pb2.HISTORY_INTERVAL_SNAPSHOT
SYMBOLS = {"AAPL": 1, "MGC": 10, "SPY": 1}
ACCOUNTS = 24
ON_MARGIN = "UPDATE accounts SET margin_mode = 'MARGIN', had_margin = 1 WHERE id = ?"


def store(venue: Venue, statement: str, *values: Any) -> None:
    """Change the stored data, as a fill or an operation of the account would."""
    connection = sqlite3.connect(venue.settings.data_dir / DATABASE_FILE)
    with connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


def hold(venue: Venue, account_id: str, symbol: str, quantity: int, cost: int) -> None:
    """Store a position; below zero it is short, and what it was sold for is its cost."""
    store(
        venue,
        "INSERT INTO positions (account_id, symbol, quantity, average_cost, cost_basis, buy_fees,"
        " reserved_quantity, quote_time, quote_sequence, bid_taken, ask_taken, open_buy_quantity)"
        " VALUES (?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0)"
        " ON CONFLICT DO UPDATE SET quantity = excluded.quantity,"
        " average_cost = excluded.average_cost, cost_basis = excluded.cost_basis",
        account_id,
        symbol,
        quantity,
        0 if not quantity else cost * 10**8 // abs(quantity),
        cost if quantity > 0 else -cost,
    )


async def margin_bot(venue: Venue, name: str) -> Bot:
    """Return a bot of a MARGIN account that has traded."""
    bot = await cash_bot(venue, name)
    store(venue, ON_MARGIN, await id_of(bot))
    return bot


async def cash_bot(venue: Venue, name: str) -> Bot:
    """Return a bot that has bought and sold one share at the same price."""
    bot = await venue.bot(name)
    await venue.publish("AAPL", "100", "100")
    for side in ("BUY", "SELL"):
        await bot.place(side=side, quantity="1")
    return bot


async def balance(venue: Venue, bot: Bot, dollars: int) -> None:
    """Store the balance of an account."""
    account_id, cents = await id_of(bot), dollars * 10**8
    store(venue, "UPDATE accounts SET balance = ? WHERE id = ?", cents, account_id)


async def board_of(bot: Bot, **fields: Any) -> Any:
    bot.venue.refresh_leaderboard()
    return await bot.call("GetLeaderboard", **fields)


def names(board: Any) -> list[str]:
    return [entry.display_name for entry in board.entries]


async def test_accounts_are_ranked_among_those_of_their_margin_mode(venue: Venue) -> None:
    """With a loan, more can be won and lost than with one's own money alone."""
    ada, bob = await cash_bot(venue, "ada"), await cash_bot(venue, "bob")
    cyd, dan = await margin_bot(venue, "cyd"), await margin_bot(venue, "dan")
    for bot, dollars in ((ada, 101_000), (bob, 102_000), (cyd, 103_000), (dan, 90_000)):
        await balance(venue, bot, dollars)

    boards = {name: await board_of(bot) for name, bot in (("ada", ada), ("dan", dan))}

    assert names(boards["ada"]) == ["bob", "ada"]
    assert names(boards["dan"]) == ["cyd", "dan"]
    for board in boards.values():
        assert [entry.rank for entry in board.entries] == [1, 2]
        assert (board.own_entry.rank, board.rank_total) == (2, 2)
    assert {entry.margin_mode for entry in boards["ada"].entries} == {CASH}
    assert {entry.margin_mode for entry in boards["dan"].entries} == {MARGIN}
    kpis = [await kpi_of(bot) for bot in (ada, bob, cyd, dan)]
    assert [(kpi.rank, kpi.rank_total) for kpi in kpis] == [(2, 2), (1, 2), (1, 2), (2, 2)]


async def test_the_other_mode_is_shown_on_request_without_an_own_row(venue: Venue) -> None:
    ada, dan = await cash_bot(venue, "ada"), await margin_bot(venue, "dan")

    board = await board_of(ada, margin_mode=MARGIN)

    assert (names(board), board.rank_total) == (["dan"], 1)
    assert not board.HasField("own_entry")
    assert not any(entry.own for entry in board.entries)
    assert names(await board_of(dan, margin_mode=CASH)) == ["ada"]


async def test_an_account_without_rank_is_shown_the_accounts_of_its_mode(venue: Venue) -> None:
    await cash_bot(venue, "ada")
    await margin_bot(venue, "dan")
    idle = await venue.bot("idle")
    assert names(await board_of(idle)) == ["ada"]

    store(venue, ON_MARGIN, await id_of(idle))

    board = await board_of(idle)
    assert (names(board), board.HasField("own_entry")) == (["dan"], False)


async def test_an_account_that_was_on_margin_ranks_there_until_it_is_reset(venue: Venue) -> None:
    """Otherwise gains with borrowed money would be ranked among those without."""
    ada, dan = await cash_bot(venue, "ada"), await cash_bot(venue, "dan")
    account_id = await id_of(dan)
    for mode in (MARGIN, CASH):
        await manage(venue.person("dan"), "SetMarginMode", account_id=account_id, margin_mode=mode)

    assert names(await board_of(dan)) == ["dan"]
    assert names(await board_of(ada)) == ["ada"]

    await manage(venue.person("dan"), "ResetAccount", account_id=account_id)
    await dan.place(side="BUY", quantity="1")
    assert names(await board_of(dan)) == ["ada", "dan"]


async def test_a_token_is_good_for_its_margin_mode_only(venue: Venue) -> None:
    for name in ("ada", "bob"):
        bot = await cash_bot(venue, name)
        await margin_bot(venue, f"{name} on margin")
    token = (await board_of(bot, limit=1)).next_page_token

    told = await refusal(board_of(bot, limit=1, page_token=token, margin_mode=MARGIN))
    second = await board_of(bot, limit=1, page_token=token, margin_mode=CASH)

    assert told.code is grpc.StatusCode.INVALID_ARGUMENT
    assert told.fields == ("page_token",)
    assert [entry.rank for entry in second.entries] == [1]


async def test_an_unknown_margin_mode_is_refused(venue: Venue) -> None:
    told = await refusal((await venue.bot()).call("GetLeaderboard", margin_mode=9))

    assert (told.code, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("margin_mode",))


async def test_a_bankrupt_account_has_a_return_of_minus_100_percent_and_no_rank(
    venue: Venue,
) -> None:
    """It still owns 500, but its epoch is over: only a reset lets it be ranked again."""
    ada, bob = await margin_bot(venue, "ada"), await margin_bot(venue, "bob")
    await balance(venue, ada, 500)
    statement = "UPDATE accounts SET initial_share = 0 WHERE id = ?"
    store(venue, statement, await id_of(ada))

    board, kpi = await board_of(ada), await kpi_of(ada)

    assert (names(board), board.rank_total) == (["bob"], 1)
    assert not board.HasField("own_entry")
    assert (kpi.total_return_pct, kpi.max_drawdown) == (-100, 100)
    assert not kpi.HasField("rank")
    assert not kpi.HasField("rank_total")
    assert (await ada.portfolio()).total_equity == "500.00"
    assert (await kpi_of(bob)).rank_total == 1


async def test_a_debt_is_shown_as_it_is_and_counts_as_nothing(venue: Venue) -> None:
    """Short 1 000 for 100 each, when the price is 350: 200 000 - 350 000 are -150 000."""
    bot = await margin_bot(venue, "ada")
    await balance(venue, bot, 200_000)
    hold(venue, await id_of(bot), "AAPL", -1_000 * 10**8, 100_000 * 10**8)
    await venue.publish("AAPL", "350", "350")

    board, kpi, shown = await board_of(bot), await kpi_of(bot), await bot.portfolio()

    assert shown.total_equity == "-150000.00"
    (held,) = shown.positions
    assert (held.quantity, held.market_value) == ("-1000.00000000", "-350000.00000000")
    assert kpi.total_return_pct == board.own_entry.return_pct == -100
    assert kpi.max_drawdown == board.own_entry.max_drawdown == 100
    venue.pass_time(seconds=3_600)
    venue.clock.turn(seconds=1)
    history = await bot.call("GetPortfolioHistory", interval=SNAPSHOT)
    begun, taken, now = history.points
    assert (begun.equity, taken.equity, now.equity) == ("100000.00", "-150000.00", "-150000.00")


async def begin_again(start_venue: VenueFactory, venue: Venue, bot: Bot) -> tuple[Venue, Bot]:
    """Restart the venue, whose engine then reads what is stored."""
    await venue.stop()
    again = await start_venue(now=venue.clock.now)
    return again, Bot(again, bot.key)


async def test_a_deposit_weighs_what_a_short_position_is_worth(
    start_venue: VenueFactory,
) -> None:
    """Short 1 000 for 100 each, at 150: 200 000 - 150 000 are 50 000, a return of -50 %."""
    venue = await start_venue()
    bot = await margin_bot(venue, "ada")
    account_id = await id_of(bot)
    await balance(venue, bot, 200_000)
    hold(venue, account_id, "AAPL", -1_000 * 10**8, 100_000 * 10**8)
    venue, bot = await begin_again(start_venue, venue, bot)
    await venue.publish("AAPL", "150", "150")

    await deposit(venue, account_id, "50000.00")

    assert (await kpi_of(bot)).total_return_pct == -50
    await venue.publish("AAPL", "200", "200")
    assert (await kpi_of(bot)).total_return_pct == -75


async def test_a_reset_ends_a_short_position_and_a_debt(start_venue: VenueFactory) -> None:
    venue = await start_venue()
    bot = await margin_bot(venue, "ada")
    account_id = await id_of(bot)
    await balance(venue, bot, -5)
    hold(venue, account_id, "AAPL", -3 * 10**8, 300 * 10**8)
    store(venue, "UPDATE accounts SET initial_share = 0 WHERE id = ?", account_id)
    venue, bot = await begin_again(start_venue, venue, bot)

    await manage(venue.person("ada"), "ResetAccount", account_id=account_id)

    shown, kpi = await bot.portfolio(), await kpi_of(bot)
    assert (shown.total_equity, list(shown.positions)) == ("100000.00", [])
    assert (kpi.total_return_pct, kpi.max_drawdown) == (0, 0)
    await venue.publish("AAPL", "100", "100")
    await bot.place(quantity="1")
    assert (await kpi_of(bot)).rank == 1


async def test_database_and_portfolio_value_random_books_alike(venue: Venue) -> None:
    """The leaderboard sums in SQL what GetPortfolio and GetTradingKpi sum in Python."""
    chance = Random(3)
    bots = [await margin_bot(venue, f"bot {number}") for number in range(ACCOUNTS)]
    for bot in bots:
        await balance(venue, bot, chance.randint(-60_000, 260_000))
        for symbol, multiplier in SYMBOLS.items():
            quantity = chance.choice((0, 1, -1)) * chance.randint(1, 2 * 10**10)
            cost = abs(quantity) * multiplier * 200
            hold(venue, await id_of(bot), symbol, quantity, cost)
    for symbol in ("AAPL", "SPY"):  # MGC has no quote and counts at its cost.
        price = str(Decimal(chance.randint(10_000, 60_000)) / 100)
        await venue.publish(symbol, price, price)

    board = await board_of(bots[0], limit=100)

    shown = {entry.display_name: entry for entry in board.entries}
    equities = [Decimal((await bot.portfolio()).total_equity) for bot in bots]
    assert len(shown) == ACCOUNTS
    assert min(equities) < 0 < 100_000 < max(equities)
    for number, (bot, equity) in enumerate(zip(bots, equities, strict=True)):
        kpi, entry = await kpi_of(bot), shown[f"bot {number}"]
        growth = 100 * (max(equity, Decimal(0)) / 100_000 - 1)
        assert kpi.total_return_pct == pytest.approx(float(growth), rel=1e-9, abs=1e-9)
        assert entry.return_pct == pytest.approx(kpi.total_return_pct, rel=1e-12, abs=1e-12)
        assert entry.max_drawdown == pytest.approx(kpi.max_drawdown, rel=1e-12)
        assert (entry.rank, kpi.rank_total) == (kpi.rank, ACCOUNTS)
