"""The transcoding endpoint, through which the calls of all routes of the contract pass."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import grpc.aio
from starlette.types import ASGIApp, Receive, Scope, Send

from bottrading.v1 import annotations_pb2 as contract
from rest_bridge import replies
from rest_bridge.errors import (
    RawMetadata,
    Refusal,
    body_too_large,
    internal_error,
    method_not_allowed,
    refusal_from_status,
    route_not_found,
)
from rest_bridge.event_stream import RESUMED_AFTER, EventStream, EventStreams, StreamRequest
from rest_bridge.headers import RequestHead, read_head, resume_after, take_ticket
from rest_bridge.limits import ClientDisconnected, credential_was_taken, read_body
from rest_bridge.replies import Reply
from rest_bridge.routes import Match, Route, Router
from rest_bridge.settings import Settings
from rest_bridge.transcoding import AnswerWriter, RequestReader
from rest_bridge.upstream import Upstream
from rest_bridge.wording import rest_wording

_logger = logging.getLogger("rest_bridge")

_UNREADABLE = "/bottrading.unreadable"
"""Path prefix of a call with an unreadable request: the server spends its cost, and refuses it."""

KEY_REFUSED = "BOT_KEY_INVALID", "The bot key is missing, malformed, unknown or revoked."
TOKEN_REFUSED = "TOKEN_INVALID", "Send a token as authorization: Bearer …"
"""The refusals of calls without a credential, in the words of the server."""

_KEY_METHODS = (
    contract.CREDENTIAL_BOT_KEY,
    contract.CREDENTIAL_BOT_KEY_OR_TICKET,
    contract.CREDENTIAL_BOT_KEY_OR_USER_TOKEN,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What serves one route."""

    route: Route
    reader: RequestReader
    writer: AnswerWriter

    @property
    def is_resumable(self) -> bool:
        return RESUMED_AFTER in self.route.method.input_type.fields_by_name


class Bridge:
    """Middleware that serves the routes of the contract, below each of the path prefixes.

    It is not mounted, because finding the mount would take FastAPI's router longer than the whole
    endpoint.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Iterable[Route],
        prefixes: Iterable[str],
        upstream: Upstream,
        streams: EventStreams,
        settings: Settings,
    ) -> None:
        self._app = app
        self._prefixes = [prefix.encode("ascii") for prefix in prefixes]
        self._upstream = upstream
        self._streams = streams
        self._settings = settings
        self._router: Router[Endpoint] = Router()
        routes = list(routes)
        self._in_rest_words = rest_wording(routes)
        for route in routes:
            endpoint = Endpoint(route, RequestReader(route), AnswerWriter(route))
            self._router.add(route.verb, route.path, endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The path is matched before it is decoded: a decoded %2F would split a value in two.
        path: bytes = scope.get("raw_path", b"")
        for prefix in self._prefixes:
            if path.startswith(prefix + b"/"):
                await self._handle(scope, path[len(prefix) :], receive, send)
                return
        await self._app(scope, receive, send)

    async def _handle(self, scope: Scope, path: bytes, receive: Receive, send: Send) -> None:
        head = read_head(scope["headers"])
        try:
            reply = await self._reply(scope, path, receive, head)
            if isinstance(reply, EventStream):
                await self._stream(reply, scope, head, receive, send)
                return
        except ClientDisconnected:
            return
        except Refusal as refused:
            reply = replies.refusal(refused, head.request_id)
        except Exception:
            request_id = head.request_id or replies.new_request_id()
            _logger.exception("request %s failed", request_id)
            reply = replies.refusal(internal_error(), request_id)
        await reply.send(send)

    async def _stream(
        self, stream: EventStream, scope: Scope, head: RequestHead, receive: Receive, send: Send
    ) -> None:
        reply = replies.stream_head(stream.metadata, head.request_id)
        if scope["method"] == "HEAD":
            stream.close()
            await reply.send(send)
            return
        await reply.begin(send)
        await stream.write(receive, send)

    async def _reply(
        self, scope: Scope, path: bytes, receive: Receive, head: RequestHead
    ) -> Reply | EventStream:
        match = self._router.find(path)
        if match is None:
            raise route_not_found()
        verb = scope["method"]
        if verb == "OPTIONS":
            return replies.no_content([_allow(match)], head.request_id)
        endpoint = match.endpoints.get("GET" if verb == "HEAD" else verb)
        if endpoint is None:
            raise method_not_allowed(_allow(match))
        return await self._serve(endpoint, match.values, scope, receive, head)

    async def _serve(
        self,
        endpoint: Endpoint,
        path_values: tuple[str, ...],
        scope: Scope,
        receive: Receive,
        head: RequestHead,
    ) -> Reply | EventStream:
        query: bytes = scope["query_string"]
        if head.content_length > self._settings.body_bytes_max:
            raise body_too_large(self._settings.body_bytes_max)
        if endpoint.route.credential == contract.CREDENTIAL_BOT_KEY_OR_TICKET:
            query = take_ticket(query, head)
        if head.last_event_id is not None and endpoint.is_resumable:
            query = resume_after(query, RESUMED_AFTER.encode("ascii"), head.last_event_id)
        is_of_nobody = head.is_of_nobody and endpoint.route.can_be_public
        if not is_of_nobody and not head.has_legal_credential(self._settings.credential_bytes_max):
            raise _unauthenticated(endpoint.route)
        body = await read_body(receive, self._settings.body_bytes_max) if head.has_body else b""
        try:
            request = endpoint.reader.read(path_values, query, body)
        except Refusal as refused:
            refused.metadata = await self._metadata_of_refusal(endpoint, head)
            raise
        if endpoint.route.method.server_streaming:
            try:
                stream = await self._open(endpoint, request, head, receive)
            except Refusal as refused:
                if refused.status == 503 and head.is_of_a_browser:
                    return replies.empty_stream(head.request_id)
                raise
            credential_was_taken(scope)
            return stream
        answer, metadata = await self._call(endpoint.route, endpoint.route.rpc, request, head)
        if not is_of_nobody:
            credential_was_taken(scope)
        reply = replies.success(endpoint.writer.write(answer), metadata, head.request_id)
        notice = endpoint.reader.notice(query) if query else None
        if notice is not None:
            reply.headers.append((b"x-notice", notice.encode("ascii")))
        return reply

    async def _call(
        self, route: Route, rpc: str, request: bytes, head: RequestHead
    ) -> tuple[bytes, RawMetadata]:
        try:
            return await self._upstream.call(rpc, request, head.metadata())
        except grpc.aio.AioRpcError as error:
            raise self._refused(route, error) from None

    async def _open(
        self, endpoint: Endpoint, request: bytes, head: RequestHead, receive: Receive
    ) -> EventStream:
        wanted = StreamRequest(route=endpoint.route, body=request, metadata=head.metadata())
        try:
            return await self._streams.open(wanted, receive)
        except grpc.aio.AioRpcError as error:
            raise self._refused(endpoint.route, error) from None

    async def _metadata_of_refusal(self, endpoint: Endpoint, head: RequestHead) -> RawMetadata:
        """Report a request that cannot be read to the server; return the rates of its caller.

        Credential and rate are checked before the fields: a stranger must learn nothing about
        fields, and a refused call counts. If the server refuses the credential or the rate, its
        refusal is raised.
        """
        try:
            await self._call(endpoint.route, _UNREADABLE + endpoint.route.rpc, b"", head)
        except Refusal as theirs:
            if theirs.status != 422:
                raise
            return theirs.metadata
        return ()

    def _refused(self, route: Route, error: grpc.aio.AioRpcError) -> Refusal:
        metadata = error.trailing_metadata() or ()
        refused = self._in_rest_words(refusal_from_status(error.code(), error.details(), metadata))
        if refused.status == 401:
            refused.headers += (_challenge(route, refused.reason),)
        return refused


def _allow(match: Match[Endpoint]) -> tuple[bytes, bytes]:
    verbs = set(match.endpoints) | {"OPTIONS"}
    if "GET" in verbs:
        verbs.add("HEAD")
    return b"allow", ", ".join(sorted(verbs)).encode("ascii")


def _unauthenticated(route: Route) -> Refusal:
    reason, message = KEY_REFUSED if route.credential in _KEY_METHODS else TOKEN_REFUSED
    return Refusal(401, reason, message, headers=(_challenge(route, reason),))


def _challenge(route: Route, reason: str) -> tuple[bytes, bytes]:
    if route.credential in _KEY_METHODS and reason != TOKEN_REFUSED[0]:
        return b"www-authenticate", b'ApiKey realm="bottrading", header="X-Bot-Key"'
    return b"www-authenticate", b'Bearer realm="bottrading"'
