"""Past values of accounts: the newest equity snapshots at some moments, looked up one by one."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from server.application.return_curves import Span
from server.domain.values import Micros
from server.storage.database import snapshot

# A lookup for each moment costs the same however many snapshots there are between them.
_PAST_VALUES = """
SELECT (
    SELECT initial_value FROM equity_snapshots AS taken
    WHERE taken.account_id = :account_id AND taken.time <= moment.value
    AND taken.time >= :epoch_began_at AND taken.sequence >= :epoch_sequence
    ORDER BY taken.time DESC LIMIT 1
) FROM json_each(:moments) AS moment ORDER BY moment.key
"""


class PastValueRows:
    """Reads past values on connections that cannot write."""

    _engine: Engine

    def past_values(
        self, wanted: Sequence[tuple[Span, Sequence[Micros]]]
    ) -> list[list[float | None]]:
        """Return the values of the newest snapshots at moments; None before the first."""
        with snapshot(self._engine) as connection:
            driver: Any = connection.connection.driver_connection
            return [
                [
                    value
                    for (value,) in driver.execute(
                        _PAST_VALUES,
                        {
                            "account_id": span.account_id,
                            "epoch_began_at": span.epoch_began_at,
                            "epoch_sequence": span.epoch_sequence,
                            "moments": json.dumps(moments),
                        },
                    )
                ]
                for span, moments in wanted
            ]
