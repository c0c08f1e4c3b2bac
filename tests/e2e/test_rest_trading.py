"""Trading rules over REST: preview, replace, clock, halt and guard rails."""

from typing import Any

import httpx

from server.domain.user import Plan
from tests.e2e.conftest import Rest, RestFactory

LIMIT = {"symbol": "AAPL", "side": "BUY", "order_type": "LIMIT", "quantity": 10, "limit_price": 180}


async def account_path(rest: Rest, call: str) -> str:
    account = await rest.get("/account")
    return f"/accounts/{account['bot_user_id']}/{call}"


def told(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["error"]["reason"]


async def test_a_preview_has_the_documented_shape_and_records_nothing(rest: Rest) -> None:
    await rest.venue.publish("AAPL", "184.00", "185.00")
    body = {"symbol": "AAPL", "side": "BUY", "quantity": 10}
    answer = await rest.send("POST", "/orders/preview", json=body)
    preview = answer.json()

    assert answer.status_code == 200
    assert list(preview) == [
        "order",
        "estimated_fees",
        "buying_power_after",
        "rejections",
        "rejection_reasons",
        "margin_after",
        "free_margin_after",
    ]
    assert preview["margin_after"] is preview["free_margin_after"] is None
    assert preview["order"]["status"] == "FILLED"
    assert preview["buying_power_after"] == "98150.00"
    assert preview["rejection_reasons"] == []
    assert await rest.get("/orders") == []

    fok = body | {"quantity": 5000, "time_in_force": "FOK"}
    rejected = (await rest.send("POST", "/orders/preview", json=fok)).json()
    assert rejected["rejection_reasons"] == ["INSUFFICIENT_BUYING_POWER", "FOK_NOT_FILLABLE"]


async def test_an_order_is_replaced_by_patch(rest: Rest) -> None:
    await rest.venue.publish("AAPL", "184.00", "185.00")
    order = (await rest.send("POST", "/orders", json=LIMIT)).json()
    path = f"/orders/{order['id']}"

    changed = await rest.send("PATCH", path, json={"quantity": 20, "limit_price": "181.00"})
    same = await rest.send("PATCH", path, json={})
    refused = [
        await rest.send("PATCH", path, json={"stop_price": 1}),
        await rest.send("PATCH", path, json={"quantity": 1_000_000}),
        await rest.send("PATCH", path, json={"side": "SELL"}),
        await rest.send("PATCH", "/orders/x", json={"quantity": 1}),
    ]

    assert changed.status_code == same.status_code == 200
    assert changed.json()["id"] == order["id"]
    assert changed.json()["reserved"] == "3620.00"
    assert same.json() == changed.json()
    assert [told(answer) for answer in refused] == [
        (422, "STOP_PRICE_NOT_ALLOWED"),
        (422, "INSUFFICIENT_BUYING_POWER"),
        (422, "UNKNOWN_FIELD"),
        (404, "ORDER_NOT_FOUND"),
    ]
    assert await rest.get(path) == changed.json()


async def test_a_stop_is_placed_and_triggered(rest: Rest) -> None:
    stop = {"symbol": "AAPL", "side": "BUY", "order_type": "STOP", "quantity": 1, "stop_price": 190}
    placed = await rest.send("POST", "/orders", json=stop)
    await rest.venue.publish("AAPL", "190.00", "191.00")
    filled = await rest.get(f"/orders/{placed.json()['id']}")

    assert (placed.status_code, placed.json()["triggered_at"]) == (201, None)
    assert (filled["status"], filled["filled_price"]) == ("FILLED", "191.00000000")
    assert filled["triggered_at"].endswith("Z")


async def test_the_clock_tells_every_market(rest: Rest) -> None:
    clock = await rest.get("/clock")
    assert list(clock) == ["time", "sessions", "replay"]
    assert [session["asset_type"] for session in clock["sessions"]] == [
        "STOCK",
        "CRYPTO",
        "FOREX",
        "ETF",
        "OPTION",
        "COMMODITY",
    ]
    assert clock["sessions"][0] == {
        "asset_type": "STOCK",
        "open": True,
        "next_open": None,
        "next_close": None,
    }


async def test_halting_over_rest_cancels_everything(rest: Rest) -> None:
    order = (await rest.send("POST", "/orders", json=LIMIT)).json()
    path = await account_path(rest, "trading-state")

    by_bot = await rest.send("POST", path, json={"trading_state": "HALTED"})
    halted = await rest.send("POST", path, headers=rest.bearer(), json={"trading_state": "HALTED"})
    again = await rest.send("POST", "/orders", json=LIMIT)

    assert told(by_bot) == (403, "TOKEN_REQUIRED")
    assert (halted.status_code, halted.json()["trading_state"]) == (200, "HALTED")
    assert (await rest.get(f"/orders/{order['id']}"))["status_reason"] == "TRADING_HALTED"
    assert again.status_code == 201
    assert again.json()["rejection_reason"] == "TRADING_HALTED"


async def test_guard_rails_over_rest_are_numbers_or_text_and_come_back_as_text(rest: Rest) -> None:
    path = await account_path(rest, "guard-rails")
    rails = {"order_notional_max": 1500, "position_share_max": "12.5"}
    answer = await rest.send("POST", path, headers=rest.bearer(), json=rails)
    expected = {
        "order_notional_max": "1500.00",
        "position_share_max": "12.50",
        "daily_loss_max": None,
    }

    assert (answer.status_code, answer.json()) == (200, expected)
    assert (await rest.get("/limits"))["guard_rails"] == expected
    rejected = await rest.send("POST", "/orders", json=LIMIT)
    assert rejected.json()["rejection_reason"] == "ORDER_NOTIONAL_EXCEEDED"


async def test_accounts_are_opened_listed_reset_and_given_money_over_rest(rest: Rest) -> None:
    await rest.venue.publish("AAPL", "184.00", "185.00")
    await rest.send("POST", "/orders", json=LIMIT | {"limit_price": 185})
    order = (await rest.send("POST", "/orders", json=LIMIT)).json()
    operator = rest.bearer("operator", operator=True)

    opened = await rest.send("POST", "/accounts", headers=rest.bearer(), json={})
    path = await account_path(rest, "reset")
    reset = await rest.send("POST", path, headers=rest.bearer(), json={})
    deposits = await account_path(rest, "deposits")
    given = await rest.send("POST", deposits, headers=operator, json={"amount": 250.5})
    listed = await rest.send("GET", "/accounts", headers=rest.bearer())

    assert [it.status_code for it in (opened, reset, given, listed)] == [201, 200, 200, 200]
    account = await rest.get("/account")
    shape = [*account]
    assert [[*it.json()] for it in (opened, reset, given)] == [shape] * 3
    assert (opened.json()["balance"], opened.json()["resets"]) == ("100000.00", 0)
    assert (reset.json()["balance"], reset.json()["resets"]) == ("100000.00", 1)
    assert given.json()["balance"] == account["balance"] == "100250.50"
    assert [it["bot_user_id"] for it in listed.json()] == [
        account["bot_user_id"],
        opened.json()["bot_user_id"],
    ]
    assert account["epoch_began_at"].endswith("Z")
    assert (await rest.get(f"/orders/{order['id']}"))["status_reason"] == "ACCOUNT_RESET"
    assert (await rest.get("/portfolio"))["positions"] == []
    assert len(await rest.get("/fills")) == 1
    assert (await rest.get("/kpi"))["total_return_pct"] == 0


async def test_one_account_too_many_and_one_dollar_too_many_are_refused(
    start_rest: RestFactory,
) -> None:
    rest = await start_rest(initial_balance="9999999999.99")
    free = rest.bearer("free", plan=Plan.FREE)
    deposits = await account_path(rest, "deposits")
    operator = rest.bearer("operator", operator=True)
    for _ in range(8):
        await rest.send("POST", deposits, headers=operator, json={"amount": "9999999999.99"})

    refused = [
        await rest.send("POST", "/accounts", headers=free, json={}),
        await rest.send("POST", deposits, headers=operator, json={"amount": 1}),
    ]

    assert [told(answer) for answer in refused] == [
        (422, "ACCOUNT_LIMIT_REACHED"),
        (422, "DEPOSIT_TOO_LARGE"),
    ]


async def test_limits_that_are_lifted_are_null_and_answers_tell_no_rate(
    start_rest: RestFactory,
) -> None:
    rest = await start_rest(orders_per_minute=0, requests_per_minute=0)
    await rest.venue.publish("AAPL", "184.00", "185.00")
    placed = [await rest.send("POST", "/orders", json=LIMIT) for _ in range(25)]

    assert {answer.status_code for answer in placed} == {201}
    assert not [name for answer in placed for name in answer.headers if "ratelimit" in name]
    limits = await rest.get("/limits")
    assert (limits["orders"], limits["requests"]) == (None, None)
    assert (limits["api_calls"]["used"], limits["open_orders"]["used"]) == (26, 25)
