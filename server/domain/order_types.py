"""Order types: what orders of each type need, watch, reserve and fill at, in one table.

Each type has an active phase, in which its orders fill. It may have a waiting phase before, which
ends for good when the trigger is reached. To add a type, add a row to RULES, and a phase if no
existing one fits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from server.domain.errors import Reason
from server.domain.invariants import BrokenInvariant
from server.domain.market import Market
from server.domain.order import Order, OrderType, Side
from server.domain.quote import Quote
from server.domain.trailing import moved, trails, watched_price
from server.domain.values import Price, divide_up

MARGIN_PERCENT = 105
"""An order without a limit reserves this percentage of the ask, because the price may move."""

ANY_ASK = Price(2**62)
ANY_BID = Price(0)
"""The prices that a live order without a limit watches: every quote reaches it."""


class Watch(Enum):
    """Which price of a quote a live order waits for, and in which direction it must move."""

    ASK_FALLS = "ASK_FALLS"
    ASK_RISES = "ASK_RISES"
    BID_FALLS = "BID_FALLS"
    BID_RISES = "BID_RISES"


class Phase(Protocol):
    """The behaviour of a live order during one phase."""

    @property
    def takes_any_price(self) -> bool:
        """Tell whether the order has no price of its own, so that only a quote gives its cost."""

    def watch(self, order: Order) -> tuple[Watch, Price]:
        """Return the movement and the price that a live order waits for.

        ASK_FALLS is reached by an ask at or below the price, ASK_RISES by an ask at or above it.
        The same holds for the bid.
        """

    def reservation_price(self, order: Order, quote: Quote | None) -> Price | None:
        """Return the price at which a BUY holds back money; None while no price is known."""

    def worst_price(self, order: Order, market: Market) -> Price | None:
        """Return the price that the risk rules calculate with; None while no price is known."""


class Active(Phase, Protocol):
    """The behaviour of an order once it can fill."""

    def limit(self, order: Order) -> Price | None:
        """Return the worst price that a fill may have; None for any price."""


class Waiting(Phase, Protocol):
    """The behaviour of an order while it waits for its trigger."""

    def is_reached(self, order: Order, quote: Quote) -> bool:
        """Tell whether a quote triggers the order."""


class _AtAnyPrice:
    takes_any_price = True

    def watch(self, order: Order) -> tuple[Watch, Price]:
        if order.side is Side.BUY:
            return Watch.ASK_FALLS, ANY_ASK
        return Watch.BID_RISES, ANY_BID

    def limit(self, order: Order) -> Price | None:
        return None

    def reservation_price(self, order: Order, quote: Quote | None) -> Price | None:
        return None if quote is None else with_margin(quote.ask)

    def worst_price(self, order: Order, market: Market) -> Price | None:
        if market.quote is None:
            return None
        price = market.quote.ask if order.side is Side.BUY else market.quote.bid
        return market.costs.slippage.worst_price(market.instrument, order.side, price)


class _AtLimit:
    takes_any_price = False

    def watch(self, order: Order) -> tuple[Watch, Price]:
        movement = Watch.ASK_FALLS if order.side is Side.BUY else Watch.BID_RISES
        return movement, _limit_price(order)

    def limit(self, order: Order) -> Price | None:
        return _limit_price(order)

    def reservation_price(self, order: Order, quote: Quote | None) -> Price | None:
        return _limit_price(order)

    def worst_price(self, order: Order, market: Market) -> Price | None:
        if order.side is Side.BUY or market.quote is None:
            return _limit_price(order)
        # A SELL fills at the bid, however low its limit is.
        return max(_limit_price(order), market.quote.bid)


class _UntilStop:
    takes_any_price = False

    def watch(self, order: Order) -> tuple[Watch, Price]:
        movement = Watch.ASK_RISES if order.side is Side.BUY else Watch.BID_FALLS
        return movement, _stop_price(order)

    def is_reached(self, order: Order, quote: Quote) -> bool:
        if order.side is Side.BUY:
            return quote.ask >= _stop_price(order)
        return quote.bid <= _stop_price(order)

    def reservation_price(self, order: Order, quote: Quote | None) -> Price | None:
        ask = 0 if quote is None else quote.ask
        return with_margin(Price(max(_stop_price(order), ask)))

    def worst_price(self, order: Order, market: Market) -> Price | None:
        if order.side is Side.SELL:
            return _stop_price(order)
        return self.reservation_price(order, market.quote)


class _UntilStopOfLimit(_UntilStop):
    def reservation_price(self, order: Order, quote: Quote | None) -> Price | None:
        return _limit_price(order)

    def worst_price(self, order: Order, market: Market) -> Price | None:
        if order.side is Side.BUY:
            return _limit_price(order)
        # A SELL fills at about its stop price, however low its limit is.
        return max(_limit_price(order), _stop_price(order))


class _UntilTrail(_UntilStop):
    # The first quote decides where the stop is, so the order needs one, as a MARKET order does.
    takes_any_price = True

    def watch(self, order: Order) -> tuple[Watch, Price]:
        if order.side is Side.BUY:
            return Watch.ASK_RISES, ANY_ASK if order.stop_price is None else order.stop_price
        return Watch.BID_FALLS, ANY_BID if order.stop_price is None else order.stop_price

    def is_reached(self, order: Order, quote: Quote) -> bool:
        return order.stop_price is not None and super().is_reached(order, quote)

    def reservation_price(self, order: Order, quote: Quote | None) -> Price | None:
        seen = order if quote is None else moved(order, watched_price(order.side, quote))
        if seen.stop_price is None:
            return None
        return super().reservation_price(seen, quote)

    def worst_price(self, order: Order, market: Market) -> Price | None:
        if order.side is Side.BUY:
            return self.reservation_price(order, market.quote)
        # A SELL fills at about its stop price; one that trails by more than the price has none.
        if market.quote is None:
            return order.stop_price
        return moved(order, market.quote.bid).stop_price or market.quote.bid


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRules:
    """The rules for orders of one type.

    `prices` names the prices that an order needs; it may have no others. A replacement may change
    the quantity and these prices. Prices in `fixed_by_trigger` may change before the trigger only.
    An order that `trails` needs one of `trail_amount` and `trail_percent`; other orders take none.
    """

    prices: tuple[str, ...] = ()
    trails: bool = False
    waiting: Waiting | None = None
    active: Active
    fixed_by_trigger: tuple[str, ...] = ()


RULES: Mapping[OrderType, OrderRules] = {
    OrderType.MARKET: OrderRules(active=_AtAnyPrice()),
    OrderType.LIMIT: OrderRules(prices=("limit_price",), active=_AtLimit()),
    OrderType.STOP: OrderRules(
        prices=("stop_price",),
        waiting=_UntilStop(),
        active=_AtAnyPrice(),
        fixed_by_trigger=("stop_price",),
    ),
    OrderType.STOP_LIMIT: OrderRules(
        prices=("limit_price", "stop_price"),
        waiting=_UntilStopOfLimit(),
        active=_AtLimit(),
        fixed_by_trigger=("stop_price",),
    ),
    OrderType.TRAILING_STOP: OrderRules(trails=True, waiting=_UntilTrail(), active=_AtAnyPrice()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceField:
    """The reasons to refuse a missing or an unused price; `used_by` is a type that uses it."""

    required: Reason
    not_allowed: Reason
    used_by: OrderType


PRICE_FIELDS: Mapping[str, PriceField] = {
    "limit_price": PriceField(
        required=Reason.LIMIT_PRICE_REQUIRED,
        not_allowed=Reason.LIMIT_PRICE_NOT_ALLOWED,
        used_by=OrderType.LIMIT,
    ),
    "stop_price": PriceField(
        required=Reason.STOP_PRICE_REQUIRED,
        not_allowed=Reason.STOP_PRICE_NOT_ALLOWED,
        used_by=OrderType.STOP,
    ),
}


def phase(order: Order) -> Phase:
    """Return the phase that an order is in."""
    rules = RULES[order.order_type]
    if rules.waiting is None or order.triggered_at is not None:
        return rules.active
    return rules.waiting


def watched(order: Order) -> tuple[Watch, Price] | None:
    """Return the movement and the price that an order waits for; None if no quote reaches it.

    None also for an order that trails: its price moves, and `Watermarks` knows what reaches it.
    """
    if not order.status.is_live or order.is_held or trails(order):
        return None
    return phase(order).watch(order)


def awaited(order: Order) -> Waiting | None:
    """Return the phase before the order's trigger; None when the order waits for none."""
    return RULES[order.order_type].waiting if order.triggered_at is None else None


def with_margin(price: Price) -> Price:
    """Return a price plus the margin for an order without a limit."""
    return Price(divide_up(price * MARGIN_PERCENT, 100))


def _limit_price(order: Order) -> Price:
    if order.limit_price is None:
        raise BrokenInvariant(f"{order.order_type.value} orders have a limit price")
    return order.limit_price


def _stop_price(order: Order) -> Price:
    if order.stop_price is None:
        raise BrokenInvariant(f"{order.order_type.value} orders have a stop price")
    return order.stop_price
