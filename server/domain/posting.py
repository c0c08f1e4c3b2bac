"""Posting: how changes of an order change its account; each change adds an event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.domain.account import Account, Inflow, Position
from server.domain.changes import changed
from server.domain.costs import cost_to_fill, fee_due, paid, received
from server.domain.events import Event, Fill, OrderUpdated
from server.domain.invariants import BrokenInvariant
from server.domain.margin import MarginBook, with_open
from server.domain.market import Market
from server.domain.matching import Match
from server.domain.order import TRANSITIONS, Order, OrderUpdateType, Side, StatusReason
from server.domain.order_types import phase
from server.domain.signed_positions import filled
from server.domain.values import (
    AMOUNT_LIMIT,
    NOTHING,
    SCALE,
    STORED_LIMIT,
    Micros,
    Money,
    Quantity,
    Units,
    divide_half_even,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The new state of an account and some of its positions and orders, with their events.

    `positions` by symbol and `orders` by id hold everything to store, and nothing else. A new
    account and the `new_orders` are not in storage yet; other orders are. A position that is not
    in storage counts as empty. `events` are in order. `inflow` is money that came from outside.
    `covered` names the exits that hold back nothing themselves: they are held, or the other exit
    of their group holds back the quantity for both. `book` is the margin book of a MARGIN account
    as it was before the decision; None for a CASH account.
    """

    account: Account
    is_new_account: bool = False
    positions: Mapping[str, Position] = field(default_factory=dict)
    orders: Mapping[str, Order] = field(default_factory=dict)
    new_orders: frozenset[str] = frozenset()
    inflow: Inflow | None = None
    events: tuple[Event, ...] = ()
    covered: frozenset[str] = frozenset()
    book: MarginBook | None = None

    @property
    def free_money(self) -> Units:
        """Return what a BUY that is paid in full may still hold back or spend.

        In a MARGIN account it is the free equity, which can be negative.
        """
        if not self.account.uses_margin:
            return self.account.buying_power
        book = book_after(self)
        if book is None:
            raise BrokenInvariant(f"account {self.account.id}: its margin book is missing")
        return book.free(self.account)


def check(decision: Decision) -> Decision:
    """Return the decision; raise BrokenInvariant for a state that must never be committed.

    The events must be complete. The last event of each order has its new state, and the events
    are numbered up to the end of the account's log.
    """
    account = decision.account
    signed = frozenset[str]()
    if account.uses_margin:
        signed = frozenset(it.symbol for it in decision.orders.values() if it.is_marginable)
    for position in decision.positions.values():
        check_invariants(account, position, on_margin=position.symbol in signed)
    told = {it.order.id: it.order for it in decision.events if isinstance(it, OrderUpdated)}
    if told != decision.orders or not decision.new_orders <= told.keys():
        raise BrokenInvariant(f"account {account.id}: orders and events do not agree")
    first = account.sequence - len(decision.events) + 1
    numbers = [event.sequence for event in decision.events]
    if numbers != list(range(first, account.sequence + 1)):
        raise BrokenInvariant(f"account {account.id}: the events do not continue the log")
    return decision


def book_after(decision: Decision) -> MarginBook | None:
    """Return the margin book with the decision's positions; None for a CASH account."""
    book = decision.book
    if book is None:
        return None
    for position in decision.positions.values():
        book = book.with_(position)
    return book


def check_invariants(account: Account, position: Position, *, on_margin: bool = False) -> None:
    """Raise BrokenInvariant for a state that must never be committed."""
    if account.reserved < 0 or (account.reserved > account.balance and not account.uses_margin):
        raise BrokenInvariant(
            f"account {account.id}: the reserved money is not between 0 and the balance"
        )
    if min(position.reserved_quantity, position.open_buy_quantity) < 0:
        raise BrokenInvariant(f"account {account.id}: live orders have less than nothing left")
    if not on_margin and (
        position.reserved_quantity > position.quantity or position.open_buy_quantity
    ):
        raise BrokenInvariant(f"account {account.id}: the reserved quantity exceeds the position")
    if account.live_orders < 0:
        raise BrokenInvariant(f"account {account.id}: fewer than 0 live orders")
    statistics = account.statistics
    largest = max(
        abs(account.balance),
        abs(account.realized_pnl),
        account.fees_paid,
        statistics.gross_profit,
        statistics.gross_loss,
        abs(position.quantity),
        abs(position.cost_basis),
        position.buy_fees,
        position.bid_taken,
        position.ask_taken,
    )
    if largest >= STORED_LIMIT:
        raise BrokenInvariant(f"account {account.id}: figures outgrow 63 bits")


def release(decision: Decision, order_id: str) -> Decision:
    """Return the state without what a live order holds back; this adds no event."""
    account, order = decision.account, decision.orders[order_id]
    position = decision.positions[order.symbol]
    counts = order.side is Side.SELL or (account.uses_margin and order.is_marginable)
    if counts and order_id not in decision.covered:
        position = with_open(position, order, -order.leaves_quantity)
    return changed(
        decision,
        account=changed(
            account,
            reserved=account.reserved - order.reserved,
            live_orders=account.live_orders - 1,
        ),
        positions={**decision.positions, order.symbol: position},
        orders={**decision.orders, order_id: changed(order, reserved=0)},
    )


def hold(decision: Decision, order_id: str, update: OrderUpdateType, market: Market) -> Decision:
    """Hold back what an order may need; add the event that it was accepted or replaced."""
    account, order = decision.account, decision.orders[order_id]
    position = decision.positions[order.symbol]
    if order.side is Side.BUY and not (account.uses_margin and order.is_marginable):
        held = reservation(order, decision.free_money, market)
        order = changed(order, reserved=held)
    elif order_id not in decision.covered:
        position = with_open(position, order, order.leaves_quantity)
    return record(
        decision,
        order,
        position,
        update,
        market.now,
        reserved=account.reserved + order.reserved,
        live_orders=account.live_orders + 1,
    )


def trigger(decision: Decision, order_id: str, market: Market) -> Decision:
    """Make a stop order active for good; a BUY then holds back money at its new price.

    An order on margin holds back none.
    """
    account, before = decision.account, decision.orders[order_id]
    order = changed(before, triggered_at=market.now, updated_at=market.now)
    if order.side is Side.BUY and not (account.uses_margin and order.is_marginable):
        held = reservation(order, before.reserved + decision.free_money, market)
        order = changed(order, reserved=held)
    return record(
        decision,
        order,
        decision.positions[order.symbol],
        OrderUpdateType.TRIGGERED,
        market.now,
        reserved=account.reserved + order.reserved - before.reserved,
    )


def fill(decision: Decision, order_id: str, found: Match, market: Market, fill_id: str) -> Decision:
    """Fill a match: change money and position, and hold back what the unfilled rest may need."""
    account, before = decision.account, decision.orders[order_id]
    position = decision.positions[before.symbol]
    quantity = before.filled_quantity + found.quantity
    notional = before.filled_notional + found.quantity * found.price
    amount, fee = amount_and_fee(before, Quantity(quantity), notional, market)
    worth = _worth(notional, market) - _worth(before.filled_notional, market)
    buys = before.side is Side.BUY
    on_margin = account.uses_margin and before.is_marginable
    rounding = amount - worth if buys else worth - amount
    balance = account.balance - fee + (-amount if buys else amount)
    if on_margin:
        position, pnl, closed = filled(position, before, found, worth, fee, rounding)
    elif buys:
        pnl, closed = None, NOTHING
        position = _bought(position, found, worth, fee + rounding)
    else:
        closed = found.quantity
        position, pnl = sold(position, found.quantity, Money(amount - fee))
    update = (
        OrderUpdateType.FILLED if quantity == before.quantity else OrderUpdateType.PARTIALLY_FILLED
    )
    order = changed(
        before,
        status=TRANSITIONS[before.status, update],
        updated_at=market.now,
        filled_quantity=quantity,
        filled_notional=notional,
        fees=before.fees + fee,
        reserved=0,
        realized_pnl=before.realized_pnl + (pnl or 0),
        closed_quantity=before.closed_quantity + closed,
    )
    if buys and not on_margin and quantity < order.quantity:
        held = reservation(order, before.reserved + decision.free_money - amount - fee, market)
        order = changed(order, reserved=held)
    execution = Fill(
        id=fill_id,
        account_id=account.id,
        sequence=account.sequence + 1,
        order_id=order.id,
        bot_key_id=order.bot_key_id,
        symbol=order.symbol,
        asset_type=order.asset_type,
        side=order.side,
        quantity=found.quantity,
        price=found.price,
        amount=amount,
        fee=fee,
        rounding=rounding,
        realized_pnl=pnl,
        created_at=market.now,
    )
    return record(
        decision,
        order,
        position,
        update,
        market.now,
        execution,
        balance=balance,
        reserved=account.reserved + order.reserved - before.reserved,
        fills=account.fills + 1,
        traded=account.traded | {order.asset_type},
        fees_paid=account.fees_paid + fee + rounding,
        realized_pnl=account.realized_pnl + (pnl or 0),
    )


def end(decision: Decision, order_id: str, reason: StatusReason, now: Micros) -> Decision:
    """Cancel a live order and release what it holds back."""
    before = decision.orders[order_id]
    position = decision.positions[before.symbol]
    order = changed(
        before,
        status=TRANSITIONS[before.status, OrderUpdateType.CANCELLED],
        status_reason=reason,
        updated_at=now,
        reserved=0,
    )
    counts = order.side is Side.SELL or (decision.account.uses_margin and order.is_marginable)
    if counts and order_id not in decision.covered:
        position = with_open(position, order, -order.leaves_quantity)
    return record(
        decision,
        order,
        position,
        OrderUpdateType.CANCELLED,
        now,
        reserved=decision.account.reserved - before.reserved,
    )


def record(
    decision: Decision,
    order: Order,
    position: Position,
    update: OrderUpdateType,
    now: Micros,
    execution: Fill | None = None,
    **figures: Any,
) -> Decision:
    """Add an order, its position, the account's `figures` and an event to a decision.

    When an order ends, it no longer counts as live. An order that reduced a position is then
    counted as a closed trade.
    """
    account = decision.account
    statistics = account.statistics
    if update in ENDS:
        figures["live_orders"] = account.live_orders - 1
        if order.closed_quantity:
            statistics = statistics.book(order.realized_pnl)
    sequence = account.sequence + 1
    event = OrderUpdated(
        account_id=account.id,
        sequence=sequence,
        time=now,
        type=update,
        order=order,
        fill=execution,
    )
    return Decision(
        account=changed(account, sequence=sequence, statistics=statistics, **figures),
        positions={**decision.positions, position.symbol: position},
        orders={**decision.orders, order.id: order},
        new_orders=decision.new_orders,
        events=(*decision.events, event),
        covered=decision.covered,
        book=decision.book,
    )


ENDS = (OrderUpdateType.FILLED, OrderUpdateType.CANCELLED)
"""The updates that end a live order."""


def reservation(order: Order, free: Units, market: Market) -> Units:
    """Return the money that a live BUY order holds back, at most `free` and never below zero.

    It is the cost of the unfilled rest with its fee. It is zero while no price is known: a MARKET
    order can wait for the opening before its symbol has a quote. `free` includes what the order
    held back before.
    """
    price = phase(order).reservation_price(order, market.quote)
    if price is None:
        return 0
    cost = cost_to_fill(order, order.leaves_quantity, price, market.instrument, market.costs)
    return max(min(cost, free), 0)


def amount_and_fee(
    before: Order, quantity: Quantity, notional: int, market: Market
) -> tuple[Units, Units]:
    """Return amount and fee of the fill after which an order's fills total these figures."""
    instrument = market.instrument
    fee = fee_due(before, quantity, notional, instrument, market.costs)
    if before.side is Side.BUY:
        return paid(instrument, notional) - paid(instrument, before.filled_notional), fee
    amount = received(instrument, notional) - received(instrument, before.filled_notional)
    return amount, min(fee, amount)


def _worth(notional: int, market: Market) -> Units:
    """Return the value of a sum of quantity × price in 10⁻¹⁶, to 8 decimals."""
    return divide_half_even(notional * market.instrument.multiplier, SCALE)


def _bought(position: Position, found: Match, worth: Units, fees: Units) -> Position:
    quantity = position.quantity + found.quantity
    paid_for_all = position.average_cost * position.quantity + found.price * found.quantity
    # `ask_taken` stops at the limit: no quote displays a larger size.
    return changed(
        position,
        quantity=quantity,
        average_cost=divide_half_even(paid_for_all, quantity),
        cost_basis=position.cost_basis + worth,
        buy_fees=position.buy_fees + fees,
        ask_taken=min(position.ask_taken + found.quantity, AMOUNT_LIMIT),
    )


def sold(position: Position, quantity: Quantity, proceeds: Money) -> tuple[Position, Units]:
    """Return the position after a sale, and the realised profit or loss.

    A sale of the whole position takes all of the remaining cost. The average cost stays the same
    until then.
    """
    basis = divide_half_even(position.cost_basis * quantity, position.quantity)
    buy_fees = divide_half_even(position.buy_fees * quantity, position.quantity)
    left = position.quantity - quantity
    rest = changed(
        position,
        quantity=left,
        average_cost=position.average_cost if left else 0,
        reserved_quantity=position.reserved_quantity - quantity,
        cost_basis=position.cost_basis - basis,
        buy_fees=position.buy_fees - buy_fees,
        bid_taken=min(position.bid_taken + quantity, AMOUNT_LIMIT),
    )
    return rest, proceeds - basis - buy_fees
