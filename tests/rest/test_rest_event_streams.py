"""Streams as Server-Sent Events: their frames, where they resume, and how they end."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import (
    account_pb2,
    bot_trading_pb2,
    market_data_pb2,
    order_pb2,
    order_update_pb2,
    quote_pb2,
)
from tests.rest.support import (
    BOT_KEY,
    HOLD,
    OPEN,
    PREFIX,
    Failure,
    House,
    RunningBridge,
    ServerDouble,
    started_server,
)

Update = bot_trading_pb2.StreamOrderUpdatesResponse
NOON = Timestamp(seconds=1_795_089_600)
SUBSCRIBED = Update(sequence=7, subscribed=bot_trading_pb2.StreamSubscribed(time=NOON))
UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
WAIT_SECONDS = 10


def update(sequence: int) -> Update:
    order = order_pb2.Order(id="o", symbol="AAPL")
    kind = order_update_pb2.ORDER_UPDATE_TYPE_ACCEPTED
    return Update(
        sequence=sequence, order_update=order_update_pb2.OrderUpdate(type=kind, order=order)
    )


def halted(sequence: int) -> Update:
    changed = order_update_pb2.AccountUpdate(
        type=order_update_pb2.ACCOUNT_UPDATE_TYPE_TRADING_STATE,
        balance="1.00",
        trading_state=account_pb2.TRADING_STATE_HALTED,
        margin_mode=account_pb2.MARGIN_MODE_CASH,
        time=NOON,
        transaction_end=sequence,
    )
    return Update(sequence=sequence, account_update=changed)


@contextmanager
def events(
    bridge: RunningBridge, path: str = "/order-updates", **headers: str
) -> Iterator[tuple[httpx.Response, Iterator[dict[str, str]]]]:
    """Open a stream; yield its answer and its events, each as its fields."""
    with (
        httpx.Client(timeout=WAIT_SECONDS, verify=False) as client,
        client.stream("GET", bridge.url + PREFIX + path, headers={**BOT_KEY, **headers}) as answer,
    ):
        yield answer, fields_of(answer.iter_lines())


def fields_of(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            yield fields
            fields = {}


def test_a_message_is_an_event_named_by_its_field_with_its_sequence_as_id(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    beat = Update(sequence=9, heartbeat=bot_trading_pb2.StreamHeartbeat(time=NOON))
    snapshot = Update(sequence=7, snapshot_order=order_pb2.Order(id="o", symbol="MSFT"))
    server.scripts = [[OPEN, SUBSCRIBED, snapshot, update(8), halted(9), beat]]
    with events(bridge) as (_, stream):
        retry, *told = list(stream)

    assert retry == {"retry": "1000"}
    assert [(it["event"], it["id"]) for it in told] == [
        ("subscribed", "7"),
        ("snapshot_order", "7"),
        ("order_update", "8"),
        ("account_update", "9"),
        ("heartbeat", "9"),
    ]
    data = [json.loads(it["data"]) for it in told]
    assert data[0] == data[4] == {"time": "2026-11-19T12:00:00Z"}
    assert data[1]["symbol"] == "MSFT"
    assert (data[2]["type"], data[2]["order"]["limit_price"], data[2]["fill"]) == (
        "ACCEPTED",
        None,
        None,
    )
    assert data[3] == {
        "type": "TRADING_STATE",
        "amount": None,
        "balance": "1.00",
        "trading_state": "HALTED",
        "settlement": None,
        "time": "2026-11-19T12:00:00Z",
        "transaction_end": 9,
        "missed_steps": None,
        "margin_mode": "CASH",
        "interest": None,
        "margin_call": None,
    }


def test_quotes_are_events_without_ids(bridge: RunningBridge, server: ServerDouble) -> None:
    quote = market_data_pb2.StreamQuotesResponse(quote=quote_pb2.Quote(symbol="AAPL", bid="1.0"))
    beat = market_data_pb2.StreamQuotesResponse(heartbeat=market_data_pb2.QuoteHeartbeat(time=NOON))
    server.scripts = [[OPEN, quote, beat]]
    with events(bridge, "/quote-updates?symbols=AAPL") as (_, stream):
        _, first, second = list(stream)

    assert first.keys() == second.keys() == {"event", "data"}
    assert (first["event"], json.loads(first["data"])["bid"]) == ("quote", "1.0")
    assert (second["event"], json.loads(second["data"])) == (
        "heartbeat",
        {"time": "2026-11-19T12:00:00Z"},
    )


def test_a_stream_is_open_before_there_is_anything_to_send_and_nobody_keeps_it(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    server.trailing = (("x-ratelimit-limit", "120"),)
    server.scripts = [[OPEN, HOLD]]
    with events(bridge) as (answer, _):
        headers = answer.headers

    assert answer.status_code == 200
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"] == "theirs"
    assert headers["x-ratelimit-limit"] == headers["x-vq-ratelimit-limit"] == "120"


def test_a_client_that_leaves_ends_its_stream(bridge: RunningBridge, server: ServerDouble) -> None:
    server.scripts = [[OPEN, HOLD]]
    with events(bridge):
        assert server.arrived.wait(WAIT_SECONDS)
        assert not server.left.is_set()

    assert server.left.wait(WAIT_SECONDS)


@pytest.mark.parametrize(
    ("query", "last_event_id", "after"),
    [
        ("", None, None),
        ("?after_sequence=3", None, 3),
        ("?after_sequence=3", "12", 12),
        ("", "12", 12),
        ("?symbols=A&after_sequence=3&after_sequence=4", "0", 0),
        ("?after_sequence=3", "", 3),
    ],
)
def test_the_last_event_id_wins_over_the_query(
    bridge: RunningBridge,
    server: ServerDouble,
    query: str,
    last_event_id: str | None,
    after: int | None,
) -> None:
    server.scripts = [[OPEN]]
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    with events(bridge, f"/order-updates{query}", **headers) as (_, stream):
        list(stream)

    request: Any = server.calls[0].request
    assert (request.after_sequence if request.HasField("after_sequence") else None) == after


@pytest.mark.parametrize("event_id", ["x", "1.5", "-", "9" * 30, "1&symbols=A"])
def test_a_last_event_id_that_is_no_sequence_is_422(
    bridge: RunningBridge, server: ServerDouble, event_id: str
) -> None:
    with events(bridge, **{"Last-Event-ID": event_id}) as (answer, _):
        answer.read()

    assert (answer.status_code, answer.json()["error"]["violations"][0]["field"]) == (
        422,
        "after_sequence",
    )


def test_a_last_event_id_means_nothing_to_a_stream_without_sequences(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    server.scripts = [[OPEN]]
    with events(bridge, "/quote-updates?symbols=A", **{"Last-Event-ID": "x"}) as (answer, _):
        assert answer.status_code == 200


def test_a_stream_that_its_server_ends_for_a_while_goes_on_where_it_was(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    """This happens when a connection reaches its age or the server restarts; the client sees
    nothing.
    """
    resumed = Update(sequence=8, subscribed=bot_trading_pb2.StreamSubscribed(time=NOON))
    server.scripts = [
        [OPEN, SUBSCRIBED, update(8), UNAVAILABLE],
        [UNAVAILABLE],
        [OPEN, resumed, update(9)],
    ]
    with events(bridge, "/order-updates?symbols=AAPL") as (_, stream):
        _, *told = list(stream)

    assert [(it["event"], it["id"]) for it in told] == [
        ("subscribed", "7"),
        ("order_update", "8"),
        ("order_update", "9"),
    ]
    assert [call.request for call in server.calls] == [
        bot_trading_pb2.StreamOrderUpdatesRequest(symbols=["AAPL"]),
        bot_trading_pb2.StreamOrderUpdatesRequest(symbols=["AAPL"], after_sequence=8),
        bot_trading_pb2.StreamOrderUpdatesRequest(symbols=["AAPL"], after_sequence=8),
    ]
    assert all(call.all("x-bot-key") == [BOT_KEY["X-Bot-Key"]] for call in server.calls)


@pytest.mark.parametrize("reason", ["READER_TOO_SLOW", "BOT_KEY_INVALID", "INTERNAL"])
def test_a_stream_that_its_server_ends_for_good_ends(
    bridge: RunningBridge, server: ServerDouble, reason: str
) -> None:
    server.scripts = [[OPEN, SUBSCRIBED, Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, reason)]]
    with events(bridge) as (answer, stream):
        _, *told = list(stream)

    assert [it["event"] for it in told] == ["subscribed"]
    assert answer.is_closed
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_IN_FUTURE", 410),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "STREAM_LIMIT_EXCEEDED", 429),
        (grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID", 401),
        (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", 503),
    ],
)
def test_a_stream_that_is_refused_is_a_refusal_in_json(
    bridge: RunningBridge, server: ServerDouble, code: grpc.StatusCode, reason: str, status: int
) -> None:
    server.scripts = [[Failure(code, reason, "Told.")]]
    with events(bridge) as (answer, _):
        answer.read()

    assert (answer.status_code, answer.json()["error"]["reason"]) == (status, reason)
    assert answer.json()["message"] == "Told."
    assert ("www-authenticate" in answer.headers) is (status == 401)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/order-updates", {**BOT_KEY, "Last-Event-ID": "7"}),
        ("/order-updates?ticket=t", {}),
        ("/quote-updates?symbols=A&ticket=t", {}),
    ],
)
def test_a_browser_is_let_come_again_while_the_server_is_away(
    bridge: RunningBridge, server: ServerDouble, path: str, headers: dict[str, str]
) -> None:
    """A browser would not reconnect after a refusal."""
    server.scripts = [[UNAVAILABLE]]
    answer = httpx.get(bridge.url + PREFIX + path, headers=headers, verify=False)

    assert (answer.status_code, answer.text) == (200, "retry: 1000\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_browser_is_refused_what_it_may_not_have(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    server.scripts = [[Failure(grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID")]]
    url = f"{bridge.url}{PREFIX}/order-updates?ticket=t"

    assert httpx.get(url, verify=False).status_code == 401


def test_a_message_that_only_a_newer_bridge_knows_is_left_out(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    server.scripts = [[OPEN, SUBSCRIBED, Update(sequence=8), update(9)]]
    with events(bridge) as (_, stream):
        _, *told = list(stream)

    assert [it["id"] for it in told] == ["7", "9"]


@pytest.mark.parametrize("path", ["/order-updates", "/quote-updates?symbols=A"])
def test_a_head_request_is_told_the_headers_of_a_stream_and_ends(
    client: httpx.Client, server: ServerDouble, path: str
) -> None:
    server.scripts = [[OPEN, HOLD]]
    answer = client.head(path)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert server.left.wait(WAIT_SECONDS)


def test_a_bridge_that_stops_ends_its_streams(
    house: House, target: str, server: ServerDouble
) -> None:
    bridge = house.bridge(target=target)
    server.scripts = [[OPEN, SUBSCRIBED, HOLD]]
    with events(bridge) as (_, stream):
        assert [next(stream)["retry"], next(stream)["event"]] == ["1000", "subscribed"]
        bridge.close()
        assert list(stream) == []

    assert server.left.wait(WAIT_SECONDS)


def test_a_client_that_takes_nothing_does_not_hold_up_the_end(
    house: House, target: str, server: ServerDouble
) -> None:
    bridge = house.bridge(target=target, drain_seconds=60, untaken_answer_seconds=0.1)
    large = update(8)
    large.order_update.order.client_order_id = "x" * 100_000
    server.scripts = [[OPEN, *[large] * 100, HOLD]]
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", bridge.port))
        request = f"GET {PREFIX}/order-updates HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: k\r\n\r\n"
        deaf.sendall(request.encode())
        assert deaf.recv(1) == b"H"
        begun = time.monotonic()
        bridge.close()

    assert not server.arrived.is_set(), "all was taken"
    assert time.monotonic() - begun < WAIT_SECONDS


def test_more_streams_than_a_connection_carries_have_connections_of_their_own(
    house: House, server: ServerDouble
) -> None:
    running, port = house.run(
        started_server("127.0.0.1:0", server, ("grpc.max_concurrent_streams", 2))
    )
    bridge = house.bridge(target=f"127.0.0.1:{port}", upstream_calls_per_channel_max=2)
    server.scripts = [[OPEN, SUBSCRIBED, HOLD] for _ in range(5)]
    opened = [events(bridge) for _ in range(5)]
    try:
        for manager in opened:
            _, stream = manager.__enter__()
            assert [it["event"] for it in (next(stream), next(stream)) if "event" in it]
    finally:
        for manager in opened:
            manager.__exit__(None, None, None)
        bridge.close()
        house.run(running.stop(None))
