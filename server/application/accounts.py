"""Accounts: what their owners set, within a unit of work."""

from dataclasses import replace

from server.application.commands import Done, SetGuardRails, SetTradingState
from server.application.orders import end_all
from server.application.ports import UnitOfWork
from server.domain.account import TradingState
from server.domain.account_changes import set_trading_state
from server.domain.errors import Reason, Refusal
from server.domain.order import StatusReason
from server.domain.values import Micros

ACCOUNT_NOT_FOUND = Refusal(reason=Reason.ACCOUNT_NOT_FOUND, message="There is no such account.")


def change_trading_state(command: SetTradingState, unit: UnitOfWork, now: Micros) -> Done | Refusal:
    """Set which orders an account accepts; HALTED also cancels its live orders."""
    if not unit.owns(command.user_id, command.account_id):
        return ACCOUNT_NOT_FOUND
    account = unit.account(command.account_id)
    if account.trading_state is not command.state:
        unit.keep_account(set_trading_state(account, command.state, now))
    if command.state is TradingState.HALTED:
        end_all(command.account_id, None, unit, now, StatusReason.TRADING_HALTED)
    return Done()


def change_guard_rails(command: SetGuardRails, unit: UnitOfWork) -> Done | Refusal:
    """Set the guard rails of an account, all of them."""
    if not unit.owns(command.user_id, command.account_id):
        return ACCOUNT_NOT_FOUND
    account = unit.account(command.account_id)
    unit.store_account(replace(account, guard_rails=command.guard_rails))
    return Done()
