"""The margin of an account as an auditor calculates it, from events and quotes alone."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from server.domain.account import Account
from server.domain.events import AccountUpdated, Interest
from server.domain.margin import MarginBook
from server.domain.order import Order
from server.domain.quote import Quote
from tests.domain.group_auditor import ENDED
from tests.domain.naive_money import NOTHING, multiplier_of, real, to_eight_decimals
from tests.domain.naive_positions import NaivePositions
from tests.domain.naive_trails import naive_stop

MARGINABLE = {"STOCK", "ETF"}
INITIAL, MAINTENANCE = Fraction(1, 2), Fraction(3, 10)
LOAN_RATE, BORROW_RATE = Fraction(8, 100), Fraction(1, 100)
CENT = Fraction(1, 100)
WAITING = {"STOP", "STOP_LIMIT", "TRAILING_STOP"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveFigures:
    """The margin of an account at a moment, as exact numbers."""

    equity: Fraction
    margin: Fraction
    maintenance: Fraction
    loan: Fraction
    shorts: Fraction

    @property
    def free(self) -> Fraction:
        """Return the equity that no margin needs."""
        return self.equity - self.margin


class NaiveMargin:
    """Follows the live orders of one account and says what it needs as margin."""

    def __init__(
        self,
        positions: NaivePositions,
        quotes: dict[str, Quote],
        *,
        is_margin: bool,
        fees: bool,
        slippage: bool,
    ) -> None:
        self.positions, self.quotes = positions, quotes
        self.is_margin, self.fees, self.slippage = is_margin, fees, slippage
        self.interest_paid = NOTHING
        self.live: dict[str, Order] = {}
        self.kinds: dict[str, str] = {}

    def on_margin(self, symbol: str) -> bool:
        """Tell whether the account may borrow for a symbol and be short in it."""
        return self.is_margin and self.kinds.get(symbol) in MARGINABLE

    def figures(self, balance: Fraction) -> NaiveFigures:
        """Return the margin of the account as it is now."""
        held = self.positions
        values = {symbol: self._value(symbol) for symbol, units in held.quantities.items() if units}
        shorts = [symbol for symbol, units in held.quantities.items() if units < 0]
        margin = sum((real(order.reserved) for order in self.live.values()), NOTHING)
        maintenance = NOTHING
        for symbol in values.keys() | {order.symbol for order in self.live.values()}:
            if self.on_margin(symbol):
                at_stake = to_eight_decimals(self.at_stake(symbol) * self._mark(symbol))
                margin += INITIAL * at_stake
                maintenance += MAINTENANCE * abs(values.get(symbol, NOTHING))
            else:
                margin += values.get(symbol, NOTHING)
                maintenance += values.get(symbol, NOTHING)
        proceeds = sum((held.bases[symbol] for symbol in shorts), NOTHING)
        return NaiveFigures(
            equity=_to_cents(balance + sum(values.values(), NOTHING)),
            margin=margin,
            maintenance=maintenance,
            loan=max(-(balance + proceeds), NOTHING),
            shorts=sum((-values[symbol] for symbol in shorts), NOTHING),
        )

    def at_stake(self, symbol: str) -> Fraction:
        """Return the largest position, long or short, that live orders can lead to."""
        held, (buys, sells) = self.positions.quantities[symbol], self.sides(symbol)
        return max(abs(held + buys), abs(held - sells))

    def sides(self, symbol: str) -> tuple[Fraction, Fraction]:
        """Return what live BUY and SELL orders have left; exits of a group count once."""
        found = []
        for side in ("BUY", "SELL"):
            by_group: dict[str, Fraction] = defaultdict(Fraction)
            for order in self.live.values():
                if (order.symbol, order.side.value) != (symbol, side) or order.is_held:
                    continue
                name = order.id
                if order.is_exit and order.role is not None:
                    name = order.role.parent_order_id or order.id
                by_group[name] = max(by_group[name], _leaves(order))
            found.append(sum(by_group.values(), NOTHING))
        return found[0], found[1]

    def hear(
        self, before: Order | None, order: Order, balance: Fraction, fresh: Quote | None
    ) -> None:
        """Follow an order's event; check that a new order was rightly accepted or rejected.

        `fresh` is the quote that an order which arrives now is accepted with, if there is one.
        """
        self.kinds[order.symbol] = order.asset_type.value
        was = self.figures(balance) if self.is_margin and before is None else None
        sides = self.sides(order.symbol)
        if order.status.value in ENDED:
            self.live.pop(order.id, None)
        else:
            self.live[order.id] = order
        if was is None or order.is_held:
            return
        covered = order.is_exit and order.role is not None and order.role.parent_order_id
        if order.status.value != "REJECTED" and not covered:
            needed = self._needed(order, was, sides, balance, fresh)
            assert needed <= was.free + CENT, "an order is accepted that needs more than is free"
        elif order.rejection_reason and order.rejection_reason.value.endswith("BUYING_POWER"):
            self.live[order.id] = order
            needed = self._needed(order, was, sides, balance, fresh)
            del self.live[order.id]
            assert needed > was.free - CENT, "an order is rejected that needs less than is free"

    def hear_account(self, event: AccountUpdated, balance: Fraction) -> Fraction:
        """Check an event of margin trading; return the money that it takes."""
        assert (event.interest is not None) == (event.type.value == "INTEREST")
        assert (event.margin_call is not None) == (event.type.value == "MARGIN_CALL")
        found = self.figures(balance)
        due = NOTHING
        match event.type.value:
            case "MARGIN_MODE":
                assert not self.live, "the margin mode changes while orders are live"
                assert self.is_margin != (event.margin_mode.value == "MARGIN"), "nothing changes"
                assert event.margin_mode.value == "MARGIN" or (balance >= 0 and not found.shorts)
                self.is_margin = not self.is_margin
            case "RESET":
                self.interest_paid = NOTHING
            case "BANKRUPT":
                assert self.is_margin
                assert found.equity <= 0, "an account with equity is bankrupt"
            case "MARGIN_CALL":
                assert event.margin_call is not None
                assert found.equity < found.maintenance, "a margin call without a reason"
                assert real(event.margin_call.equity) == found.equity
                off = real(event.margin_call.maintenance_margin) - found.maintenance
                assert abs(off) <= CENT
            case "INTEREST":
                assert event.interest is not None
                due = self._interest(event.interest, found)
                self.interest_paid += due
        assert (event.margin_mode.value == "MARGIN") == self.is_margin
        return due

    def compare(self, book: MarginBook, account: Account, balance: Fraction) -> None:
        """Check that the domain calculates the same margin, to the cent and against the account."""
        found = self.figures(balance)
        assert real(book.equity(account)) == found.equity
        assert real(book.margin(account)) == _up_to_cents(found.margin), "another margin"
        assert real(book.maintenance(account)) == _up_to_cents(found.maintenance)
        assert real(book.loan(account)) == found.loan, "another loan"
        assert real(book.shorts()) == found.shorts
        free = found.equity - _up_to_cents(found.margin)
        buying_power = Fraction(floor(max(free, NOTHING) / INITIAL * 100), 100)
        assert real(book.buying_power(account)) == buying_power

    def check_positions(self) -> None:
        """Check that only what is on margin is short, and that reduce-only orders can close."""
        for symbol, units in self.positions.quantities.items():
            assert units >= 0 or self.on_margin(symbol), "short without margin"
        for order in self.live.values():
            if order.reduces_only and not order.is_held and self.on_margin(order.symbol):
                units = self.positions.quantities[order.symbol]
                closable = max(units if order.side.value == "SELL" else -units, NOTHING)
                assert _leaves(order) <= closable, "a reduce-only order can open a position"

    def _needed(
        self,
        order: Order,
        was: NaiveFigures,
        sides: tuple[Fraction, Fraction],
        balance: Fraction,
        fresh: Quote | None,
    ) -> Fraction:
        """Return the free equity that a new order needs; `was` and `sides` are without it."""
        buys, left = order.side.value == "BUY", _leaves(order)
        worst = self._worst_price(order, fresh)
        fee = self._fee(order, worst)
        if not self.on_margin(order.symbol):
            if not buys or worst is None:
                return min(was.free, NOTHING)
            return left * worst * multiplier_of(order.symbol) + fee
        held = self.positions.quantities[order.symbol]
        if (buys and sides[0] + left <= -held) or (not buys and sides[1] + left <= held):
            return min(was.free, NOTHING)
        raised = max(self.figures(balance).margin - was.margin, NOTHING)
        if worst is None:
            return raised + fee
        seen = self._mark(order.symbol)
        stop = self._stop(order, fresh)
        if order.order_type.value in WAITING and stop is not None:
            seen = stop
        return raised + max((worst - seen) if buys else (seen - worst), NOTHING) * left + fee

    def _worst_price(self, order: Order, fresh: Quote | None) -> Fraction | None:
        buys, kind = order.side.value == "BUY", order.order_type.value
        limit = None if order.limit_price is None else real(order.limit_price)
        stop = self._stop(order, fresh)
        touch = None if fresh is None else real(fresh.ask if buys else fresh.bid)
        if kind == "MARKET":
            if touch is None:
                return None
            thin = order.symbol == "GME" or multiplier_of(order.symbol) == 100
            bps = (20 if thin else 2) if self.slippage else 0
            return touch * (1 + (1 if buys else -1) * Fraction(bps, 10_000))
        if limit is not None:
            bound = stop if kind == "STOP_LIMIT" else touch
            return limit if buys or bound is None else max(limit, bound)
        if stop is None:
            return touch
        if not buys:
            return stop
        return max(stop, touch or NOTHING) * Fraction(105, 100)

    @staticmethod
    def _stop(order: Order, fresh: Quote | None) -> Fraction | None:
        """Return the stop price of an order; a trail without one would begin at the quote."""
        stop: int | None = order.stop_price
        if stop is None and order.order_type.value == "TRAILING_STOP" and fresh is not None:
            stop = naive_stop(order, fresh.ask if order.side.value == "BUY" else fresh.bid)
        return None if stop is None else real(stop)

    def _fee(self, order: Order, worst: Fraction | None) -> Fraction:
        if not self.fees:
            return NOTHING
        left = _leaves(order)
        match order.asset_type.value:
            case "STOCK" | "ETF":
                fee = min(max(left * Fraction("0.005"), Fraction(1)), Fraction(10))
            case "CRYPTO":
                fee = max(left * (worst or NOTHING) / 1_000, Fraction("0.5"))
            case "COMMODITY":
                fee = left * Fraction("1.5")
            case "OPTION":
                fee = left * Fraction("0.65")
            case _:
                fee = NOTHING
        return Fraction(ceil(fee * 100), 100)

    def _interest(self, paid: Interest, found: NaiveFigures) -> Fraction:
        assert self.is_margin
        assert paid.nights > 0
        for charged, base, rate in (
            (paid.loan_interest, found.loan, LOAN_RATE),
            (paid.borrow_fee, found.shorts, BORROW_RATE),
        ):
            exact = base * rate / 365 * paid.nights
            assert real(charged) == Fraction(ceil(exact * 100), 100), "another interest is due"
        due = real(paid.loan_interest) + real(paid.borrow_fee)
        assert due > 0, "interest of nothing"
        return due

    def _value(self, symbol: str) -> Fraction:
        """Return the value of a position; without a quote, at its average cost."""
        multiplier = multiplier_of(symbol)
        return to_eight_decimals(
            self.positions.quantities[symbol] * multiplier * self._mark(symbol)
        )

    def _mark(self, symbol: str) -> Fraction:
        quote = self.quotes.get(symbol)
        if quote is not None:
            return real(min(max(quote.last, quote.bid), quote.ask))
        if self.positions.quantities[symbol]:
            return self.positions.averages[symbol]
        prices = [
            real(price)
            for order in self._live_of(symbol)
            for price in (order.limit_price, order.stop_price)
            if price is not None
        ]
        return max(prices, default=NOTHING)

    def _live_of(self, symbol: str) -> Iterable[Order]:
        return (order for order in self.live.values() if order.symbol == symbol)


def _leaves(order: Order) -> Fraction:
    return real(order.quantity - order.filled_quantity)


def _up_to_cents(number: Fraction) -> Fraction:
    return Fraction(ceil(number * 100), 100)


def _to_cents(number: Fraction) -> Fraction:
    """Return the nearest number of cents, ties to the even one."""
    return Fraction(round(number * 100), 100)
