"""Quotes, equity snapshots and the progress of a replay, within a unit of work."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, exists, select

from server.domain.quote import Quote
from server.domain.values import Micros, Units
from server.storage import mapping, statements
from server.storage.mapping import Values
from server.storage.tables import accounts, quotes, replays


def bulk(connection: Connection, statement: str, rows: list[Values]) -> None:
    """Run a statement for all rows at once, if there are any."""
    if rows:
        connection.exec_driver_sql(statement, rows)


class MarketRows:
    """The part of a unit of work that stores what happens on the market."""

    _connection: Connection

    def store_quotes(self, quotes: Sequence[Quote]) -> None:
        bulk(
            self._connection,
            statements.STORE_QUOTE,
            [mapping.quote_values(quote) for quote in quotes],
        )

    def stored_quotes(self) -> list[Quote]:
        return [mapping.quote_from(row) for row in self._connection.execute(select(quotes))]

    def add_snapshots(self, snapshots: Sequence[tuple[str, Micros, Units]]) -> None:
        bulk(
            self._connection,
            statements.ADD_SNAPSHOT,
            [
                {"account_id": account_id, "time": time, "equity": equity}
                for account_id, time, equity in snapshots
            ],
        )

    def replay_time(self, digest: str) -> Micros | None:
        query = select(replays.c.time).where(replays.c.digest == digest)
        return self._connection.execute(query).scalar_one_or_none()

    def store_replay(self, digest: str, time: Micros) -> None:
        bulk(self._connection, statements.STORE_REPLAY, [{"digest": digest, "time": time}])

    def forget_unused_replay(self) -> None:
        self._connection.execute(delete(replays).where(~exists(select(accounts.c.id))))
