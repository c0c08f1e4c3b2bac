"""How JSON bodies, queries and paths become the messages that the server receives."""

from typing import Any

import httpx
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import bot_trading_pb2 as trading
from bottrading.v1 import instrument_pb2 as instrument
from bottrading.v1 import market_data_pb2 as market
from bottrading.v1 import order_pb2 as order
from bottrading.v1 import quote_pb2 as quote
from tests.rest.support import TOKEN, ServerDouble


def only_request(server: ServerDouble) -> Message:
    [call] = server.calls
    return call.request


def test_the_documented_order_arrives_whole(client: httpx.Client, server: ServerDouble) -> None:
    body = (
        '{"symbol": "AAPL", "asset_type": "STOCK", "side": "BUY", "order_type": "LIMIT",'
        ' "quantity": 10, "limit_price": 185.00, "stop_price": null, "time_in_force": "GTC",'
        ' "client_order_id": "my-unique-id-123"}'
    )

    client.post("/orders", content=body)

    assert only_request(server) == trading.PlaceOrderRequest(
        symbol="AAPL",
        asset_type=instrument.ASSET_TYPE_STOCK,
        side=order.SIDE_BUY,
        order_type=order.ORDER_TYPE_LIMIT,
        quantity="10",
        limit_price="185.00",
        time_in_force=order.TIME_IN_FORCE_GTC,
        client_order_id="my-unique-id-123",
    )


def test_null_is_the_same_as_left_out(client: httpx.Client, server: ServerDouble) -> None:
    client.post("/orders", json={"symbol": None, "side": None, "client_order_id": None})

    assert only_request(server) == trading.PlaceOrderRequest()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("10", "10"),
        ("185.00", "185.00"),
        ("0.1", "0.1"),
        ("0.00000001", "0.00000001"),
        ("9999999999.99999999", "9999999999.99999999"),
        ("0", "0"),
        ("-0", "0"),
        ("0e5", "0"),
        ("0e999999999", "0"),
        ("1e2", "100"),
        ("1E+9", "1000000000"),
        ("15e-1", "1.5"),
        ("1e-8", "0.00000001"),
        ("1.50000000000000", "1.5"),
        ("100000000000e-8", "1000"),
    ],
)
def test_a_number_becomes_the_decimal_that_it_exactly_is(
    client: httpx.Client, server: ServerDouble, number: str, text: str
) -> None:
    client.post("/orders", content=f'{{"quantity": {number}}}')

    assert only_request(server) == trading.PlaceOrderRequest(quantity=text)


@pytest.mark.parametrize(
    "text", ["10", "010", "1_000", " 10 ", "\u0661\u0660", "NaN", "1e400", "", "\0"]
)
def test_a_decimal_in_a_string_is_the_servers_to_judge(
    client: httpx.Client, server: ServerDouble, text: str
) -> None:
    client.post("/orders", json={"quantity": text})

    assert only_request(server) == trading.PlaceOrderRequest(quantity=text)


def test_text_of_any_script_and_nul_pass_unchanged(
    client: httpx.Client, server: ServerDouble
) -> None:
    client.post("/orders", content='{"client_order_id": "\\u0000 é 😀 \\ud83d\\ude00"}')

    assert only_request(server) == trading.PlaceOrderRequest(client_order_id="\0 é 😀 😀")


def test_quotes_arrive_with_their_nested_fields_and_exact_sequence(
    client: httpx.Client, server: ServerDouble
) -> None:
    body = (
        '{"quotes": [{"symbol": "AAPL", "bid": "185.40", "bid_size": 300, "ask": 185.42,'
        ' "ask_size": "200", "last": null, "time": "2025-01-15T12:00:00.25+02:00",'
        ' "sequence": 9223372036854775807}]}'
    )

    client.post("/quotes", content=body, headers=TOKEN)

    assert only_request(server) == market.PublishQuotesRequest(
        quotes=[
            quote.PublishedQuote(
                symbol="AAPL",
                bid="185.40",
                bid_size="300",
                ask="185.42",
                ask_size="200",
                time=Timestamp(seconds=1736935200, nanos=250_000_000),
                sequence=2**63 - 1,
            )
        ]
    )


@pytest.mark.parametrize("content", ["", "{}", " {} "])
def test_a_call_without_fields_takes_an_empty_body_or_object(
    client: httpx.Client, server: ServerDouble, content: str
) -> None:
    assert client.post("/stream-tickets", content=content).status_code == 201
    assert only_request(server) == trading.CreateStreamTicketRequest()


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_does_not_matter(
    client: httpx.Client, server: ServerDouble, content_type: str
) -> None:
    client.post("/orders", content='{"symbol": "A"}', headers={"Content-Type": content_type})

    assert only_request(server) == trading.PlaceOrderRequest(symbol="A")


def test_path_and_body_make_one_message(client: httpx.Client, server: ServerDouble) -> None:
    client.patch("/orders/uuid-1", json={"limit_price": 3})

    assert only_request(server) == trading.ReplaceOrderRequest(order_id="uuid-1", limit_price="3")


@pytest.mark.parametrize(
    ("path", "symbol"),
    [
        ("BRK.B", "BRK.B"),
        ("BTC-USD", "BTC-USD"),
        ("BTC%2FUSD", "BTC/USD"),
        ("EURUSD%3DX", "EURUSD=X"),
        ("%C3%A9", "é"),
        ("a+b", "a+b"),
        ("%00", "\0"),
        ("..", ".."),
    ],
)
def test_a_path_value_is_percent_decoded_once_and_may_hold_a_slash(
    bridge: Any, client: httpx.Client, server: ServerDouble, path: str, symbol: str
) -> None:
    # By hand, since clients rewrite such paths.
    bridge.exchange(
        f"GET /api/v1/bot/quotes/{path} HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: k\r\n"
        "Connection: close\r\n\r\n".encode()
    )

    assert only_request(server) == market.GetQuoteRequest(symbol=symbol)


def test_every_filter_of_a_listing_can_stand_in_the_query(
    client: httpx.Client, server: ServerDouble
) -> None:
    client.get(
        "/orders",
        params={
            "status": "PARTIALLY_FILLED",
            "symbol": "BTC-USD",
            "after": "2025-01-15T10:00:00Z",
            "until": "2025-01-15T11:00:00+01:00",
            "limit": "20",
            "page_token": "next",
        },
    )

    assert only_request(server) == trading.ListOrdersRequest(
        status=order.ORDER_STATUS_PARTIALLY_FILLED,
        symbol="BTC-USD",
        after=Timestamp(seconds=1736935200),
        until=Timestamp(seconds=1736935200),
        limit=20,
        page_token="next",
    )


@pytest.mark.parametrize("query", ["symbols=A,B", "symbols=A&symbols=B", "symbols=A%2CB"])
def test_a_repeated_field_takes_commas_and_repetition(
    client: httpx.Client, server: ServerDouble, query: str
) -> None:
    client.get(f"/quotes?{query}")

    assert only_request(server) == market.BatchGetQuotesRequest(symbols=["A", "B"])


def test_a_stream_takes_numbers_flags_and_durations_from_the_query(
    client: httpx.Client, server: ServerDouble
) -> None:
    query = "after_sequence=-1&symbols=A&include_snapshot=true&heartbeat_interval=1.5s"

    client.get(f"/order-updates?{query}")

    assert only_request(server) == trading.StreamOrderUpdatesRequest(
        after_sequence=-1,
        symbols=["A"],
        include_snapshot=True,
        heartbeat_interval=Duration(seconds=1, nanos=500_000_000),
    )


def test_an_empty_symbol_is_not_a_symbol_left_out(
    client: httpx.Client, server: ServerDouble
) -> None:
    """A missing symbol would cancel every order."""
    client.delete("/orders?symbol=")

    assert only_request(server) == trading.CancelAllOrdersRequest(symbol="")


def test_a_body_that_a_call_does_not_take_is_ignored(
    client: httpx.Client, server: ServerDouble
) -> None:
    answer = client.request("DELETE", "/orders/uuid", content=b"{not json")

    assert answer.status_code == 200
    assert only_request(server) == trading.CancelOrderRequest(order_id="uuid")


def test_an_order_is_found_by_the_callers_own_id(
    client: httpx.Client, server: ServerDouble
) -> None:
    client.get("/orders/by-client-id", params={"client_order_id": "a b+c&d"})

    assert only_request(server) == trading.GetOrderRequest(client_order_id="a b+c&d")
