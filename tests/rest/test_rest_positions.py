"""Closing positions over REST: requests by path and query, answers as of orders."""

import httpx
import pytest

from bottrading.v1 import bot_trading_pb2 as trading
from bottrading.v1 import order_pb2
from tests.rest.support import ServerDouble
from tests.rest.test_rest_answer_shapes import FILLED_ORDER, FILLED_ORDER_JSON
from tests.rest.test_rest_requests import only_request


@pytest.mark.parametrize("skipped", [0, 2])
def test_closing_orders_are_a_bare_array_and_how_many_positions_were_left_is_a_header(
    client: httpx.Client, server: ServerDouble, skipped: int
) -> None:
    server.outcomes["CloseAllPositions"] = trading.CloseAllPositionsResponse(
        orders=[FILLED_ORDER], skipped_positions=skipped
    )

    answer = client.delete("/positions")

    assert answer.json() == [FILLED_ORDER_JSON]
    assert answer.headers["x-skipped-positions"] == str(skipped)


@pytest.mark.parametrize(("replayed", "status"), [(False, 201), (True, 200)])
def test_a_close_creates_an_order_unless_it_is_a_repeated_one(
    client: httpx.Client, server: ServerDouble, replayed: bool, status: int
) -> None:
    order = order_pb2.Order(replayed=replayed)
    server.outcomes["ClosePosition"] = trading.ClosePositionResponse(order=order)

    answer = client.delete("/positions/BTC-USD?percentage=12.5&client_order_id=bye")

    assert answer.status_code == status
    assert only_request(server) == trading.ClosePositionRequest(
        symbol="BTC-USD", percentage="12.5", client_order_id="bye"
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [("2.183e-05", "0.00002183"), ("0.30000000000000004", "0.3"), ("1e1", "10"), ("ten", "ten")],
)
def test_a_float_in_the_url_is_read_as_a_number_of_a_body_is(
    client: httpx.Client, server: ServerDouble, written: str, read: str
) -> None:
    client.delete("/positions/BTC-USD", params={"quantity": written})

    assert only_request(server) == trading.ClosePositionRequest(symbol="BTC-USD", quantity=read)


@pytest.mark.parametrize("path", ["/positions/AAPL", "/positions", "/orders"])
@pytest.mark.parametrize("body", [b'{"quantity": "1"}', b'{"symbol": "AAPL"}', b"x", b"[]"])
def test_a_body_does_not_pass_for_fields_of_a_close_or_cancel(
    client: httpx.Client, server: ServerDouble, path: str, body: bytes
) -> None:
    """If it were ignored, a call for a part would close or cancel the whole."""
    answer = client.request("DELETE", path, content=body)

    assert answer.status_code == 422
    assert answer.json()["error"]["reason"] == "MALFORMED_REQUEST"
    assert answer.json()["message"] == "This call takes no body: send its fields in the query."
    assert (server.calls, server.probed) == ([], 1), "it is refused after credential and rate"


@pytest.mark.parametrize("body", [b"{}", b" \n", b"null"])
def test_a_body_without_fields_closes_as_none_does(
    client: httpx.Client, server: ServerDouble, body: bytes
) -> None:
    assert client.request("DELETE", "/positions/AAPL", content=body).status_code == 201
    assert only_request(server) == trading.ClosePositionRequest(symbol="AAPL")
