"""Every refusal over gRPC: its status, its reason, and that nothing changed."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import jwt
import pytest

from bottrading.v1 import bot_trading_pb2, order_pb2
from server.domain.user import Plan
from server.secret_files import jwt_secret
from tests.support.venue import Bot, Person, Venue, VenueFactory, refusal

PLACE_ORDER = "/bottrading.v1.BotTrading/PlaceOrder"
LIMIT = order_pb2.ORDER_TYPE_LIMIT
STOP = order_pb2.ORDER_TYPE_STOP
STOP_LIMIT = order_pb2.ORDER_TYPE_STOP_LIMIT
SELL = order_pb2.SIDE_SELL
IOC = order_pb2.TIME_IN_FORCE_IOC
CRYPTO = 2

BAD_ORDERS: list[tuple[str, str, dict[str, Any]]] = [
    ("FIELD_REQUIRED", "symbol", {"symbol": ""}),
    ("SYMBOL_UNKNOWN", "symbol", {"symbol": "NOPE"}),
    ("SYMBOL_UNKNOWN", "symbol", {"symbol": "AAPL\0"}),
    ("SYMBOL_UNKNOWN", "symbol", {"symbol": "ᴀᴀᴘʟ"}),
    ("SYMBOL_UNKNOWN", "symbol", {"symbol": "A" * 1000}),
    ("INSTRUMENT_EXPIRED", "symbol", {"symbol": "AAPL250117C00300000", "quantity": "1"}),
    ("ASSET_TYPE_MISMATCH", "asset_type", {"asset_type": CRYPTO}),
    ("ENUM_VALUE_UNKNOWN", "asset_type", {"asset_type": 99}),
    ("FIELD_REQUIRED", "side", {"side": 0}),
    ("ENUM_VALUE_UNKNOWN", "side", {"side": 7}),
    ("ENUM_VALUE_UNKNOWN", "order_type", {"order_type": 9}),
    ("ENUM_VALUE_UNKNOWN", "time_in_force", {"time_in_force": -1}),
    ("FIELD_REQUIRED", "quantity", {"quantity": ""}),
    ("NOT_POSITIVE", "quantity", {"quantity": "0"}),
    ("NOT_POSITIVE", "quantity", {"quantity": "0.00000000"}),
    *(
        ("DECIMAL_INVALID", "quantity", {"quantity": text})
        for text in (
            "١٠",
            "1_000",
            " 10 ",
            "1e5",
            "+1",
            "-1",
            "01",
            ".5",
            "5.",
            "NaN",
            "Infinity",
            "1\n",
            "0.123456789",
            "12345678901",
            "1" * 25,
            "0x10",
            "true",
            "1\0",
            "1,000",
        )
    ),
    ("FIELD_INVALID", "notional", {"notional": "100"}),
    ("FIELD_INVALID", "notional", {"quantity": "", "notional": "0.001"}),
    ("NOT_POSITIVE", "notional", {"quantity": "", "notional": "0"}),
    ("FIELD_REQUIRED", "notional", {"quantity": "", "notional": ""}),
    *(
        ("FIELD_INVALID", "notional", {"quantity": "", "notional": "100", **fields})
        for fields in (
            {"side": SELL, "order_type": LIMIT, "limit_price": "1.00"},
            {"order_type": STOP, "stop_price": "1.00"},
            {"order_type": STOP_LIMIT, "stop_price": "1.00", "limit_price": "1.00"},
        )
    ),
    ("LIMIT_PRICE_REQUIRED", "limit_price", {"order_type": LIMIT}),
    ("LIMIT_PRICE_REQUIRED", "limit_price", {"order_type": STOP_LIMIT, "stop_price": "1"}),
    ("STOP_PRICE_REQUIRED", "stop_price", {"order_type": STOP}),
    ("LIMIT_PRICE_NOT_ALLOWED", "limit_price", {"limit_price": "1.00"}),
    ("STOP_PRICE_NOT_ALLOWED", "stop_price", {"stop_price": "1.00"}),
    ("DECIMAL_INVALID", "limit_price", {"order_type": LIMIT, "limit_price": "1e2"}),
    ("NOT_POSITIVE", "limit_price", {"order_type": LIMIT, "limit_price": "0"}),
    ("PRICE_OFF_TICK", "limit_price", {"order_type": LIMIT, "limit_price": "185.001"}),
    ("QUANTITY_OFF_STEP", "quantity", {"symbol": "EUR-USD", "quantity": "1.5"}),
    (
        "TIME_IN_FORCE_NOT_ALLOWED",
        "time_in_force",
        {"order_type": STOP, "stop_price": "1.00", "time_in_force": IOC},
    ),
    ("FIELD_INVALID", "client_order_id", {"client_order_id": ""}),
    ("FIELD_INVALID", "client_order_id", {"client_order_id": "x" * 129}),
    ("FIELD_INVALID", "client_order_id", {"client_order_id": "naïve"}),
    ("FIELD_INVALID", "client_order_id", {"client_order_id": "a\nb"}),
]


async def place(bot: Bot, fields: dict[str, Any]) -> Any:
    good: dict[str, Any] = {"symbol": "AAPL", "side": order_pb2.SIDE_BUY, "quantity": "1"}
    request = bot_trading_pb2.PlaceOrderRequest(**good | fields)
    return await bot.trading.PlaceOrder(request, metadata=bot.metadata)


async def test_a_bad_field_is_named_with_its_reason_and_nothing_is_recorded(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(orders_per_minute=1000, requests_per_minute=1000)
    bot = await venue.bot()

    for reason, field, fields in BAD_ORDERS:
        told = await refusal(place(bot, fields))
        assert told.code is grpc.StatusCode.INVALID_ARGUMENT, fields
        assert (told.reason, told.fields[0]) == (reason, field), fields
        assert told.message, fields

    assert (await bot.call("ListOrders")).orders == []
    assert (await bot.call("GetAccount")).account.balance == "100000.00"


async def test_of_several_wrong_fields_the_first_by_precedence_is_told_and_all_are_listed(
    venue: Venue,
) -> None:
    bot = await venue.bot()

    told = await refusal(
        place(bot, {"order_type": LIMIT, "quantity": "x", "side": 0, "stop_price": "1.00"})
    )

    assert told.reason == "FIELD_REQUIRED"
    assert told.fields == ("side", "quantity", "limit_price", "stop_price")


async def test_a_message_never_echoes_more_than_a_little_of_the_input(venue: Venue) -> None:
    bot = await venue.bot()

    told = await refusal(place(bot, {"symbol": "\x1b[31m" + "Z" * 5000}))

    assert len(told.message) < 200
    assert told.message.isprintable()


CUT_OFF = b"\x0a\xff\xff\xff\xff\x0f"
NOT_UTF8 = b"\x0a\x02\xc3\x28"


@pytest.mark.parametrize(
    ("method", "bodies"),
    [
        ("PlaceOrder", [b"\xff", CUT_OFF, NOT_UTF8]),
        ("CancelOrder", [b"\xff", CUT_OFF, NOT_UTF8]),
        ("ListOrders", [b"\xff", CUT_OFF]),
        ("GetAccount", [b"\xff"]),
    ],
)
async def test_bytes_that_are_no_message_are_refused(
    venue: Venue, method: str, bodies: list[bytes]
) -> None:
    bot = await venue.bot()
    raw: Any = venue.channel.unary_unary(f"/bottrading.v1.BotTrading/{method}")

    for body in bodies:
        told = await refusal(raw(body, metadata=bot.metadata))
        assert (told.code, told.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "MALFORMED_REQUEST",
        )


async def test_a_message_over_64_kib_is_refused(venue: Venue) -> None:
    bot = await venue.bot()

    told = await refusal(place(bot, {"client_order_id": "x" * 70_000}))

    assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_method_that_nobody_knows_is_unimplemented(venue: Venue) -> None:
    bot = await venue.bot()

    withdraw: Any = venue.channel.unary_unary("/bottrading.v1.BotTrading/Withdraw")

    told = await refusal(withdraw(b"", metadata=bot.metadata))

    assert told.code is grpc.StatusCode.UNIMPLEMENTED


async def test_every_way_not_to_have_a_key_is_told_the_same(venue: Venue) -> None:
    bot = await venue.bot()
    revoked = await venue.person("ada").create_key("revoked")
    await venue.person("ada").revoke_key(revoked.id)
    almost = bot.key[:-1] + ("a" if bot.key[-1] != "a" else "b")
    unknown = "tvt_" + "0" * 30 + "3XaDyQ"

    metadata: list[Any] = [
        (),
        (("x-bot-key", ""),),
        (("x-bot-key", "tvt_"),),
        (("x-bot-key", almost),),
        (("x-bot-key", unknown),),
        (("x-bot-key", revoked.key),),
        (("x-bot-key", "x" * 4000),),
        (("x-bot-key", bot.key.upper()),),
    ]
    told = [
        await refusal(bot.trading.GetAccount(bot_trading_pb2.GetAccountRequest(), metadata=sent))
        for sent in metadata
    ]

    assert {(it.code, it.reason) for it in told} == {
        (grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID")
    }
    assert len({it.message for it in told}) == 1


async def test_two_credentials_at_once_are_refused(venue: Venue) -> None:
    bot, ada = await venue.bot(), venue.person()
    request = bot_trading_pb2.GetAccountRequest()

    for metadata in ((*bot.metadata, *ada.metadata), (*bot.metadata, *bot.metadata)):
        told = await refusal(bot.trading.GetAccount(request, metadata=metadata))
        assert (told.code, told.reason) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "TWO_CREDENTIALS",
        )


async def test_each_kind_of_credential_opens_its_own_calls_only(venue: Venue) -> None:
    bot, ada = await venue.bot(), venue.person()
    ada_as_bot, bot_as_person = Bot(venue, ""), Person(venue, "")
    ada_as_bot.metadata, bot_as_person.metadata = ada.metadata, bot.metadata

    expected: list[tuple[Callable[[], Awaitable[Any]], grpc.StatusCode, str]] = [
        (
            ada_as_bot.place,
            grpc.StatusCode.UNAUTHENTICATED,
            "BOT_KEY_REQUIRED",
        ),
        (
            lambda: bot_as_person.create_key("x"),
            grpc.StatusCode.PERMISSION_DENIED,
            "TOKEN_REQUIRED",
        ),
        (lambda: bot_as_person.publish([]), grpc.StatusCode.PERMISSION_DENIED, "OPERATOR_REQUIRED"),
        (lambda: ada.publish([]), grpc.StatusCode.PERMISSION_DENIED, "OPERATOR_REQUIRED"),
    ]
    for call, code, reason in expected:
        told = await refusal(call())
        assert (told.code, told.reason) == (code, reason)


def forged(venue: Venue, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": "bottrading",
        "aud": "bottrading",
        "sub": "ada",
        "iat": now,
        "exp": now + 60,
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, jwt_secret(venue.settings), algorithm="HS256")


async def test_every_token_that_proves_nothing_is_refused(venue: Venue) -> None:
    now = int(time.time())
    secret = jwt_secret(venue.settings)
    good = {"iss": "bottrading", "aud": "bottrading", "sub": "a", "iat": now, "exp": now + 60}
    tokens = [
        "",
        "nonsense",
        "a.b.c",
        jwt.encode(good, b"x" * 32, algorithm="HS256"),
        jwt.encode(good, "", algorithm="none"),
        jwt.encode(good, secret * 2, algorithm="HS512"),
        *(forged(venue, **{claim: None}) for claim in ("iss", "aud", "sub", "iat", "exp")),
        forged(venue, iss="somebody"),
        forged(venue, aud="somebody"),
        forged(venue, exp=now - 60),
        forged(venue, iat=now + 3600, exp=now + 7200),
        forged(venue, exp=now + 25 * 3600),
        forged(venue, sub=""),
        forged(venue, sub="x" * 256),
        forged(venue, name=""),
        forged(venue, name=7),
        forged(venue, plan="Gold"),
        forged(venue, plan=["Free"]),
        forged(venue, exp="soon"),
        forged(venue, exp=str(now + 60)),
        forged(venue, iat=str(now)),
        forged(venue, exp=float("nan")),
        forged(venue, sub="\ud800"),
        forged(venue, name="\ud800"),
        forged(venue, pad="x" * 5000),
    ]
    for token in tokens:
        told = await refusal(Person(venue, token).create_key("x"))
        assert (told.code, told.reason) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "TOKEN_INVALID",
        ), token
        assert token[:20] not in told.message or len(token) < 20
    assert (await Person(venue, forged(venue)).create_key("x")).key
    assert (await Person(venue, forged(venue, sub="x" * 255)).create_key("x")).key


async def test_a_request_wrong_in_a_hundred_places_is_still_told_what_is_wrong(
    venue: Venue,
) -> None:
    bot = await venue.bot()

    told = await refusal(bot.call("BatchGetQuotes", symbols=["\U0001f600" * 50] * 100))

    assert (told.code, told.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SYMBOL_UNKNOWN")
    assert len(told.fields) == 10


async def test_the_21st_order_and_the_121st_request_of_a_minute_are_refused(venue: Venue) -> None:
    bot = await venue.bot()
    for _ in range(20):
        await bot.place("AAPL", "BUY", "1", limit_price="1.00")

    order = await refusal(bot.place("AAPL", "BUY", "1", limit_price="1.00"))
    for _ in range(120 - 20):
        await bot.call("GetLimits")
    request = await refusal(bot.call("GetLimits"))
    venue.clock.turn(seconds=59.9)
    still = await refusal(bot.call("GetLimits"))
    venue.clock.turn(seconds=0.1)
    limits = (await bot.call("GetLimits")).limits

    assert (order.code, order.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "ORDER_RATE_EXCEEDED",
    )
    assert request.reason == still.reason == "REQUEST_RATE_EXCEEDED"
    assert (order.retry_seconds, still.retry_seconds) == (60, 1)
    assert (limits.orders.remaining, limits.requests.remaining) == (20, 119)


async def test_the_limits_of_one_account_are_not_another_ones(venue: Venue) -> None:
    ada, bob = await venue.bot("ada"), await venue.bot("bob")
    for _ in range(20):
        await ada.place("AAPL", "BUY", "1", limit_price="1.00")

    assert (await bob.place("AAPL", "BUY", "1", limit_price="1.00")).id


async def test_rate_figures_come_with_every_answer_and_refusal(venue: Venue) -> None:
    bot = await venue.bot()
    call = bot.trading.GetAccount(
        bot_trading_pb2.GetAccountRequest(), metadata=(*bot.metadata, ("x-request-id", "mine"))
    )
    await call
    order = bot.trading.PlaceOrder(bot_trading_pb2.PlaceOrderRequest(), metadata=bot.metadata)
    await refusal(order)

    figures = dict(await call.trailing_metadata())
    of_order = dict(await order.trailing_metadata())
    assert figures["x-request-id"] == "mine"
    assert (figures["x-ratelimit-limit"], figures["x-ratelimit-remaining"]) == ("120", "119")
    assert int(str(figures["x-ratelimit-reset"])) == venue.clock() // 1_000_000 + 60
    assert (of_order["x-ratelimit-limit"], of_order["x-ratelimit-remaining"]) == ("20", "19")


async def test_a_quota_is_counted_always_and_refused_only_where_it_is_enforced(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(quotas="enforced", requests_per_minute=5_000)
    bot = await venue.bot(plan=Plan.FREE)
    for _ in range(1_000):
        await bot.call("GetLimits")

    told = await refusal(bot.call("GetAccount"))
    venue.clock.turn(seconds=12 * 3600)
    tomorrow = (await bot.call("GetAccount")).account

    assert (told.code, told.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "DAILY_QUOTA_EXCEEDED",
    )
    assert told.message == (
        "The daily quota of 1000 calls of the plan Free is used up; it renews at 00:00 UTC."
    )
    assert told.retry_seconds == 12 * 3600
    assert (tomorrow.api_calls_used, tomorrow.api_calls_limit) == (1, 1_000)


async def test_a_bug_is_told_by_an_opaque_id_and_nothing_else(
    venue: Venue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bot = await venue.bot()

    def broken(account_id: str) -> None:
        raise RuntimeError(f"SELECT secret FROM {account_id}")

    monkeypatch.setattr(venue.base.reads, "holdings", broken)
    told = await refusal(bot.portfolio())

    assert (told.code, told.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "SELECT" not in told.message
    assert told.message.split()[2].rstrip(";") in caplog.text
