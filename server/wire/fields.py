"""Field checks: each reads one field and notes what is wrong with it."""

import re
from collections.abc import Callable
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import annotations_pb2 as contract
from bottrading.v1 import bot_trading_pb2
from server.application.market_ports import Instruments
from server.domain.errors import Reason, Refusal, Violation, refuse_fields
from server.domain.instrument import Instrument
from server.domain.values import (
    CENT,
    DecimalError,
    Micros,
    Money,
    Units,
    normalize_symbol,
    parse_units,
)
from server.wire.bounds import bounds, pattern

LIMIT_DEFAULT = 20
LIMIT = bounds(bot_trading_pb2.ListOrdersRequest, "limit")
PAGE_TOKEN_LENGTH_MAX = bounds(bot_trading_pb2.ListOrdersRequest, "page_token").length_max
SHOWN_LENGTH_MAX = 40
TIMESTAMP_SECONDS_MIN = -62_135_596_800
TIMESTAMP_SECONDS_MAX = 253_402_300_799

_CLIENT_ORDER_ID = pattern(contract.FORM_CLIENT_ORDER_ID)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Member = TypeVar("Member")
Amount = TypeVar("Amount", bound=Units)


class Fields:
    """Reads the fields of one request and collects all their errors."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []

    def refuse(self, field: str, reason: Reason, message: str) -> None:
        """Note that a field is wrong."""
        self.note(Violation(field, reason, message))

    def note(self, violation: Violation) -> None:
        """Note what a check of the domain found."""
        self._violations.append(violation)

    def refusal(self) -> Refusal | None:
        """Return the refusal of the request; None when all fields are right."""
        return refuse_fields(self._violations) if self._violations else None

    def instrument(self, field: str, text: str, instruments: Instruments) -> Instrument | None:
        """Read the symbol of an instrument, which may be an expired option."""
        if not text:
            self.refuse(
                field, Reason.FIELD_REQUIRED, f"`{field}` is required: send a symbol such as AAPL."
            )
            return None
        symbol = normalize_symbol(text)
        found = instruments.find(symbol) if symbol is not None else None
        if found is None:
            self.refuse(
                field,
                Reason.SYMBOL_UNKNOWN,
                _unknown_symbol(field, text),
            )
        return found

    def known_symbol(self, field: str, text: str, instruments: Instruments) -> str | None:
        """Read a symbol, which may be that of an expired option."""
        symbol = normalize_symbol(text)
        if symbol is None or instruments.find(symbol) is None:
            self.refuse(
                field,
                Reason.SYMBOL_UNKNOWN,
                _unknown_symbol(field, text),
            )
            return None
        return symbol

    def positive(self, field: str, text: str, kind: Callable[[Units], Amount]) -> Amount | None:
        """Read a decimal above zero, as a quantity, price or amount of money."""
        if not text:
            self.refuse(
                field, Reason.FIELD_REQUIRED, f"`{field}` is required: send a decimal above 0."
            )
            return None
        try:
            value = parse_units(text)
        except DecimalError:
            self.refuse(
                field,
                Reason.DECIMAL_INVALID,
                f"`{field}` must be a decimal such as 185.50, with at most 10 digits before the"
                f" point and 8 after it, not {shown(text)}.",
            )
            return None
        if value == 0:
            self.refuse(
                field, Reason.NOT_POSITIVE, f"`{field}` must be greater than 0, not {shown(text)}."
            )
            return None
        return kind(value)

    def money(self, field: str, text: str) -> Money | None:
        """Read an amount above zero with at most 2 decimals."""
        value = self.positive(field, text, Money)
        if value is not None and value % CENT:
            self.refuse(
                field,
                Reason.FIELD_INVALID,
                f"`{field}` must have at most 2 decimals, not {shown(text)}.",
            )
        return value

    def member(
        self, field: str, number: int, table: dict[int, Member], default: Member | None = None
    ) -> Member | None:
        """Read an enum value; zero means the default, and is refused if there is no default."""
        if number == 0:
            if default is None:
                self.refuse(
                    field,
                    Reason.FIELD_REQUIRED,
                    f"`{field}` is required: send one of {_names(table)}.",
                )
            return default
        found = table.get(number)
        if found is None:
            self.refuse(
                field,
                Reason.ENUM_VALUE_UNKNOWN,
                f"`{field}` must be one of {_names(table)}, not number {number}.",
            )
        return found

    def optional_member(self, field: str, number: int, table: dict[int, Member]) -> Member | None:
        """Read an enum value; zero is None."""
        return self.member(field, number, table) if number else None

    def client_order_id(self, field: str, text: str) -> str:
        """Read a caller's own id."""
        if _CLIENT_ORDER_ID.fullmatch(text) is None:
            self.refuse(
                field,
                Reason.FIELD_INVALID,
                f"`{field}` must have 1 to 128 printable ASCII characters, not {shown(text)}.",
            )
        return text

    def limit(self, field: str, number: int | None) -> int:
        """Read the size of a page."""
        if number is None:
            return LIMIT_DEFAULT
        if not LIMIT.minimum <= number <= LIMIT.maximum:
            self.refuse(
                field,
                Reason.FIELD_INVALID,
                f"`{field}` must be from {LIMIT.minimum} to {LIMIT.maximum}, not {number}.",
            )
        return number

    def page_token(self, field: str, token: str) -> str:
        """Read a page token; only its length is checked here."""
        if len(token) > PAGE_TOKEN_LENGTH_MAX:
            self.refuse(
                field,
                Reason.PAGE_TOKEN_INVALID,
                f"`{field}` must be the `next_page_token` of this listing.",
            )
        return token

    def moment(self, field: str, timestamp: Timestamp) -> Micros:
        """Read a time of the years 1 to 9999."""
        in_range = TIMESTAMP_SECONDS_MIN <= timestamp.seconds <= TIMESTAMP_SECONDS_MAX
        if not in_range or not 0 <= timestamp.nanos < 1_000_000_000:
            self.refuse(
                field, Reason.FIELD_INVALID, f"`{field}` must be a time of the years 1 to 9999."
            )
        return timestamp.seconds * 1_000_000 + timestamp.nanos // 1_000


def is_id(text: str) -> bool:
    """Tell whether a text has the form of the server's ids."""
    return _UUID.fullmatch(text) is not None


def path_symbol(text: str, instruments: Instruments) -> str | Refusal:
    """Read the symbol that names a resource: an unknown one is NOT_FOUND."""
    symbol = normalize_symbol(text)
    if symbol is None or instruments.find(symbol) is None:
        return Refusal(
            reason=Reason.SYMBOL_UNKNOWN,
            message="No instrument has this symbol: ListInstruments lists them.",
            is_not_found=True,
        )
    return symbol


def _unknown_symbol(field: str, text: str) -> str:
    return f"`{field}` {shown(text)} is no known symbol: ListInstruments lists them."


def _names(table: dict[int, Member]) -> str:
    return ", ".join(str(getattr(value, "value", value)) for value in table.values())


def shown(text: str) -> str:
    """Return a caller's text in the form in which messages quote it: short and printable."""
    cut = text if len(text) <= SHOWN_LENGTH_MAX else text[:SHOWN_LENGTH_MAX] + "…"
    return '"' + "".join(c if c.isprintable() else "?" for c in cut) + '"'
