"""Margin calls: what a MARGIN account owes at midnight, and how the venue closes its positions."""

from collections.abc import Callable, Collection, Iterable, Sequence

from server.domain.account import Account, MarginMode, Position, TradingState
from server.domain.account_changes import updated
from server.domain.changes import changed
from server.domain.events import AccountUpdateType, Interest, MarginCall
from server.domain.invariants import BrokenInvariant
from server.domain.margin import WHOLE, MarginBook, MarginTerms, Stake, staked
from server.domain.market import Market
from server.domain.matching import seen
from server.domain.order import (
    THE_VENUE,
    Order,
    OrderTicket,
    OrderType,
    OrderUpdateType,
    PlacedBy,
    Side,
    TimeInForce,
)
from server.domain.posting import Decision, check, hold
from server.domain.trading import arrive, drafted
from server.domain.values import AMOUNT_LIMIT, Micros, Quantity, Units, cents_up

DAYS_A_YEAR = 365


def is_at_risk(account: Account, positions: Iterable[Position]) -> bool:
    """Tell whether the equity of an account can fall below its maintenance margin.

    It cannot without a loan and a short position: it is then at least the value of all positions.
    """
    return account.margin_mode is MarginMode.MARGIN and (
        account.balance < 0 or any(position.quantity < 0 for position in positions)
    )


def accrue(account: Account, book: MarginBook, nights: int, now: Micros) -> Decision | None:
    """Charge an account for borrowed money and shares; None if that is nothing.

    The interest on the loan and the fee for shares are each rounded up to cents, once for all
    nights. They bring no figure beyond AMOUNT_LIMIT, as an absurd quote can.
    """
    most = max(min(account.balance + AMOUNT_LIMIT, AMOUNT_LIMIT - account.interest_paid), 0)
    interest = min(_charge(book.loan(account), book.terms.loan_rate_percent, nights), most)
    fee = min(_charge(book.shorts(), book.terms.borrow_rate_percent, nights), most - interest)
    if not interest and not fee:
        return None
    account = changed(
        account,
        sequence=account.sequence + 1,
        balance=account.balance - interest - fee,
        interest_paid=account.interest_paid + interest + fee,
    )
    charged = Interest(loan_interest=interest, borrow_fee=fee, nights=nights)
    event = updated(account, AccountUpdateType.INTEREST, now, interest=charged)
    return check(Decision(account=account, events=(event,)))


def is_below(account: Account, book: MarginBook) -> bool:
    """Tell whether the equity is below the maintenance margin, so that the venue closes."""
    return book.is_below_maintenance(account)


def is_newly_bankrupt(account: Account, equity: Units) -> bool:
    """Tell whether nothing is left of the equity, and the account does not know it yet."""
    return account.initial_share != 0 and equity <= 0


def begin_call(account: Account, book: MarginBook, now: Micros) -> Decision:
    """Record that the equity fell below the maintenance margin."""
    account = changed(account, sequence=account.sequence + 1)
    call = MarginCall(equity=book.equity(account), maintenance_margin=book.maintenance(account))
    event = updated(account, AccountUpdateType.MARGIN_CALL, now, margin_call=call)
    return check(Decision(account=account, events=(event,)))


def go_bankrupt(account: Account, now: Micros) -> Decision:
    """Record that nothing is left of the equity: the return is -100 % until a reset."""
    account = changed(
        account,
        sequence=account.sequence + 1,
        trading_state=TradingState.HALTED,
        initial_share=0.0,
    )
    event = updated(account, AccountUpdateType.BANKRUPT, now)
    return check(Decision(account=account, events=(event,)))


def opening_orders(live: Sequence[Order], positions: Sequence[Position]) -> list[Order]:
    """Return the live orders that can open a position, or can lead to one beyond zero.

    Orders that can only reduce a position stay, whether they are exits or not.
    """
    held = {position.symbol: position for position in positions}

    def opens(order: Order) -> bool:
        if order.reduces_only:
            return False
        position = held.get(order.symbol)
        if position is None:
            return True
        # What the position counts as left has two exits of a group once.
        left, closable = position.open_buy_quantity, -position.quantity
        if order.side is Side.SELL:
            left, closable = position.reserved_quantity, position.quantity
        return closable <= 0 or left > closable

    return [order for order in live if opens(order)]


def next_to_close(book: MarginBook, closing: Collection[str]) -> Stake | None:
    """Return the position with the largest maintenance margin that is not being closed yet."""
    found = (
        stake
        for symbol, stake in book.stakes.items()
        if stake.position.quantity and symbol not in closing
    )
    return max(
        found, key=lambda it: (_maintenance(it, book.terms), it.position.symbol), default=None
    )


def close_position(
    account: Account,
    position: Position,
    market: Market,
    order_id: str,
    new_id: Callable[[], str],
    book: MarginBook,
) -> Decision:
    """Place the venue's own MARKET order that closes a whole position.

    No rule rejects it: neither the trading state nor a limit. It waits for as long as it takes. No
    other order may hold the position.
    """
    if not position.quantity or market.quote is None or not market.is_open:
        raise BrokenInvariant(f"{position.symbol} cannot be closed now")
    ticket = OrderTicket(
        account_id=account.id,
        bot_key_id=THE_VENUE,
        symbol=position.symbol,
        side=Side.SELL if position.quantity > 0 else Side.BUY,
        order_type=OrderType.MARKET,
        quantity=Quantity(abs(position.quantity)),
        limit_price=None,
        stop_price=None,
        time_in_force=TimeInForce.GTC,
        client_order_id=None,
    )
    order = changed(drafted(ticket, account, market, order_id), reduce_only=True)
    decision = Decision(
        account=account,
        positions={position.symbol: seen(position, market.quote)},
        orders={order_id: order},
        new_orders=frozenset((order_id,)),
        book=staked(book, position, market.instrument, market.quote),
    )
    held = hold(decision, order_id, OrderUpdateType.ACCEPTED, market)
    return check(arrive(held, order_id, market, new_id))


def of_venue(live: Iterable[Order]) -> list[Order]:
    """Return those orders that the venue has placed."""
    return [order for order in live if order.placed_by is PlacedBy.VENUE]


def _charge(amount: Units, percent: Units, nights: int) -> Units:
    return cents_up(amount * percent * nights, WHOLE * DAYS_A_YEAR)


def _maintenance(stake: Stake, terms: MarginTerms) -> Units:
    percent = terms.maintenance_percent if stake.instrument.is_marginable else WHOLE
    return abs(stake.market_value) * percent
