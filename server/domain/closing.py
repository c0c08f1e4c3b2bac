"""Closing: how much of a position a caller wants to close, and the order that closes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.errors import Reason, Refusal, refuse_fields
from server.domain.instrument import Instrument
from server.domain.margin import MarginBook
from server.domain.market import Market
from server.domain.order import (
    Order,
    OrderTicket,
    OrderType,
    Side,
    StatusReason,
    TimeInForce,
)
from server.domain.order_groups import ALONE, Others, end_entry, live_exits, reserve, shrink
from server.domain.posting import Decision, end
from server.domain.risk import UNGUARDED, Guard
from server.domain.trading import expiry_reason, is_overdue, place
from server.domain.values import SCALE, Micros, Quantity, Units, format_units

POSITION_NOT_FOUND = Refusal(
    reason=Reason.POSITION_NOT_FOUND, message="The account does not hold this instrument."
)

WHOLE = 100 * SCALE
"""The percentage that is a whole position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseTicket:
    """What to close of a position: a quantity, a percentage, or all of it if both are None."""

    account_id: str
    bot_key_id: str
    symbol: str
    quantity: Quantity | None = None
    percentage: Units | None = None
    client_order_id: str | None = None

    @property
    def fingerprint(self) -> str:
        """Return a text that is equal for equal requests, whatever is held when they come."""
        if self.quantity is not None:
            return f"{self.symbol} CLOSE {self.quantity}"
        percentage = WHOLE if self.percentage is None else self.percentage
        return f"{self.symbol} CLOSE {percentage} %"

    def quantity_of(self, position: Position, instrument: Instrument) -> Quantity | Refusal:
        """Return the quantity to sell; the whole position counts, even if it is off the step."""
        held, quantity = position.quantity, self.quantity
        if quantity is not None and quantity != held:
            off_step = instrument.off_step(quantity)
            if off_step is not None:
                return refuse_fields([off_step])
        if not held:
            return POSITION_NOT_FOUND
        if quantity is not None:
            return quantity if quantity <= held else _too_much(quantity, position)
        if self.percentage is None or self.percentage == WHOLE:
            return held
        part = held * self.percentage // WHOLE
        quantity = Quantity(part - part % instrument.quantity_step)
        return quantity or _too_little(self.percentage, position, instrument)

    def order(self, quantity: Quantity) -> OrderTicket:
        """Return the order that sells a quantity of the position."""
        return OrderTicket(
            account_id=self.account_id,
            bot_key_id=self.bot_key_id,
            symbol=self.symbol,
            side=Side.SELL,
            order_type=OrderType.MARKET,
            quantity=quantity,
            limit_price=None,
            stop_price=None,
            time_in_force=TimeInForce.GTC,
            client_order_id=self.client_order_id,
            asked=self.fingerprint,
        )


def closing_already(quantity: Units, position: Position, holders: Sequence[Order]) -> Order | None:
    """Return the live MARKET order that already sells a whole position, if there is one."""
    for order in holders:
        if order.order_type is OrderType.MARKET and order.leaves_quantity == quantity:
            return order if quantity == position.quantity else None
    return None


def close(
    ticket: OrderTicket,
    order_id: str,
    account: Account,
    position: Position,
    holders: Sequence[Order],
    market: Market,
    new_id: Callable[[], str],
    guard: Guard = UNGUARDED,
    others_of: Callable[[Order], Others] = lambda _: ALONE,
    book: MarginBook | None = None,
) -> Decision:
    """Sell a quantity of a position at the market, and cancel live orders that hold it.

    `holders` are the live SELL orders of the symbol that hold back a quantity, newest first. They
    are cancelled in this order until the quantity is free. The exits of a group keep what is not
    needed; what is left of their entry is cancelled. `others_of` returns the other orders of a
    holder's group. An order that is rejected leaves all of them live.
    """
    freed = Decision(account=account, positions={ticket.symbol: position})
    for holder in holders:
        needed = ticket.quantity - freed.positions[ticket.symbol].free_quantity
        if needed <= 0:
            break
        if holder.role is not None:
            freed = _free_group(freed, holder, others_of(holder), Quantity(needed), market.now)
            continue
        freed = changed(freed, orders={**freed.orders, holder.id: holder})
        freed = end(freed, holder.id, _ending(holder, market.now), market.now)
    return place(ticket, order_id, account, position, market, new_id, guard, freed, book)


def _free_group(
    freed: Decision, holder: Order, others: Others, needed: Quantity, now: Micros
) -> Decision:
    """Take a quantity from the exits of a group, and cancel what is left of its entry."""
    if holder.id in freed.orders:
        return freed
    by = min(needed, holder.leaves_quantity)
    exits = live_exits({holder.id: holder, **others})
    freed = changed(freed, covered=frozenset(exit_.id for exit_ in exits))
    freed = end_entry(freed, others, StatusReason.POSITION_CLOSED, now)
    for exit_ in exits:
        freed = shrink(freed, exit_, by, _ending(exit_, now), now)
    return reserve(changed(freed, covered=frozenset()), holder, Quantity(-by))


def _ending(holder: Order, now: Micros) -> StatusReason:
    return expiry_reason(holder) if is_overdue(holder, now) else StatusReason.POSITION_CLOSED


def _too_much(quantity: Units, position: Position) -> Refusal:
    return Refusal(
        reason=Reason.INSUFFICIENT_POSITION,
        message=f"`quantity` must be at most the {format_units(position.quantity)}"
        f" {position.symbol} that are held, not {format_units(quantity)}: leave it out to close"
        " the whole position.",
    )


def _too_little(percentage: Units, position: Position, instrument: Instrument) -> Refusal:
    return Refusal(
        reason=Reason.QUANTITY_TOO_SMALL,
        message=f"`percentage` {format_units(percentage)} of the"
        f" {format_units(position.quantity)} {position.symbol} that are held is less than the"
        f" quantity step of {format_units(instrument.quantity_step)}: raise it.",
    )
