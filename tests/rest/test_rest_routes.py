"""Routes: which call a method and path lead to, and the answer where there is none."""

from collections.abc import Callable

import httpx
import pytest

from rest_bridge.routes import contract_routes
from rest_bridge.transcoding import answer_headers
from tests.rest.support import BOT_KEY, PREFIX, TOKEN, RunningBridge, ServerDouble

ROUTES = """
POST   /sign-in                       SignIn
POST   /keys                          CreateBotKey
GET    /keys                          ListBotKeys
DELETE /keys/id                       RevokeBotKey
POST   /accounts                      OpenAccount
GET    /accounts                      ListAccounts
POST   /accounts/id/reset             ResetAccount
POST   /accounts/id/trading-state     SetTradingState
POST   /accounts/id/margin-mode       SetMarginMode
POST   /accounts/id/guard-rails       SetGuardRails
POST   /accounts/id/deposits          Deposit
GET    /account                       GetAccount
POST   /orders                        PlaceOrder
POST   /orders/preview                PreviewOrder
PATCH  /orders/id                     ReplaceOrder
DELETE /orders/id                     CancelOrder
DELETE /orders                        CancelAllOrders
GET    /orders                        ListOrders
GET    /orders/id                     GetOrder
GET    /orders/by-client-id           GetOrder
GET    /portfolio                     GetPortfolio
GET    /positions                     ListPositions
GET    /positions/AAPL                GetPosition
DELETE /positions/AAPL                ClosePosition
DELETE /positions                     CloseAllPositions
GET    /portfolio/history             GetPortfolioHistory
GET    /fills                         ListFills
GET    /kpi                           GetTradingKpi
GET    /leaderboard                   GetLeaderboard
GET    /limits                        GetLimits
GET    /order-updates                 StreamOrderUpdates
POST   /stream-tickets                CreateStreamTicket
POST   /clock/advance                 AdvanceClock
GET    /quotes/AAPL                   GetQuote
GET    /quotes                        BatchGetQuotes
GET    /instruments                   ListInstruments
GET    /bars/AAPL                     ListBars
GET    /clock                         GetMarketClock
GET    /quote-updates                 StreamQuotes
POST   /quotes                        PublishQuotes
""".strip().splitlines()


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: " ".join(row.split()))
@pytest.mark.parametrize("prefix", ["/api/trade/v1/bot", "/api/v1/bot"])
def test_each_route_of_the_contract_is_served_below_both_prefixes(
    bridge: RunningBridge, client: httpx.Client, server: ServerDouble, prefix: str, row: str
) -> None:
    verb, path, method = row.split()

    client.request(verb, bridge.url + prefix + path, headers=TOKEN)

    assert [call.method for call in server.calls] == [method]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/nothing",
        "/orders/",
        "/orders//",
        "//orders",
        "/orders/id/",
        "/orders/id/more",
        "/orders/%FF",
        "/orders/%ED%A0%80",
        "/Orders",
        "/orders%2Fid",
        "/accounts//reset",
        "/accounts/id",
        "/quotes/",
        "/quotes/BTC/USD",
    ],
)
@pytest.mark.parametrize("verb", ["GET", "DELETE", "POST"])
def test_a_path_that_is_no_route_is_404_and_never_redirects(
    bridge: RunningBridge, server: ServerDouble, verb: str, path: str
) -> None:
    answer = bridge.exchange(
        f"{verb} {PREFIX}{path} HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: k\r\n"
        "Connection: close\r\n\r\n".encode()
    )

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b'"reason":"ROUTE_NOT_FOUND"' in answer
    assert server.calls == []


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/",
        "/orders",
        "/api",
        "/api/v1/bot",
        "/api/v1/bot2/orders",
        "/%61pi/v1/bot/orders",
    ],
)
def test_a_path_below_no_prefix_is_404_in_the_same_shape(bridge: RunningBridge, path: str) -> None:
    answer = httpx.get(bridge.url + path, headers={"X-Request-Id": "mine"}, verify=False)

    assert answer.status_code == 404
    assert answer.json() == {
        "type": "not_found",
        "message": "No call has this path: /openapi.json lists all paths.",
        "detail": "No call has this path: /openapi.json lists all paths.",
        "error": {
            "type": "not_found",
            "reason": "ROUTE_NOT_FOUND",
            "message": "No call has this path: /openapi.json lists all paths.",
            "violations": [],
        },
        "request_id": "mine",
    }


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [
        ("PUT", "/orders", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("PATCH", "/orders", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("POST", "/orders/id", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("GET", "/orders/preview", "OPTIONS, POST"),
        ("HEAD", "/orders/preview", "OPTIONS, POST"),
        ("DELETE", "/orders/by-client-id", "GET, HEAD, OPTIONS"),
        ("TRACE", "/account", "GET, HEAD, OPTIONS"),
        ("QUERY", "/account", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_verb_is_405_and_names_the_right_ones(
    client: httpx.Client, server: ServerDouble, verb: str, path: str, allow: str
) -> None:
    answer = client.request(verb, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    if verb != "HEAD":
        assert answer.json()["error"]["reason"] == "METHOD_NOT_ALLOWED"
        assert answer.json()["type"] == "validation_error"
    assert server.calls == []


def test_head_is_get_without_the_body(client: httpx.Client, server: ServerDouble) -> None:
    answer = client.head("/account")

    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0
    assert [call.method for call in server.calls] == ["GetAccount"]


def test_options_tells_the_verbs_without_a_credential(
    stranger: httpx.Client, server: ServerDouble
) -> None:
    answer = stranger.options("/orders/id")

    assert answer.status_code == 204
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    assert server.calls == []


def test_the_process_is_alive_without_asking_the_server(bridge: RunningBridge) -> None:
    assert httpx.get(bridge.url + "/healthz", verify=False).status_code == 200


def test_the_bridge_is_ready_when_the_server_is(
    bridge: RunningBridge, set_health: Callable[[str], None]
) -> None:
    for status, ready in (("NOT_SERVING", 503), ("SERVING", 200), ("UNKNOWN", 503)):
        set_health(status)
        assert httpx.get(bridge.url + "/readyz", verify=False).status_code == ready


def test_a_wrong_verb_on_health_is_405(bridge: RunningBridge) -> None:
    answer = httpx.post(bridge.url + "/healthz", verify=False)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.json()["error"]["reason"] == "METHOD_NOT_ALLOWED"


def test_another_origin_is_not_let_in_unless_it_was_named(
    bridge: RunningBridge, strict_bridge: RunningBridge, server: ServerDouble
) -> None:
    origin = {"Origin": "https://app.example"}
    path = "/api/v1/bot/account"
    told = {name.lower() for route in contract_routes() for name in answer_headers(route).values()}

    closed = httpx.get(bridge.url + path, headers=BOT_KEY | origin, verify=False)
    opened = httpx.get(strict_bridge.url + path, headers=BOT_KEY | origin, verify=False)
    preflight = httpx.options(
        strict_bridge.url + path,
        headers=origin
        | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-bot-key"},
        verify=False,
    )

    assert "access-control-allow-origin" not in closed.headers
    assert opened.headers["access-control-allow-origin"] == "https://app.example"
    exposed = opened.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", *told} <= set(exposed), "or a script could not read them"
    assert preflight.status_code == 200
    assert "x-bot-key" in preflight.headers["access-control-allow-headers"]
