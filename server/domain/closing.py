"""Closing: how much of a position a caller wants to close, and the order that closes it."""

from collections.abc import Callable, Iterable, Sequence
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
from server.domain.order_groups import (
    ALONE,
    Others,
    end_entry,
    end_exit,
    live_exits,
    reserve,
    shrink,
)
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
        """Return the quantity to close; the whole position counts, even if it is off the step."""
        held, quantity = abs(position.quantity), self.quantity
        if quantity is not None and quantity != held:
            off_step = instrument.off_step(quantity)
            if off_step is not None:
                return refuse_fields([off_step])
        if not held:
            return POSITION_NOT_FOUND
        if quantity is not None:
            return quantity if quantity <= held else _too_much(quantity, position)
        if self.percentage is None or self.percentage == WHOLE:
            return Quantity(held)
        part = held * self.percentage // WHOLE
        quantity = Quantity(part - part % instrument.quantity_step)
        return quantity or _too_little(self.percentage, position, instrument)

    def order(self, quantity: Quantity, position: Position) -> OrderTicket:
        """Return the order that closes a quantity of the position."""
        return OrderTicket(
            account_id=self.account_id,
            bot_key_id=self.bot_key_id,
            symbol=self.symbol,
            side=closing_side(position),
            order_type=OrderType.MARKET,
            quantity=quantity,
            limit_price=None,
            stop_price=None,
            time_in_force=TimeInForce.GTC,
            client_order_id=self.client_order_id,
            asked=self.fingerprint,
            reduce_only=True,
        )


def closing_side(position: Position) -> Side:
    """Return the side of the orders that close a position."""
    return Side.BUY if position.quantity < 0 else Side.SELL


def holders_of(position: Position, live: Iterable[Order]) -> list[Order]:
    """Return those of live orders that hold a position: they can close it."""
    symbol, side = position.symbol, closing_side(position)
    return [it for it in live if it.symbol == symbol and it.side is side and not it.is_held]


def closing_already(quantity: Units, position: Position, holders: Sequence[Order]) -> Order | None:
    """Return the live MARKET order that already closes a whole position, if there is one."""
    for order in holders:
        if order.order_type is OrderType.MARKET and order.leaves_quantity == quantity:
            return order if quantity == abs(position.quantity) else None
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
    """Close a quantity of a position at the market, and cancel live orders that hold it.

    `holders` are the live orders that `holders_of` returns, newest first. They are cancelled in
    this order until the quantity is free: what they and the new order have left is then no more
    than the position. The exits of a group keep what is not
    needed; what is left of their entry is cancelled. `others_of` returns the other orders of a
    holder's group. An order that is rejected leaves all of them live.
    """
    freed = Decision(account=account, positions={ticket.symbol: position})
    for holder in holders:
        needed = ticket.quantity - _free(freed.positions[ticket.symbol])
        if needed <= 0:
            break
        if holder.role is not None:
            freed = _free_group(freed, holder, others_of(holder), Quantity(needed), market.now)
            continue
        freed = changed(freed, orders={**freed.orders, holder.id: holder})
        freed = end(freed, holder.id, _ending(holder, market.now), market.now)
    return place(ticket, order_id, account, position, market, new_id, guard, freed, book)


def _free(position: Position) -> Units:
    """Return what no live order can close; negative if they can go through zero."""
    if position.quantity < 0:
        return -position.quantity - position.open_buy_quantity
    return position.free_quantity


def _free_group(
    freed: Decision, holder: Order, others: Others, needed: Quantity, now: Micros
) -> Decision:
    """Take a quantity from the exits of a group, and cancel what is left of its entry.

    On margin an entry can hold an opposite position itself; it then ends with its held exits.
    """
    if holder.id in freed.orders:
        return freed
    by = min(needed, holder.leaves_quantity)
    exits = live_exits({holder.id: holder, **others})
    freed = changed(freed, covered=frozenset(exit_.id for exit_ in exits))
    if not holder.is_exit:
        freed = end_entry(freed, {holder.id: holder}, _ending(holder, now), now)
        for exit_ in exits:
            freed = end_exit(freed, exit_, StatusReason.ENTRY_ENDED, now)
        return changed(freed, covered=frozenset())
    freed = end_entry(freed, others, StatusReason.POSITION_CLOSED, now)
    for exit_ in exits:
        freed = shrink(freed, exit_, by, _ending(exit_, now), now)
    return reserve(changed(freed, covered=frozenset()), holder, Quantity(-by))


def _ending(holder: Order, now: Micros) -> StatusReason:
    return expiry_reason(holder) if is_overdue(holder, now) else StatusReason.POSITION_CLOSED


def _too_much(quantity: Units, position: Position) -> Refusal:
    return Refusal(
        reason=Reason.INSUFFICIENT_POSITION,
        message=f"`quantity` must be at most the {format_units(abs(position.quantity))}"
        f" {position.symbol} that are held, not {format_units(quantity)}: leave it out to close"
        " the whole position.",
    )


def _too_little(percentage: Units, position: Position, instrument: Instrument) -> Refusal:
    return Refusal(
        reason=Reason.QUANTITY_TOO_SMALL,
        message=f"`percentage` {format_units(percentage)} of the"
        f" {format_units(abs(position.quantity))} {position.symbol} that are held is less than the"
        f" quantity step of {format_units(instrument.quantity_step)}: raise it.",
    )
