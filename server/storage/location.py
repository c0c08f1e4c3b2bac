"""Where a venue is stored: a file of SQLite or a database of PostgreSQL."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

SQLITE_PREFIX = "sqlite:///"
POSTGRESQL_PREFIX = "postgresql://"


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A database of PostgreSQL, and the directory for the service's own files about it."""

    url: str = field(repr=False)
    directory: Path

    def __str__(self) -> str:
        """Return the URL without its user, password and options."""
        parts = urlsplit(self.url)
        return f"{POSTGRESQL_PREFIX}{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def name(self) -> str:
        """Return the name of the database."""
        return urlsplit(self.url).path.strip("/") or "default"


Location: TypeAlias = Path | PostgresDatabase
"""The path is a file of SQLite."""


def location(text: str, directory: Path) -> Location:
    """Return the location of a URL, or of the path of a file."""
    if text.startswith(POSTGRESQL_PREFIX):
        return PostgresDatabase(text, directory)
    return Path(text.removeprefix(SQLITE_PREFIX))


def text_of(where: Location) -> str:
    """Return what `location` reads; the path of a file is absolute."""
    return str(where.resolve()) if isinstance(where, Path) else where.url


def is_missing(where: Location) -> bool:
    """Tell whether a file does not exist; whether a database does, only a connection shows."""
    return isinstance(where, Path) and not where.exists()
