"""KeyManagement: what a person does for their bots; the engine answers what writes."""

from bottrading.v1 import key_management_pb2 as pb
from server.application.ports import Reads
from server.domain.errors import Reason, Refusal
from server.engine.client import Engine
from server.engine.frames import Method
from server.rpc.account_view import AccountView
from server.rpc.call import Call
from server.rpc.errors import Refused
from server.rpc.reading import Reading, offered_later
from server.wire import answers, later
from server.wire.fields import is_id

ACCOUNT_NOT_FOUND = Refusal(reason=Reason.ACCOUNT_NOT_FOUND, message="There is no such account.")


class KeyManagement:
    """The part of the service that reads; what it changes, the engine decides."""

    def __init__(
        self, reads: Reads, reading: Reading, engine: Engine, show_account: AccountView
    ) -> None:
        self._reads = reads
        self._read = reading
        self._engine = engine
        self._show_account = show_account

    async def ListBotKeys(self, _: pb.ListBotKeysRequest, call: Call) -> pb.ListBotKeysResponse:
        keys = await self._read(self._reads.keys, call.caller.user_id)
        return pb.ListBotKeysResponse(bot_keys=[answers.bot_key(key) for key in keys])

    async def OpenAccount(self, _request: pb.OpenAccountRequest, _: Call) -> pb.OpenAccountResponse:
        raise offered_later(None, "OpenAccount")

    async def ListAccounts(
        self, _request: pb.ListAccountsRequest, _: Call
    ) -> pb.ListAccountsResponse:
        raise offered_later(None, "ListAccounts")

    async def ResetAccount(
        self, request: pb.ResetAccountRequest, _: Call
    ) -> pb.ResetAccountResponse:
        _check_account_id(request.account_id)
        raise offered_later(None, "ResetAccount")

    async def SetTradingState(
        self, request: pb.SetTradingStateRequest, call: Call
    ) -> pb.SetTradingStateResponse:
        await self._engine.call(Method.SET_TRADING_STATE, call.caller.user_id, "", call.body)
        found = await self._read(self._reads.account, request.account_id)
        return pb.SetTradingStateResponse(account=self._show_account(*found))

    async def SetGuardRails(
        self, request: pb.SetGuardRailsRequest, call: Call
    ) -> pb.SetGuardRailsResponse:
        await self._engine.call(Method.SET_GUARD_RAILS, call.caller.user_id, "", call.body)
        account, _, _ = await self._read(self._reads.account, request.account_id)
        return pb.SetGuardRailsResponse(guard_rails=answers.guard_rails(account.guard_rails))

    async def Deposit(self, request: pb.DepositRequest, _: Call) -> pb.DepositResponse:
        refusal = later.deposit(request)
        if refusal is None:
            _check_account_id(request.account_id)
        raise offered_later(refusal, "Deposit")


def _check_account_id(account_id: str) -> None:
    if not is_id(account_id):
        raise Refused(ACCOUNT_NOT_FOUND)
