"""Migrations: bring the database's schema to the newest revision."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from server.application.ports import StorageDamaged
from server.storage.database import (
    open_owner,
    open_readers,
    translated,
    wait_for_others,
)
from server.storage.location import Location

NEWEST_REVISION = "0030"
MIGRATIONS = Path(__file__).with_name("migrations")


class SchemaTooNew(Exception):
    """The database was written by a newer version of the service."""


def bring_up_to_date(path: Location) -> str:
    """Apply the migrations that are missing; return the revision.

    Raises SchemaTooNew, and StorageUnavailable or StorageBroken for a file that is not a database.
    """
    engine = open_owner(path)
    try:
        if not is_up_to_date(engine):
            with engine.begin() as connection:
                upgrade(connection)
    except DBAPIError as error:
        raise translated(error) from error
    finally:
        engine.dispose()
    return NEWEST_REVISION


def is_up_to_date(engine: Engine) -> bool:
    """Tell whether a database has the schema of this version.

    Raises StorageUnavailable or StorageBroken like `bring_up_to_date`.
    """
    try:
        with engine.begin() as connection:
            return _revision(connection) == NEWEST_REVISION
    except DBAPIError as error:
        raise translated(error) from error


def is_current(path: Location) -> bool:
    """Tell whether a database has the schema of this version."""
    engine = open_readers(path)
    try:
        return is_up_to_date(engine)
    finally:
        engine.dispose()


def upgrade(connection: Connection) -> None:
    """Apply the migrations that are missing, within a transaction of the owner.

    Raises SchemaTooNew, and StorageDamaged for a database without a single revision.
    """
    # Imported here, because a start without migrations does not need Alembic.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    wait_for_others(connection)
    revision = _revision(connection)
    if revision is not None and revision not in known:
        raise SchemaTooNew(f"schema {revision} is not known to this version; use a newer one")
    config.attributes["connection"] = connection
    command.upgrade(config, NEWEST_REVISION)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    query = text("SELECT version_num FROM alembic_version")
    revisions = connection.execute(query).scalars().all()
    if len(revisions) != 1:
        raise StorageDamaged(f"the table alembic_version has {len(revisions)} rows instead of 1")
    return str(revisions[0])
