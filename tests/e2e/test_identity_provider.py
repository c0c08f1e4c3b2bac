"""Signing in to the page at an identity provider: a code with PKCE becomes a person's token."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest
from pydantic import ValidationError

from rest_bridge import identity_provider
from rest_bridge.page_sign_in import PATH
from rest_bridge.settings import Settings as BridgeSettings
from server.config import Settings
from tests.rest.support import PREFIX, House, RunningBridge
from tests.support.identity_provider import CLIENT_ID, IdentityProvider
from tests.support.venue import VenueFactory

VERIFIER = "v" * 43


@dataclass
class Page:
    """What the page does in a browser: it goes to the provider, and comes back with a code."""

    provider: IdentityProvider
    bridge: RunningBridge
    http: httpx.AsyncClient

    @property
    def redirect_uri(self) -> str:
        return f"{self.bridge.url}/"

    async def settings(self) -> Any:
        return (await self.http.get("/page.json")).json()

    async def code(self, verifier: str = VERIFIER) -> str:
        """Go to the provider and come back."""
        sign_in = (await self.settings())["sign_in"]
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": sign_in["client_id"],
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile",
            "state": "s",
            "nonce": "n",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return self.provider.authorize(f"{sign_in['authorization_endpoint']}?{urlencode(asked)}")

    async def exchange(
        self, code: str, /, *, headers: dict[str, str] | None = None, **changed: Any
    ) -> httpx.Response:
        given = {"code": code, "code_verifier": VERIFIER, "redirect_uri": self.redirect_uri}
        body = {name: value for name, value in (given | changed).items() if value is not None}
        return await self.http.post(PATH, content=json.dumps(body), headers=headers or {})


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    yield provider
    provider.stop()


@pytest.fixture
async def page(provider: IdentityProvider, start_venue: VenueFactory) -> AsyncIterator[Page]:
    settings = provider.settings()
    venue = await start_venue(**settings)
    house = House()
    told = {name: settings[name] for name in ("oidc_issuer", "oidc_client_id")}
    bridge = await asyncio.to_thread(lambda: house.bridge(target=venue.address, **told))
    async with httpx.AsyncClient(base_url=bridge.url, timeout=20) as http:
        yield Page(provider, bridge, http)
    await asyncio.to_thread(bridge.close)
    house.close()


def assert_refused(answer: httpx.Response, status: int, reason: str) -> str:
    told = answer.json()
    assert (answer.status_code, told["error"]["reason"]) == (status, reason), told
    assert told["request_id"] == answer.headers["x-request-id"]
    return str(told["message"])


async def test_a_person_signs_in_at_the_provider_and_trades_under_that_name(page: Page) -> None:
    sign_in = (await page.settings())["sign_in"]
    answer = await page.exchange(await page.code())
    token = answer.json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    accounts = await page.http.get(f"{PREFIX}/accounts", headers=bearer)
    claims = jwt.decode(token, options={"verify_signature": False})

    assert sign_in == {
        "issuer": page.provider.issuer,
        "client_id": CLIENT_ID,
        "authorization_endpoint": f"{page.provider.issuer}/authorize",
    }
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"token", "expires_at"}
    assert claims["nonce"] == "n", "which the page compares with its own"
    expires_at = answer.json()["expires_at"]
    assert expires_at.endswith("Z")
    assert datetime.fromisoformat(expires_at).timestamp() == claims["exp"]
    assert accounts.status_code == 200
    assert len(accounts.json()) == 1


async def test_a_code_works_once_and_with_its_verifier_alone(page: Page) -> None:
    code = await page.code()
    stolen = await page.exchange(code, code_verifier="w" * 43)
    code = await page.code()
    first, second = await page.exchange(code), await page.exchange(code)

    told = assert_refused(stolen, 401, "TOKEN_INVALID")
    assert told == "The identity provider refused the code: invalid_grant. Sign in again."
    assert first.status_code == 200
    assert_refused(second, 401, "TOKEN_INVALID")


@pytest.mark.parametrize("uri", ["https://evil.example/", "{own}elsewhere", "{own}?a=b", "/", "x"])
async def test_a_code_for_another_page_is_not_exchanged(page: Page, uri: str) -> None:
    code = await page.code()
    page.provider.asked.clear()
    answer = await page.exchange(code, redirect_uri=uri.replace("{own}", page.redirect_uri))

    assert "`redirect_uri`" in assert_refused(answer, 422, "FIELD_INVALID")
    assert page.provider.asked == []


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
async def test_a_page_of_another_origin_exchanges_nothing(page: Page, origin: str) -> None:
    code = await page.code()
    foreign = await page.exchange(code, headers={"Origin": origin})
    own = await page.exchange(code, headers={"Origin": page.bridge.url})

    assert_refused(foreign, 422, "FIELD_INVALID")
    assert own.status_code == 200


async def test_a_foreign_host_is_refused_before_all_else(page: Page) -> None:
    answer = await page.exchange(
        "code", redirect_uri="http://evil.example/", headers={"Host": "evil.example"}
    )

    assert_refused(answer, 421, "HOST_UNKNOWN")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"code": None}, "FIELD_REQUIRED"),
        ({"code_verifier": None}, "FIELD_REQUIRED"),
        ({"redirect_uri": None}, "FIELD_REQUIRED"),
        ({"code": 5}, "FIELD_INVALID"),
        ({"code": ""}, "FIELD_INVALID"),
        ({"code": "x" * 2049}, "FIELD_INVALID"),
        ({"code_verifier": "short"}, "FIELD_INVALID"),
        ({"code_verifier": "v" * 42 + "&"}, "FIELD_INVALID"),
        ({"client_secret": "x"}, "UNKNOWN_FIELD"),
        ({"\ud800": "x"}, "UNKNOWN_FIELD"),
    ],
)
async def test_a_request_that_is_wrong_is_told_by_its_field(
    page: Page, changed: dict[str, Any], reason: str
) -> None:
    answer = await page.exchange("code", **changed)

    assert_refused(answer, 422, reason)
    assert len(answer.json()["error"]["violations"]) == 1


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b'{"code": "a", "code": "b"}'])
async def test_a_body_that_is_no_json_object_is_refused(page: Page, body: bytes) -> None:
    assert_refused(await page.http.post(PATH, content=body), 422, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "another"}, "iss or aud"),
        ({"iss": "https://evil.example"}, "iss or aud"),
        ({"exp": 1}, "has expired"),
        ({"iat": 1}, "by at most 86400 s"),
        ({"name": "x" * 7000}, "too long"),
    ],
)
async def test_a_token_that_the_server_does_not_accept_is_refused_at_once(
    page: Page, claims: dict[str, Any], why: str
) -> None:
    page.provider.claims = claims
    answer = await page.exchange(await page.code())

    assert why in assert_refused(answer, 401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (200, b"{}"),
        (200, b"no JSON"),
        (200, b"[]"),
        (302, b"{}"),
        (200, b"x" * 300_000),
    ],
    ids=["failure", "no token", "no JSON", "no object", "redirect", "endless"],
)
async def test_a_provider_that_fails_is_told_as_away(page: Page, answer: tuple[int, bytes]) -> None:
    page.provider.token_answer = answer
    code = await page.code()
    told = assert_refused(await page.exchange(code), 503, "UNAVAILABLE")

    assert told == "The identity provider does not answer; try again."
    assert "/elsewhere" not in page.provider.asked


async def answer_in_bytes(
    told: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(told)
    writer.close()


@pytest.mark.parametrize(
    "told",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 400 No\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}",
    ],
    ids=["no status", "long status", "many headers", "no chunks", "refusal without chunks"],
)
async def test_a_provider_that_speaks_no_http_is_told_as_away(page: Page, told: bytes) -> None:
    server = await asyncio.start_server(partial(answer_in_bytes, told), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    page.provider.document = {"token_endpoint": f"http://127.0.0.1:{port}/token"}
    async with server:
        answer = await page.exchange(await page.code())

    assert_refused(answer, 503, "UNAVAILABLE")


async def test_an_answer_that_trickles_in_holds_no_place_for_long(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = asyncio.Event()

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while not ending.is_set() and not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    page.provider.document = {"token_endpoint": f"http://127.0.0.1:{port}/token"}
    code = await page.code()
    monkeypatch.setattr(identity_provider, "FETCH_SECONDS_MAX", 0.2)
    places = page.bridge.provider._places
    async with server:
        answer = await page.exchange(code)
        all_places = range(identity_provider.FETCHES_AT_ONCE_MAX)
        free = await asyncio.to_thread(lambda: [places.acquire(timeout=2) for _ in all_places])
        ending.set()

    assert_refused(answer, 503, "UNAVAILABLE")
    assert all(free)


async def test_an_endpoint_that_no_request_can_reach_is_told_as_away(page: Page) -> None:
    page.provider.document = {"token_endpoint": "http://127.0.0.1:port/token"}

    assert_refused(await page.exchange(await page.code()), 503, "UNAVAILABLE")


async def test_a_provider_that_comes_back_is_asked_again(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.provider.is_away = True
    first = await page.settings()
    page.provider.is_away = False
    soon = await page.settings()
    asked = len(page.provider.asked)
    monkeypatch.setattr(identity_provider, "BETWEEN_FETCHES_SECONDS_MIN", 0.0)
    page.bridge.provider._asks_again_at = 0.0
    later = await page.settings()
    page.provider.is_away = True
    page.bridge.provider._is_fresh_until = 0.0
    kept = await page.settings()

    assert first["sign_in"] is None
    assert (soon["sign_in"], asked) == (None, 1), "it is not asked at every call"
    assert later["sign_in"]["issuer"] == page.provider.issuer
    assert kept == later


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": 5},
        {"token_endpoint": "https://user@evil.example/"},
    ],
)
async def test_a_document_that_leads_astray_is_not_used(
    page: Page, document: dict[str, Any]
) -> None:
    page.provider.document = document

    assert (await page.settings())["sign_in"] is None
    assert_refused(await page.exchange("code"), 503, "UNAVAILABLE")


async def test_strangers_cannot_flood_the_provider(page: Page) -> None:
    code = await page.code()
    places = page.bridge.provider._places
    taken = [places.acquire(blocking=False) for _ in range(identity_provider.FETCHES_AT_ONCE_MAX)]
    refused = await page.exchange(code)
    for _ in taken:
        places.release()

    assert all(taken)
    assert_refused(refused, 503, "UNAVAILABLE")
    assert (await page.exchange(code)).status_code == 200


async def test_without_a_provider_there_is_no_exchange(start_venue: VenueFactory) -> None:
    venue, house = await start_venue(), House()
    bridge = await asyncio.to_thread(lambda: house.bridge(target=venue.address))
    async with httpx.AsyncClient(base_url=bridge.url) as http:
        answer = await http.post(PATH, json={})
    await asyncio.to_thread(bridge.close)
    house.close()

    assert_refused(answer, 404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"oidc_client_id": ""}, "together"),
        ({"oidc_issuer": ""}, "together"),
        ({"jwt_jwks": ""}, "needs jwt_jwks"),
        ({"jwt_issuer": "another"}, "jwt_issuer must be the same as oidc_issuer"),
        ({"jwt_audience": "another"}, "jwt_audience must be the same as oidc_client_id"),
        ({"oidc_issuer": "http://id.example"}, "https URL"),
        ({"oidc_issuer": "id.example"}, "https URL"),
    ],
)
def test_settings_that_cannot_sign_anybody_in_are_refused(
    changed: dict[str, str], told: str
) -> None:
    right = {
        "jwt_jwks": "https://id.example/keys",
        "jwt_issuer": "https://id.example",
        "jwt_audience": CLIENT_ID,
        "oidc_issuer": "https://id.example",
        "oidc_client_id": CLIENT_ID,
    }
    assert Settings(**right).oidc_issuer == "https://id.example"  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match=told):
        Settings(**right | changed)  # type: ignore[arg-type]
    if "https" in told:
        with pytest.raises(ValidationError, match=told):
            BridgeSettings(oidc_issuer=changed["oidc_issuer"])
