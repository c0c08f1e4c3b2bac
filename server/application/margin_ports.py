"""What margin accounts need from storage: who is at risk, and until when interest is charged."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.domain.account import Position
from server.domain.values import Micros


@dataclass(frozen=True, slots=True)
class Accrual:
    """Until when all accounts are charged for borrowed money and shares.

    While a later midnight is being charged, it is in `charging`, and the accounts up to the id
    `after` are charged until then already.
    """

    until: Micros
    charging: Micros | None = None
    after: str = ""


class MarginRecords(Protocol):
    """The part of a unit of work that serves margin calls and interest."""

    def positions_of_each(self, account_ids: Sequence[str]) -> dict[str, list[Position]]:
        """Return the positions of several accounts, by symbol, without empty ones."""

    def accounts_at_risk(self) -> list[str]:
        """Return the ids of accounts that a margin call can come to, in order; some may be safe."""

    def may_be_at_risk(self, account_id: str) -> bool:
        """Tell whether a margin call can come to an account, or goes on."""

    def may_be_closing(self, account_id: str) -> bool:
        """Tell whether an account at risk may have live orders of the venue."""

    def note_risk(self, account_id: str, *, is_at_risk: bool, is_closing: bool) -> None:
        """Take note of whether an account is at risk, and has live orders of the venue."""

    def accruals(self, clock: str, first: Accrual) -> Mapping[Accrual, Collection[int]]:
        """Return until when interest is charged on a clock, with the owned shards where it is so.

        It is `first` where nobody ever looked at it. A clock is the digest of a replay, or empty
        for the time of day.
        """

    def store_accrual(self, clock: str, accrual: Accrual, shards: Collection[int]) -> None:
        """Store until when interest is charged on a clock in some shards."""

    def shards_of(self, account_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the shards of accounts."""
