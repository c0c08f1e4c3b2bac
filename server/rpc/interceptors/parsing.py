"""Guarded parsing: bytes to the method's request, and the answer back to bytes."""

from google.protobuf.message import DecodeError

from server.domain.errors import Reason
from server.rpc.call import Call, Handler, Method
from server.rpc.errors import refuse

MALFORMED = "The request is no message of this call."


class GuardedParsing:
    """Stands innermost: nothing is read of a call that may not be made.

    Bytes of calls that the engine answers pass through: the engine reads them itself, in
    its batch.
    """

    def __init__(self, servicers: dict[str, object], forwarded: dict[str, Handler]) -> None:
        self._servicers = servicers
        self._forwarded = forwarded

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return the handler that does the method's work."""
        forwarded = self._forwarded.get(method.path)
        if forwarded is not None:
            return forwarded
        serve = getattr(self._servicers[method.service], method.name)
        request_type = method.request_type

        async def handle(call: Call) -> bytes:
            try:
                request = request_type.FromString(call.body)
            except DecodeError:
                raise refuse(Reason.MALFORMED_REQUEST, MALFORMED) from None
            response = await serve(request, call)
            return b"" if method.streams else bytes(response.SerializeToString())

        return handle
