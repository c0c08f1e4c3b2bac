"""Callers: what use cases and queries need to know of who makes a call."""

from dataclasses import dataclass

from server.domain.user import EVERYTHING, Permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A bot with its key, or a person with a token; the service itself has no ids.

    `account_id` is the key's account, or the person's first one. `bot_key_id` is None for a
    person.
    """

    account_id: str = ""
    user_id: str = ""
    bot_key_id: str | None = None
    permissions: Permissions = EVERYTHING


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The bot key that makes a call, and the account that the key is for."""

    account_id: str
    bot_key_id: str


SERVICE = Caller()
"""The caller of the calls that the service itself makes."""
