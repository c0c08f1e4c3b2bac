"""Callers: who asks for something, as far as use cases and queries need to know."""

from dataclasses import dataclass

from server.domain.user import EVERYTHING, Permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A bot by its key, or a person by their token; the service itself has no ids.

    `account_id` is the key's account, or the person's first one. `bot_key_id` is None for a
    person.
    """

    account_id: str = ""
    user_id: str = ""
    bot_key_id: str | None = None
    permissions: Permissions = EVERYTHING


@dataclass(frozen=True, slots=True)
class OwnKey:
    """The bot key that a call is made with, and the account that it is for."""

    account_id: str
    bot_key_id: str


SERVICE = Caller()
"""The service itself, where it makes a call of its own."""
