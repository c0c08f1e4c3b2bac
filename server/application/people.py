"""The port to people and their bot keys; every unit of work includes it."""

from collections.abc import Mapping
from typing import Protocol

from server.domain.user import BotKey, Identity, Permissions, User
from server.domain.values import Micros


class People(Protocol):
    """Users, the accounts that they own, and what their keys may do."""

    @property
    def permissions(self) -> Mapping[str, Permissions | None]:
        """Return what the bot keys that were loaded may do; None for a revoked one."""

    def user_by_identity(self, issuer: str, subject: str) -> User | None:
        """Return the user of a token."""

    def user(self, user_id: str) -> User:
        """Return a user; the caller knows that the user exists."""

    def owns(self, user_id: str, account_id: str) -> bool:
        """Tell whether an account is a user's."""

    def has_account(self, account_id: str) -> bool:
        """Tell whether there is an account."""

    def account_count(self, user_id: str) -> int:
        """Return how many accounts a user has."""

    def add_user(self, user: User) -> None:
        """Store a new user."""

    def update_identity(self, user_id: str, identity: Identity) -> None:
        """Store what a newer token says about a user."""

    def use_sign_in(self, token_id: str, expires_at: Micros) -> bool:
        """Store that a sign-in token is used; return False if it was used before."""

    def forget_sign_ins(self, before: Micros) -> None:
        """Forget the used sign-in tokens that expired before a moment."""

    def key_count(self, user_id: str) -> int:
        """Return how many bot keys a user has ever made."""

    def live_key_count(self, user_id: str) -> int:
        """Return how many live bot keys a user has."""

    def key(self, user_id: str, key_id: str) -> BotKey | None:
        """Return a bot key of a user."""

    def add_key(self, key: BotKey) -> None:
        """Store a new bot key."""

    def revoke_key(self, key_id: str, now: Micros) -> None:
        """Store that a bot key is revoked."""
