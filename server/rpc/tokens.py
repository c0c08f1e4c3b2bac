"""JSON Web Tokens: who a bearer is, checked against a secret or published keys."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from jwt import PyJWK, PyJWKClient, PyJWKClientConnectionError, PyJWTError

from server.domain.user import Identity, Plan

TOKEN_BYTES_MAX = 4096
LIFETIME_SECONDS_MAX = 24 * 3600
CLOCK_LEEWAY_SECONDS = 5
SECRET_BYTES_MIN = 32
SUBJECT_LENGTH_MAX = 255
NAME_LENGTH_MAX = 128
JWKS_TIMEOUT_SECONDS = 3
JWKS_LIFESPAN_SECONDS = 300
JWKS_RETRY_SECONDS = 5.0

SECRET_ALGORITHMS = ("HS256",)
KEY_ALGORITHMS = ("RS256", "ES256", "EdDSA")
REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub"]


class KeysUnavailable(Exception):
    """The published keys cannot be fetched now."""


class JwksError(ValueError):
    """The published keys cannot be read."""


KeyFinder = Callable[[str], Any]


class TokenRefused(Exception):
    """The token proves nothing; the message says why, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTerms:
    """Who must have issued a token, and for whom."""

    issuer: str
    audience: str


class TokenVerifier:
    """Checks tokens; blocks while published keys are fetched, so not for an event loop."""

    def __init__(self, terms: TokenTerms, find_key: KeyFinder, algorithms: tuple[str, ...]) -> None:
        self._terms = terms
        self._find_key = find_key
        self._algorithms = algorithms

    def verify(self, token: str) -> Identity:
        """Return whose token it is; raise TokenRefused."""
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenRefused(f"The token is larger than {TOKEN_BYTES_MAX} bytes.")
        try:
            claims = jwt.decode(
                token,
                self._find_key(token),
                algorithms=list(self._algorithms),
                issuer=self._terms.issuer,
                audience=self._terms.audience,
                leeway=CLOCK_LEEWAY_SECONDS,
                options={"require": REQUIRED_CLAIMS, "strict_aud": False},
            )
            return _identity(claims)
        except (PyJWTError, ValueError, TypeError) as error:
            raise TokenRefused(_explained(error)) from error


class PublishedKeys:
    """The keys of a JWKS URL, fetched now and then; a withdrawn key is soon forgotten."""

    def __init__(self, url: str) -> None:
        self._client = PyJWKClient(
            url, cache_keys=False, lifespan=JWKS_LIFESPAN_SECONDS, timeout=JWKS_TIMEOUT_SECONDS
        )
        self._failing_until = 0.0

    def find(self, token: str) -> Any:
        """Return the key that a token names; raise KeysUnavailable while they cannot be had."""
        if time.monotonic() < self._failing_until:
            raise KeysUnavailable
        try:
            return self._client.get_signing_key_from_jwt(token).key
        except PyJWKClientConnectionError as error:
            # Whoever sends tokens must not make every caller wait for the same fetch again.
            self._failing_until = time.monotonic() + JWKS_RETRY_SECONDS
            raise KeysUnavailable from error


def secret_verifier(terms: TokenTerms, secret: bytes) -> TokenVerifier:
    """Return a verifier for tokens signed with a shared secret (HS256)."""
    return TokenVerifier(terms, lambda _: secret, SECRET_ALGORITHMS)


def jwks_verifier(terms: TokenTerms, location: str) -> TokenVerifier:
    """Return a verifier for tokens signed with a key of a JWKS, by URL or file name.

    Raises JwksError for a file that is none.
    """
    if location.startswith(("http://", "https://")):
        return TokenVerifier(terms, PublishedKeys(location).find, KEY_ALGORITHMS)
    try:
        keys = [PyJWK(entry) for entry in json.loads(Path(location).read_text())["keys"]]
    except (OSError, ValueError, LookupError, TypeError, PyJWTError) as error:
        raise JwksError(f"jwt_jwks: {location} is no JWKS file ({type(error).__name__})") from error
    return TokenVerifier(terms, lambda token: _key_of(token, keys), KEY_ALGORITHMS)


def issue(
    terms: TokenTerms, secret: bytes, identity: Identity, *, now_seconds: int, ttl_seconds: int
) -> str:
    """Return a token signed with the shared secret."""
    claims = {
        "iss": terms.issuer,
        "aud": terms.audience,
        "sub": identity.subject,
        "iat": now_seconds,
        "exp": now_seconds + ttl_seconds,
        "name": identity.name,
        "plan": identity.plan.value,
    }
    if identity.is_operator:
        claims["operator"] = True
    return jwt.encode(claims, secret, algorithm=SECRET_ALGORITHMS[0])


def _key_of(token: str, keys: list[PyJWK]) -> PyJWK:
    key_id = jwt.get_unverified_header(token).get("kid")
    for key in keys:
        if (key_id is None and len(keys) == 1) or key.key_id == key_id:
            return key
    raise TokenRefused("The token names a key that is not published.")


def _identity(claims: dict[str, Any]) -> Identity:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_LENGTH_MAX:
        raise TokenRefused(f"The claim sub must have 1 to {SUBJECT_LENGTH_MAX} characters.")
    name = claims.get("name", subject[:NAME_LENGTH_MAX])
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise TokenRefused(f"The claim name must have 1 to {NAME_LENGTH_MAX} characters.")
    subject.encode(), name.encode()  # Lone surrogates are a ValueError.
    issued_at, expires_at = claims["iat"], claims["exp"]
    if type(issued_at) not in (int, float) or type(expires_at) not in (int, float):
        raise TokenRefused("The claims iat and exp must be numbers.")
    lifetime = expires_at - issued_at
    if not 0 < lifetime <= LIFETIME_SECONDS_MAX:
        raise TokenRefused(f"The token lives longer than {LIFETIME_SECONDS_MAX} s.")
    try:
        plan = Plan(claims.get("plan", Plan.FREE.value))
    except ValueError:
        raise TokenRefused("The claim plan must be Free, Standard or Professional.") from None
    return Identity(
        issuer=claims["iss"], subject=subject, name=name, plan=plan,
        is_operator=claims.get("operator") is True, issued_at=int(issued_at),
    )  # fmt: skip


def _explained(error: Exception) -> str:
    """Return why a token is refused, in words of ours."""
    match error:
        case jwt.ExpiredSignatureError():
            return "The token has expired."
        case jwt.ImmatureSignatureError():
            return "The token is not valid yet."
        case jwt.InvalidIssuerError() | jwt.InvalidAudienceError():
            return "The token was issued by or for somebody else."
        case jwt.MissingRequiredClaimError():
            return "The token lacks a claim; iss, aud, sub, iat and exp are required."
        case _:
            return "The token is not valid."
