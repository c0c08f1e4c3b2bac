"""Receipts: what a call of the front spends, and what the engine answers about it."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from server.application.rate_limits import Allowance, Figures
from server.application.spending import Charged
from server.wire.contract import Spends

_ALLOWANCE = struct.Struct("<7Q")
_SHOWN = struct.Struct("<BB")
_NO_LIMIT = (0, 0, 0)


@dataclass(slots=True)
class Receipt:
    """What a call spends; once the engine has charged it, also what is left.

    `quota` is how many calls the account may make on a UTC day; 0: any number. `shown` are the
    figures of the limit that the caller is told. A refusal is doubtful if it counts calls that may
    never have been made.
    """

    spends: Spends
    quota: int = 0
    allowance: Allowance = field(default_factory=Allowance)
    shown: Figures | None = None
    is_doubtful: bool = False

    def take(self, body: bytes) -> None:
        """Take what the engine answered."""
        self.allowance = allowance = _allowance(body[: _ALLOWANCE.size])
        shown, is_doubtful = _SHOWN.unpack_from(body, _ALLOWANCE.size)
        self.shown = (None, allowance.orders, allowance.requests)[shown]
        self.is_doubtful = bool(is_doubtful)


def encode_charged(charged: Charged) -> bytes:
    """Return what is left after a call as the body of an answer."""
    allowance, shown = charged.allowance, 0
    if charged.shown is not None:
        shown = 1 if charged.shown == allowance.orders else 2
    return _packed(allowance) + _SHOWN.pack(shown, charged.is_doubtful)


def encode_allowances(allowances: Iterable[Allowance]) -> bytes:
    """Return what is left to accounts as the body of an answer."""
    return b"".join(map(_packed, allowances))


def decode_allowances(body: bytes) -> list[Allowance]:
    size = _ALLOWANCE.size
    return [_allowance(body[at : at + size]) for at in range(0, len(body), size)]


def _allowance(body: bytes) -> Allowance:
    *numbers, calls = _ALLOWANCE.unpack(body)
    return Allowance(_figures(*numbers[:3]), _figures(*numbers[3:]), calls)


def _packed(allowance: Allowance) -> bytes:
    return _ALLOWANCE.pack(
        *_numbers(allowance.orders), *_numbers(allowance.requests), allowance.calls
    )


def _figures(limit: int, remaining: int, reset_in: int) -> Figures | None:
    return Figures(limit, remaining, reset_in) if limit else None


def _numbers(figures: Figures | None) -> tuple[int, int, int]:
    if figures is None:
        return _NO_LIMIT
    return figures.limit, figures.remaining, figures.reset_in
