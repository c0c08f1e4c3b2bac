"""Published keys: those of a JWKS URL, kept while the URL does not answer."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import jwt
from jwt import PyJWK, PyJWKClient

from server.application.ports import Clock
from server.domain.values import SECOND, Micros

FETCH_SECONDS_MAX = 3
LIFESPAN: Micros = 300 * SECOND
"""A withdrawn key is forgotten after this time, once the URL answers."""
BETWEEN_FETCHES_MIN: Micros = 10 * SECOND

log = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """The published keys cannot be fetched now."""


class PublishedKeys:
    """The keys of a JWKS URL; `monotonic` is a clock that never goes back.

    They are fetched again when they are old, and for an unknown key. They are fetched at most every
    10 s, because callers must not make this server flood the URL. A fetched key is valid until a
    later answer lacks it. Waiting uses none of the threads that look up credentials.
    """

    def __init__(self, url: str, monotonic: Clock) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_SECONDS_MAX)
        self._monotonic = monotonic
        self._keys: Mapping[str, Any] = {}
        self._fetched_at: Micros | None = None
        self._begun_at: Micros | None = None
        self._fetching: Future[None] = Future()
        self._fetching.set_result(None)
        self._is_away = False

    async def prepare(self, key_id: str | None) -> None:
        """Fetch the keys if they are old or lack this one; wait for them unless the URL is down."""
        is_known = key_id in self._keys
        if is_known and self._is_young():
            return
        if self._fetching.done() and self._may_fetch():
            self._begin()
        if self._fetching.done() or (is_known and self._is_away):
            return
        waiting = asyncio.wrap_future(self._fetching)
        try:
            _, late = await asyncio.wait({waiting}, timeout=FETCH_SECONDS_MAX)
        finally:
            waiting.cancel()
        if late:
            self._take_away("no answer in time")

    def find(self, key_id: str | None) -> Any:
        """Return a key, None if it is not published; raise KeysUnavailable if the URL is down."""
        key = None if key_id is None else self._keys.get(key_id)
        if key is None and self._is_away:
            raise KeysUnavailable
        return key

    def _is_young(self) -> bool:
        return self._fetched_at is not None and self._monotonic() - self._fetched_at <= LIFESPAN

    def _may_fetch(self) -> bool:
        begun_at = self._begun_at
        return begun_at is None or self._monotonic() - begun_at >= BETWEEN_FETCHES_MIN

    def _begin(self) -> None:
        self._begun_at = self._monotonic()
        self._fetching = Future()
        # A caller that no longer waits must not cancel the fetch for the others.
        self._fetching.set_running_or_notify_cancel()
        # A daemon thread: a URL that answers byte by byte must not delay the end of the process.
        threading.Thread(target=self._fetch, args=(self._fetching,), daemon=True).start()

    def _fetch(self, fetching: "Future[None]") -> None:
        try:
            keys = _named_keys(self._client.fetch_data())
        except Exception as error:
            self._take_away(f"{type(error).__name__}: {error}"[:200])
        else:
            self._keys, self._fetched_at = keys, self._monotonic()
            self._is_away = False
        finally:
            fetching.set_result(None)

    def _take_away(self, why: str) -> None:
        if not self._is_away:
            log.warning("Keys that sign tokens cannot be fetched; known keys stay valid: %s", why)
        self._is_away = True


def signing_keys(document: Any) -> list[PyJWK]:
    """Return the keys of a JWKS.

    Keys of unknown types and keys that are not for signing are left out. Raises ValueError for
    anything that is not a JWKS.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("its `keys` must be a list")
    keys = []
    for entry in entries:
        try:
            published = PyJWK(entry)
        except (jwt.PyJWTError, ValueError, TypeError, LookupError, AttributeError):
            continue
        if published.public_key_use in ("sig", None):
            keys.append(published)
    if entries and not keys:
        raise ValueError("it must have a key of a known type for signing")
    return keys


def _named_keys(document: Any) -> dict[str, Any]:
    """Return the keys of a JWKS by id; of two with the same id the first."""
    keys: dict[str, Any] = {}
    for published in signing_keys(document):
        if isinstance(published.key_id, str):
            keys.setdefault(published.key_id, published.key)
    if document["keys"] and not keys:
        raise ValueError("at least one of its keys must have an id, `kid`")
    return keys
