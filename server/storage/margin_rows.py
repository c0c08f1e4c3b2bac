"""Margin accounts within a unit of work: who is at risk, and until when interest is charged."""

from sqlalchemy import Connection, select

from server.application.margin_ports import Accrual
from server.storage import statements
from server.storage.at_risk import AtRisk
from server.storage.clock_tables import accruals
from server.storage.pending import Pending
from server.storage.session import Session


class MarginRows:
    """The part of a unit of work that serves margin calls and interest."""

    _connection: Connection
    _session: Session
    _pending: Pending
    _at_risk: AtRisk

    def accounts_at_risk(self) -> list[str]:
        return self._at_risk.accounts()

    def may_be_at_risk(self, account_id: str) -> bool:
        return self._at_risk.has(account_id)

    def may_be_closing(self, account_id: str) -> bool:
        return self._at_risk.is_closing(account_id)

    def note_risk(self, account_id: str, *, is_at_risk: bool, is_closing: bool) -> None:
        self._at_risk.note(account_id, is_at_risk=is_at_risk, is_closing=is_closing)

    def accrual(self, clock: str) -> Accrual | None:
        query = select(accruals).where(accruals.c.clock == clock).limit(1)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Accrual(row.until, row.charging, row.after)

    def store_accrual(self, clock: str, accrual: Accrual) -> None:
        rows = [
            {
                "clock": clock,
                "shard": shard,
                "until": accrual.until,
                "charging": accrual.charging,
                "after": accrual.after,
            }
            for shard in range(self._session.shards)
        ]
        self._session.bulk(statements.STORE_ACCRUAL, rows)
