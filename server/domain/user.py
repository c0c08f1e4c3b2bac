"""Users, their plans and their bot keys."""

import hashlib
import re
import string
import zlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from server.domain.instrument import AssetType
from server.domain.values import Micros, Units

KEY_PREFIX = "tvt_"
KEY_RANDOM_LENGTH = 30
KEY_CHECKSUM_LENGTH = 6
KEY_SHOWN_LENGTH = 8
LABEL_LENGTH_MAX = 64

# Excludes control and format characters, all spaces but the common one, and private use. The
# ranges are written out because `str.isprintable` differs between versions of Python.
LABEL = re.compile(
    r"(?! *$)[^\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u3000\ue000-\uf8ff\ufeff\ufff0-\ufffb"
    "\U000e0000-\U000e00ff\U000f0000-\U0010ffff]{1,64}"
)

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Plan(Enum):
    """The plan that a person pays for."""

    FREE = "Free"
    STANDARD = "Standard"
    PROFESSIONAL = "Professional"

    @property
    def bot_keys(self) -> int:
        """Return how many live bot keys a person may have."""
        return _PLAN_LIMITS[self][0]

    @property
    def accounts(self) -> int:
        """Return how many accounts a person may have: one for each bot key."""
        return self.bot_keys

    @property
    def api_calls_per_day(self) -> int:
        """Return how many calls the plan includes for each account and UTC day."""
        return _PLAN_LIMITS[self][1]


_PLAN_LIMITS = {
    Plan.FREE: (1, 1_000),
    Plan.STANDARD: (5, 10_000),
    Plan.PROFESSIONAL: (25, 100_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The identity that a valid token gives its bearer, and the token's times in Unix seconds."""

    issuer: str
    subject: str
    name: str
    plan: Plan
    is_operator: bool
    issued_at: int = field(default=0, compare=False)
    expires_at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A known person; `account_id` is the first account, which never changes."""

    id: str
    identity: Identity
    created_at: Micros
    account_id: str


class Scope(Enum):
    """What a bot key gives access to."""

    TRADE = "TRADE"
    READ = "READ"


class Traded(Protocol):
    """An instrument, or an order or fill of one."""

    @property
    def symbol(self) -> str: ...

    @property
    def asset_type(self) -> AssetType: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What a bot key may do, set at its creation; an empty list or None is no limit."""

    scopes: tuple[Scope, ...] = tuple(Scope)
    symbols: tuple[str, ...] = ()
    asset_types: tuple[AssetType, ...] = ()
    order_notional_max: Units | None = None

    @property
    def are_fenced(self) -> bool:
        """Tell whether the key is limited to some instruments."""
        return bool(self.symbols or self.asset_types)

    def allow(self, traded: Traded) -> bool:
        """Tell whether the key may trade an instrument and see or change its orders and fills."""
        return (not self.symbols or traded.symbol in self.symbols) and (
            not self.asset_types or traded.asset_type in self.asset_types
        )


EVERYTHING = Permissions()


@dataclass(frozen=True, slots=True, kw_only=True)
class BotKey:
    """A bot key without its secret. `key_hash` is the SHA-256 of the secret."""

    id: str
    user_id: str
    account_id: str
    label: str
    prefix: str
    key_hash: bytes
    created_at: Micros
    last_used_at: Micros | None = None
    revoked_at: Micros | None = None
    permissions: Permissions = EVERYTHING


def form_key(random_part: str) -> str:
    """Return a bot key: prefix, 30 random base62 characters, and their CRC-32 in 6 more."""
    return KEY_PREFIX + random_part + _checksum(random_part)


def is_well_formed_key(key: str) -> bool:
    """Tell whether a text can be a bot key; this detects typing errors only."""
    length = len(KEY_PREFIX) + KEY_RANDOM_LENGTH + KEY_CHECKSUM_LENGTH
    if len(key) != length or not key.startswith(KEY_PREFIX) or not key.isascii():
        return False
    random_part = key[len(KEY_PREFIX) : -KEY_CHECKSUM_LENGTH]
    return key[-KEY_CHECKSUM_LENGTH:] == _checksum(random_part)


def hash_key(key: str) -> bytes:
    """Return the SHA-256 of a bot key, the only form in which it is stored."""
    return hashlib.sha256(key.encode()).digest()


def is_valid_label(label: str) -> bool:
    """Tell whether a text can name a key: 1 to 64 visible characters, and not only spaces."""
    return LABEL.fullmatch(label) is not None


def _checksum(random_part: str) -> str:
    number = zlib.crc32(random_part.encode())
    digits = []
    for _ in range(KEY_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(BASE62))
        digits.append(BASE62[digit])
    return "".join(reversed(digits))
