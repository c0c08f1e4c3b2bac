"""Past values of accounts: the newest equity snapshots at some moments, looked up one by one."""

from collections.abc import Sequence

from sqlalchemy import Engine

from server.application.return_curves import Span
from server.domain.values import Micros
from server.storage import statements
from server.storage.database import rows_for, snapshot


class PastValueRows:
    """Reads past values on connections that cannot write."""

    _engine: Engine

    def past_values(
        self, wanted: Sequence[tuple[Span, Sequence[Micros]]]
    ) -> list[list[float | None]]:
        """Return the values of the newest snapshots at moments; None before the first."""
        moments = [(span, moment) for span, of_span in wanted for moment in of_span]
        keys = [
            (number, span.account_id, moment, span.epoch_began_at, span.epoch_sequence)
            for number, (span, moment) in enumerate(moments)
        ]
        with snapshot(self._engine) as connection:
            values = iter(rows_for(connection, statements.SELECT_PAST_VALUES, keys).scalars())
            return [[next(values) for _ in of_span] for _, of_span in wanted]
