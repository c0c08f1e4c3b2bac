"""Error translation: every error of the inner interceptors becomes a status of the contract."""

import logging
from collections.abc import Callable

from grpc import StatusCode

from server.application.ports import Chance, StorageDamaged, StorageUnavailable
from server.domain.errors import Reason, Refusal
from server.domain.invariants import BrokenInvariant
from server.engine.client import RETRY_SECONDS, EngineRefused
from server.rpc.call import Call, Handler
from server.rpc.errors import Refused, status_of
from server.wire.contract import Method

log = logging.getLogger(__name__)

DETAILS_KEY = "grpc-status-details-bin"


class ErrorTranslation:
    """Runs outside all that can refuse, so that callers see only statuses of the contract."""

    def __init__(self, chance: Chance, on_damage: Callable[[], object]) -> None:
        self._chance = chance
        self._on_damage = on_damage

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that raises nothing but cancellation."""

        async def handle(call: Call) -> bytes:
            try:
                return await proceed(call)
            except EngineRefused as error:
                _refuse(call, Refused(error.refusal))
            except Refused as error:
                _refuse(call, error)
            except StorageUnavailable as error:
                log.warning("The database cannot be read (%s)", error)
                _refuse(call, Refused(DATABASE_AWAY))
            except StorageDamaged as error:
                log.error("The database is damaged: %s", error)
                self._on_damage()
                _refuse(call, Refused(DATABASE_AWAY))
            except Exception:
                error_id = self._chance.new_id()
                log.exception("Internal error %s in %s", error_id, method.path)
                _refuse(call, Refused(_internal(error_id)))
            return b""

        return handle


DATABASE_AWAY = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The database is not available; try again.",
    retry_after_seconds=RETRY_SECONDS,
)


def _refuse(call: Call, refused: Refused) -> None:
    status = status_of(refused, is_begun=call.is_begun)
    call.code, call.reason = status.code, refused.refusal.reason.value
    call.context.set_code(status.code)
    call.context.set_details(status.message)
    call.trailers.append((DETAILS_KEY, status.details))
    if status.code is StatusCode.OK:
        raise BrokenInvariant("a refusal has the status OK")


def _internal(error_id: str) -> Refusal:
    return Refusal(
        reason=Reason.INTERNAL, message=f"Internal error {error_id}; quote it to the operator."
    )
