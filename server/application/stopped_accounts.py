"""Stopped accounts: an invariant broke, so the engine makes no more decisions about them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from server.domain.errors import Reason, Refusal
from server.domain.invariants import BrokenInvariant

log = logging.getLogger(__name__)

STOPPED = Refusal(
    reason=Reason.INTERNAL,
    message="The account is stopped because its figures contradict each other; ask the operator.",
)


class StoppedAccounts:
    """The accounts that are stopped until the next start.

    A stop is not part of a transaction: it stays when its unit of work is dropped.
    """

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def stop(self, account_id: str, broken: BrokenInvariant) -> None:
        """Stop an account, and log why."""
        self.ids.add(account_id)
        log.error("Account %s is stopped: %s", account_id, broken, exc_info=broken)

    @contextmanager
    def stopping(self, account_id: str) -> Iterator[None]:
        """Catch a broken invariant in the block and stop the account, so that others continue."""
        try:
            yield
        except BrokenInvariant as broken:
            self.stop(account_id, broken)
