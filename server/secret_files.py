"""Secrets: the data directory, and what only the service's user may read.

A venue in PostgreSQL keeps its secrets there, because all its servers need the same.
"""

import os
import secrets
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from server.application.ports import StorageUnavailable
from server.config import (
    JWT_SECRET_FILE,
    MARKET_SECRET_FILE,
    TICKET_SECRET_FILE,
    Settings,
    SettingsError,
)
from server.rpc.tokens import SECRET_BYTES_MIN
from server.storage.location import PostgresDatabase
from server.storage.shared_secrets import shared_secret


def open_data_dir(settings: Settings) -> None:
    """Create the data directory if it is missing, and check who can access its files.

    Raise SettingsError if everybody can write the directory or access a secret. Raise it also if
    the directory, the database or a secret is a link without a target. The operator decides about
    the group's rights, because volumes of containers are often shared with a group.
    """
    directory = settings.data_dir
    _expect_target(directory)
    directory.mkdir(parents=True, exist_ok=True)
    if directory.stat().st_mode & stat.S_IWOTH:
        raise SettingsError(
            f"data_dir: {directory}: everybody can write it; run `chmod o-w {directory}`"
        )
    if isinstance(settings.location, Path):
        _expect_target(settings.location)
    for name in (JWT_SECRET_FILE, TICKET_SECRET_FILE, MARKET_SECRET_FILE):
        _expect_private(directory / name)
    for key in (settings.tls_key, settings.engine_key):
        if key is not None:
            _expect_private(key)


def jwt_secret(settings: Settings) -> bytes:
    """Return the HS256 secret of tokens."""
    return settings.jwt_secret.encode() or own_secret(settings)


def own_secret(settings: Settings) -> bytes:
    """Return the secret of sign-in links and sessions, always one that the service made."""
    return _secret(settings, JWT_SECRET_FILE)


def ticket_secret(settings: Settings) -> bytes:
    """Return the secret of stream tickets."""
    return _secret(settings, TICKET_SECRET_FILE)


def kept_secret(where: PostgresDatabase, path: Path, make: Callable[[], str]) -> bytes:
    """Return the secret of a venue in PostgreSQL, under the name of the file without its suffix.

    If there is none, store that of the file, as older versions wrote it, or else what `make`
    returns.
    """
    _expect_private(path)

    def first() -> str:
        return path.read_text().strip() if path.exists() else make()

    return shared_secret(where, path.stem, first).encode()


def _secret(settings: Settings, file_name: str) -> bytes:
    where, path = settings.location, settings.data_dir / file_name
    if isinstance(where, Path):
        return _secret_of(path)
    try:
        secret = kept_secret(where, path, _new_secret)
    except StorageUnavailable as error:
        raise SettingsError(f"database: {where}: {error}") from None
    return _expect_long(secret, f"{where}: secret {path.stem}")


def _secret_of(path: Path) -> bytes:
    """Return the secret of a file; create the file, with mode 0600, if it is missing.

    Safe while a server runs too: the file appears whole or not at all.
    """
    _expect_private(path)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(_new_secret())
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            pass  # Another process was first; its secret is used.
        finally:
            Path(draft).unlink()
    return _expect_long(path.read_bytes().strip(), path)


def _new_secret() -> str:
    return secrets.token_hex(SECRET_BYTES_MIN)


def _expect_long(secret: bytes, place: object) -> bytes:
    if len(secret) < SECRET_BYTES_MIN:
        raise SettingsError(f"{place}: has fewer than {SECRET_BYTES_MIN} bytes")
    return secret


def _expect_private(path: Path) -> None:
    _expect_target(path)
    if path.exists() and path.stat().st_mode & stat.S_IRWXO:
        raise SettingsError(
            f"{path}: everybody can read or write this secret; run `chmod o-rwx {path}` and, if"
            " others may have read it, make a new one"
        )


def _expect_target(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise SettingsError(f"{path}: is a link to {path.readlink()}, which does not exist")
