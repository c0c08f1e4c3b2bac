"""Owned accounts: which person an account belongs to, cached because it never changes."""

import asyncio
from collections import OrderedDict
from concurrent.futures import Executor

from server.application.ports import Reads
from server.domain.user import Plan
from server.rpc.keyring import Keyring

OWNED_REMEMBERED_MAX = 10_000


class OwnedAccounts:
    """Tells whether a person owns an account; a "no" is looked up again each time."""

    def __init__(self, reads: Reads, keyring: Keyring, executor: Executor) -> None:
        self._reads = reads
        self._keyring = keyring
        self._executor = executor
        self._owned: OrderedDict[tuple[str, str], None] = OrderedDict()

    async def has(self, user_id: str, account_id: str) -> bool:
        """Tell whether a person owns an account; if so, load its calls of the day."""
        pair = (user_id, account_id)
        if pair in self._owned:
            return True
        if await self.plan(user_id, account_id) is None:
            return False
        self._owned[pair] = None
        if len(self._owned) > OWNED_REMEMBERED_MAX:
            self._owned.popitem(last=False)
        return True

    async def plan(self, user_id: str, account_id: str) -> Plan | None:
        """Return the plan of an account's owner; None if the account is not that person's."""
        loop = asyncio.get_running_loop()
        plan = await loop.run_in_executor(
            self._executor, self._reads.owner_plan, user_id, account_id
        )
        if plan is not None:
            await self._keyring.load_calls(account_id)
        return plan
