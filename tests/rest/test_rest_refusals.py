"""How the server's refusals, and failures that are not the server's own, look over HTTP."""

import json
import time

import grpc
import httpx
import pytest

from tests.rest.support import (
    BOT_KEY,
    TOKEN,
    Failure,
    House,
    RunningBridge,
    ServerDouble,
    started_server,
)

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "reason", "status", "kind"),
    [
        (Code.UNAUTHENTICATED, "BOT_KEY_INVALID", 401, "authentication_error"),
        (Code.PERMISSION_DENIED, "TOKEN_REQUIRED", 403, "permission_error"),
        (Code.NOT_FOUND, "ORDER_NOT_FOUND", 404, "not_found"),
        (Code.ABORTED, "CONFLICT", 409, "validation_error"),
        (Code.OUT_OF_RANGE, "SEQUENCE_IN_FUTURE", 410, "validation_error"),
        (Code.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE", 413, "validation_error"),
        (Code.INVALID_ARGUMENT, "LIMIT_PRICE_REQUIRED", 422, "validation_error"),
        (Code.ALREADY_EXISTS, "CLIENT_ORDER_ID_REUSED", 422, "validation_error"),
        (Code.FAILED_PRECONDITION, "ORDER_NOT_LIVE", 422, "validation_error"),
        (Code.RESOURCE_EXHAUSTED, "ORDER_RATE_EXCEEDED", 429, "rate_limit_error"),
        (Code.RESOURCE_EXHAUSTED, "STREAM_LIMIT_EXCEEDED", 429, "rate_limit_error"),
        (Code.RESOURCE_EXHAUSTED, "DAILY_QUOTA_EXCEEDED", 429, "quota_exceeded"),
        (Code.INTERNAL, "INTERNAL", 500, "server_error"),
        (Code.UNIMPLEMENTED, "NOT_OFFERED", 501, "server_error"),
        (Code.UNAVAILABLE, "UNAVAILABLE", 503, "service_unavailable"),
        (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", 504, "service_unavailable"),
    ],
)
def test_a_refusal_of_the_server_keeps_its_reason_and_message(
    client: httpx.Client, server: ServerDouble, code: Code, reason: str, status: int, kind: str
) -> None:
    server.outcomes["PlaceOrder"] = Failure(code, reason, "Say what to change.")

    answer = client.post("/orders", json={})

    assert answer.status_code == status
    assert answer.json() == {
        "type": kind,
        "message": "Say what to change.",
        "detail": "Say what to change.",
        "error": {
            "type": kind,
            "reason": reason,
            "message": "Say what to change.",
            "violations": [],
        },
        "request_id": answer.headers["x-request-id"],
    }


def test_a_call_that_the_server_did_not_execute_is_marked(
    client: httpx.Client, server: ServerDouble
) -> None:
    metadata = (("executed", "false"),)
    server.outcomes["PlaceOrder"] = Failure(Code.UNAVAILABLE, "UNAVAILABLE", metadata=metadata)

    assert client.post("/orders", json={}).json()["error"]["executed"] is False


def test_violations_name_their_fields(client: httpx.Client, server: ServerDouble) -> None:
    server.outcomes["PlaceOrder"] = Failure(
        Code.INVALID_ARGUMENT,
        "LIMIT_PRICE_REQUIRED",
        violations=(("limit_price", "is required for LIMIT orders"), ("side", "is missing")),
    )

    assert client.post("/orders", json={}).json()["error"]["violations"] == [
        {"field": "limit_price", "message": "is required for LIMIT orders"},
        {"field": "side", "message": "is missing"},
    ]


def test_a_refusal_names_routes_and_no_calls_of_grpc(
    client: httpx.Client, server: ServerDouble
) -> None:
    told = '"ListOrders" is no known symbol; ListInstruments lists them, GetOrder shows one.'
    server.outcomes["PlaceOrder"] = Failure(
        Code.INVALID_ARGUMENT, "SYMBOL_UNKNOWN", told, violations=(("symbol", told),)
    )

    answer = client.post("/orders", json={}).json()

    worded = '"ListOrders" is no known symbol; GET /instruments lists them, GET /orders/{order_id}'
    assert answer["message"] == answer["detail"] == f"{worded} shows one."
    assert answer["error"]["violations"] == [{"field": "symbol", "message": f"{worded} shows one."}]


@pytest.mark.parametrize(
    ("code", "reason", "seconds", "header"),
    [
        (Code.RESOURCE_EXHAUSTED, "ORDER_RATE_EXCEEDED", 12.0, "12"),
        (Code.RESOURCE_EXHAUSTED, "ORDER_RATE_EXCEEDED", 12.000001, "13"),
        (Code.RESOURCE_EXHAUSTED, "ORDER_RATE_EXCEEDED", 0.2, "1"),
        (Code.RESOURCE_EXHAUSTED, "ORDER_RATE_EXCEEDED", 0.0, "1"),
        (Code.RESOURCE_EXHAUSTED, "ORDER_RATE_EXCEEDED", None, "1"),
        (Code.UNAVAILABLE, "UNAVAILABLE", 2.5, "3"),
        (Code.UNAVAILABLE, "", None, "1"),
        (Code.INVALID_ARGUMENT, "FIELD_INVALID", 5.0, None),
    ],
)
def test_retry_after_is_in_whole_seconds_rounded_up_where_a_retry_helps(
    client: httpx.Client,
    server: ServerDouble,
    code: Code,
    reason: str,
    seconds: float | None,
    header: str | None,
) -> None:
    server.outcomes["PlaceOrder"] = Failure(code, reason, retry_seconds=seconds)

    assert client.post("/orders", json={}).headers.get("retry-after") == header


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (Code.UNKNOWN, 500, "INTERNAL"),
        (Code.INTERNAL, 500, "INTERNAL"),
        (Code.DATA_LOSS, 500, "INTERNAL"),
        (Code.UNIMPLEMENTED, 501, "NOT_OFFERED"),
        (Code.CANCELLED, 503, "UNAVAILABLE"),
        (Code.UNAVAILABLE, 503, "UNAVAILABLE"),
        (Code.RESOURCE_EXHAUSTED, 429, "REQUEST_RATE_EXCEEDED"),
        (Code.DEADLINE_EXCEEDED, 504, "DEADLINE_EXCEEDED"),
        (Code.INVALID_ARGUMENT, 422, "MALFORMED_REQUEST"),
    ],
)
@pytest.mark.parametrize("domain", ["", "elsewhere"])
def test_text_that_is_not_the_servers_own_is_never_told(
    client: httpx.Client,
    server: ServerDouble,
    code: Code,
    status: int,
    reason: str,
    domain: str,
) -> None:
    secret = "sqlite3.OperationalError: near SELECT"
    theirs = "THEIR_REASON" if domain else ""
    server.outcomes["PlaceOrder"] = Failure(code, theirs, secret, domain=domain)

    answer = client.post("/orders", json={})

    assert answer.status_code == status
    assert answer.json()["error"]["reason"] == reason
    assert "SELECT" not in answer.text
    assert "THEIR_REASON" not in answer.text


def test_a_message_too_large_for_grpc_is_413(client: httpx.Client, server: ServerDouble) -> None:
    server.outcomes["PlaceOrder"] = Failure(
        Code.RESOURCE_EXHAUSTED, message="SERVER: Received message larger than max (9 vs. 8)"
    )

    answer = client.post("/orders", json={})

    assert (answer.status_code, answer.json()["error"]["reason"]) == (413, "MESSAGE_TOO_LARGE")


def test_rates_are_told_under_both_names_with_a_refusal_too(
    client: httpx.Client, server: ServerDouble
) -> None:
    server.trailing = (
        ("x-request-id", "theirs"),
        ("x-ratelimit-limit", "20"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1736935260"),
    )
    for outcome in (None, Failure(Code.RESOURCE_EXHAUSTED, "ORDER_RATE_EXCEEDED")):
        if outcome is not None:
            server.outcomes["PlaceOrder"] = outcome

        headers = client.post("/orders", json={}).headers

        assert headers["x-request-id"] == "theirs"
        for prefix in ("x-ratelimit", "x-vq-ratelimit"):
            assert headers[f"{prefix}-limit"] == "20"
            assert headers[f"{prefix}-remaining"] == "0"
            assert headers[f"{prefix}-reset"] == "1736935260"


def test_a_call_past_its_deadline_says_that_the_outcome_is_unknown(
    strict_bridge: RunningBridge, server: ServerDouble
) -> None:
    server.held.add("PlaceOrder")

    url = strict_bridge.url + "/api/v1/bot/orders"
    answer = httpx.post(url, json={}, headers=TOKEN, verify=False)

    assert answer.status_code == 504
    assert "client_order_id" in answer.json()["message"]


def statuses_at_once(bridge: RunningBridge, count: int) -> list[bytes]:
    """Make calls at one moment; return the status of each."""
    return [answer[9:12] for answer in answers_at_once(bridge, count)]


def answers_at_once(bridge: RunningBridge, count: int) -> list[bytes]:
    """Make calls at one moment, each on a connection of its own."""
    call = b"GET /api/v1/bot/account HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: k\r\n\r\n"
    connections = [bridge.connect() for _ in range(count)]
    for connection in connections:
        connection.sendall(call)
    answers = [connection.recv(65536) for connection in connections]
    for connection in connections:
        connection.close()
    return answers


def test_more_calls_than_a_connection_takes_wait_for_their_turn(
    house: House, server: ServerDouble
) -> None:
    """Sent at once, they would exceed the limit of streams: a 503 that nobody caused."""
    running, port = house.run(
        started_server("127.0.0.1:0", server, ("grpc.max_concurrent_streams", 2))
    )
    bridge = house.bridge(
        target=f"127.0.0.1:{port}", upstream_channels=1, upstream_calls_per_channel_max=2
    )
    statuses = [status for _ in range(5) for status in statuses_at_once(bridge, 40)]
    bridge.close()
    house.run(running.stop(None))

    assert set(statuses) == {b"200"}


def test_a_call_that_finds_no_place_in_time_is_503(
    house: House, target: str, server: ServerDouble
) -> None:
    server.held.add("GetAccount")
    bridge = house.bridge(
        target=target,
        upstream_channels=1,
        upstream_calls_per_channel_max=1,
        upstream_deadline_seconds=0.2,
    )
    answers = answers_at_once(bridge, 6)
    bridge.close()

    assert {answer[9:12] for answer in answers} == {b"503", b"504"}
    bodies = [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    # Those that found a place were sent: their outcome is unknown.
    assert {(body["error"]["reason"], body["error"].get("executed")) for body in bodies} == {
        ("UNAVAILABLE", False),
        ("DEADLINE_EXCEEDED", None),
    }


def test_a_server_that_is_away_is_503_and_is_found_again_when_it_is_back(
    house: House, server: ServerDouble
) -> None:
    first, port = house.run(started_server("127.0.0.1:0", server))
    bridge = house.bridge(target=f"127.0.0.1:{port}")
    with httpx.Client(base_url=bridge.url, headers=TOKEN, verify=False) as client:
        path = "/api/v1/bot/account"
        before = client.get(path)
        house.run(first.stop(None))
        away = client.get(path)
        ready = client.get("/readyz")
        second, _ = house.run(started_server(f"127.0.0.1:{port}", server))
        deadline = time.monotonic() + 10
        while client.get(path).status_code != 200:
            assert time.monotonic() < deadline
    bridge.close()
    house.run(second.stop(None))

    assert before.status_code == 200
    assert away.status_code == ready.status_code == 503
    assert away.headers["retry-after"] == "1"
    assert str(port) not in away.text


def test_a_bug_is_500_with_an_id_that_stands_in_the_log(
    client: httpx.Client, server: ServerDouble, caplog: pytest.LogCaptureFixture
) -> None:
    server.outcomes["GetAccount"] = b"\xff no message"

    answer = client.get("/account")

    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "type": "server_error",
        "reason": "INTERNAL",
        "message": "Internal error. Quote the request id to the operator.",
        "violations": [],
    }
    assert answer.json()["request_id"] in caplog.text
    assert BOT_KEY["X-Bot-Key"] not in caplog.text
