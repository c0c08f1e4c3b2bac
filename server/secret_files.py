"""Secret files: the data directory, and the files that only the service's user may read."""

import os
import secrets
import stat
import tempfile
from pathlib import Path

from server.config import (
    JWT_SECRET_FILE,
    MARKET_SECRET_FILE,
    TICKET_SECRET_FILE,
    Settings,
    SettingsError,
)
from server.rpc.tokens import SECRET_BYTES_MIN


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
    return settings.jwt_secret.encode() or _secret_of(settings.data_dir / JWT_SECRET_FILE)


def own_secret(settings: Settings) -> bytes:
    """Return the secret of sign-in links and sessions, always that of the file."""
    return _secret_of(settings.data_dir / JWT_SECRET_FILE)


def ticket_secret(settings: Settings) -> bytes:
    """Return the secret of stream tickets."""
    return _secret_of(settings.data_dir / TICKET_SECRET_FILE)


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
                file.write(secrets.token_hex(SECRET_BYTES_MIN))
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            pass  # Another process was first; its secret is used.
        finally:
            Path(draft).unlink()
    secret = path.read_bytes().strip()
    if len(secret) < SECRET_BYTES_MIN:
        raise SettingsError(f"{path}: has fewer than {SECRET_BYTES_MIN} bytes")
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
