"""Placing of groups: all orders of a bracket, an OCO or an OTO are accepted together, or none."""

from collections.abc import Callable, Iterator, Sequence

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.errors import Reason, Refusal, Violation, refuse_fields
from server.domain.margin import MarginBook, is_on_margin, staked
from server.domain.market import Market
from server.domain.matching import seen
from server.domain.order import (
    ExitTicket,
    GroupRole,
    Leg,
    Order,
    OrderClass,
    OrderTicket,
    OrderUpdateType,
    Side,
    StatusReason,
)
from server.domain.order_groups import Others, follow, of_leg
from server.domain.posting import Decision, book_after, check, end, hold
from server.domain.previews import Preview
from server.domain.quote import Quote
from server.domain.reducing import shrink_to_position
from server.domain.risk import UNGUARDED, Guard, Rejection, Situation, rejections
from server.domain.trading import Replacement, arrive, drafted, reject, replaced
from server.domain.trailing import trails
from server.domain.values import Price, format_units

TAKE_PROFIT_PRICE = "take_profit.limit_price"
STOP_LOSS_PRICE = "stop_loss.stop_price"


def place_group(
    ticket: OrderTicket,
    order_ids: Sequence[str],
    account: Account,
    position: Position,
    market: Market,
    new_id: Callable[[], str],
    guard: Guard = UNGUARDED,
    book: MarginBook | None = None,
) -> Decision:
    """Accept all orders of a group and match the parent, or record the parent's rejection.

    `order_ids` are those of the parent and of the exits in `ticket`, in this order. A MARGIN
    account needs its `book`.
    """
    if market.quote is not None:
        position = seen(position, market.quote)
    if book is not None:
        book = staked(book, position, market.instrument, market.quote)
    before = Decision(account=account, positions={ticket.symbol: position}, book=book)
    parent, *exits = _drafts(ticket, order_ids, account, market)
    rejected = next(_rejections(parent, exits, account, position, market, guard, book), None)
    if rejected is not None:
        role = changed(parent.role, leg_order_ids=())
        return check(reject(before, changed(parent, role=role), rejected, market))
    covered = frozenset(exit_.id for exit_ in exits)
    decision = changed(before, new_orders=frozenset(order_ids), covered=covered)
    for each in (parent, *exits):
        order = changed(each, sequence=decision.account.sequence + 1)
        decision = changed(decision, orders={**decision.orders, order.id: order})
        decision = hold(decision, order.id, OrderUpdateType.ACCEPTED, market)
    accepted = dict(decision.orders)
    parent = accepted.pop(parent.id)
    decision = arrive(decision, parent.id, market, new_id)
    if decision.orders[parent.id].status.is_live and not parent.time_in_force.rests:
        decision = end(decision, parent.id, StatusReason.IOC_REMAINDER, market.now)
    decision = follow(decision, parent, accepted, market.now, market.quote)
    if book is not None:
        decision = shrink_to_position(decision, parent.symbol, market.now)
    return check(decision)


def preview_group(
    ticket: OrderTicket,
    account: Account,
    position: Position,
    market: Market,
    guard: Guard = UNGUARDED,
    book: MarginBook | None = None,
) -> Preview:
    """Return what placing a group would do, to the cent; nothing is stored."""
    names = ["", *(exit_.leg.value for exit_ in ticket.exits)]
    decision = place_group(ticket, names, account, position, market, lambda: "", guard, book)
    if market.quote is not None:
        position = seen(position, market.quote)
    if book is not None:
        book = staked(book, position, market.instrument, market.quote)
    parent, *exits = _drafts(ticket, names, account, market)
    legs = [decision.orders[name] for name in names[1:] if name in decision.orders]
    return Preview(
        order=decision.orders[""],
        account=decision.account,
        rejections=list(_rejections(parent, exits, account, position, market, guard, book)),
        book=book_after(decision),
        legs=tuple(changed(leg, id="", role=changed(leg.role, parent_order_id="")) for leg in legs),
    )


def refuse_group(ticket: OrderTicket, account: Account, market: Market) -> Refusal | None:
    """Refuse a group that makes no sense in this account and this market."""
    return _refuse_side(ticket, account, market) or refuse_prices(ticket, market)


def _refuse_side(ticket: OrderTicket, account: Account, market: Market) -> Refusal | None:
    """Refuse a group that begins or ends a short position where none is allowed."""
    if _exit_side(ticket) is Side.SELL or is_on_margin(account, market.instrument):
        return None
    message = "`side` of OCO orders must be SELL: both exits sell."
    if ticket.order_class is not OrderClass.OCO:
        message = (
            f"`side` of {ticket.order_class.value} orders must be BUY: their exits sell what it"
            " buys. Send order_class OCO for the exits of a position."
        )
    return refuse_fields([Violation("side", Reason.FIELD_INVALID, message)])


def refuse_prices(ticket: OrderTicket, market: Market) -> Refusal | None:
    """Refuse a group whose exits would not lie on both sides of its entry's price."""
    exits = {exit_.leg: exit_ for exit_ in ticket.exits}
    take_profit = exits[Leg.TAKE_PROFIT].limit_price if Leg.TAKE_PROFIT in exits else None
    stop_loss = exits[Leg.STOP_LOSS].stop_price if Leg.STOP_LOSS in exits else None
    quote, side = market.quote if market.is_open else None, _exit_side(ticket)
    if ticket.order_class is OrderClass.OCO:
        take_profit = ticket.limit_price
        leaving = None if quote is None else (quote.bid if side is Side.SELL else quote.ask)
        prices = leaving, leaving
    else:
        prices = _entry_prices(ticket, quote)
    violations = _crossed(side, take_profit, stop_loss, *prices)
    return refuse_fields(violations) if violations else None


def refuse_new_price(
    order: Order, wanted: Replacement, others: Others, market: Market
) -> Refusal | None:
    """Refuse new prices of an order with which its group's exits would not lie on their sides."""
    if wanted.limit_price is None and wanted.stop_price is None:
        return None
    new = replaced(order, wanted)
    live = {it.role.leg: it for it in (new, *others.values()) if it.role and it.status.is_live}
    take_profit, stop_loss = live.get(Leg.TAKE_PROFIT), live.get(Leg.STOP_LOSS)
    highest = lowest = None
    entry = live.get(Leg.ENTRY)
    # Where an entry that trails will be filled is not known before its trigger.
    if entry is not None and not entry.filled_quantity and not trails(entry):
        highest, lowest = _entry_prices(entry, market.quote if market.is_open else None)
    field = "stop_price" if wanted.limit_price is None else "limit_price"
    violations = _crossed(
        order.side if order.is_exit else order.side.opposite,
        None if take_profit is None else take_profit.limit_price,
        None if stop_loss is None else _fixed_stop(stop_loss),
        highest,
        lowest,
    )
    # The two messages of a crossed pair are the same, and one field of the request is wrong.
    return refuse_fields([changed(violations[0], field=field)]) if violations else None


def _drafts(
    ticket: OrderTicket, order_ids: Sequence[str], account: Account, market: Market
) -> list[Order]:
    """Return the orders of a group as they are before any of them is accepted."""
    parent_id, *exit_ids = order_ids
    is_oco = ticket.order_class is OrderClass.OCO
    role = GroupRole(
        order_class=ticket.order_class,
        leg=Leg.TAKE_PROFIT if is_oco else Leg.ENTRY,
        leg_order_ids=tuple(exit_ids),
    )
    return [
        drafted(ticket, account, market, parent_id, role),
        *(
            changed(
                drafted(
                    _ticket_of(exit_, ticket),
                    account,
                    market,
                    exit_id,
                    GroupRole(
                        order_class=ticket.order_class,
                        leg=exit_.leg,
                        parent_order_id=parent_id,
                        is_held=not is_oco,
                    ),
                ),
                fingerprint=exit_.fingerprint,
            )
            for exit_, exit_id in zip(ticket.exits, exit_ids, strict=True)
        ),
    ]


def _ticket_of(exit_: ExitTicket, ticket: OrderTicket) -> OrderTicket:
    return changed(
        ticket,
        side=_exit_side(ticket),
        notional=None,
        order_type=exit_.order_type,
        limit_price=exit_.limit_price,
        stop_price=exit_.stop_price,
        trail_amount=exit_.trail_amount,
        trail_percent=exit_.trail_percent,
        time_in_force=exit_.time_in_force,
        client_order_id=exit_.client_order_id,
    )


def _rejections(
    parent: Order,
    exits: Sequence[Order],
    account: Account,
    position: Position,
    market: Market,
    guard: Guard,
    book: MarginBook | None,
) -> Iterator[Rejection]:
    """Yield the rejections of the parent, then those of the exits that nothing else told.

    Each names its order, unless it is about all of them.
    """
    orders = (parent, *exits)
    situations = [
        Situation(
            account=account,
            position=position,
            order=order,
            market=market,
            guard=guard,
            orders=len(orders),
            is_covered=order is not parent,
            book=book,
        )
        for order in orders
    ]
    found = [list(rejections(situation)) for situation in situations]
    told = set[Rejection]()
    for order, rejected in zip(orders, found, strict=True):
        for rejection in rejected:
            if rejection not in told:
                told.add(rejection)
                is_of_all = all(rejection in others for others in found)
                yield rejection if is_of_all else of_leg(rejection, order)


def _entry_prices(
    entry: OrderTicket | Order, quote: Quote | None
) -> tuple[Price | None, Price | None]:
    """Return the highest and the lowest price to leave the entry from; None for any."""
    limit, stop, buys = entry.limit_price, _fixed_stop(entry), entry.side is Side.BUY
    if quote is not None:
        price = quote.ask if buys else quote.bid
        is_active = stop is None or (price >= stop if buys else price <= stop)
        if is_active and (limit is None or (price <= limit if buys else price >= limit)):
            return quote.ask, quote.bid
    prices = [price for price in (limit, stop) if price is not None]
    return max(prices, default=None), min(prices, default=None)


def _fixed_stop(order: OrderTicket | Order) -> Price | None:
    """Return a stop price that exits are compared with; one that follows the market is none."""
    follows = order.trail_amount is not None or order.trail_percent is not None
    return None if follows else order.stop_price


def _crossed(
    side: Side,
    take_profit: Price | None,
    stop_loss: Price | None,
    highest: Price | None,
    lowest: Price | None,
) -> list[Violation]:
    """Return which prices of exits are on the wrong side of the other, or of the entry's prices.

    The take-profit of a SELL lies above its stop-loss and above the entry's highest price, and
    its stop-loss below the lowest. Those of a BUY lie the other way round.
    """
    sign = 1 if side is Side.SELL else -1
    gain, loss = ("above", "below") if side is Side.SELL else ("below", "above")
    take_bound, loss_bound = (highest, lowest) if side is Side.SELL else (lowest, highest)
    wrong: dict[str, str] = {}
    if take_profit is not None and stop_loss is not None and sign * (take_profit - stop_loss) <= 0:
        message = (
            f"`{TAKE_PROFIT_PRICE}` {format_units(take_profit)} must be {gain}"
            f" `{STOP_LOSS_PRICE}` {format_units(stop_loss)}."
        )
        wrong = {TAKE_PROFIT_PRICE: message, STOP_LOSS_PRICE: message}
    for field, price, bound, word, direction in (
        (TAKE_PROFIT_PRICE, take_profit, take_bound, gain, sign),
        (STOP_LOSS_PRICE, stop_loss, loss_bound, loss, -sign),
    ):
        if price is not None and bound is not None and direction * (price - bound) <= 0:
            wrong.setdefault(
                field,
                f"`{field}` {format_units(price)} must be {word} the price to leave from,"
                f" {format_units(bound)}.",
            )
    return [
        Violation(field, Reason.EXIT_PRICE_INVALID, message) for field, message in wrong.items()
    ]


def _exit_side(ticket: OrderTicket) -> Side:
    return ticket.side if ticket.order_class is OrderClass.OCO else ticket.side.opposite
