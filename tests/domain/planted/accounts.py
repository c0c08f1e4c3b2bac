"""Planted bugs of account changes and of an account's figures."""

from collections.abc import Callable, Sequence
from typing import Any

from server.domain.account import Account, Position, TradeStatistics
from server.domain.changes import changed
from server.domain.errors import Refusal
from server.domain.instrument import Instrument, OptionRight
from server.domain.posting import Decision
from server.domain.values import SCALE, Micros, Units, cents_up
from tests.domain.book import told_by
from tests.domain.planted.planting import bug_in

Settling = Callable[[Account, Position, Instrument, Units, Micros], Decision]
Resetting = Callable[[Account, Sequence[Position], Units, Micros], Decision]
Depositing = Callable[[Account, Units, Units, Micros], Decision | Refusal]


@bug_in("account.TradeStatistics.book")
def zero_is_a_loss(
    book: Callable[[TradeStatistics, Units], TradeStatistics], before: TradeStatistics, pnl: Units
) -> TradeStatistics:
    booked = book(before, pnl)
    if pnl:
        return booked
    streak = before.loss_streak + 1
    longest = max(before.longest_loss_streak, streak)
    return changed(booked, loss_streak=streak, longest_loss_streak=longest)


@bug_in("account_changes.settle")
def a_settlement_forgets_the_multiplier(
    settle: Settling, account: Account, position: Position, instrument: Instrument, *rest: Any
) -> Decision:
    return settle(account, position, changed(instrument, multiplier=1), *rest)


@bug_in("account_changes.settle")
def a_put_pays_like_a_call(
    settle: Settling, account: Account, position: Position, instrument: Instrument, *rest: Any
) -> Decision:
    call = changed(instrument.option, right=OptionRight.CALL)
    return settle(account, position, changed(instrument, option=call), *rest)


@bug_in("account_changes.settle")
def a_settlement_is_rounded_up(
    settle: Settling, account: Account, position: Position, instrument: Instrument, *rest: Any
) -> Decision:
    settled = settle(account, position, instrument, *rest)
    settlement = told_by(settled).settlement
    assert settlement is not None, "a settlement is told"
    worth = position.quantity * settlement.price * instrument.multiplier
    more = cents_up(worth, SCALE) - settlement.amount
    return _settled_with(settled, account, more=more, gain=more)


@bug_in("account_changes.settle")
def a_settlement_leaves_out_the_fees_of_buying(
    settle: Settling, account: Account, position: Position, *rest: Any
) -> Decision:
    return _settled_with(settle(account, position, *rest), account, more=0, gain=position.buy_fees)


@bug_in("account_changes.reset")
def a_reset_keeps_the_fees(reset: Resetting, account: Account, *rest: Any) -> Decision:
    return _with_account(reset(account, *rest), fees_paid=account.fees_paid)


@bug_in("account_changes.reset")
def a_reset_keeps_the_cost_of_what_it_drops(
    reset: Resetting, account: Account, positions: Sequence[Position], *rest: Any
) -> Decision:
    decision = reset(account, positions, *rest)
    kept = {
        before.symbol: changed(decision.positions[before.symbol], cost_basis=before.cost_basis)
        for before in positions
    }
    return changed(decision, positions=kept)


@bug_in("account_changes.reset")
def a_reset_refills_the_quotes(reset: Resetting, *values: Any) -> Decision:
    decision = reset(*values)
    refilled = {
        symbol: changed(position, ask_taken=0, bid_taken=0)
        for symbol, position in decision.positions.items()
    }
    return changed(decision, positions=refilled)


@bug_in("account_changes.reset")
def a_reset_begins_no_epoch(reset: Resetting, account: Account, *rest: Any) -> Decision:
    return _with_account(reset(account, *rest), epoch_sequence=account.epoch_sequence)


@bug_in("account_changes.reset")
def a_reset_keeps_what_was_traded(reset: Resetting, account: Account, *rest: Any) -> Decision:
    return _with_account(reset(account, *rest), traded=account.traded)


@bug_in("account_changes.deposit")
def a_deposit_is_a_gain(deposit: Depositing, account: Account, *rest: Any) -> Decision | Refusal:
    decision = deposit(account, *rest)
    if isinstance(decision, Refusal):
        return decision
    return _with_account(decision, initial_share=account.initial_share)


@bug_in("account_changes.kept_share")
def a_deposit_into_a_debt_makes_a_share_below_zero(
    _: Callable[[Units, Units], float], equity_before: Units, amount: Units
) -> float:
    return equity_before / ((equity_before + amount) or 1)


@bug_in("account.Account.initial_value")
def a_debt_is_a_loss_of_more_than_everything(
    initial_value: Callable[[Account, Units], float], self: Account, equity: Units
) -> float:
    return -initial_value(self, -equity) if equity < 0 else initial_value(self, equity)


@bug_in("account.Account.initial_value")
def a_bankrupt_account_earns_again(
    initial_value: Callable[[Account, Units], float], self: Account, equity: Units
) -> float:
    return initial_value(self, equity) if self.initial_share else float(max(equity, 0))


@bug_in("account_changes.deposit")
def a_deposit_is_weighed_by_what_the_account_is_worth_after_it(
    deposit: Depositing, account: Account, amount: Units, equity: Units, now: Micros
) -> Decision | Refusal:
    decision = deposit(account, amount, equity, now)
    if isinstance(decision, Refusal):
        return decision
    share = account.initial_share * ((equity + amount) / (equity + 2 * amount))
    return _with_account(decision, initial_share=share)


@bug_in("account_changes.deposit")
def a_deposit_knows_what_the_account_was_worth_after_it(
    deposit: Depositing, account: Account, amount: Units, equity: Units, now: Micros
) -> Decision | Refusal:
    decision = deposit(account, amount, equity, now)
    if isinstance(decision, Refusal):
        return decision
    return changed(decision, inflow=changed(decision.inflow, equity_before=equity + amount))


@bug_in("account_changes.deposit")
def what_was_lost_makes_room_for_a_deposit(
    deposit: Depositing, account: Account, amount: Units, *rest: Any
) -> Decision | Refusal:
    decision = deposit(changed(account, deposits=0), amount, *rest)
    if isinstance(decision, Refusal):
        return decision
    return _with_account(decision, deposits=account.deposits + amount)


def _with_account(decision: Decision, **changes: Any) -> Decision:
    return changed(decision, account=changed(decision.account, **changes))


def _settled_with(settled: Decision, before: Account, *, more: Units, gain: Units) -> Decision:
    """Return a settlement that pays `more` and books `gain` more than is right."""
    account, event = settled.account, told_by(settled)
    assert event.settlement is not None, "a settlement is told"
    pnl = event.settlement.realized_pnl + gain
    settlement = changed(event.settlement, amount=event.settlement.amount + more, realized_pnl=pnl)
    return changed(
        settled,
        account=changed(
            account,
            balance=account.balance + more,
            realized_pnl=account.realized_pnl + gain,
            statistics=before.statistics.book(pnl),
        ),
        events=(changed(event, balance=event.balance + more, settlement=settlement),),
    )
