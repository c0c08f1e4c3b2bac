"""Streams through real processes: draining, a crash of each process, revocation, and logs."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from tests.support.process import (
    POLL_SECONDS,
    START_SECONDS_MAX,
    Process,
    bridge,
    channel,
    make_key,
)
from tests.support.venue import Told, told

PREFIX = "/api/trade/v1/bot"
STREAM_SECONDS_MAX = 30


@pytest.fixture
def service(data_dir: Path) -> Iterator[Process]:
    with Process(data_dir, rest=True) as process:
        yield process


def place(service: Process, key: str) -> None:
    """Place an order that rests, which makes one event; try again while the engine is away."""
    order = bot_trading_pb2.PlaceOrderRequest(
        symbol="AAPL",
        side=order_pb2.SIDE_BUY,
        quantity="1",
        limit_price="1",
        order_type=order_pb2.ORDER_TYPE_LIMIT,
        client_order_id=str(time.monotonic()),
    )
    deadline = time.monotonic() + START_SECONDS_MAX
    with channel(service.grpc) as opened:
        stub = bot_trading_pb2_grpc.BotTradingStub(opened)
        while True:
            try:
                stub.PlaceOrder(order, metadata=(("x-bot-key", key),), wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
            else:
                return


@contextmanager
def grpc_stream(service: Process, key: str, after: int = 0) -> Iterator[Any]:
    request = bot_trading_pb2.StreamOrderUpdatesRequest(after_sequence=after)
    with channel(service.grpc) as opened:
        yield bot_trading_pb2_grpc.BotTradingStub(opened).StreamOrderUpdates(
            request, metadata=(("x-bot-key", key),), timeout=STREAM_SECONDS_MAX
        )


@contextmanager
def events(
    url: str, key: str, path: str = "/order-updates?after_sequence=0"
) -> Iterator[Iterator[tuple[str, int]]]:
    """Open a stream over REST; yield its events as (name, id), the first one too."""
    with httpx.stream(
        "GET", f"{url}{PREFIX}{path}", headers={"X-Bot-Key": key}, timeout=STREAM_SECONDS_MAX
    ) as answer:
        assert answer.status_code == 200
        yield named(answer.iter_lines())


def named(lines: Iterator[str]) -> Iterator[tuple[str, int]]:
    sequence = 0
    for line in lines:
        if line.startswith("id: "):
            sequence = int(line.removeprefix("id: "))
        elif line.startswith("event: "):
            yield line.removeprefix("event: "), sequence


def ending(stream: Any) -> Told:
    """Read a stream to its end; return its final status."""
    try:
        for _ in stream:
            pass
    except grpc.RpcError as error:
        return told(error)
    raise AssertionError("the stream ended without a reason")


def test_sigterm_ends_streams_with_what_to_resume_after_and_at_once(service: Process) -> None:
    key = make_key(service)
    place(service, key)
    with (
        grpc_stream(service, key) as updates,
        events(f"http://{service.rest}", key) as over_rest,
    ):
        assert [next(updates).sequence for _ in range(3)] == [0, 1, 2]
        assert [next(over_rest)[1] for _ in range(3)] == [0, 1, 2]
        begun = time.monotonic()
        status = service.stop()
        why = ending(updates)
        rest = list(over_rest)

    assert status == 0
    assert time.monotonic() - begun < 5, "idle streams held up the end"
    assert (why.code, why.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert why.last_sequence == "2"
    assert rest == []


def test_streams_outlive_the_engine(service: Process) -> None:
    """The engine only decides and writes; streams read the log on disk."""
    key = make_key(service)
    with (
        grpc_stream(service, key) as updates,
        events(f"http://{service.rest}", key) as over_rest,
    ):
        assert [next(updates).sequence for _ in range(2)] == [0, 1]
        assert [next(over_rest)[1] for _ in range(2)] == [0, 1]
        os.kill(service.engine(), signal.SIGKILL)
        place(service, key)

        assert next(updates).sequence == 2
        assert next(over_rest) == ("order_update", 2)


def test_a_revoked_key_ends_its_streams_within_two_seconds(service: Process) -> None:
    key = make_key(service)
    bearer = {"Authorization": f"Bearer {service.token('ada')}"}
    keys = f"http://{service.rest}{PREFIX}/keys"
    with (
        grpc_stream(service, key) as updates,
        events(f"http://{service.rest}", key) as over_rest,
    ):
        assert next(updates).sequence == next(over_rest)[1] == 0
        begun = time.monotonic()
        (made,) = httpx.get(keys, headers=bearer).json()
        assert httpx.delete(f"{keys}/{made['id']}", headers=bearer).status_code == 200
        why, rest = ending(updates), list(over_rest)

    assert time.monotonic() - begun < 2
    assert (why.code, why.reason) == (grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID")
    assert [name for name, _ in rest] == ["account_update"]


def test_a_bridge_apart_carries_its_streams_over_a_crash_of_the_server(data_dir: Path) -> None:
    """Clients of the bridge see neither a break nor a gap."""
    with Process(data_dir) as service, bridge(service.grpc) as url:
        key = make_key(service)
        with events(url, key) as stream, events(url, key, "/quote-updates?symbols=AAPL") as quotes:
            seen = [next(stream) for _ in range(2)]
            assert next(quotes)[0] == "quote"
            for _ in range(2):
                service.kill()
                service.start()
                place(service, key)
                seen.append(next(stream))
            assert next(quotes)[0] == "quote"

    assert seen == [
        ("subscribed", 0),
        ("account_update", 1),
        ("order_update", 2),
        ("order_update", 3),
    ]


def test_neither_keys_nor_tickets_stand_in_logs(service: Process) -> None:
    key = make_key(service)
    url = f"http://{service.rest}{PREFIX}"
    made = httpx.post(f"{url}/stream-tickets", headers={"X-Bot-Key": key})
    ticket = made.json()["ticket"]
    with httpx.stream("GET", f"{url}/order-updates?ticket={ticket}") as answer:
        assert answer.status_code == 200
        assert "retry" in next(answer.iter_lines())
    refused = httpx.get(f"{url}/order-updates?ticket={ticket}x")
    service.stop()
    log = service.log.read_text()

    assert (made.status_code, refused.status_code) == (201, 401)
    assert json.dumps("StreamOrderUpdates") in log
    assert key not in log
    assert ticket not in log
    assert ticket not in refused.text
