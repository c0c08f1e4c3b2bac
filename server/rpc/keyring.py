"""The keyring: which bot keys open which accounts, and who is known, cached between calls."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from server.application.ports import Clock, Reads
from server.application.rate_limits import UsageMeter
from server.domain.user import BotKey, Plan, hash_key, is_well_formed_key
from server.domain.values import DAY
from server.rpc.call import Principal
from server.rpc.known_users import KnownUsers

KEYS_REMEMBERED_MAX = 100_000

Value = TypeVar("Value")


class Keyring:
    """Finds the principal of a bot key; once `end` returns, the key is refused.

    Without `meter`, the engine counts the calls of the day.
    """

    def __init__(
        self, reads: Reads, meter: UsageMeter | None, clock: Clock, executor: Executor
    ) -> None:
        self._reads = reads
        self._meter = meter
        self._clock = clock
        self._executor = executor
        self._principals: OrderedDict[str, Principal] = OrderedDict()
        self.users = KnownUsers()
        self._ended = 0

    async def find(self, key: str) -> Principal | None:
        """Return the principal of a key; None if it is malformed, unknown or revoked."""
        known = self._principals.get(key)
        if known is not None:
            return known
        if not is_well_formed_key(key):
            return None
        principal = await self._look_up(self._reads.live_key, hash_key(key))
        if principal is not None:
            self._principals[key] = principal
            if len(self._principals) > KEYS_REMEMBERED_MAX:
                self._principals.popitem(last=False)
        return principal

    async def find_by_id(self, bot_key_id: str) -> Principal | None:
        """Return the principal of the key with an id; None if it is unknown or revoked."""
        return await self._look_up(self._reads.live_key_by_id, bot_key_id)

    def end(self, bot_key_id: str) -> None:
        """Forget a revoked key."""
        # A look-up in progress may have read the key while it was live: `_look_up` then repeats it.
        self._ended += 1
        self._forget(lambda principal: principal.bot_key_id == bot_key_id)

    def forget_all(self) -> None:
        """Look up every key and user again, because notifications may have been lost."""
        self._ended += 1
        self.users.forget_all()
        self._principals.clear()

    def forget_user(self, user_id: str) -> None:
        """Look up a user and their keys again, because the plan may have changed."""
        self._ended += 1
        self.users.forget(user_id)
        self._forget(lambda principal: principal.user_id == user_id)

    async def load_calls(self, account_id: str) -> None:
        """Load how many calls an account has made today, so that counting continues from there."""
        if self._meter is not None and not self._meter.knows(account_id):
            day = self._clock() // DAY
            stored = await self._run(self._reads.calls, account_id, day)
            self._meter.load(account_id, day, stored)

    async def _look_up(
        self, find: Callable[[Any], tuple[BotKey, Plan] | None], name: str | bytes
    ) -> Principal | None:
        while True:
            before = self._ended
            found = await self._run(find, name)
            if found is None:
                return None
            bot_key, plan = found
            await self.load_calls(bot_key.account_id)
            if before == self._ended:
                break
        return Principal(
            account_id=bot_key.account_id,
            user_id=bot_key.user_id,
            plan=plan,
            bot_key_id=bot_key.id,
            permissions=bot_key.permissions,
        )

    def _forget(self, condition: Callable[[Principal], bool]) -> None:
        for key in [key for key, value in self._principals.items() if condition(value)]:
            del self._principals[key]

    async def _run(self, function: Callable[..., Value], *arguments: Any) -> Value:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, function, *arguments)
