"""Tokens signed with published keys, from a file and from a URL."""

import asyncio
import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from server.config import Settings
from server.rpc.tokens import JwksError, jwks_verifier
from server.secret_files import jwt_secret
from tests.support.streams import READ_SECONDS_MAX, until
from tests.support.venue import Bot, Person, Venue, VenueFactory, refusal, told

KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def jwks() -> dict[str, Any]:
    entries = []
    for name, key in KEYS.items():
        published = get_default_algorithms()[name].to_jwk(key.public_key(), as_dict=True)
        entries.append(published | {"kid": name, "alg": name, "use": "sig"})
    return {"keys": entries}


def token(algorithm: str, key: Any, key_id: str | None) -> str:
    now = int(time.time())
    claims = {"iss": "bottrading", "aud": "bottrading", "sub": "ada", "iat": now, "exp": now + 60}
    return jwt.encode(
        claims, key, algorithm=algorithm, headers=None if key_id is None else {"kid": key_id}
    )


def signed_with_public_key(public: bytes) -> str:
    """Return a token that is signed with the public key as if it were a shared secret."""
    _, claims, _ = token("ES256", KEYS["ES256"], None).split(".")
    header = urlsafe_b64encode(b'{"alg":"HS256","kid":"RS256"}').rstrip(b"=").decode()
    signature = hmac.digest(public, f"{header}.{claims}".encode(), "sha256")
    return f"{header}.{claims}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


class Provider:
    """An identity provider: what it publishes, how it fails, and how often it was asked."""

    def __init__(self) -> None:
        self.body = json.dumps(jwks()).encode()
        self.status = 200
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                provider.may_answer.wait(READ_SECONDS_MAX)
                self.send_response(provider.status)
                self.send_header("content-length", str(len(provider.body)))
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(provider.body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"

    def publish(self, *names: str) -> None:
        keys = [key for key in jwks()["keys"] if key["kid"] in names]
        self.body = json.dumps({"keys": keys}).encode()

    def stop(self) -> None:
        self.may_answer.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


def bearer(venue: Venue, name: str, key_id: str | None = None) -> Person:
    return Person(venue, token(name, KEYS[name], key_id or name))


async def outcome(call: Awaitable[Any]) -> str:
    """Return OK, or the reason of a refusal."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return told(error).reason
    return "OK"


@pytest.mark.parametrize("place", ["file", "url"])
async def test_tokens_of_published_keys_are_taken_and_all_others_refused(
    start_venue: VenueFactory, tmp_path: Path, provider: Provider, place: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(jwks()))
    venue = await start_venue(jwt_jwks=str(path) if place == "file" else provider.url)
    public = (
        KEYS["RS256"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    stranger = ec.generate_private_key(ec.SECP256R1())
    forged = [
        token("ES256", stranger, "ES256"),
        token("ES256", KEYS["ES256"], "nobody"),
        token("ES256", KEYS["ES256"], "RS256"),
        token("ES256", KEYS["ES256"], None),
        signed_with_public_key(public),
        token("HS256", jwt_secret(venue.settings), None),
    ]

    for name, key in KEYS.items():
        assert await Person(venue, token(name, key, name)).list_keys() == []
    for text in forged:
        assert (await refusal(Person(venue, text).list_keys())).reason == "TOKEN_INVALID"


async def test_known_keys_go_on_while_the_provider_is_down(
    start_venue: VenueFactory, provider: Provider
) -> None:
    venue = await start_venue(jwt_jwks=provider.url)
    provider.publish("ES256", "RS256")
    assert await outcome(bearer(venue, "ES256").list_keys()) == "OK"
    provider.stop()
    venue.clock.turn(seconds=86_400)

    unknown = await refusal(bearer(venue, "EdDSA").list_keys())
    known = [await outcome(bearer(venue, name).list_keys()) for name in ("ES256", "RS256")]

    assert (unknown.reason, unknown.retry_seconds) == ("UNAVAILABLE", 1)
    assert unknown.executed == "false"
    assert known == ["OK", "OK"]


async def test_without_any_key_so_far_a_token_is_to_be_tried_again(
    start_venue: VenueFactory, provider: Provider
) -> None:
    provider.status = 503
    venue = await start_venue(jwt_jwks=provider.url)

    early = await outcome(bearer(venue, "ES256").list_keys())
    provider.status = 200
    venue.clock.turn(seconds=9)
    soon = await outcome(bearer(venue, "ES256").list_keys())
    asked_so_far = provider.asked
    venue.clock.turn(seconds=1)

    assert (early, soon, asked_so_far) == ("UNAVAILABLE", "UNAVAILABLE", 1)
    assert await outcome(bearer(venue, "ES256").list_keys()) == "OK"


async def test_unknown_keys_are_looked_for_every_ten_seconds_at_most(
    start_venue: VenueFactory, provider: Provider
) -> None:
    venue = await start_venue(jwt_jwks=provider.url)
    provider.publish("ES256")
    assert await outcome(bearer(venue, "ES256").list_keys()) == "OK"
    strangers = [bearer(venue, "ES256", f"unknown-{n}").list_keys() for n in range(20)]

    refused = await asyncio.gather(*map(outcome, strangers))
    provider.publish("ES256", "RS256")
    too_soon = await outcome(bearer(venue, "RS256").list_keys())
    asked_so_far = provider.asked
    venue.clock.turn(seconds=10)
    found = await outcome(bearer(venue, "RS256").list_keys())

    assert refused == ["TOKEN_INVALID"] * 20
    assert (too_soon, asked_so_far) == ("TOKEN_INVALID", 1)
    assert (found, provider.asked) == ("OK", 2)
    assert await outcome(bearer(venue, "ES256").list_keys()) == "OK"


async def test_a_withdrawn_key_is_forgotten_in_five_minutes(
    start_venue: VenueFactory, provider: Provider
) -> None:
    venue = await start_venue(jwt_jwks=provider.url)
    assert await outcome(bearer(venue, "ES256").list_keys()) == "OK"
    provider.publish("RS256")
    venue.clock.turn(seconds=300)
    still = await outcome(bearer(venue, "ES256").list_keys())
    venue.clock.turn(seconds=1)

    assert still == "OK"
    assert await outcome(bearer(venue, "ES256").list_keys()) == "TOKEN_INVALID"
    assert await outcome(bearer(venue, "RS256").list_keys()) == "OK"


BROKEN = {
    "nests without end": b'{"keys": ' + b"[" * 100_000,
    "objects without end": b'{"keys": [' + b'{"a": ' * 100_000,
    "nothing": b"",
    "no JSON": b"<html>",
    "no object": b"[]",
    "no keys": b"{}",
    "keys that are no list": b'{"keys": {"kid": "ES256"}}',
    "keys that are no objects": b'{"keys": [1, null, "ES256"]}',
    "keys without material": b'{"keys": [{"kid": "ES256", "kty": "EC", "crv": 7}]}',
    "a key of no known kind": b'{"keys": [{"kid": "ES256", "kty": "none"}]}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_answer_is_none(
    start_venue: VenueFactory, provider: Provider, body: bytes
) -> None:
    venue = await start_venue(jwt_jwks=provider.url)
    whole, provider.body = provider.body, body
    first = await outcome(bearer(venue, "ES256").list_keys())
    provider.body = whole
    venue.clock.turn(seconds=10)
    healed = await outcome(bearer(venue, "ES256").list_keys())
    provider.body = body
    venue.clock.turn(seconds=301)
    known = await outcome(bearer(venue, "ES256").list_keys())

    assert (first, healed, known) == ("UNAVAILABLE", "OK", "OK")
    assert provider.asked == 3


@pytest.mark.parametrize("place", ["file", "url"])
async def test_keys_that_are_not_understood_leave_the_others_good(
    start_venue: VenueFactory, tmp_path: Path, provider: Provider, place: str
) -> None:
    encrypts = jwks()["keys"][0] | {"kid": "sealing", "alg": "RSA-OAEP", "use": "enc"}
    strange = [{"kid": "new", "kty": "lattice"}, {"kid": ["RS256"], "kty": "RSA"}, encrypts, 5]
    provider.body = json.dumps({"keys": [*strange, *jwks()["keys"]]}).encode()
    path = tmp_path / "keys.json"
    path.write_bytes(provider.body)
    venue = await start_venue(jwt_jwks=str(path) if place == "file" else provider.url)

    assert await outcome(bearer(venue, "ES256").list_keys()) == "OK"


async def test_a_provider_that_hangs_holds_up_no_known_key_and_no_bot(
    start_venue: VenueFactory, provider: Provider
) -> None:
    venue = await start_venue(jwt_jwks=provider.url)
    owner = bearer(venue, "ES256")
    made = await owner.create_key("bot")
    venue.clock.turn(seconds=10)
    provider.may_answer.clear()
    strangers = [
        asyncio.create_task(outcome(bearer(venue, "ES256", f"unknown-{n}").list_keys()))
        for n in range(20)
    ]
    await until(lambda: provider.asked == 2)

    known = await outcome(owner.list_keys())
    bot = await outcome(Bot(venue, made.key).call("GetAccount"))
    waited = not any(stranger.done() for stranger in strangers)
    provider.may_answer.set()

    assert (known, bot, waited) == ("OK", "OK", True)
    assert set(await asyncio.gather(*strangers)) == {"TOKEN_INVALID"}


def nested_token(part: int) -> str:
    parts = token("ES256", KEYS["ES256"], "ES256").split(".")
    parts[part] = urlsafe_b64encode(b"[" * 2_500).rstrip(b"=").decode()
    return ".".join(parts)


@pytest.mark.parametrize("part", [0, 1], ids=["header", "claims"])
@pytest.mark.parametrize("place", ["file", "url", "secret"])
async def test_a_token_that_nests_without_end_is_refused_like_any_broken_one(
    start_venue: VenueFactory, tmp_path: Path, provider: Provider, place: str, part: int
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(jwks()))
    where = {"file": str(path), "url": provider.url, "secret": ""}[place]
    venue = await start_venue(jwt_jwks=where)

    told = await refusal(Person(venue, nested_token(part)).list_keys())

    assert (told.code.name, told.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_that_is_broken_is_refused_at_the_start(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(body)
    settings = Settings(data_dir=tmp_path, jwt_jwks=str(path))

    with pytest.raises(JwksError, match=r"keys\.json is not a JWKS file"):
        jwks_verifier(settings.token_terms, str(path), lambda: 0)
