"""Clock watch: notices that the clock jumps ahead, before orders expire because of it."""

import logging

from server.application.ports import Clock
from server.domain.values import SECOND, Micros

log = logging.getLogger(__name__)

JUMP_MAX: Micros = 60 * SECOND
TRUSTED_AFTER: Micros = 60 * SECOND


class ClockWatch:
    """Compares the time of day with the time since the machine was started.

    The time since the start also runs while the machine sleeps, and nobody can set it. The
    difference between the two therefore changes only when the clock is set, rightly or wrongly.
    """

    def __init__(self, since_boot: Clock) -> None:
        self._since_boot = since_boot
        self._trusted: Micros | None = None
        self._doubted: Micros = 0
        self._doubted_since: Micros | None = None

    def is_trusted(self, now: Micros) -> bool:
        """Check the clock: False after a jump ahead, until it stays there for `TRUSTED_AFTER`."""
        since_boot = self._since_boot()
        origin = now - since_boot
        if self._trusted is None or origin <= self._trusted + JUMP_MAX:
            self._trust(origin)
            return True
        if self._doubted_since is None or abs(origin - self._doubted) > JUMP_MAX:
            self._doubted, self._doubted_since = origin, since_boot
            log.warning(
                "The clock jumped ahead by %d s; nothing expires until it has kept the new time"
                " for %d s.",
                (origin - self._trusted) // SECOND,
                TRUSTED_AFTER // SECOND,
            )
        if since_boot < self._doubted_since + TRUSTED_AFTER:
            return False
        log.warning("The clock has kept its new time; orders and options that are due expire now.")
        self._trust(origin)
        return True

    def _trust(self, origin: Micros) -> None:
        self._trusted, self._doubted_since = origin, None
