"""Names by which the bridge may be called: a foreign page cannot reach it by its own name."""

import json
from collections.abc import Iterator

import httpx
import pytest

from rest_bridge.hosts import Hosts
from tests.rest.support import House, RunningBridge, ServerDouble
from tests.rest.test_rest_process import start

LOOPBACK = [
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost:8080",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.9.9.9:8080",
    "[::1]",
    "[::1]:8080",
]
FOREIGN = [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "10.0.0.1",
    "0.0.0.0",
    "[::]",
    "",
    "localhost@evil.example",
    "2130706433",
    "127.1",
    "\u0131ocalhost",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_names_of_the_loopback_are_taken_with_any_port(host: str) -> None:
    assert Hosts((), listens_at="127.0.0.1").take(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_no_other_name_is_taken_on_the_loopback(host: str) -> None:
    assert not Hosts((), listens_at="::1").take(host)


@pytest.mark.parametrize("listens_at", ["127.0.0.1", "0.0.0.0"])
def test_names_that_are_told_are_taken_besides(listens_at: str) -> None:
    hosts = Hosts(("venue.example",), listens_at=listens_at)

    assert hosts.take("Venue.example:8080")
    assert hosts.take("localhost")
    assert not hosts.take("evil.example")


def test_beyond_this_machine_every_name_is_taken_until_names_are_told() -> None:
    assert Hosts((), listens_at="0.0.0.0").take("venue.example")


@pytest.fixture(scope="module")
def named_bridge(house: House, target: str) -> Iterator[RunningBridge]:
    bridge = house.bridge(target=target, hosts=("venue.example",))
    yield bridge
    bridge.close()


def request(path: str, host: str, *, body: bytes = b"") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nX-Bot-Key: k\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/api/trade/v1/bot/orders", "/nothing"])
def test_a_call_by_a_foreign_name_is_421_and_tells_the_setting(
    bridge: RunningBridge, server: ServerDouble, path: str
) -> None:
    answer = bridge.exchange(request(path, "evil.example", body=b"x" * 200_000))
    told = json.loads(answer.partition(b"\r\n\r\n")[2])

    assert answer.startswith(b"HTTP/1.1 421 ")
    assert told["error"]["reason"] == "HOST_UNKNOWN"
    assert "BOTTRADING_HOSTS" in told["message"]
    assert server.calls == []


def test_a_second_host_does_not_hide_a_foreign_one(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    head = b"GET /api/v1/bot/account HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"
    answer = bridge.exchange(head + b"X-Bot-Key: k\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 421 ")
    assert server.calls == []


def test_a_name_that_is_told_is_served(named_bridge: RunningBridge) -> None:
    for host, status in (("venue.example", 200), ("localhost", 200), ("evil.example", 421)):
        answer = httpx.get(named_bridge.url + "/healthz", headers={"Host": host}, verify=False)
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BOTTRADING_HOSTS", "https://venue.example"),
        ("BOTTRADING_HOSTS", "venue.example:8080"),
        ("BOTTRADING_CORS_ORIGINS", "app.example"),
        ("BOTTRADING_CORS_ORIGINS", "https://app.example/"),
    ],
)
def test_a_name_or_an_origin_that_would_never_match_is_told_at_the_start(
    variable: str, value: str
) -> None:
    ended = start("--target", "127.0.0.1:1", "--rest", "127.0.0.1:0", **{variable: value})

    assert ended.returncode == 2
    assert variable.removeprefix("BOTTRADING_").lower() in ended.stderr
    assert "Traceback" not in ended.stderr
