"""Group commit: every waiting command is decided one after another and stored at once."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from server.application.commands import (
    CancelAllOrders,
    Cancelled,
    CancelOrder,
    Command,
    CreateBotKey,
    Done,
    Doorbell,
    KeyEnded,
    KeyRevoked,
    KnowUser,
    PassTime,
    Placed,
    PlaceOrder,
    PublishQuotes,
    QuotesChanged,
    QuotesPublished,
    RecordUsage,
    Result,
    RevokeBotKey,
)
from server.application.keys import Keys
from server.application.market_feed import MarketFeed
from server.application.ports import (
    Chance,
    Clock,
    StorageBroken,
    StorageUnavailable,
    UnitOfWork,
)
from server.domain.errors import Reason, Refusal
from server.domain.order import Order, OrderStatus, OrderType, StatusReason
from server.domain.quote import Quote, QuoteRefusal
from server.domain.trading import cancel, place
from server.domain.valuation import total_equity, value
from server.domain.values import DAY, Micros

log = logging.getLogger(__name__)

UNAVAILABLE_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """The results of commands, in their order, and the doorbells to ring before telling them."""

    results: list[Result]
    doorbells: list[Doorbell]


class Trading:
    """Decides commands in the order of their arrival and commits them together."""

    def __init__(
        self, *, new_unit: Callable[[], UnitOfWork], feed: MarketFeed, keys: Keys, clock: Clock,
        chance: Chance, snapshot_interval: Micros,
    ) -> None:  # fmt: skip
        self._new_unit = new_unit
        self._feed = feed
        self._keys = keys
        self._clock = clock
        self._chance = chance
        self._snapshot_interval = snapshot_interval
        self._snapshot_due: Micros = 0

    def recover(self) -> None:
        """Load what the last run left: its quotes, which are stale."""
        with self._new_unit() as unit:
            self._feed.board.load(unit.stored_quotes())

    def handle(self, commands: Sequence[Command]) -> Batch:
        """Decide and store commands; one that fails is told so and touches no other.

        Nothing in the result may be told before it is returned: then all of it is on disk.
        """
        try:
            return self._commit(commands)
        except StorageBroken:
            # What the disk holds is not known any more: going on could lose what was answered.
            raise
        except StorageUnavailable as error:
            # Trying one by one would make every call wait for the same database in turn.
            return Batch([self._failed(error)] * len(commands), [])
        except Exception as error:
            if len(commands) == 1:
                return Batch([self._failed(error)], [])
            log.warning("A batch of %d is retried one by one: %r", len(commands), error)
        parts = [self.handle([command]) for command in commands]
        return Batch(
            [result for part in parts for result in part.results],
            [doorbell for part in parts for doorbell in part.doorbells],
        )

    def _commit(self, commands: Sequence[Command]) -> Batch:
        doorbells: list[Doorbell] = []
        with self._new_unit() as unit:
            unit.preload(*_wanted(commands))
            results = [self._decide(command, unit, doorbells) for command in commands]
            unit.commit()
        return Batch(results, doorbells)

    def _decide(self, command: Command, unit: UnitOfWork, doorbells: list[Doorbell]) -> Result:
        now = self._clock()
        match command:
            case PlaceOrder():
                return self._place(command, unit, now)
            case CancelOrder():
                return self._cancel(command, unit, now)
            case CancelAllOrders():
                return self._cancel_all(command, unit, now)
            case CreateBotKey():
                return self._keys.create(command, unit, now)
            case RevokeBotKey():
                result = self._keys.revoke(command, unit, now)
                if isinstance(result, KeyRevoked):
                    doorbells.append(KeyEnded(result.key.id))
                return result
            case KnowUser():
                return self._keys.know_user(command, unit, now)
            case PublishQuotes():
                return self._publish(command, unit, now, doorbells)
            case RecordUsage():
                unit.add_usage(command.calls, command.keys)
                return Done()
            case PassTime():
                return self._pass_time(unit, now, doorbells)
        assert_never(command)

    def _place(self, command: PlaceOrder, unit: UnitOfWork, now: Micros) -> Result:
        ticket = command.ticket
        if ticket.client_order_id is not None:
            earlier = unit.order_by_client_id(ticket.account_id, ticket.client_order_id)
            if earlier is not None:
                return _replay(earlier, ticket.fingerprint)
        if ticket.order_type not in (OrderType.MARKET, OrderType.LIMIT):
            return Refusal(
                reason=Reason.NOT_OFFERED,
                message=f"{ticket.order_type.value} orders are not executed by this server;"
                " use MARKET or LIMIT.",
            )
        instrument = self._feed.instruments.find(ticket.symbol)
        assert instrument is not None, "the ticket's symbol was checked"
        decision = place(
            ticket,
            unit.account(ticket.account_id),
            unit.position(ticket.account_id, ticket.symbol),
            self._feed.market(instrument, now),
            self._chance.new_id,
        )
        unit.keep(decision)
        return Placed(decision.order, replayed=False)

    def _cancel(self, command: CancelOrder, unit: UnitOfWork, now: Micros) -> Result:
        order = unit.order(command.account_id, command.order_id)
        if order is None:
            return Refusal(reason=Reason.ORDER_NOT_FOUND, message="There is no such order.")
        if order.status is OrderStatus.CANCELLED:
            return Cancelled((order,))
        if not order.status.is_live:
            return Refusal(
                reason=Reason.ORDER_NOT_LIVE,
                message=f"The order is {order.status.value} and can no longer be cancelled.",
            )
        return Cancelled((self._end(order, unit, now),))

    def _cancel_all(self, command: CancelAllOrders, unit: UnitOfWork, now: Micros) -> Result:
        live = unit.live_orders(command.account_id, command.symbol)
        unit.preload([(order.account_id, order.symbol) for order in live], [])
        return Cancelled(tuple(self._end(order, unit, now) for order in live))

    def _end(self, order: Order, unit: UnitOfWork, now: Micros) -> Order:
        account = unit.account(order.account_id)
        position = unit.position(order.account_id, order.symbol)
        decision = cancel(order, account, position, now, StatusReason.REQUESTED)
        unit.keep(decision)
        return decision.order

    def _publish(
        self, command: PublishQuotes, unit: UnitOfWork, now: Micros, doorbells: list[Doorbell]
    ) -> Result:
        if self._feed.source.environment != "PUBLISHED":
            return Refusal(
                reason=Reason.MARKET_NOT_PUBLISHED,
                message="This server makes its own quotes; start it with --market published.",
            )
        sent = [item.quote for item in command.quotes if isinstance(item.quote, Quote)]
        outcomes = iter(self._apply(sent, unit, now, doorbells))
        refused: list[tuple[str, QuoteRefusal]] = []
        for item in command.quotes:
            why = next(outcomes) if isinstance(item.quote, Quote) else item.quote
            if why is not None:
                refused.append((item.symbol, why))
        return QuotesPublished(len(command.quotes) - len(refused), tuple(refused))

    def _pass_time(self, unit: UnitOfWork, now: Micros, doorbells: list[Doorbell]) -> Result:
        self._feed.expire(unit, now)
        self._apply(self._feed.source.poll(now), unit, now, doorbells)
        self._feed.store(unit)
        if now >= self._snapshot_due:
            self._snapshot(unit, now)
        return Done()

    def _apply(
        self, quotes: Sequence[Quote], unit: UnitOfWork, now: Micros, doorbells: list[Doorbell]
    ) -> list[QuoteRefusal | None]:
        outcomes = self._feed.apply(quotes, unit, now)
        applied = tuple(q for q, why in zip(quotes, outcomes, strict=True) if why is None)
        if applied:
            doorbells.append(QuotesChanged(applied))
        return outcomes

    def _snapshot(self, unit: UnitOfWork, now: Micros) -> None:
        """Record the equity of all accounts that have traded, also right before midnight UTC."""
        points = []
        for account_id, balance, positions in unit.traded_positions():
            valued = []
            for position in positions:
                instrument = self._feed.instruments.find(position.symbol)
                assert instrument is not None, f"{position.symbol} is held and is no instrument"
                quote = self._feed.board.get(position.symbol)
                valued.append(value(position, instrument, quote, fresh=False))
            points.append((account_id, now, total_equity(balance, valued)))
        unit.add_snapshots(points)
        before, interval = self._snapshot_due, self._snapshot_interval
        unit.on_rollback(lambda: setattr(self, "_snapshot_due", before))
        day_end = (now // DAY + 1) * DAY - SNAPSHOT_BEFORE_MIDNIGHT
        self._snapshot_due = (now // interval + 1) * interval
        if now < day_end:
            self._snapshot_due = min(self._snapshot_due, day_end)

    def _failed(self, error: Exception) -> Refusal:
        if isinstance(error, StorageUnavailable):
            log.error("The database did not take a command: %s", error)
            return Refusal(
                reason=Reason.UNAVAILABLE,
                message="The database is not available; try again.",
                retry_after_seconds=UNAVAILABLE_RETRY_SECONDS,
            )
        error_id = self._chance.new_id()
        log.error("Internal error %s", error_id, exc_info=error)
        return Refusal(
            reason=Reason.INTERNAL, message=f"Internal error {error_id}; quote it to the operator."
        )


SNAPSHOT_BEFORE_MIDNIGHT: Micros = 2_000_000
"""The last snapshot of a day is due this long before the day ends."""


def _wanted(
    commands: Sequence[Command],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the (account, symbol) and (account, client_order_id) pairs that commands need."""
    tickets = [command.ticket for command in commands if isinstance(command, PlaceOrder)]
    return (
        [(ticket.account_id, ticket.symbol) for ticket in tickets],
        [
            (ticket.account_id, ticket.client_order_id)
            for ticket in tickets
            if ticket.client_order_id is not None
        ],
    )


def _replay(earlier: Order, fingerprint: str) -> Result:
    if earlier.fingerprint == fingerprint:
        return Placed(earlier, replayed=True)
    return Refusal(
        reason=Reason.CLIENT_ORDER_ID_REUSED,
        message="The client_order_id already names a different order; use a new one.",
    )
