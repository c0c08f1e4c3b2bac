"""The market's secret: the key that determines every simulated price, its text and its file."""

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
    """A text is not a market secret; the message names its place and never shows it."""


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
        return read_secret(path.read_bytes(), path)
    except FileNotFoundError:
        _create(path, new_secret_text(now))
        return read_secret(path.read_bytes(), path)


def new_secret_text(now: Micros) -> str:
    """Return the text of a new secret, with `now` as the origin."""
    key, origin = secrets.token_hex(KEY_BYTES), to_datetime(now - now % SECOND)
    return (
        "# Whoever reads this file can foresee every price of this market.\n"
        f'key = "{key}"\n'
        f"origin = {origin:%Y-%m-%dT%H:%M:%SZ}\n"
    )


def secret_from_seed(seed: int) -> MarketSecret:
    """Return the secret of a repeatable market; whoever knows the seed can predict its prices."""
    key = blake2b(str(seed).encode(), digest_size=KEY_BYTES, person=b"seed").digest()
    return MarketSecret(key, SEED_ORIGIN)


def read_secret(text: bytes, place: object) -> MarketSecret:
    """Return the secret of a text; SecretFileError names `place` if the text is malformed."""
    try:
        document = tomllib.loads(text.decode())
    except ValueError:
        document = {}
    key, origin = document.get("key"), document.get("origin")
    # The error above may quote the text, so it is not passed on.
    if not isinstance(key, str) or _KEY.fullmatch(key) is None:
        raise SecretFileError(f"{place}: key: must be {2 * KEY_BYTES} hexadecimal digits")
    if not isinstance(origin, datetime) or origin.tzinfo is None or origin.microsecond:
        raise SecretFileError(f"{place}: origin: must be a moment in UTC, in whole seconds")
    return MarketSecret(bytes.fromhex(key), from_datetime(origin))


def _create(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces a secret that another process created first.
        path.hardlink_to(temporary)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
