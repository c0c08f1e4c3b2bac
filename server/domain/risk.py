"""Risk: the rules that reject an order, in order of precedence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from server.domain.account import NO_GUARD_RAILS, Account, Position, TradingState
from server.domain.costs import cost_to_fill
from server.domain.errors import Reason
from server.domain.invariants import BrokenInvariant
from server.domain.margin import MarginBook, closable_quantity, goes_towards_zero
from server.domain.margin_risk import needed, share_at_stake
from server.domain.market import Market
from server.domain.matching import match
from server.domain.order import THE_VENUE, Order, Side, TimeInForce
from server.domain.order_types import phase, with_margin
from server.domain.values import AMOUNT_LIMIT, SCALE, Price, Units, format_money, format_units

LIVE_ORDERS_LIMIT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The equity of an account and its exposure in one symbol, in US dollars.

    `at_stake` is the position at its mark price plus what live BUY orders of the symbol hold back.
    """

    equity: Units
    equity_at_day_start: Units
    at_stake: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What the limits on an order need besides the account.

    `order_notional_max` is the limit of the bot key. `exposure` is set when the account's guard
    rails need it.
    """

    order_notional_max: Units | None = None
    exposure: Exposure | None = None


UNGUARDED = Guard()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that decides whether an order is accepted.

    `account` and `position` hold back nothing for the order itself. `worst_price` is the price to
    calculate with; None while no price is known. `worst_cost` is what a BUY order costs at that
    price, including its fee. `orders` is the size of the order's group. An order `is_covered` if
    it is an exit that sells only what is reserved for its group, or what its entry will buy.
    `book` is the margin book of a MARGIN account, with `position` in it.
    """

    account: Account
    position: Position
    order: Order
    market: Market
    guard: Guard = UNGUARDED
    orders: int = 1
    is_covered: bool = False
    book: MarginBook | None = None
    worst_price: Price | None = field(init=False)
    worst_cost: Units = field(init=False)

    @property
    def on_margin(self) -> bool:
        """Tell whether the order needs a margin only and may open a short position."""
        return self.account.uses_margin and self.order.is_marginable

    @property
    def reduces(self) -> bool:
        """Tell whether the order can only bring the position towards zero.

        The exits of a new OCO can not if they let another live order open the opposite position.
        """
        if not self.on_margin:
            return self.order.side is Side.SELL
        is_new_oco = self.orders > 1 and not self.is_covered
        is_reducer = self.order.reduces_only and not is_new_oco
        return is_reducer or goes_towards_zero(self.order, self.position)

    @property
    def free_money(self) -> Units:
        """Return the buying power, or the free equity of a MARGIN account."""
        if not self.account.uses_margin:
            return self.account.buying_power
        return self.margin_book.free(self.account)

    @property
    def margin_book(self) -> MarginBook:
        """Return the margin book of a MARGIN account."""
        if self.book is None:
            raise BrokenInvariant(f"account {self.account.id}: its margin book is missing")
        return self.book

    def __post_init__(self) -> None:
        # Computed once, because four of the rules need both.
        order, market, cost = self.order, self.market, 0
        price = phase(order).worst_price(order, market)
        if price is not None and order.side is Side.BUY:
            leaves = order.leaves_quantity
            cost = cost_to_fill(order, leaves, price, market.instrument, market.costs)
        object.__setattr__(self, "worst_price", price)
        object.__setattr__(self, "worst_cost", cost)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an order is rejected, and a sentence that says what to change."""

    reason: Reason
    message: str


def rejections(situation: Situation) -> Iterator[Rejection]:
    """Yield the rejection of every rule that is broken, in order of precedence.

    The venue's own orders keep no rule.
    """
    order, guard = situation.order, situation.guard
    if order.bot_key_id == THE_VENUE:
        return
    is_limited = guard != UNGUARDED or situation.account.guard_rails != NO_GUARD_RAILS
    for rule in _RULES_FOR[situation.on_margin, order.side, order.time_in_force, is_limited]:
        message = rule.check(situation)
        if message is not None:
            yield Rejection(rule.reason, message)


def _halted(it: Situation) -> str | None:
    state = it.account.trading_state
    if state is TradingState.HALTED:
        return "Trading on the account is HALTED: its owner can set it ACTIVE again."
    if state is TradingState.REDUCING and not it.reduces:
        return (
            "The account is REDUCING and takes only orders that reduce a position: its owner can"
            " set it ACTIVE again."
        )
    return None


def _daily_loss_reached(it: Situation) -> str | None:
    limit, exposure = it.account.guard_rails.daily_loss_max, it.guard.exposure
    if limit is None or it.reduces:
        return None
    if exposure is None:
        raise BrokenInvariant("the guard rails need the exposure")
    loss = exposure.equity_at_day_start - exposure.equity
    if loss < limit:
        return None
    passes = "orders that reduce a position" if it.account.uses_margin else "SELL orders"
    return (
        f"The account lost {format_money(loss)} USD since 00:00 UTC and its limit is"
        f" {format_money(limit)} USD: until the next 00:00 UTC it accepts only {passes}."
    )


def _too_many_open_orders(it: Situation) -> str | None:
    if it.account.live_orders + it.orders <= LIVE_ORDERS_LIMIT:
        return None
    if it.orders > 1:
        return (
            f"The account has {it.account.live_orders} live orders and the limit is"
            f" {LIVE_ORDERS_LIMIT}: cancel some before you send {it.orders} more."
        )
    return (
        f"The account has {LIVE_ORDERS_LIMIT} live orders, which is the limit: cancel some first."
    )


def _too_large(it: Situation) -> str | None:
    price = it.worst_price
    if price is None:
        return None
    order, cost = it.order, it.worst_cost
    if order.side is Side.BUY and phase(order).takes_any_price:
        price = with_margin(price)
        leaves = order.leaves_quantity
        cost = cost_to_fill(order, leaves, price, it.market.instrument, it.market.costs)
    if max(_notional(it, price), cost) < AMOUNT_LIMIT:
        return None
    return f"The order's value must be less than {AMOUNT_LIMIT // SCALE} USD: lower the quantity."


def _order_notional_exceeded(it: Situation) -> str | None:
    limits = (it.account.guard_rails.order_notional_max, it.guard.order_notional_max)
    limit = min((limit for limit in limits if limit is not None), default=None)
    price = it.worst_price
    if limit is None or price is None or _notional(it, price) <= limit:
        return None
    return (
        f"The order's value is {format_money(_whole_cents(_notional(it, price)))} USD and the"
        f" largest allowed is {format_money(limit)} USD: lower the quantity."
    )


def _position_share_exceeded(it: Situation) -> str | None:
    limit, exposure = it.account.guard_rails.position_share_max, it.guard.exposure
    price = it.worst_price
    if limit is None or price is None or it.reduces:
        return None
    if exposure is None:
        raise BrokenInvariant("the guard rails need the exposure")
    if it.on_margin:
        at_stake = share_at_stake(it.order, it.position, it.margin_book, price)
    else:
        # The filled part of a replaced order is already at stake: it is part of the position.
        rest = price * it.order.leaves_quantity * it.market.instrument.multiplier // SCALE
        at_stake = exposure.at_stake + rest
    if at_stake * 100 * SCALE <= exposure.equity * limit:
        return None
    return (
        f"With this order {it.order.symbol} would be more than {format_units(limit)} % of the"
        " account's equity: lower the quantity."
    )


def _insufficient_buying_power(it: Situation) -> str | None:
    if it.on_margin:
        return _insufficient_margin(it)
    free = it.free_money
    if it.worst_cost <= free:
        return None
    whose = "free equity" if it.account.uses_margin else "buying power"
    return (
        f"The order may cost {format_money(it.worst_cost)} USD and the {whose} is"
        f" {format_money(free)} USD: lower the quantity."
    )


def _insufficient_margin(it: Situation) -> str | None:
    if it.is_covered or goes_towards_zero(it.order, it.position):
        return None
    need = needed(it.order, it.account, it.position, it.market, it.margin_book, it.worst_price)
    free = it.free_money
    if need <= free:
        return None
    return (
        f"The order needs {format_money(need)} USD for margin, slippage and fee, and the free"
        f" equity is {format_money(free)} USD: lower the quantity."
    )


def _insufficient_position(it: Situation) -> str | None:
    leaves, free = it.order.leaves_quantity, it.position.free_quantity
    if it.on_margin:
        # Any other order may open a position.
        free = closable_quantity(it.position, it.order.side) if it.order.reduces_only else leaves
    if leaves <= free or it.is_covered:
        return None
    verb, done = ("sells", "sold") if it.order.side is Side.SELL else ("buys", "bought")
    return (
        f"The order {verb} {format_units(leaves)} {it.order.symbol} and {format_units(free)} can be"
        f" {done}: lower the quantity."
    )


def _market_closed(it: Situation) -> str | None:
    if it.market.is_open:
        return None
    return f"The market of {it.order.symbol} is closed: send GTC or DAY to wait until it opens."


def _no_quote(it: Situation) -> str | None:
    order = it.order
    # A held exit needs none: it acts once its entry has found one.
    if (
        it.market.quote is not None
        or order.is_held
        or (order.time_in_force.rests and not phase(order).takes_any_price)
    ):
        return None
    if it.market.is_open or not order.time_in_force.rests:
        return (
            f"{order.symbol} has no fresh quote: send a LIMIT order with GTC or DAY, or try later."
        )
    if not order.quantity:
        return f"{order.symbol} has no quote to find the quantity with: send `quantity` instead."
    if it.on_margin and not it.margin_book.stakes[order.symbol].mark:
        return f"{order.symbol} has no quote to find its margin with: send a LIMIT order instead."
    if _limits_notional(it):
        # The order would fill at any price at the opening, but limits are checked on arrival only.
        return f"{order.symbol} has no quote to check limits with: send a LIMIT order instead."
    return None


def _limits_notional(it: Situation) -> bool:
    rails = it.account.guard_rails
    buys_share = not it.reduces and rails.position_share_max is not None
    largest = (rails.order_notional_max, it.guard.order_notional_max)
    return buys_share or any(limit is not None for limit in largest)


def _not_fillable(it: Situation) -> str | None:
    if it.market.quote is None:
        return None
    # `match` needs a position to sell from; an earlier rule already rejects a SELL without one.
    holds = it.order.side is Side.BUY or it.on_margin or it.position.quantity > 0
    found = holds and match(
        it.order, it.account, it.position, it.market, it.market.quote, takes=True
    )
    if found and found.quantity == it.order.quantity:
        return None
    return "The quote does not fill the whole quantity now: lower it, or send GTC or DAY to wait."


def _notional(it: Situation, price: Price) -> Units:
    """Return the value of the filled part plus that of the rest at a price."""
    notional = it.order.filled_notional + price * it.order.leaves_quantity
    return notional * it.market.instrument.multiplier // SCALE


def _whole_cents(amount: Units) -> Units:
    return amount - amount % (SCALE // 100)


_RESTING = tuple(each for each in TimeInForce if each.rests)
_AT_ONCE = tuple(each for each in TimeInForce if not each.rests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A reason to reject an order, and the orders that it can reject.

    `check` returns what to change, or None when the order passes. On margin, a rule is for orders
    of both sides. `needs_limits` is true for a rule about limits that the owner sets on the account
    or its bot key.
    """

    reason: Reason
    check: Callable[[Situation], str | None]
    sides: tuple[Side, ...] = tuple(Side)
    times_in_force: tuple[TimeInForce, ...] = tuple(TimeInForce)
    needs_limits: bool = False


RULES: tuple[Rule, ...] = (
    Rule(reason=Reason.TRADING_HALTED, check=_halted),
    Rule(
        reason=Reason.DAILY_LOSS_REACHED,
        check=_daily_loss_reached,
        sides=(Side.BUY,),
        needs_limits=True,
    ),
    Rule(
        reason=Reason.TOO_MANY_OPEN_ORDERS,
        check=_too_many_open_orders,
        times_in_force=_RESTING,
    ),
    Rule(reason=Reason.ORDER_TOO_LARGE, check=_too_large),
    Rule(reason=Reason.ORDER_NOTIONAL_EXCEEDED, check=_order_notional_exceeded, needs_limits=True),
    Rule(
        reason=Reason.POSITION_SHARE_EXCEEDED,
        check=_position_share_exceeded,
        sides=(Side.BUY,),
        needs_limits=True,
    ),
    Rule(
        reason=Reason.INSUFFICIENT_BUYING_POWER,
        check=_insufficient_buying_power,
        sides=(Side.BUY,),
    ),
    Rule(reason=Reason.INSUFFICIENT_POSITION, check=_insufficient_position, sides=(Side.SELL,)),
    Rule(reason=Reason.MARKET_CLOSED, check=_market_closed, times_in_force=_AT_ONCE),
    Rule(reason=Reason.NO_QUOTE, check=_no_quote),
    Rule(reason=Reason.FOK_NOT_FILLABLE, check=_not_fillable, times_in_force=(TimeInForce.FOK,)),
)
"""In order of precedence: rules about money come before rules about liquidity."""

_RULES_FOR = {
    (on_margin, side, time_in_force, is_limited): tuple(
        rule
        for rule in RULES
        if (on_margin or side in rule.sides)
        and time_in_force in rule.times_in_force
        and (is_limited or not rule.needs_limits)
    )
    for on_margin in (False, True)
    for side in Side
    for time_in_force in TimeInForce
    for is_limited in (False, True)
}
