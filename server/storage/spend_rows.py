"""What accounts and persons spent within the last minute, and calls of the day, as rows."""

from collections.abc import Iterable, Mapping, Sequence

import orjson
from sqlalchemy import Connection, select

from server.application.spending_ports import StoredSpends, StoredWindow
from server.storage import statements
from server.storage.session import Session
from server.storage.tables import api_usage, spends


class SpendRows:
    """The part of a unit of work that serves spending."""

    _connection: Connection
    _session: Session

    def stored_spends(self, spender_ids: Iterable[str]) -> Mapping[str, StoredSpends]:
        query = select(spends).where(spends.c.spender_id.in_(spender_ids))
        found = {}
        for row in self._connection.execute(query):
            orders, requests = (_window(*it) for it in orjson.loads(row.windows))
            found[row.spender_id] = StoredSpends(row.spender_id, row.stored_at, orders, requests)
        return found

    def store_spends(self, spends: Sequence[StoredSpends]) -> None:
        rows = [
            {
                "spender_id": it.spender_id,
                "stored_at": it.stored_at,
                "windows": orjson.dumps(
                    [[window.spent, window.ahead] for window in (it.orders, it.requests)]
                ).decode(),
            }
            for it in spends
        ]
        self._session.bulk(statements.STORE_SPENDS, rows)

    def calls_of(self, account_ids: Iterable[str], day: int) -> Mapping[str, int]:
        query = select(api_usage).where(
            api_usage.c.account_id.in_(account_ids), api_usage.c.day == day
        )
        return {row.account_id: row.calls for row in self._connection.execute(query)}


def _window(spent: list[tuple[int, int]], ahead: int) -> StoredWindow:
    return StoredWindow(tuple((age, calls) for age, calls in spent), ahead)
