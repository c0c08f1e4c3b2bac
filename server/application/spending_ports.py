"""What spending needs from storage: spends of the last minute, and calls of the day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.domain.values import Micros


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """Calls as (age, number), oldest first, and how many more may have followed.

    Ages are microseconds before the moment at which the window was stored.
    """

    spent: tuple[tuple[Micros, int], ...] = ()
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class StoredSpends:
    """The windows of an account or a person; `stored_at` is the real time."""

    spender_id: str
    stored_at: Micros
    orders: StoredWindow
    requests: StoredWindow


class SpendingRecords(Protocol):
    """The part of a unit of work that serves spending."""

    def stored_spends(self, spender_ids: Iterable[str]) -> Mapping[str, StoredSpends]:
        """Return the stored windows of accounts and persons, by id."""

    def store_spends(self, spends: Sequence[StoredSpends]) -> None:
        """Store the windows of accounts and persons."""

    def calls_of(self, account_ids: Iterable[str], day: int) -> Mapping[str, int]:
        """Return the stored calls of accounts on a UTC day, by account."""
