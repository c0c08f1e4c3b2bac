"""A stand-in for an identity provider: OpenID Connect on the loopback, with PKCE."""

import base64
import hashlib
import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import get_default_algorithms

CLIENT_ID = "bottrading-page"
KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass
class Grant:
    """A code that was given out, and what its exchange must bring."""

    challenge: str
    nonce: str
    redirect_uri: str


class IdentityProvider:
    """Answers as set: `claims` and `document` change what it says, `token_answer` replaces it."""

    def __init__(self) -> None:
        self.grants: dict[str, Grant] = {}
        self.claims: dict[str, Any] = {}
        self.document: dict[str, Any] = {}
        self.token_answer: tuple[int, bytes] | None = None
        self.is_away = False
        self.asked: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                self._send(*provider.read(self.path))

            def do_POST(self) -> None:
                provider.asked.append(self.path)
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._send(*(provider.token_answer or provider.exchange(form)))

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.issuer = f"http://127.0.0.1:{self._server.server_port}/realm"

    def settings(self) -> dict[str, str]:
        """Return the settings of a service at which this provider signs people in."""
        return {
            "jwt_jwks": f"{self.issuer}/keys",
            "jwt_issuer": self.issuer,
            "jwt_audience": CLIENT_ID,
            "oidc_issuer": self.issuer,
            "oidc_client_id": CLIENT_ID,
        }

    def read(self, path: str) -> tuple[int, bytes]:
        """Answer a GET."""
        match path.removeprefix("/realm"):
            case _ if self.is_away:
                return 500, b"away"
            case "/.well-known/openid-configuration":
                document = {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                }
                return 200, json.dumps(document | self.document).encode()
            case "/keys":
                key = get_default_algorithms()["ES256"].to_jwk(KEY.public_key(), as_dict=True)
                return 200, json.dumps({"keys": [key | {"kid": "1", "use": "sig"}]}).encode()
            case _:
                return 404, b"{}"

    def authorize(self, url: str) -> str:
        """Sign Ada in, as a browser that is sent to `url` would; return the code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.grants)}-{time.monotonic_ns()}"
        self.grants[code] = Grant(asked["code_challenge"], asked["nonce"], asked["redirect_uri"])
        return code

    def exchange(self, form: dict[str, str]) -> tuple[int, bytes]:
        """Answer the token endpoint; a code works once, with its verifier."""
        grant = self.grants.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            grant is None
            or form["grant_type"] != "authorization_code"
            or form["client_id"] != CLIENT_ID
            or grant.redirect_uri != form["redirect_uri"]
            or grant.challenge != challenge
        ):
            return 400, b'{"error": "invalid_grant", "error_description": "<b>no</b>"}'
        return 200, json.dumps({"id_token": self.token(grant.nonce), "access_token": "x"}).encode()

    def token(self, nonce: str = "") -> str:
        """Return a token for Ada."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "ada",
            "name": "Ada L.",
            "iat": now,
            "exp": now + 3600,
            "nonce": nonce,
        }
        return jwt.encode(claims | self.claims, KEY, "ES256", {"kid": "1"})

    def stop(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
