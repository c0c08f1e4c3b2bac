"""REST through bridge, server and engine: the documented shapes, and every refusal."""

import re
from typing import Any

from tests.e2e.conftest import Rest

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"

UNITS = r"\d+\.\d{8}"

MONEY = r"-?\d+\.\d\d"

ORDER = {
    "id": UUID,
    "symbol": "AAPL",
    "side": "BUY",
    "order_type": "LIMIT",
    "quantity": UNITS,
    "limit_price": UNITS,
    "stop_price": None,
    "status": "FILLED",
    "filled_quantity": UNITS,
    "filled_price": UNITS,
    "created_at": TIME,
    "rejection_reason": None,
}

ORDER_MORE = {
    "asset_type": "STOCK",
    "time_in_force": "GTC",
    "client_order_id": "my-unique-id-123",
    "bot_key_id": UUID,
    "updated_at": TIME,
    "status_reason": None,
    "rejection_message": None,
    "fees": MONEY,
    "reserved": MONEY,
    "expires_at": TIME,
    "replayed": False,
    "triggered_at": None,
    "warnings": list,
    "notional": None,
    "order_class": None,
    "leg": None,
    "parent_order_id": None,
    "held": False,
    "legs": list,
    "trail_amount": None,
    "trail_percent": None,
    "placed_by": "BOT",
    "reduce_only": False,
}

POSITION = {
    "symbol": "AAPL",
    "asset_type": "STOCK",
    "quantity": UNITS,
    "avg_cost": UNITS,
    "current_price": UNITS,
    "market_value": UNITS,
    "unrealized_pnl": MONEY,
    "unrealized_pnl_pct": MONEY,
}

PORTFOLIO = {
    "balance": MONEY,
    "total_equity": MONEY,
    "positions": [],
    "total_unrealized_pnl": MONEY,
}

ACCOUNT = {
    "bot_user_id": UUID,
    "display_name": "ada",
    "balance": MONEY,
    "user_type": "HUMAN",
    "status": "ACTIVE",
    "created_at": TIME,
    "api_calls_used": int,
    "api_calls_limit": 10000,
    "plan": "Standard",
    "bot_keys_used": 1,
    "bot_keys_limit": 5,
}

KPI = {
    "total_return_pct": float,
    "sharpe_ratio": None,
    "win_rate": 100.0,
    "profit_factor": None,
    "max_drawdown": float,
    "total_trades": 1,
    "sortino_ratio": None,
    "expectancy": float,
    "consecutive_wins": 1,
    "consecutive_losses": 0,
    "rank": 1,
    "rank_total": 1,
}

PLACE = {
    "rank": 1,
    "display_name": "ada",
    "badge": "🤖",
    "return_pct": float,
    "win_rate": 100.0,
    "trades": 1,
    "sharpe_ratio": None,
    "max_drawdown": float,
    "was_reset": False,
    "own": True,
    "return_curve": list,
    "margin_mode": "CASH",
}

BAR = {
    "symbol": "AAPL",
    "start": "2026-11-19T12:00:00Z",
    "open": "20.00000000",
    "high": "31.50000000",
    "low": "12.00000000",
    "close": "25.00000000",
    "complete": False,
}


def check(document: dict[str, Any], shape: dict[str, Any]) -> None:
    """Compare the first fields of a document with a documented shape, in its order."""
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


MARKET = {"symbol": "AAPL", "side": "BUY", "quantity": 1}


async def test_every_documented_endpoint_answers_the_documented_shape(rest: Rest) -> None:
    created = await rest.send(
        "POST", "/keys", headers=rest.bearer("bob"), json={"label": "my-claude-bot"}
    )
    listed = await rest.send("GET", "/keys", headers=rest.bearer("bob"))
    await rest.venue.publish("AAPL", "184.00", "185.00")
    body = {
        "symbol": "AAPL",
        "asset_type": "STOCK",
        "side": "BUY",
        "order_type": "LIMIT",
        "quantity": 10,
        "limit_price": 185.00,
        "stop_price": None,
        "time_in_force": "GTC",
        "client_order_id": "my-unique-id-123",
    }
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
        "entries": [board["own_entry"]],
        "own_entry": board["own_entry"],
        "rank_total": 1,
        "next_page_token": "",
    }


async def test_an_existing_agent_client_is_served(rest: Rest) -> None:
    """It posts numbers, always sends asset_type, and reads an array of 20 open orders."""
    placed = await rest.send(
        "POST",
        "/orders",
        json={
            "symbol": "AAPL",
            "side": "BUY",
            "quantity": 0.5,
            "order_type": "LIMIT",
            "limit_price": 100.25,
            "asset_type": "STOCK",
            "time_in_force": "GTC",
        },
    )
    open_orders = await rest.get("/orders?status=OPEN&limit=20")
    cancelled = await rest.send("DELETE", f"/orders/{placed.json()['id']}")
    crypto = await rest.send(
        "POST",
        "/orders",
        json={"symbol": "BTC-USD", "side": "BUY", "quantity": 1, "asset_type": "STOCK"},
    )

    assert [order["quantity"] for order in open_orders] == ["0.50000000"]
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    assert (crypto.status_code, crypto.json()["asset_type"]) == (201, "CRYPTO")


async def test_lists_are_bare_arrays_with_the_next_page_in_a_header(rest: Rest) -> None:
    for price in (1, 2, 3):
        await rest.send(
            "POST",
            "/orders",
            json={
                "symbol": "AAPL",
                "side": "BUY",
                "quantity": 1,
                "order_type": "LIMIT",
                "limit_price": price,
            },
        )
    first = await rest.send("GET", "/orders?limit=2")
    token = first.headers["X-Next-Page-Token"]
    second = await rest.send("GET", "/orders", params={"limit": 2, "page_token": token})
    cancelled = await rest.send("DELETE", "/orders")

    prices = [order["limit_price"] for order in [*first.json(), *second.json()]]
    assert prices == ["3.00000000", "2.00000000", "1.00000000"]
    assert "X-Next-Page-Token" not in second.headers
    assert len(cancelled.json()) == 3


async def test_an_outcome_is_an_order_and_not_an_error(rest: Rest) -> None:
    no_quote = await rest.send("POST", "/orders", json=MARKET)
    await rest.venue.publish("AAPL", "184.00", "185.00")
    no_money = await rest.send("POST", "/orders", json=MARKET | {"quantity": 1000})
    no_position = await rest.send("POST", "/orders", json=MARKET | {"side": "SELL"})

    for answer, reason in (
        (no_quote, "NO_QUOTE"),
        (no_money, "INSUFFICIENT_BUYING_POWER"),
        (no_position, "INSUFFICIENT_POSITION"),
    ):
        assert (answer.status_code, answer.json()["status"]) == (201, "REJECTED")
        assert answer.json()["rejection_reason"] == reason
        assert answer.json()["rejection_message"]


async def test_both_prefixes_serve_the_same(rest: Rest) -> None:
    base = str(rest.http.base_url).removesuffix("/api/trade/v1/bot/")
    answer = await rest.http.get(f"{base}/api/v1/bot/portfolio", headers={"X-Bot-Key": rest.key})

    assert answer.json() == await rest.get("/portfolio")


async def test_operators_publish_over_rest(rest: Rest) -> None:
    quote = {
        "symbol": "AAPL",
        "bid": "185.40",
        "bid_size": "300",
        "ask": "185.42",
        "ask_size": "200",
        "last": "185.41",
        "sequence": 7,
    }
    answer = await rest.send(
        "POST",
        "/quotes",
        headers=rest.bearer("op", operator=True),
        json={"quotes": [quote, quote | {"symbol": "NOPE"}]},
    )

    assert answer.json() == {
        "accepted": 1,
        "refused": [{"symbol": "NOPE", "reason": "SYMBOL_UNKNOWN"}],
    }
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
