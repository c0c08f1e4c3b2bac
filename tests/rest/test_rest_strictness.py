"""What the bridge refuses to read: always 422, with the reason and the field, never a 5xx."""

from typing import Any

import grpc
import httpx
import pytest

from bottrading.v1 import bar_pb2
from bottrading.v1 import bot_trading_pb2 as trading
from bottrading.v1 import market_data_pb2 as market
from rest_bridge.request_fields import Invalid, json_message
from rest_bridge.strict_json import JsonNumber
from tests.rest.support import TOKEN, Failure, ServerDouble


def refusal(answer: httpx.Response) -> tuple[str, list[str]]:
    """Check the shape of a 422; return its reason and the fields that it names."""
    body = answer.json()
    error = body["error"]
    assert answer.status_code == 422, body
    assert body["type"] == error["type"] == "validation_error"
    assert body["message"] == body["detail"] == error["message"] != ""
    return error["reason"], [violation["field"] for violation in error["violations"]]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b" ",
        b"{}{}",
        b"{'symbol': 1}",
        b'{"symbol": "A",}',
        b'{"quantity": NaN}',
        b'{"quantity": Infinity}',
        b'{"quantity": -Infinity}',
        b'{"quantity": 01}',
        b'{"quantity": +1}',
        b'{"quantity": .5}',
        b'{"quantity": 1_000}',
        '{"quantity": \u0661\u0660}'.encode(),
        b'{"symbol": "A", "symbol": "B"}',
        b'{"quotes": [{"bid": 1, "bid": 2}]}',
        b'{"symbol": "\x00"}',
        b'{"symbol": "\xff"}',
        b'{"symbol": "\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"symbol": "A"}',
        '{"symbol": "A"}'.encode("utf-16"),
        b'{"symbol": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"\x1f\x8b\x08\x00\x00",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_body_that_is_no_strict_json_object_is_malformed(
    client: httpx.Client, server: ServerDouble, body: bytes
) -> None:
    assert refusal(client.post("/orders", content=body)) == ("MALFORMED_REQUEST", [])
    assert server.calls == []


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        ('{"qty": 1}', "UNKNOWN_FIELD", "qty"),
        ('{"clientOrderId": "x"}', "UNKNOWN_FIELD", "clientOrderId"),
        ('{"": 1}', "UNKNOWN_FIELD", ""),
        ('{"\\ud800": 1}', "UNKNOWN_FIELD", "\\ud800"),
        ('{"\\u0000": 1}', "UNKNOWN_FIELD", "\0"),
        ('{"symbol": 1}', "FIELD_INVALID", "symbol"),
        ('{"symbol": ["A"]}', "FIELD_INVALID", "symbol"),
        ('{"symbol": {"a": 1}}', "FIELD_INVALID", "symbol"),
        ('{"symbol": "\\ud800"}', "FIELD_INVALID", "symbol"),
        ('{"client_order_id": "\\udc00\\ud800"}', "FIELD_INVALID", "client_order_id"),
        ('{"quantity": "\\ud800"}', "FIELD_INVALID", "quantity"),
        ('{"quantity": true}', "FIELD_INVALID", "quantity"),
        ('{"quantity": []}', "FIELD_INVALID", "quantity"),
        ('{"limit_price": {}}', "FIELD_INVALID", "limit_price"),
        ('{"side": 1}', "FIELD_INVALID", "side"),
        ('{"side": true}', "FIELD_INVALID", "side"),
    ],
)
def test_a_wrong_field_is_named(client: httpx.Client, body: str, reason: str, field: str) -> None:
    told, fields = refusal(client.post("/orders", content=body))

    assert (told, fields[0]) == (reason, field)


WHOLE = {"symbol": "AAPL", "side": "BUY", "quantity": "1"}


@pytest.mark.parametrize("interval", ["15M", "15m"])
def test_in_a_url_the_names_of_enum_values_may_be_in_lower_case(
    client: httpx.Client, server: ServerDouble, interval: str
) -> None:
    client.get(f"/bars/AAPL?interval={interval}")

    (call,) = server.calls
    assert call.request == market.ListBarsRequest(symbol="AAPL", interval=bar_pb2.BAR_INTERVAL_15M)


@pytest.mark.parametrize(
    "name",
    [
        "buy",
        "Buy",
        "SIDE_BUY",
        "UNSPECIFIED",
        "SIDE_UNSPECIFIED",
        "",
        "BUY ",
        "1",
        "\uff22\uff35\uff39",
    ],
)
def test_only_the_exact_name_of_an_enum_value_counts(client: httpx.Client, name: str) -> None:
    answer = client.post("/orders", json=WHOLE | {"side": name})

    assert refusal(answer) == ("ENUM_VALUE_UNKNOWN", ["side"])
    assert answer.json()["message"] == "`side` must be one of BUY, SELL."


@pytest.mark.parametrize(
    "number",
    [
        "1e400",
        "1e999999999",
        "1e999999999999999999999999",
        "1e-999999999",
        "1e-999999999999999999999999",
        "-1",
        "-0.5",
        "12345678901",
        "1e10",
        "0.000000001",
        "1.123456789",
        "9999999999.9999999999",
        "4999.999999995",
        "243.85000610351562",
        "0.0000000049999999999",
        pytest.param("9" * 60_000, id="sixty thousand digits"),
        pytest.param("0." + "1" * 60_000, id="sixty thousand decimals"),
    ],
)
def test_a_number_that_no_decimal_field_can_hold_exactly_is_refused(
    client: httpx.Client, number: str
) -> None:
    body = f'{{"symbol": "A", "side": "BUY", "quantity": {number}}}'

    assert refusal(client.post("/orders", content=body)) == ("DECIMAL_INVALID", ["quantity"])


@pytest.mark.parametrize(
    ("number", "taken"),
    [
        ("0.30000000000000004", "0.3"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("185.49999999999997", "185.5"),
        ("3.0000000000000004e-1", "0.3"),
        ("9999999999.999999991", "9999999999.99999999"),
        ("5000.000000005", "5000"),
        ("6000.000000015", "6000.00000002"),
        ("6000.000000025", "6000.00000002"),
        pytest.param("0.1" + "0" * 60_000 + "1", "0.1", id="sixty thousand decimals"),
    ],
)
def test_a_number_loses_the_noise_of_floating_point_and_no_more(
    client: httpx.Client, server: ServerDouble, number: str, taken: str
) -> None:
    client.post("/orders", content=f'{{"symbol": "A", "side": "BUY", "quantity": {number}}}')

    (call,) = server.calls
    assert call.request.quantity == taken  # type: ignore[attr-defined]


def test_a_string_is_exact_or_left_to_the_server_to_refuse(
    client: httpx.Client, server: ServerDouble
) -> None:
    client.post("/orders", json=WHOLE | {"quantity": "0.30000000000000004"})

    (call,) = server.calls
    assert call.request.quantity == "0.30000000000000004"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "value", ["1.0", "1e3", "9223372036854775808", "-9223372036854775809", '"7"', "true", "[1]"]
)
def test_an_integer_is_an_integer_within_its_bits(client: httpx.Client, value: str) -> None:
    body = f'{{"quotes": [{{"sequence": {value}}}]}}'

    reason, fields = refusal(client.post("/quotes", content=body, headers=TOKEN))

    assert (reason, fields[0]) == ("FIELD_INVALID", "quotes[0].sequence")


@pytest.mark.parametrize(
    "time",
    [
        "2025-01-15",
        "2025-01-15T10:00:00",
        "2025-01-15 10:00:00Z",
        "2025-1-15T10:00:00Z",
        "2025-02-30T10:00:00Z",
        "2025-01-15T25:00:00Z",
        "2025-01-15T10:00:60Z",
        "2025-01-15T10:00:00.Z",
        "2025-01-15T10:00:00.1234567890Z",
        "2025-01-15T10:00:00+24:00",
        "2025-01-15T10:00:00+0100",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "\u0662\u0660\u0662\u0665-01-15T10:00:00Z",
        "1736935200",
        "now",
        "",
    ],
)
def test_a_time_is_rfc_3339_with_an_offset(client: httpx.Client, time: str) -> None:
    body = {"quotes": [{"time": time}]}

    reason, fields = refusal(client.post("/quotes", json=body, headers=TOKEN))
    query_reason, query_fields = refusal(client.get("/orders", params={"after": time}))

    assert (reason, fields[0]) == ("FIELD_INVALID", "quotes[0].time")
    assert (query_reason, query_fields) == ("FIELD_INVALID", ["after"])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"quotes": {}}, ["quotes"]),
        ({"quotes": "A"}, ["quotes"]),
        ({"quotes": [1]}, ["quotes[0]"]),
        ({"quotes": [None]}, ["quotes[0]"]),
        ({"quotes": [{}, {"symbol": 1}]}, ["quotes[1].symbol"]),
    ],
)
def test_wrong_items_of_an_array_are_named_by_their_place(
    client: httpx.Client, body: Any, fields: list[str]
) -> None:
    reason, told = refusal(client.post("/quotes", json=body, headers=TOKEN))

    assert (reason, told[: len(fields)]) == ("FIELD_INVALID", fields)


@pytest.mark.parametrize(
    ("path", "reason", "field"),
    [
        ("/orders?limit=%D9%A1%D9%A0", "FIELD_INVALID", "limit"),
        ("/orders?limit=1_000", "FIELD_INVALID", "limit"),
        ("/orders?limit=%2010%20", "FIELD_INVALID", "limit"),
        ("/orders?limit=%2B1", "FIELD_INVALID", "limit"),
        ("/orders?limit=+1", "FIELD_INVALID", "limit"),
        ("/orders?limit=1.0", "FIELD_INVALID", "limit"),
        ("/orders?limit=0x10", "FIELD_INVALID", "limit"),
        ("/orders?limit=", "FIELD_INVALID", "limit"),
        ("/orders?limit", "FIELD_INVALID", "limit"),
        ("/orders?limit=2147483648", "FIELD_INVALID", "limit"),
        ("/orders?limit=" + "9" * 5000, "FIELD_INVALID", "limit"),
        ("/orders?limit=1&limit=2", "FIELD_INVALID", "limit"),
        ("/orders?symbol=A&symbol=A", "FIELD_INVALID", "symbol"),
        ("/orders?status=opened", "ENUM_VALUE_UNKNOWN", "status"),
        ("/orders?status=", "ENUM_VALUE_UNKNOWN", "status"),
        ("/orders?status=UNSPECIFIED", "ENUM_VALUE_UNKNOWN", "status"),
        ("/orders?Limit=1", "UNKNOWN_FIELD", "Limit"),
        ("/orders?page=1", "UNKNOWN_FIELD", "page"),
        ("/orders?%F0%9F%98%80=1", "UNKNOWN_FIELD", "\\U0001f600"),
        ("/account?limit=1", "UNKNOWN_FIELD", "limit"),
        ("/orders/uuid?order_id=other", "UNKNOWN_FIELD", "order_id"),
        ("/order-updates?include_snapshot=1", "FIELD_INVALID", "include_snapshot"),
        ("/order-updates?include_snapshot=True", "FIELD_INVALID", "include_snapshot"),
        ("/order-updates?heartbeat_interval=15", "FIELD_INVALID", "heartbeat_interval"),
        ("/order-updates?heartbeat_interval=-1s", "FIELD_INVALID", "heartbeat_interval"),
        ("/order-updates?after_sequence=1e3", "FIELD_INVALID", "after_sequence"),
    ],
)
def test_a_query_is_as_strict_as_a_body(
    client: httpx.Client, path: str, reason: str, field: str
) -> None:
    assert refusal(client.get(path)) == (reason, [field])


def test_a_query_that_is_not_utf_8_is_malformed(client: httpx.Client) -> None:
    assert refusal(client.get("/orders?symbol=%FF")) == ("MALFORMED_REQUEST", [])


def test_a_call_with_a_body_takes_no_query(client: httpx.Client) -> None:
    answer = client.post("/orders?symbol=AAPL", json=WHOLE)

    assert refusal(answer) == ("UNKNOWN_FIELD", ["symbol"])


def test_a_field_of_the_path_cannot_be_given_again_in_the_body(client: httpx.Client) -> None:
    answer = client.patch("/orders/mine", json={"order_id": "another"})

    assert refusal(answer) == ("UNKNOWN_FIELD", ["order_id"])


def test_all_problems_are_told_and_the_first_of_the_contract_leads(client: httpx.Client) -> None:
    body = '{"side": "HOLD", "quantity": 1e400, "symbol": 5, "qty": 1}'

    answer = client.post("/orders", content=body)

    assert refusal(answer) == ("UNKNOWN_FIELD", ["qty", "symbol", "side", "quantity"])
    assert answer.json()["message"] == "`qty` is not a field of this call."


def test_a_missing_field_comes_before_an_unknown_enum_value(client: httpx.Client) -> None:
    answer = client.post("/orders", json={"symbol": None, "side": "HOLD", "quantity": 1})

    assert refusal(answer) == ("FIELD_REQUIRED", ["symbol", "side"])


@pytest.mark.parametrize("item", ["1", '{"a":1}', '{"symbol":1}'])
def test_a_body_full_of_problems_is_not_answered_by_many_times_its_size(
    client: httpx.Client, item: str
) -> None:
    answer = client.post("/quotes", content=f'{{"quotes": [{",".join([item] * 4000)}]}}')

    assert len(answer.content) < 10_000


def test_names_that_nobody_knows_are_told_up_to_a_bound(client: httpx.Client) -> None:
    answer = client.post("/orders", json={f"x{number}": 1 for number in range(3000)})

    assert len(refusal(answer)[1]) == 20


@pytest.mark.parametrize(
    "body", [{"quotes": [JsonNumber("1")] * 5000}, {f"x{number}": 1 for number in range(5000)}]
)
def test_reading_stops_where_there_are_problems_enough(body: dict[str, object]) -> None:
    """A body of 64 KiB can hold 30 000 of them, at the cost of everyone else's calls."""
    with pytest.raises(Invalid) as caught:
        json_message(market.PublishQuotesRequest.DESCRIPTOR)(body)

    assert len(caught.value.problems) < 30


def test_a_flag_in_a_body_is_true_or_false() -> None:
    fields_of = json_message(trading.StreamOrderUpdatesRequest.DESCRIPTOR)

    assert fields_of({"include_snapshot": True}) == {"include_snapshot": True}
    values: list[object] = ["true", JsonNumber("1"), [], {}]
    for value in values:
        with pytest.raises(Invalid):
            fields_of({"include_snapshot": value})


def test_a_long_name_is_told_back_short(client: httpx.Client) -> None:
    answer = client.post("/orders", json={"x" * 10_000: 1})

    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, 401),
        (grpc.StatusCode.PERMISSION_DENIED, 403),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    ],
)
@pytest.mark.parametrize("path", ["/orders", "/quotes", "/keys"])
def test_credential_and_rate_are_told_before_any_wrong_field(
    client: httpx.Client, server: ServerDouble, code: grpc.StatusCode, status: int, path: str
) -> None:
    for method in ("PlaceOrder", "PublishQuotes", "CreateBotKey"):
        server.outcomes[method] = Failure(code, "SOME_REASON")

    assert client.post(path, content=b"{").status_code == status


def test_a_call_with_a_wrong_field_counts_and_tells_what_is_left(
    client: httpx.Client, server: ServerDouble
) -> None:
    server.trailing = (("x-request-id", "theirs"), ("x-ratelimit-remaining", "19"))

    answer = client.post("/orders", content=b"{")

    assert answer.status_code == 422
    assert server.probed == 1
    assert answer.headers["x-ratelimit-remaining"] == "19"
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "theirs"


def test_a_stream_with_a_wrong_query_is_refused_the_same_way(
    client: httpx.Client, server: ServerDouble
) -> None:
    answer = client.get("/order-updates?after_sequence=x")

    assert refusal(answer) == ("FIELD_INVALID", ["after_sequence"])
    assert server.probed == 1
