"""Events: the entries of an account's log, numbered without gap."""

from dataclasses import dataclass
from enum import Enum

from server.domain.account import MarginMode, TradingState
from server.domain.instrument import AssetType
from server.domain.order import PLACERS, Order, OrderUpdateType, PlacedBy, Side
from server.domain.values import Micros, Price, Quantity, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `amount` is the money that moved without `fee`, both in whole cents.

    `rounding` is what the account lost by rounding the amount to cents, with 8 decimals; it
    counts as a fee. It is negative if an earlier fill of the order already lost that money. It is
    None for old fills, booked before it was recorded. `realized_pnl` is set if the fill closed
    anything, with 8 decimals and after the closed part's share of all fees.
    """

    id: str
    account_id: str
    sequence: int
    order_id: str
    bot_key_id: str
    symbol: str
    asset_type: AssetType
    side: Side
    quantity: Quantity
    price: Price
    amount: Units
    fee: Units
    rounding: Units | None
    realized_pnl: Units | None
    created_at: Micros

    @property
    def placed_by(self) -> PlacedBy:
        """Return who placed the order."""
        return PLACERS.get(self.bot_key_id, PlacedBy.BOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdated:
    """A change of an order, with the order as it was right after the change."""

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
    STEP_MISSED = "STEP_MISSED"
    MARGIN_MODE = "MARGIN_MODE"
    INTEREST = "INTEREST"
    MARGIN_CALL = "MARGIN_CALL"
    BANKRUPT = "BANKRUPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The settlement of an expired option: `amount` in whole cents for `quantity` at `price`.

    `realized_pnl` is the amount less the position's cost basis and buy fees, with 8 decimals.
    """

    symbol: str
    quantity: Quantity
    price: Price
    amount: Units
    realized_pnl: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """What a MARGIN account pays for borrowed money and shares over `nights`, in whole cents."""

    loan_interest: Units
    borrow_fee: Units
    nights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginCall:
    """Equity and maintenance margin when a margin call began, in whole cents."""

    equity: Units
    maintenance_margin: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdated:
    """A change of an account, with its money and trading state right after it.

    `amount` is the money that came in from outside; None when there was none. For RESET it is
    the starting balance. `missed_steps` is set for STEP_MISSED: how many in a row. `margin_mode` is
    the mode after the change. `interest` and `margin_call` are set for the type of their name.
    """

    account_id: str
    sequence: int
    time: Micros
    type: AccountUpdateType
    balance: Units
    trading_state: TradingState
    amount: Units | None = None
    settlement: Settlement | None = None
    missed_steps: int | None = None
    margin_mode: MarginMode = MarginMode.CASH
    interest: Interest | None = None
    margin_call: MarginCall | None = None


Event = OrderUpdated | AccountUpdated
