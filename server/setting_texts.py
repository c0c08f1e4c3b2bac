"""Texts of settings that must have a form, each a type with its check."""

import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator

from server.domain.values import CENT, SCALE, DecimalError, parse_units
from server.rpc.tokens import SECRET_BYTES_MIN
from server.storage.location import POSTGRESQL_PREFIX, SQLITE_PREFIX

_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Participants:
    """How many accounts take part in a lock-step replay, and their ids if they are named."""

    number: int
    accounts: tuple[str, ...] = ()


def participants(text: str) -> Participants:
    """Read a number or ids that are separated by commas; raise ValueError for anything else."""
    if _NUMBER.fullmatch(text):
        return Participants(int(text))
    ids = [part.strip().lower() for part in text.split(",")]
    if not all(map(_ID.fullmatch, ids)) or len(set(ids)) != len(ids):
        raise ValueError(f"must be a number from 1 to 9999 or ids of accounts: a,b,…, not {text!r}")
    return Participants(len(ids), tuple(ids))


def _check_participants(value: str) -> str:
    participants(value)
    return value


def _check_balance(value: str) -> str:
    try:
        units = parse_units(value)
    except DecimalError:
        raise ValueError(f"must be a decimal such as 100000.00, not {value!r}") from None
    if units <= 0 or units % CENT:
        raise ValueError(f"must be greater than 0 and in whole cents, not {value!r}")
    return value


def _check_percent(value: str) -> str:
    try:
        units = parse_units(value)
    except DecimalError:
        raise ValueError(f"must be a decimal such as 8 or 8.25, not {value!r}") from None
    if units > 100 * SCALE:
        raise ValueError(f"must be at most 100, not {value!r}")
    return value


def _check_database(value: str) -> str:
    path = value.removeprefix(SQLITE_PREFIX)
    is_file = path not in (value, "", ":memory:")
    # A wrong URL is not repeated: it may have a password.
    if value and not is_file and not value.startswith(POSTGRESQL_PREFIX):
        raise ValueError(f"must be {SQLITE_PREFIX}FILE or {POSTGRESQL_PREFIX}…")
    return value


def _check_secret(value: str) -> str:
    if value and len(value.encode()) < SECRET_BYTES_MIN:
        raise ValueError(f"must have at least {SECRET_BYTES_MIN} bytes")
    return value


def _check_zone(value: str) -> str:
    try:
        if value:
            ZoneInfo(value)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError(f"must be a zone such as America/New_York, not {value!r}") from None
    return value


ParticipantsText: TypeAlias = Annotated[str, AfterValidator(_check_participants)]
BalanceText: TypeAlias = Annotated[str, AfterValidator(_check_balance)]
PercentText: TypeAlias = Annotated[str, AfterValidator(_check_percent)]
DatabaseUrl: TypeAlias = Annotated[str, AfterValidator(_check_database)]
SecretText: TypeAlias = Annotated[str, AfterValidator(_check_secret)]
ZoneName: TypeAlias = Annotated[str, AfterValidator(_check_zone)]
