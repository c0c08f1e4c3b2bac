"""The identity provider of the page: where it signs people in, and how a code becomes a token.

The bridge exchanges the code, so that the page talks to its own origin only. The bridge does not
verify the token: the server does, at every call.
"""

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import orjson

from rest_bridge.errors import Refusal
from rest_bridge.hosts import checked_provider

T = TypeVar("T")

DISCOVERY = "/.well-known/openid-configuration"
LIFESPAN_SECONDS = 3600.0
BETWEEN_FETCHES_SECONDS_MIN = 10.0
FETCH_SECONDS_MAX = 5.0
FETCHES_AT_ONCE_MAX = 8
ANSWER_BYTES_MAX = 256 * 1024

_LEGAL_ERROR = re.compile(r"[a-zA-Z0-9_.-]{1,64}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a browser signs in, and where a code becomes a token."""

    authorization: str
    token: str


class IdentityProvider:
    """A provider; its discovery document is kept for an hour, and longer while it does not answer.

    Strangers may request an exchange, so the requests to the provider at one time are limited.
    """

    def __init__(self, issuer: str, client_id: str) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._endpoints: Endpoints | None = None
        self._is_fresh_until = self._asks_again_at = 0.0
        self._asking = asyncio.Lock()
        self._places = threading.BoundedSemaphore(FETCHES_AT_ONCE_MAX)

    async def endpoints(self) -> Endpoints | None:
        """Return the endpoints; None while they are not known and the provider does not answer."""
        loop = asyncio.get_running_loop()
        if self._endpoints is not None and self._asking.locked():
            return self._endpoints
        async with self._asking:
            if loop.time() >= max(self._is_fresh_until, self._asks_again_at):
                self._asks_again_at = loop.time() + BETWEEN_FETCHES_SECONDS_MIN
                try:
                    self._endpoints = await self._discovered()
                    self._is_fresh_until = loop.time() + LIFESPAN_SECONDS
                except (OSError, ValueError, KeyError, TypeError) as error:
                    log.warning(
                        "The discovery document of %s cannot be used: %s: %s",
                        self.issuer,
                        type(error).__name__,
                        str(error)[:200],
                    )
        return self._endpoints

    async def id_token(self, code: str, code_verifier: str, redirect_uri: str) -> str:
        """Exchange a code for a token; raise Refusal if the provider refuses or does not answer."""
        endpoints = await self.endpoints()
        if endpoints is None:
            raise _away()
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": redirect_uri,
        }
        try:
            status, answer = await self._fetched(endpoints.token, form)
        except (OSError, ValueError):
            raise _away() from None
        if 400 <= status < 500:
            raise Refusal(401, "TOKEN_INVALID", f"{_refused(answer)} Sign in again.")
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            raise _away()
        return token

    async def _discovered(self) -> Endpoints:
        status, document = await self._fetched(self.issuer.rstrip("/") + DISCOVERY)
        if status != 200:
            raise ValueError(f"status {status}")
        if document["issuer"] != self.issuer:
            raise ValueError("it is of another issuer")
        names = ("authorization_endpoint", "token_endpoint")
        return Endpoints(*(checked_provider(str(document[name])) for name in names))

    async def _fetched(
        self, url: str, form: dict[str, str] | None = None
    ) -> tuple[int, dict[str, object]]:
        if not self._places.acquire(blocking=False):
            raise BlockingIOError("too many requests are under way")
        status, body = await _aside(lambda: _fetch(url, form), self._places.release)
        answer = orjson.loads(body)
        if type(answer) is not dict:
            raise ValueError("the answer is no JSON object")
        return status, answer


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow nothing: a code goes to the endpoint that the provider names, and nowhere else."""


_OPENER = build_opener(_NoRedirect)


def _fetch(url: str, form: dict[str, str] | None) -> tuple[int, bytes]:
    body = None if form is None else urlencode(form).encode("ascii")
    request = Request(url, body, {"accept": "application/json"})  # noqa: S310 — the URL is checked
    ends_at = time.monotonic() + FETCH_SECONDS_MAX
    try:
        with _opened(request) as answer:
            return answer.status, _body(answer, ends_at)
    except HTTPException as error:
        raise ValueError(f"URL or answer is not of HTTP ({type(error).__name__})") from error


def _opened(request: Request) -> Any:
    """Return the answer to a request, even if it is a refusal."""
    try:
        return _OPENER.open(request, timeout=FETCH_SECONDS_MAX)
    except HTTPError as refused:
        return refused


def _body(answer: Any, ends_at: float) -> bytes:
    """Return a body; raise TimeoutError if it is not complete in time, however it trickles in."""
    body = b""
    while part := answer.read1(ANSWER_BYTES_MAX - len(body)):
        if time.monotonic() > ends_at:
            raise TimeoutError("the answer is too slow")
        body += part
    return body


async def _aside(work: Callable[[], T], on_end: Callable[[], None]) -> T:
    """Do work in a thread that does not delay the end of the process."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:
            done.set_exception(error)
        finally:
            on_end()

    threading.Thread(target=run, daemon=True).start()
    async with asyncio.timeout(FETCH_SECONDS_MAX):
        return await asyncio.wrap_future(done)


def _away() -> Refusal:
    return Refusal(503, "UNAVAILABLE", "The identity provider does not answer; try again.")


def _refused(answer: dict[str, object]) -> str:
    error = answer.get("error")
    told = f": {error}" if isinstance(error, str) and _LEGAL_ERROR.fullmatch(error) else ""
    return f"The identity provider refused the code{told}."
