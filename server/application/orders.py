"""Orders: placing, previewing, replacing and cancelling them within a unit of work."""

from collections.abc import Sequence

from server.application import order_groups
from server.application.commands import (
    CancelAllOrders,
    Cancelled,
    CancelOrder,
    Placed,
    PlaceOrder,
    Previewed,
    PreviewOrder,
    Replaced,
    ReplaceOrder,
)
from server.application.margin import book_of
from server.application.market_feed import MarketFeed
from server.application.order_groups import others_of
from server.application.ports import Chance, UnitOfWork
from server.application.refusals import ORDER_NOT_FOUND
from server.domain.account import MarginMode
from server.domain.changes import changed
from server.domain.errors import Reason, Refusal, Violation, refuse_fields
from server.domain.group_placing import preview_group, refuse_group, refuse_new_price
from server.domain.instrument import Instrument
from server.domain.invariants import BrokenInvariant
from server.domain.order import Order, OrderStatus, OrderTicket, PlacedBy, Side, StatusReason
from server.domain.order_types import PRICE_FIELDS, RULES
from server.domain.previews import preview
from server.domain.risk import UNGUARDED, Exposure, Guard, Rejection
from server.domain.sizing import sized
from server.domain.trading import (
    Replacement,
    cancel,
    expire,
    is_overdue,
    place,
    replace,
)
from server.domain.user import Permissions
from server.domain.valuation import total_equity
from server.domain.values import DAY, Micros, Price, format_units

MARKET_STOPPED = Refusal(
    reason=Reason.UNAVAILABLE,
    message="The market has stopped because the file of the replay has changed: it takes no orders."
    " Orders can be read and cancelled. An operator must restore the file and start the server"
    " again.",
    is_not_executed=True,
)


class Orders:
    """The commands about orders; each method decides one."""

    def __init__(self, feed: MarketFeed, chance: Chance) -> None:
        self._feed = feed
        self._chance = chance

    def place(
        self, command: PlaceOrder, permissions: Permissions, unit: UnitOfWork, now: Micros
    ) -> Placed | Refusal:
        """Place an order; for a repeated client order id, return the order placed earlier."""
        ticket = command.ticket
        instrument = self._feed.instrument(ticket.symbol)
        if permissions.are_fenced and not permissions.allow(instrument):
            return refuse_fenced(instrument)
        if ticket.client_order_id is not None:
            earlier = unit.order_by_client_id(ticket.account_id, ticket.client_order_id)
            if earlier is not None:
                again = replay(earlier, ticket.fingerprint, command.warnings)
                return again if earlier.role is None else order_groups.with_legs(again, unit)
        if self._feed.source.fault is not None:
            return MARKET_STOPPED
        if instrument.has_expired(now):
            return _refuse_expired(instrument)
        account, market = unit.account(ticket.account_id), self._feed.market(instrument, now)
        if ticket.notional is not None:
            found = sized(ticket, account, market)
            if isinstance(found, Refusal):
                return found
            ticket = found
        new_id, on_margin = self._chance.ids_of(account), account.margin_mode is MarginMode.MARGIN
        book = book_of(account.id, unit, self._feed, now, ticket.symbol) if on_margin else None
        if ticket.exits:
            guard = self._guard(ticket, permissions, unit, now)
            placed = order_groups.place(ticket, market, guard, unit, new_id, book)
            if isinstance(placed, Refusal):
                return placed
            if on_margin:
                self._feed.look_at_margin(account.id, unit, now)
            return changed(placed, warnings=command.warnings)
        order_id = new_id()
        decision = place(
            ticket,
            order_id,
            account,
            unit.position(ticket.account_id, ticket.symbol),
            market,
            new_id,
            self._guard(ticket, permissions, unit, now),
            book=book,
        )
        shown = unit.keep(decision)
        if on_margin:
            self._feed.look_at_margin(account.id, unit, now)
        return Placed(
            decision.orders[order_id],
            replayed=False,
            warnings=command.warnings,
            shown=shown.get(order_id),
        )

    def preview(
        self, command: PreviewOrder, permissions: Permissions, unit: UnitOfWork, now: Micros
    ) -> Previewed | Refusal:
        """Return what placing an order would do; nothing is stored."""
        ticket = command.ticket
        instrument = self._feed.instrument(ticket.symbol)
        if permissions.are_fenced and not permissions.allow(instrument):
            return refuse_fenced(instrument)
        if instrument.has_expired(now):
            return _refuse_expired(instrument)
        account, market = unit.account(ticket.account_id), self._feed.market(instrument, now)
        if ticket.notional is not None:
            sized_ticket = sized(ticket, account, market)
            if isinstance(sized_ticket, Refusal):
                return sized_ticket
            ticket = sized_ticket
        refusal = refuse_group(ticket, account, market) if ticket.exits else None
        if refusal is not None:
            return refusal
        found = (preview_group if ticket.exits else preview)(
            ticket,
            account,
            unit.position(ticket.account_id, ticket.symbol),
            market,
            self._guard(ticket, permissions, unit, now),
            book_of(account.id, unit, self._feed, now, ticket.symbol),
        )
        return Previewed(found, command.warnings)

    def replace(
        self, command: ReplaceOrder, permissions: Permissions, unit: UnitOfWork, now: Micros
    ) -> Replaced | Refusal:
        """Give a live order new values and match it again."""
        order = unit.order(command.account_id, command.order_id)
        if order is None or not permissions.allow(order):
            return ORDER_NOT_FOUND
        instrument = self._feed.instrument(order.symbol)
        refusal = _wrong_values(order, command.wanted, instrument) or _not_live(
            order, "replaced", now
        )
        if refusal is None and self._feed.source.fault is not None:
            refusal = MARKET_STOPPED
        if refusal is not None:
            return refusal
        if instrument.has_expired(now):
            message = f"{instrument.symbol} has expired: the order can no longer be replaced."
            return Refusal(reason=Reason.INSTRUMENT_EXPIRED, message=message)
        quantity = command.wanted.quantity
        if quantity is not None and quantity <= order.filled_quantity:
            return Refusal(
                reason=Reason.QUANTITY_ALREADY_FILLED,
                message="`quantity` is the total of the order and must be greater than the"
                f" {format_units(order.filled_quantity)} that are filled,"
                f" not {format_units(quantity)}.",
            )
        account = unit.account(order.account_id)
        market, others = self._feed.market(instrument, now), others_of(order, unit)
        refusal = refuse_new_price(order, command.wanted, others, market) if others else None
        if refusal is not None:
            return refusal
        decision = replace(
            order,
            command.wanted,
            account,
            unit.position(order.account_id, order.symbol),
            market,
            self._chance.ids_of(account),
            self._guard(command, permissions, unit, now, order),
            others,
            book_of(account.id, unit, self._feed, now),
        )
        if isinstance(decision, Rejection):
            return Refusal(reason=decision.reason, message=decision.message)
        if decision is None:
            return Replaced(order)
        shown = unit.keep(decision)
        self._feed.look_at_margin(account.id, unit, now)
        return Replaced(decision.orders[order.id], shown.get(order.id))

    def cancel(
        self, command: CancelOrder, permissions: Permissions, unit: UnitOfWork, now: Micros
    ) -> Cancelled | Refusal:
        """Cancel a live order; for an order that is already cancelled, return it as it is."""
        order = unit.order(command.account_id, command.order_id)
        if order is None or not permissions.allow(order):
            return ORDER_NOT_FOUND
        if order.status is OrderStatus.CANCELLED:
            return Cancelled((order,))
        if not order.status.is_live:
            return _refuse_ended(order, "cancelled")
        if order.placed_by is PlacedBy.VENUE:
            return _refuse_venues("cancelled")
        return Cancelled((end(order, unit, now, StatusReason.REQUESTED),))

    def cancel_all(
        self, command: CancelAllOrders, permissions: Permissions, unit: UnitOfWork, now: Micros
    ) -> Cancelled:
        """Cancel the live orders of an account, or of one symbol, that the key may cancel.

        Those of the venue stay.
        """
        live = unit.live_orders(command.account_id, command.symbol)
        allowed = [
            order
            for order in live
            if permissions.allow(order) and order.placed_by is not PlacedBy.VENUE
        ]
        ended = end_all(allowed, unit, now, StatusReason.REQUESTED)
        return Cancelled(ended, skipped=len(live) - len(allowed))

    def _guard(
        self,
        asks: OrderTicket | ReplaceOrder,
        permissions: Permissions,
        unit: UnitOfWork,
        now: Micros,
        replaced: Order | None = None,
    ) -> Guard:
        """Return the limits that an order must keep; the exposure leaves `replaced` out."""
        limit = permissions.order_notional_max
        rails = unit.account(asks.account_id).guard_rails
        if not rails.need_exposure:
            return UNGUARDED if limit is None else Guard(order_notional_max=limit)
        symbol = asks.symbol if isinstance(asks, OrderTicket) else None
        if replaced is not None:
            symbol = replaced.symbol
        if symbol is None:
            raise BrokenInvariant("a replacement needs the order that it replaces")
        return Guard(
            order_notional_max=limit,
            exposure=self._exposure(asks.account_id, symbol, unit, now, replaced),
        )

    def _exposure(
        self, account_id: str, symbol: str, unit: UnitOfWork, now: Micros, replaced: Order | None
    ) -> Exposure:
        account = unit.account(account_id)
        valued = self._feed.valued(unit.positions(account_id))
        held = sum(item.market_value for item in valued if item.position.symbol == symbol)
        ordered = sum(
            order.reserved
            for order in unit.live_orders(account_id, symbol)
            if order.side is Side.BUY and (replaced is None or order.id != replaced.id)
        )
        before = unit.equity_before(account, now // DAY * DAY)
        return Exposure(
            equity=total_equity(account.balance, valued),
            equity_at_day_start=account.deposits if before is None else before,
            at_stake=held + ordered,
        )


def end(order: Order, unit: UnitOfWork, now: Micros, reason: StatusReason) -> Order:
    """Cancel an order if it is still live; if its time is over, it expires instead.

    `order` may be out of date: the unit's current state of it decides.
    """
    current = unit.order(order.account_id, order.id)
    if current is None:
        raise BrokenInvariant(f"order {order.id} was read and is not stored")
    if not current.status.is_live:
        return current
    order = current
    account = unit.account(order.account_id)
    position = unit.position(order.account_id, order.symbol)
    others = others_of(order, unit)
    if is_overdue(order, now):
        decision = expire(order, account, position, now, others)
    else:
        decision = cancel(order, account, position, now, reason, others)
    unit.keep(decision)
    return decision.orders[order.id]


def end_all(
    live: Sequence[Order], unit: UnitOfWork, now: Micros, reason: StatusReason
) -> tuple[Order, ...]:
    """End live orders in turn, and return them in their final state."""
    unit.preload([(order.account_id, order.symbol) for order in live])
    return tuple(end(order, unit, now, reason) for order in live)


def replay(earlier: Order, fingerprint: str, warnings: tuple[str, ...] = ()) -> Placed | Refusal:
    """Answer a repeated client order id: with the earlier order if the request is the same."""
    if earlier.fingerprint == fingerprint:
        return Placed(earlier, replayed=True, warnings=warnings)
    return Refusal(
        reason=Reason.CLIENT_ORDER_ID_REUSED,
        message="`client_order_id` already names a different order: send a new one.",
    )


def refuse_fenced(instrument: Instrument) -> Refusal:
    """Refuse to trade an instrument that the bot key is not for."""
    return Refusal(
        reason=Reason.INSTRUMENT_NOT_ALLOWED,
        message=f"This bot key may not trade {instrument.symbol}: its owner made it for other"
        " instruments.",
    )


def _refuse_expired(instrument: Instrument) -> Refusal:
    if instrument.option is None:
        raise BrokenInvariant("only options expire")
    message = f"{instrument.symbol} expired on {instrument.option.expiry}: choose a later one."
    return refuse_fields([Violation("symbol", Reason.INSTRUMENT_EXPIRED, message)])


def _wrong_values(order: Order, wanted: Replacement, instrument: Instrument) -> Refusal | None:
    wrong: list[Violation | None] = []
    if wanted.quantity is not None:
        wrong.append(instrument.off_step(wanted.quantity))
        if order.is_exit and wanted.quantity != order.quantity:
            message = "`quantity` of an exit follows its entry: leave it out."
            wrong.append(Violation("quantity", Reason.FIELD_INVALID, message))
    rules = RULES[order.order_type]
    for name, price_field in PRICE_FIELDS.items():
        price: Price | None = getattr(wanted, name)
        if price is None:
            continue
        if name not in rules.prices:
            kind = order.order_type.value
            message = f"`{name}` is not used by {kind} orders: leave it out."
            wrong.append(Violation(name, price_field.not_allowed, message))
            continue
        wrong.append(instrument.off_tick(name, price))
        is_fixed = order.triggered_at is not None and name in rules.fixed_by_trigger
        if is_fixed and price != getattr(order, name):
            message = f"`{name}` cannot change once the order is triggered: leave it out."
            wrong.append(Violation(name, price_field.not_allowed, message))
    if wanted.trail_amount is not None or wanted.trail_percent is not None:
        wrong.append(_wrong_trail(order, wanted, instrument))
    found = [violation for violation in wrong if violation is not None]
    return refuse_fields(found) if found else None


def _wrong_trail(order: Order, wanted: Replacement, instrument: Instrument) -> Violation | None:
    name = "trail_percent" if wanted.trail_amount is None else "trail_amount"
    if not RULES[order.order_type].trails:
        message = f"`{name}` is not used by {order.order_type.value} orders: leave it out."
        return Violation(name, Reason.TRAIL_NOT_ALLOWED, message)
    if order.triggered_at is not None:
        message = f"`{name}` cannot change once the order is triggered: leave it out."
        return Violation(name, Reason.TRAIL_NOT_ALLOWED, message)
    if wanted.trail_amount is None:
        return None
    return instrument.off_tick(name, wanted.trail_amount)


def _not_live(order: Order, verb: str, now: Micros) -> Refusal | None:
    if not order.status.is_live:
        return _refuse_ended(order, verb)
    if order.placed_by is PlacedBy.VENUE:
        return _refuse_venues(verb)
    if is_overdue(order, now):
        return Refusal(
            reason=Reason.ORDER_NOT_LIVE,
            message=f"The order has expired: it can no longer be {verb}.",
        )
    return None


def _refuse_venues(verb: str) -> Refusal:
    return Refusal(
        reason=Reason.ORDER_NOT_LIVE,
        message=f"The venue placed the order because of a margin call: it cannot be {verb}.",
    )


def _refuse_ended(order: Order, verb: str) -> Refusal:
    return Refusal(
        reason=Reason.ORDER_NOT_LIVE,
        message=f"The order is {order.status.value}: it can no longer be {verb}.",
    )
