"""Named accounts: which of a person's accounts a call is for."""

from collections.abc import Awaitable
from dataclasses import replace

from server.application.refusals import ACCOUNT_ID_REQUIRED, ACCOUNT_NOT_FOUND
from server.domain.user import Scope
from server.rpc.call import Call, Handler
from server.rpc.errors import Refused
from server.rpc.owned_accounts import OwnedAccounts
from server.wire.contract import Method
from server.wire.fields import is_id


class NamedAccounts:
    """Sets the account that a person names in `x-account-id`; that of another person is not found.

    Authentication has already set the account of a bot key or a ticket.
    """

    def __init__(self, owned: OwnedAccounts) -> None:
        self._owned = owned

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that sets the account of a person."""
        if method.credential is None or not method.credential.is_of_either:
            return proceed
        must_name = method.scope is Scope.TRADE

        def handle(call: Call) -> Awaitable[bytes]:
            # Not a coroutine, because one more would make every call of a bot slower.
            if call.caller.bot_key_id is not None:
                return proceed(call)
            return of_person(call)

        async def of_person(call: Call) -> bytes:
            caller, named = call.caller, call.named_account
            if caller.by_ticket:
                return await proceed(call)
            if named is None:
                if must_name:
                    raise Refused(ACCOUNT_ID_REQUIRED)
            elif named != caller.account_id:
                if not is_id(named) or not await self._owned.has(caller.user_id, named):
                    raise Refused(ACCOUNT_NOT_FOUND)
                call.principal = replace(caller, account_id=named)
            return await proceed(call)

        return handle
