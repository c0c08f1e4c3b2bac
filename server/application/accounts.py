"""Accounts: their beginning, what comes in, and what their owners set, within a unit of work."""

from server.application.commands import (
    AccountOpened,
    Deposit,
    Done,
    OpenAccount,
    ResetAccount,
    SetGuardRails,
    SetTradingState,
)
from server.application.market_feed import MarketFeed
from server.application.orders import end_all
from server.application.ports import Chance, UnitOfWork
from server.domain.account import TradingState
from server.domain.account_changes import (
    deposit,
    open_account,
    reset,
    set_guard_rails,
    set_trading_state,
)
from server.domain.errors import Reason, Refusal
from server.domain.order import StatusReason
from server.domain.valuation import total_equity
from server.domain.values import Micros, Units

ACCOUNT_NOT_FOUND = Refusal(reason=Reason.ACCOUNT_NOT_FOUND, message="There is no such account.")


class Accounts:
    """What people and operators do with accounts; each method decides one command."""

    def __init__(self, feed: MarketFeed, chance: Chance, initial_balance: Units) -> None:
        self._feed = feed
        self._chance = chance
        self._initial_balance = initial_balance

    def open(self, command: OpenAccount, unit: UnitOfWork, now: Micros) -> AccountOpened | Refusal:
        """Open one more account, unless the plan's limit is reached."""
        plan = unit.user(command.user_id).identity.plan
        if unit.account_count(command.user_id) >= plan.accounts:
            return Refusal(
                reason=Reason.ACCOUNT_LIMIT_REACHED,
                message=f"The plan {plan.value} allows {plan.accounts} accounts; reset one"
                " to start anew.",
            )
        account_id = self._chance.new_id()
        unit.keep(open_account(account_id, command.user_id, self._initial_balance, now))
        return AccountOpened(account_id)

    def reset(self, command: ResetAccount, unit: UnitOfWork, now: Micros) -> Done | Refusal:
        """Cancel all orders, drop all positions and begin anew with the starting balance."""
        if not unit.owns(command.user_id, command.account_id):
            return ACCOUNT_NOT_FOUND
        live = unit.live_orders(command.account_id, None)
        end_all(live, unit, now, StatusReason.ACCOUNT_RESET)
        account = unit.account(command.account_id)
        positions = unit.positions(command.account_id)
        unit.keep(reset(account, positions, self._initial_balance, now))
        return Done()

    def deposit(self, command: Deposit, unit: UnitOfWork, now: Micros) -> Done | Refusal:
        """Add money; what the account is worth right before is kept, for its return."""
        if not unit.has_account(command.account_id):
            return ACCOUNT_NOT_FOUND
        account = unit.account(command.account_id)
        valued = self._feed.valued(unit.positions(command.account_id))
        equity = total_equity(account.balance, valued)
        decision = deposit(account, command.amount, equity, now)
        if isinstance(decision, Refusal):
            return decision
        unit.keep(decision)
        return Done()


def change_trading_state(command: SetTradingState, unit: UnitOfWork, now: Micros) -> Done | Refusal:
    """Set which orders an account accepts; HALTED also cancels its live orders."""
    if not unit.owns(command.user_id, command.account_id):
        return ACCOUNT_NOT_FOUND
    account = unit.account(command.account_id)
    if account.trading_state is not command.state:
        unit.keep(set_trading_state(account, command.state, now))
    if command.state is TradingState.HALTED:
        live = unit.live_orders(command.account_id, None)
        end_all(live, unit, now, StatusReason.TRADING_HALTED)
    return Done()


def change_guard_rails(command: SetGuardRails, unit: UnitOfWork) -> Done | Refusal:
    """Set the guard rails of an account, all of them."""
    if not unit.owns(command.user_id, command.account_id):
        return ACCOUNT_NOT_FOUND
    account = unit.account(command.account_id)
    unit.keep(set_guard_rails(account, command.guard_rails))
    return Done()
