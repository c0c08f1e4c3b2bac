"""A replay of one account's log, which computes money, positions, orders and figures again.

It shares no arithmetic with the code that booked the fills. It computes with whole numbers of 10⁻⁸
and with fractions.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from bottrading.v1 import account_pb2, fill_pb2, instrument_pb2, order_pb2, order_update_pb2
from server.audit.holdings import Execution, Holding, nearest, units
from server.audit.margin import MARGINABLE, MarginHistory, problem_of_order, problems
from server.domain.values import CENT, SCALE, Units

LIVE = (order_pb2.ORDER_STATUS_OPEN, order_pb2.ORDER_STATUS_PARTIALLY_FILLED)
BEGINNINGS = (
    order_update_pb2.ORDER_UPDATE_TYPE_ACCEPTED,
    order_update_pb2.ORDER_UPDATE_TYPE_REJECTED,
)
MULTIPLIERS = {
    instrument_pb2.ASSET_TYPE_STOCK: 1,
    instrument_pb2.ASSET_TYPE_ETF: 1,
    instrument_pb2.ASSET_TYPE_CRYPTO: 1,
    instrument_pb2.ASSET_TYPE_FOREX: 1,
    instrument_pb2.ASSET_TYPE_OPTION: 100,
}
"""Commodities are missing: each has its own multiplier, which an order's fills show."""


@dataclass(slots=True)
class ReplayedOrder:
    """An order as of its last event, and the sums over its fills.

    `group` is the id of the first order of its group, its own id if it stands alone.
    """

    sequence: int
    message: bytes
    side: int
    symbol: str
    is_marginable: bool
    group: str = ""
    is_entry: bool = False
    is_live: bool = False
    is_held: bool = False
    is_triggered: bool = False
    leaves: Units = 0
    reserved: Units = 0
    filled: Units = 0
    closed: Units = 0
    notional: int = 0
    worth: Units = 0
    amount: Units = 0
    fees: Units = 0
    realized_pnl: Units = 0


@dataclass(slots=True)
class Epoch:
    """The figures since an account was opened or reset.

    The event `bankrupt_since` told that nothing was left.
    `is_exact` is false after a fill without a recorded rounding, because the log does not tell its
    exact cost. Only old fills lack the rounding.
    """

    sequence: int = 0
    began_at: int = 0
    initial_balance: Units = 0
    deposits: Units = 0
    balance: Units = 0
    bankrupt_since: int | None = None
    fills: int = 0
    fees_paid: Units = 0
    realized_pnl: Units = 0
    trades: list[Units] = field(default_factory=list)
    holdings: dict[str, Holding] = field(default_factory=lambda: defaultdict(Holding))
    is_exact: bool = True


class Replay:
    """Takes the events of one account in order; `say` gets each finding."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self.sequence = self.events = 0
        self.resets = -1
        self.trading_state = account_pb2.TRADING_STATE_UNSPECIFIED
        self.margin = MarginHistory()
        self.epoch = Epoch()
        self.epochs: list[Epoch] = []
        self.orders: dict[str, ReplayedOrder] = {}
        self.groups: dict[str, set[str]] = {}
        self.deposits: dict[int, Units] = {}

    def hear(self, event: order_update_pb2.AccountEvent) -> None:
        """Add up the next event of the log."""
        self.sequence = event.sequence
        self.events += 1
        if event.HasField("account_update"):
            self._hear_account(event)
        elif event.HasField("order_update"):
            self._hear_order(event)
        else:
            self._say(f"event {event.sequence} says nothing")

    def _hear_account(self, event: order_update_pb2.AccountEvent) -> None:
        change, epoch = event.account_update, self.epoch
        amount = units(change.amount) if change.HasField("amount") else 0
        for problem in problems(change, self.margin, epoch.balance, epoch.holdings):
            self._say(f"event {event.sequence} {problem}")
        match change.type:
            case (
                order_update_pb2.ACCOUNT_UPDATE_TYPE_OPENED
                | order_update_pb2.ACCOUNT_UPDATE_TYPE_RESET
            ):
                if self._has_live_orders():
                    self._say(f"an order is live at the reset {event.sequence}")
                self.resets += 1
                self.margin.begin_epoch()
                epoch = self.epoch = Epoch(
                    sequence=event.sequence,
                    began_at=event.time.ToMicroseconds(),
                    initial_balance=amount,
                    deposits=amount,
                    balance=amount,
                )
                self.epochs.append(epoch)
            case order_update_pb2.ACCOUNT_UPDATE_TYPE_DEPOSIT:
                epoch.deposits += amount
                epoch.balance += amount
                self.deposits[event.sequence] = amount
            case order_update_pb2.ACCOUNT_UPDATE_TYPE_SETTLED:
                self._settle(event.sequence, change.settlement)
            case order_update_pb2.ACCOUNT_UPDATE_TYPE_MARGIN_MODE:
                if self._has_live_orders():
                    self._say(f"event {event.sequence} changes the mode while orders are live")
                self.margin.mode, self.margin.had_margin = change.margin_mode, True
            case order_update_pb2.ACCOUNT_UPDATE_TYPE_INTEREST:
                epoch.balance -= self.margin.charge(change.interest)
            case order_update_pb2.ACCOUNT_UPDATE_TYPE_MARGIN_CALL:
                self.margin.was_called = True
            case order_update_pb2.ACCOUNT_UPDATE_TYPE_BANKRUPT:
                self.margin.is_bankrupt, epoch.bankrupt_since = True, event.sequence
        self.trading_state = change.trading_state
        if epoch.balance != units(change.balance):
            self._say(
                f"event {event.sequence} shows a balance of {change.balance}, but the"
                " events up to it make another"
            )
            epoch.balance = units(change.balance)

    def _has_live_orders(self) -> bool:
        return any(order.is_live for order in self.orders.values())

    def _settle(self, sequence: int, settled: order_update_pb2.Settlement) -> None:
        held = self.epoch.holdings.pop(settled.symbol, Holding())
        if held.quantity != units(settled.quantity):
            self._say(f"event {sequence} settles another quantity than is held")
        amount = units(settled.amount)
        exact = units(settled.quantity) * units(settled.price) * 100
        if amount != floor(Fraction(exact, SCALE * CENT)) * CENT:
            self._say(f"event {sequence} settles for another amount than exercise pays")
        pnl = amount - held.cost_basis - held.buy_fees
        self.epoch.balance += amount
        self.epoch.realized_pnl += pnl
        self.epoch.trades.append(pnl)

    def _hear_order(self, event: order_update_pb2.AccountEvent) -> None:
        update = event.order_update
        _complete(update)
        shown = update.order
        known = self.orders.get(shown.id)
        if (known is None) != (update.type in BEGINNINGS):
            self._say(f"event {event.sequence} begins a known order or changes an unknown one")
        if known is not None and not known.is_live:
            self._say(f"event {event.sequence} changes an order that has ended")
        order = known or self._begin_order(event.sequence, shown)
        self.orders[shown.id] = order
        if shown.HasField("leg"):
            self.groups.setdefault(shown.parent_order_id or shown.id, set()).add(shown.id)
        if update.HasField("fill"):
            self._fill(event.sequence, order, update.fill, is_reducing=shown.reduce_only)
        order.message = shown.SerializeToString(deterministic=True)
        order.group = shown.parent_order_id or shown.id
        order.is_entry = shown.leg == order_pb2.ORDER_LEG_ENTRY
        order.is_live, order.is_held = shown.status in LIVE, shown.held
        order.is_triggered = shown.HasField("triggered_at")
        order.leaves = units(shown.quantity) - order.filled
        order.reserved = units(shown.reserved)
        ended = update.type in (
            order_update_pb2.ORDER_UPDATE_TYPE_FILLED,
            order_update_pb2.ORDER_UPDATE_TYPE_CANCELLED,
        )
        if ended and order.closed:
            self.epoch.trades.append(order.realized_pnl)

    def _begin_order(self, sequence: int, shown: order_pb2.Order) -> ReplayedOrder:
        problem = problem_of_order(shown, self.margin)
        if problem is not None:
            self._say(f"event {sequence} {problem}")
        is_marginable = shown.asset_type in MARGINABLE
        return ReplayedOrder(sequence, b"", shown.side, shown.symbol, is_marginable)

    def _fill(
        self, sequence: int, order: ReplayedOrder, fill: fill_pb2.Fill, *, is_reducing: bool
    ) -> None:
        epoch, buys = self.epoch, fill.side == order_pb2.SIDE_BUY
        quantity, price = units(fill.quantity), units(fill.price)
        amount, fee = units(fill.amount), units(fill.fee)
        order.filled += quantity
        order.notional += quantity * price
        order.amount += amount
        order.fees += fee
        epoch.fills += 1
        epoch.balance += -amount - fee if buys else amount - fee
        held = epoch.holdings[order.symbol]
        rounding = units(fill.rounding) if fill.HasField("rounding") else 0
        epoch.is_exact &= fill.HasField("rounding")
        if epoch.is_exact:
            self._check_amount(sequence, order, fill, rounding)
        epoch.fees_paid += fee + rounding
        closable = held.closable_by(buys=buys)
        if quantity > closable and not buys and not (self.margin.is_margin and order.is_marginable):
            self._say(f"event {sequence} sells more than is held")
            held.quantity = quantity
        if quantity > closable and is_reducing:
            self._say(f"event {sequence} opens a position by an order that may only reduce one")
        worth = amount + (-rounding if buys else rounding)
        closed, pnl = held.fill(
            Execution(
                buys=buys, quantity=quantity, price=price, worth=worth, fee=fee, rounding=rounding
            )
        )
        order.closed += closed
        order.realized_pnl += pnl
        epoch.realized_pnl += pnl
        if fill.HasField("realized_pnl") is not bool(closed):
            self._say(f"event {sequence} shows a profit and closes nothing, or the other way round")
        elif epoch.is_exact and closed and abs(units(fill.realized_pnl) - pnl) > CENT // 2:
            self._say(f"event {sequence} shows another profit than its fill made")

    def _check_amount(
        self, sequence: int, order: ReplayedOrder, fill: fill_pb2.Fill, rounding: Units
    ) -> None:
        """Check that an order's fills moved the money that they are worth, rounded on the sum."""
        buys = fill.side == order_pb2.SIDE_BUY
        order.worth += units(fill.amount) + (-rounding if buys else rounding)
        multiplier = MULTIPLIERS.get(fill.asset_type)
        if multiplier is None:
            multiplier = max(nearest(order.worth * SCALE, order.notional), 1)
        exact = Fraction(order.notional * multiplier, SCALE)
        cents = (ceil if buys else floor)(exact / CENT) * CENT
        if (order.worth, order.amount) != (round(exact), cents):
            self._say(f"event {sequence} moves another amount than its fill is worth")


def _complete(update: order_update_pb2.OrderUpdate) -> None:
    """Fill in what logs of versions before margin accounts do not say of an order."""
    shown = update.order
    if shown.placed_by != order_pb2.PLACED_BY_UNSPECIFIED:
        return
    by_bot = bool(shown.bot_key_id)
    shown.placed_by = order_pb2.PLACED_BY_BOT if by_bot else order_pb2.PLACED_BY_PERSON
    shown.reduce_only = shown.leg in (
        order_pb2.ORDER_LEG_TAKE_PROFIT,
        order_pb2.ORDER_LEG_STOP_LOSS,
    )
    if update.HasField("fill"):
        update.fill.placed_by = shown.placed_by
