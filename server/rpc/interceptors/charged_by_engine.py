"""Rate limits of a venue with several fronts: the engine that owns the caller charges each call."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter

from server.application.rate_limits import RateLimits, over_limit
from server.engine.charging import SPEND
from server.engine.client import Engine
from server.engine.receipts import Receipt
from server.rpc.call import NOBODY, Call, Handler
from server.rpc.errors import Refused
from server.wire.contract import Method, Spends
from server.wire.rows import Decided, Row


class ChargedByEngine:
    """Runs where `RateLimiting` runs otherwise, and spends the same.

    A bot's call that the engine decides is charged as it is decided. For any other call the engine
    is asked first. Callers without a credential share a window of this process.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        rows: Mapping[str, Row],
        public: RateLimits,
        registry: CollectorRegistry,
        enforce_quotas: bool,
    ) -> None:
        self._engine = engine
        self._rows = rows
        self._public = public
        self._enforce_quotas = enforce_quotas
        self._doubtful = Counter(
            "bottrading_doubtful_refusals",
            "Calls refused because an engine that failed may have let others pass.",
            registry=registry,
        )

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler whose call is charged by the engine."""
        spends = method.spends
        if spends is None or spends is Spends.NOTHING:
            return proceed
        # The path of a call that cannot be read has no row.
        is_decided = isinstance(self._rows.get(method.path), Decided)

        async def handle(call: Call) -> bytes:
            if call.caller is NOBODY:
                self._spend_in_public(call)
                return await proceed(call)
            receipt = self._receipt(spends, call)
            try:
                if is_decided and call.caller.bot_key_id is not None:
                    call.receipt = receipt
                    return await proceed(call)
                await self._engine.call(SPEND, call.caller, b"", None, receipt)
            finally:
                call.figures = receipt.shown
                self._doubtful.inc(receipt.is_doubtful)
            call.allowance = receipt.allowance
            return await proceed(call)

        return handle

    def _receipt(self, spends: Spends, call: Call) -> Receipt:
        if call.caller.bot_key_id is None:
            return Receipt(Spends.REQUEST)
        quota = call.caller.plan.api_calls_per_day if self._enforce_quotas else 0
        return Receipt(spends, quota)

    def _spend_in_public(self, call: Call) -> None:
        spent = self._public.spend(call.caller.user_id, order=False)
        call.figures = spent.figures
        if spent.refused is not None:
            raise Refused(over_limit(spent.refused, spent.figures))
