"""PostgreSQL: how its databases are opened for reading, and how it writes statements."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    Engine,
    Integer,
    LargeBinary,
    String,
    create_engine,
    make_url,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import QueuePool, StaticPool
from sqlalchemy.types import TypeEngine

from server.application.ports import StorageDamaged, StorageUnavailable
from server.domain.sharding import MARKET
from server.storage.sql import Bulk, Insert, Lookup, Query, Update, Upsert

LOCK_SPACE = 0x626F7473
"""The first half of our advisory locks: `bots` in ASCII."""

OTHER_SPACE = LOCK_SPACE + 1
"""The first half of locks that say nothing about engines: who holds one need not be an engine."""

RANKING_LOCK = f"{OTHER_SPACE}, 0"
"""The lock of the front that ranks all accounts."""

JOINING_LOCK = f"{OTHER_SPACE}, 1"
"""The lock under which an engine compares its terms with those of others and enters its own."""

WAIT_FOR_OTHERS = f"SELECT pg_advisory_xact_lock({LOCK_SPACE}, -1)"
TRY_TO_BE_ALONE = (
    f"SELECT bool_and(pg_try_advisory_xact_lock({LOCK_SPACE}, shard))"  # noqa: S608
    f" FROM generate_series(0, {MARKET}) AS shard"
)
"""Takes the locks of all engines until the end of the transaction, or tells that one has some."""

STAY_OPEN = "SET LOCAL idle_in_transaction_session_timeout = 0"
CONNECT_SECONDS_MAX = 5
KEEPALIVE = {
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}
"""Both ends notice within seconds that the other one is unplugged."""

READ_ONLY = {
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "repeatable\\ read",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",
}

RANKING_ONLY = {
    "default_transaction_isolation": "repeatable\\ read",
    # A front that is paused while it ranks leaves the next ranking to others.
    "idle_session_timeout": "10min",
    "idle_in_transaction_session_timeout": "60s",
}

_TYPES: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
    (BigInteger, "bigint"),
    (Integer, "integer"),
    (Boolean, "boolean"),
    (Double, "float8"),
    (LargeBinary, "bytea"),
    (String, "text"),
)


@compiles(String, "postgresql")
def _unlimited(_element: Any, _compiler: Any, **_: Any) -> str:
    # The length of a text is a rule of the domain; SQLite does not check it either.
    return "TEXT"


def open_readers(url: str, connections: int) -> Engine:
    """Open a small pool of connections that cannot write; each transaction is one snapshot."""
    address = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(
        address,
        connect_args=connection_options(url, READ_ONLY, "bottrading reads"),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
    )


def open_ranking(url: str) -> Engine:
    """Open the one connection that stores rankings; its locks end with it."""
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        connect_args=connection_options(url, RANKING_ONLY, "bottrading ranking"),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,
    )


def open_owner(url: str) -> Engine:
    """Open the one connection that changes the schema."""
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        connect_args=connection_options(url, {}, "bottrading migrate"),
        poolclass=StaticPool,
        hide_parameters=True,
    )


def connection_options(url: str, settings: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return what a connection is opened with beside its URL; what the URL says goes first."""
    given = make_url(url).query
    texts = [f"-c {key}={value}" for key, value in settings.items()]
    if "options" in given:
        texts.append(str(given["options"]))
    chosen = {
        "application_name": name,
        "connect_timeout": CONNECT_SECONDS_MAX,
        **KEEPALIVE,
    }
    return {
        **{key: value for key, value in chosen.items() if key not in given},
        "options": " ".join(texts),
    }


def translated(sqlstate: str | None, error: Exception) -> Exception:
    """Return the error in `ports.py` for a driver's error; for a bug, the driver's error itself.

    An error without a state is one of the connection.
    """
    if sqlstate is None:
        return StorageUnavailable(first_line(error)) if _is_operational(error) else error
    if sqlstate in _DAMAGE:
        return StorageDamaged(first_line(error))
    if sqlstate.startswith(_AWAY) or sqlstate in _REFUSED:
        return StorageUnavailable(first_line(error))
    return error


def first_line(error: Exception) -> str:
    """Return the first line of an error's text."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(original).partition("\n")[0] or type(original).__name__


def _is_operational(error: Exception) -> bool:
    original = error.orig if isinstance(error, DBAPIError) else error
    return any(kind.__name__ == "OperationalError" for kind in type(original).__mro__)


# Connections, authorisation, rollbacks, resources, states, interventions, and the system's own.
_AWAY = ("08", "28", "3D", "40", "53", "55", "57", "58")
# A standby, and a role without the rights.
_REFUSED = ("25006", "42501")
_DAMAGE = ("XX001", "XX002")


@cache
def query_text(query: Query, *, divided: bool = False) -> str:
    """Return a query as psycopg runs it; `divided` finds only rows of the shards `:shards`."""
    text = query.text if query.postgresql is None else query.postgresql
    return _written(query.of_shards if divided and query.of_shards is not None else text)


@cache
def lookup_text(lookup: Lookup, *, divided: bool = False) -> str:
    """Return a lookup as psycopg runs it, with an array for each value of the keys.

    `divided` finds only rows of the shards `:shards`.
    """
    text = lookup.of_shards if divided and lookup.of_shards is not None else lookup.text
    names = [f"k{number}" for number in range(len(lookup.types))]
    arrays = ", ".join(f":{name}::{kind}[]" for name, kind in zip(names, lookup.types, strict=True))
    wanted = f"unnest({arrays}) AS wanted ({', '.join(names)})"
    values = [f"wanted.{name}" for name in names]
    return _written(text.format(*values, wanted=wanted))


def lookup_values(lookup: Lookup, keys: Sequence[tuple[Any, ...]]) -> dict[str, str]:
    """Return the parameters of a lookup."""
    columns = zip(*keys, strict=True) if keys else [()] * len(lookup.types)
    return {
        f"k{number}": _WRITERS[kind](column)
        for number, (kind, column) in enumerate(zip(lookup.types, columns, strict=True))
    }


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that runs for many rows at once; `parameters` returns an array per column."""

    text: str
    names: tuple[str, ...]
    writers: tuple[Callable[[Iterable[Any]], str], ...]
    is_counted: bool

    def parameters(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        arrays: list[Any] = [
            write([row[name] for row in rows])
            for name, write in zip(self.names, self.writers, strict=True)
        ]
        return [*arrays, len(rows)] if self.is_counted else arrays


@cache
def prepared(statement: Bulk) -> Prepared:
    """Return a statement as psycopg runs it.

    An update fails unless it finds every row, with the values that are expected.
    """
    table = statement.table
    expected: Mapping[str, str] = {}
    if isinstance(statement, Update):
        expected = statement.expected
        names = [*statement.changing, *(it for it in statement.key if it not in statement.changing)]
    else:
        names = [column.name for column in table.columns]
    kinds = [_kind(table.columns[name].type) for name in names]
    kinds += [_kind(table.columns[name].type) for name in expected]
    given = [*names, *expected.values()]
    arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
    rows = f"unnest({arrays}) AS given ({', '.join(given)})"
    match statement:
        case Insert():
            text = _insert(table.name, names, rows)
        case Upsert(changing=changing):
            key = ", ".join(column.name for column in table.primary_key.columns)
            changes = ", ".join(f"{name} = {value}" for name, value in changing.items())
            changes = changes.format(least="least", greatest="greatest")
            text = f"{_insert(table.name, names, rows)} ON CONFLICT ({key}) DO UPDATE SET {changes}"
        case Update():
            text = _update(statement, rows)
    return Prepared(
        text, tuple(given), tuple(_WRITERS[kind] for kind in kinds), isinstance(statement, Update)
    )


def _insert(table: str, names: Sequence[str], rows: str) -> str:
    columns = ", ".join(names)
    # Made of our own constants only.
    return f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows}"  # noqa: S608


def _update(statement: Update, rows: str) -> str:
    table = statement.table.name
    changes = ", ".join(f"{name} = given.{name}" for name in statement.changing)
    same = [f"{table}.{name} = given.{name}" for name in statement.key]
    same += [f"{table}.{name} = given.{value}" for name, value in statement.expected.items()]
    # A division by zero ends the transaction before its COMMIT, which is already on its way.
    return (
        f"WITH changed AS (UPDATE {table} SET {changes} FROM {rows}"  # noqa: S608
        f" WHERE {' AND '.join(same)} RETURNING 1)"
        " SELECT 1 / (count(*) = %s)::int FROM changed"
    )


def _written(text: str) -> str:
    """Return a text with psycopg's parameters, and with booleans instead of numbers."""
    named = re.sub(r"(?<!:):(\w+)", r"%(\1)s", text.replace("%", "%%"))
    return re.sub(r"\blive = 1\b", "live", named)


def _kind(column: TypeEngine[Any]) -> str:
    return next(kind for made_of, kind in _TYPES if isinstance(column, made_of))


def _plain(values: Iterable[Any]) -> str:
    return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"


def _texts(values: Iterable[str | None]) -> str:
    return "{" + ",".join("NULL" if value is None else _quoted(value) for value in values) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bytes(values: Iterable[bytes | None]) -> str:
    return (
        "{"
        + ",".join("NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values)
        + "}"
    )


_WRITERS: dict[str, Callable[[Iterable[Any]], str]] = {
    "bigint": _plain,
    "integer": _plain,
    "boolean": _plain,
    "float8": _plain,
    "bytea": _bytes,
    "text": _texts,
}
"""How a column of values becomes an array. psycopg would look at each value for its type."""
