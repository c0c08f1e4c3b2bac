"""Planted bugs of matching, of the price of a fill, and of its effect on money and position."""

from collections.abc import Callable
from typing import Any

from server.domain.account import Position
from server.domain.changes import changed
from server.domain.costs import Costs, LinearSlippage, fee_due
from server.domain.instrument import Instrument
from server.domain.market import Market
from server.domain.matching import Match
from server.domain.order import Order, Side
from server.domain.order_types import Waiting, Watch
from server.domain.posting import Decision
from server.domain.quote import Quote
from server.domain.values import SCALE, Quantity, Units, cents_down, cents_up, divide_half_even
from tests.domain.planted.outcomes import (
    account_of,
    order_of,
    position_of,
    rounding_of,
    with_account,
    with_event,
    with_fill,
    with_position,
)
from tests.domain.planted.planting import bug_in

Matching = Callable[..., Match | None]
Filling = Callable[[Decision, str, Match, Market, str], Decision]
Selling = Callable[[Position, Units, Units], tuple[Position, Units]]
Amount = Callable[[Instrument, int], Units]


@bug_in("matching.match")
def slippage_goes_past_the_limit(match: Matching, order: Order, *rest: Any, takes: bool) -> Any:
    if match(order, *rest, takes=takes) is None:
        return None
    return match(changed(order, limit_price=None), *rest, takes=takes)


@bug_in("matching.match")
def a_limit_is_filled_one_step_worse(match: Matching, order: Order, *rest: Any, takes: bool) -> Any:
    if order.limit_price is not None and order.side is Side.BUY:
        order = changed(order, limit_price=order.limit_price + 1)
    return match(order, *rest, takes=takes)


@bug_in("matching.match")
def a_resting_order_pays_slippage(match: Matching, *values: Any, takes: bool) -> Any:
    return match(*values, takes=True)


@bug_in("matching.match")
def a_trigger_pays_no_slippage(match: Matching, order: Order, *rest: Any, takes: bool) -> Any:
    return match(order, *rest, takes=takes and order.stop_price is None)


@bug_in("matching.seen")
def the_next_quote_does_not_refill(
    seen: Callable[[Position, Quote], Position], position: Position, quote: Quote
) -> Position:
    return changed(seen(position, quote), ask_taken=position.ask_taken)


@bug_in("matching.rank")
def stops_that_a_quote_triggers_go_before_what_was_there(
    rank: Callable[[Watch, Units], tuple[bool, str, Units]], movement: Watch, price: Units
) -> tuple[bool, str, Units]:
    _, side, signed = rank(movement, price)
    return False, side, signed


@bug_in("order_types._UntilStop.is_reached")
def a_stop_triggers_one_unit_early(
    is_reached: Callable[[Waiting, Order, Quote], bool],
    waiting: Waiting,
    order: Order,
    quote: Quote,
) -> bool:
    return is_reached(waiting, order, changed(quote, ask=quote.ask + 1))


@bug_in("order_types._UntilStop.is_reached")
def a_sell_stop_triggers_one_unit_early(
    is_reached: Callable[[Waiting, Order, Quote], bool],
    waiting: Waiting,
    order: Order,
    quote: Quote,
) -> bool:
    return is_reached(waiting, order, changed(quote, bid=quote.bid - 1))


@bug_in("costs.LinearSlippage.taking_price")
def slippage_is_that_of_the_last_unit_and_not_the_mean(
    taking_price: Callable[..., Units],
    model: LinearSlippage,
    *priced: Any,
    size: Units,
    taken: Units,
    quantity: Units,
) -> Units:
    # The mean of the doubled figures is that of the last unit of the given ones.
    return taking_price(
        model, *priced, size=2 * size, taken=2 * taken + quantity, quantity=2 * quantity
    )


@bug_in("costs.LinearSlippage.taking_price")
def slippage_forgets_earlier_takings(
    taking_price: Callable[..., Units],
    model: LinearSlippage,
    *priced: Any,
    size: Units,
    taken: Units,
    quantity: Units,
) -> Units:
    return taking_price(model, *priced, size=size, taken=0, quantity=quantity)


@bug_in("costs.paid")
def what_is_paid_is_rounded_down(paid: Amount, instrument: Instrument, notional: int) -> Units:
    return cents_down(notional * instrument.multiplier, SCALE)


@bug_in("costs.paid")
def an_order_pays_for_one_unit_of_a_contract(
    paid: Amount, instrument: Instrument, notional: int
) -> Units:
    return paid(changed(instrument, multiplier=1), notional)


@bug_in("costs.received")
def what_is_received_is_rounded_up(
    received: Amount, instrument: Instrument, notional: int
) -> Units:
    return cents_up(notional * instrument.multiplier, SCALE)


@bug_in("costs.fee_due")
def the_minimum_fee_is_charged_for_each_fill(
    fee_due: Callable[..., Units],
    order: Order,
    quantity: Units,
    notional: int,
    instrument: Instrument,
    costs: Costs,
) -> Units:
    rest, rest_notional = quantity - order.filled_quantity, notional - order.filled_notional
    return costs.fees.total(instrument, Quantity(rest), rest_notional)


@bug_in("posting.amount_and_fee")
def a_sale_pays_more_than_it_brings(
    amount_and_fee: Callable[..., tuple[Units, Units]],
    before: Order,
    quantity: Units,
    notional: int,
    market: Market,
) -> tuple[Units, Units]:
    amount, _ = amount_and_fee(before, quantity, notional, market)
    return amount, fee_due(before, Quantity(quantity), notional, market.instrument, market.costs)


@bug_in("posting.record")
def the_log_has_a_gap(
    record: Callable[..., Decision],
    *values: Any,
    **changes: Any,
) -> Decision:
    recorded = record(*values, **changes)
    sequence = account_of(recorded).sequence + 1
    return with_event(with_account(recorded, sequence=sequence), sequence=sequence)


@bug_in("posting.fill")
def the_same_ask_refills(
    fill: Filling, decision: Decision, order_id: str, found: Match, market: Market, fill_id: str
) -> Decision:
    filled = fill(decision, order_id, found, market, fill_id)
    return with_position(filled, ask_taken=position_of(decision).ask_taken)


@bug_in("posting.fill")
def an_average_counts_the_last_price_only(
    fill: Filling, decision: Decision, order_id: str, found: Match, market: Market, fill_id: str
) -> Decision:
    filled = fill(decision, order_id, found, market, fill_id)
    if order_of(decision).side is Side.SELL:
        return filled
    return with_position(filled, average_cost=found.price)


@bug_in("posting.fill")
def what_rounding_takes_is_part_of_the_price(
    fill: Filling, decision: Decision, order_id: str, found: Match, market: Market, fill_id: str
) -> Decision:
    filled = fill(decision, order_id, found, market, fill_id)
    if order_of(decision).side is Side.SELL:
        return filled
    bought, rounding = position_of(filled), rounding_of(filled)
    return with_position(
        filled, cost_basis=bought.cost_basis + rounding, buy_fees=bought.buy_fees - rounding
    )


@bug_in("posting.fill")
def what_rounding_takes_of_a_purchase_is_no_cost(
    fill: Filling, decision: Decision, order_id: str, found: Match, market: Market, fill_id: str
) -> Decision:
    filled = fill(decision, order_id, found, market, fill_id)
    if order_of(decision).side is Side.SELL:
        return filled
    buy_fees = position_of(filled).buy_fees - rounding_of(filled)
    return with_position(filled, buy_fees=buy_fees)


@bug_in("posting.fill")
def what_rounding_takes_of_a_sale_is_given_back(
    fill: Filling, decision: Decision, order_id: str, found: Match, market: Market, fill_id: str
) -> Decision:
    filled = fill(decision, order_id, found, market, fill_id)
    if order_of(decision).side is Side.BUY:
        return filled
    fees_paid, rounding = account_of(filled).fees_paid, rounding_of(filled)
    filled = with_account(filled, fees_paid=fees_paid - 2 * rounding)
    return with_fill(filled, rounding=-rounding)


@bug_in("posting.fill")
def what_rounding_takes_is_no_fee(
    fill: Filling, decision: Decision, order_id: str, found: Match, market: Market, fill_id: str
) -> Decision:
    filled = fill(decision, order_id, found, market, fill_id)
    fees_paid = account_of(filled).fees_paid - rounding_of(filled)
    return with_account(filled, fees_paid=fees_paid)


@bug_in("posting.sold")
def the_last_sale_leaves_some_of_the_cost(
    sold: Selling, position: Position, quantity: Units, proceeds: Units
) -> tuple[Position, Units]:
    basis = position.cost_basis // position.quantity * quantity
    return _with_basis(position, basis, *sold(position, quantity, proceeds))


@bug_in("posting.sold")
def a_share_of_the_cost_is_rounded_to_cents(
    sold: Selling, position: Position, quantity: Units, proceeds: Units
) -> tuple[Position, Units]:
    cost = position.cost_basis * quantity
    basis = divide_half_even(cost, position.quantity * 10**6) * 10**6
    return _with_basis(position, basis, *sold(position, quantity, proceeds))


@bug_in("posting.sold")
def a_sale_moves_the_average_cost(
    sold: Selling, position: Position, quantity: Units, proceeds: Units
) -> tuple[Position, Units]:
    rest, pnl = sold(position, quantity, proceeds)
    average = divide_half_even(rest.cost_basis * SCALE, rest.quantity) if rest.quantity else 0
    return changed(rest, average_cost=average), pnl


@bug_in("posting.sold")
def a_gain_leaves_out_the_fees_of_buying(
    sold: Selling, position: Position, quantity: Units, proceeds: Units
) -> tuple[Position, Units]:
    rest, pnl = sold(position, quantity, proceeds)
    return rest, pnl + position.buy_fees - rest.buy_fees


def _with_basis(
    position: Position, basis: Units, rest: Position, pnl: Units
) -> tuple[Position, Units]:
    """Return what a sale leaves and gains when it takes another share of the cost."""
    right = position.cost_basis - rest.cost_basis
    return changed(rest, cost_basis=position.cost_basis - basis), pnl + right - basis
