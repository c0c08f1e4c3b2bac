"""A key restricted to instruments acts only on their orders; other orders do not exist for it."""

from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2, instrument_pb2, order_pb2
from server.storage import listing_rows
from tests.rpc.test_guard_rails import READ, TRADE, bot_with
from tests.support.streams import order_updates, shown
from tests.support.venue import Bot, Venue, refusal

FENCES: list[dict[str, Any]] = [
    {"allowed_symbols": ["AAPL"]},
    {"allowed_asset_types": [instrument_pb2.ASSET_TYPE_STOCK]},
    {
        "allowed_symbols": ["AAPL", "BTC-USD"],
        "allowed_asset_types": [instrument_pb2.ASSET_TYPE_STOCK],
    },
]
"""Each lets a key act on AAPL and not on BTC-USD."""

fenced_every_way = pytest.mark.parametrize("fence", FENCES, ids=["symbols", "types", "both"])


@pytest.fixture
async def quoted(venue: Venue) -> Venue:
    await venue.publish("AAPL", "99", "100")
    await venue.publish("BTC-USD", "999", "1000")
    return venue


async def order_of_other_instrument(venue: Venue, **fields: Any) -> order_pb2.Order:
    whole = await venue.bot()
    return await whole.place("BTC-USD", quantity="1", limit_price="1.00", **fields)


async def cancel_all(bot: Bot, **fields: Any) -> tuple[list[str], int, str]:
    """Cancel all; return the ids, and how many were left by the message and by the metadata."""
    request = bot_trading_pb2.CancelAllOrdersRequest(**fields)
    call = bot.trading.CancelAllOrders(request, metadata=bot.metadata)
    answer = await call
    trailing = dict(await call.trailing_metadata())
    ids = [order.id for order in answer.orders]
    return ids, answer.skipped_orders, str(trailing["x-skipped-orders"])


@fenced_every_way
async def test_orders_of_other_instruments_are_not_found(
    quoted: Venue, fence: dict[str, Any]
) -> None:
    fenced = await bot_with(quoted, **fence)
    other = await order_of_other_instrument(quoted, client_order_id="others")
    own = await fenced.place("AAPL", quantity="1", limit_price="1.00")

    told = [
        await refusal(fenced.order(other.id)),
        await refusal(fenced.call("GetOrder", client_order_id="others")),
        await refusal(fenced.call("ReplaceOrder", order_id=other.id, quantity="2")),
        await refusal(fenced.cancel(other.id)),
    ]
    unknown = await refusal(fenced.cancel(other.id[:-4] + "0000"))

    assert [(it.code, it.reason, it.message) for it in told] == [
        (unknown.code, "ORDER_NOT_FOUND", unknown.message)
    ] * 4
    assert await fenced.order(own.id) == own
    assert await (await quoted.bot()).order(other.id) == other


@fenced_every_way
async def test_an_ended_order_of_another_instrument_is_not_found_either(
    quoted: Venue, fence: dict[str, Any]
) -> None:
    fenced, whole = await bot_with(quoted, **fence), await quoted.bot()
    other = await order_of_other_instrument(quoted)
    await whole.cancel(other.id)

    assert (await refusal(fenced.cancel(other.id))).reason == "ORDER_NOT_FOUND"


@fenced_every_way
async def test_lists_hold_the_keys_instruments_only_page_after_page(
    quoted: Venue, fence: dict[str, Any]
) -> None:
    fenced, whole = await bot_with(quoted, **fence), await quoted.bot()
    for _ in range(3):
        await whole.place("AAPL", quantity="1")
        other = await whole.place("BTC-USD", quantity="1")

    first = await fenced.call("ListOrders", limit=2)
    rest = await fenced.call("ListOrders", limit=2, page_token=first.next_page_token)
    fills = await fenced.call("ListFills", limit=2)
    more = await fenced.call("ListFills", limit=2, page_token=fills.next_page_token)
    named = await fenced.call("ListOrders", symbol="BTC-USD")
    fills_of = await fenced.call("ListFills", order_id=other.id)

    assert [it.symbol for it in (*first.orders, *rest.orders)] == ["AAPL"] * 3
    assert [it.symbol for it in (*fills.fills, *more.fills)] == ["AAPL"] * 3
    assert (rest.next_page_token, more.next_page_token) == ("", "")
    assert (len(named.orders), len(fills_of.fills)) == (0, 0)
    assert len((await whole.call("ListOrders")).orders) == 6
    assert len((await whole.call("ListFills")).fills) == 6


@fenced_every_way
async def test_pages_without_one_of_the_keys_instruments_lead_on_to_those_that_have_some(
    quoted: Venue, fence: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing_rows, "ROWS_LOOKED_AT_MAX", 2)
    fenced, whole = await bot_with(quoted, **fence), await quoted.bot()
    own = await whole.place("AAPL", quantity="1")
    for _ in range(4):
        await whole.place("BTC-USD", quantity="1")

    for method, items in (("ListOrders", "orders"), ("ListFills", "fills")):
        pages = [await fenced.call(method)]
        while token := pages[-1].next_page_token:
            pages.append(await fenced.call(method, page_token=token))
        found = [[item.symbol for item in getattr(page, items)] for page in pages]

        assert found == [[], [], ["AAPL"]]
    live = await fenced.call("ListOrders", status=order_pb2.ORDER_STATUS_OPEN)
    fills_of = await fenced.call("ListFills", order_id=own.id)
    assert (len(live.orders), live.next_page_token) == (0, "")
    assert ([it.symbol for it in fills_of.fills], fills_of.next_page_token) == (["AAPL"], "")


@fenced_every_way
async def test_cancelling_all_cancels_what_the_key_may_and_tells_how_many_are_left(
    quoted: Venue, fence: dict[str, Any]
) -> None:
    fenced, whole = await bot_with(quoted, **fence), await quoted.bot()
    own = [(await whole.place("AAPL", quantity="1", limit_price="1.00")).id for _ in range(2)]
    others = [(await order_of_other_instrument(quoted)).id for _ in range(3)]

    named = await cancel_all(fenced, symbol="BTC-USD")
    everything = await cancel_all(fenced)
    nothing = await cancel_all(fenced, symbol="AAPL")

    assert named == ([], 3, "3")
    assert everything == (own[::-1], 3, "3")
    assert nothing == ([], 0, "0")
    assert await cancel_all(whole) == (others[::-1], 0, "0")


@fenced_every_way
async def test_streams_by_key_and_by_ticket_send_the_keys_instruments_and_the_account(
    quoted: Venue, fence: dict[str, Any]
) -> None:
    fenced, whole = await bot_with(quoted, **fence), await quoted.bot()
    ticket = (("x-stream-ticket", (await fenced.call("CreateStreamTicket")).ticket),)
    await order_of_other_instrument(quoted)
    own = await whole.place("AAPL", quantity="1", limit_price="1.00")
    by_key, _ = await order_updates(fenced, after_sequence=0, include_snapshot=True)
    by_ticket, _ = await order_updates(
        fenced, metadata=ticket, after_sequence=0, include_snapshot=True
    )
    others, _ = await order_updates(
        fenced, after_sequence=0, symbols=["BTC-USD"], heartbeat_seconds=1
    )
    opened, beat = await others.take(2)
    await whole.place("BTC-USD", quantity="1")
    await whole.place("AAPL", quantity="1")

    for stream in (by_key, by_ticket):
        begun, accepted, snapshot, *live = await stream.take(5)
        assert begun.WhichOneof("message") == "account_update"
        assert shown(accepted) == "3 ACCEPTED AAPL"
        assert (snapshot.sequence, snapshot.snapshot_order) == (3, own)
        assert [shown(it) for it in live] == ["6 ACCEPTED AAPL", "7 FILLED AAPL"]
    assert opened.WhichOneof("message") == "account_update"
    assert (beat.WhichOneof("message"), beat.sequence) == ("heartbeat", 3)


async def test_account_portfolio_figures_and_limits_stay_whole(quoted: Venue) -> None:
    fenced = await bot_with(quoted, **FENCES[0])
    whole = await quoted.bot()
    await whole.place("AAPL", quantity="1")
    await whole.place("BTC-USD", quantity="1")
    await whole.place("BTC-USD", "SELL", quantity="1")
    await order_of_other_instrument(quoted)
    calls = ("GetPortfolio", "GetTradingKpi", "GetPortfolioHistory")

    assert [await fenced.call(name) for name in calls] == [await whole.call(name) for name in calls]
    account, seen = await whole.call("GetAccount"), await fenced.call("GetAccount")
    assert (seen.account.balance, seen.account.buying_power) == (
        account.account.balance,
        account.account.buying_power,
    )
    assert (await fenced.call("GetLimits")).limits.open_orders.used == 1
    assert (await fenced.call("GetQuote", symbol="BTC-USD")).quote.ask == "1000.00000000"


async def test_a_client_order_id_of_another_instruments_order_stays_taken(quoted: Venue) -> None:
    fenced = await bot_with(quoted, **FENCES[0])
    await order_of_other_instrument(quoted, client_order_id="taken")

    told = await refusal(fenced.place("AAPL", quantity="1", client_order_id="taken"))

    assert told.reason == "CLIENT_ORDER_ID_REUSED"


async def test_a_key_limited_in_size_alone_is_not_fenced(quoted: Venue) -> None:
    limited = await bot_with(quoted, scopes=[READ, TRADE], order_notional_max="0.50")
    other = await order_of_other_instrument(quoted)

    assert await limited.order(other.id) == other
    assert await cancel_all(limited) == ([other.id], 0, "0")
