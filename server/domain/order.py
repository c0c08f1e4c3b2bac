"""Orders: their values, and the table of their status transitions."""

from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from server.domain.errors import Reason
from server.domain.instrument import MARGINABLE, AssetType
from server.domain.invariants import BrokenInvariant
from server.domain.values import (
    NOTHING,
    KeyEnum,
    Micros,
    Money,
    Price,
    Quantity,
    Units,
    divide_half_even,
)


class Side(KeyEnum):
    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(KeyEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


class TimeInForce(KeyEnum):
    GTC = "GTC"
    DAY = "DAY"
    IOC = "IOC"
    FOK = "FOK"

    @property
    def rests(self) -> bool:
        """Tell whether an order may wait for later quotes."""
        return self in (TimeInForce.GTC, TimeInForce.DAY)


class OrderClass(KeyEnum):
    """Whether an order stands alone, or which group it opens together with others."""

    SIMPLE = "SIMPLE"
    BRACKET = "BRACKET"
    OCO = "OCO"
    OTO = "OTO"


class Leg(KeyEnum):
    """What an order does in its group; the take-profit and the stop-loss are its exits."""

    ENTRY = "ENTRY"
    TAKE_PROFIT = "TAKE_PROFIT"
    STOP_LOSS = "STOP_LOSS"


class OrderStatus(KeyEnum):
    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"

    @property
    def is_live(self) -> bool:
        """Tell whether an order with this status can still change."""
        return self in LIVE_STATUSES


LIVE_STATUSES = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)


class StatusReason(Enum):
    """Why an order is CANCELLED."""

    REQUESTED = "REQUESTED"
    IOC_REMAINDER = "IOC_REMAINDER"
    EXPIRED_DAY = "EXPIRED_DAY"
    EXPIRED_GTC = "EXPIRED_GTC"
    INSUFFICIENT_BUYING_POWER = "INSUFFICIENT_BUYING_POWER"
    TRADING_HALTED = "TRADING_HALTED"
    INSTRUMENT_EXPIRED = "INSTRUMENT_EXPIRED"
    ACCOUNT_RESET = "ACCOUNT_RESET"
    POSITION_CLOSED = "POSITION_CLOSED"
    EXIT_FILLED = "EXIT_FILLED"
    SIBLING_FILLED = "SIBLING_FILLED"
    ENTRY_ENDED = "ENTRY_ENDED"
    MARGIN_CALL = "MARGIN_CALL"
    MARGIN_RESTORED = "MARGIN_RESTORED"


class OrderUpdateType(KeyEnum):
    """What happened to an order."""

    ACCEPTED = "ACCEPTED"
    TRIGGERED = "TRIGGERED"
    FILLED = "FILLED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    REPLACED = "REPLACED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    RELEASED = "RELEASED"


class Transitions(dict[tuple[OrderStatus | None, OrderUpdateType], OrderStatus]):
    """The status after each update; a look-up of any other combination is a bug."""

    def __missing__(self, key: tuple[OrderStatus | None, OrderUpdateType]) -> NoReturn:
        status, update = key
        raise BrokenInvariant(f"an order that is {status} cannot be {update}")


TRANSITIONS = Transitions(
    {
        (None, OrderUpdateType.ACCEPTED): OrderStatus.OPEN,
        (None, OrderUpdateType.REJECTED): OrderStatus.REJECTED,
        # No order fills before its trigger, so only an OPEN order can be triggered.
        (OrderStatus.OPEN, OrderUpdateType.TRIGGERED): OrderStatus.OPEN,
        (OrderStatus.OPEN, OrderUpdateType.REPLACED): OrderStatus.OPEN,
        (OrderStatus.OPEN, OrderUpdateType.RELEASED): OrderStatus.OPEN,
        (OrderStatus.OPEN, OrderUpdateType.PARTIALLY_FILLED): OrderStatus.PARTIALLY_FILLED,
        (OrderStatus.OPEN, OrderUpdateType.FILLED): OrderStatus.FILLED,
        (OrderStatus.OPEN, OrderUpdateType.CANCELLED): OrderStatus.CANCELLED,
        (OrderStatus.PARTIALLY_FILLED, OrderUpdateType.REPLACED): OrderStatus.PARTIALLY_FILLED,
        (
            OrderStatus.PARTIALLY_FILLED,
            OrderUpdateType.PARTIALLY_FILLED,
        ): OrderStatus.PARTIALLY_FILLED,
        (OrderStatus.PARTIALLY_FILLED, OrderUpdateType.FILLED): OrderStatus.FILLED,
        (OrderStatus.PARTIALLY_FILLED, OrderUpdateType.CANCELLED): OrderStatus.CANCELLED,
    }
)


A_PERSON = ""
"""The `bot_key_id` of orders and fills that a person asked for, without a bot key."""

THE_VENUE = "VENUE"
"""The `bot_key_id` of orders and fills of margin calls; callers see an empty one."""


class PlacedBy(KeyEnum):
    """Who placed an order."""

    BOT = "BOT"
    PERSON = "PERSON"
    VENUE = "VENUE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitTicket:
    """An exit of a group as the caller asks for it: it closes what the entry opens."""

    leg: Leg
    order_type: OrderType
    limit_price: Price | None
    stop_price: Price | None
    time_in_force: TimeInForce = TimeInForce.GTC
    client_order_id: str | None = None
    trail_amount: Price | None = None
    trail_percent: Units | None = None

    @property
    def fingerprint(self) -> str:
        """Return a text that is equal for equal exits."""
        stop: str | Price | None = self.stop_price
        if self.trail_amount is not None or self.trail_percent is not None:
            stop = f"trails {self.trail_amount} {self.trail_percent}"
        told = f"{self.leg.value} {self.limit_price} {stop} {self.time_in_force.value}"
        # Quoted, because an id can contain spaces.
        return told if self.client_order_id is None else f"{told} {self.client_order_id!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTicket:
    """An order as the caller asks for it; its fields are already checked.

    `exits` are the further orders of a group. An OCO is asked for as its take-profit, with the
    stop-loss as the only further order. `asked` is set if the values follow from another request,
    such as to close a position: it is the fingerprint of that request. With a `notional`,
    `quantity` is zero until the market decides it. A `reduce_only` order closes a position.
    """

    account_id: str
    bot_key_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Quantity
    limit_price: Price | None
    stop_price: Price | None
    time_in_force: TimeInForce
    client_order_id: str | None
    notional: Money | None = None
    trail_amount: Price | None = None
    trail_percent: Units | None = None
    asked: str | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    exits: tuple[ExitTicket, ...] = ()
    reduce_only: bool = False

    @property
    def fingerprint(self) -> str:
        """Return a text that is equal for equal orders, however their decimals were written."""
        quantity = self.quantity if self.notional is None else f"for {self.notional}"
        stop: str | Price | None = self.stop_price
        if self.trail_amount is not None or self.trail_percent is not None:
            stop = f"trails {self.trail_amount} {self.trail_percent}"
        told = self.asked or (
            f"{self.symbol} {self.side.value} {self.order_type.value} {quantity}"
            f" {self.limit_price} {stop} {self.time_in_force.value}"
        )
        if not self.exits:
            return told
        return " ".join((told, self.order_class.value, *(it.fingerprint for it in self.exits)))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRole:
    """The place of an order in its group.

    The parent is the first order of the group: the entry, or the take-profit of an OCO. It names
    the others in `leg_order_ids`; each of them names it in `parent_order_id`. An exit `is_held`
    until its entry fills for the first time: no quote reaches it, and it holds back nothing.
    """

    order_class: OrderClass
    leg: Leg
    parent_order_id: str | None = None
    leg_order_ids: tuple[str, ...] = ()
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeStart:
    """What an order had filled and paid when its fee's minimum and cap began to count."""

    quantity: Units = 0
    notional: int = 0
    fees: Units = 0


FROM_THE_FIRST_FILL = FeeStart()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order and its current state.

    `sequence` is the number of its first event in the account's log. `filled_notional` is
    the exact sum of quantity × price of its fills, in units of 10⁻¹⁶. `reserved` is the money
    that a live BUY holds back; a live SELL holds back `leaves_quantity` of the position. A held
    exit holds back nothing, and two exits hold back their quantity once. `triggered_at` is when the
    stop price was reached; it never changes again. `notional` is what the order was placed for, in
    whole cents, unless it was placed for a quantity. `role` is None for an order that stands alone.
    The `stop_price` of a TRAILING_STOP follows from `watermark`, the best bid (SELL) or ask (BUY)
    of open sessions since the order was accepted, and one of `trail_amount` and `trail_percent`
    (100 is all of it). A held order has no watermark. `closed_quantity` is how much of
    `filled_quantity` reduced a position. An order that is `reduce_only` never takes a position
    through zero; neither does an exit.
    """

    id: str
    account_id: str
    sequence: int
    bot_key_id: str
    client_order_id: str | None
    fingerprint: str
    symbol: str
    asset_type: AssetType
    side: Side
    order_type: OrderType
    quantity: Quantity
    limit_price: Price | None
    stop_price: Price | None
    time_in_force: TimeInForce
    status: OrderStatus
    created_at: Micros
    updated_at: Micros
    expires_at: Micros | None
    status_reason: StatusReason | None = None
    rejection_reason: Reason | None = None
    rejection_message: str | None = None
    filled_quantity: Quantity = NOTHING
    filled_notional: int = 0
    fees: Units = 0
    reserved: Units = 0
    realized_pnl: Units = 0
    triggered_at: Micros | None = None
    fee_start: FeeStart = FROM_THE_FIRST_FILL
    notional: Units | None = None
    trail_amount: Price | None = None
    trail_percent: Units | None = None
    watermark: Price | None = None
    role: GroupRole | None = None
    closed_quantity: Quantity = NOTHING
    reduce_only: bool = False

    @property
    def placed_by(self) -> PlacedBy:
        """Return who placed the order."""
        return PLACERS.get(self.bot_key_id, PlacedBy.BOT)

    @property
    def is_marginable(self) -> bool:
        """Tell whether a MARGIN account buys and sells the instrument on margin."""
        return self.asset_type in MARGINABLE

    @property
    def reduces_only(self) -> bool:
        """Tell whether the order may only reduce a position."""
        return self.reduce_only or (self.role is not None and self.role.leg is not Leg.ENTRY)

    @property
    def is_held(self) -> bool:
        """Tell whether the order waits for its entry, so that no quote reaches it."""
        return self.role is not None and self.role.is_held

    @property
    def is_exit(self) -> bool:
        """Tell whether the order is an exit of a group."""
        return self.role is not None and self.role.leg is not Leg.ENTRY

    @property
    def opened_quantity(self) -> Quantity:
        """Return how much of what the order filled did not reduce a position."""
        return Quantity(self.filled_quantity - self.closed_quantity)

    @property
    def leaves_quantity(self) -> Quantity:
        """Return the quantity that is not filled."""
        return Quantity(self.quantity - self.filled_quantity)

    @property
    def average_price(self) -> Price | None:
        """Return the mean fill price weighted by quantity; None before the first fill."""
        if not self.filled_quantity:
            return None
        return Price(divide_half_even(self.filled_notional, self.filled_quantity))


PLACERS = {A_PERSON: PlacedBy.PERSON, THE_VENUE: PlacedBy.VENUE}
"""Who placed an order, by its `bot_key_id`; a bot if it is not here."""
