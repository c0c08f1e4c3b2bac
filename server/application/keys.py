"""Bot keys and the people who own them: creating, revoking and recording use."""

from dataclasses import replace

from server.application.commands import (
    CreateBotKey,
    Done,
    KeyCreated,
    KeyRevoked,
    KnowUser,
    RecordUsage,
    RevokeBotKey,
    UserKnown,
    UseSignIn,
)
from server.application.ports import Chance, UnitOfWork
from server.application.refusals import ACCOUNT_NOT_FOUND, BOT_KEY_NOT_FOUND, SIGN_IN_USED
from server.domain.account_changes import open_account
from server.domain.errors import Reason, Refusal
from server.domain.invariants import BrokenInvariant
from server.domain.named_ids import user_id
from server.domain.user import (
    KEY_RANDOM_LENGTH,
    KEY_SHOWN_LENGTH,
    BotKey,
    Identity,
    Permissions,
    User,
    form_key,
    hash_key,
)
from server.domain.values import DAY, Micros, Money


class Keys:
    """Creates and revokes bot keys, and finds the user of a token."""

    def __init__(self, chance: Chance, initial_balance: Money) -> None:
        self._chance = chance
        self._initial_balance = initial_balance

    def know_user(
        self, command: KnowUser, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> UserKnown:
        """Return the user of a token; a person's first valid token opens an account.

        Of several tokens, the one that was issued last describes the user.
        """
        identity = command.identity
        user = unit.user_by_identity(identity.issuer, identity.subject)
        if user is None:
            return UserKnown(self._open(identity, unit, now))
        if identity.issued_at < user.identity.issued_at or identity == user.identity:
            return UserKnown(user)
        unit.update_identity(user.id, identity)
        return UserKnown(replace(user, identity=identity), is_changed=True)

    def create(
        self, command: CreateBotKey, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> KeyCreated | Refusal:
        """Make a key, unless the plan's limit is reached."""
        user = unit.user(command.user_id)
        plan = user.identity.plan
        if unit.live_key_count(command.user_id) >= plan.bot_keys:
            return Refusal(
                reason=Reason.BOT_KEY_LIMIT_REACHED,
                message=f"The plan {plan.value} allows {plan.bot_keys} live bot keys, and all"
                " are in use: revoke one first.",
            )
        account_id = command.account_id or user.account_id
        if not unit.owns(user.id, account_id):
            return ACCOUNT_NOT_FOUND
        secret = form_key(self._chance.base62(KEY_RANDOM_LENGTH))
        key = BotKey(
            id=self._chance.id_of("key", user.id, str(unit.key_count(user.id))),
            user_id=command.user_id,
            account_id=account_id,
            label=command.label,
            prefix=secret[:KEY_SHOWN_LENGTH],
            key_hash=hash_key(secret),
            created_at=now,
            permissions=command.permissions,
        )
        unit.add_key(key)
        return KeyCreated(key, secret)

    def revoke(
        self, command: RevokeBotKey, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> KeyRevoked | Refusal:
        """Revoke a key; for a key that is already revoked, repeat the earlier answer."""
        key = unit.key(command.user_id, command.key_id)
        if key is None:
            return BOT_KEY_NOT_FOUND
        if key.revoked_at is None:
            unit.revoke_key(key.id, now)
            key = unit.key(command.user_id, command.key_id)
            if key is None:
                raise BrokenInvariant("a revoked key is not stored")
        return KeyRevoked(key)

    def use_sign_in(
        self, command: UseSignIn, _: Permissions, unit: UnitOfWork, __: Micros
    ) -> Done | Refusal:
        """Store that a sign-in token is used, unless it was used before."""
        # A used token stays known for a day longer than it is valid: a clock may jump and go back.
        unit.forget_sign_ins(command.now - DAY)
        return Done() if unit.use_sign_in(command.token_id, command.expires_at) else SIGN_IN_USED

    def record_usage(
        self, command: RecordUsage, _: Permissions, unit: UnitOfWork, __: Micros
    ) -> Done:
        """Add to the stored counts of calls, and store when keys were last used."""
        unit.add_usage(command.calls, command.keys)
        return Done()

    def _open(self, identity: Identity, unit: UnitOfWork, now: Micros) -> User:
        name = user_id(identity.issuer, identity.subject)
        account_id = self._chance.id_of("account", name, "0")
        user = User(id=name, identity=identity, created_at=now, account_id=account_id)
        # First, because it is refused if another engine owns the user.
        unit.keep(open_account(account_id, user.id, self._initial_balance, now))
        unit.add_user(user)
        return user
