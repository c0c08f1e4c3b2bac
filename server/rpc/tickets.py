"""Stream tickets: signed credentials that browsers may put into a URL for a while."""

from dataclasses import dataclass
from typing import Any

import jwt

from server.application.callers import Caller
from server.application.ports import Clock
from server.domain.values import SECOND, Micros

LIFETIME: Micros = 600 * SECOND
RESUMING_LIFETIME: Micros = 7_200 * SECOND
"""Lifetime of the ticket with which an open stream resumes; longer than a connection's age."""

AUDIENCE = "bottrading-streams"
ALGORITHM = "HS256"
TICKET_LENGTH_MAX = 1_000


@dataclass(frozen=True, slots=True)
class KeyTicket:
    """A valid ticket that a bot made with its key."""

    bot_key_id: str


@dataclass(frozen=True, slots=True)
class PersonTicket:
    """A valid ticket that a person made with a token, which expires at `ends_at`."""

    user_id: str
    account_id: str
    ends_at: Micros


class Tickets:
    """Makes and reads tickets; it does not know whether the key of a ticket is still live."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._secret = secret
        self._clock = clock

    def issue_for(self, caller: Caller, lifetime: Micros = LIFETIME) -> tuple[str, Micros]:
        """Return a ticket for the streams of a caller's account, and when it expires.

        A person's ticket expires with the token at the latest.
        """
        expires_at = (self._clock() + lifetime) // SECOND
        claims: dict[str, Any] = {"aud": AUDIENCE}
        if caller.bot_key_id is not None:
            claims["sub"] = caller.bot_key_id
        else:
            assert caller.ends_at is not None, "a person's token has an end"
            expires_at = min(expires_at, caller.ends_at // SECOND)
            claims |= {
                "sub": caller.user_id,
                "account": caller.account_id,
                "ends": caller.ends_at // SECOND,
            }
        claims["exp"] = expires_at
        return jwt.encode(claims, self._secret, ALGORITHM), expires_at * SECOND

    def read(self, ticket: str) -> KeyTicket | PersonTicket | None:
        """Return whose ticket it is; None if it is invalid or expired."""
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
        if int(claims["exp"]) * SECOND <= self._clock():
            return None
        if "account" not in claims:
            return KeyTicket(str(claims["sub"]))
        return PersonTicket(claims["sub"], claims["account"], int(claims["ends"]) * SECOND)
