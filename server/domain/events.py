"""Events: what an account's log holds, each with its place in a sequence without gap."""

from dataclasses import dataclass

from server.domain.account import TradingState
from server.domain.instrument import AssetType
from server.domain.order import Order, OrderUpdateType, Side
from server.domain.values import Micros, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `amount` is the money that moved without `fee`, in whole cents.

    `realized_pnl` is set for a SELL: its amount less its share of cost basis and buy fees
    and its own fee.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened:
    """The first event of an account."""

    account_id: str
    sequence: int
    time: Micros
    amount: Units
    balance: Units
    trading_state: TradingState


Event = OrderUpdated | AccountOpened
