"""JSON Web Tokens: identifies callers, and checks tokens against a secret or published keys."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jwt
from jwt import PyJWK, PyJWTError

from server.application.ports import Clock
from server.domain.user import Identity, Plan
from server.rpc.published_keys import PublishedKeys, signing_keys

T = TypeVar("T")

TOKEN_BYTES_MAX = 4096
LIFETIME_SECONDS_MAX = 24 * 3600
CLOCK_LEEWAY_SECONDS = 5
SECRET_BYTES_MIN = 32
SUBJECT_LENGTH_MAX = 255
NAME_LENGTH_MAX = 128

SECRET_ALGORITHMS = ("HS256",)
KEY_ALGORITHMS = ("RS256", "ES256", "EdDSA")
NOT_PUBLISHED = "The token names a key that is not published."
REQUIRED_CLAIMS = ["exp", "iat", "iss", "aud", "sub"]


class JwksError(ValueError):
    """The published keys cannot be read."""


KeyFinder = Callable[[str], Any]
"""Returns the key that a token names; raises TokenRefused."""

BROKEN = (PyJWTError, ValueError, TypeError, RecursionError)
"""Errors of reading a token; a token that is nested too deeply raises RecursionError."""


async def _nothing_to_fetch(_: str) -> None:
    """Do nothing, because all keys are known."""


class TokenRefused(Exception):
    """The token is invalid; the message says why, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTerms:
    """The required issuer and audience of a token."""

    issuer: str
    audience: str


class TokenVerifier:
    """Checks tokens. `prepare` fetches the keys for `verify`, without a thread.

    `verify` checks a signature, which takes too long for an event loop: call it in a thread.
    """

    def __init__(
        self,
        terms: TokenTerms,
        find_key: KeyFinder,
        algorithms: tuple[str, ...],
        prepare: Callable[[str], Awaitable[None]] = _nothing_to_fetch,
    ) -> None:
        self._terms = terms
        self._find_key = find_key
        self._algorithms = algorithms
        self._prepare = prepare

    async def prepare(self, token: str) -> None:
        """Fetch the keys that a token may need; `verify` reports a broken token."""
        if len(token) <= TOKEN_BYTES_MAX:
            await self._prepare(token)

    def verify(self, token: str) -> Identity:
        """Return whose token it is; raise TokenRefused, or KeysUnavailable if keys are missing."""
        return self.read(token, identity_of)

    def read(self, token: str, read_claims: Callable[[dict[str, Any]], T]) -> T:
        """Return what the claims of a valid token say; raise as `verify` does."""
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenRefused(
                f"The token must have at most {TOKEN_BYTES_MAX} bytes, not {len(token)}."
            )
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
            return read_claims(claims)
        except BROKEN as error:
            raise TokenRefused(_explained(error)) from error


def secret_verifier(terms: TokenTerms, secret: bytes) -> TokenVerifier:
    """Return a verifier for tokens signed with a shared secret (HS256)."""
    return TokenVerifier(terms, lambda _: secret, SECRET_ALGORITHMS)


def jwks_verifier(terms: TokenTerms, location: str, monotonic: Clock) -> TokenVerifier:
    """Return a verifier for tokens signed with a key of a JWKS, by URL or file name.

    Raises JwksError for a file that is not a JWKS.
    """
    if location.startswith(("http://", "https://")):
        return _url_verifier(terms, PublishedKeys(location, monotonic))
    try:
        keys = signing_keys(json.loads(Path(location).read_text()))
    except (OSError, *BROKEN) as error:
        raise JwksError(
            f"jwt_jwks: {location} is not a JWKS file ({type(error).__name__})"
        ) from error
    return TokenVerifier(terms, lambda token: _key_of(token, keys), KEY_ALGORITHMS)


def _url_verifier(terms: TokenTerms, published: PublishedKeys) -> TokenVerifier:
    def find(token: str) -> Any:
        key = published.find(_key_id(token))
        if key is None:
            raise TokenRefused(NOT_PUBLISHED)
        return key

    async def prepare(token: str) -> None:
        try:
            key_id = _key_id(token)
        except BROKEN:
            return
        await published.prepare(key_id)

    return TokenVerifier(terms, find, KEY_ALGORITHMS, prepare)


def issue(
    terms: TokenTerms,
    secret: bytes,
    identity: Identity,
    *,
    now_seconds: int,
    ttl_seconds: int,
    token_id: str | None = None,
) -> str:
    """Return a token signed with the shared secret."""
    claims: dict[str, Any] = {
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
    if token_id is not None:
        claims["jti"] = token_id
    return jwt.encode(claims, secret, algorithm=SECRET_ALGORITHMS[0])


def _key_of(token: str, keys: list[PyJWK]) -> PyJWK:
    key_id = _key_id(token)
    for key in keys:
        if (key_id is None and len(keys) == 1) or key.key_id == key_id:
            return key
    raise TokenRefused(NOT_PUBLISHED)


def _key_id(token: str) -> str | None:
    """Return the id of the key that a token says it was signed with, if it names one."""
    key_id: str | None = jwt.get_unverified_header(token).get("kid")
    return key_id


def identity_of(claims: dict[str, Any]) -> Identity:
    """Return whose token it is by its claims; raise TokenRefused, or one of BROKEN."""
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_LENGTH_MAX:
        raise TokenRefused(f"The claim sub must have 1 to {SUBJECT_LENGTH_MAX} characters.")
    name = claims.get("name", subject[:NAME_LENGTH_MAX])
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LENGTH_MAX:
        raise TokenRefused(f"The claim name must have 1 to {NAME_LENGTH_MAX} characters.")
    subject.encode(), name.encode()  # Lone surrogates raise a ValueError.
    issued_at, expires_at = claims["iat"], claims["exp"]
    if type(issued_at) not in (int, float) or type(expires_at) not in (int, float):
        raise TokenRefused("The claims iat and exp must be numbers.")
    lifetime = expires_at - issued_at
    if not 0 < lifetime <= LIFETIME_SECONDS_MAX:
        raise TokenRefused(f"The claim exp must be after iat, by at most {LIFETIME_SECONDS_MAX} s.")
    try:
        plan = Plan(claims.get("plan", Plan.FREE.value))
    except ValueError:
        raise TokenRefused("The claim plan must be Free, Standard or Professional.") from None
    return Identity(
        issuer=claims["iss"],
        subject=subject,
        name=name,
        plan=plan,
        is_operator=claims.get("operator") is True,
        issued_at=int(issued_at),
        expires_at=int(expires_at),
    )


def _explained(error: Exception) -> str:
    """Return why a token is refused, in our own words."""
    match error:
        case jwt.ExpiredSignatureError():
            return "The token has expired: send a new one."
        case jwt.ImmatureSignatureError():
            return "The token is not valid yet."
        case jwt.InvalidIssuerError() | jwt.InvalidAudienceError():
            return "The claim iss or aud is not the one that this server expects."
        case jwt.MissingRequiredClaimError():
            return "The token lacks a claim; iss, aud, sub, iat and exp are required."
        case _:
            return "The token is not valid: its form or its signature is wrong."
