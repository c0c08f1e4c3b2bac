"""The directory of engines: who owns which shard, and where engines are reached."""

from sqlalchemy import Engine, ScalarSelect, Select, column, func, select, table

from server.storage.database import snapshot
from server.storage.engine_tables import engines, shards

_locks = table("pg_locks", *map(column, ("locktype", "database", "classid", "granted", "pid")))
_databases = table("pg_database", column("oid"), column("datname"))


class EngineRows:
    """The part of the reads that fronts need to find engines; only PostgreSQL has several.

    An engine is alive while its session holds a lock: its rows may outlive it.
    """

    _engine: Engine

    def owners(self) -> dict[int, str]:
        """Return the address of the engine that owns each shard."""
        query = (
            select(shards.c.shard, engines.c.address)
            .join(engines, engines.c.id == shards.c.engine_id)
            .where(engines.c.pid.in_(_alive()))
        )
        with snapshot(self._engine) as connection:
            return {row.shard: row.address for row in connection.execute(query)}

    def engines(self) -> list[str]:
        """Return the addresses of all engines that are alive."""
        query = select(engines.c.address).where(engines.c.pid.in_(_alive()))
        with snapshot(self._engine) as connection:
            return list(connection.execute(query).scalars())


def _alive() -> Select[tuple[int]]:
    """Return a query of the backends that hold locks of this venue."""
    from server.storage.postgresql import LOCK_SPACE

    return select(_locks.c.pid).where(
        _locks.c.locktype == "advisory",
        _locks.c.classid == LOCK_SPACE,
        _locks.c.granted,
        _locks.c.database == _own_database(),
    )


def _own_database() -> ScalarSelect[int]:
    found = select(_databases.c.oid).where(_databases.c.datname == func.current_database())
    return found.scalar_subquery()
