"""Changes of an account other than by orders: opening, reset, deposit, state, settlement."""

from collections.abc import Sequence

from server.domain.account import (
    Account,
    GuardRails,
    Inflow,
    MarginMode,
    Position,
    TradeStatistics,
    TradingState,
)
from server.domain.changes import changed
from server.domain.costs import received
from server.domain.errors import Reason, Refusal
from server.domain.events import (
    AccountUpdated,
    AccountUpdateType,
    Interest,
    MarginCall,
    Settlement,
)
from server.domain.instrument import Instrument, OptionRight
from server.domain.invariants import BrokenInvariant
from server.domain.posting import Decision, check
from server.domain.values import AMOUNT_LIMIT, Micros, Money, Price, Units, format_money


def open_account(account_id: str, user_id: str, starting_balance: Money, now: Micros) -> Decision:
    """Begin an account and its log."""
    account = Account(
        id=account_id,
        user_id=user_id,
        created_at=now,
        deposits=starting_balance,
        balance=starting_balance,
        sequence=1,
        epoch_sequence=1,
        epoch_began_at=now,
        initial_balance=starting_balance,
    )
    event = updated(account, AccountUpdateType.OPENED, now, amount=starting_balance)
    return Decision(account=account, is_new_account=True, events=(event,))


def reset(
    account: Account, positions: Sequence[Position], starting_balance: Money, now: Micros
) -> Decision:
    """Drop the positions and begin a new epoch; the account must not have a live order.

    What the account took of a quote stays taken: a reset must not make it available again.
    Trading state and guard rails stay, because the owner set them. Only a bankrupt account was
    halted by the venue, and becomes ACTIVE.
    """
    if account.live_orders or account.reserved:
        raise BrokenInvariant(f"account {account.id}: it still has live orders")
    sequence, state = account.sequence + 1, account.trading_state
    if account.had_margin and not account.initial_share:
        state = TradingState.ACTIVE
    account = changed(
        account,
        sequence=sequence,
        trading_state=state,
        resets=account.resets + 1,
        epoch_sequence=sequence,
        epoch_began_at=now,
        deposits=starting_balance,
        balance=starting_balance,
        fills=0,
        traded=frozenset(),
        realized_pnl=0,
        fees_paid=0,
        interest_paid=0,
        statistics=TradeStatistics(),
        initial_balance=starting_balance,
        initial_share=1.0,
        had_margin=account.uses_margin,
    )
    dropped = {
        position.symbol: changed(position, quantity=0, average_cost=0, cost_basis=0, buy_fees=0)
        for position in positions
    }
    event = updated(account, AccountUpdateType.RESET, now, amount=starting_balance)
    return check(Decision(account=account, positions=dropped, events=(event,)))


def refuse_deposit(account: Account, amount: Money, equity: Money) -> Refusal | None:
    """Refuse a deposit with which an account that is worth `equity` would reach AMOUNT_LIMIT."""
    # Short sales can bring the balance above both.
    most, where = max(account.deposits, equity), "deposits or equity"
    if account.balance > most:
        most, where = account.balance, "its balance"
    if most + amount < AMOUNT_LIMIT:
        return None
    return Refusal(
        reason=Reason.DEPOSIT_TOO_LARGE,
        message=f"The account has {format_money(most)} USD in {where} and would"
        f" reach {format_money(AMOUNT_LIMIT)} USD: deposit less.",
    )


def deposit(account: Account, amount: Money, equity: Money, now: Micros) -> Decision:
    """Add money to an account that is worth `equity`.

    A deposit into an equity of zero or below leaves nothing of the initial balance.
    """
    account = changed(
        account,
        sequence=account.sequence + 1,
        balance=account.balance + amount,
        deposits=account.deposits + amount,
        initial_share=account.initial_share * kept_share(equity, amount),
    )
    inflow = Inflow(
        account_id=account.id,
        sequence=account.sequence,
        time=now,
        amount=amount,
        equity_before=equity,
    )
    event = updated(account, AccountUpdateType.DEPOSIT, now, amount=amount)
    return Decision(account=account, inflow=inflow, events=(event,))


def kept_share(equity_before: Units, amount: Units) -> float:
    """Return the part of the equity after a deposit that the equity before it makes up."""
    before = max(equity_before, 0)
    return before / (before + amount)


def set_trading_state(account: Account, state: TradingState, now: Micros) -> Decision:
    account = changed(account, trading_state=state, sequence=account.sequence + 1)
    event = updated(account, AccountUpdateType.TRADING_STATE, now)
    return Decision(account=account, events=(event,))


def set_margin_mode(
    account: Account, positions: Sequence[Position], mode: MarginMode, now: Micros
) -> Decision | Refusal:
    """Set whether an account may borrow and sell short; `mode` must differ from its mode.

    Live orders hold back money or quantity by the mode in which they were placed, so that none
    may be left.
    """
    if account.live_orders:
        return Refusal(
            reason=Reason.LIVE_ORDERS,
            message=f"The account has live orders ({account.live_orders}): cancel them, then set"
            " the margin mode.",
        )
    shorts = [position.symbol for position in positions if position.quantity < 0]
    if mode is MarginMode.CASH and (account.balance < 0 or shorts):
        debts = [f"buy back {', '.join(sorted(shorts))}"] if shorts else []
        if account.balance < 0:
            debts.append(f"sell until the balance of {format_money(account.balance)} USD is paid")
        return Refusal(
            reason=Reason.MARGIN_IN_USE,
            message="A CASH account has no loan and no short position:"
            f" {' and '.join(debts)}, then set the margin mode.",
        )
    account = changed(account, margin_mode=mode, had_margin=True, sequence=account.sequence + 1)
    event = updated(account, AccountUpdateType.MARGIN_MODE, now)
    return Decision(account=account, events=(event,))


def set_guard_rails(account: Account, guard_rails: GuardRails) -> Decision:
    """Replace all guard rails of an account; this adds no event to the log."""
    return Decision(account=changed(account, guard_rails=guard_rails))


def miss_step(account: Account, missed: int, now: Micros) -> Decision:
    """Record that the clock of a replay went on without an account, for the `missed` time."""
    account = changed(account, sequence=account.sequence + 1)
    event = updated(account, AccountUpdateType.STEP_MISSED, now, missed_steps=missed)
    return Decision(account=account, events=(event,))


def settle(
    account: Account,
    position: Position,
    instrument: Instrument,
    underlying_price: Price,
    now: Micros,
) -> Decision:
    """Turn an expired option into the money that its exercise pays; this closes a trade.

    The position must not be empty, and no live order may hold back a part of it.
    """
    if instrument.option is None:
        raise BrokenInvariant(f"{instrument.symbol} is no option")
    if position.reserved_quantity or position.quantity <= 0:
        raise BrokenInvariant(f"{instrument.symbol} is in use")
    strike = instrument.option.strike
    call = instrument.option.right is OptionRight.CALL
    price = max(underlying_price - strike if call else strike - underlying_price, 0)
    amount = received(instrument, position.quantity * price)
    pnl = amount - position.cost_basis - position.buy_fees
    account = changed(
        account,
        sequence=account.sequence + 1,
        balance=account.balance + amount,
        realized_pnl=account.realized_pnl + pnl,
        statistics=account.statistics.book(pnl),
    )
    settlement = Settlement(
        symbol=position.symbol,
        quantity=position.quantity,
        price=Price(price),
        amount=amount,
        realized_pnl=pnl,
    )
    position = changed(position, quantity=0, average_cost=0, cost_basis=0, buy_fees=0)
    event = updated(account, AccountUpdateType.SETTLED, now, settlement=settlement)
    return check(Decision(account=account, positions={position.symbol: position}, events=(event,)))


def updated(
    account: Account,
    kind: AccountUpdateType,
    now: Micros,
    *,
    amount: Money | None = None,
    settlement: Settlement | None = None,
    missed_steps: int | None = None,
    interest: Interest | None = None,
    margin_call: MarginCall | None = None,
) -> AccountUpdated:
    """Return the event of a change, with the account as it is right after it."""
    return AccountUpdated(
        account_id=account.id,
        sequence=account.sequence,
        time=now,
        type=kind,
        balance=account.balance,
        trading_state=account.trading_state,
        amount=amount,
        settlement=settlement,
        missed_steps=missed_steps,
        margin_mode=account.margin_mode,
        interest=interest,
        margin_call=margin_call,
    )
