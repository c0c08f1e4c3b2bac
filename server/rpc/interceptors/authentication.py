"""Authentication: who may call what, as a table, and who is calling."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import Enum

import orjson

from server.application.keys import KEY_REFUSED
from server.application.ports import StorageUnavailable
from server.domain.errors import Reason, Refusal
from server.domain.user import Identity, Scope
from server.engine.client import RETRY_SECONDS, Engine
from server.engine.frames import Method as EngineMethod
from server.engine.frames import encode_identity
from server.rpc.call import Call, Handler, Method, Principal
from server.rpc.errors import Refused, refuse
from server.rpc.keyring import Keyring
from server.rpc.published_keys import KeysUnavailable
from server.rpc.tickets import Tickets
from server.rpc.tokens import TokenRefused, TokenVerifier

BOT_KEY_HEADER = "x-bot-key"
TOKEN_HEADER = "authorization"
TICKET_HEADER = "x-stream-ticket"
CREDENTIAL_HEADERS = frozenset({BOT_KEY_HEADER, TOKEN_HEADER, TICKET_HEADER})
USERS_REMEMBERED_MAX = 10_000


class Credential(Enum):
    """What a method takes."""

    BOT_KEY = "BOT_KEY"
    BOT_KEY_OR_TICKET = "BOT_KEY_OR_TICKET"
    USER_TOKEN = "USER_TOKEN"
    OPERATOR_TOKEN = "OPERATOR_TOKEN"


METHOD_POLICY: dict[str, Credential] = {
    "/bottrading.v1.BotTrading/GetAccount": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/PlaceOrder": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/PreviewOrder": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/ReplaceOrder": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/CancelOrder": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/CancelAllOrders": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/ListOrders": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/GetOrder": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/GetPortfolio": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/GetPortfolioHistory": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/ListFills": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/GetTradingKpi": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/GetLeaderboard": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/GetLimits": Credential.BOT_KEY,
    "/bottrading.v1.BotTrading/StreamOrderUpdates": Credential.BOT_KEY_OR_TICKET,
    "/bottrading.v1.BotTrading/CreateStreamTicket": Credential.BOT_KEY,
    "/bottrading.v1.KeyManagement/CreateBotKey": Credential.USER_TOKEN,
    "/bottrading.v1.KeyManagement/ListBotKeys": Credential.USER_TOKEN,
    "/bottrading.v1.KeyManagement/RevokeBotKey": Credential.USER_TOKEN,
    "/bottrading.v1.KeyManagement/OpenAccount": Credential.USER_TOKEN,
    "/bottrading.v1.KeyManagement/ListAccounts": Credential.USER_TOKEN,
    "/bottrading.v1.KeyManagement/ResetAccount": Credential.USER_TOKEN,
    "/bottrading.v1.KeyManagement/SetTradingState": Credential.USER_TOKEN,
    "/bottrading.v1.KeyManagement/SetGuardRails": Credential.USER_TOKEN,
    "/bottrading.v1.KeyManagement/Deposit": Credential.OPERATOR_TOKEN,
    "/bottrading.v1.MarketData/GetQuote": Credential.BOT_KEY,
    "/bottrading.v1.MarketData/BatchGetQuotes": Credential.BOT_KEY,
    "/bottrading.v1.MarketData/ListInstruments": Credential.BOT_KEY,
    "/bottrading.v1.MarketData/ListBars": Credential.BOT_KEY,
    "/bottrading.v1.MarketData/GetMarketClock": Credential.BOT_KEY,
    "/bottrading.v1.MarketData/StreamQuotes": Credential.BOT_KEY_OR_TICKET,
    "/bottrading.v1.MarketData/PublishQuotes": Credential.OPERATOR_TOKEN,
}
"""Who may call what. A method that is missing here can be called by nobody."""

TRADE_METHODS = frozenset(
    f"/bottrading.v1.BotTrading/{name}"
    for name in ("PlaceOrder", "ReplaceOrder", "CancelOrder", "CancelAllOrders")
)
"""Calls of BotTrading for a key with the scope TRADE; the others are for READ."""

KEYS_AWAY = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The keys that sign tokens cannot be fetched; try again.",
    retry_after_seconds=RETRY_SECONDS,
)


class Authentication:
    """Stands before everything that costs or tells something."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        tickets: Tickets,
        verifier: TokenVerifier,
        engine: Engine,
        executor: Executor,
    ) -> None:
        self._keyring = keyring
        self._tickets = tickets
        self._verifier = verifier
        self._engine = engine
        self._executor = executor
        self._users: dict[tuple[str, str], KnownUser] = {}

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that knows its caller."""
        credential = METHOD_POLICY.get(method.path)
        scope = _scope(method)
        takes_key = credential in (Credential.BOT_KEY, Credential.BOT_KEY_OR_TICKET)

        async def handle(call: Call) -> bytes:
            if credential is None:
                raise refuse(Reason.TOKEN_REQUIRED, "This call is open to nobody.")
            kind, value = _credential(call.metadata)
            if takes_key:
                takes_ticket = credential is Credential.BOT_KEY_OR_TICKET
                call.principal = await self._bot(kind, value, takes_ticket=takes_ticket)
                if scope is not None and scope not in call.principal.permissions.scopes:
                    raise refuse(
                        Reason.KEY_SCOPE_MISSING,
                        f"This call takes a bot key with the scope {scope.value}.",
                    )
            else:
                call.principal = await self._person(
                    kind, value, operator=credential is Credential.OPERATOR_TOKEN
                )
            return await proceed(call)

        return handle

    async def account_of(self, metadata: Sequence[tuple[str, str | bytes]]) -> str | None:
        """Return the account of a bot key that comes with a call that is open to everybody.

        None without a good one, and while keys cannot be looked up.
        """
        try:
            return (await self._bot(*_credential(metadata))).account_id
        except (Refused, StorageUnavailable):
            return None

    async def _bot(self, kind: str, value: str, *, takes_ticket: bool = False) -> Principal:
        principal = None
        if kind == TOKEN_HEADER:
            raise refuse(Reason.BOT_KEY_REQUIRED, "This call takes a bot key as x-bot-key.")
        if kind == BOT_KEY_HEADER:
            principal = await self._keyring.find(value)
        elif kind == TICKET_HEADER and takes_ticket:
            bot_key_id = self._tickets.bot_key_id(value)
            if bot_key_id is not None:
                principal = await self._keyring.find_by_id(bot_key_id)
                principal = principal and replace(principal, by_ticket=True)
        if principal is None:
            raise Refused(KEY_REFUSED)
        return principal

    async def _person(self, kind: str, value: str, *, operator: bool) -> Principal:
        if kind == BOT_KEY_HEADER:
            # Only a live key is told what it may not do.
            await self._bot(kind, value)
            raise refuse(
                Reason.OPERATOR_REQUIRED if operator else Reason.TOKEN_REQUIRED,
                "A bot key does not open this call; it takes a token of its owner"
                " or of an operator.",
            )
        if kind != TOKEN_HEADER:
            raise refuse(Reason.TOKEN_INVALID, "Send a token as authorization: Bearer …")
        identity = await self._verified(value)
        if operator and not identity.is_operator:
            raise refuse(Reason.OPERATOR_REQUIRED, "This call takes an operator's token.")
        known = await self._known(identity)
        return Principal(
            account_id=known.account_id, user_id=known.user_id, plan=known.identity.plan
        )

    async def _verified(self, token: str) -> Identity:
        scheme, _, credentials = token.partition(" ")
        if scheme.lower() != "bearer":
            raise refuse(Reason.TOKEN_INVALID, "Send a token as authorization: Bearer …")
        bearer = credentials.strip()
        await self._verifier.prepare(bearer)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, self._verifier.verify, bearer)
        except TokenRefused as error:
            raise refuse(Reason.TOKEN_INVALID, str(error)) from error
        except KeysUnavailable as error:
            raise Refused(KEYS_AWAY) from error

    async def _known(self, identity: Identity) -> "KnownUser":
        """Return the user of a token; the first valid one makes them, the newest one stands."""
        who = (identity.issuer, identity.subject)
        known = self._users.get(who)
        if known is not None:
            older = identity.issued_at < known.identity.issued_at
            if older or identity == known.identity:
                return known
        body = await self._engine.call(EngineMethod.KNOW_USER, "", "", encode_identity(identity))
        user_id, account_id = orjson.loads(body)
        await self._keyring.load_calls(account_id)
        self._keyring.forget_user(user_id)
        if len(self._users) >= USERS_REMEMBERED_MAX:
            self._users.clear()
        known = self._users[who] = KnownUser(identity, user_id, account_id)
        return known


def _scope(method: Method) -> Scope | None:
    """Return the scope that a key needs for a call; market data is open to every key."""
    if method.service != "BotTrading":
        return None
    return Scope.TRADE if method.path in TRADE_METHODS else Scope.READ


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user as their newest token tells, with their first account."""

    identity: Identity
    user_id: str
    account_id: str


def _credential(metadata: Sequence[tuple[str, str | bytes]]) -> tuple[str, str]:
    """Return which credential a call has, as its header's name, and the credential itself."""
    found = ("", "")
    for name, value in metadata:
        if name in CREDENTIAL_HEADERS:
            if found[0]:
                raise refuse(Reason.TWO_CREDENTIALS, "Send one credential: a bot key or a token.")
            found = (name, str(value))
    return found
