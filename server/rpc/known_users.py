"""Known users: whom the engine found for tokens, cached until something of them changes."""

from dataclasses import dataclass

from server.domain.user import Identity

USERS_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user as described by their newest token, with their first account."""

    identity: Identity
    user_id: str
    account_id: str


class KnownUsers:
    """Users by issuer and subject of their tokens."""

    def __init__(self) -> None:
        self._users: dict[tuple[str, str], KnownUser] = {}
        self.changes = 0
        """How often users were forgotten. What was asked before the last time may be old."""

    def find(self, identity: Identity) -> KnownUser | None:
        """Return the user of a token; None if the engine must be told of it."""
        known = self._users.get((identity.issuer, identity.subject))
        if known is None:
            return None
        older = identity.issued_at < known.identity.issued_at
        return known if older or identity == known.identity else None

    def keep(self, known: KnownUser) -> None:
        """Remember a user."""
        if len(self._users) >= USERS_REMEMBERED_MAX:
            self._users.clear()
        self._users[known.identity.issuer, known.identity.subject] = known

    def forget(self, user_id: str) -> None:
        """Let the engine be asked again for a user who may have changed."""
        self.changes += 1
        self._users = {who: it for who, it in self._users.items() if it.user_id != user_id}

    def forget_all(self) -> None:
        """Let the engine be asked again for every user."""
        self.changes += 1
        self._users.clear()
