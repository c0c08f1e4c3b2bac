"""Events: what an account's log holds, each with its place in a sequence without gap."""

from dataclasses import dataclass
from enum import Enum

from server.domain.account import TradingState
from server.domain.instrument import AssetType
from server.domain.order import Order, OrderUpdateType, Side
from server.domain.values import Micros, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `amount` is the money that moved without `fee`, both in whole cents.

    `rounding` is what rounding the amount to cents took, with 8 decimals: part of the fill's
    fees. It is below 0 when an earlier fill of the order paid for it, and None for fills that
    were booked without it. `realized_pnl` is set for a SELL, with 8 decimals: its amount less
    its share of cost basis and buy fees and its own fee.
    """

    id: str
    account_id: str
    sequence: int
    order_id: str
    bot_key_id: str
    symbol: str
    asset_type: AssetType
    side: Side
    quantity: Units
    price: Units
    amount: Units
    fee: Units
    rounding: Units | None
    realized_pnl: Units | None
    created_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdated:
    """A change of an order, with the order as it was right after it."""

    account_id: str
    sequence: int
    time: Micros
    type: OrderUpdateType
    order: Order
    fill: Fill | None = None


class AccountUpdateType(Enum):
    """What happened to an account."""

    OPENED = "OPENED"
    DEPOSIT = "DEPOSIT"
    RESET = "RESET"
    TRADING_STATE = "TRADING_STATE"
    SETTLED = "SETTLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An expired option that became money: `amount` in whole cents for `quantity` at `price`.

    `realized_pnl` is the amount less cost basis and buy fees of the position, with 8 decimals.
    """

    symbol: str
    quantity: Units
    price: Units
    amount: Units
    realized_pnl: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdated:
    """A change of an account, with its money and trading state right after it.

    `amount` is money that came in from outside, for RESET all that there is from then on; None
    when none did.
    """

    account_id: str
    sequence: int
    time: Micros
    type: AccountUpdateType
    balance: Units
    trading_state: TradingState
    amount: Units | None = None
    settlement: Settlement | None = None


Event = OrderUpdated | AccountUpdated
