"""Migrations: bring the database's schema to the newest revision."""

from pathlib import Path

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from server.application.ports import StorageDamaged
from server.storage.database import (
    open_owner,
    open_readers,
    translated,
    wait_for_others,
)
from server.storage.location import Location

NEWEST_REVISION = "0024"
MIGRATIONS = Path(__file__).with_name("migrations")


class SchemaTooNew(Exception):
    """The database was written by a newer version of the service."""


def bring_up_to_date(path: Location) -> str:
    """Apply the migrations that are missing; return the revision.

    Raises SchemaTooNew, and StorageUnavailable or StorageBroken for a file that is not a database.
    """
    engine = open_owner(path)
    try:
        revision = _revision(engine)
        if revision != NEWEST_REVISION:
            _upgrade(engine, revision)
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
        return _revision(engine) == NEWEST_REVISION
    except DBAPIError as error:
        raise translated(error) from error


def is_current(path: Location) -> bool:
    """Tell whether a database has the schema of this version."""
    engine = open_readers(path)
    try:
        return is_up_to_date(engine)
    finally:
        engine.dispose()


def _upgrade(engine: Engine, revision: str | None) -> None:
    # Imported here, because a start without migrations does not need Alembic.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaTooNew(f"schema {revision} is not known to this version; use a newer one")
    with engine.begin() as connection:
        wait_for_others(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, NEWEST_REVISION)


def _revision(engine: Engine) -> str | None:
    if not inspect(engine).has_table("alembic_version"):
        return None
    with engine.begin() as connection:
        query = text("SELECT version_num FROM alembic_version")
        revisions = connection.execute(query).scalars().all()
    if len(revisions) != 1:
        raise StorageDamaged(f"the table alembic_version has {len(revisions)} rows instead of 1")
    return str(revisions[0])
