"""A call as a short line for people at a terminal."""

from collections.abc import Callable

from grpc import StatusCode

from rest_bridge.log_lines import ERROR_STYLE, QUIET_STYLE, Paint, head
from server.rpc.interceptors.observability import Finished

_FAULTS_OF_OURS = frozenset(
    (StatusCode.INTERNAL, StatusCode.UNKNOWN, StatusCode.UNAVAILABLE, StatusCode.DATA_LOSS)
)
_NAME_WIDTH = 20


def text_line(paint: Paint) -> Callable[[Finished], bytes]:
    """Return the formatter of calls; the line of a refused call ends with its request id."""

    def line(call: Finished) -> bytes:
        outcome = call.reason or call.code.name
        parts = [
            paint(head(call.time, "call"), QUIET_STYLE),
            f"{call.method.name:<{_NAME_WIDTH}}",
            paint(outcome, _style(call.code)),
            paint(_duration(call.seconds), QUIET_STYLE),
        ]
        if call.code is not StatusCode.OK:
            parts.append(paint(call.request_id, QUIET_STYLE))
        return f"{' '.join(parts)}\n".encode()

    return line


def _style(code: StatusCode) -> str:
    match code:
        case StatusCode.OK:
            return "green"
        case StatusCode.CANCELLED:
            return QUIET_STYLE
        case _ if code in _FAULTS_OF_OURS:
            return ERROR_STYLE
        case _:
            return "yellow"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"
