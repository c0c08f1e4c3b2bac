"""An auditor that trusts no arithmetic of the domain: it reads events and adds up fractions."""

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor

from server.domain.events import AccountUpdated, Fill, OrderUpdated
from server.domain.order import Order
from server.domain.quote import Quote
from tests.domain.asked_for import asked_for
from tests.domain.book import Book
from tests.domain.group_auditor import ENDED, GroupAuditor
from tests.domain.naive_margin import NaiveMargin
from tests.domain.naive_money import NOTHING, fee_of, multiplier_of, real, worth_of
from tests.domain.naive_positions import NaivePositions
from tests.domain.naive_trades import compare_closed_trades
from tests.domain.naive_trails import NaiveTrails, is_trailing

STATUS_AFTER = {
    "ACCEPTED": "OPEN",
    "TRIGGERED": "OPEN",
    "REJECTED": "REJECTED",
    "PARTIALLY_FILLED": "PARTIALLY_FILLED",
    "FILLED": "FILLED",
    "CANCELLED": "CANCELLED",
}
WAITING = {"STOP", "STOP_LIMIT", "TRAILING_STOP"}


class Auditor:
    """Follows the events of one book and says where book and events do not agree.

    Money, positions, fees and closed trades are those of the epoch; orders stay.
    """

    def __init__(
        self,
        book: Book,
        *,
        fees: bool,
        displayed: bool = True,
        shows_trails: bool = True,
        slippage: bool = False,
    ) -> None:
        self.book = book
        self.trails = NaiveTrails()
        self.shows_trails = shows_trails
        self.stale: set[str] = set()
        self.fees = fees
        self.displayed = displayed
        self.sequence = 0
        self.deposit = self.balance = real(book.account.deposits)
        self.orders: dict[str, Order] = {}
        self.groups = GroupAuditor(self.orders)
        self.fills: dict[str, list[Fill]] = defaultdict(list)
        self.positions = NaivePositions()
        self.quantities = self.positions.quantities
        self.realized = self.fees_charged = NOTHING
        self.fill_count = self.resets = 0
        self.traded: set[str] = set()
        self.epoch_sequence = book.account.epoch_sequence
        self.epoch_began_at = book.account.epoch_began_at
        self.closed_trades: list[Fraction] = []
        self.fee_starts: dict[str, int] = {}
        self.arrivals: dict[str, Quote | None] = {}
        self.quotes: dict[str, Quote] = {}
        is_margin = book.account.margin_mode.value == "MARGIN"
        self.margin = NaiveMargin(
            self.positions, self.quotes, is_margin=is_margin, fees=fees, slippage=slippage
        )
        self.taken: dict[tuple[str, str], Fraction] = defaultdict(Fraction)

    def hear_quote(self, quote: Quote) -> None:
        """Note that a new quote counts, of which nothing is taken yet."""
        self.quotes[quote.symbol] = quote
        self.groups.released[quote.symbol].clear()
        self.stale.discard(quote.symbol)
        if self._is_executed(quote):
            self.trails.hear_quote(quote, self.orders.values())
        for side in ("BUY", "SELL"):
            self.taken[quote.symbol, side] = NOTHING

    def hear(self, event: OrderUpdated) -> None:
        """Check an event against all earlier ones and add it up."""
        self.sequence += 1
        assert event.sequence == self.sequence, "a gap in the log"
        order, update = event.order, event.type.value
        before = self.orders.get(order.id)
        if before is None:
            assert update in {"ACCEPTED", "REJECTED"}, f"{update} begins an order"
            assert (order.sequence, order.created_at) == (event.sequence, event.time)
            quote = self.arrivals[order.id] = self.quotes.get(order.symbol)
            self.trails.begin(order, quote if self._is_executed(quote) else None)
        else:
            assert before.status.value not in ENDED, f"{update} after {before.status.value}"
            assert update not in {"ACCEPTED", "REJECTED"}, f"{update} twice"
            self._hear_change(before, order, update, event.time)
            if update == "RELEASED":
                self.trails.begin(order, self.quotes[order.symbol])
        if order.order_type.value == "TRAILING_STOP":
            self.trails.check(before, order)
        kept = before.status.value if before is not None else ""
        assert order.status.value == STATUS_AFTER.get(update, kept)
        assert event.time == self.book.now == order.updated_at
        assert (event.fill is not None) == update.endswith("FILLED")
        self.groups.hear(before, order, update, is_margin=self.margin.is_margin)
        self.margin.hear(before, order, self.balance, self._market_quote(order.symbol))
        self.orders[order.id] = order
        if event.fill is not None:
            named = (event.fill.sequence, event.fill.order_id, event.fill.created_at)
            assert named == (event.sequence, order.id, event.time)
            self._hear_fill(event.fill, order)
        self._check_order(order)
        if order.status.value in ENDED and self.positions.closed[order.id]:
            self.closed_trades.append(self._profit(order))

    def hear_account(self, event: AccountUpdated) -> None:
        """Check a change of the account and add it up."""
        self.sequence += 1
        assert event.sequence == self.sequence, "a gap in the log"
        kind, amount = event.type.value, real(event.amount or 0)
        assert (event.amount is not None) == (kind in {"OPENED", "DEPOSIT", "RESET"})
        assert (event.settlement is not None) == (kind == "SETTLED")
        if kind == "OPENED":
            assert event.sequence == self.epoch_sequence == 1
            assert amount == self.deposit
        elif kind == "DEPOSIT":
            assert amount > 0
            self.deposit += amount
            self.balance += amount
        elif kind == "RESET":
            self._begin_epoch(event, amount)
        self.balance -= self.margin.hear_account(event, self.balance)
        settled = event.settlement
        if settled is not None:
            symbol, amount = settled.symbol, real(settled.amount)
            quantity, cost = self.positions.settle(symbol)
            assert real(settled.quantity) == quantity > 0
            multiplier = multiplier_of(symbol)
            exact = real(settled.quantity) * real(settled.price) * multiplier
            assert amount == Fraction(floor(exact * 100), 100)
            pnl = amount - cost
            assert real(settled.realized_pnl) == pnl
            self.balance += amount
            self.realized += pnl
            self.closed_trades.append(pnl)
        assert real(event.balance) == self.balance

    def compare(self) -> None:
        """Check that the book holds what its events say, and never holds back too much."""
        account = self.book.account
        assert account.sequence == self.sequence
        now = self.trails.shown if self.shows_trails else (lambda order: order)
        assert self.book.orders == {name: now(order) for name, order in self.orders.items()}
        live = [order for order in self.orders.values() if order.status.value not in ENDED]
        reserved = sum((real(order.reserved) for order in live), NOTHING)
        assert real(account.balance) == self.balance, "deposits and fills do not make the balance"
        assert real(account.reserved) == reserved, "live orders do not hold what is reserved"
        assert reserved >= 0
        assert reserved <= self.balance or self.margin.is_margin
        assert account.margin_mode.value == ("MARGIN" if self.margin.is_margin else "CASH")
        assert real(account.interest_paid) == self.margin.interest_paid
        assert account.live_orders == len(live)
        assert account.fills == self.fill_count
        assert {kind.value for kind in account.traded} == self.traded
        assert real(account.fees_paid) == self.fees_charged
        assert real(account.deposits) == self.deposit
        epoch = (account.resets, account.epoch_sequence, account.epoch_began_at)
        assert epoch == (self.resets, self.epoch_sequence, self.epoch_began_at)
        assert real(account.realized_pnl) == self.realized
        kept = self.balance + self.positions.cost + self.margin.interest_paid
        assert self.deposit + self.realized == kept, "P&L explains no balance"
        for order in live:
            assert order.time_in_force.value in {"GTC", "DAY"}, "an IOC or FOK order rests"
        self.compare_positions()
        book = getattr(self.book, "margin_book", None)
        if book is not None:
            self.margin.compare(book, account, self.balance)
        compare_closed_trades(account.statistics, self.closed_trades)

    def _is_executed(self, quote: Quote | None) -> bool:
        """Tell whether orders execute on a quote: it is fresh, and the market is open."""
        if quote is None or quote.symbol in self.stale:
            return False
        return self.book.is_open and -5 * 10**6 <= self.book.now - quote.time <= 15 * 10**6

    def _market_quote(self, symbol: str) -> Quote | None:
        """Return the quote that an order is accepted with: an old one in a closed market, too."""
        quote = self.quotes.get(symbol)
        return quote if self._is_executed(quote) or not self.book.is_open else None

    def _begin_epoch(self, event: AccountUpdated, amount: Fraction) -> None:
        """Check that nothing is live, and forget all but orders, quotes and what is taken."""
        alive = [order for order in self.orders.values() if order.status.value not in ENDED]
        assert not alive, "an order outlives a reset"
        assert event.time == self.book.now
        self.deposit = self.balance = amount
        self.positions.clear()
        self.realized = self.fees_charged = NOTHING
        self.fill_count, self.closed_trades = 0, []
        self.traded.clear()
        self.resets += 1
        self.epoch_sequence, self.epoch_began_at = event.sequence, event.time

    def check_nothing_waits_in_vain(self, symbol: str, step: int) -> None:
        """Check that the newest quote of an open market was shown to every order it reaches."""
        quote = self.quotes[symbol]
        for order in map(self.trails.shown, self.orders.values()):
            if order.symbol != symbol or order.status.value in ENDED or order.is_held:
                continue
            if order.id in self.groups.released[symbol]:
                continue
            buys = order.side.value == "BUY"
            price, size = (quote.ask, quote.ask_size) if buys else (quote.bid, quote.bid_size)
            if is_trailing(order) and order.stop_price is None:
                continue
            if order.stop_price is not None and order.triggered_at is None:
                away = price < order.stop_price if buys else price > order.stop_price
                assert away, "a stop was reached and is not triggered"
                continue
            limit = order.limit_price
            if limit is not None and (price > limit if buys else price < limit):
                continue
            left = size - int(self.taken[symbol, order.side.value] * 10**8)
            assert self.displayed, "an order waits though every quote fills any quantity"
            assert left - left % step <= 0, "an order waits though there is something to take"

    def _hear_change(self, before: Order, order: Order, update: str, time: int) -> None:
        """Check what an event may change of what an order asks for."""
        if update == "RELEASED":
            before = replace(before, quantity=order.quantity)
        before = replace(before, watermark=order.watermark)
        if order.order_type.value == "TRAILING_STOP":
            before = replace(before, stop_price=order.stop_price)
        if update == "REPLACED":
            raised = order.quantity > before.quantity
            if raised:
                self.fee_starts[order.id] = len(self.fills[order.id])
            asked = replace(
                before,
                quantity=order.quantity,
                limit_price=order.limit_price,
                stop_price=order.stop_price,
                notional=None,
                trail_amount=order.trail_amount,
                trail_percent=order.trail_percent,
            )
            assert asked != before, "nothing was replaced"
            assert order.quantity > order.filled_quantity == before.filled_quantity
            assert (order.limit_price is None) == (before.limit_price is None)
            assert (order.stop_price is None) == (before.stop_price is None)
            before = asked
        if update == "TRIGGERED":
            quote = self.quotes[order.symbol]
            assert before.triggered_at is None, "triggered twice"
            assert order.stop_price is not None
            buys = order.side.value == "BUY"
            reached = quote.ask >= order.stop_price if buys else quote.bid <= order.stop_price
            assert reached, "triggered before its stop"
            assert order.triggered_at == time
        else:
            assert order.triggered_at == before.triggered_at
        if update in {"TRIGGERED", "FILLED", "PARTIALLY_FILLED"}:
            assert self.book.is_open, "something happened while the market was closed"
            assert order.expires_at is None or time < order.expires_at, "an overdue order acts"
        if update.endswith("FILLED"):
            waits = order.order_type.value in WAITING and order.triggered_at is None
            assert not waits, "filled before its trigger"
        assert asked_for(before) == asked_for(order), "an order changed what it asks for"

    def _hear_fill(self, fill: Fill, order: Order) -> None:
        symbol, quantity, price = fill.symbol, real(fill.quantity), real(fill.price)
        amount, fee = real(fill.amount), real(fill.fee)
        assert (symbol, fill.side) == (order.symbol, order.side)
        assert min(quantity, price) > 0
        assert min(amount, fee) >= 0
        self._check_price(fill)
        self.taken[symbol, fill.side.value] += quantity
        worth = worth_of([*self.fills[order.id], fill]) - worth_of(self.fills[order.id])
        rounding = amount - worth if fill.side.value == "BUY" else worth - amount
        assert fill.rounding is not None
        assert real(fill.rounding) == rounding, "rounding to cents costs something else"
        self._check_money([*self.fills[order.id], fill])
        self.fills[order.id].append(fill)
        self._check_notional(order)
        self.fill_count += 1
        self.traded.add(fill.asset_type.value)
        self.fees_charged += fee + rounding
        self.balance += (-amount if fill.side.value == "BUY" else amount) - fee
        profit = self.positions.post(fill, worth, rounding)
        assert (fill.realized_pnl is None) == (profit is None)
        if fill.realized_pnl is not None:
            assert real(fill.realized_pnl) == profit
            self.realized += real(fill.realized_pnl)
        opened = real(order.filled_quantity) != self.positions.closed[order.id]
        assert not (order.reduces_only and opened), "a reduce-only order opens a position"

    def _check_price(self, fill: Fill) -> None:
        quote, limit = self.quotes[fill.symbol], self.orders[fill.order_id].limit_price
        buys = fill.side.value == "BUY"
        worst = Fraction(20, 10_000)
        if buys:
            assert quote.ask <= fill.price <= ceil(quote.ask * (1 + worst))
            assert limit is None or fill.price <= limit, "worse than the limit"
        else:
            assert max(floor(quote.bid * (1 - worst)), 1) <= fill.price <= quote.bid
            assert limit is None or fill.price >= limit, "worse than the limit"
        if self.displayed:
            size = quote.ask_size if buys else quote.bid_size
            taken = self.taken[fill.symbol, fill.side.value] + real(fill.quantity)
            assert taken <= real(size), "more than the quote showed"

    def _check_money(self, fills: list[Fill]) -> None:
        """Check what the fills of one order moved, rounded once on their sum."""
        newest = fills[-1]
        multiplier = multiplier_of(newest.symbol)
        quantity = sum((real(fill.quantity) for fill in fills), NOTHING)
        notional = sum((real(fill.quantity) * real(fill.price) for fill in fills), NOTHING)
        notional *= multiplier
        rounded = ceil if newest.side.value == "BUY" else floor
        moved = sum((real(fill.amount) for fill in fills), NOTHING)
        assert moved == Fraction(rounded(notional * 100), 100), "rounded for the account"
        cost = sum((real(fill.rounding or 0) for fill in fills), NOTHING)
        assert 0 <= cost <= Fraction(1, 100), "rounding an order costs at most a cent"
        fills = fills[self.fee_starts.get(newest.order_id, 0) :]
        before = sum((real(fill.fee) for fill in fills[:-1]), NOTHING)
        quantity = sum((real(fill.quantity) for fill in fills), NOTHING)
        notional = sum((real(fill.quantity) * real(fill.price) for fill in fills), NOTHING)
        notional *= multiplier
        due = (fee_of(newest, quantity, notional) if self.fees else NOTHING) - before
        if newest.side.value == "SELL":
            due = min(due, real(newest.amount))
        assert real(newest.fee) == max(due, NOTHING)

    def _check_notional(self, order: Order) -> None:
        """Check that an order costs or brings at most its notional, at the price that it saw."""
        came_at_once = self.quotes[order.symbol] is self.arrivals[order.id]
        if order.notional is not None and (came_at_once or order.limit_price is not None):
            fees = [fill.fee for fill in self.fills[order.id] if fill.side.value == "BUY"]
            moved = sum(fill.amount for fill in self.fills[order.id]) + sum(fees)
            assert moved <= order.notional, "more than the notional"

    def _check_order(self, order: Order) -> None:
        fills = self.fills[order.id]
        filled = sum(fill.quantity for fill in fills)
        assert order.filled_quantity == filled <= order.quantity
        assert (order.status.value == "FILLED") == (filled == order.quantity > 0)
        if not order.quantity:
            assert order.notional is not None
            assert order.rejection_reason is not None, "an order without a quantity lives"
        assert (order.status.value == "PARTIALLY_FILLED") <= (filled > 0)
        assert (order.status.value == "OPEN") <= (filled == 0)
        notional = sum(fill.quantity * fill.price for fill in fills)
        assert order.filled_notional == notional
        mean = round(Fraction(notional, filled)) if filled else None
        assert order.average_price == mean
        assert order.fees == sum(fill.fee for fill in fills)
        assert real(order.realized_pnl) == self._profit(order)
        ended = order.status.value in ENDED
        assert real(order.closed_quantity) == self.positions.closed[order.id]
        if ended or order.side.value == "SELL" or self.margin.on_margin(order.symbol):
            assert order.reserved == 0, "something is held back for nothing"
        if ended and order.time_in_force.value == "FOK":
            assert filled in {0, order.quantity}, "a FOK order is filled in part"
        assert (order.status_reason is not None) == (order.status.value == "CANCELLED")
        assert (order.rejection_reason is not None) == (order.status.value == "REJECTED")

    def _profit(self, order: Order) -> Fraction:
        return sum((real(fill.realized_pnl or 0) for fill in self.fills[order.id]), NOTHING)

    def compare_positions(self) -> None:
        """Check that the positions are what fills and live orders make of them."""
        naive = self.positions
        for symbol in self.book.positions.keys() | self.quantities.keys():
            position, (buys, sells) = self.book.position(symbol), self.margin.sides(symbol)
            assert real(position.quantity) == self.quantities[symbol]
            assert real(position.cost_basis) == naive.bases[symbol]
            assert real(position.average_cost) == naive.averages[symbol] >= 0
            assert real(position.buy_fees) == naive.fees[symbol]
            assert real(position.reserved_quantity) == sells
            on_margin = self.margin.on_margin(symbol)
            assert on_margin or position.reserved_quantity <= position.quantity
            assert real(position.open_buy_quantity) == (buys if on_margin else 0)
        self.margin.check_positions()
        self.groups.compare()
