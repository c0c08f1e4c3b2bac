"""Signing in to the page at an identity provider: `POST /sign-in/code` exchanges a code."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

import grpc.aio
import jwt
import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from rest_bridge import replies
from rest_bridge.errors import Refusal, Violation, refusal_from_status
from rest_bridge.headers import read_head
from rest_bridge.identity_provider import IdentityProvider
from rest_bridge.limits import ClientDisconnected, read_body
from rest_bridge.request_fields import printable
from rest_bridge.settings import Settings
from rest_bridge.strict_json import NotStrictJson, parse_object
from rest_bridge.transcoding import Answer
from rest_bridge.upstream import Upstream

PATH = "/sign-in/code"

_ACCEPTED_BY = "/bottrading.v1.KeyManagement/ListAccounts"
"""A call that takes any person's token: its outcome says whether the server accepts the token."""

_FIELDS = {
    "code": (re.compile(r"[\x20-\x7e]{1,2048}"), "1 to 2048 printable ASCII characters"),
    "code_verifier": (
        re.compile(r"[A-Za-z0-9._~-]{43,128}"),
        "43 to 128 letters, digits or characters of ._~-",
    ),
    "redirect_uri": (re.compile(r"[\x21-\x7e]{1,2048}"), "the address of this page"),
}
_LEGAL_TOKEN = re.compile(r"[A-Za-z0-9._-]+")


def add_sign_in(
    app: FastAPI, settings: Settings, provider: IdentityProvider, upstream: Upstream
) -> None:
    """Serve the exchange. It needs no credential: the code is one, and works once."""

    async def exchange(request: Request) -> Response:
        head = read_head(request.scope["headers"])
        try:
            body = await read_body(request.receive, settings.body_bytes_max)
            given = _fields(body)
            _expect_own(given["redirect_uri"], request.headers)
            token = await provider.id_token(**given)
            await _accepted(token, settings, upstream)
            answer = orjson.dumps(
                {"token": token, "expires_at": _expiry(token)}, option=orjson.OPT_APPEND_NEWLINE
            )
            reply = replies.success(Answer(200, answer, []), (), head.request_id)
        except ClientDisconnected:
            return Response(status_code=400)
        except Refusal as refused:
            reply = replies.refusal(refused, head.request_id)
        response = Response(reply.body, status_code=reply.status)
        response.raw_headers = reply.headers
        return response

    app.add_route(PATH, exchange, methods=["POST"])


def _fields(body: bytes) -> dict[str, str]:
    try:
        given = parse_object(body)
    except NotStrictJson as error:
        raise Refusal(422, "MALFORMED_REQUEST", str(error)) from None
    for name in given:
        if name not in _FIELDS:
            shown = printable(name)
            raise _invalid("UNKNOWN_FIELD", shown, f"`{shown}` is not a field of this call.")
    fields: dict[str, str] = {}
    for name, (form, told) in _FIELDS.items():
        value = given.get(name)
        if value is None:
            raise _invalid("FIELD_REQUIRED", name, f"`{name}` is required.")
        if not isinstance(value, str) or form.fullmatch(value) is None:
            raise _invalid("FIELD_INVALID", name, f"`{name}` must be {told}.")
        fields[name] = value
    return fields


def _expect_own(redirect_uri: str, headers: Mapping[str, str]) -> None:
    """Refuse a code that was made for another page, and a page of another origin.

    A proxy may have terminated TLS, so the scheme is that of the browser's `Origin`.
    """
    host, origin = headers.get("host", ""), headers.get("origin")
    own = {f"{scheme}://{host}/" for scheme in ("http", "https")}
    if origin is not None:
        own &= {f"{origin}/"}
    if redirect_uri not in own:
        told = "`redirect_uri` must be the address of this page, which is the path / of this host."
        raise _invalid("FIELD_INVALID", "redirect_uri", told)


async def _accepted(token: str, settings: Settings, upstream: Upstream) -> None:
    """Raise Refusal unless the server accepts a token, so that the page keeps no useless one."""
    if len(token) > settings.credential_bytes_max or _LEGAL_TOKEN.fullmatch(token) is None:
        raise Refusal(401, "TOKEN_INVALID", "The identity provider's token is too long or no JWT.")
    try:
        await upstream.call(_ACCEPTED_BY, b"", (("authorization", f"Bearer {token}"),))
    except grpc.aio.AioRpcError as error:
        metadata = error.trailing_metadata() or ()
        raise refusal_from_status(error.code(), error.details(), metadata) from None


def _expiry(token: str) -> str:
    """Return when a token expires; the server has verified it before."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return datetime.fromtimestamp(int(claims["exp"]), UTC).isoformat().replace("+00:00", "Z")


def _invalid(reason: str, field: str, message: str) -> Refusal:
    return Refusal(422, reason, message, violations=(Violation(field, message),))
