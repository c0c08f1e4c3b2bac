"""Margin accounts within a unit of work: who is at risk, and until when interest is charged."""

from collections.abc import Collection, Mapping

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

    def accruals(self, clock: str, first: Accrual) -> Mapping[Accrual, Collection[int]]:
        owned = self._session.owned
        query = select(accruals).where(accruals.c.clock == clock)
        known = {
            row.shard: Accrual(row.until, row.charging, row.after)
            for row in self._connection.execute(query)
        }
        found: dict[Accrual, list[int]] = {}
        for shard in range(self._session.shards) if owned is None else sorted(owned):
            found.setdefault(known.get(shard, first), []).append(shard)
        return found

    def store_accrual(self, clock: str, accrual: Accrual, shards: Collection[int]) -> None:
        rows = [
            {
                "clock": clock,
                "shard": shard,
                "until": accrual.until,
                "charging": accrual.charging,
                "after": accrual.after,
            }
            for shard in shards
        ]
        self._session.bulk(statements.STORE_ACCRUAL, rows)

    def shards_of(self, account_ids: Collection[str]) -> Mapping[str, int]:
        wanted = [(account_id,) for account_id in account_ids]
        return {row.id: row.shard for row in self._session.rows(statements.SELECT_SHARDS, wanted)}

    def owned_of(self, account_ids: Collection[str]) -> set[str]:
        owned = self._session.owned
        if owned is None:
            return set(account_ids)
        found = self.shards_of(account_ids)
        return {account_id for account_id, shard in found.items() if shard in owned}
