"""The market's secret: the key that determines every simulated price, and its file."""

import os
import re
import secrets
import tempfile
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from server.domain.values import SECOND, Micros
from server.market.moments import from_datetime, to_datetime

KEY_BYTES = 32
SEED_ORIGIN: Micros = from_datetime(datetime(2026, 1, 1, tzinfo=UTC))

_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}")


class SecretFileError(ValueError):
    """The file is not a market secret; the message never shows its content."""


@dataclass(frozen=True, slots=True)
class MarketSecret:
    """A key of 32 bytes, and the moment of tick 0, a whole second."""

    key: bytes = field(repr=False)
    origin: Micros


def load_or_create_secret(path: Path, now: Micros) -> MarketSecret:
    """Return the secret stored at `path`; the first call creates it, with `now` as the origin.

    If several processes call at once, one creates the secret and all return it. The directory must
    exist. Raise SecretFileError when the file is malformed, OSError when it cannot be used.
    """
    try:
        return _load(path)
    except FileNotFoundError:
        _create(path, MarketSecret(secrets.token_bytes(KEY_BYTES), now - now % SECOND))
        return _load(path)


def secret_from_seed(seed: int) -> MarketSecret:
    """Return the secret of a repeatable market; whoever knows the seed can predict its prices."""
    key = blake2b(str(seed).encode(), digest_size=KEY_BYTES, person=b"seed").digest()
    return MarketSecret(key, SEED_ORIGIN)


def _load(path: Path) -> MarketSecret:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except ValueError:
        document = {}
    key, origin = document.get("key"), document.get("origin")
    # The error above may quote the file, so it is not passed on.
    if not isinstance(key, str) or _KEY.fullmatch(key) is None:
        raise SecretFileError(f"{path}: key: must be {2 * KEY_BYTES} hexadecimal digits")
    if not isinstance(origin, datetime) or origin.tzinfo is None or origin.microsecond:
        raise SecretFileError(f"{path}: origin: must be a moment in UTC, in whole seconds")
    return MarketSecret(bytes.fromhex(key), from_datetime(origin))


def _create(path: Path, secret: MarketSecret) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_text(secret))
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces a secret that another process created first.
        path.hardlink_to(temporary)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def _text(secret: MarketSecret) -> str:
    origin = to_datetime(secret.origin).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        "# Whoever reads this file can foresee every price of this market.\n"
        f'key = "{secret.key.hex()}"\n'
        f"origin = {origin}\n"
    )


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
