"""Planted bugs of the rules that reject an order, of quotes, and of the equity curve."""

from collections.abc import Callable, Iterator
from typing import Any

from server.domain.account import TradingState
from server.domain.changes import changed
from server.domain.equity_curve import EquityCurve
from server.domain.errors import Reason
from server.domain.market import Market
from server.domain.matching import match
from server.domain.order import Order, Side
from server.domain.order_types import Phase
from server.domain.quote import Quote, QuoteRefusal
from server.domain.risk import Rejection, Situation
from server.domain.values import DAY, Micros, Units
from tests.domain.planted.planting import bug_in

Pricing = Callable[[Phase, Order, Market], Units | None]
Rules = Callable[[Situation], Iterator[Rejection]]


def without(reason: Reason, told: Iterator[Rejection]) -> Iterator[Rejection]:
    """Yield what all rules but one tell."""
    return (rejection for rejection in told if rejection.reason is not reason)


@bug_in("risk.rejections")
def an_order_that_cannot_wait_is_accepted_without_a_quote(
    rejections: Rules, situation: Situation
) -> Iterator[Rejection]:
    return without(Reason.NO_QUOTE, rejections(situation))


@bug_in("risk.rejections")
def what_cannot_wait_is_accepted_while_the_market_is_closed(
    rejections: Rules, situation: Situation
) -> Iterator[Rejection]:
    return without(Reason.MARKET_CLOSED, rejections(situation))


@bug_in("risk.rejections")
def the_largest_value_of_an_order_is_ignored(
    rejections: Rules, situation: Situation
) -> Iterator[Rejection]:
    return without(Reason.ORDER_NOTIONAL_EXCEEDED, rejections(situation))


@bug_in("risk.rejections")
def a_FOK_order_is_filled_in_part(  # noqa: N802 - the name is the bug's
    rejections: Rules, it: Situation
) -> Iterator[Rejection]:
    told = rejections(it)
    quote = it.market.quote
    if quote is None or (it.order.side is Side.SELL and not it.position.quantity):
        return told
    fills = match(it.order, it.account, it.position, it.market, quote, takes=True)
    return without(Reason.FOK_NOT_FILLABLE, told) if fills else told


@bug_in("risk.rejections")
def a_halted_account_sells(rejections: Rules, it: Situation) -> Iterator[Rejection]:
    told = rejections(it)
    sells = it.order.side is Side.SELL and it.account.trading_state is TradingState.HALTED
    return without(Reason.TRADING_HALTED, told) if sells else told


@bug_in("risk.rejections")
def a_reducing_account_buys(rejections: Rules, it: Situation) -> Iterator[Rejection]:
    told = rejections(it)
    reduces = it.account.trading_state is TradingState.REDUCING
    return without(Reason.TRADING_HALTED, told) if reduces else told


@bug_in("risk.rejections")
def the_larger_of_two_limits_on_the_value_of_an_order_holds(
    rejections: Rules, it: Situation
) -> Iterator[Rejection]:
    rails = it.account.guard_rails
    limits = (rails.order_notional_max, it.guard.order_notional_max)
    largest = max((limit for limit in limits if limit is not None), default=None)
    account = changed(it.account, guard_rails=changed(rails, order_notional_max=largest))
    guard = changed(it.guard, order_notional_max=largest)
    return rejections(changed(it, account=account, guard=guard))


@bug_in("risk.rejections")
def the_largest_loss_counts_one_cent_late(rejections: Rules, it: Situation) -> Iterator[Rejection]:
    told, exposure = rejections(it), it.guard.exposure
    if exposure is None:
        return told
    loss = exposure.equity_at_day_start - exposure.equity
    just_reached = loss == it.account.guard_rails.daily_loss_max
    return without(Reason.DAILY_LOSS_REACHED, told) if just_reached else told


@bug_in("risk.rejections")
def a_share_forgets_what_is_at_stake_already(
    rejections: Rules, it: Situation
) -> Iterator[Rejection]:
    if it.guard.exposure is None:
        return rejections(it)
    exposure = changed(it.guard.exposure, at_stake=0)
    return rejections(changed(it, guard=changed(it.guard, exposure=exposure)))


@bug_in("order_types._UntilStop.worst_price")
def a_notional_guard_rail_reckons_without_the_margin_of_a_stop(
    worst_price: Pricing, waiting: Phase, order: Order, market: Market
) -> Units | None:
    if order.side is Side.SELL:
        return worst_price(waiting, order, market)
    return max(order.stop_price or 0, 0 if market.quote is None else market.quote.ask)


@bug_in("order_types._AtLimit.worst_price")
def a_sale_is_worth_no_more_than_its_limit(
    worst_price: Pricing, active: Phase, order: Order, market: Market
) -> Units | None:
    return order.limit_price


@bug_in("order_types._UntilStopOfLimit.worst_price")
def a_sale_that_awaits_its_trigger_is_worth_no_more_than_its_limit(
    worst_price: Pricing, waiting: Phase, order: Order, market: Market
) -> Units | None:
    return order.limit_price


@bug_in("risk.rejections")
def money_is_looked_at_after_the_hour(rejections: Rules, it: Situation) -> Iterator[Rejection]:
    def is_money(told: Rejection) -> bool:
        return told.reason in (Reason.INSUFFICIENT_BUYING_POWER, Reason.INSUFFICIENT_POSITION)

    told = list(rejections(it))
    closed = next((n for n, each in enumerate(told) if each.reason is Reason.MARKET_CLOSED), 0)
    earlier = told[: closed + 1]
    return iter([*sorted(earlier, key=is_money), *told[closed + 1 :]])


@bug_in("quote.refusal")
def a_late_quote_is_applied_again(
    refusal: Callable[..., QuoteRefusal | None], quote: Quote, applied: Quote | None, now: Micros
) -> QuoteRefusal | None:
    why = refusal(quote, applied, now)
    at_once = applied is not None and quote.time == applied.time
    return None if why is QuoteRefusal.OUT_OF_DATE and at_once else why


@bug_in("equity_curve.EquityCurve.added")
def a_day_counts_on_which_nothing_could_be_traded(
    added: Callable[..., EquityCurve], curve: EquityCurve, time: Micros, *point: Any
) -> EquityCurve:
    if curve.day is None or time // DAY > curve.day:
        curve = changed(curve, day_counts=True)
    return added(curve, time, *point)


@bug_in("equity_curve.EquityCurve.begin")
def the_return_of_the_first_day_is_left_out(
    begin: Callable[..., EquityCurve], kind: type[EquityCurve], value: float
) -> EquityCurve:
    return changed(begin(kind, value), closed_value=0.0)


@bug_in("equity_curve.EquityCurve.added")
def a_year_has_252_days_for_everybody(
    added: Callable[..., EquityCurve], curve: EquityCurve, time: Micros, *point: Any
) -> EquityCurve:
    return changed(added(curve, time, *point), every_day=False)
