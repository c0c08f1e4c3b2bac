"""What happens to an account besides its orders: its trading state, and expired options."""

from dataclasses import dataclass

from server.domain.account import Account, Position, TradingState, check_invariants
from server.domain.changes import changed
from server.domain.events import AccountUpdated, AccountUpdateType, Settlement
from server.domain.instrument import Instrument, OptionRight
from server.domain.values import SCALE, Micros, Units, cents_down


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDecision:
    """The state after something happened to an account, and the event that tells it."""

    account: Account
    event: AccountUpdated
    position: Position | None = None


def set_trading_state(account: Account, state: TradingState, now: Micros) -> AccountDecision:
    """Change which orders an account accepts."""
    account = changed(account, trading_state=state, sequence=account.sequence + 1)
    return AccountDecision(
        account=account, event=_updated(account, AccountUpdateType.TRADING_STATE, now)
    )


def settle(
    account: Account, position: Position, instrument: Instrument, underlying_price: Units,
    now: Micros,
) -> AccountDecision:  # fmt: skip
    """Turn an expired option into what exercise pays; it closes a trade.

    The position must hold something and no order may hold any of it back.
    """
    assert instrument.option is not None, f"{instrument.symbol} is no option"
    assert position.reserved_quantity == 0 < position.quantity, f"{instrument.symbol} is in use"
    strike = instrument.option.strike
    call = instrument.option.right is OptionRight.CALL
    price = max(underlying_price - strike if call else strike - underlying_price, 0)
    amount = cents_down(position.quantity * price * instrument.multiplier, SCALE)
    pnl = amount - position.cost_basis - position.buy_fees
    account = changed(
        account, sequence=account.sequence + 1, balance=account.balance + amount,
        realized_pnl=account.realized_pnl + pnl, statistics=account.statistics.book(pnl),
    )  # fmt: skip
    settlement = Settlement(
        symbol=position.symbol, quantity=position.quantity, price=price, amount=amount,
        realized_pnl=pnl,
    )  # fmt: skip
    position = changed(position, quantity=0, cost_basis=0, buy_fees=0)
    check_invariants(account, position)
    event = _updated(account, AccountUpdateType.SETTLED, now, settlement)
    return AccountDecision(account=account, event=event, position=position)


def _updated(
    account: Account, kind: AccountUpdateType, now: Micros, settlement: Settlement | None = None
) -> AccountUpdated:
    return AccountUpdated(
        account_id=account.id, sequence=account.sequence, time=now, type=kind,
        balance=account.balance, trading_state=account.trading_state, settlement=settlement,
    )  # fmt: skip
