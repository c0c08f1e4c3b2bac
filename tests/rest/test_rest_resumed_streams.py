"""Streams that the bridge resumes, and streams whose clients leave at a bad moment."""

import socket
import time
from typing import Any

import grpc
import httpx
import pytest

from bottrading.v1 import bot_trading_pb2, order_pb2
from rest_bridge.settings import Settings
from rest_bridge.upstream import Upstream
from tests.rest.support import (
    HOLD,
    OPEN,
    PREFIX,
    Failure,
    House,
    RunningBridge,
    ServerDouble,
)
from tests.rest.test_rest_event_streams import SUBSCRIBED, UNAVAILABLE, WAIT_SECONDS, events, update

SNAPSHOT = bot_trading_pb2.StreamOrderUpdatesResponse(
    sequence=7, snapshot_order=order_pb2.Order(id="o", symbol="AAPL")
)
OPENING = f"GET {PREFIX}/order-updates HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: k\r\n\r\n".encode()


def names(bridge: RunningBridge, path: str = "/order-updates") -> list[tuple[str, str]]:
    """Follow a stream to its end; return the names and ids of its events."""
    with events(bridge, path) as (_, stream):
        _, *told = list(stream)
    return [(it["event"], it["id"]) for it in told]


def test_a_stream_that_ended_before_it_said_anything_begins_when_it_is_resumed(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    server.scripts = [[OPEN, UNAVAILABLE], [OPEN, SUBSCRIBED, update(8)]]

    assert names(bridge) == [("subscribed", "7"), ("order_update", "8")]


def test_a_stream_that_opens_and_ends_at_once_is_opened_ever_more_slowly(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    server.scripts = [[OPEN, UNAVAILABLE], [OPEN, UNAVAILABLE], [OPEN, SUBSCRIBED]]
    begun = time.monotonic()

    assert names(bridge) == [("subscribed", "7")]
    assert time.monotonic() - begun > 0.5


def test_a_stream_whose_resumption_is_refused_for_its_rate_is_resumed_a_little_later(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    full = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "REQUEST_RATE_EXCEEDED", retry_seconds=1)
    server.scripts = [[OPEN, SUBSCRIBED, UNAVAILABLE], [full], [OPEN, SUBSCRIBED, update(8)]]

    assert names(bridge) == [("subscribed", "7"), ("order_update", "8")]


@pytest.mark.parametrize(
    ("told", "again"), [([SNAPSHOT], True), ([SNAPSHOT, update(8)], False), ([], True)]
)
def test_a_resumed_stream_asks_for_its_snapshot_again_until_it_was_sent_whole(
    bridge: RunningBridge, server: ServerDouble, told: list[Any], *, again: bool
) -> None:
    server.scripts = [[OPEN, SUBSCRIBED, *told, UNAVAILABLE], [OPEN]]
    names(bridge, "/order-updates?include_snapshot=true")

    resumed: Any = server.calls[1].request
    assert resumed.include_snapshot is again


def test_a_stream_is_resumed_with_the_ticket_that_the_server_gave(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    """The browser's ticket has expired by then, and this one stays between server and bridge."""
    server.trailing = (("x-stream-ticket", "given"),)
    server.scripts = [[OPEN, SUBSCRIBED, UNAVAILABLE], [OPEN, update(8)]]
    url = f"{bridge.url}{PREFIX}/order-updates?ticket=asked"
    answer = httpx.get(url, verify=False, timeout=WAIT_SECONDS)

    assert [call.all("x-stream-ticket") for call in server.calls] == [["asked"], ["given"]]
    assert "given" not in answer.text + str(answer.headers)


def test_a_client_that_leaves_before_its_stream_is_open_ends_the_opening(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    server.scripts = [[HOLD]]
    with bridge.connect() as connection:
        connection.sendall(OPENING)
        assert server.arrived.wait(WAIT_SECONDS)

    assert server.left.wait(WAIT_SECONDS)


def test_a_client_that_leaves_with_a_second_request_under_way_ends_its_stream(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    server.scripts = [[OPEN, SUBSCRIBED, HOLD]]
    with bridge.connect() as connection:
        connection.sendall(OPENING + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert server.arrived.wait(WAIT_SECONDS)
        connection.shutdown(socket.SHUT_RDWR)

    assert server.left.wait(WAIT_SECONDS)


def test_a_bridge_that_stops_waits_for_no_stream_that_is_being_opened(
    house: House, target: str, server: ServerDouble
) -> None:
    bridge = house.bridge(target=target, drain_seconds=60)
    server.scripts = [[HOLD]]
    with bridge.connect() as connection:
        connection.sendall(OPENING)
        assert server.arrived.wait(WAIT_SECONDS)
        begun = time.monotonic()
        bridge.close()
        answer = connection.recv(65536)

    assert time.monotonic() - begun < WAIT_SECONDS
    assert answer.startswith(b"HTTP/1.1 503 ")


def test_channels_that_carry_no_stream_any_more_are_closed(
    house: House, target: str, server: ServerDouble
) -> None:
    server.scripts = [[OPEN, HOLD] for _ in range(3)]

    async def channels_left() -> int:
        upstream = Upstream(Settings(target=target, upstream_calls_per_channel_max=1))
        await upstream.open()
        rpc = "/bottrading.v1.BotTrading/StreamOrderUpdates"
        opened = [await upstream.stream(rpc, b"", (("x-bot-key", "k"),)) for _ in range(3)]
        assert len(upstream._stream_lanes) == 3
        for stream in opened:
            stream.close()
        left = len(upstream._stream_lanes)
        await upstream.close()
        return left

    assert house.run(channels_left()) == 1
