"""Bugs to be planted in the rules of trading, each as a piece of code and its replacement."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """A piece of a module of the domain and what it is replaced by."""

    name: str
    module: str
    right: str
    wrong: str


BUGS = [
    PlantedBug(
        "an order reserves nothing",
        "posting",
        "order = changed(order, reserved=held)\n    else:",
        "order = changed(order, reserved=0)\n    else:",
    ),
    PlantedBug(
        "a sale reserves nothing",
        "posting",
        "position.reserved_quantity + order.leaves_quantity",
        "position.reserved_quantity",
    ),
    PlantedBug(
        "a later fill spends what other orders hold",
        "trading",
        "money = order.reserved + decision.account.buying_power",
        "money = decision.account.balance",
    ),
    PlantedBug(
        "slippage goes past the limit",
        "matching",
        "price = min(price, limit) if buys else max(price, limit)",
        "pass",
    ),
    PlantedBug(
        "a limit is filled one step worse",
        "matching",
        "price > limit if buys",
        "price > limit + 1 if buys",
    ),
    PlantedBug(
        "the same ask refills",
        "posting",
        "ask_taken=min(position.ask_taken + found.quantity, AMOUNT_LIMIT)",
        "ask_taken=position.ask_taken",
    ),
    PlantedBug(
        "the next quote does not refill", "matching", "bid_taken=0, ask_taken=0", "bid_taken=0"
    ),
    PlantedBug(
        "what is paid is rounded down",
        "costs",
        "return cents_up(notional",
        "return -cents_up(-notional",
    ),
    PlantedBug(
        "what is received is rounded up",
        "posting",
        "amount = cents_down(notional * multiplier, SCALE)",
        "amount = -cents_down(-notional * multiplier, SCALE)",
    ),
    PlantedBug(
        "slippage is that of the last unit, not the mean",
        "costs",
        "2 * taken + quantity, 2 * size",
        "taken + quantity, size",
    ),
    PlantedBug(
        "slippage forgets earlier takings",
        "costs",
        "2 * taken + quantity, 2 * size",
        "quantity, 2 * size",
    ),
    PlantedBug(
        "a resting order pays slippage",
        "trading",
        "market, new_id, takes=False",
        "market, new_id, takes=True",
    ),
    PlantedBug(
        "a FOK order is filled in part",
        "risk",
        "if found and found.quantity == it.order.quantity:",
        "if found:",
    ),
    PlantedBug(
        "an IOC order rests",
        "trading",
        "if decision.order.status.is_live and not",
        "if False and not",
    ),
    PlantedBug(
        "the minimum fee is charged for each fill",
        "costs",
        "return max(total - (order.fees - start.fees), 0)",
        "return costs.fees.total(instrument, quantity - order.filled_quantity,"
        " notional - order.filled_notional)",
    ),
    PlantedBug(
        "a sale pays more than it brings",
        "posting",
        "return amount, min(fee, amount)",
        "return amount, fee",
    ),
    PlantedBug(
        "a cancelled order keeps its reservation",
        "posting",
        "now,\n        reserved=decision.account.reserved - before.reserved,",
        "now,\n        reserved=decision.account.reserved,",
    ),
    PlantedBug(
        "a cancelled sale keeps its position",
        "posting",
        "now,\n        reserved=0,\n    )\n    if order.side is Side.SELL:",
        "now,\n        reserved=0,\n    )\n    if False:",
    ),
    PlantedBug(
        "the log has a gap",
        "posting",
        "sequence = account.sequence + 1\n",
        "sequence = account.sequence + 2\n",
    ),
    PlantedBug(
        "the last sale leaves some of the cost",
        "posting",
        "basis = divide_half_even(position.cost_basis * quantity, position.quantity)",
        "basis = position.cost_basis // position.quantity * quantity",
    ),
    PlantedBug(
        "a share of the cost is rounded to cents",
        "posting",
        "basis = divide_half_even(position.cost_basis * quantity, position.quantity)",
        "basis = divide_half_even(position.cost_basis * quantity,"
        " position.quantity * 10**6) * 10**6",
    ),
    PlantedBug(
        "a sale moves the average cost",
        "posting",
        "average_cost=position.average_cost if left else 0,",
        "average_cost=divide_half_even("
        "(position.cost_basis - basis) * SCALE, left) if left else 0,",
    ),
    PlantedBug(
        "what rounding takes is part of the price",
        "posting",
        "_bought(position, found, worth, fee + rounding)",
        "_bought(position, found, amount, fee)",
    ),
    PlantedBug(
        "what rounding takes of a purchase is no cost",
        "posting",
        "_bought(position, found, worth, fee + rounding)",
        "_bought(position, found, worth, fee)",
    ),
    PlantedBug(
        "what rounding takes of a sale is given back",
        "posting",
        "account.balance + amount - fee, worth - amount",
        "account.balance + amount - fee, amount - worth",
    ),
    PlantedBug(
        "what rounding takes is no fee",
        "posting",
        "fees_paid=account.fees_paid + fee + rounding,",
        "fees_paid=account.fees_paid + fee,",
    ),
    PlantedBug(
        "an average counts the last price only",
        "posting",
        "average_cost=divide_half_even(paid_for_all, quantity),",
        "average_cost=found.price,",
    ),
    PlantedBug(
        "a gain leaves out the fees of buying",
        "posting",
        "return rest, proceeds - basis - buy_fees",
        "return rest, proceeds - basis",
    ),
    PlantedBug(
        "an order pays for one unit of a contract",
        "costs",
        "notional * instrument.multiplier, SCALE",
        "notional, SCALE",
    ),
    PlantedBug(
        "an order that cannot wait is accepted without a quote",
        "risk",
        "    (Reason.NO_QUOTE, _no_quote),\n",
        "",
    ),
    PlantedBug(
        "an overdue order fills", "trading", "if is_overdue(order, market.now):", "if False:"
    ),
    PlantedBug(
        "a late quote is applied again",
        "quote",
        "(quote.time, quote.sequence) < (applied.time, applied.sequence)",
        "quote.time < applied.time",
    ),
    PlantedBug(
        "a stop triggers one unit early",
        "order_types",
        "return quote.ask >= _stop_price(order)",
        "return quote.ask >= _stop_price(order) - 1",
    ),
    PlantedBug(
        "a stop forgets that it was triggered",
        "posting",
        "changed(before, triggered_at=market.now, updated_at=market.now)",
        "changed(before, updated_at=market.now)",
    ),
    PlantedBug(
        "a stop reserves without margin",
        "order_types",
        "return with_margin(max(_stop_price(order), ask))",
        "return max(_stop_price(order), ask)",
    ),
    PlantedBug(
        "a triggered stop waits for the next quote",
        "trading",
        "        decision = trigger(decision, market)\n",
        "        return trigger(decision, market)\n",
    ),
    PlantedBug(
        "a trigger pays no slippage",
        "trading",
        "return _match(decision, market, new_id, takes=True)",
        "return _match(decision, market, new_id, takes=decision.order.stop_price is None)",
    ),
    PlantedBug(
        "stops that a quote triggers go before what was there",
        "matching",
        "return awaits_trigger, side, sign * price",
        "return False, side, sign * price",
    ),
    PlantedBug(
        "a replacement keeps the old reservation too",
        "posting",
        "account,\n            reserved=account.reserved - order.reserved,",
        "account,\n            reserved=account.reserved,",
    ),
    PlantedBug(
        "a replacement begins the fee anew whenever it comes",
        "trading",
        "if quantity > order.quantity:",
        "if quantity != order.quantity:",
    ),
    PlantedBug(
        "a replacement moves the expiry",
        "trading",
        "order=changed(draft, reserved=0, updated_at=market.now),",
        "order=changed(draft, reserved=0, updated_at=market.now,"
        " expires_at=market.now + GTC_LIFETIME),",
    ),
    PlantedBug(
        "a closed market fills",
        "trading",
        "if market.quote is None or not market.is_open:",
        "if market.quote is None:",
    ),
    PlantedBug(
        "what cannot wait is accepted while the market is closed",
        "risk",
        "    (Reason.MARKET_CLOSED, _market_closed),\n",
        "",
    ),
    PlantedBug(
        "a halted account sells",
        "risk",
        "if state is TradingState.HALTED:",
        "if state is TradingState.HALTED and it.order.side is Side.BUY:",
    ),
    PlantedBug(
        "the larger of two limits on an order's value holds",
        "risk",
        "limit = min((limit for limit",
        "limit = max((limit for limit",
    ),
    PlantedBug(
        "a sell stop triggers one unit early",
        "order_types",
        "return quote.bid <= _stop_price(order)",
        "return quote.bid <= _stop_price(order) + 1",
    ),
    PlantedBug(
        "a trigger takes no free money",
        "posting",
        "_reservation(order, before.reserved + account.buying_power, market)",
        "_reservation(order, before.reserved, market)",
    ),
    PlantedBug(
        "a stop behind the ask reserves its stop price",
        "order_types",
        "max(_stop_price(order), ask)",
        "_stop_price(order)",
    ),
    PlantedBug(
        "a replacement is matched by the next quote only",
        "trading",
        "_arrive(hold(decision, OrderUpdateType.REPLACED, market), market, new_id)",
        "hold(decision, OrderUpdateType.REPLACED, market)",
    ),
    PlantedBug(
        "a replacement loses what is filled",
        "trading",
        "order=changed(draft, reserved=0,",
        "order=changed(draft, filled_quantity=0, reserved=0,",
    ),
    PlantedBug(
        "a replacement goes on with the fee of before",
        "trading",
        "if quantity > order.quantity:",
        "if False:",
    ),
    PlantedBug(
        "a raised quantity is charged for fees that were paid",
        "trading",
        "notional=order.filled_notional, fees=order.fees",
        "notional=order.filled_notional",
    ),
    PlantedBug(
        "a reducing account buys", "risk", "if state is TradingState.REDUCING and", "if False and"
    ),
    PlantedBug(
        "the largest value of an order is ignored",
        "risk",
        "    (Reason.ORDER_NOTIONAL_EXCEEDED, _order_notional_exceeded),\n",
        "",
    ),
    PlantedBug(
        "the largest loss counts one cent late", "risk", "if loss < limit:", "if loss <= limit:"
    ),
    PlantedBug(
        "a share forgets what is at stake already", "risk", "exposure.at_stake + rest", "rest"
    ),
    PlantedBug(
        "a notional guard rail reckons without the margin of a stop",
        "order_types",
        "return self.reservation_price(order, market.quote)",
        "return max(_stop_price(order), market.quote.ask if market.quote else 0)",
    ),
    PlantedBug(
        "a sale is worth no more than its limit",
        "order_types",
        "return max(_limit_price(order), market.quote.bid)",
        "return _limit_price(order)",
    ),
    PlantedBug(
        "a sale that awaits its trigger is worth no more than its limit",
        "order_types",
        "return max(_limit_price(order), _stop_price(order))",
        "return _limit_price(order)",
    ),
    PlantedBug(
        "money is looked at after the hour",
        "risk",
        "    (Reason.INSUFFICIENT_BUYING_POWER, _insufficient_buying_power),\n"
        "    (Reason.INSUFFICIENT_POSITION, _insufficient_position),\n"
        "    (Reason.MARKET_CLOSED, _market_closed),\n",
        "    (Reason.MARKET_CLOSED, _market_closed),\n"
        "    (Reason.INSUFFICIENT_BUYING_POWER, _insufficient_buying_power),\n"
        "    (Reason.INSUFFICIENT_POSITION, _insufficient_position),\n",
    ),
    PlantedBug(
        "a day counts on which nothing could be traded",
        "equity_curve",
        "range(skipped + (self.day is not None and self.day_counts))",
        "range(skipped + (self.day is not None))",
    ),
    PlantedBug(
        "the first day's return is left out",
        "equity_curve",
        "closed_value=value, day_value=value)",
        "closed_value=0.0, day_value=value)",
    ),
    PlantedBug(
        "a year has 252 days for everybody",
        "equity_curve",
        "return DAYS_A_YEAR if self.every_day else SESSION_DAYS_A_YEAR",
        "return SESSION_DAYS_A_YEAR",
    ),
]
