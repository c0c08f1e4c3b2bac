"""Connections beyond the bridge's limit: which are closed, and which are never refused."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import grpc
import httpx
import pytest

from rest_bridge.places import network_of
from tests.rest.support import BOT_KEY, Failure, House, RunningBridge, ServerDouble, received

PLACES = 12
ACCOUNT = b"GET /api/v1/bot/account HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: tvt_test\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
DOCUMENT = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_A_HEAD = b"GET /api/v1/bot/account HTTP/1.1\r\nX-Slow: "
HALF_A_BODY = (
    b"POST /api/v1/bot/orders HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: guessed\r\n"
    b"Content-Length: 10\r\n\r\n{"
)
OK = b"HTTP/1.1 200 "


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def small_bridge(
    house: House, target: str, server: ServerDouble
) -> Iterator[Callable[..., RunningBridge]]:
    """Make bridges with few places and long timeouts, so that waiting for one fails the test."""
    bridges: list[RunningBridge] = []

    def make(**settings: int) -> RunningBridge:
        patient = {"stranger_keep_alive_seconds": 60, "request_deadline_seconds": 60}
        bridges.append(house.bridge(target=target, connections_max=PLACES, **(patient | settings)))
        return bridges[-1]

    yield make
    for bridge in bridges:
        bridge.close()


def connected(
    bridge: RunningBridge, opened: ExitStack, first: bytes = b"", source: str = "127.0.0.1"
) -> socket.socket:
    connection = opened.enter_context(
        socket.create_connection(("127.0.0.1", bridge.port), 10, (source, 0))
    )
    connection.sendall(first)
    return connection


def answered(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    return connection.recv(65536)


def is_ended(connection: socket.socket) -> bool:
    """Tell whether the bridge ends a connection; wait for it for as long as sockets wait."""
    try:
        return not received(connection)
    except ConnectionResetError:
        return True


def asked_by_a_customer(bridge: RunningBridge) -> int:
    url = bridge.url + "/api/v1/bot/account"
    return httpx.get(url, headers=BOT_KEY, verify=False, timeout=10).status_code


@pytest.mark.parametrize(
    "sources", [["127.0.0.1"], [f"127.0.0.{number}" for number in range(2, 40)]]
)
@pytest.mark.parametrize(
    "first", [b"", HALF_A_HEAD, HALF_A_BODY, HEALTH], ids=["nothing", "head", "body", "healthz"]
)
def test_a_customer_is_answered_at_once_beside_any_number_of_idle_connections(
    small_bridge: Callable[..., RunningBridge],
    opened: ExitStack,
    first: bytes,
    sources: list[str],
) -> None:
    bridge = small_bridge()
    for number in range(3 * PLACES):
        stranger = connected(bridge, opened, first, sources[number % len(sources)])
        if first == HEALTH:
            assert stranger.recv(65536).startswith(OK)

    assert [asked_by_a_customer(bridge) for _ in range(3)] == [200, 200, 200]


def test_the_idlest_stranger_makes_room(
    small_bridge: Callable[..., RunningBridge], opened: ExitStack
) -> None:
    bridge = small_bridge()
    strangers = [connected(bridge, opened) for _ in range(PLACES)]
    for lively in (strangers[0], *strangers[2:]):
        assert answered(lively, HEALTH).startswith(OK)

    newest = connected(bridge, opened, ACCOUNT)

    assert newest.recv(65536).startswith(OK)
    assert is_ended(strangers[1])
    assert answered(strangers[0], HEALTH).startswith(OK)


def test_strangers_make_no_room_in_the_place_of_customers(
    small_bridge: Callable[..., RunningBridge], opened: ExitStack
) -> None:
    bridge = small_bridge()
    customers = [connected(bridge, opened, ACCOUNT) for _ in range(PLACES - 1)]
    assert all(customer.recv(65536).startswith(OK) for customer in customers)

    for _ in range(2 * PLACES):
        assert answered(connected(bridge, opened), HEALTH).startswith(OK)

    assert all(answered(customer, ACCOUNT).startswith(OK) for customer in customers)


def test_a_credential_that_the_server_refuses_makes_no_customer(
    small_bridge: Callable[..., RunningBridge], opened: ExitStack, server: ServerDouble
) -> None:
    bridge = small_bridge()
    customer = connected(bridge, opened)
    assert answered(customer, ACCOUNT).startswith(OK)
    server.outcomes["GetAccount"] = Failure(grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID")
    for _ in range(2 * PLACES):
        assert answered(connected(bridge, opened), ACCOUNT).startswith(b"HTTP/1.1 401 ")
    server.outcomes.clear()

    assert answered(customer, ACCOUNT).startswith(OK)


def test_among_customers_alone_the_idlest_between_requests_makes_room(
    small_bridge: Callable[..., RunningBridge], opened: ExitStack
) -> None:
    bridge = small_bridge()
    customers = [connected(bridge, opened) for _ in range(PLACES)]
    for customer in customers:
        assert answered(customer, ACCOUNT).startswith(OK)
    assert answered(customers[0], ACCOUNT).startswith(OK)

    assert asked_by_a_customer(bridge) == 200

    assert is_ended(customers[1])
    assert answered(customers[0], ACCOUNT).startswith(OK)


def test_nobody_makes_room_while_a_call_is_answered(
    small_bridge: Callable[..., RunningBridge], opened: ExitStack, server: ServerDouble
) -> None:
    bridge = small_bridge(drain_seconds=1)
    server.held.add("GetAccount")
    callers = []
    for _ in range(PLACES):
        server.arrived.clear()
        callers.append(connected(bridge, opened, ACCOUNT))
        assert server.arrived.wait(10)

    answer = bridge.exchange(b"")

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert (error["reason"], error["executed"]) == ("UNAVAILABLE", False)


def test_the_strangers_of_one_address_make_room_for_each_other_alone(
    small_bridge: Callable[..., RunningBridge], opened: ExitStack
) -> None:
    bridge = small_bridge(strangers_per_address_max=3)
    elsewhere = connected(bridge, opened, source="127.0.0.2")
    strangers = [connected(bridge, opened) for _ in range(3)]

    fourth = connected(bridge, opened)

    assert answered(fourth, HEALTH).startswith(OK)
    assert is_ended(strangers[0])
    assert answered(elsewhere, HEALTH).startswith(OK)
    assert all(answered(stranger, HEALTH).startswith(OK) for stranger in strangers[1:])


def test_customers_are_not_counted_among_the_strangers_of_their_address(
    small_bridge: Callable[..., RunningBridge], opened: ExitStack
) -> None:
    bridge = small_bridge(strangers_per_address_max=1)
    customers = []
    for _ in range(4):
        customers.append(connected(bridge, opened))
        assert answered(customers[-1], ACCOUNT).startswith(OK)

    assert all(answered(customer, ACCOUNT).startswith(OK) for customer in customers)


def test_strangers_that_take_no_answer_make_room(
    small_bridge: Callable[..., RunningBridge], opened: ExitStack
) -> None:
    bridge = small_bridge()
    for _ in range(PLACES):
        deaf = opened.enter_context(socket.socket())
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", bridge.port))
        deaf.sendall(DOCUMENT * 100)

    # The bridge notices that they do not read only when the buffers of the sockets are full.
    deadline = time.monotonic() + 15
    while (status := asked_by_a_customer(bridge)) == 503 and time.monotonic() < deadline:
        pass

    assert status == 200


def test_a_stranger_is_kept_between_requests_for_a_shorter_time_than_a_customer(
    small_bridge: Callable[..., RunningBridge], opened: ExitStack
) -> None:
    bridge = small_bridge(stranger_keep_alive_seconds=1)
    customer = connected(bridge, opened)
    assert answered(customer, ACCOUNT).startswith(OK)
    stranger = connected(bridge, opened)
    assert answered(stranger, HEALTH).startswith(OK)

    assert is_ended(stranger)
    assert answered(customer, ACCOUNT).startswith(OK)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_the_addresses_of_one_ipv6_network_count_as_one(host: str, network: str) -> None:
    assert network_of(host) == network
