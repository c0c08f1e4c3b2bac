"""Secrets in a database of PostgreSQL: all servers of a venue have the same, and one makes them."""

from collections.abc import Callable

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from server.storage.database import open_owner, translated
from server.storage.engine_tables import shared_secrets
from server.storage.location import PostgresDatabase


def shared_secret(where: PostgresDatabase, name: str, make: Callable[[], str]) -> str:
    """Return a secret of the venue; if there is none, store what `make` returns.

    If several servers call at once, one stores its secret, and all return that one. Raise
    StorageUnavailable if the database cannot be reached, or if its role may not read
    the table.
    """
    engine = open_owner(where)
    try:
        with engine.begin() as connection:
            return _stored(connection, name) or _made(connection, name, make())
    except DBAPIError as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def _stored(connection: Connection, name: str) -> str | None:
    found = connection.execute(select(shared_secrets.c.value).where(shared_secrets.c.name == name))
    return found.scalar_one_or_none()


def _made(connection: Connection, name: str, value: str) -> str:
    """Store a secret, unless another server was first; return the one that is stored."""
    row = insert(shared_secrets).values(name=name, value=value)
    # This changes nothing, but it returns the row that another server has stored meanwhile.
    same = {"value": shared_secrets.c.value}
    kept = row.on_conflict_do_update(index_elements=["name"], set_=same)
    return str(connection.execute(kept.returning(shared_secrets.c.value)).scalar_one())
