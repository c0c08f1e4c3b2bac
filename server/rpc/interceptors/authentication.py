"""Authentication: who is calling, and whether the contract lets them make the call."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import TypeVar

from server.application.callers import SERVICE
from server.application.ports import StorageUnavailable
from server.application.refusals import ACCOUNT_NOT_FOUND, KEY_REFUSED
from server.domain.errors import Reason, Refusal
from server.domain.named_ids import user_id
from server.domain.sharding import shard_of
from server.domain.user import Identity
from server.domain.values import SECOND
from server.engine.client import AWAY, OUTCOME_UNKNOWN, RETRY_SECONDS, Engine, EngineRefused
from server.engine.frames import decode_user, encode_identity
from server.rpc.call import NOBODY, Call, Handler, Principal
from server.rpc.errors import Refused, refuse
from server.rpc.keyring import Keyring
from server.rpc.known_users import KnownUser
from server.rpc.own_tokens import OwnTokens, is_of_feed, is_session
from server.rpc.owned_accounts import OwnedAccounts
from server.rpc.published_keys import KeysUnavailable
from server.rpc.tickets import KeyTicket, Tickets
from server.rpc.tokens import CLOCK_LEEWAY_SECONDS, TokenRefused, TokenVerifier
from server.wire.contract import Credential, Method

T = TypeVar("T")

BOT_KEY_HEADER = "x-bot-key"
TOKEN_HEADER = "authorization"
TICKET_HEADER = "x-stream-ticket"
ACCOUNT_HEADER = "x-account-id"
HEADERS = frozenset({BOT_KEY_HEADER, TOKEN_HEADER, TICKET_HEADER, ACCOUNT_HEADER})


KEYS_AWAY = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The keys that sign tokens cannot be fetched; try again.",
    retry_after_seconds=RETRY_SECONDS,
)


TOKEN_REFUSED = Refusal(
    reason=Reason.TOKEN_INVALID, message="Send a token as authorization: Bearer …"
)
"""The refusal of a call that needs a token and carries none."""


class Authentication:
    """Authenticates before anything is spent or revealed."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        owned: OwnedAccounts,
        tickets: Tickets,
        verifier: TokenVerifier,
        own_tokens: OwnTokens,
        engine: Engine,
        executor: Executor,
        has_public_methods: bool = False,
    ) -> None:
        self._keyring = keyring
        self._owned = owned
        self._tickets = tickets
        self._verifier = verifier
        self._own_tokens = own_tokens
        self._engine = engine
        self._executor = executor
        self._has_public_methods = has_public_methods

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that authenticates its caller."""
        credential, scope = method.credential, method.scope
        if not method.is_open or credential is None:
            return _closed
        is_public = self._has_public_methods and method.can_be_public
        takes_key, takes_token = credential.is_of_a_bot, credential.is_of_either
        takes_ticket = credential is Credential.BOT_KEY_OR_TICKET

        async def handle(call: Call) -> bytes:
            kind, value, call.named_account = _credential(call.metadata)
            if takes_token and kind == TOKEN_HEADER:
                call.principal = await self._person(kind, value, operator=False)
            elif is_public and not kind:
                call.principal = NOBODY
            elif takes_key:
                call.principal = await self._bot(kind, value, takes_ticket=takes_ticket)
                if call.named_account not in (None, call.principal.account_id):
                    raise Refused(ACCOUNT_NOT_FOUND)
                if scope is not None and scope not in call.principal.permissions.scopes:
                    raise refuse(
                        Reason.KEY_SCOPE_MISSING,
                        f"The bot key lacks the scope {scope.value}: send one that has it.",
                    )
            elif credential is Credential.SIGN_IN_TOKEN:
                call.principal = await self._signing_in(kind, value)
            else:
                call.principal = await self._person(
                    kind, value, operator=credential is Credential.OPERATOR_TOKEN
                )
            return await proceed(call)

        return handle

    async def account_of(self, metadata: Sequence[tuple[str, str | bytes]]) -> str | None:
        """Return the account of a bot key sent with a call that needs none: a health watch.

        Return None without a valid key, and while keys cannot be looked up.
        """
        try:
            kind, value, _ = _credential(metadata)
            return (await self._bot(kind, value)).account_id
        except (Refused, StorageUnavailable):
            return None

    async def _bot(self, kind: str, value: str, *, takes_ticket: bool = False) -> Principal:
        principal = None
        if kind == TOKEN_HEADER:
            raise refuse(
                Reason.BOT_KEY_REQUIRED, "This call takes no token: send a bot key as x-bot-key."
            )
        if kind == BOT_KEY_HEADER:
            principal = await self._keyring.find(value)
        elif kind == TICKET_HEADER and takes_ticket:
            principal = await self._holder(value)
        if principal is None:
            raise Refused(KEY_REFUSED)
        return principal

    async def _holder(self, ticket: str) -> Principal | None:
        """Return whose ticket it is; None if it is invalid or its key is revoked."""
        read = self._tickets.read(ticket)
        if read is None:
            return None
        if isinstance(read, KeyTicket):
            principal = await self._keyring.find_by_id(read.bot_key_id)
            return principal and replace(principal, by_ticket=True)
        plan = await self._owned.plan(read.user_id, read.account_id)
        return plan and Principal(
            account_id=read.account_id,
            user_id=read.user_id,
            plan=plan,
            ends_at=read.ends_at,
            by_ticket=True,
        )

    async def _person(self, kind: str, value: str, *, operator: bool) -> Principal:
        if kind == BOT_KEY_HEADER:
            # Only the holder of a live key learns what the key may not do.
            await self._bot(kind, value)
            raise refuse(
                Reason.OPERATOR_REQUIRED if operator else Reason.TOKEN_REQUIRED,
                "This call takes no bot key: send the token of an operator."
                if operator
                else "This call takes no bot key: send the token of its owner.",
            )
        if kind != TOKEN_HEADER:
            raise Refused(TOKEN_REFUSED)
        identity = await self._verified(value)
        if operator and is_session(_bearer(value)):
            # Whoever sees a link can use it first, so it must not give an operator's rights.
            raise refuse(
                Reason.OPERATOR_REQUIRED,
                "This call takes no session of the page: send an operator's token.",
            )
        if operator and not identity.is_operator:
            raise refuse(
                Reason.OPERATOR_REQUIRED,
                "The claim operator of the token must be true: send an operator's token.",
            )
        return await self._principal(identity)

    async def _signing_in(self, kind: str, value: str) -> Principal:
        if kind == BOT_KEY_HEADER:
            await self._bot(kind, value)
            raise refuse(
                Reason.TOKEN_REQUIRED,
                "This call takes no bot key: send the token of a sign-in link.",
            )
        if kind != TOKEN_HEADER:
            raise Refused(TOKEN_REFUSED)
        sign_in = await self._read(self._own_tokens.read_sign_in, _bearer(value))
        return replace(await self._principal(sign_in.identity), sign_in=sign_in)

    async def _principal(self, identity: Identity) -> Principal:
        known = await self._known(identity)
        return Principal(
            account_id=known.account_id,
            user_id=known.user_id,
            plan=known.identity.plan,
            ends_at=(identity.expires_at + CLOCK_LEEWAY_SECONDS) * SECOND,
        )

    async def _verified(self, token: str) -> Identity:
        bearer = _bearer(token)
        if is_session(bearer):
            return await self._read(self._own_tokens.verify_session, bearer)
        if is_of_feed(bearer):
            return await self._read(self._own_tokens.verify_feed, bearer)
        await self._verifier.prepare(bearer)
        return await self._read(self._verifier.verify, bearer)

    async def _read(self, read: Callable[[str], T], token: str) -> T:
        """Read a token in a thread, because checking a signature takes long."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, read, token)
        except TokenRefused as error:
            raise refuse(Reason.TOKEN_INVALID, str(error)) from error
        except KeysUnavailable as error:
            raise Refused(KEYS_AWAY) from error

    async def _known(self, identity: Identity) -> KnownUser:
        """Return a token's user: the first token creates the user, the newest describes them."""
        users = self._keyring.users
        known = users.find(identity)
        if known is None:
            before = users.changes
            user_id, account_id, newest = decode_user(await self._user_of(identity))
            await self._keyring.load_calls(account_id)
            known = KnownUser(newest, user_id, account_id)
            if before == users.changes:
                users.keep(known)
        return known

    async def _user_of(self, identity: Identity) -> bytes:
        # Users of older versions have other ids: the engine then tells where they belong.
        shard = shard_of(user_id(identity.issuer, identity.subject))
        try:
            return await self._engine.call("KnowUser", SERVICE, encode_identity(identity), shard)
        except EngineRefused as error:
            if error.refusal is OUTCOME_UNKNOWN:
                # Of the user only: the call that the token is for has not begun.
                raise Refused(AWAY) from error
            raise


def _bearer(value: str) -> str:
    """Return the token of an authorization header."""
    scheme, _, credentials = value.partition(" ")
    if scheme.lower() != "bearer":
        raise Refused(TOKEN_REFUSED)
    return credentials.strip()


async def _closed(_: Call) -> bytes:
    """Refuse a call if the contract does not say who may make it, or what it costs."""
    raise refuse(
        Reason.TOKEN_REQUIRED, "Nobody may make this call: the contract lacks a credential or cost."
    )


def _credential(metadata: Sequence[tuple[str, str | bytes]]) -> tuple[str, str, str | None]:
    """Return the name of a credential's header, the credential, and the account named beside it.

    If several accounts are named, the name is empty, and no account has it.
    """
    kind, credential, account_id = "", "", None
    for name, value in metadata:
        if name in HEADERS:
            if name == ACCOUNT_HEADER:
                account_id = str(value) if account_id is None else ""
            elif kind:
                raise refuse(
                    Reason.TWO_CREDENTIALS,
                    "The call has two credentials: send one, a bot key or a token.",
                )
            else:
                kind, credential = name, str(value)
    return kind, credential, account_id
