"""Ledgers: what is left to accounts, as the front counts it itself or as the engine tells."""

from collections.abc import Sequence
from typing import Protocol

import orjson

from server.application.ports import Clock
from server.application.rate_limits import Allowance, RateLimits, UsageMeter
from server.engine.charging import TELL_ALLOWANCES
from server.engine.client import Engine
from server.engine.receipts import decode_allowances
from server.rpc.call import Call
from server.rpc.keyring import Keyring


class Ledger(Protocol):
    """Tells what is left to accounts, the current call included."""

    async def allowances(self, call: Call, account_ids: Sequence[str]) -> list[Allowance]:
        """Return what is left to accounts, in their order; `call` is the one that asks."""


class OwnLedger:
    """What this process counts."""

    def __init__(
        self, keyring: Keyring, meter: UsageMeter, limits: RateLimits, clock: Clock
    ) -> None:
        self._keyring = keyring
        self._meter = meter
        self._limits = limits
        self._clock = clock

    async def allowances(self, _: Call, account_ids: Sequence[str]) -> list[Allowance]:
        for account_id in account_ids:
            await self._keyring.load_calls(account_id)
        now = self._clock()
        return [
            Allowance(*self._limits.figures(account_id), self._meter.calls(account_id, now))
            for account_id in account_ids
        ]


class EngineLedger:
    """What the engine counts: it told a bot when it charged the call, and is asked otherwise."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def allowances(self, call: Call, account_ids: Sequence[str]) -> list[Allowance]:
        caller = call.caller
        is_own = caller.bot_key_id is not None and list(account_ids) == [caller.account_id]
        if is_own and call.allowance is not None:
            return [call.allowance]
        body = await self._engine.call(TELL_ALLOWANCES, caller, orjson.dumps(list(account_ids)))
        return decode_allowances(body)
