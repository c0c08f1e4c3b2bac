"""Tokens signed with published keys, from a file and from a URL."""

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from server.config import jwt_secret
from tests.support.venue import Person, VenueFactory, refusal

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
    """Return a token that takes the public key for a shared secret."""
    _, claims, _ = token("ES256", KEYS["ES256"], None).split(".")
    header = urlsafe_b64encode(b'{"alg":"HS256","kid":"RS256"}').rstrip(b"=").decode()
    signature = hmac.digest(public, f"{header}.{claims}".encode(), "sha256")
    return f"{header}.{claims}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.fixture
def url() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(jwks()).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("place", ["file", "url"])
async def test_tokens_of_published_keys_are_taken_and_all_others_refused(
    start_venue: VenueFactory, tmp_path: Path, url: str, place: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(jwks()))
    venue = await start_venue(jwt_jwks=str(path) if place == "file" else url)
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
