"""What the public documentation promises of each resource, field by field and in its order."""

from typing import Any

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import account_pb2 as account
from bottrading.v1 import bot_key_pb2 as bot_key
from bottrading.v1 import bot_trading_pb2 as trading
from bottrading.v1 import error_reason_pb2 as reasons
from bottrading.v1 import instrument_pb2 as instrument
from bottrading.v1 import key_management_pb2 as keys
from bottrading.v1 import leaderboard_pb2 as leaderboard
from bottrading.v1 import market_data_pb2 as market
from bottrading.v1 import order_pb2 as order
from bottrading.v1 import portfolio_pb2 as portfolio
from bottrading.v1 import quote_pb2 as quote
from bottrading.v1 import trading_kpi_pb2 as kpi
from tests.rest.support import ServerDouble

TEN_O_CLOCK = Timestamp(seconds=1736935200)
FILLED_ORDER = order.Order(
    id="uuid",
    symbol="AAPL",
    side=order.SIDE_BUY,
    order_type=order.ORDER_TYPE_MARKET,
    quantity="10.00000000",
    status=order.ORDER_STATUS_FILLED,
    filled_quantity="10.00000000",
    filled_price="185.50000000",
    created_at=TEN_O_CLOCK,
    asset_type=instrument.ASSET_TYPE_STOCK,
    time_in_force=order.TIME_IN_FORCE_GTC,
    bot_key_id="key-uuid",
    updated_at=TEN_O_CLOCK,
    fees="1.00",
    reserved="0.00",
    placed_by=order.PLACED_BY_BOT,
)
FILLED_ORDER_JSON: dict[str, Any] = {
    "id": "uuid",
    "symbol": "AAPL",
    "side": "BUY",
    "order_type": "MARKET",
    "quantity": "10.00000000",
    "limit_price": None,
    "stop_price": None,
    "status": "FILLED",
    "filled_quantity": "10.00000000",
    "filled_price": "185.50000000",
    "created_at": "2025-01-15T10:00:00Z",
    "rejection_reason": None,
    "asset_type": "STOCK",
    "time_in_force": "GTC",
    "client_order_id": None,
    "bot_key_id": "key-uuid",
    "updated_at": "2025-01-15T10:00:00Z",
    "status_reason": None,
    "rejection_message": None,
    "fees": "1.00",
    "reserved": "0.00",
    "expires_at": None,
    "replayed": False,
    "triggered_at": None,
    "warnings": [],
    "notional": None,
    "order_class": None,
    "leg": None,
    "parent_order_id": None,
    "held": False,
    "legs": [],
    "trail_amount": None,
    "trail_percent": None,
    "placed_by": "BOT",
    "reduce_only": False,
}


def test_a_placed_order_is_answered_as_documented(
    client: httpx.Client, server: ServerDouble
) -> None:
    server.outcomes["PlaceOrder"] = trading.PlaceOrderResponse(order=FILLED_ORDER)

    answer = client.post("/orders", json={"symbol": "AAPL", "side": "BUY", "quantity": 10})

    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json().items()) == list(FILLED_ORDER_JSON.items())


def test_a_replayed_order_is_answered_with_200_since_nothing_was_created(
    client: httpx.Client, server: ServerDouble
) -> None:
    replayed = order.Order(id="uuid", replayed=True)
    server.outcomes["PlaceOrder"] = trading.PlaceOrderResponse(order=replayed)

    answer = client.post("/orders", json={})

    assert answer.status_code == 200
    assert answer.json()["replayed"] is True


def test_a_rejected_order_tells_its_reason_without_the_enum_prefix(
    client: httpx.Client, server: ServerDouble
) -> None:
    rejected = order.Order(
        status=order.ORDER_STATUS_REJECTED,
        rejection_reason=reasons.ERROR_REASON_INSUFFICIENT_BUYING_POWER,
        rejection_message="Not enough money.",
    )
    server.outcomes["GetOrder"] = trading.GetOrderResponse(order=rejected)

    answer = client.get("/orders/uuid").json()

    assert answer["status"] == "REJECTED"
    assert answer["rejection_reason"] == "INSUFFICIENT_BUYING_POWER"
    assert answer["rejection_message"] == "Not enough money."


def test_the_kpis_are_answered_as_documented_in_json_numbers(
    client: httpx.Client, server: ServerDouble
) -> None:
    documented: dict[str, Any] = {
        "total_return_pct": 12.5,
        "sharpe_ratio": 1.85,
        "win_rate": 65.0,
        "profit_factor": 2.1,
        "max_drawdown": 3.2,
        "total_trades": 42,
        "sortino_ratio": 2.5,
        "expectancy": 125.50,
        "consecutive_wins": 5,
        "consecutive_losses": 2,
        "rank": 15,
        "rank_total": 500,
    }
    server.outcomes["GetTradingKpi"] = trading.GetTradingKpiResponse(
        kpi=kpi.TradingKpi(**documented)
    )

    assert list(client.get("/kpi").json().items()) == list(documented.items())


def test_undefined_kpis_are_null_and_counts_are_zero(
    client: httpx.Client, server: ServerDouble
) -> None:
    server.outcomes["GetTradingKpi"] = trading.GetTradingKpiResponse(kpi=kpi.TradingKpi())

    answer = client.get("/kpi").json()

    counts = ("total_trades", "consecutive_wins", "consecutive_losses")
    assert {name: answer.pop(name) for name in counts} == dict.fromkeys(counts, 0)
    assert set(answer.values()) == {None}


def test_the_account_is_answered_as_documented_with_64_bit_counts_as_numbers(
    client: httpx.Client, server: ServerDouble
) -> None:
    server.outcomes["GetAccount"] = trading.GetAccountResponse(
        account=account.Account(
            bot_user_id="uuid",
            display_name="My Bot",
            balance="50000.00",
            user_type=account.USER_TYPE_HUMAN,
            status=account.ACCOUNT_STATUS_ACTIVE,
            created_at=TEN_O_CLOCK,
            api_calls_used=2**53 - 1,
            api_calls_limit=10000,
            plan="Standard",
            bot_keys_used=1,
            bot_keys_limit=5,
            buying_power="50000.00",
            environment=account.ENVIRONMENT_REPLAY,
            trading_state=account.TRADING_STATE_REDUCING,
            resets=2,
            epoch_began_at=TEN_O_CLOCK,
            margin_mode=account.MARGIN_MODE_MARGIN,
        )
    )

    assert client.get("/account").json() == {
        "bot_user_id": "uuid",
        "display_name": "My Bot",
        "balance": "50000.00",
        "user_type": "HUMAN",
        "status": "ACTIVE",
        "created_at": "2025-01-15T10:00:00Z",
        "api_calls_used": 2**53 - 1,
        "api_calls_limit": 10000,
        "plan": "Standard",
        "bot_keys_used": 1,
        "bot_keys_limit": 5,
        "buying_power": "50000.00",
        "environment": "REPLAY",
        "trading_state": "REDUCING",
        "resets": 2,
        "epoch_began_at": "2025-01-15T10:00:00Z",
        "margin_mode": "MARGIN",
    }


def test_a_new_key_is_answered_with_201_and_these_four_fields_only(
    client: httpx.Client, server: ServerDouble
) -> None:
    server.outcomes["CreateBotKey"] = keys.CreateBotKeyResponse(
        bot_key=bot_key.NewBotKey(
            id="uuid", label="my-claude-bot", key="tvt_abc", created_at=TEN_O_CLOCK
        )
    )

    answer = client.post("/keys", json={"label": "my-claude-bot"})

    assert answer.status_code == 201
    assert answer.json() == {
        "id": "uuid",
        "label": "my-claude-bot",
        "key": "tvt_abc",
        "created_at": "2025-01-15T10:00:00Z",
    }


def test_keys_are_listed_as_a_bare_array_with_null_for_what_never_happened(
    client: httpx.Client, server: ServerDouble
) -> None:
    live = bot_key.BotKey(id="a", created_at=TEN_O_CLOCK)
    revoked = bot_key.BotKey(id="b", created_at=TEN_O_CLOCK, revoked_at=TEN_O_CLOCK)
    server.outcomes["ListBotKeys"] = keys.ListBotKeysResponse(bot_keys=[live, revoked])

    first, second = client.get("/keys").json()

    assert (first["id"], first["revoked_at"], first["last_used_at"]) == ("a", None, None)
    assert (second["id"], second["revoked_at"]) == ("b", "2025-01-15T10:00:00Z")


def test_orders_are_listed_as_a_bare_array_with_the_next_page_in_a_header(
    client: httpx.Client, server: ServerDouble
) -> None:
    server.outcomes["ListOrders"] = trading.ListOrdersResponse(
        orders=[FILLED_ORDER], next_page_token="more"
    )

    answer = client.get("/orders")

    assert answer.json() == [FILLED_ORDER_JSON]
    assert answer.headers["x-next-page-token"] == "more"


def test_the_last_page_has_no_next_page_header(client: httpx.Client, server: ServerDouble) -> None:
    server.outcomes["ListOrders"] = trading.ListOrdersResponse()

    answer = client.get("/orders")

    assert answer.json() == []
    assert "x-next-page-token" not in answer.headers


@pytest.mark.parametrize("skipped", [0, 2])
def test_cancelled_orders_are_a_bare_array_and_how_many_were_left_is_a_header(
    client: httpx.Client, server: ServerDouble, skipped: int
) -> None:
    server.outcomes["CancelAllOrders"] = trading.CancelAllOrdersResponse(
        orders=[FILLED_ORDER], skipped_orders=skipped
    )

    answer = client.delete("/orders")

    assert answer.json() == [FILLED_ORDER_JSON]
    assert answer.headers["x-skipped-orders"] == str(skipped)


def test_an_answer_that_is_a_whole_message_keeps_its_page_token_in_the_body(
    client: httpx.Client, server: ServerDouble
) -> None:
    server.outcomes["GetLeaderboard"] = trading.GetLeaderboardResponse(
        entries=[leaderboard.LeaderboardEntry(rank=1, return_pct=1.5)],
        rank_total=2,
        next_page_token="more",
    )

    answer = client.get("/leaderboard")

    assert answer.json()["next_page_token"] == "more"
    assert answer.json()["own_entry"] is None
    assert answer.json()["entries"][0]["return_pct"] == 1.5
    assert "x-next-page-token" not in answer.headers


def test_published_quotes_are_answered_with_counts_and_reasons(
    client: httpx.Client, server: ServerDouble
) -> None:
    refused = quote.RefusedQuote(symbol="X", reason=quote.QUOTE_REFUSAL_REASON_CROSSED)
    server.outcomes["PublishQuotes"] = market.PublishQuotesResponse(accepted=1, refused=[refused])

    answer = client.post("/quotes", json={"quotes": []})

    assert answer.status_code == 200
    assert answer.json() == {"accepted": 1, "refused": [{"symbol": "X", "reason": "CROSSED"}]}


def test_a_value_of_an_enum_that_the_bridge_does_not_know_yet_is_its_number(
    client: httpx.Client, server: ServerDouble
) -> None:
    later = trading.GetOrderResponse()
    later.order.MergeFromString(bytes([8 << 3, 99]))
    server.outcomes["GetOrder"] = later

    assert client.get("/orders/uuid").json()["status"] == "99"


def test_times_are_in_utc_with_as_many_digits_as_they_need(
    client: httpx.Client, server: ServerDouble
) -> None:
    expected = {
        0: "2025-01-15T10:00:00Z",
        500_000_000: "2025-01-15T10:00:00.500Z",
        123_456_000: "2025-01-15T10:00:00.123456Z",
        1_000: "2025-01-15T10:00:00.000001Z",
        999: "2025-01-15T10:00:00Z",
    }
    times = [Timestamp(seconds=1736935200, nanos=nanos) for nanos in expected]
    points = [portfolio.EquityPoint(time=time) for time in times]
    server.outcomes["GetPortfolioHistory"] = trading.GetPortfolioHistoryResponse(points=points)

    answer = client.get("/portfolio/history").json()

    assert [point["time"] for point in answer["points"]] == list(expected.values())


@pytest.mark.parametrize(("interval", "minutes"), [("1M", "1m"), ("15M", "15m")])
def test_who_writes_what_is_a_month_elsewhere_is_told_of_minutes(
    client: httpx.Client, interval: str, minutes: str
) -> None:
    answer = client.get(f"/bars/AAPL?start=2026-01-02T00:00:00Z&interval={interval}")

    assert answer.headers["x-notice"] == (
        f"interval: {interval} is read as {minutes}, minutes; there are no bars of months"
    )
    for other in (f"interval={minutes}", "interval=1D", ""):
        assert "x-notice" not in client.get(f"/bars/AAPL?{other}").headers
    assert "x-notice" not in client.get(f"/portfolio/history?interval={interval}").headers
