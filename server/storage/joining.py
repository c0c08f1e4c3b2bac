"""Joining: what servers must have in common, and what one asks the database before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from server.application.ports import Clock
from server.domain.values import Micros
from server.storage.database import open_readers, snapshot
from server.storage.location import PostgresDatabase
from server.storage.replica import replica_id

ASKED = 3
"""The quickest of so many answers says best how far clocks are apart."""

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_OTHERS = """
SELECT address, terms FROM engines WHERE id <> %(own)s AND pid IN (
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %(space)s AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
ORDER BY since
"""


class CannotJoin(Exception):
    """This server must not run beside another one; the text says why."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How far this machine's clock is ahead of the database's, and the engines that run."""

    ahead: Micros
    others: Mapping[str, Mapping[str, str]]
    """The terms of other engines by their addresses."""


def expect_same(own: Mapping[str, str], others: Mapping[str, Mapping[str, str]]) -> None:
    """Raise CannotJoin unless all terms that both servers know are the same.

    `others` are by the addresses of their servers.
    """
    for address, terms in others.items():
        differing = sorted(name for name in own.keys() & terms.keys() if own[name] != terms[name])
        if differing:
            raise CannotJoin(
                f"{', '.join(differing)}: not as at the server of this venue at {address}: give all"
                " servers the same settings, files and versions"
            )
        if own.get("market") == "replay":
            raise CannotJoin(f"market: a replay runs on one server alone: {address} runs it")


def surroundings(where: PostgresDatabase, clock: Clock) -> Surroundings:
    """Ask the database; raise StorageUnavailable if it does not answer."""
    from server.storage.postgresql import LOCK_SPACE

    engine = open_readers(where)
    try:
        with snapshot(engine) as connection:
            ahead = _ahead(connection, clock)
            values = {"own": replica_id(where), "space": LOCK_SPACE}
            rows = connection.exec_driver_sql(_OTHERS, values).all()
    finally:
        engine.dispose()
    return Surroundings(ahead, {row.address: orjson.loads(row.terms or "{}") for row in rows})


def _ahead(connection: Connection, clock: Clock) -> Micros:
    answers: list[tuple[Micros, Micros]] = []
    for _ in range(ASKED):
        asked = clock()
        theirs: Micros = connection.exec_driver_sql(_NOW).scalar_one()
        answered = clock()
        answers.append((answered - asked, (asked + answered) // 2 - theirs))
    return min(answers)[1]
