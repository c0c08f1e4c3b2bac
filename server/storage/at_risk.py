"""Accounts at risk: what the only writer knows of loans, short positions and margin calls."""

from server.domain.margin_calls import is_at_risk, of_venue
from server.domain.posting import Decision
from server.storage import statements
from server.storage.session import Session


class AtRisk:
    """Which accounts a margin call can come to, and which of them may have orders of the venue.

    Each decision about a MARGIN account adds to what is known, before it is stored. What is known
    can claim too much, never too little: whoever looked in vain tells so. After a failure `forget`
    makes the next question read everything.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._accounts: dict[str, bool] | None = None

    def forget(self) -> None:
        """Drop what is known; it is read again when it is needed."""
        self._accounts = None

    def add(self, decision: Decision) -> None:
        """Take note of a decision about a MARGIN account."""
        account, known = decision.account, self._known()
        is_closing = any(it.status.is_live for it in of_venue(decision.orders.values()))
        if is_closing or is_at_risk(account, decision.positions.values()):
            known[account.id] = known.get(account.id, False) or is_closing

    def accounts(self) -> list[str]:
        """Return the accounts that may be at risk, in order of their ids."""
        return sorted(self._known())

    def has(self, account_id: str) -> bool:
        """Tell whether an account may be at risk."""
        return account_id in self._known()

    def is_closing(self, account_id: str) -> bool:
        """Tell whether an account may have live orders of the venue."""
        return self._known().get(account_id, False)

    def note(self, account_id: str, *, is_at_risk: bool, is_closing: bool) -> None:
        """Take note of what a look at an account has found."""
        if is_at_risk or is_closing:
            self._known()[account_id] = is_closing
        else:
            self._known().pop(account_id, None)

    def _known(self) -> dict[str, bool]:
        if self._accounts is None:
            rows = self._session.all(statements.SELECT_AT_RISK)
            self._accounts = {account_id: bool(is_closing) for account_id, is_closing in rows}
        return self._accounts
