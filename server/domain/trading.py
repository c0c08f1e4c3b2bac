"""What happens to an order: placing, filling, cancelling and expiring it, as decisions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server.domain.account import Account, Position, check_invariants
from server.domain.changes import changed
from server.domain.costs import Costs
from server.domain.events import Fill, OrderUpdated
from server.domain.instrument import Instrument
from server.domain.matching import Match, match, seen
from server.domain.order import (
    Order,
    OrderStatus,
    OrderTicket,
    OrderUpdateType,
    Side,
    StatusReason,
    TimeInForce,
    status_after,
)
from server.domain.quote import Quote
from server.domain.risk import Situation, affordable_quantity, paid, rejection, reservation
from server.domain.values import DAY, SCALE, Micros, Units, cents_down, cents_half_even

GTC_LIFETIME: Micros = 90 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What an instrument's market is at the moment of a decision.

    `quote` is None unless it is fresh. `day_end` is when a DAY order of now expires.
    """

    instrument: Instrument
    quote: Quote | None
    costs: Costs
    now: Micros
    day_end: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The state after something happened to one order, and the events that tell it."""

    account: Account
    position: Position
    order: Order
    events: tuple[OrderUpdated, ...] = ()


def place(
    ticket: OrderTicket, account: Account, position: Position, market: Market,
    new_id: Callable[[], str],
) -> Decision:  # fmt: skip
    """Accept an order and match it against the quote, or record its rejection."""
    if market.quote is not None:
        position = seen(position, market.quote)
    order = _draft(ticket, account, market, new_id())
    situation = Situation(
        account=account, position=position, instrument=market.instrument, quote=market.quote,
        order=order, costs=market.costs,
    )  # fmt: skip
    rejected = rejection(situation)
    if rejected is not None:
        order = changed(
            order, status=status_after(None, OrderUpdateType.REJECTED), expires_at=None,
            rejection_reason=rejected.reason, rejection_message=rejected.message,
        )  # fmt: skip
        decision = Decision(account=account, position=position, order=order)
        return _record(decision, OrderUpdateType.REJECTED, market.now)
    decision = _accept(Decision(account=account, position=position, order=order), market)
    decision = _match(decision, market, new_id, takes=True)
    if decision.order.status.is_live and not decision.order.time_in_force.rests:
        decision = _end(decision, StatusReason.IOC_REMAINDER, market.now)
    check_invariants(decision.account, decision.position)
    return decision


def fill_resting(
    order: Order, account: Account, position: Position, market: Market, new_id: Callable[[], str]
) -> Decision:
    """Match a live order against a new quote; the decision has no events when it waits on.

    An order whose time is over expires instead, though nobody came to expire it yet.
    """
    assert market.quote is not None, "only a quote fills an order"
    if order.expires_at is not None and order.expires_at <= market.now:
        return expire(order, account, position, market.now)
    decision = Decision(account=account, position=seen(position, market.quote), order=order)
    decision = _match(decision, market, new_id, takes=False)
    check_invariants(decision.account, decision.position)
    return decision


def cancel(
    order: Order, account: Account, position: Position, now: Micros, reason: StatusReason
) -> Decision:
    """End a live order and release what it holds back."""
    decision = Decision(account=account, position=position, order=order)
    decision = _end(decision, reason, now)
    check_invariants(decision.account, decision.position)
    return decision


def expire(order: Order, account: Account, position: Position, now: Micros) -> Decision:
    """End a live order whose time is over."""
    day = order.time_in_force is TimeInForce.DAY
    reason = StatusReason.EXPIRED_DAY if day else StatusReason.EXPIRED_GTC
    return cancel(order, account, position, now, reason)


def _draft(ticket: OrderTicket, account: Account, market: Market, order_id: str) -> Order:
    expiry = {TimeInForce.DAY: market.day_end, TimeInForce.GTC: market.now + GTC_LIFETIME}
    return Order(
        id=order_id,
        account_id=account.id,
        sequence=account.sequence + 1,
        bot_key_id=ticket.bot_key_id,
        client_order_id=ticket.client_order_id,
        fingerprint=ticket.fingerprint,
        symbol=ticket.symbol,
        asset_type=market.instrument.asset_type,
        side=ticket.side,
        order_type=ticket.order_type,
        quantity=ticket.quantity,
        limit_price=ticket.limit_price,
        stop_price=ticket.stop_price,
        time_in_force=ticket.time_in_force,
        status=OrderStatus.OPEN,
        created_at=market.now,
        updated_at=market.now,
        expires_at=expiry.get(ticket.time_in_force),
    )


def _accept(decision: Decision, market: Market) -> Decision:
    account, position, order = decision.account, decision.position, decision.order
    if order.side is Side.BUY:
        held = reservation(
            order, account.buying_power, market.quote, market.instrument, market.costs
        )
        order = changed(order, reserved=held)
    else:
        position = changed(position, reserved_quantity=position.reserved_quantity + order.quantity)
    return _record(
        Decision(account=account, position=position, order=order),
        OrderUpdateType.ACCEPTED, market.now,
        reserved=account.reserved + order.reserved, live_orders=account.live_orders + 1,
    )  # fmt: skip


def _match(
    decision: Decision, market: Market, new_id: Callable[[], str], *, takes: bool
) -> Decision:
    order, quote = decision.order, market.quote
    if quote is None:
        return decision
    found = match(
        order, decision.account, decision.position, market.instrument, quote, market.costs,
        takes=takes,
    )  # fmt: skip
    if found is None:
        return decision
    if order.side is Side.SELL:
        return _fill(decision, found, market, new_id())
    # A LIMIT order reserved enough, unless the venue was started with higher costs since.
    money = order.reserved + decision.account.buying_power
    quantity = affordable_quantity(
        order, found.quantity, found.price, money, market.instrument, market.costs
    )
    if quantity:
        decision = _fill(decision, Match(quantity, found.price), market, new_id())
    if quantity < found.quantity:
        decision = _end(decision, StatusReason.INSUFFICIENT_BUYING_POWER, market.now)
    return decision


def _fill(decision: Decision, found: Match, market: Market, fill_id: str) -> Decision:
    account, position, before = decision.account, decision.position, decision.order
    quantity = before.filled_quantity + found.quantity
    notional = before.filled_notional + found.quantity * found.price
    amount, fee = _money(before, quantity, notional, market)
    if before.side is Side.BUY:
        balance, pnl = account.balance - amount - fee, None
        position = _bought(position, found.quantity, amount, fee)
    else:
        balance = account.balance + amount - fee
        position, pnl = _sold(position, found.quantity, amount - fee)
    update = (
        OrderUpdateType.FILLED if quantity == before.quantity else OrderUpdateType.PARTIALLY_FILLED
    )
    order = changed(
        before, status=status_after(before.status, update), updated_at=market.now,
        filled_quantity=quantity, filled_notional=notional, fees=before.fees + fee, reserved=0,
        realized_pnl=before.realized_pnl + (pnl or 0),
    )  # fmt: skip
    if order.side is Side.BUY and quantity < order.quantity:
        free = balance - (account.reserved - before.reserved)
        held = reservation(order, free, market.quote, market.instrument, market.costs)
        order = changed(order, reserved=held)
    fill = Fill(
        id=fill_id, account_id=account.id, sequence=account.sequence + 1, order_id=order.id,
        bot_key_id=order.bot_key_id, symbol=order.symbol, asset_type=order.asset_type,
        side=order.side, quantity=found.quantity, price=found.price, amount=amount, fee=fee,
        realized_pnl=pnl, created_at=market.now,
    )  # fmt: skip
    return _record(
        Decision(account=account, position=position, order=order, events=decision.events),
        update, market.now, fill,
        balance=balance, reserved=account.reserved + order.reserved - before.reserved,
        fills=account.fills + 1, fees_paid=account.fees_paid + fee,
        realized_pnl=account.realized_pnl + (pnl or 0),
    )  # fmt: skip


def _money(before: Order, quantity: Units, notional: int, market: Market) -> tuple[Units, Units]:
    """Return amount and fee of the fill that brings an order to `quantity` and `notional`."""
    fee = max(market.costs.fees.total(market.instrument, quantity, notional) - before.fees, 0)
    if before.side is Side.BUY:
        return paid(market.instrument, notional) - paid(
            market.instrument, before.filled_notional
        ), fee
    multiplier = market.instrument.multiplier
    amount = cents_down(notional * multiplier, SCALE)
    amount -= cents_down(before.filled_notional * multiplier, SCALE)
    return amount, min(fee, amount)


def _bought(position: Position, quantity: Units, amount: Units, fee: Units) -> Position:
    return changed(
        position, quantity=position.quantity + quantity, cost_basis=position.cost_basis + amount,
        buy_fees=position.buy_fees + fee, ask_taken=position.ask_taken + quantity,
    )  # fmt: skip


def _sold(position: Position, quantity: Units, proceeds: Units) -> tuple[Position, Units]:
    """Return what a sale leaves of a position and the profit or loss it realises."""
    # Both are whole cents, so the last sale takes all that is left of them.
    basis = cents_half_even(position.cost_basis * quantity, position.quantity)
    buy_fees = cents_half_even(position.buy_fees * quantity, position.quantity)
    rest = changed(
        position, quantity=position.quantity - quantity,
        reserved_quantity=position.reserved_quantity - quantity,
        cost_basis=position.cost_basis - basis, buy_fees=position.buy_fees - buy_fees,
        bid_taken=position.bid_taken + quantity,
    )  # fmt: skip
    return rest, proceeds - basis - buy_fees


def _end(decision: Decision, reason: StatusReason, now: Micros) -> Decision:
    before, position = decision.order, decision.position
    order = changed(
        before, status=status_after(before.status, OrderUpdateType.CANCELLED),
        status_reason=reason, updated_at=now, reserved=0,
    )  # fmt: skip
    if order.side is Side.SELL:
        position = changed(
            position, reserved_quantity=position.reserved_quantity - order.leaves_quantity
        )
    return _record(
        Decision(
            account=decision.account, position=position, order=order, events=decision.events
        ),
        OrderUpdateType.CANCELLED, now, reserved=decision.account.reserved - before.reserved,
    )  # fmt: skip


def _record(
    decision: Decision, update: OrderUpdateType, now: Micros, fill: Fill | None = None,
    **changes: Any,
) -> Decision:  # fmt: skip
    """Change the account's figures and append the event that tells what happened.

    An order that ends is live no more, and a SELL that filled anything is a closed trade.
    """
    account, order = decision.account, decision.order
    statistics = account.statistics
    if update in ENDS:
        changes["live_orders"] = account.live_orders - 1
        if order.side is Side.SELL and order.filled_quantity:
            statistics = statistics.book(order.realized_pnl)
    sequence = account.sequence + 1
    account = changed(account, sequence=sequence, statistics=statistics, **changes)
    event = OrderUpdated(
        account_id=account.id, sequence=sequence, time=now, type=update, order=order, fill=fill
    )
    return Decision(
        account=account, position=decision.position, order=order, events=(*decision.events, event)
    )


ENDS = (OrderUpdateType.FILLED, OrderUpdateType.CANCELLED)
"""The updates after which an order that was live is live no more."""
