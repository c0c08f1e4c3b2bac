"""REST through bridge, server and engine: the documented shapes, and every refusal."""

import re
from typing import Any

from server.domain.user import Plan
from tests.e2e.conftest import Rest, RestFactory

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
UNITS = r"\d+\.\d{8}"
MONEY = r"-?\d+\.\d\d"
UNKNOWN = "0198c0de-0000-7000-8000-000000000000"

ORDER = {
    "id": UUID, "symbol": "AAPL", "side": "BUY", "order_type": "LIMIT", "quantity": UNITS,
    "limit_price": UNITS, "stop_price": None, "status": "FILLED", "filled_quantity": UNITS,
    "filled_price": UNITS, "created_at": TIME, "rejection_reason": None,
}  # fmt: skip
ORDER_MORE = {
    "asset_type": "STOCK", "time_in_force": "GTC", "client_order_id": "my-unique-id-123",
    "bot_key_id": UUID, "updated_at": TIME, "status_reason": None, "rejection_message": None,
    "fees": MONEY, "reserved": MONEY, "expires_at": TIME, "replayed": False,
    "triggered_at": None, "warnings": list,
}  # fmt: skip
POSITION = {
    "symbol": "AAPL", "asset_type": "STOCK", "quantity": UNITS, "avg_cost": UNITS,
    "current_price": UNITS, "market_value": UNITS, "unrealized_pnl": MONEY,
    "unrealized_pnl_pct": MONEY,
}  # fmt: skip
PORTFOLIO = {
    "balance": MONEY,
    "total_equity": MONEY,
    "positions": [],
    "total_unrealized_pnl": MONEY,
}
ACCOUNT = {
    "bot_user_id": UUID, "display_name": "ada", "balance": MONEY, "user_type": "HUMAN",
    "status": "ACTIVE", "created_at": TIME, "api_calls_used": int, "api_calls_limit": 10000,
    "plan": "Standard", "bot_keys_used": 1, "bot_keys_limit": 5,
}  # fmt: skip
KPI = {
    "total_return_pct": float, "sharpe_ratio": None, "win_rate": 100.0, "profit_factor": None,
    "max_drawdown": float, "total_trades": 1, "sortino_ratio": None, "expectancy": float,
    "consecutive_wins": 1, "consecutive_losses": 0, "rank": 1, "rank_total": 1,
}  # fmt: skip
PLACE = {
    "rank": 1, "display_name": "ada", "badge": "🤖", "return_pct": float, "win_rate": 100.0,
    "trades": 1, "sharpe_ratio": None, "max_drawdown": float, "was_reset": False, "own": True,
}  # fmt: skip
BAR = {
    "symbol": "AAPL", "start": "2026-11-19T12:00:00Z", "open": "20.00000000",
    "high": "31.50000000", "low": "12.00000000", "close": "25.00000000", "complete": False,
}  # fmt: skip


def check(document: dict[str, Any], shape: dict[str, Any]) -> None:
    """Hold the first fields of a document against a documented shape, in its order."""
    assert list(document)[: len(shape)] == list(shape)
    for name, expected in shape.items():
        value = document[name]
        if isinstance(expected, type):
            assert type(value) is expected, name
        elif isinstance(expected, str):
            assert isinstance(value, str), name
            assert re.fullmatch(expected, value), name
        elif not isinstance(expected, list):
            assert value == expected, name


async def test_every_documented_endpoint_answers_the_documented_shape(rest: Rest) -> None:
    created = await rest.send(
        "POST", "/keys", headers=rest.bearer("bob"), json={"label": "my-claude-bot"}
    )
    listed = await rest.send("GET", "/keys", headers=rest.bearer("bob"))
    await rest.venue.publish("AAPL", "184.00", "185.00")
    body = {
        "symbol": "AAPL", "asset_type": "STOCK", "side": "BUY", "order_type": "LIMIT",
        "quantity": 10, "limit_price": 185.00, "stop_price": None, "time_in_force": "GTC",
        "client_order_id": "my-unique-id-123",
    }  # fmt: skip
    placed = await rest.send("POST", "/orders", json=body)
    replay = await rest.send("POST", "/orders", json=body)
    portfolio = await rest.get("/portfolio")
    await rest.venue.publish("AAPL", "190.00", "191.00")
    await rest.send("POST", "/orders", json={"symbol": "AAPL", "side": "SELL", "quantity": "4"})

    assert created.status_code == 201
    assert list(created.json()) == ["id", "label", "key", "created_at"]
    assert [key["label"] for key in listed.json()] == ["my-claude-bot"]
    assert "key" not in listed.json()[0]
    assert (placed.status_code, replay.status_code) == (201, 200)
    check(placed.json(), ORDER | ORDER_MORE)
    assert list(placed.json()) == [*ORDER, *ORDER_MORE]
    assert replay.json() == placed.json() | {"replayed": True}
    assert await rest.get(f"/orders/{placed.json()['id']}") == placed.json()
    assert await rest.get("/orders/by-client-id?client_order_id=my-unique-id-123") == placed.json()
    assert (await rest.get("/orders"))[-1] == placed.json()
    check(portfolio, PORTFOLIO)
    check(portfolio["positions"][0], POSITION)
    assert portfolio["positions"][0]["avg_cost"] == "185.00000000"
    check(await rest.get("/account"), ACCOUNT)
    rest.venue.refresh_leaderboard()
    check(await rest.get("/kpi"), KPI)
    board = await rest.get("/leaderboard?period=WEEK")
    check(board["own_entry"], PLACE)
    assert board == {
        "entries": [board["own_entry"]], "own_entry": board["own_entry"], "rank_total": 1,
        "next_page_token": "",
    }  # fmt: skip


async def test_an_existing_agent_client_is_served(rest: Rest) -> None:
    """It posts numbers, always sends asset_type, and reads an array of 20 open orders."""
    placed = await rest.send(
        "POST", "/orders",
        json={
            "symbol": "AAPL", "side": "BUY", "quantity": 0.5, "order_type": "LIMIT",
            "limit_price": 100.25, "asset_type": "STOCK", "time_in_force": "GTC",
        },
    )  # fmt: skip
    open_orders = await rest.get("/orders?status=OPEN&limit=20")
    cancelled = await rest.send("DELETE", f"/orders/{placed.json()['id']}")
    crypto = await rest.send(
        "POST", "/orders",
        json={"symbol": "BTC-USD", "side": "BUY", "quantity": 1, "asset_type": "STOCK"},
    )  # fmt: skip

    assert [order["quantity"] for order in open_orders] == ["0.50000000"]
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    assert (crypto.status_code, crypto.json()["asset_type"]) == (201, "CRYPTO")


async def test_lists_are_bare_arrays_with_the_next_page_in_a_header(rest: Rest) -> None:
    for price in (1, 2, 3):
        await rest.send(
            "POST", "/orders",
            json={"symbol": "AAPL", "side": "BUY", "quantity": 1, "order_type": "LIMIT",
                  "limit_price": price},
        )  # fmt: skip
    first = await rest.send("GET", "/orders?limit=2")
    token = first.headers["X-Next-Page-Token"]
    second = await rest.send("GET", "/orders", params={"limit": 2, "page_token": token})
    cancelled = await rest.send("DELETE", "/orders")

    prices = [order["limit_price"] for order in [*first.json(), *second.json()]]
    assert prices == ["3.00000000", "2.00000000", "1.00000000"]
    assert "X-Next-Page-Token" not in second.headers
    assert len(cancelled.json()) == 3


LIMIT = {"symbol": "AAPL", "side": "BUY", "quantity": 1, "order_type": "LIMIT"}
MARKET = {"symbol": "AAPL", "side": "BUY", "quantity": 1}
STOP = MARKET | {"side": "SELL", "order_type": "STOP"}

# verb, path, credential, body → status, type, reason
REFUSALS: list[tuple[str, str, str, Any, int, str, str]] = [
    ("GET", "/account", "none", None, 401, "authentication_error", "BOT_KEY_INVALID"),
    ("GET", "/account", "wrong key", None, 401, "authentication_error", "BOT_KEY_INVALID"),
    ("GET", "/account", "token", None, 401, "authentication_error", "BOT_KEY_REQUIRED"),
    ("GET", "/account", "both", None, 401, "authentication_error", "TWO_CREDENTIALS"),
    ("GET", "/keys", "none", None, 401, "authentication_error", "TOKEN_INVALID"),
    ("GET", "/keys", "wrong token", None, 401, "authentication_error", "TOKEN_INVALID"),
    ("GET", "/keys", "huge token", None, 401, "authentication_error", "TOKEN_INVALID"),
    ("POST", "/keys", "key", {"label": "x"}, 403, "permission_error", "TOKEN_REQUIRED"),
    ("POST", "/quotes", "key", {"quotes": []}, 403, "permission_error", "OPERATOR_REQUIRED"),
    ("POST", "/quotes", "token", {"quotes": []}, 403, "permission_error", "OPERATOR_REQUIRED"),
    ("GET", f"/orders/{UNKNOWN}", "key", None, 404, "not_found", "ORDER_NOT_FOUND"),
    ("GET", "/orders/nonsense", "key", None, 404, "not_found", "ORDER_NOT_FOUND"),
    ("DELETE", f"/orders/{UNKNOWN}", "key", None, 404, "not_found", "ORDER_NOT_FOUND"),
    ("DELETE", f"/keys/{UNKNOWN}", "token", None, 404, "not_found", "BOT_KEY_NOT_FOUND"),
    ("POST", "/accounts", "none", {}, 401, "authentication_error", "TOKEN_INVALID"),
    ("POST", "/accounts", "key", {}, 403, "permission_error", "TOKEN_REQUIRED"),
    ("GET", "/accounts", "key", None, 403, "permission_error", "TOKEN_REQUIRED"),
    ("POST", f"/accounts/{UNKNOWN}/reset", "key", {}, 403, "permission_error", "TOKEN_REQUIRED"),
    ("POST", f"/accounts/{UNKNOWN}/reset", "token", {}, 404, "not_found", "ACCOUNT_NOT_FOUND"),
    ("POST", "/accounts/x/reset", "token", {}, 404, "not_found", "ACCOUNT_NOT_FOUND"),
    ("POST", f"/accounts/{UNKNOWN}/reset", "token", {"all": True}, 422, "validation_error",
     "UNKNOWN_FIELD"),
    ("POST", f"/accounts/{UNKNOWN}/deposits", "key", {"amount": 1}, 403, "permission_error",
     "OPERATOR_REQUIRED"),
    ("POST", f"/accounts/{UNKNOWN}/deposits", "token", {"amount": 1}, 403, "permission_error",
     "OPERATOR_REQUIRED"),
    ("POST", f"/accounts/{UNKNOWN}/deposits", "operator", {"amount": 1}, 404, "not_found",
     "ACCOUNT_NOT_FOUND"),
    ("POST", f"/accounts/{UNKNOWN}/deposits", "operator", {"amount": 0}, 422,
     "validation_error", "NOT_POSITIVE"),
    ("POST", f"/accounts/{UNKNOWN}/deposits", "operator", {}, 422, "validation_error",
     "FIELD_REQUIRED"),
    ("GET", "/quotes/NOPE", "key", None, 404, "not_found", "SYMBOL_UNKNOWN"),
    ("GET", "/nothing", "key", None, 404, "not_found", "ROUTE_NOT_FOUND"),
    ("DELETE", "/orders/", "key", None, 404, "not_found", "ROUTE_NOT_FOUND"),
    ("GET", "/account/", "key", None, 404, "not_found", "ROUTE_NOT_FOUND"),
    ("POST", "/orders", "key", MARKET | {"symbol": "NOPE"}, 422, "validation_error",
     "SYMBOL_UNKNOWN"),
    ("POST", "/orders", "key", MARKET | {"side": "HOLD"}, 422, "validation_error",
     "ENUM_VALUE_UNKNOWN"),
    ("POST", "/orders", "key", MARKET | {"qty": 1}, 422, "validation_error", "UNKNOWN_FIELD"),
    ("POST", "/orders", "key", LIMIT, 422, "validation_error", "LIMIT_PRICE_REQUIRED"),
    ("GET", "/orders?limit=0", "key", None, 422, "validation_error", "FIELD_INVALID"),
    ("GET", "/orders?limit=101", "key", None, 422, "validation_error", "FIELD_INVALID"),
    ("GET", "/orders?status=DONE", "key", None, 422, "validation_error", "ENUM_VALUE_UNKNOWN"),
    ("GET", "/orders?page_token=x", "key", None, 422, "validation_error", "PAGE_TOKEN_INVALID"),
    ("GET", "/bars/NOPE", "key", None, 404, "not_found", "SYMBOL_UNKNOWN"),
    ("GET", "/bars/AAPL?interval=2m", "key", None, 422, "validation_error", "ENUM_VALUE_UNKNOWN"),
    ("GET", "/bars/AAPL?start=2020-01-01T00:00:00Z", "key", None, 422, "validation_error",
     "FIELD_INVALID"),
    ("GET", "/quotes?symbols=NOPE", "key", None, 422, "validation_error", "SYMBOL_UNKNOWN"),
    ("POST", "/keys", "token", {"label": ""}, 422, "validation_error", "FIELD_REQUIRED"),
    ("PUT", "/orders", "key", None, 405, "validation_error", "METHOD_NOT_ALLOWED"),
    ("GET", "/order-updates?after_sequence=9", "key", None, 410, "validation_error",
     "SEQUENCE_IN_FUTURE"),
    ("GET", "/order-updates?symbols=NOPE", "key", None, 422, "validation_error",
     "SYMBOL_UNKNOWN"),
    ("GET", "/order-updates?ticket=x", "none", None, 401, "authentication_error",
     "BOT_KEY_INVALID"),
    ("GET", "/quote-updates", "key", None, 422, "validation_error", "FIELD_INVALID"),
    ("GET", "/leaderboard?period=YEAR", "key", None, 422, "validation_error",
     "ENUM_VALUE_UNKNOWN"),
    ("GET", "/leaderboard?limit=101", "key", None, 422, "validation_error", "FIELD_INVALID"),
    ("PATCH", f"/orders/{UNKNOWN}", "key", {"quantity": 2}, 404, "not_found", "ORDER_NOT_FOUND"),
    ("POST", "/orders", "key", MARKET | {"client_order_id": "x" * 300_000}, 413,
     "validation_error", "MESSAGE_TOO_LARGE"),
]  # fmt: skip


async def test_every_refusal_has_its_status_type_and_reason(rest: Rest) -> None:
    headers = {
        "none": {},
        "wrong key": {"X-Bot-Key": "tvt_wrong"},
        "key": {"X-Bot-Key": rest.key},
        "token": rest.bearer("eve"),
        "operator": rest.bearer("operator", operator=True),
        "wrong token": {"Authorization": "Bearer a.b.c"},
        "huge token": {"Authorization": f"Bearer {'x' * 5000}"},
        "both": {"X-Bot-Key": rest.key} | rest.bearer(),
    }
    for verb, path, credential, body, status, kind, reason in REFUSALS:
        answer = await rest.http.request(verb, path, headers=headers[credential], json=body)
        told = answer.json()
        case = f"{verb} {path} {credential} {str(body)[:80]}: {answer.text[:300]}"
        assert (answer.status_code, told["type"], told["error"]["reason"]) == (
            status, kind, reason,
        ), case  # fmt: skip
        assert told["message"] == told["detail"] == told["error"]["message"], case
        assert told["request_id"] == answer.headers["X-Request-Id"], case
        assert ("WWW-Authenticate" in answer.headers) == (status == 401), case

    assert await rest.get("/orders") == []


async def test_what_depends_on_state_is_refused_as_documented(start_rest: RestFactory) -> None:
    rest = await start_rest(orders_per_minute=100)
    await rest.venue.publish("AAPL", "184.00", "185.00")
    order = MARKET | {"client_order_id": "a"}
    filled = (await rest.send("POST", "/orders", json=order)).json()
    free = rest.bearer("free", plan=Plan.FREE)
    await rest.send("POST", "/keys", headers=free, json={"label": "one"})

    refused = [
        await rest.send("POST", "/orders", json=order | {"quantity": 2}),
        await rest.send("DELETE", f"/orders/{filled['id']}"),
        await rest.send("POST", "/keys", headers=free, json={"label": "two"}),
    ]

    assert [(answer.status_code, answer.json()["error"]["reason"]) for answer in refused] == [
        (422, "CLIENT_ORDER_ID_REUSED"), (422, "ORDER_NOT_LIVE"), (422, "BOT_KEY_LIMIT_REACHED"),
    ]  # fmt: skip


async def test_an_outcome_is_an_order_and_not_an_error(rest: Rest) -> None:
    no_quote = await rest.send("POST", "/orders", json=MARKET)
    await rest.venue.publish("AAPL", "184.00", "185.00")
    no_money = await rest.send("POST", "/orders", json=MARKET | {"quantity": 1000})
    no_position = await rest.send("POST", "/orders", json=MARKET | {"side": "SELL"})

    for answer, reason in (
        (no_quote, "NO_QUOTE"), (no_money, "INSUFFICIENT_BUYING_POWER"),
        (no_position, "INSUFFICIENT_POSITION"),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["status"]) == (201, "REJECTED")
        assert answer.json()["rejection_reason"] == reason
        assert answer.json()["rejection_message"]


async def test_the_21st_order_and_a_used_up_quota_are_told_apart(start_rest: RestFactory) -> None:
    rest = await start_rest(quotas="enforced", orders_per_minute=2, requests_per_minute=5000)
    for _ in range(2):
        assert (await rest.send("POST", "/orders", json=MARKET)).status_code == 201
    rate = await rest.send("POST", "/orders", json=MARKET)
    account = (await rest.get("/account"))["bot_user_id"]
    rest.venue.base.meter._today[account] = (rest.venue.clock() // 86_400_000_000, 10_000)
    quota = await rest.send("GET", "/account")

    assert (rate.status_code, rate.json()["type"]) == (429, "rate_limit_error")
    assert (rate.headers["Retry-After"], rate.headers["X-VQ-RateLimit-Remaining"]) == ("60", "0")
    assert "quota" not in rate.text
    assert (quota.status_code, quota.json()["type"]) == (429, "quota_exceeded")
    assert "quota" in quota.json()["message"]
    assert int(quota.headers["Retry-After"]) == 12 * 3600


async def test_both_prefixes_serve_the_same(rest: Rest) -> None:
    base = str(rest.http.base_url).removesuffix("/api/trade/v1/bot/")
    answer = await rest.http.get(f"{base}/api/v1/bot/portfolio", headers={"X-Bot-Key": rest.key})

    assert answer.json() == await rest.get("/portfolio")


async def test_operators_publish_over_rest(rest: Rest) -> None:
    quote = {
        "symbol": "AAPL", "bid": "185.40", "bid_size": "300", "ask": "185.42", "ask_size": "200",
        "last": "185.41", "sequence": 7,
    }  # fmt: skip
    answer = await rest.send(
        "POST", "/quotes", headers=rest.bearer("op", operator=True),
        json={"quotes": [quote, quote | {"symbol": "NOPE"}]},
    )  # fmt: skip

    assert answer.json() == {
        "accepted": 1, "refused": [{"symbol": "NOPE", "reason": "SYMBOL_UNKNOWN"}],
    }  # fmt: skip
    shown = await rest.get("/quotes/AAPL")
    assert (shown["ask"], shown["sequence"]) == ("185.42000000", 7)
    assert [quote["symbol"] for quote in await rest.get("/quotes?symbols=AAPL,MSFT")] == ["AAPL"]


async def test_bars_are_a_bare_array_with_the_running_one_at_its_end(rest: Rest) -> None:
    for price in ("20", "31.5", "12", "25"):
        await rest.venue.publish("AAPL", price, price)

    assert await rest.get("/bars/AAPL") == [BAR]
    assert await rest.get("/bars/aapl?interval=5M") == [BAR]
    day = await rest.get("/bars/AAPL?interval=1D&start=2026-11-01T00:00:00Z")
    assert day == [BAR | {"start": "2026-11-19T00:00:00Z"}]
    assert await rest.get("/bars/AAPL?end=2026-11-19T12:00:00Z") == []
    assert await rest.get("/bars/MSFT") == []
