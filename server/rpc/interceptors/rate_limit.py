"""Rate limits: what a call spends, what is left, and the count of calls of the day."""

from server.application.ports import Clock
from server.application.rate_limits import AllRateLimits, Spent, UsageMeter
from server.domain.errors import Reason, Refusal
from server.domain.values import DAY, SECOND
from server.engine.client import AWAY, EngineRefused
from server.rpc.call import NOBODY, Call, Handler
from server.rpc.errors import Refused
from server.wire.contract import Method, Spends

REASONS = {"order": Reason.ORDER_RATE_EXCEEDED, "request": Reason.REQUEST_RATE_EXCEEDED}


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
                    raise _exceeded(spent, spent.refused)
                return await proceed(call)
            spent = self._accounts.spend(caller.account_id, order=is_order)
            call.figures = spent.figures
            if spent.refused is not None:
                raise _exceeded(spent, spent.refused)
            now = self._clock()
            calls = self._meter.count(caller.account_id, caller.bot_key_id, now)
            if self._enforce_quotas and calls > caller.plan.api_calls_per_day:
                raise Refused(
                    Refusal(
                        reason=Reason.DAILY_QUOTA_EXCEEDED,
                        message=f"The daily quota of {caller.plan.api_calls_per_day} calls of"
                        f" the plan {caller.plan.value} is used up; it renews at 00:00 UTC.",
                        retry_after_seconds=((now // DAY + 1) * DAY - now) / SECOND,
                    )
                )
            try:
                return await proceed(call)
            except EngineRefused as error:
                # A call that is refused because the engine restarts has placed nothing.
                if is_order and error.refusal is AWAY:
                    self._accounts.give_back_order(caller.account_id)
                raise

        return handle


def _exceeded(spent: Spent, what: str) -> Refused:
    figures = spent.figures
    assert figures is not None, "a limit that is lifted refuses nothing"
    return Refused(
        Refusal(
            reason=REASONS[what],
            message=f"More than {figures.limit} {what}s a minute;"
            f" try again in {-(-figures.reset_in // SECOND)} s.",
            retry_after_seconds=figures.reset_in / SECOND,
        )
    )
