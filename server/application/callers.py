"""Callers: what use cases and queries need to know about who makes a call."""

from dataclasses import dataclass

from server.domain.user import EVERYTHING, Identity, Permissions
from server.domain.values import Micros


@dataclass(frozen=True, slots=True)
class SignIn:
    """A valid sign-in token: its owner, and the id that ensures a single use."""

    token_id: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Session:
    """The token of a person's session, and when it expires."""

    token: str
    expires_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A bot with its key, or a person with a token; the service itself has no ids.

    `account_id` is the key's account, or the one of a person's accounts that the call is for. For a
    person `bot_key_id` is None, and `ends_at` is the end of the token. `sign_in` is set for a
    person who signs in by a link.
    """

    account_id: str = ""
    user_id: str = ""
    bot_key_id: str | None = None
    permissions: Permissions = EVERYTHING
    ends_at: Micros | None = None
    sign_in: SignIn | None = None


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The account that a call is about, and the bot key that makes it; None for a person."""

    account_id: str
    bot_key_id: str | None


SERVICE = Caller()
"""The caller of the calls that the service itself makes."""
