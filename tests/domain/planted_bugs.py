"""Bugs to be planted: pieces of the domain's code, and what each is replaced by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedBug:
    """A piece of a module of the domain and what it is replaced by."""

    name: str
    module: str
    right: str
    wrong: str


BUGS = [
    PlantedBug(
        name="an order reserves nothing", module="posting",
        right="order = changed(order, reserved=held)\n    else:",
        wrong="order = changed(order, reserved=0)\n    else:",
    ),
    PlantedBug(
        name="a sale reserves nothing", module="posting",
        right='position.reserved_quantity + order.leaves_quantity',
        wrong='position.reserved_quantity',
    ),
    PlantedBug(
        name="a later fill spends what other orders hold", module="trading",
        right="money = order.reserved + decision.account.buying_power",
        wrong="money = decision.account.balance",
    ),
    PlantedBug(
        name="slippage goes past the limit", module="matching",
        right="price = min(price, limit) if buys else max(price, limit)", wrong="pass",
    ),
    PlantedBug(
        name="a limit is filled one step worse", module="matching",
        right="price > limit if buys", wrong="price > limit + 1 if buys",
    ),
    PlantedBug(
        name="the same ask refills", module="posting",
        right="ask_taken=_taken(position.ask_taken + found.quantity)",
        wrong="ask_taken=position.ask_taken",
    ),
    PlantedBug(
        name="the next quote does not refill", module="matching",
        right="bid_taken=0, ask_taken=0", wrong="bid_taken=0",
    ),
    PlantedBug(
        name="what is paid is rounded down", module="reservation",
        right="return cents_up(notional", wrong="return -cents_up(-notional",
    ),
    PlantedBug(
        name="what is received is rounded up", module="posting",
        right="amount = cents_down(notional * multiplier, SCALE)",
        wrong="amount = -cents_down(-notional * multiplier, SCALE)",
    ),
    PlantedBug(
        name="slippage is that of the last unit, not the mean", module="costs",
        right="2 * taken + quantity, 2 * size", wrong="taken + quantity, size",
    ),
    PlantedBug(
        name="slippage forgets earlier takings", module="costs",
        right="2 * taken + quantity, 2 * size", wrong="quantity, 2 * size",
    ),
    PlantedBug(
        name="a resting order pays slippage", module="trading",
        right="market, new_id, takes=False", wrong="market, new_id, takes=True",
    ),
    PlantedBug(
        name="a FOK order is filled in part", module="risk",
        right='if found and found.quantity == it.order.quantity:', wrong='if found:',
    ),
    PlantedBug(
        name="an IOC order rests", module="trading",
        right="if decision.order.status.is_live and not", wrong="if False and not",
    ),
    PlantedBug(
        name="the minimum fee is charged for each fill", module="reservation",
        right="return max(total - (order.fees - start.fees), 0)",
        wrong="return costs.fees.total(instrument, quantity - order.filled_quantity,"
        " notional - order.filled_notional)",
    ),
    PlantedBug(
        name="a sale pays more than it brings", module="posting",
        right="return amount, min(fee, amount)", wrong="return amount, fee",
    ),
    PlantedBug(
        name="a cancelled order keeps its reservation", module="posting",
        right="now, reserved=decision.account.reserved - before.reserved,",
        wrong="now, reserved=decision.account.reserved,",
    ),
    PlantedBug(
        name="a cancelled sale keeps its position", module="posting",
        right="now, reserved=0,\n    )  # fmt: skip\n    if order.side is Side.SELL:",
        wrong="now, reserved=0,\n    )  # fmt: skip\n    if False:",
    ),
    PlantedBug(
        name="the log has a gap", module="posting",
        right="sequence = account.sequence + 1\n", wrong="sequence = account.sequence + 2\n",
    ),
    PlantedBug(
        name="the last sale leaves some of the cost", module="posting",
        right="basis = divide_half_even(position.cost_basis * quantity, position.quantity)",
        wrong="basis = position.cost_basis // position.quantity * quantity",
    ),
    PlantedBug(
        name="a share of the cost is rounded to cents", module="posting",
        right="basis = divide_half_even(position.cost_basis * quantity, position.quantity)",
        wrong="basis = divide_half_even(position.cost_basis * quantity,"
        " position.quantity * 10**6) * 10**6",
    ),
    PlantedBug(
        name="a sale moves the average cost", module="posting",
        right="average_cost=position.average_cost if left else 0,",
        wrong="average_cost=divide_half_even("
        "(position.cost_basis - basis) * SCALE, left) if left else 0,",
    ),
    PlantedBug(
        name="what rounding takes is part of the price", module="posting",
        right="_bought(position, found, worth, fee + rounding)",
        wrong="_bought(position, found, amount, fee)",
    ),
    PlantedBug(
        name="what rounding takes of a purchase is no cost", module="posting",
        right="_bought(position, found, worth, fee + rounding)",
        wrong="_bought(position, found, worth, fee)",
    ),
    PlantedBug(
        name="what rounding takes of a sale is given back", module="posting",
        right="account.balance + amount - fee, worth - amount",
        wrong="account.balance + amount - fee, amount - worth",
    ),
    PlantedBug(
        name="what rounding takes is no fee", module="posting",
        right="fees_paid=account.fees_paid + fee + rounding,",
        wrong="fees_paid=account.fees_paid + fee,",
    ),
    PlantedBug(
        name="an average counts the last price only", module="posting",
        right="average_cost=divide_half_even(paid_for_all, quantity),",
        wrong="average_cost=found.price,",
    ),
    PlantedBug(
        name="a gain leaves out the fees of buying", module="posting",
        right="return rest, proceeds - basis - buy_fees", wrong="return rest, proceeds - basis",
    ),
    PlantedBug(
        name="an order pays for one unit of a contract", module="reservation",
        right="notional * instrument.multiplier, SCALE", wrong="notional, SCALE",
    ),
    PlantedBug(
        name="an order that cannot wait is accepted without a quote", module="risk",
        right="    (Reason.NO_QUOTE, _no_quote),\n", wrong="",
    ),
    PlantedBug(
        name="zero is a loss", module="account",
        right="if pnl < 0 else 0", wrong="if pnl <= 0 else 0",
    ),
    PlantedBug(
        name="an overdue order fills", module="trading",
        right='if is_overdue(order, market.now):', wrong='if False:',
    ),
    PlantedBug(
        name="a late quote is applied again", module="quote",
        right="(quote.time, quote.sequence) < (applied.time, applied.sequence)",
        wrong="quote.time < applied.time",
    ),
    PlantedBug(
        name="a stop triggers one unit early", module="matching",
        right="return quote.ask >= order.stop_price",
        wrong="return quote.ask >= order.stop_price - 1",
    ),
    PlantedBug(
        name="a stop forgets that it was triggered", module="posting",
        right="changed(before, triggered_at=market.now, updated_at=market.now)",
        wrong="changed(before, updated_at=market.now)",
    ),
    PlantedBug(
        name="a stop reserves without margin", module="reservation",
        right="price = with_margin(max(stop or 0, ask))", wrong="price = max(stop or 0, ask)",
    ),
    PlantedBug(
        name="a triggered stop waits for the next quote", module="trading",
        right="        decision = trigger(decision, market)\n",
        wrong="        return trigger(decision, market)\n",
    ),
    PlantedBug(
        name="a trigger pays no slippage", module="trading",
        right="return _match(decision, market, new_id, takes=True)",
        wrong="return _match(decision, market, new_id, takes=decision.order.stop_price is None)",
    ),
    PlantedBug(
        name="stops that a quote triggers go before what was there", module="matching",
        right="return awaits_trigger, side, sign * price",
        wrong="return False, side, sign * price",
    ),
    PlantedBug(
        name="a replacement keeps the old reservation too", module="posting",
        right="account, reserved=account.reserved - order.reserved,",
        wrong="account, reserved=account.reserved,",
    ),
    PlantedBug(
        name="a replacement begins the fee anew whenever it comes", module="trading",
        right="if quantity > order.quantity:", wrong="if quantity != order.quantity:",
    ),
    PlantedBug(
        name="a replacement moves the expiry", module="trading",
        right="order=changed(draft, reserved=0, updated_at=market.now),",
        wrong="order=changed(draft, reserved=0, updated_at=market.now,"
        " expires_at=market.now + GTC_LIFETIME),",
    ),
    PlantedBug(
        name="a closed market fills", module="trading",
        right="if market.quote is None or not market.is_open:", wrong="if market.quote is None:",
    ),
    PlantedBug(
        name="what cannot wait is accepted while the market is closed", module="risk",
        right="    (Reason.MARKET_CLOSED, _market_closed),\n", wrong="",
    ),
    PlantedBug(
        name="a halted account sells", module="risk",
        right="if state is TradingState.HALTED:",
        wrong="if state is TradingState.HALTED and it.order.side is Side.BUY:",
    ),
    PlantedBug(
        name="the larger of two limits on an order's value holds", module="risk",
        right="limit = min((limit for limit", wrong="limit = max((limit for limit",
    ),
    PlantedBug(
        name="a settlement forgets the multiplier", module="account_changes",
        right="position.quantity * price * instrument.multiplier",
        wrong="position.quantity * price",
    ),
    PlantedBug(
        name="a put pays like a call", module="account_changes",
        right="strike - underlying_price, 0)", wrong="underlying_price - strike, 0)",
    ),
    PlantedBug(
        name="a sell stop triggers one unit early", module="matching",
        right="return quote.bid <= order.stop_price",
        wrong="return quote.bid <= order.stop_price + 1",
    ),
    PlantedBug(
        name="a trigger takes no free money", module="posting",
        right="free = before.reserved + account.buying_power", wrong="free = before.reserved",
    ),
    PlantedBug(
        name="a stop behind the ask reserves its stop price", module="reservation",
        right="max(stop or 0, ask)", wrong="stop or ask",
    ),
    PlantedBug(
        name="a replacement is matched by the next quote only", module="trading",
        right="_arrive(hold(decision, OrderUpdateType.REPLACED, market), market, new_id)",
        wrong="hold(decision, OrderUpdateType.REPLACED, market)",
    ),
    PlantedBug(
        name="a replacement loses what is filled", module="trading",
        right="order=changed(draft, reserved=0,",
        wrong="order=changed(draft, filled_quantity=0, reserved=0,",
    ),
    PlantedBug(
        name="a replacement goes on with the fee of before", module="trading",
        right="if quantity > order.quantity:", wrong="if False:",
    ),
    PlantedBug(
        name="a raised quantity is charged for fees that were paid", module="trading",
        right="notional=order.filled_notional, fees=order.fees",
        wrong="notional=order.filled_notional",
    ),
    PlantedBug(
        name="a reducing account buys", module="risk",
        right="if state is TradingState.REDUCING and", wrong="if False and",
    ),
    PlantedBug(
        name="the largest value of an order is ignored", module="risk",
        right="    (Reason.ORDER_NOTIONAL_EXCEEDED, _order_notional_exceeded),\n", wrong="",
    ),
    PlantedBug(
        name="the largest loss counts one cent late", module="risk",
        right="if loss < limit:", wrong="if loss <= limit:",
    ),
    PlantedBug(
        name="a share forgets what is at stake already", module="risk",
        right="exposure.at_stake + rest", wrong="rest",
    ),
    PlantedBug(
        name="a notional guard rail reckons without the margin of a stop", module="risk",
        right="return with_margin(max(order.stop_price, ask))",
        wrong="return max(order.stop_price, ask)",
    ),
    PlantedBug(
        name="a sale is worth no more than its limit", module="risk",
        right="else max(order.limit_price, _price_to_come(it))", wrong="else order.limit_price",
    ),
    PlantedBug(
        name="a sale that awaits its trigger is worth no more than its limit", module="risk",
        right="return it.order.stop_price or 0", wrong="return 0",
    ),
    PlantedBug(
        name="money is looked at after the hour", module="risk",
        right="    (Reason.INSUFFICIENT_BUYING_POWER, _insufficient_buying_power),\n"
        "    (Reason.INSUFFICIENT_POSITION, _insufficient_position),\n"
        "    (Reason.MARKET_CLOSED, _market_closed),\n",
        wrong="    (Reason.MARKET_CLOSED, _market_closed),\n"
        "    (Reason.INSUFFICIENT_BUYING_POWER, _insufficient_buying_power),\n"
        "    (Reason.INSUFFICIENT_POSITION, _insufficient_position),\n",
    ),
    PlantedBug(
        name="a settlement is rounded up", module="account_changes",
        right="amount = cents_down(position.quantity * price",
        wrong="amount = -cents_down(-position.quantity * price",
    ),
    PlantedBug(
        name="a settlement leaves out the fees of buying", module="account_changes",
        right="amount - position.cost_basis - position.buy_fees",
        wrong="amount - position.cost_basis",
    ),
    PlantedBug(
        name="a reset keeps the fees", module="account_changes",
        right="realized_pnl=0, fees_paid=0,", wrong="realized_pnl=0,",
    ),
    PlantedBug(
        name="a reset keeps the cost of what it drops", module="account_changes",
        right="cost_basis=0, buy_fees=0)\n        for",
        wrong="buy_fees=0)\n        for",
    ),
    PlantedBug(
        name="a reset refills the quotes", module="account_changes",
        right="cost_basis=0, buy_fees=0)\n        for",
        wrong="cost_basis=0, buy_fees=0, ask_taken=0, bid_taken=0)\n        for",
    ),
    PlantedBug(
        name="a reset begins no epoch", module="account_changes",
        right="resets=account.resets + 1, epoch_sequence=sequence,",
        wrong="resets=account.resets + 1,",
    ),
    PlantedBug(
        name="a deposit is a gain", module="account_changes",
        right="account.initial_share * (equity / (equity + amount))",
        wrong="account.initial_share",
    ),
    PlantedBug(
        name="a deposit is weighed by what the account is worth after it",
        module="account_changes",
        right="account.initial_share * (equity / (equity + amount))",
        wrong="account.initial_share * ((equity + amount) / (equity + 2 * amount))",
    ),
    PlantedBug(
        name="a deposit knows what the account was worth after it", module="account_changes",
        right="equity_before=equity,", wrong="equity_before=equity + amount,",
    ),
    PlantedBug(
        name="a day counts on which nothing could be traded", module="equity_curve",
        right="range(skipped + (self.day is not None and self.day_counts))",
        wrong="range(skipped + (self.day is not None))",
    ),
    PlantedBug(
        name="the first day's return is left out", module="equity_curve",
        right="closed_value=value, day_value=value)",
        wrong="closed_value=0.0, day_value=value)",
    ),
    PlantedBug(
        name="a year has 252 days for everybody", module="equity_curve",
        right="return DAYS_A_YEAR if self.every_day else SESSION_DAYS_A_YEAR",
        wrong="return SESSION_DAYS_A_YEAR",
    ),
    PlantedBug(
        name="a reset keeps what was traded", module="account_changes",
        right="traded=frozenset(), ", wrong="",
    ),
    PlantedBug(
        name="what was lost makes room for a deposit", module="account_changes",
        right="most = max(account.deposits, equity)", wrong="most = equity",
    ),
]  # fmt: skip
