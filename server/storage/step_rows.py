"""Participants of a lock-step replay, and pages of a log, within a unit of work."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from server.application.ports import StoredEvent
from server.domain.lock_step import Participant
from server.storage import statements
from server.storage.clock_tables import participants
from server.storage.log_rows import stored_events
from server.storage.session import Session
from server.storage.tables import events


class StepRows:
    """The part of a unit of work that serves a replay whose clock waits for its participants."""

    _connection: Connection
    _session: Session

    def participants(self) -> list[tuple[str, Participant]]:
        rows = self._connection.execute(select(participants).order_by(participants.c.account_id))
        return [
            (
                row.account_id,
                Participant(stood=row.stood, sequence=row.sequence, missed=row.missed),
            )
            for row in rows
        ]

    def store_participants(self, participants: Sequence[tuple[str, Participant]]) -> None:
        rows = [
            {
                "account_id": account_id,
                "stood": one.stood,
                "sequence": one.sequence,
                "missed": one.missed,
            }
            for account_id, one in participants
        ]
        self._session.bulk(statements.STORE_PARTICIPANT, rows)

    def log_page(self, account_id: str, after: int, limit: int) -> list[StoredEvent]:
        query = (
            select(events)
            .where(events.c.account_id == account_id, events.c.sequence > after)
            .order_by(events.c.sequence)
            .limit(limit)
        )
        return stored_events(self._connection.execute(query))
