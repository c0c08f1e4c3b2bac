"""Credentials and request ids: what the bridge forwards unchanged, and what it refuses itself."""

import grpc
import httpx
import pytest

from bottrading.v1 import bot_trading_pb2 as trading
from rest_bridge import bridge as the_bridge
from server.application import refusals
from server.rpc.interceptors import authentication
from tests.rest.support import Failure, RunningBridge, ServerDouble


def answer_to(bridge: RunningBridge, *headers: bytes, path: bytes = b"/account") -> bytes:
    """Send headers that no HTTP client would send."""
    return bridge.exchange(
        b"GET /api/v1/bot%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n"
        % (path, b"".join(header + b"\r\n" for header in headers))
    )


def test_a_bot_key_and_a_token_are_forwarded_as_they_are(
    stranger: httpx.Client, server: ServerDouble
) -> None:
    stranger.get("/account", headers={"X-Bot-Key": "tvt_1"})
    stranger.get("/keys", headers={"Authorization": "Bearer  a.b.c"})

    key_call, token_call = server.calls
    assert key_call.all("x-bot-key") == ["tvt_1"]
    assert key_call.all("authorization") == []
    assert token_call.all("authorization") == ["Bearer  a.b.c"]


@pytest.mark.parametrize(
    ("values", "forwarded"),
    [
        ((b"0198c0de-0000-7000-8000-000000000000",), "0198c0de-0000-7000-8000-000000000000"),
        ((b"0198c0de-0000-7000-8000-000000000000",) * 2, ""),
        ((b"",), ""),
        ((b"caf\xc3\xa9",), ""),
        ((b"x" * 7000,), ""),
        ((b"a",) * 50, ""),
    ],
)
def test_the_named_account_is_forwarded_once_and_empty_if_it_is_none(
    bridge: RunningBridge, server: ServerDouble, values: tuple[bytes, ...], forwarded: str
) -> None:
    answer_to(bridge, b"Authorization: Bearer a", *(b"X-Account-Id: " + it for it in values))

    [call] = server.calls
    assert call.all("x-account-id") == [forwarded]


def test_two_credentials_are_both_forwarded_for_the_server_to_refuse(
    bridge: RunningBridge, server: ServerDouble
) -> None:
    answer_to(bridge, b"X-Bot-Key: a", b"x-bot-key: b", b"Authorization: c")

    [call] = server.calls
    assert call.all("x-bot-key") == ["a", "b"]
    assert call.all("authorization") == ["c"]


@pytest.mark.parametrize(
    ("path", "reason", "challenge"),
    [
        ("/account", "BOT_KEY_INVALID", 'ApiKey realm="bottrading", header="X-Bot-Key"'),
        ("/order-updates", "BOT_KEY_INVALID", 'ApiKey realm="bottrading", header="X-Bot-Key"'),
        ("/keys", "TOKEN_INVALID", 'Bearer realm="bottrading"'),
    ],
)
def test_a_call_without_a_credential_never_reaches_the_server(
    stranger: httpx.Client, server: ServerDouble, path: str, reason: str, challenge: str
) -> None:
    answer = stranger.get(path)

    assert answer.status_code == 401
    assert answer.json()["type"] == "authentication_error"
    assert answer.json()["error"]["reason"] == reason
    assert answer.headers["www-authenticate"] == challenge
    assert server.calls == []


def test_what_can_be_public_reaches_the_server_without_a_credential(
    stranger: httpx.Client, bridge: RunningBridge, server: ServerDouble
) -> None:
    """Only the server knows whether it is public. An illegal credential is not none."""
    assert stranger.get("/leaderboard").status_code == 200
    assert answer_to(bridge, b"X-Bot-Key: \xff", path=b"/leaderboard").startswith(b"HTTP/1.1 401 ")
    assert answer_to(bridge, b"X-Bot-Key:", path=b"/leaderboard").startswith(b"HTTP/1.1 401 ")

    [call] = server.calls
    assert {name for name, _ in call.metadata} == {"user-agent"}


def test_a_credential_that_the_server_refuses_is_challenged_too(
    client: httpx.Client, server: ServerDouble
) -> None:
    server.outcomes["GetAccount"] = Failure(grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID")

    answer = client.get("/account")

    assert answer.headers["www-authenticate"].startswith("ApiKey")


def test_a_token_that_the_server_refuses_is_challenged_as_one(
    stranger: httpx.Client, server: ServerDouble
) -> None:
    server.outcomes["GetAccount"] = Failure(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")

    answer = stranger.get("/account", headers={"Authorization": "Bearer a.b.c"})

    assert answer.headers["www-authenticate"] == 'Bearer realm="bottrading"'


@pytest.mark.parametrize("value", [b"", b"  ", b"caf\xc3\xa9", b"\xff", b"a\tb", b"k" * 7000])
@pytest.mark.parametrize("name", [b"X-Bot-Key", b"Authorization"])
def test_a_credential_that_metadata_cannot_carry_is_401(
    bridge: RunningBridge, server: ServerDouble, name: bytes, value: bytes
) -> None:
    assert answer_to(bridge, name + b": " + value).startswith(b"HTTP/1.1 401 ")
    assert server.calls == []


def test_an_illegal_credential_is_not_forgotten_beside_a_legal_one(bridge: RunningBridge) -> None:
    assert answer_to(bridge, b"X-Bot-Key: k", b"Authorization: \xff").startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("value", [b"a\x00b", b"a\x01b", b"a\x7f"])
def test_a_control_character_in_a_header_is_no_http(bridge: RunningBridge, value: bytes) -> None:
    assert answer_to(bridge, b"X-Bot-Key: " + value).startswith(b"HTTP/1.1 400 ")


def test_a_ticket_is_a_credential_for_streams_and_nothing_else(
    stranger: httpx.Client, server: ServerDouble
) -> None:
    stranger.get("/order-updates?ticket=t%2B1&include_snapshot=true")
    refused = stranger.get("/account?ticket=t")

    [call] = server.calls
    assert call.all("x-stream-ticket") == ["t+1"]
    assert call.request == trading.StreamOrderUpdatesRequest(include_snapshot=True)
    assert refused.status_code == 401


@pytest.mark.parametrize("ticket", ["", "%FF", "%00", "a%0Ab"])
def test_a_ticket_that_metadata_cannot_carry_is_401(stranger: httpx.Client, ticket: str) -> None:
    assert stranger.get(f"/order-updates?ticket={ticket}").status_code == 401


@pytest.mark.parametrize("request_id", ["mine", "x" * 128, "~!"])
def test_a_legal_request_id_is_forwarded(
    client: httpx.Client, server: ServerDouble, request_id: str
) -> None:
    answer = client.get("/account", headers={"X-Request-Id": request_id})

    assert server.calls[0].all("x-request-id") == [request_id]
    assert answer.headers["x-request-id"] == request_id


@pytest.mark.parametrize("request_id", [b"x" * 129, b"a b", b"caf\xc3\xa9", b"a\tb", b""])
def test_an_illegal_request_id_is_left_out_and_a_new_one_made(
    bridge: RunningBridge, server: ServerDouble, request_id: bytes
) -> None:
    answer = answer_to(bridge, b"X-Bot-Key: k", b"X-Request-Id: " + request_id)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert server.calls[0].all("x-request-id") == []
    assert b"\r\nx-request-id: " in answer


def test_a_refusal_of_the_bridge_carries_a_request_id_too(stranger: httpx.Client) -> None:
    own = stranger.get("/account", headers={"X-Request-Id": "mine"})
    made = stranger.get("/account")

    assert own.headers["x-request-id"] == own.json()["request_id"] == "mine"
    assert made.headers["x-request-id"] == made.json()["request_id"] != ""


def test_no_other_header_reaches_the_server(client: httpx.Client, server: ServerDouble) -> None:
    client.get(
        "/account", headers={"Cookie": "c", "X-Forwarded-For": "1.2.3.4", "Grpc-Timeout": "1"}
    )

    names = {name for name, _ in server.calls[0].metadata}
    assert names == {"x-bot-key", "user-agent"}


def test_the_bridge_says_of_a_missing_credential_what_the_server_says() -> None:
    for told, refusal in (
        (the_bridge.KEY_REFUSED, refusals.KEY_REFUSED),
        (the_bridge.TOKEN_REFUSED, authentication.TOKEN_REFUSED),
    ):
        assert told == (refusal.reason.name, refusal.message)
