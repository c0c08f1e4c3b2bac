"""Pages: parts of a listing, and the tokens with which callers read on."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Generic, TypeVar

from server.domain.errors import Reason, Refusal, Violation, refuse_fields

Item = TypeVar("Item")

DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a listing; `next_token` is empty on the last one."""

    items: list[Item]
    next_token: str


def token_after(number: int, wanted: object) -> str:
    """Return the token of the page after an item's number; it is valid for `wanted` only."""
    return base64.urlsafe_b64encode(f"{number}.{_digest(wanted)}".encode()).decode()


def number_in(token: str, wanted: object) -> int | Refusal | None:
    """Return the item's number that a token holds; None for the first page."""
    if not token:
        return None
    try:
        number, digest = base64.urlsafe_b64decode(token.encode("ascii")).decode().split(".")
        if digest == _digest(wanted) and number.isascii() and number.isdigit():
            return int(number[:DIGITS_MAX])
    except (ValueError, binascii.Error):
        pass
    return refuse_fields(
        [
            Violation(
                "page_token",
                Reason.PAGE_TOKEN_INVALID,
                "`page_token` must be the `next_page_token` of this listing with the same filters.",
            )
        ]
    )


def _digest(wanted: object) -> str:
    return hashlib.blake2b(repr(wanted).encode(), digest_size=8).hexdigest()
