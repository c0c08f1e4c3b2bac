"""Every call of both kinds of clients on a real server."""

import asyncio
import inspect
from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2, key_management_pb2, market_data_pb2
from bottrading_client import (
    AssetType,
    AsyncBotTradingClient,
    AsyncKeyManagementClient,
    AuthenticationFailed,
    BarInterval,
    BotTradingClient,
    BotTradingError,
    ClosingOrders,
    Conflict,
    ErrorReason,
    InvalidRequest,
    KeyManagementClient,
    NotFound,
    OrderStatus,
    OrderType,
    PermissionDenied,
    RateLimited,
    ServiceUnavailable,
    Side,
    TimeInForce,
    TradingState,
    calls,
    following,
    key_calls,
    position_calls,
    replay_calls,
)
from bottrading_client.connecting import BOT_KEY, credentials_of, target_of
from tests.clients.python.conftest import Make
from tests.support.process import free_port
from tests.support.venue import Bot, Venue, VenueFactory


async def test_an_order_lives_from_preview_to_cancellation(make: Make) -> None:
    preview = await make("preview_order", "AAPL", Side.BUY, 10)
    assert (preview.order.filled_price, preview.buying_power_after) == (101, Decimal("98990.00"))
    market = await make("place_order", "AAPL", "BUY", 10)
    assert (market.status, market.filled_quantity) == (OrderStatus.FILLED, 10)
    waiting = await make(
        "place_order",
        "AAPL",
        Side.BUY,
        Decimal("2.5"),
        order_type=OrderType.LIMIT,
        limit_price="50.25",
        time_in_force=TimeInForce.DAY,
        asset_type=AssetType.STOCK,
        client_order_id="mine",
    )
    assert (waiting.status, waiting.limit_price) == ("OPEN", Decimal("50.25"))
    assert await make("order", waiting.id) == await make("order_by_client_id", "mine") == waiting
    replaced = await make("replace_order", waiting.id, quantity=3, limit_price=51)
    assert (replaced.id, replaced.quantity, replaced.limit_price) == (waiting.id, 3, 51)
    cancelled = await make("cancel_order", waiting.id)
    assert (cancelled.status, cancelled.status_reason) == ("CANCELLED", "REQUESTED")
    stop = await make(
        "place_order", "AAPL", "SELL", 10, order_type="STOP_LIMIT", stop_price=90, limit_price=89
    )
    assert [order.id for order in await make("cancel_all_orders", "AAPL")] == [stop.id]
    nothing = await make("cancel_all_orders")
    assert (nothing, nothing.skipped) == ((), 0)


async def test_cancelling_all_with_a_fenced_key_tells_what_is_left(
    quoted: Venue, person: AsyncKeyManagementClient
) -> None:
    await quoted.publish("MSFT", "100", "101")
    fenced = await person.create_key("fenced", allowed_symbols=["AAPL"])
    whole = await quoted.bot()
    own = await whole.place("AAPL", limit_price="1")
    await whole.place("MSFT", limit_price="1")

    async with AsyncBotTradingClient(fenced.key, quoted.address) as client:
        cancelled = await client.cancel_all_orders()
        left = await client.cancel_all_orders("MSFT")

    assert ([order.id for order in cancelled], cancelled.skipped) == ([own.id], 1)
    assert (left, left.skipped) == ((), 1)


async def test_positions_are_closed_in_part_as_a_whole_and_all_at_once(
    make: Make, quoted: Venue
) -> None:
    await quoted.publish("MSFT", "100", "101")
    await make("place_order", "AAPL", "BUY", 10)
    await make("place_order", "MSFT", "BUY", 4)
    held = await make("positions")
    assert [(it.symbol, it.quantity) for it in held] == [("AAPL", 10), ("MSFT", 4)]
    assert await make("position", "AAPL") == held[0]

    part = await make("close_position", "AAPL", percentage=25)
    named = await make("close_position", "AAPL", quantity="1.5", client_order_id="some")
    again = await make("close_position", "AAPL", quantity=Decimal("1.5"), client_order_id="some")
    rest = await make("close_all_positions")

    assert (part.side, part.status, part.quantity) == ("SELL", "FILLED", Decimal("2.5"))
    assert (again.id, again.replayed) == (named.id, True)
    assert [(order.symbol, order.quantity) for order in rest] == [("AAPL", 6), ("MSFT", 4)]
    assert (isinstance(rest, ClosingOrders), rest.skipped) == (True, 0)
    assert await make("positions") == ()


async def test_an_order_that_the_rules_reject_is_an_order(make: Make) -> None:
    order = await make("place_order", "AAPL", "SELL", 1)

    assert (order.status, order.rejection_reason) == ("REJECTED", "INSUFFICIENT_POSITION")
    assert isinstance(order.rejection_reason, ErrorReason)
    assert order.rejection_message


async def test_money_positions_and_figures_are_read(make: Make) -> None:
    order = await make("place_order", "AAPL", "BUY", 10)

    [position] = (await make("portfolio")).positions
    assert (position.avg_cost, position.market_value) == (101, 1005)
    assert (await make("account")).balance == Decimal("98990.00")
    [fill] = await make("fills", order_id=order.id, symbol="AAPL")
    assert (fill.amount, fill.realized_pnl) == (Decimal("1010.00"), None)
    kpi = await make("kpi")
    assert (kpi.total_trades, kpi.win_rate) == (0, None)
    assert isinstance(kpi.total_return_pct, float)
    points = await make("portfolio_history", "DAY", "SNAPSHOT")
    assert points[-1].equity == (await make("portfolio")).total_equity
    limits = await make("limits")
    assert (limits.orders.limit, limits.bot_key.label) == (20, "bot")
    assert (await make("create_stream_ticket")).ticket


async def test_the_market_is_read(make: Make) -> None:
    assert (await make("quote", "AAPL")).ask == 101
    assert [quote.symbol for quote in await make("quotes", ["MSFT", "AAPL"])] == ["AAPL"]
    [bar] = await make("bars", "AAPL", BarInterval.DAY)
    assert (bar.open, bar.complete) == (Decimal("100.5"), False)
    assert await make("bars", "AAPL", start=bar.start, end=bar.start) == ()
    names = [one.symbol for one in await make("instruments", asset_type="CRYPTO", query="bitcoin")]
    assert names == ["BTC-USD"]
    clock = await make("clock")
    assert {session.asset_type for session in clock.sessions} == set(AssetType)


async def test_a_listing_is_read_page_after_page_as_it_is_asked_for(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(orders_per_minute=1000, requests_per_minute=1000)
    bot = await venue.bot()
    async with AsyncBotTradingClient(bot.key, venue.address) as client:
        placed = [(await client.place_order("AAPL", "BUY", 1)).id for _ in range(205)][::-1]

        async def left() -> int:
            requests = (await client.limits()).requests
            assert requests is not None
            return requests.remaining

        spent = await left()
        assert [order.id async for order in client.orders()] == placed
        assert [order.id async for order in client.orders(limit=150)] == placed[:150]
        assert [order.id async for order in client.orders(limit=100)] == placed[:100]
        listing = client.orders()
        assert [(await anext(listing)).id for _ in range(100)] == placed[:100]
        assert spent - await left() == 3 + 2 + 1 + 1 + 1

    def listed() -> list[str]:
        with BotTradingClient(bot.key, venue.address) as client:
            return [order.id for order in client.orders(status=OrderStatus.REJECTED)]

    assert await asyncio.to_thread(listed) == placed


async def test_orders_are_found_by_status_symbol_and_time(make: Make) -> None:
    [open_, _] = [
        await make("place_order", "AAPL", "BUY", 1, order_type="LIMIT", limit_price=price)
        for price in (50, 200)
    ]

    assert await make("orders", status="OPEN") == [open_]
    assert len(await make("orders", symbol="AAPL")) == 2
    assert await make("orders", symbol="MSFT") == []
    assert await make("orders", after=open_.created_at) == []
    assert len(await make("orders", until=open_.created_at)) == 2
    assert await make("orders", until=open_.created_at - timedelta(days=1)) == []


async def test_keys_and_accounts_are_managed(
    person: AsyncKeyManagementClient, quoted: Venue
) -> None:
    account = await person.open_account()
    assert {one.bot_user_id for one in await person.accounts()} >= {account.bot_user_id}
    made = await person.create_key(
        "reader",
        account_id=account.bot_user_id,
        scopes=["READ"],
        allowed_symbols=["AAPL"],
        allowed_asset_types=[AssetType.STOCK],
        order_notional_max="100.50",
    )
    [key] = [key for key in await person.keys() if key.id == made.id]
    assert (key.scopes, key.allowed_symbols, key.order_notional_max) == (
        ("READ",),
        ("AAPL",),
        Decimal("100.50"),
    )
    halted = await person.set_trading_state(account.bot_user_id, TradingState.HALTED)
    assert halted.trading_state is TradingState.HALTED
    rails = await person.set_guard_rails(account.bot_user_id, position_share_max=25)
    assert (rails.position_share_max, rails.daily_loss_max) == (Decimal(25), None)
    async with AsyncKeyManagementClient(quoted.token(operator=True), quoted.address) as operator:
        assert (await operator.deposit(account.bot_user_id, "0.01")).balance == Decimal("100000.01")
    assert (await person.reset_account(account.bot_user_id)).resets == 1
    assert (await person.revoke_key(made.id)).revoked_at is not None


async def test_keys_are_managed_by_the_synchronous_client_too(quoted: Venue) -> None:
    def manage() -> None:
        with KeyManagementClient(quoted.token("eve"), quoted.address) as person:
            made = person.create_key("bot")
            with BotTradingClient(made.key, quoted.address) as client:
                assert client.account().bot_user_id == person.accounts()[0].bot_user_id
            assert [key.id for key in person.keys()] == [made.id]

    await asyncio.to_thread(manage)


async def test_refusals_are_raised_as_what_they_are(
    client: AsyncBotTradingClient, person: AsyncKeyManagementClient, quoted: Venue, bot: Bot
) -> None:
    async def refused(made: Awaitable[Any]) -> tuple[type, str]:
        with pytest.raises(BotTradingError) as raised:
            await made
        assert raised.value.request_id
        return type(raised.value), str(raised.value.reason)

    def stranger(secret: str) -> AsyncBotTradingClient:
        return AsyncBotTradingClient(secret, channel=quoted.channel)

    order = await client.place_order("AAPL", "BUY", 1, client_order_id="mine")
    reader = await person.create_key("reader", scopes=["READ"])
    assert await refused(stranger("tvt_wrong").account()) == (
        AuthenticationFailed,
        "BOT_KEY_INVALID",
    )
    assert await refused(stranger(reader.key).place_order("AAPL", "BUY", 1)) == (
        PermissionDenied,
        "KEY_SCOPE_MISSING",
    )
    assert await refused(client.order("nothing")) == (NotFound, "ORDER_NOT_FOUND")
    assert await refused(client.quote("NOPE")) == (NotFound, "SYMBOL_UNKNOWN")
    assert await refused(client.place_order("NOPE", "BUY", 1)) == (InvalidRequest, "SYMBOL_UNKNOWN")
    assert await refused(client.place_order("AAPL", "BUY", 2, client_order_id="mine")) == (
        Conflict,
        "CLIENT_ORDER_ID_REUSED",
    )
    assert await refused(client.cancel_order(order.id)) == (Conflict, "ORDER_NOT_LIVE")
    with pytest.raises(RateLimited) as raised:
        await asyncio.gather(*(client.place_order("AAPL", "BUY", 1) for _ in range(21)))
    assert raised.value.reason is ErrorReason.ORDER_RATE_EXCEEDED
    assert 50 < (raised.value.retry_after or 0) <= 60


async def test_a_server_that_is_not_there_is_unavailable_after_the_deadline() -> None:
    async with AsyncBotTradingClient("tvt_key", f"127.0.0.1:{free_port()}", timeout=0.5) as client:
        with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1"):
            await client.account()


def test_key_and_target_are_those_of_the_environment_unless_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BOTTRADING_BOT_KEY", raising=False)
    monkeypatch.delenv("VECTRADE_BOT_KEY", raising=False)
    with pytest.raises(ValueError, match="pass a bot key, or set BOTTRADING_BOT_KEY"):
        BotTradingClient()
    monkeypatch.setenv("VECTRADE_BOT_KEY", "tvt_theirs")
    assert BOT_KEY.metadata(None) == (("x-bot-key", "tvt_theirs"),)
    monkeypatch.setenv("BOTTRADING_BOT_KEY", "tvt_key\n")
    assert BOT_KEY.metadata(None) == (("x-bot-key", "tvt_key"),)
    assert BOT_KEY.metadata("tvt_other") == (("x-bot-key", "tvt_other"),)
    monkeypatch.delenv("BOTTRADING_TARGET", raising=False)
    assert target_of(None) == "127.0.0.1:50051"
    monkeypatch.setenv("BOTTRADING_TARGET", "venue:1")
    assert (target_of(None), target_of("other:2")) == ("venue:1", "other:2")


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:1",
        "localhost:1",
        "[::1]:1",
        "unix:/run/venue",
        "dns:///localhost:1",
        "127.9.9.9:1",
    ],
)
def test_a_key_travels_in_plaintext_on_this_machine(target: str) -> None:
    assert credentials_of(target, None, insecure=False) is None


@pytest.mark.parametrize("target", ["venue:1", "10.0.0.1:1", "localhost.example:1", "[2001::1]:1"])
def test_a_key_travels_in_plaintext_beyond_this_machine_only_if_told(target: str) -> None:
    assert credentials_of(target, None, insecure=False) is not None
    assert credentials_of(target, None, insecure=True) is None


@pytest.mark.parametrize(
    ("synchronous", "asynchronous"),
    [(BotTradingClient, AsyncBotTradingClient), (KeyManagementClient, AsyncKeyManagementClient)],
)
def test_both_kinds_of_clients_have_the_same_methods_with_signatures_and_docstrings(
    synchronous: type, asynchronous: type
) -> None:
    methods = [name for name in vars(synchronous) if name[0] != "_"]
    assert methods == [name for name in vars(asynchronous) if name[0] != "_"]
    client = synchronous("secret", "127.0.0.1:1")
    for name in methods:
        assert inspect.getdoc(getattr(client, name)), name
        assert "args" not in inspect.signature(getattr(client, name)).parameters, name
    client.close()


def test_every_call_of_the_contract_but_the_feed_is_described() -> None:
    described = "".join(
        map(inspect.getsource, (calls, position_calls, replay_calls, key_calls, following))
    )
    for module in (bot_trading_pb2, market_data_pb2, key_management_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods_by_name:
                assert (
                    f".{method}\n" in described
                    or f".{method}," in described
                    or (method == "PublishQuotes")
                ), method
