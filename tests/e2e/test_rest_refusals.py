"""REST through bridge, server and engine: the status, type and reason of every refusal."""

from typing import Any

from server.domain.user import Plan
from tests.e2e.conftest import Rest, RestFactory

UNKNOWN = "0198c0de-0000-7000-8000-000000000000"
LIMIT = {"symbol": "AAPL", "side": "BUY", "quantity": 1, "order_type": "LIMIT"}

MARKET = {"symbol": "AAPL", "side": "BUY", "quantity": 1}


# verb, path, credential, body → status, type, reason
REFUSALS: list[tuple[str, str, str, Any, int, str, str]] = [
    ("GET", "/account", "none", None, 401, "authentication_error", "BOT_KEY_INVALID"),
    ("GET", "/account", "wrong key", None, 401, "authentication_error", "BOT_KEY_INVALID"),
    ("GET", "/account", "wrong token", None, 401, "authentication_error", "TOKEN_INVALID"),
    ("GET", "/account", "token elsewhere", None, 404, "not_found", "ACCOUNT_NOT_FOUND"),
    ("GET", "/account", "key elsewhere", None, 404, "not_found", "ACCOUNT_NOT_FOUND"),
    ("GET", "/orders?limit=0", "token elsewhere", None, 404, "not_found", "ACCOUNT_NOT_FOUND"),
    ("DELETE", "/orders", "token", None, 422, "validation_error", "ACCOUNT_ID_REQUIRED"),
    ("DELETE", "/orders/x", "token", None, 422, "validation_error", "ACCOUNT_ID_REQUIRED"),
    ("POST", "/orders", "token", MARKET, 401, "authentication_error", "BOT_KEY_REQUIRED"),
    ("GET", "/account", "both", None, 401, "authentication_error", "TWO_CREDENTIALS"),
    ("GET", "/leaderboard", "none", None, 401, "authentication_error", "BOT_KEY_INVALID"),
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
    (
        "POST",
        f"/accounts/{UNKNOWN}/reset",
        "token",
        {"all": True},
        422,
        "validation_error",
        "UNKNOWN_FIELD",
    ),
    (
        "POST",
        f"/accounts/{UNKNOWN}/deposits",
        "key",
        {"amount": 1},
        403,
        "permission_error",
        "OPERATOR_REQUIRED",
    ),
    (
        "POST",
        f"/accounts/{UNKNOWN}/deposits",
        "token",
        {"amount": 1},
        403,
        "permission_error",
        "OPERATOR_REQUIRED",
    ),
    (
        "POST",
        f"/accounts/{UNKNOWN}/deposits",
        "operator",
        {"amount": 1},
        404,
        "not_found",
        "ACCOUNT_NOT_FOUND",
    ),
    (
        "POST",
        f"/accounts/{UNKNOWN}/deposits",
        "operator",
        {"amount": 0},
        422,
        "validation_error",
        "NOT_POSITIVE",
    ),
    (
        "POST",
        f"/accounts/{UNKNOWN}/deposits",
        "operator",
        {},
        422,
        "validation_error",
        "FIELD_REQUIRED",
    ),
    ("GET", "/quotes/NOPE", "key", None, 404, "not_found", "SYMBOL_UNKNOWN"),
    ("GET", "/nothing", "key", None, 404, "not_found", "ROUTE_NOT_FOUND"),
    ("DELETE", "/orders/", "key", None, 404, "not_found", "ROUTE_NOT_FOUND"),
    ("GET", "/account/", "key", None, 404, "not_found", "ROUTE_NOT_FOUND"),
    (
        "POST",
        "/orders",
        "key",
        MARKET | {"symbol": "NOPE"},
        422,
        "validation_error",
        "SYMBOL_UNKNOWN",
    ),
    (
        "POST",
        "/orders",
        "key",
        MARKET | {"side": "HOLD"},
        422,
        "validation_error",
        "ENUM_VALUE_UNKNOWN",
    ),
    ("POST", "/orders", "key", MARKET | {"qty": 1}, 422, "validation_error", "UNKNOWN_FIELD"),
    ("POST", "/orders", "key", LIMIT, 422, "validation_error", "LIMIT_PRICE_REQUIRED"),
    ("GET", "/orders?limit=0", "key", None, 422, "validation_error", "FIELD_INVALID"),
    ("GET", "/orders?limit=101", "key", None, 422, "validation_error", "FIELD_INVALID"),
    ("GET", "/orders?status=DONE", "key", None, 422, "validation_error", "ENUM_VALUE_UNKNOWN"),
    ("GET", "/orders?page_token=x", "key", None, 422, "validation_error", "PAGE_TOKEN_INVALID"),
    ("GET", "/bars/NOPE", "key", None, 404, "not_found", "SYMBOL_UNKNOWN"),
    ("GET", "/bars/AAPL?interval=2m", "key", None, 422, "validation_error", "ENUM_VALUE_UNKNOWN"),
    (
        "GET",
        "/bars/AAPL?start=2020-01-01T00:00:00Z",
        "key",
        None,
        422,
        "validation_error",
        "FIELD_INVALID",
    ),
    ("GET", "/quotes?symbols=NOPE", "key", None, 422, "validation_error", "SYMBOL_UNKNOWN"),
    ("POST", "/keys", "token", {"label": ""}, 422, "validation_error", "FIELD_REQUIRED"),
    ("PUT", "/orders", "key", None, 405, "validation_error", "METHOD_NOT_ALLOWED"),
    (
        "GET",
        "/order-updates?after_sequence=9",
        "key",
        None,
        410,
        "validation_error",
        "SEQUENCE_IN_FUTURE",
    ),
    ("GET", "/order-updates?symbols=NOPE", "key", None, 422, "validation_error", "SYMBOL_UNKNOWN"),
    (
        "GET",
        "/order-updates?ticket=x",
        "none",
        None,
        401,
        "authentication_error",
        "BOT_KEY_INVALID",
    ),
    ("GET", "/quote-updates", "key", None, 422, "validation_error", "FIELD_INVALID"),
    ("GET", "/leaderboard?period=YEAR", "key", None, 422, "validation_error", "ENUM_VALUE_UNKNOWN"),
    ("GET", "/leaderboard?limit=101", "key", None, 422, "validation_error", "FIELD_INVALID"),
    ("PATCH", f"/orders/{UNKNOWN}", "key", {"quantity": 2}, 404, "not_found", "ORDER_NOT_FOUND"),
    (
        "POST",
        "/orders",
        "key",
        MARKET | {"client_order_id": "x" * 300_000},
        413,
        "validation_error",
        "MESSAGE_TOO_LARGE",
    ),
]


async def test_every_refusal_has_its_status_type_and_reason(rest: Rest) -> None:
    headers = {
        "none": {},
        "wrong key": {"X-Bot-Key": "tvt_wrong"},
        "key": {"X-Bot-Key": rest.key},
        "token": rest.bearer("eve"),
        "token elsewhere": rest.bearer("eve") | {"X-Account-Id": UNKNOWN},
        "key elsewhere": {"X-Bot-Key": rest.key, "X-Account-Id": UNKNOWN},
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
            status,
            kind,
            reason,
        ), case
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
        (422, "CLIENT_ORDER_ID_REUSED"),
        (422, "ORDER_NOT_LIVE"),
        (422, "BOT_KEY_LIMIT_REACHED"),
    ]


async def test_the_21st_order_and_a_used_up_quota_are_told_apart(start_rest: RestFactory) -> None:
    rest = await start_rest(quotas="enforced", orders_per_minute=2, requests_per_minute=5000)
    for _ in range(2):
        assert (await rest.send("POST", "/orders", json=MARKET)).status_code == 201
    rate = await rest.send("POST", "/orders", json=MARKET)
    account = (await rest.get("/account"))["bot_user_id"]
    rest.venue.meter._today[account] = (rest.venue.clock() // 86_400_000_000, 10_000)
    quota = await rest.send("GET", "/account")

    assert (rate.status_code, rate.json()["type"]) == (429, "rate_limit_error")
    assert (rate.headers["Retry-After"], rate.headers["X-VQ-RateLimit-Remaining"]) == ("60", "0")
    assert "quota" not in rate.text
    assert (quota.status_code, quota.json()["type"]) == (429, "quota_exceeded")
    assert "quota" in quota.json()["message"]
    assert int(quota.headers["Retry-After"]) == 12 * 3600
