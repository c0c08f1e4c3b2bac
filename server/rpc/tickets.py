"""Stream tickets: signed names of bot keys that browsers may put into a URL for a while."""

import jwt

from server.application.callers import OwnKey
from server.application.ports import Clock
from server.domain.values import SECOND, Micros

LIFETIME: Micros = 600 * SECOND
RESUMING_LIFETIME: Micros = 7_200 * SECOND
"""Of the ticket that an open stream is given to resume with: longer than a connection's age."""

AUDIENCE = "bottrading-streams"
ALGORITHM = "HS256"
TICKET_LENGTH_MAX = 1_000


class Tickets:
    """Makes tickets and reads them; whether the key still lives is for the keyring to say."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def issue(self, bot_key_id: str, lifetime: Micros = LIFETIME) -> tuple[str, Micros]:
        """Return a ticket for the streams of a bot key, and when it ends."""
        expires_at = (self._clock() + lifetime) // SECOND
        claims = {"sub": bot_key_id, "aud": AUDIENCE, "exp": expires_at}
        return jwt.encode(claims, self._secret, ALGORITHM), expires_at * SECOND

    def issue_for(self, own: OwnKey) -> tuple[str, Micros]:
        """Return a ticket for the streams of a caller's bot key, and when it ends."""
        return self.issue(own.bot_key_id)

    def bot_key_id(self, ticket: str) -> str | None:
        """Return whose ticket it is; None when it is none of ours or has ended."""
        if len(ticket) > TICKET_LENGTH_MAX:
            return None
        try:
            claims = jwt.decode(
                ticket,
                self._secret,
                [ALGORITHM],
                audience=AUDIENCE,
                # By our own clock, below.
                options={"require": ["sub", "aud", "exp"], "verify_exp": False},
            )
        except jwt.InvalidTokenError:
            return None
        return str(claims["sub"]) if int(claims["exp"]) * SECOND > self._clock() else None
