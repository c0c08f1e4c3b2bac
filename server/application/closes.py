"""Closes: closing one position of an account or all of them within a unit of work."""

from server.application.commands import (
    CloseAllPositions,
    Closed,
    ClosePosition,
    Placed,
)
from server.application.margin import book_of
from server.application.market_feed import MarketFeed
from server.application.order_groups import others_of
from server.application.orders import MARKET_STOPPED, refuse_fenced, replay
from server.application.ports import Chance, UnitOfWork
from server.domain.closing import CloseTicket, close, closing_already, holders_of
from server.domain.errors import Reason, Refusal
from server.domain.instrument import Instrument
from server.domain.margin_calls import of_venue
from server.domain.risk import Guard
from server.domain.user import Permissions
from server.domain.values import Micros, Quantity


class Closes:
    """The commands about closing positions; each method decides one."""

    def __init__(self, feed: MarketFeed, chance: Chance) -> None:
        self._feed = feed
        self._chance = chance

    def close(
        self, command: ClosePosition, permissions: Permissions, unit: UnitOfWork, now: Micros
    ) -> Placed | Refusal:
        """Place the order that closes a position; for a repeated call, return that order."""
        ticket = command.ticket
        instrument = self._feed.instrument(ticket.symbol)
        if permissions.are_fenced and not permissions.allow(instrument):
            return refuse_fenced(instrument)
        if ticket.client_order_id is not None:
            earlier = unit.order_by_client_id(ticket.account_id, ticket.client_order_id)
            if earlier is not None:
                return replay(earlier, ticket.fingerprint)
        if self._feed.source.fault is not None:
            return MARKET_STOPPED
        if instrument.has_expired(now):
            return Refusal(
                reason=Reason.INSTRUMENT_EXPIRED,
                message=f"{instrument.symbol} has expired: its position is settled in cash.",
            )
        position = unit.position(ticket.account_id, ticket.symbol)
        quantity = ticket.quantity_of(position, instrument)
        if isinstance(quantity, Refusal):
            return quantity
        return self._close(ticket, quantity, instrument, permissions, unit, now)

    def close_all(
        self, command: CloseAllPositions, permissions: Permissions, unit: UnitOfWork, now: Micros
    ) -> Closed | Refusal:
        """Close every position that the key may trade and that is not about to be settled."""
        if self._feed.source.fault is not None:
            return MARKET_STOPPED
        account_id = command.account_id
        placed: list[Placed] = []
        skipped = 0
        for held in unit.positions(account_id):
            # An earlier close can let a margin call begin, which ends orders and closes positions.
            position = unit.position(account_id, held.symbol)
            if not position.quantity:
                continue
            instrument = self._feed.instrument(position.symbol)
            if not permissions.allow(instrument) or instrument.has_expired(now):
                skipped += 1
                continue
            ticket = CloseTicket(
                account_id=account_id, bot_key_id=command.bot_key_id, symbol=position.symbol
            )
            quantity = Quantity(abs(position.quantity))
            placed.append(self._close(ticket, quantity, instrument, permissions, unit, now))
        return Closed(tuple(placed), skipped)

    def _close(
        self,
        ticket: CloseTicket,
        quantity: Quantity,
        instrument: Instrument,
        permissions: Permissions,
        unit: UnitOfWork,
        now: Micros,
    ) -> Placed:
        position = unit.position(ticket.account_id, ticket.symbol)
        holders = holders_of(position, unit.live_orders(ticket.account_id, ticket.symbol))
        venues = of_venue(holders)
        if venues:
            # A margin call closes the whole position already, and nobody else ends its orders.
            return Placed(venues[0], replayed=True)
        if ticket.client_order_id is None:
            waiting = closing_already(quantity, position, holders)
            if waiting is not None:
                return Placed(waiting, replayed=True)
        account = unit.account(ticket.account_id)
        new_id = self._chance.ids_of(account)
        order_id = new_id()
        decision = close(
            ticket.order(quantity, position),
            order_id,
            account,
            position,
            holders,
            self._feed.market(instrument, now),
            new_id,
            # Guard rails about equity and exposure reject only orders that open a position.
            Guard(order_notional_max=permissions.order_notional_max),
            lambda holder: others_of(holder, unit),
            book_of(account.id, unit, self._feed, now),
        )
        shown = unit.keep(decision)
        self._feed.look_at_margin(account.id, unit, now)
        return Placed(decision.orders[order_id], replayed=False, shown=shown.get(order_id))
