"""Limits of a connection in bytes, time and places, and HTTP of unusual clients."""

import json
import socket
import time

import httpx
import pytest

from bottrading.v1 import bot_trading_pb2 as trading
from bottrading.v1 import order_pb2 as order
from tests.rest.support import BOT_KEY, House, RunningBridge, ServerDouble, received

POST = b"POST /api/v1/bot/orders HTTP/1.1\r\nHost: localhost\r\n"
KEY = b"X-Bot-Key: k\r\n"
GET = b"GET /api/v1/bot/account HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: k\r\n"
LAST = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def reason_of(answer: bytes) -> str:
    reason: str = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["reason"]
    return reason


def length(count: int) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % count


def padded(count: int) -> bytes:
    return b'{"client_order_id": "%s"}' % (b"x" * (count - 23))


def test_a_body_of_64_kib_is_read_and_one_byte_more_is_413(
    client: httpx.Client, server: ServerDouble
) -> None:
    assert client.post("/orders", content=padded(65536)).status_code == 201

    answer = client.post("/orders", content=padded(65537))

    assert answer.status_code == 413
    assert answer.json()["error"]["reason"] == "MESSAGE_TOO_LARGE"
    assert len(server.calls) == 1


@pytest.mark.parametrize("credential", [KEY, b""])
def test_a_body_that_announces_too_much_is_refused_before_it_is_sent(
    bridge: RunningBridge, credential: bytes
) -> None:
    with bridge.connect() as connection:
        connection.sendall(POST + credential + length(300_000))

        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("last", [b"", LAST])
def test_an_answer_to_a_body_of_300_kb_arrives_whole(bridge: RunningBridge, last: bytes) -> None:
    """If it were closed at once, the connection would be reset and the answer lost."""
    body = b"x" * 300_000

    answer = bridge.exchange(POST + KEY + last + length(len(body)) + body)

    assert (status_of(answer), reason_of(answer)) == (413, "MESSAGE_TOO_LARGE")


def test_chunks_are_counted_too(bridge: RunningBridge, server: ServerDouble) -> None:
    chunk = b"%x\r\n%s\r\n" % (30_000, b"x" * 30_000)

    small = bridge.exchange(POST + KEY + LAST + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n")
    large = bridge.exchange(POST + KEY + LAST + CHUNKED + b"\r\n" + chunk * 3 + b"0\r\n\r\n")

    assert status_of(small) == 201
    assert (status_of(large), reason_of(large)) == (413, "MESSAGE_TOO_LARGE")
    assert len(server.calls) == 1


@pytest.mark.parametrize("head", [CHUNKED + b"\r\n", length(50_000_000)], ids=["chunked", "length"])
@pytest.mark.parametrize("request_line", [POST + KEY, POST, GET, b"POST /docs HTTP/1.1\r\n"])
def test_50_mb_are_never_read_to_the_end(
    bridge: RunningBridge, request_line: bytes, head: bytes
) -> None:
    megabyte = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    sent = 0
    with bridge.connect() as connection:
        try:
            connection.sendall(request_line + head)
            for _ in range(50):
                connection.sendall(megabyte)
                sent += 1
        except ConnectionError:
            pass

    assert sent < 20, "what the sockets' buffers hold, and no more"


def test_a_flood_of_trailers_ends_the_connection(bridge: RunningBridge) -> None:
    trailers = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(20_000))
    with bridge.connect() as connection:
        connection.sendall(POST + KEY + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n")

        with pytest.raises(ConnectionError):
            connection.sendall(trailers)


def test_the_credential_is_asked_for_before_the_body_is_read(bridge: RunningBridge) -> None:
    with bridge.connect() as connection:
        connection.sendall(POST + length(10))
        answer = connection.recv(65536)

        assert status_of(answer) == 401
        assert b"connection: close" in answer


@pytest.mark.parametrize(
    "request_head",
    [
        pytest.param(GET + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n", id="one long header"),
        pytest.param(GET + b"X-Many: x\r\n" * 2000 + b"\r\n", id="many headers"),
        pytest.param(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", id="a long path"),
        pytest.param(GET + b"X-Endless: " + b"x" * 200_000, id="a head without end"),
    ],
)
def test_a_head_over_16_kib_is_431(bridge: RunningBridge, request_head: bytes) -> None:
    with bridge.connect() as connection:
        connection.sendall(request_head)
        answer = connection.recv(65536)

    assert (status_of(answer), reason_of(answer)) == (431, "MESSAGE_TOO_LARGE")


def test_a_large_head_behind_a_small_request_is_431_too(bridge: RunningBridge) -> None:
    answer = bridge.exchange(GET + b"\r\n" + GET + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n")

    assert b"HTTP/1.1 431 " in answer


def test_a_small_head_with_a_large_body_in_one_piece_is_no_large_head(
    bridge: RunningBridge,
) -> None:
    body = padded(60_000)

    assert status_of(bridge.exchange(POST + KEY + LAST + length(len(body)) + body)) == 201


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_http_is_400_in_the_shape_of_every_refusal(
    bridge: RunningBridge, junk: bytes
) -> None:
    answer = bridge.exchange(junk)

    assert (status_of(answer), reason_of(answer)) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"Content-Length: -1\r\n\r\n{}",
        b"Content-Length: x\r\n\r\n{}",
        b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    ],
)
def test_a_body_whose_length_is_doubtful_is_refused(bridge: RunningBridge, head: bytes) -> None:
    """Two interpretations of one length allow request smuggling past a proxy."""
    assert status_of(bridge.exchange(POST + KEY + LAST + head)) in (400, 413)


@pytest.mark.parametrize(
    "dripped",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /api", id="half a line"),
        pytest.param(GET + b"X-Slow: ", id="half a head"),
        pytest.param(b"\r\n\r\n", id="empty lines"),
    ],
)
def test_a_head_that_does_not_arrive_ends_the_connection(
    strict_bridge: RunningBridge, dripped: bytes
) -> None:
    started = time.monotonic()
    with strict_bridge.connect() as connection:
        connection.sendall(dripped)
        received(connection)

    assert time.monotonic() - started < 3


@pytest.mark.parametrize("dripped", [b"GET /api", b"\r\n", POST + KEY + length(10) + b"{"])
def test_a_second_request_that_does_not_arrive_ends_the_connection_too(
    strict_bridge: RunningBridge, server: ServerDouble, dripped: bytes
) -> None:
    """A byte that begins no request ends uvicorn's own timer of idle connections."""
    started = time.monotonic()
    with strict_bridge.connect() as connection:
        connection.sendall(GET + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(dripped)
        received(connection)

    assert time.monotonic() - started < 3


def test_dripping_does_not_prolong_the_deadline_of_a_head(strict_bridge: RunningBridge) -> None:
    started = time.monotonic()
    with strict_bridge.connect() as connection:
        connection.settimeout(0.05)
        connection.sendall(b"GET /api/v1/bot/account HTTP/1.1\r\nX-Slow: ")
        while is_open(connection) and time.monotonic() - started < 5:
            connection.sendall(b"x")

    assert time.monotonic() - started < 2


def is_open(connection: socket.socket) -> bool:
    try:
        return connection.recv(65536) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def test_a_body_that_does_not_arrive_is_told_so_and_the_connection_ended(
    strict_bridge: RunningBridge, server: ServerDouble
) -> None:
    answer = strict_bridge.exchange(POST + KEY + length(10) + b"{")

    assert (status_of(answer), reason_of(answer)) == (408, "MALFORMED_REQUEST")
    assert server.calls == []


def test_a_reader_that_never_reads_is_given_up(
    strict_bridge: RunningBridge, server: ServerDouble, caplog: pytest.LogCaptureFixture
) -> None:
    many = [order.Order(id="x" * 1000) for _ in range(1000)]
    server.outcomes["CancelAllOrders"] = trading.CancelAllOrdersResponse(orders=many)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", strict_bridge.port))
        request = b"DELETE /api/v1/bot/orders HTTP/1.1\r\nHost: localhost\r\n" + KEY + b"\r\n"
        connection.sendall(request * 8)
        started = time.monotonic()
        while takes_bytes(connection) and time.monotonic() - started < 8:
            server.arrived.wait(0.05)
            server.arrived.clear()

    assert time.monotonic() - started < 5
    assert caplog.records == []


def takes_bytes(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"\r\n")
    except ConnectionError:
        return False
    return True


def test_pipelined_requests_are_answered_in_their_order(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    head = b"GET /api/v1/bot/orders/%d HTTP/1.1\r\nHost: localhost\r\nX-Bot-Key: k\r\n"
    requests = [head % number + b"X-Request-Id: id-%d\r\n" % number for number in range(20)]

    answer = bridge.exchange(b"\r\n".join(requests) + LAST + b"\r\n")

    ids = [int(part.split(b"\r\n")[0]) for part in answer.split(b"x-request-id: id-")[1:]]
    assert answer.count(b"HTTP/1.1 200 ") == 20
    assert ids == list(range(20))


def test_a_connection_is_kept_after_a_refusal_whose_body_was_read(bridge: RunningBridge) -> None:
    requests = POST + KEY + length(1) + b"{" + GET + LAST + b"\r\n"

    answer = bridge.exchange(requests)

    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"HTTP/1.1 200 " in answer


def test_http_1_0_is_answered_and_closed(bridge: RunningBridge, server: ServerDouble) -> None:
    head = b"POST /api/v1/bot/orders HTTP/1.0\r\n" + KEY

    answered = bridge.exchange(head + length(2) + b"{}")
    refused = bridge.exchange(
        b"POST /api/v1/bot/orders HTTP/1.0\r\n" + length(300_000) + b"x" * 300_000
    )

    assert status_of(answered) == 201
    assert status_of(refused) == 413


def test_a_client_that_expects_100_is_told_to_go_on(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    with bridge.connect() as connection:
        connection.sendall(POST + KEY + LAST + b"Expect: 100-continue\r\n" + length(2))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")

        assert status_of(received(connection)) == 201


def test_a_client_that_expects_100_is_refused_without_it(bridge: RunningBridge) -> None:
    with bridge.connect() as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\n" + length(10))

        assert status_of(connection.recv(65536)) == 401


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c"])
def test_an_upgrade_is_not_taken_up(
    bridge: RunningBridge, server: ServerDouble, upgrade: bytes
) -> None:
    answer = bridge.exchange(
        GET + b"Upgrade: " + upgrade + b"\r\nConnection: upgrade, close\r\n\r\n"
    )

    assert status_of(answer) == 200


def test_clients_that_leave_do_no_harm(
    strict_bridge: RunningBridge, server: ServerDouble, caplog: pytest.LogCaptureFixture
) -> None:
    server.held.add("GetAccount")
    for _ in range(3):
        with strict_bridge.connect() as mid_call:
            mid_call.sendall((GET + b"\r\n") * 3)
            assert server.arrived.wait(5)
            server.arrived.clear()
        with strict_bridge.connect() as mid_body:
            mid_body.sendall(POST + KEY + length(10) + b"{")
        with strict_bridge.connect() as mid_head:
            mid_head.sendall(b"GET /api")
    server.held.clear()

    answer = httpx.get(strict_bridge.url + "/api/v1/bot/account", headers=BOT_KEY, verify=False)

    assert answer.status_code == 200
    assert caplog.records == []


def test_an_answer_larger_than_grpcs_default_passes(
    client: httpx.Client, server: ServerDouble
) -> None:
    many = [order.Order(id="x" * 1000) for _ in range(6000)]
    server.outcomes["CancelAllOrders"] = trading.CancelAllOrdersResponse(orders=many)

    assert len(client.delete("/orders").json()) == 6000


def test_two_bridges_cannot_share_a_port(house: House, bridge: RunningBridge) -> None:
    with pytest.raises(OSError, match="in use"), socket.socket() as second:
        second.bind(("127.0.0.1", bridge.port))
