"""Published quotes that were accepted, as rows."""

from collections.abc import Sequence
from operator import attrgetter

import orjson
from sqlalchemy import Connection, select

from server.application.published_ports import AcceptedQuotes
from server.domain.quote import BAR_AHEAD, Quote
from server.domain.values import Micros
from server.storage.engine_tables import published
from server.storage.session import Session
from server.storage.sql import Insert, Query

_NAMES = tuple(name for name in Quote.__slots__ if name not in BAR_AHEAD)
_VALUES = attrgetter(*_NAMES)
_LOG = Insert(published)
_DROP = Query(
    "DELETE FROM published WHERE time < :before AND number < (SELECT max(number) FROM published)"
)


class PublishedRows:
    """The part of a unit of work that serves a published market."""

    _connection: Connection
    _session: Session

    def log_accepted(self, accepted: AcceptedQuotes) -> None:
        row = {
            "number": accepted.number,
            "time": accepted.time,
            "quotes": orjson.dumps([_VALUES(quote) for quote in accepted.quotes]).decode(),
            "confirmed": orjson.dumps(accepted.confirmed).decode(),
        }
        self._session.bulk(_LOG, [row])

    def accepted_after(self, number: int) -> Sequence[AcceptedQuotes]:
        query = select(published).where(published.c.number > number).order_by(published.c.number)
        return [
            AcceptedQuotes(
                number=row.number,
                time=row.time,
                quotes=tuple(
                    Quote(**dict(zip(_NAMES, values, strict=True)))
                    for values in orjson.loads(row.quotes)
                ),
                confirmed=tuple(orjson.loads(row.confirmed)),
            )
            for row in self._connection.execute(query)
        ]

    def drop_accepted(self, before: Micros) -> None:
        self._session.run(_DROP, {"before": before})
