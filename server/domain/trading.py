"""What happens to an order: placing, replacing, filling, cancelling and expiring it."""

from collections.abc import Callable
from dataclasses import dataclass

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.costs import affordable_quantity
from server.domain.invariants import BrokenInvariant
from server.domain.margin import MarginBook, staked
from server.domain.market import Market
from server.domain.matching import Match, match, seen
from server.domain.order import (
    TRANSITIONS,
    FeeStart,
    GroupRole,
    Order,
    OrderStatus,
    OrderTicket,
    OrderUpdateType,
    Side,
    StatusReason,
    TimeInForce,
)
from server.domain.order_groups import (
    ALONE,
    Others,
    covered,
    follow,
    live_exits,
    of_leg,
    waits_for_stop,
)
from server.domain.order_types import RULES, awaited
from server.domain.posting import (
    Decision,
    book_after,
    check,
    end,
    fill,
    hold,
    record,
    release,
    trigger,
)
from server.domain.quote import Quote
from server.domain.reducing import shrink_to_position
from server.domain.risk import UNGUARDED, Guard, Rejection, Situation, rejections
from server.domain.trailing import moved, trailed
from server.domain.values import DAY, Micros, Money, Price, Quantity, Units

GTC_LIFETIME: Micros = 90 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """New values of a live order; None keeps a value. `quantity` includes what is filled.

    A trail of either kind takes the place of the old one.
    """

    quantity: Quantity | None = None
    limit_price: Price | None = None
    stop_price: Price | None = None
    trail_amount: Price | None = None
    trail_percent: Units | None = None


def place(
    ticket: OrderTicket,
    order_id: str,
    account: Account,
    position: Position,
    market: Market,
    new_id: Callable[[], str],
    guard: Guard = UNGUARDED,
    freed: Decision | None = None,
    book: MarginBook | None = None,
) -> Decision:
    """Accept an order and match it against the quote, or record its rejection.

    `freed` is an earlier decision that makes the order possible. The result contains that decision,
    unless the order is rejected. A MARGIN account needs its `book`.
    """
    before = Decision(account=account, positions={ticket.symbol: position})
    prepared = before if freed is None else freed
    position = prepared.positions[ticket.symbol]
    if market.quote is not None:
        position = seen(position, market.quote)
    order = drafted(ticket, prepared.account, market, order_id)
    if book is not None:
        book = staked(book, position, market.instrument, market.quote)
    situation = Situation(
        account=prepared.account,
        position=position,
        order=order,
        market=market,
        guard=guard,
        book=book,
    )
    rejected = next(rejections(situation), None)
    if rejected is not None:
        return reject(changed(before, book=book), order, rejected, market)
    decision = changed(
        prepared,
        book=book,
        positions={order.symbol: position},
        orders={**prepared.orders, order_id: order},
        new_orders=frozenset((order_id,)),
    )
    held = hold(decision, order_id, OrderUpdateType.ACCEPTED, market)
    decision = arrive(held, order_id, market, new_id)
    order = decision.orders[order_id]
    if order.status.is_live and not order.time_in_force.rests:
        decision = end(decision, order_id, StatusReason.IOC_REMAINDER, market.now)
    if book is not None:
        decision = shrink_to_position(decision, order.symbol, market.now)
    return check(decision)


def replace(
    order: Order,
    wanted: Replacement,
    account: Account,
    position: Position,
    market: Market,
    new_id: Callable[[], str],
    guard: Guard = UNGUARDED,
    others: Others = ALONE,
    book: MarginBook | None = None,
) -> Decision | Rejection | None:
    """Give a live order new values and match it like a new order; its fills stay.

    Returns None when nothing changes. A rejection leaves the order as it was. Minimum and cap of
    the fee count again from zero when the quantity rises. A MARGIN account needs its `book`.
    """
    new = replaced(order, wanted)
    if new == order:
        return None
    if new.quantity <= order.filled_quantity:
        raise BrokenInvariant("what is filled cannot be taken back")
    if market.quote is not None:
        position = seen(position, market.quote)
    if book is not None:
        book = staked(book, position, market.instrument, market.quote)
    released = release(_about(order, account, position, others, book), order.id)
    new = changed(new, reserved=0, updated_at=market.now)
    decision = changed(released, orders={order.id: new})
    # Held exits follow their entry's quantity, so they must keep the rules with the new one.
    exits = [] if order.is_exit else [it for it in live_exits(others) if it.is_held]
    held = [changed(it, quantity=new.quantity) for it in exits]
    for each in (new, *held):
        situation = Situation(
            account=decision.account,
            position=decision.positions[order.symbol],
            order=each,
            market=market,
            guard=guard,
            is_covered=each.id in decision.covered,
            book=None if book is None else book_after(decision),
        )
        rejected = next(rejections(situation), None)
        if rejected is not None:
            return rejected if each is new else of_leg(rejected, each)
    decision = hold(decision, order.id, OrderUpdateType.REPLACED, market)
    if not order.is_held:
        decision = arrive(decision, order.id, market, new_id)
    return _checked(decision, order, others, market.now, market.quote)


def fill_resting(
    order: Order,
    account: Account,
    position: Position,
    market: Market,
    new_id: Callable[[], str],
    others: Others = ALONE,
    book: MarginBook | None = None,
) -> Decision | None:
    """Match a live order against a new quote; None when the order keeps waiting.

    An order whose time is over expires here instead, even if nothing has ended it yet. A MARGIN
    account needs its `book`.
    """
    if market.quote is None:
        raise BrokenInvariant("only a quote fills an order")
    if order.is_held:
        raise BrokenInvariant(f"order {order.id} is held, and no quote reaches it")
    if is_overdue(order, market.now):
        return expire(order, account, position, market.now, others)
    if waits_for_stop(order, others, market):
        return None
    if book is not None:
        book = staked(book, position, market.instrument, market.quote)
    decision = _about(order, account, seen(position, market.quote), others, book)
    if awaited(order) is not None:
        decision = arrive(decision, order.id, market, new_id)
    elif market.is_open:
        decision = _match(decision, order.id, market, market.quote, new_id, takes=False)
    if not decision.events:
        return None
    return _checked(decision, order, others, market.now, market.quote)


def cancel(
    order: Order,
    account: Account,
    position: Position,
    now: Micros,
    reason: StatusReason,
    others: Others = ALONE,
) -> Decision:
    """End a live order and release what it holds back."""
    decision = end(_about(order, account, position, others), order.id, reason, now)
    return _checked(decision, order, others, now)


def expire(
    order: Order, account: Account, position: Position, now: Micros, others: Others = ALONE
) -> Decision:
    """End a live order whose time is over."""
    return cancel(order, account, position, now, expiry_reason(order), others)


def expiry_reason(order: Order) -> StatusReason:
    """Return why an order ends when its time is over."""
    day = order.time_in_force is TimeInForce.DAY
    return StatusReason.EXPIRED_DAY if day else StatusReason.EXPIRED_GTC


def is_overdue(order: Order, now: Micros) -> bool:
    """Tell whether the time of a live order is over."""
    return order.expires_at is not None and order.expires_at <= now


def reject(before: Decision, order: Order, rejected: Rejection, market: Market) -> Decision:
    """Record an order as rejected, and nothing else."""
    position = before.positions[order.symbol]
    if market.quote is not None:
        position = seen(position, market.quote)
    order = changed(
        order,
        sequence=before.account.sequence + 1,
        status=TRANSITIONS[None, OrderUpdateType.REJECTED],
        expires_at=None,
        rejection_reason=rejected.reason,
        rejection_message=rejected.message,
    )
    decision = changed(before, new_orders=frozenset((order.id,)))
    return record(decision, order, position, OrderUpdateType.REJECTED, market.now)


def drafted(
    ticket: OrderTicket,
    account: Account,
    market: Market,
    order_id: str,
    role: GroupRole | None = None,
) -> Order:
    """Return an order as it is before anything has decided about it."""
    expiry = {TimeInForce.DAY: market.day_end, TimeInForce.GTC: market.now + GTC_LIFETIME}
    order = Order(
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
        notional=ticket.notional,
        trail_amount=ticket.trail_amount,
        trail_percent=ticket.trail_percent,
        role=role,
        reduce_only=ticket.reduce_only,
    )
    if RULES[ticket.order_type].trails and market.is_open:
        return trailed(order, market.quote)
    return order


def replaced(order: Order, wanted: Replacement) -> Order:
    """Return an order with new values.

    A higher quantity restarts the fee's minimum and cap. With any new value the order may cost more
    than its notional, so it is no longer for one.
    """
    quantity = order.quantity if wanted.quantity is None else wanted.quantity
    fee_start = order.fee_start
    if quantity > order.quantity:
        fee_start = FeeStart(
            quantity=order.filled_quantity, notional=order.filled_notional, fees=order.fees
        )
    draft = changed(
        order,
        quantity=quantity,
        fee_start=fee_start,
        limit_price=order.limit_price if wanted.limit_price is None else wanted.limit_price,
        stop_price=order.stop_price if wanted.stop_price is None else wanted.stop_price,
    )
    if wanted.trail_amount is not None or wanted.trail_percent is not None:
        kept = changed(draft, trail_amount=wanted.trail_amount, trail_percent=wanted.trail_percent)
        draft = moved(kept, None)
    return draft if draft == order else changed(draft, notional=None)


def _about(
    order: Order,
    account: Account,
    position: Position,
    others: Others = ALONE,
    book: MarginBook | None = None,
) -> Decision:
    """Return the decision about a stored order that changes nothing yet."""
    return Decision(
        account=account,
        positions={order.symbol: position},
        orders={order.id: order},
        covered=covered(order, others) if order.role is not None else frozenset(),
        book=book,
    )


def _checked(
    decision: Decision, before: Order, others: Others, now: Micros, quote: Quote | None = None
) -> Decision:
    """Return a complete decision about a stored order, with what follows for its group."""
    if before.role is not None:
        decision = follow(decision, before, others, now, quote)
    if decision.book is not None:
        decision = shrink_to_position(decision, before.symbol, now)
    return check(decision)


def arrive(
    decision: Decision, order_id: str, market: Market, new_id: Callable[[], str]
) -> Decision:
    """Match an order that arrives now; trigger a stop order first if the quote reaches it."""
    if market.quote is None or not market.is_open:
        return decision
    order = decision.orders[order_id]
    waiting = awaited(order)
    if waiting is not None:
        if not waiting.is_reached(order, market.quote):
            return decision
        decision = trigger(decision, order_id, market)
    return _match(decision, order_id, market, market.quote, new_id, takes=True)


def _match(
    decision: Decision,
    order_id: str,
    market: Market,
    quote: Quote,
    new_id: Callable[[], str],
    *,
    takes: bool,
) -> Decision:
    order, account = decision.orders[order_id], decision.account
    position = decision.positions[order.symbol]
    found = match(order, account, position, market, quote, takes=takes)
    if found is None:
        return decision
    if order.side is Side.SELL or (account.uses_margin and order.is_marginable):
        return fill(decision, order_id, found, market, new_id())
    # A LIMIT order has reserved enough, unless the venue was restarted with higher costs, or the
    # positions of a MARGIN account need the money.
    money = order.reserved + decision.free_money
    quantity = affordable_quantity(
        order, found.quantity, found.price, Money(money), market.instrument, market.costs
    )
    if quantity:
        decision = fill(decision, order_id, Match(quantity, found.price), market, new_id())
    if quantity < found.quantity:
        decision = end(decision, order_id, StatusReason.INSUFFICIENT_BUYING_POWER, market.now)
    return decision
