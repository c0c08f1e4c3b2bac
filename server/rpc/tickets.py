"""Stream tickets: signed ids of bot keys that browsers may put into a URL for a while."""

import jwt

from server.application.callers import OwnKey
from server.application.ports import Clock
from server.domain.values import SECOND, Micros

LIFETIME: Micros = 600 * SECOND
RESUMING_LIFETIME: Micros = 7_200 * SECOND
"""Lifetime of the ticket with which an open stream resumes; longer than a connection's age."""

AUDIENCE = "bottrading-streams"
ALGORITHM = "HS256"
TICKET_LENGTH_MAX = 1_000


class Tickets:
    """Makes and reads tickets; the keyring decides whether the key is still live."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def issue(self, bot_key_id: str, lifetime: Micros = LIFETIME) -> tuple[str, Micros]:
        """Return a ticket for the streams of a bot key, and when it expires."""
        expires_at = (self._clock() + lifetime) // SECOND
        claims = {"sub": bot_key_id, "aud": AUDIENCE, "exp": expires_at}
        return jwt.encode(claims, self._secret, ALGORITHM), expires_at * SECOND

    def issue_for(self, own: OwnKey) -> tuple[str, Micros]:
        """Return a ticket for the streams of a caller's bot key, and when it expires."""
        return self.issue(own.bot_key_id)

    def bot_key_id(self, ticket: str) -> str | None:
        """Return the key id of a ticket; None if it is invalid or expired."""
        if len(ticket) > TICKET_LENGTH_MAX:
            return None
        try:
            claims = jwt.decode(
                ticket,
                self._secret,
                [ALGORITHM],
                audience=AUDIENCE,
                # Checked below, with this server's clock.
                options={"require": ["sub", "aud", "exp"], "verify_exp": False},
            )
        except jwt.InvalidTokenError:
            return None
        return str(claims["sub"]) if int(claims["exp"]) * SECOND > self._clock() else None
