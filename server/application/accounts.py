"""Accounts: opening, resetting, depositing and the owner's settings, within a unit of work."""

from server.application.commands import (
    Deposit,
    OpenAccount,
    RailsSet,
    ResetAccount,
    SetGuardRails,
    SetMarginMode,
    SetTradingState,
)
from server.application.margin import book_of
from server.application.margin_watch import record_bankruptcy
from server.application.market_feed import MarketFeed
from server.application.orders import end_all
from server.application.ports import Chance, OwnedAccount, UnitOfWork
from server.application.refusals import ACCOUNT_NOT_FOUND
from server.domain import account_changes
from server.domain.account import TradingState
from server.domain.errors import Reason, Refusal
from server.domain.order import PlacedBy, StatusReason
from server.domain.user import Permissions
from server.domain.valuation import total_equity
from server.domain.values import Micros, Money


class Accounts:
    """What people and operators do with accounts; each method decides one command."""

    def __init__(self, feed: MarketFeed, chance: Chance, initial_balance: Money) -> None:
        self._feed = feed
        self._chance = chance
        self._initial_balance = initial_balance

    def open(
        self, command: OpenAccount, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> OwnedAccount | Refusal:
        """Open one more account, unless the plan's limit is reached."""
        plan = unit.user(command.user_id).identity.plan
        if unit.account_count(command.user_id) >= plan.accounts:
            return Refusal(
                reason=Reason.ACCOUNT_LIMIT_REACHED,
                message=f"The plan {plan.value} allows {plan.accounts} accounts, and all"
                " are open: reset one to start anew.",
            )
        number = unit.account_count(command.user_id)
        account_id = self._chance.id_of("account", command.user_id, str(number))
        opened = account_changes.open_account(
            account_id, command.user_id, self._initial_balance, now
        )
        unit.keep(opened)
        return self._owned(account_id, unit, now)

    def reset(
        self, command: ResetAccount, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> OwnedAccount | Refusal:
        """Cancel all orders, drop all positions and begin an epoch with the starting balance."""
        if not unit.owns(command.user_id, command.account_id):
            return ACCOUNT_NOT_FOUND
        live = unit.live_orders(command.account_id, None)
        end_all(live, unit, now, StatusReason.ACCOUNT_RESET)
        account = unit.account(command.account_id)
        positions = unit.positions(command.account_id)
        unit.keep(account_changes.reset(account, positions, self._initial_balance, now))
        return self._owned(command.account_id, unit, now)

    def deposit(
        self, command: Deposit, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> OwnedAccount | Refusal:
        """Add money, and store the equity right before it, which the account's return needs.

        A MARGIN account whose equity is zero or less becomes bankrupt first, at fresh prices or
        not: the deposit makes its loss of everything final, and would hide it from the watch.
        """
        if not unit.has_account(command.account_id):
            return ACCOUNT_NOT_FOUND
        account = unit.account(command.account_id)
        valued = self._feed.valued(unit.positions(command.account_id))
        equity = total_equity(account.balance, valued)
        refusal = account_changes.refuse_deposit(account, command.amount, equity)
        if refusal is not None:
            return refusal
        if account.uses_margin:
            record_bankruptcy(account.id, equity, unit, now)
            account = unit.account(account.id)
        unit.keep(account_changes.deposit(account, command.amount, equity, now))
        return self._owned(command.account_id, unit, now)

    def set_trading_state(
        self, command: SetTradingState, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> OwnedAccount | Refusal:
        """Set which orders an account accepts.

        HALTED also cancels its live orders, but not those of the venue.
        """
        if not unit.owns(command.user_id, command.account_id):
            return ACCOUNT_NOT_FOUND
        account = unit.account(command.account_id)
        if account.trading_state is not command.state:
            unit.keep(account_changes.set_trading_state(account, command.state, now))
        if command.state is TradingState.HALTED:
            live = unit.live_orders(command.account_id, None)
            own = [order for order in live if order.placed_by is not PlacedBy.VENUE]
            end_all(own, unit, now, StatusReason.TRADING_HALTED)
        return self._owned(command.account_id, unit, now)

    def set_margin_mode(
        self, command: SetMarginMode, _: Permissions, unit: UnitOfWork, now: Micros
    ) -> OwnedAccount | Refusal:
        """Set whether an account may borrow and sell short; the same mode again adds no event."""
        if not unit.owns(command.user_id, command.account_id):
            return ACCOUNT_NOT_FOUND
        account = unit.account(command.account_id)
        if account.margin_mode is not command.mode:
            positions = unit.positions(command.account_id)
            decision = account_changes.set_margin_mode(account, positions, command.mode, now)
            if isinstance(decision, Refusal):
                return decision
            unit.keep(decision)
        return self._owned(command.account_id, unit, now)

    def set_guard_rails(
        self, command: SetGuardRails, _: Permissions, unit: UnitOfWork, __: Micros
    ) -> RailsSet | Refusal:
        """Replace all guard rails of an account; one that the command leaves out is lifted."""
        if not unit.owns(command.user_id, command.account_id):
            return ACCOUNT_NOT_FOUND
        account = unit.account(command.account_id)
        unit.keep(account_changes.set_guard_rails(account, command.guard_rails))
        return RailsSet(command.guard_rails)

    def _owned(self, account_id: str, unit: UnitOfWork, now: Micros) -> OwnedAccount:
        account = unit.account(account_id)
        user = unit.user(account.user_id)
        keys = unit.live_key_count(user.id)
        book = book_of(account_id, unit, self._feed, now)
        buying_power = account.buying_power if book is None else book.buying_power(account)
        return OwnedAccount(account, user, keys, self._feed.source.environment, buying_power)
