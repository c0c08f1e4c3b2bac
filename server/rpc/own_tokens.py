"""Tokens that the service signs and accepts itself: of sign-in links, of sessions, of its feed.

They are signed with the secret in the data directory, even if an identity provider signs people's
tokens. Each kind has an audience of its own, so that neither is accepted as the other.
"""

from typing import Any

import jwt

from server.application.callers import Session, SignIn
from server.application.ports import Clock
from server.domain.user import Identity, Plan
from server.domain.values import SECOND
from server.rpc.tokens import (
    BROKEN,
    LIFETIME_SECONDS_MAX,
    TOKEN_BYTES_MAX,
    TokenRefused,
    TokenTerms,
    identity_of,
    issue,
    secret_verifier,
)

SIGN_IN_AUDIENCE = "bottrading-sign-in"
SESSION_AUDIENCE = "bottrading-session"
FEED_AUDIENCE = "bottrading-feed"
OWN_AUDIENCES = (SIGN_IN_AUDIENCE, SESSION_AUDIENCE, FEED_AUDIENCE)
FEED_SUBJECT = "bottrading-feed"
"""A subject of its own: operators are not ranked, and the owner of the service is to be."""

FEED_SECONDS = 3600
SIGN_IN_SECONDS = 600
TOKEN_ID_LENGTH_MAX = 36

NEW_LINK = "`bottrading open` prints a new link."


class OwnTokens:
    """Makes and reads the tokens; `issuer` is the one that people's tokens have.

    The clock is the real one, as for all tokens.
    """

    def __init__(self, issuer: str, secret: bytes, clock: Clock) -> None:
        self._sign_in = TokenTerms(issuer=issuer, audience=SIGN_IN_AUDIENCE)
        self._session = TokenTerms(issuer=issuer, audience=SESSION_AUDIENCE)
        self._secret = secret
        self._clock = clock
        self._sign_ins = secret_verifier(self._sign_in, secret)
        self._sessions = secret_verifier(self._session, secret)
        self._feed = TokenTerms(issuer=issuer, audience=FEED_AUDIENCE)
        self._feeds = secret_verifier(self._feed, secret)

    def sign_in_token(self, identity: Identity, token_id: str) -> str:
        """Return the token of a link that signs a person in once."""
        return issue(
            self._sign_in,
            self._secret,
            identity,
            now_seconds=self._clock() // SECOND,
            ttl_seconds=SIGN_IN_SECONDS,
            token_id=token_id,
        )

    def begin_session(self, sign_in: SignIn) -> Session:
        """Return the token of a session of the person who signed in."""
        now = self._clock() // SECOND
        token = issue(
            self._session,
            self._secret,
            sign_in.identity,
            now_seconds=now,
            ttl_seconds=LIFETIME_SECONDS_MAX,
        )
        return Session(token, (now + LIFETIME_SECONDS_MAX) * SECOND)

    def feed_token(self) -> str:
        """Return an operator's token for the service's own feed, for an hour."""
        identity = Identity(
            issuer=self._feed.issuer,
            subject=FEED_SUBJECT,
            name=FEED_SUBJECT,
            plan=Plan.FREE,
            is_operator=True,
        )
        return issue(
            self._feed,
            self._secret,
            identity,
            now_seconds=self._clock() // SECOND,
            ttl_seconds=FEED_SECONDS,
        )

    def read_sign_in(self, token: str) -> SignIn:
        """Return who signs in, even if the token has been used before; raise TokenRefused."""
        if _audience(token) != SIGN_IN_AUDIENCE:
            raise TokenRefused(f"This call takes the token of a sign-in link: {NEW_LINK}")
        try:
            return self._sign_ins.read(token, _sign_in)
        except TokenRefused as error:
            raise TokenRefused(f"{error} {NEW_LINK}") from error

    def verify_session(self, token: str) -> Identity:
        """Return whose session it is; raise TokenRefused."""
        return self._sessions.verify(token)

    def verify_feed(self, token: str) -> Identity:
        """Return the identity of the service's own feed; raise TokenRefused."""
        return self._feeds.verify(token)


def is_session(token: str) -> bool:
    """Tell whether a token claims to be one of a session; the claim is not verified here."""
    return _audience(token) == SESSION_AUDIENCE


def is_of_feed(token: str) -> bool:
    """Tell whether a token claims to be one of the feed; the claim is not verified here."""
    return _audience(token) == FEED_AUDIENCE


def _audience(token: str) -> object:
    if len(token) > TOKEN_BYTES_MAX:
        return None
    try:
        return jwt.decode(token, options={"verify_signature": False}).get("aud")
    except BROKEN:
        return None


def _sign_in(claims: dict[str, Any]) -> SignIn:
    identity, token_id = identity_of(claims), claims.get("jti")
    if not isinstance(token_id, str) or not 1 <= len(token_id) <= TOKEN_ID_LENGTH_MAX:
        raise TokenRefused(f"The claim jti must have 1 to {TOKEN_ID_LENGTH_MAX} characters.")
    if identity.expires_at - identity.issued_at > SIGN_IN_SECONDS:
        raise TokenRefused(f"The claim exp must be after iat, by at most {SIGN_IN_SECONDS} s.")
    return SignIn(token_id, identity)
