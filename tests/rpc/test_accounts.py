"""The life of accounts over gRPC: opened, listed, reset and given money, and by whom."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc
import pytest

from bottrading.v1 import account_pb2, order_pb2, order_update_pb2
from bottrading.v1 import key_management_pb2 as pb
from server.domain.user import Plan
from server.storage.unit_of_work import SqlUnitOfWork
from tests.support.accounts import (
    account_of,
    accounts_of,
    bot_on,
    deposit,
    id_of,
    kpi_of,
    manage,
    operator,
    to_midnight,
)
from tests.support.streams import order_updates, shown
from tests.support.venue import Person, Venue, VenueFactory, refusal


async def test_a_person_opens_accounts_and_lists_them_oldest_first(venue: Venue) -> None:
    ada = venue.person("ada", name="Ada")
    (first,) = await accounts_of(ada)
    venue.clock.turn(seconds=1)
    second = (await manage(ada, "OpenAccount")).account
    venue.clock.turn(seconds=1)
    third = (await manage(ada, "OpenAccount")).account

    assert await accounts_of(venue.person("bob")) != []
    listed = await accounts_of(ada)
    assert [it.bot_user_id for it in listed] == [
        first.bot_user_id,
        second.bot_user_id,
        third.bot_user_id,
    ]
    assert len({it.bot_user_id for it in listed}) == 3
    assert listed[1].created_at.ToMicroseconds() == venue.clock.now - 10**6
    for account in listed:
        assert (account.balance, account.buying_power) == ("100000.00", "100000.00")
        assert (account.display_name, account.resets) == ("Ada", 0)
        assert account.trading_state == account_pb2.TRADING_STATE_ACTIVE
        assert account.epoch_began_at == account.created_at


async def test_the_first_account_stays_the_first_though_the_clock_went_back(venue: Venue) -> None:
    """Only the first account is ranked, and it is the default of a key."""
    ada = venue.person("ada")
    (first,) = await accounts_of(ada)
    venue.clock.turn(seconds=-86_400)
    second = (await manage(ada, "OpenAccount")).account
    on_first, on_second = await venue.bot("ada"), await bot_on(venue, second.bot_user_id)
    await venue.publish("AAPL", "100", "100")
    for bot in (on_first, on_second):
        await bot.place(quantity="1")

    assert second.created_at.ToSeconds() < first.created_at.ToSeconds()
    listed = [it.bot_user_id for it in await accounts_of(ada)]
    assert listed == [first.bot_user_id, second.bot_user_id]
    assert await id_of(on_first) == first.bot_user_id
    assert ((await kpi_of(on_first)).rank, (await kpi_of(on_second)).HasField("rank")) == (1, False)


@pytest.mark.parametrize(
    ("plan", "accounts"), [(Plan.FREE, 1), (Plan.STANDARD, 5), (Plan.PROFESSIONAL, 25)]
)
async def test_a_plan_limits_the_accounts_also_when_all_are_opened_at_once(
    venue: Venue, plan: Plan, accounts: int
) -> None:
    ada = venue.person("ada", plan=plan)

    made = await asyncio.gather(
        *(manage(ada, "OpenAccount") for _ in range(accounts + 2)), return_exceptions=True
    )
    told = await refusal(manage(ada, "OpenAccount"))

    assert sum(not isinstance(it, BaseException) for it in made) == accounts - 1
    assert (told.code, told.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "ACCOUNT_LIMIT_REACHED",
    )
    assert str(accounts) in told.message
    assert len(await accounts_of(ada)) == accounts


async def test_a_key_trades_on_the_account_that_it_was_made_for(venue: Venue) -> None:
    first = await venue.bot("ada")
    account = (await manage(venue.person("ada"), "OpenAccount")).account
    second = await bot_on(venue, account.bot_user_id)
    await venue.publish("AAPL", "99.00", "100.00")
    await second.place("AAPL", quantity="10")
    for _ in range(3):
        await second.call("GetPortfolio")

    assert (await first.portfolio()).balance == "100000.00"
    assert (await second.portfolio()).balance == "99000.00"
    assert (await account_of(second)).bot_user_id == account.bot_user_id
    stranger = await refusal(bot_on(venue, account.bot_user_id, "eve"))
    assert stranger.reason == "ACCOUNT_NOT_FOUND"
    listed = await accounts_of(venue.person("ada"))
    assert [it.api_calls_used for it in listed] == [1, 6]


async def test_a_new_plan_counts_for_the_keys_of_all_accounts(venue: Venue) -> None:
    account = (await manage(venue.person("ada"), "OpenAccount")).account
    bot = await bot_on(venue, account.bot_user_id)
    before = (await bot.call("GetLimits")).limits

    await accounts_of(venue.person("ada", plan=Plan.PROFESSIONAL))

    after = (await bot.call("GetLimits")).limits
    assert (before.api_calls.limit, after.api_calls.limit) == (10_000, 100_000)
    assert (before.accounts.limit, after.accounts.limit) == (5, 25)
    assert (after.accounts.used, after.accounts.remaining) == (2, 23)


async def test_calls_of_the_day_are_listed_after_a_restart_too(start_venue: VenueFactory) -> None:
    venue = await start_venue()
    account = (await manage(venue.person("ada"), "OpenAccount")).account
    bot = await bot_on(venue, account.bot_user_id)
    await bot.call("GetLimits")
    calls, keys = venue.meter.take()
    venue.meter.put_back(calls, keys)
    with SqlUnitOfWork(venue.parts.writer) as unit:
        unit.add_usage(calls, keys)
        unit.commit()

    again = await start_venue()
    listed = await accounts_of(again.person("ada"))

    assert [it.api_calls_used for it in listed][1] == 1


async def test_a_reset_begins_a_new_epoch_and_keeps_the_history(venue: Venue) -> None:
    bot, ada = await venue.bot(), venue.person()
    account_id = await id_of(bot)
    await venue.publish("AAPL", "100.00", "100.00")
    await bot.place("AAPL", quantity="100")
    await venue.publish("AAPL", "90.00", "90.00")
    await bot.place("AAPL", "SELL", quantity="40")
    waiting = await bot.place("AAPL", "SELL", quantity="60", limit_price="120.00")
    await to_midnight(venue)
    assert (await kpi_of(bot)).max_drawdown == pytest.approx(1)

    after = (await manage(ada, "ResetAccount", account_id=account_id)).account

    assert (after.balance, after.buying_power, after.resets) == ("100000.00", "100000.00", 1)
    assert after.epoch_began_at.ToMicroseconds() == venue.clock.now
    assert after.created_at.ToMicroseconds() < venue.clock.now
    portfolio = await bot.portfolio()
    assert portfolio.positions == []
    assert (portfolio.total_equity, portfolio.reserved) == ("100000.00", "0.00")
    assert (portfolio.realized_pnl, portfolio.fees_paid) == ("0.00", "0.00")
    kpi = await kpi_of(bot)
    assert (kpi.total_return_pct, kpi.max_drawdown, kpi.total_trades) == (0, 0, 0)
    for name in ("sharpe_ratio", "win_rate", "profit_factor", "expectancy"):
        assert not kpi.HasField(name), name
    ended = await bot.order(waiting.id)
    assert ended.status_reason == order_pb2.STATUS_REASON_ACCOUNT_RESET
    assert len((await bot.call("ListOrders")).orders) == 3
    assert len((await bot.call("ListFills")).fills) == 2


async def test_a_stream_tells_a_reset_and_its_cancellations_as_one(venue: Venue) -> None:
    bot, ada = await venue.bot(), venue.person()
    account_id = await id_of(bot)
    await bot.place("AAPL", limit_price="1.00")
    await bot.place("MSFT", limit_price="1.00")
    stream, begin = await order_updates(bot)

    await manage(ada, "ResetAccount", account_id=account_id)
    await deposit(venue, account_id, "12.30")
    first, second, reset, given = await stream.take(4)

    assert begin == 3
    assert [shown(it) for it in (first, second)] == ["4 CANCELLED MSFT", "5 CANCELLED AAPL"]
    ends = [first.order_update, second.order_update, reset.account_update]
    assert [it.transaction_end for it in ends] == [6, 6, 6]
    assert reset.account_update.type == order_update_pb2.ACCOUNT_UPDATE_TYPE_RESET
    assert (reset.account_update.amount, reset.account_update.balance) == (
        "100000.00",
        "100000.00",
    )
    assert (given.sequence, given.account_update.transaction_end) == (7, 7)
    assert given.account_update.type == order_update_pb2.ACCOUNT_UPDATE_TYPE_DEPOSIT
    assert (given.account_update.amount, given.account_update.balance) == ("12.30", "100012.30")


async def test_a_stream_of_a_second_account_begins_with_its_opening(venue: Venue) -> None:
    account = (await manage(venue.person("ada"), "OpenAccount")).account
    stream, _ = await order_updates(await bot_on(venue, account.bot_user_id), after_sequence=0)

    opened = await stream.read()

    assert opened.account_update.type == order_update_pb2.ACCOUNT_UPDATE_TYPE_OPENED
    assert (opened.sequence, opened.account_update.amount) == (1, "100000.00")


async def test_a_halted_account_stays_halted_over_a_reset(venue: Venue) -> None:
    bot, ada = await venue.bot(), venue.person()
    account_id = await id_of(bot)
    halted = pb.SetTradingStateRequest(
        account_id=account_id, trading_state=account_pb2.TRADING_STATE_HALTED
    )
    await ada.keys.SetTradingState(halted, metadata=ada.metadata)

    after = (await manage(ada, "ResetAccount", account_id=account_id)).account

    assert after.trading_state == account_pb2.TRADING_STATE_HALTED


async def test_no_bot_reaches_the_life_of_its_account(venue: Venue) -> None:
    bot = await venue.bot()
    account_id = await id_of(bot)
    person = Person(venue, "")
    person.metadata = bot.metadata
    calls: list[Awaitable[Any]] = [
        manage(person, "OpenAccount"),
        manage(person, "ListAccounts"),
        manage(person, "ResetAccount", account_id=account_id),
        manage(person, "Deposit", account_id=account_id, amount="1"),
    ]

    told = [await refusal(call) for call in calls]

    assert {it.code for it in told} == {grpc.StatusCode.PERMISSION_DENIED}
    assert [it.reason for it in told] == ["TOKEN_REQUIRED"] * 3 + ["OPERATOR_REQUIRED"]
    assert (await account_of(bot)).resets == 0
    assert (await bot.portfolio()).balance == "100000.00"


async def test_strangers_and_owners_may_not_do_what_others_may(venue: Venue) -> None:
    bot = await venue.bot("ada")
    account_id = await id_of(bot)
    reset = await refusal(manage(venue.person("eve"), "ResetAccount", account_id=account_id))
    by_operator = await refusal(manage(operator(venue), "ResetAccount", account_id=account_id))
    by_owner = await refusal(
        manage(venue.person("ada"), "Deposit", account_id=account_id, amount="1")
    )

    assert reset.code == by_operator.code == grpc.StatusCode.NOT_FOUND
    assert reset.reason == by_operator.reason == "ACCOUNT_NOT_FOUND"
    assert reset.message == by_operator.message
    assert (by_owner.code, by_owner.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "OPERATOR_REQUIRED",
    )


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("", "FIELD_REQUIRED"),
        ("0", "NOT_POSITIVE"),
        ("-1", "DECIMAL_INVALID"),
        ("1.001", "FIELD_INVALID"),
        ("12345678901", "DECIMAL_INVALID"),
    ],
)
async def test_an_amount_that_is_none_is_refused_before_its_account_is_looked_for(
    venue: Venue, amount: str, reason: str
) -> None:
    for account_id in (await id_of(await venue.bot()), "x"):
        told = await refusal(deposit(venue, account_id, amount))
        assert (told.code, told.reason, told.fields) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            reason,
            ("amount",),
        )


async def test_a_deposit_that_would_outgrow_all_figures_is_refused(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(initial_balance="9999999999.99")
    bot = await venue.bot()
    account_id = await id_of(bot)
    for _ in range(8):
        await deposit(venue, account_id, "9999999999.99")

    told = await refusal(deposit(venue, account_id, "9.00"))

    assert (told.code, told.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "DEPOSIT_TOO_LARGE",
    )
    assert (await account_of(bot)).balance == "89999999999.91"
