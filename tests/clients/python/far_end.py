"""The far end of a synchronous client's channel, where the test plays the server."""

from collections.abc import Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Any

import grpc
import grpc_testing
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from bottrading.v1 import bot_trading_pb2, key_management_pb2, market_data_pb2
from bottrading_client import BotTradingError

SERVICES = {
    service.name: service
    for module in (bot_trading_pb2, key_management_pb2, market_data_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
}
WAIT_SECONDS_MAX = 20
Trailers = Sequence[tuple[str, str | bytes]]


class FarEnd:
    """Takes the calls of a client and answers them, one after another."""

    def __init__(self) -> None:
        self._time = grpc_testing.strict_real_time()
        self.channel = grpc_testing.channel(SERVICES.values(), self._time)

    def make(self, method: Any, *given: Any, **named: Any) -> "Made":
        """Make a call in a daemon thread, so that a failed test does not wait for it."""
        made: Made = Made()

        def run() -> None:
            try:
                made.set_result(method(*given, **named))
            except BotTradingError as error:
                made.set_exception(error)

        Thread(target=run, daemon=True).start()
        return made

    def take(self, service: str, method: str) -> tuple[dict[str, str], Any, Any]:
        """Return metadata and request of the next call, and the call."""
        described = SERVICES[service].methods_by_name[method]
        metadata, request, call = self.channel.take_unary_unary(described)
        return dict(metadata), request, call


class Made(Future[Any]):
    """The outcome of a call."""

    def answer(self) -> Any:
        """Return what it returned."""
        return self.result(WAIT_SECONDS_MAX)

    def failure(self) -> Any:
        """Return the error that it raised."""
        error = self.exception(WAIT_SECONDS_MAX)
        assert isinstance(error, BotTradingError)
        return error


def answer(call: Any, message: Message) -> None:
    """Answer a call."""
    call.terminate(message, (), grpc.StatusCode.OK, "")


def refuse(call: Any, code: grpc.StatusCode, *details: Message, message: str = "No.") -> None:
    """Refuse a call with details as the service does."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    trailers: Trailers = (
        ("x-request-id", "request-1"),
        ("grpc-status-details-bin", status.SerializeToString()),
    )
    call.terminate(None, trailers, code, message)


def because(reason: str, **metadata: str) -> Any:
    """Return the detail that holds a reason."""
    return error_details_pb2.ErrorInfo(reason=reason, domain="bottrading", metadata=metadata)


def after(seconds: int) -> Any:
    """Return the detail that asks for a pause."""
    detail = error_details_pb2.RetryInfo()
    detail.retry_delay.seconds = seconds
    return detail
