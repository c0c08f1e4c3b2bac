"""KeyManagement: what a person does for their bots; the engine answers what writes."""

from bottrading.v1 import account_pb2
from bottrading.v1 import key_management_pb2 as pb
from server.application.ports import Reads
from server.engine.client import Engine
from server.engine.frames import Method
from server.rpc.account_view import AccountView
from server.rpc.call import Call
from server.rpc.keyring import Keyring
from server.rpc.reading import SharedReading
from server.wire import answers


class KeyManagement:
    """The part of the service that reads; what it changes, the engine decides."""

    def __init__(
        self,
        reads: Reads,
        reading: SharedReading,
        engine: Engine,
        show_account: AccountView,
        keyring: Keyring,
    ) -> None:
        self._reads = reads
        self._read = reading.for_caller
        self._engine = engine
        self._show_account = show_account
        self._keyring = keyring

    async def ListBotKeys(self, _: pb.ListBotKeysRequest, call: Call) -> pb.ListBotKeysResponse:
        keys = await self._read(call, self._reads.keys, call.caller.user_id)
        return pb.ListBotKeysResponse(bot_keys=[answers.bot_key(key) for key in keys])

    async def OpenAccount(self, _: pb.OpenAccountRequest, call: Call) -> pb.OpenAccountResponse:
        body = await self._engine.call(Method.OPEN_ACCOUNT, call.caller.user_id, "", call.body)
        return pb.OpenAccountResponse(account=await self._account(call, body.decode()))

    async def ListAccounts(self, _: pb.ListAccountsRequest, call: Call) -> pb.ListAccountsResponse:
        accounts, user, keys = await self._read(call, self._reads.accounts, call.caller.user_id)
        for account in accounts:
            await self._keyring.load_calls(account.id)
        return pb.ListAccountsResponse(
            accounts=[self._show_account(account, user, keys) for account in accounts]
        )

    async def ResetAccount(
        self, request: pb.ResetAccountRequest, call: Call
    ) -> pb.ResetAccountResponse:
        await self._engine.call(Method.RESET_ACCOUNT, call.caller.user_id, "", call.body)
        return pb.ResetAccountResponse(account=await self._account(call, request.account_id))

    async def SetTradingState(
        self, request: pb.SetTradingStateRequest, call: Call
    ) -> pb.SetTradingStateResponse:
        await self._engine.call(Method.SET_TRADING_STATE, call.caller.user_id, "", call.body)
        return pb.SetTradingStateResponse(account=await self._account(call, request.account_id))

    async def SetGuardRails(
        self, request: pb.SetGuardRailsRequest, call: Call
    ) -> pb.SetGuardRailsResponse:
        await self._engine.call(Method.SET_GUARD_RAILS, call.caller.user_id, "", call.body)
        account, _, _ = await self._read(call, self._reads.account, request.account_id)
        return pb.SetGuardRailsResponse(guard_rails=answers.guard_rails(account.guard_rails))

    async def Deposit(self, request: pb.DepositRequest, call: Call) -> pb.DepositResponse:
        await self._engine.call(Method.DEPOSIT, call.caller.user_id, "", call.body)
        return pb.DepositResponse(account=await self._account(call, request.account_id))

    async def _account(self, call: Call, account_id: str) -> account_pb2.Account:
        """Return an account as it is now, with the calls of the day that it made."""
        await self._keyring.load_calls(account_id)
        return self._show_account(*await self._read(call, self._reads.account, account_id))
