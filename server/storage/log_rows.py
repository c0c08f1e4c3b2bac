"""Accounts' logs, and the keys that may follow them, for streams."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Engine, select

from server.application.ports import StoredEvent
from server.domain.order import Order
from server.storage import statements
from server.storage.database import rows_for, snapshot
from server.storage.listing_rows import live_of_account
from server.storage.tables import accounts, events
from server.storage.trail_rows import orders_from


class LogRows:
    """The part of the reads that serves streams."""

    _engine: Engine

    def newest_sequence(self, account_id: str) -> int:
        query = select(accounts.c.sequence).where(accounts.c.id == account_id)
        with snapshot(self._engine) as connection:
            newest: int = connection.execute(query).scalar_one()
        return newest

    def is_cursor(self, account_id: str, sequence: int) -> bool:
        near = select(events.c.sequence).where(
            events.c.account_id == account_id, events.c.sequence.in_((sequence, sequence + 1))
        )
        with snapshot(self._engine) as connection:
            return connection.execute(near.limit(1)).first() is not None

    def live_orders(self, account_id: str) -> tuple[int, list[Order]]:
        newest = select(accounts.c.sequence).where(accounts.c.id == account_id)
        live = live_of_account(account_id, self._engine.dialect)
        query = select(live).order_by(live.c.sequence)
        with snapshot(self._engine) as connection:
            found = orders_from(connection.execute(query).all(), connection)
            return connection.execute(newest).scalar_one(), found

    def log_page(self, account_id: str, after: int, limit: int) -> list[StoredEvent]:
        query = (
            select(events)
            .where(events.c.account_id == account_id, events.c.sequence > after)
            .order_by(events.c.sequence)
        )
        with snapshot(self._engine) as connection:
            page = stored_events(connection.execute(query.limit(limit)))
            if not page or page[-1].sequence == page[-1].transaction_end:
                return page
            whole = [event for event in page if event.transaction_end != page[-1].transaction_end]
            if whole:
                return whole
            end = page[-1].transaction_end
            return stored_events(connection.execute(query.where(events.c.sequence <= end)))

    def logs_after(self, wanted: Sequence[tuple[str, int]]) -> list[StoredEvent]:
        with snapshot(self._engine) as connection:
            found = stored_events(rows_for(connection, statements.SELECT_LOGS, wanted))
        return sorted(found, key=lambda event: (event.account_id, event.sequence))

    def revoked_keys(self, key_ids: Sequence[str]) -> list[str]:
        wanted = [(key_id,) for key_id in key_ids]
        with snapshot(self._engine) as connection:
            return list(rows_for(connection, statements.SELECT_REVOKED, wanted).scalars())


def stored_events(rows: Iterable[Any]) -> list[StoredEvent]:
    """Return rows of a log as events."""
    return [
        StoredEvent(row.account_id, row.sequence, row.transaction_end or row.sequence, row.payload)
        for row in rows
    ]
