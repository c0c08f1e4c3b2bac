"""Lock-step: what is known of an account that takes part in a replay whose clock waits for it."""

from dataclasses import dataclass

from server.domain.values import Micros

MISSED_MAX = 3
"""After so many missed steps in a row the clock no longer waits for an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """An account that takes part.

    It is done until `done_until`. A clock that moves on without it does so until `excused_until`.
    When the clock last came to a stand, at `stood`, its log went up to `sequence`.
    """

    stood: Micros
    sequence: int
    missed: int = 0
    done_until: Micros = 0
    excused_until: Micros = 0

    def is_done(self, now: Micros) -> bool:
        """Tell whether the account said that it needs nothing before a later time."""
        return self.done_until > now

    def is_awaited(self, now: Micros) -> bool:
        """Tell whether the clock stands at `now` because of this account."""
        return self.missed < MISSED_MAX and self.away_until <= now

    @property
    def away_until(self) -> Micros:
        """Return the time at which the clock waits for the account again."""
        return max(self.done_until, self.excused_until)
