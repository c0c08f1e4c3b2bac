"""The headers of a request, as metadata for the gRPC server."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import quote, unquote_to_bytes

Metadata: TypeAlias = tuple[tuple[str, str], ...]

_CREDENTIAL_KEYS = {b"x-bot-key": "x-bot-key", b"authorization": "authorization"}
TICKET_KEY = "x-stream-ticket"
ACCOUNT_KEY = "x-account-id"
_ACCOUNT_HEADER = ACCOUNT_KEY.encode("ascii")
_LEGAL_CREDENTIAL = re.compile(rb"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_LEGAL_ACCOUNT_ID = re.compile(rb"[0-9a-f-]{36}")
_LEGAL_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


@dataclass(slots=True)
class RequestHead:
    """What the bridge takes from a request's headers."""

    credentials: list[tuple[str, str]] = field(default_factory=list)
    credentials_legal: bool = True
    account_id: str | None = None
    request_id: str | None = None
    last_event_id: str | None = None
    content_length: int = 0
    has_body: bool = False

    @property
    def is_of_a_browser(self) -> bool:
        """Tell whether the caller is an EventSource: it sends a ticket or a Last-Event-ID."""
        return self.last_event_id is not None or any(
            key == TICKET_KEY for key, _ in self.credentials
        )

    def metadata(self) -> Metadata:
        metadata = tuple(self.credentials)
        if self.account_id is not None:
            metadata += ((ACCOUNT_KEY, self.account_id),)
        if self.request_id is not None:
            metadata += (("x-request-id", self.request_id),)
        return metadata

    def name_account(self, value: bytes) -> None:
        """Keep the id of an account; a value that is no id, or a second value, makes it empty.

        The server refuses an empty id, after it has checked credential and rate.
        """
        is_legal = self.account_id is None and _LEGAL_ACCOUNT_ID.fullmatch(value)
        self.account_id = value.decode("ascii") if is_legal else ""

    def add_credential(self, key: str, value: bytes) -> None:
        """Keep a credential as it came, duplicates included, because the server refuses them.

        Text that metadata cannot carry marks the head as illegal, instead of failing the call.
        """
        if _LEGAL_CREDENTIAL.fullmatch(value):
            self.credentials.append((key, value.decode("ascii")))
        else:
            self.credentials_legal = False

    @property
    def is_of_nobody(self) -> bool:
        """Tell whether the request came without a credential."""
        return self.credentials_legal and not self.credentials

    def has_legal_credential(self, bytes_max: int) -> bool:
        """Tell whether the server would read the credential: it rejects large metadata unread."""
        return (
            self.credentials_legal
            and 0 < sum(len(value) for _, value in self.credentials) <= bytes_max
        )


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    """Read a request's headers; the first legal X-Request-Id is the caller's own."""
    head = RequestHead()
    for name, value in headers:
        if name in _CREDENTIAL_KEYS:
            head.add_credential(_CREDENTIAL_KEYS[name], value)
        elif name == _ACCOUNT_HEADER:
            head.name_account(value)
        elif name == b"content-length":
            head.content_length = int(value)
            head.has_body = head.has_body or head.content_length > 0
        elif name == b"transfer-encoding":
            head.has_body = True
        elif name == b"last-event-id" and value:
            head.last_event_id = value.decode("latin-1")
        elif (
            name == b"x-request-id"
            and head.request_id is None
            and _LEGAL_REQUEST_ID.fullmatch(value)
        ):
            head.request_id = value.decode("ascii")
    return head


def resume_after(query: bytes, name: bytes, event_id: str) -> bytes:
    """Return a query with the sequence to resume after; Last-Event-ID overrides the parameter."""
    rest = [pair for pair in query.split(b"&") if pair.partition(b"=")[0] != name]
    return b"&".join([*rest, name + b"=" + quote(event_id, safe="").encode("ascii")])


def take_ticket(query: bytes, head: RequestHead) -> bytes:
    """Move the ticket from a query to the head; return the query without it."""
    rest = []
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name == b"ticket":
            head.add_credential(TICKET_KEY, unquote_to_bytes(value))
        else:
            rest.append(pair)
    return b"&".join(rest)
