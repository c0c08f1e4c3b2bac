"""Rate limits: what a call spends, what is left, and the count of calls of the day."""

from server.application.ports import Clock
from server.application.rate_limits import AllRateLimits, UsageMeter, over_limit, over_quota
from server.engine.client import AWAY, EngineRefused
from server.rpc.call import NOBODY, Call, Handler
from server.rpc.errors import Refused
from server.wire.contract import Method, Spends


class RateLimiting:
    """Runs after authentication, because limits belong to callers, and before all work.

    Bots spend the limits and the daily calls of their account. A person has a window of their own,
    so that an open page never takes a call from a bot. All callers without a credential share one
    window.
    """

    def __init__(
        self, *, limits: AllRateLimits, meter: UsageMeter, clock: Clock, enforce_quotas: bool
    ) -> None:
        self._accounts, self._persons, self._public = limits.accounts, limits.persons, limits.public
        self._meter = meter
        self._clock = clock
        self._enforce_quotas = enforce_quotas

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that first spends what its call costs."""
        if method.spends is Spends.NOTHING:
            return proceed
        is_order = method.spends is Spends.ORDER

        async def handle(call: Call) -> bytes:
            caller = call.caller
            if caller.bot_key_id is None:
                windows = self._public if caller is NOBODY else self._persons
                spent = windows.spend(caller.user_id, order=False)
                call.figures = spent.figures
                if spent.refused is not None:
                    raise Refused(over_limit(spent.refused, spent.figures))
                return await proceed(call)
            spent = self._accounts.spend(caller.account_id, order=is_order)
            call.figures = spent.figures
            if spent.refused is not None:
                raise Refused(over_limit(spent.refused, spent.figures))
            now = self._clock()
            calls = self._meter.count(caller.account_id, caller.bot_key_id, now)
            if self._enforce_quotas and calls > caller.plan.api_calls_per_day:
                raise Refused(over_quota(caller.plan.api_calls_per_day, now))
            try:
                return await proceed(call)
            except EngineRefused as error:
                # A call that is refused because the engine restarts has placed nothing.
                if is_order and error.refusal is AWAY:
                    self._accounts.give_back_order(caller.account_id)
                raise

        return handle
