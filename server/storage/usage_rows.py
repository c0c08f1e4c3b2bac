"""What keys and accounts have used, within a unit of work."""

from collections.abc import Sequence

from server.domain.values import Micros
from server.storage import statements
from server.storage.session import Session


class UsageRows:
    """The part of a unit of work that counts calls."""

    _session: Session

    def add_usage(
        self, calls: Sequence[tuple[str, int, int]], keys: Sequence[tuple[str, Micros]]
    ) -> None:
        # In order, so that two engines never wait for each other.
        self._session.bulk(
            statements.ADD_USAGE,
            [{"account_id": who, "day": day, "calls": count} for who, day, count in sorted(calls)],
        )
        uses = [{"id": key_id, "last_used_at": moment} for key_id, moment in sorted(keys)]
        self._session.bulk(statements.USE_KEY, uses)
