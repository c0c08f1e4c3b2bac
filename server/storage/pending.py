"""Pending rows: what a unit of work has decided about accounts and not written yet."""

from collections.abc import Callable, Mapping

from server.application.ports import Shown
from server.domain.account import Account, Position
from server.domain.events import Event, OrderUpdated
from server.domain.order import Order
from server.domain.sharding import shard_of
from server.storage import mapping, statements
from server.storage.mapping import Values
from server.storage.session import Session

EventEncoder = Callable[[Event], tuple[bytes, Shown | None]]
"""Returns the entry of a log as it is stored, and its order as callers see it."""


class Pending:
    """The ids of changed accounts, positions and orders, and the rows to add.

    The unit of work owns and updates `known_accounts`, `known_positions`, `known_orders` and the
    `trail_numbers` of orders that trail or did.
    """

    def __init__(
        self,
        session: Session,
        encode_event: EventEncoder,
        known_accounts: Mapping[str, Account],
        known_positions: Mapping[tuple[str, str], Position],
        known_orders: Mapping[str, Order],
        trail_numbers: Mapping[str, int | None],
    ) -> None:
        self._session = session
        self._encode_event = encode_event
        self._known_accounts = known_accounts
        self._known_positions = known_positions
        self._known_orders = known_orders
        self._trail_numbers = trail_numbers
        self.accounts: dict[str, int] = {}
        """Changed accounts, each with the end of its log as it is stored."""

        self.positions: set[tuple[str, str]] = set()
        self.new_orders: set[str] = set()
        self.changed_orders: set[str] = set()
        self._fills: list[Values] = []
        self._events: list[Values] = []
        self._grouped = 0

    @property
    def touched_orders(self) -> set[str]:
        """Return the orders that are newer here than in the database."""
        return self.new_orders | self.changed_orders

    def add_event(self, event: Event) -> Shown | None:
        """Record an entry of an account's log, and its execution if it has one.

        Returns the entry's order as callers see it.
        """
        if isinstance(event, OrderUpdated) and event.fill is not None:
            self._fills.append(mapping.fill_values(event.fill))
        payload, shown = self._encode_event(event)
        self._events.append(
            {"account_id": event.account_id, "sequence": event.sequence, "payload": payload}
        )
        return shown

    def write(self) -> None:
        """Write everything but the events, so that queries see it."""
        orders, numbers = self._known_orders, self._trail_numbers
        bulk = self._session.bulk
        bulk(
            statements.UPDATE_ACCOUNT,
            [
                {**mapping.account_values(self._known_accounts[name]), "stored_sequence": stored}
                for name, stored in self.accounts.items()
            ],
        )
        held = [mapping.position_values(self._known_positions[key]) for key in self.positions]
        new = [mapping.order_values(orders[name], numbers.get(name)) for name in self.new_orders]
        if self._session.shards > 1:
            self._divide(held + new)
        bulk(statements.STORE_POSITION, held)
        bulk(statements.INSERT_ORDER, new)
        changed = [
            mapping.order_values(orders[name], numbers.get(name))
            for name in self.changed_orders - self.new_orders
        ]
        bulk(statements.UPDATE_ORDER, changed)
        # A statement of its own, so that other orders do not pay for the indexes of trails.
        trailing = [row for row in changed if row["id"] in numbers]
        bulk(statements.UPDATE_TRAIL, trailing)
        bulk(statements.INSERT_FILL, self._fills)
        for written in (
            self.accounts,
            self.positions,
            self.new_orders,
            self.changed_orders,
            self._fills,
        ):
            written.clear()

    def _divide(self, rows: list[Values]) -> None:
        """Add to rows of accounts the shards in which they are."""
        for row in rows:
            row["shard"] = shard_of(self._known_accounts[row["account_id"]].user_id)

    def write_events(self) -> set[str]:
        """Write the events at the end of a transaction; return the accounts whose logs grow.

        Only then is it known which entry of a log is the last one of the transaction.
        """
        for event in self._events[self._grouped :]:
            event["transaction_end"] = self._known_accounts[event["account_id"]].sequence
        self._session.bulk(statements.INSERT_EVENT, self._events)
        grown = {event["account_id"] for event in self._events}
        self._events.clear()
        self._grouped = 0
        return grown

    def end_group(self) -> None:
        """Tell the events since the last group together: each knows the last one of its account."""
        for event in self._events[self._grouped :]:
            event["transaction_end"] = self._known_accounts[event["account_id"]].sequence
        self._grouped = len(self._events)
