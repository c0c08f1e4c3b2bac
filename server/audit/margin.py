"""Events of margin trading in a replayed log: each must follow from what came before it.

Prices and the rates of interest are not in the log. What margin an account needed at a moment, and
how much interest it owed, is therefore not computed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bottrading.v1 import account_pb2, instrument_pb2, order_pb2, order_update_pb2
from server.audit.holdings import Holding, units
from server.domain.values import Units

MARGINABLE = (instrument_pb2.ASSET_TYPE_STOCK, instrument_pb2.ASSET_TYPE_ETF)


@dataclass(slots=True)
class MarginHistory:
    """What the events of margin trading make of one account's epoch."""

    mode: int = account_pb2.MARGIN_MODE_CASH
    interest_paid: Units = 0
    was_called: bool = False
    is_bankrupt: bool = False
    had_margin: bool = False

    @property
    def is_margin(self) -> bool:
        """Tell whether the account may borrow money and sell short."""
        return self.mode == account_pb2.MARGIN_MODE_MARGIN

    def begin_epoch(self) -> None:
        """Forget all but the mode, which a reset does not change."""
        self.interest_paid, self.was_called, self.is_bankrupt = 0, False, False
        self.had_margin = self.is_margin

    def charge(self, interest: order_update_pb2.Interest) -> Units:
        """Count what was charged, and return it."""
        charged = units(interest.loan_interest) + units(interest.borrow_fee)
        self.interest_paid += charged
        return charged


def problems(
    change: order_update_pb2.AccountUpdate,
    margin: MarginHistory,
    balance: Units,
    holdings: Mapping[str, Holding],
) -> Iterable[str]:
    """Yield what is wrong with an event; the other values are those right before it."""
    shorts = [held for held in holdings.values() if held.quantity < 0]
    is_change = change.type == order_update_pb2.ACCOUNT_UPDATE_TYPE_MARGIN_MODE
    # Logs of versions before margin accounts do not show the mode.
    if change.margin_mode and (change.margin_mode != margin.mode) is not is_change:
        yield "shows another margin mode than the events up to it make"
    match change.type:
        case order_update_pb2.ACCOUNT_UPDATE_TYPE_MARGIN_MODE:
            if change.margin_mode == account_pb2.MARGIN_MODE_CASH and (balance < 0 or shorts):
                yield "makes a CASH account with a loan or a short position"
        case order_update_pb2.ACCOUNT_UPDATE_TYPE_INTEREST:
            yield from _problems_of_interest(change.interest, balance, shorts)
        case order_update_pb2.ACCOUNT_UPDATE_TYPE_MARGIN_CALL:
            call = change.margin_call
            if units(call.equity) >= units(call.maintenance_margin):
                yield "is a margin call, though the equity covers the maintenance margin"
            if balance >= 0 and not shorts:
                yield "is a margin call without a loan and a short position"
        case order_update_pb2.ACCOUNT_UPDATE_TYPE_BANKRUPT:
            if margin.is_bankrupt or change.trading_state != account_pb2.TRADING_STATE_HALTED:
                yield "makes a bankrupt account bankrupt again, or does not halt it"
        case _:
            return
    if not is_change and not margin.is_margin:
        yield "is an event of a MARGIN account, and the account is a CASH account"


def _problems_of_interest(
    interest: order_update_pb2.Interest, balance: Units, shorts: Sequence[Holding]
) -> Iterable[str]:
    proceeds = -sum(held.cost_basis for held in shorts)
    on_loan, for_shares = units(interest.loan_interest), units(interest.borrow_fee)
    if on_loan < 0 or for_shares < 0 or on_loan + for_shares == 0 or interest.nights < 1:
        yield "charges no interest, or for no night"
    if on_loan and balance >= proceeds:
        yield "charges interest without a loan"
    if for_shares and not shorts:
        yield "charges for borrowed shares without a short position"


def problem_of_order(order: order_pb2.Order, margin: MarginHistory) -> str | None:
    """Return what is wrong with a new order, if anything."""
    if order.placed_by != order_pb2.PLACED_BY_VENUE:
        return None
    if not (margin.is_margin and margin.was_called and order.reduce_only):
        return "places an order of the venue without a margin call, or one that can open"
    return None
