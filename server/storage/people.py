"""People and their bot keys, within the transaction of a unit of work."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, insert, select, update

from server.domain.user import BotKey, Identity, Permissions, User
from server.domain.values import Micros
from server.storage import people_mapping
from server.storage.spend_rows import SpendRows
from server.storage.tables import accounts, bot_keys, used_sign_ins, users


class People(SpendRows):
    """The part of a unit of work that stores users and keys, and what they spend."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.permissions: dict[str, Permissions | None] = {}

    def load_permissions(self, key_ids: Iterable[str]) -> None:
        """Read what keys may do, unless they are unknown or revoked."""
        query = select(bot_keys.c.id, bot_keys.c.permissions).where(
            bot_keys.c.id.in_(key_ids), bot_keys.c.revoked_at.is_(None)
        )
        for row in self._connection.execute(query):
            self.permissions[row.id] = people_mapping.permissions_from(row.permissions)

    def user_by_identity(self, issuer: str, subject: str) -> User | None:
        row = self._connection.execute(
            select(users).where(users.c.issuer == issuer, users.c.subject == subject)
        ).one_or_none()
        return None if row is None else people_mapping.user_from(row)

    def user(self, user_id: str) -> User:
        row = self._connection.execute(select(users).where(users.c.id == user_id)).one()
        return people_mapping.user_from(row)

    def owns(self, user_id: str, account_id: str) -> bool:
        query = select(accounts.c.id).where(
            accounts.c.id == account_id, accounts.c.user_id == user_id
        )
        return self._connection.execute(query).one_or_none() is not None

    def has_account(self, account_id: str) -> bool:
        query = select(accounts.c.id).where(accounts.c.id == account_id)
        return self._connection.execute(query).one_or_none() is not None

    def account_count(self, user_id: str) -> int:
        query = select(func.count()).where(accounts.c.user_id == user_id)
        return self._connection.execute(query).scalar_one()

    def add_user(self, user: User) -> None:
        self._connection.execute(insert(users), people_mapping.user_values(user))

    def update_identity(self, user_id: str, identity: Identity) -> None:
        self._connection.execute(
            update(users)
            .where(users.c.id == user_id)
            .values(
                name=identity.name,
                plan=identity.plan.value,
                is_operator=identity.is_operator,
                token_issued_at=identity.issued_at,
            )
        )

    def use_sign_in(self, token_id: str, expires_at: Micros) -> bool:
        query = select(used_sign_ins.c.token_id).where(used_sign_ins.c.token_id == token_id)
        if self._connection.execute(query).one_or_none() is not None:
            return False
        values = {"token_id": token_id, "expires_at": expires_at}
        self._connection.execute(insert(used_sign_ins), values)
        return True

    def forget_sign_ins(self, before: Micros) -> None:
        self._connection.execute(delete(used_sign_ins).where(used_sign_ins.c.expires_at < before))

    def key_count(self, user_id: str) -> int:
        query = select(func.count()).where(bot_keys.c.user_id == user_id)
        return self._connection.execute(query).scalar_one()

    def live_key_count(self, user_id: str) -> int:
        query = select(func.count()).where(
            bot_keys.c.user_id == user_id, bot_keys.c.revoked_at.is_(None)
        )
        return self._connection.execute(query).scalar_one()

    def key(self, user_id: str, key_id: str) -> BotKey | None:
        row = self._connection.execute(
            select(bot_keys).where(bot_keys.c.id == key_id, bot_keys.c.user_id == user_id)
        ).one_or_none()
        return None if row is None else people_mapping.key_from(row)

    def add_key(self, key: BotKey) -> None:
        self._connection.execute(insert(bot_keys), people_mapping.key_values(key))

    def revoke_key(self, key_id: str, now: Micros) -> None:
        self.permissions[key_id] = None
        self._connection.execute(
            update(bot_keys).where(bot_keys.c.id == key_id).values(revoked_at=now)
        )
