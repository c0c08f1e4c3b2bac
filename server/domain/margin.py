"""Margin: how much of its equity the positions and live orders of a MARGIN account bind.

A STOCK or an ETF is on margin: it binds a part of its value. Everything else is paid in full.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from server.domain.account import Account, Position
from server.domain.changes import changed
from server.domain.instrument import Instrument
from server.domain.invariants import BrokenInvariant
from server.domain.order import Order, Side
from server.domain.quote import Quote
from server.domain.values import (
    AMOUNT_LIMIT,
    NOTHING,
    SCALE,
    Price,
    Quantity,
    Units,
    cents_down,
    cents_half_even,
    cents_up,
    divide_half_even,
)

WHOLE = 100 * SCALE
"""The percentage that is a whole value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTerms:
    """The terms of margin trading, in percent with 8 decimals; rates are for a year."""

    initial_percent: Units = 50 * SCALE
    maintenance_percent: Units = 30 * SCALE
    loan_rate_percent: Units = 8 * SCALE
    borrow_rate_percent: Units = 1 * SCALE


DEFAULT_TERMS = MarginTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """A symbol in which an account has a position or live orders.

    `mark` is the price to calculate with, as `mark_of` returns it. It `is_fresh` if it is the mark
    price of a fresh quote.
    """

    position: Position
    instrument: Instrument
    mark: Price
    is_fresh: bool

    @property
    def market_value(self) -> Units:
        """Return the signed value of the position, to 8 decimals, half to even."""
        return self.worth(self.position.quantity)

    @property
    def exposed_quantity(self) -> Quantity:
        """Return the largest position, long or short, that fills of live orders can lead to.

        For what is paid in full, that is the position: live orders hold back money or position.
        """
        position = self.position
        if not self.instrument.is_marginable:
            return position.quantity
        return exposed_quantity(position)

    def worth(self, quantity: Quantity) -> Units:
        """Return the value of a signed quantity at the mark, to 8 decimals, half to even."""
        return divide_half_even(quantity * self.instrument.multiplier * self.mark, SCALE)


def _no_orders(_: str) -> Iterable[Order]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginBook:
    """What the margin of a MARGIN account depends on, besides its money.

    `stakes` by symbol hold each position that is not empty, and each symbol with live orders. A
    book for a decision also holds the decision's symbol. Its `live_orders` returns the live orders
    of a symbol as they are before the decision.
    """

    stakes: Mapping[str, Stake]
    terms: MarginTerms = DEFAULT_TERMS
    live_orders: Callable[[str], Iterable[Order]] = _no_orders

    def with_(self, position: Position) -> "MarginBook":
        """Return the book after a change of one position, which must be in it."""
        stake = self.stakes.get(position.symbol)
        if stake is None:
            raise BrokenInvariant(f"{position.symbol} is not in the margin book")
        return self.including(changed(stake, position=position))

    def including(self, stake: Stake) -> "MarginBook":
        """Return the book with a stake, in place of the symbol's old one."""
        return changed(self, stakes={**self.stakes, stake.position.symbol: stake})

    def equity(self, account: Account) -> Units:
        """Return balance plus all market values, as `total_equity` rounds and limits it."""
        return max(min(self._unlimited_equity(account), AMOUNT_LIMIT), -AMOUNT_LIMIT)

    def is_below_maintenance(self, account: Account) -> bool:
        """Tell whether the equity, whatever a quote makes of it, is below its maintenance."""
        return self._unlimited_equity(account) < self.maintenance(account)

    def margin(self, account: Account) -> Units:
        """Return the initial margin of positions and live orders, rounded up once to cents.

        It includes the money that live orders hold back.
        """
        bound = sum(
            abs(it.worth(it.exposed_quantity)) * self._percent(it, self.terms.initial_percent)
            for it in self.stakes.values()
        )
        return cents_up(bound, WHOLE) + account.reserved

    def margin_of(self, symbol: str) -> Units:
        """Return the initial margin of a symbol and its live orders, rounded up to cents.

        The money that live orders hold back is not in it.
        """
        stake = self.stakes[symbol]
        bound = abs(stake.worth(stake.exposed_quantity))
        return cents_up(bound * self._percent(stake, self.terms.initial_percent), WHOLE)

    def maintenance(self, account: Account) -> Units:
        """Return the margin that equity must not fall below, rounded up once to cents."""
        bound = sum(
            abs(it.market_value) * self._percent(it, self.terms.maintenance_percent)
            for it in self.stakes.values()
        )
        return cents_up(bound, WHOLE)

    def free(self, account: Account) -> Units:
        """Return the equity that nothing binds; negative if more is bound than there is."""
        return self.equity(account) - self.margin(account)

    def buying_power(self, account: Account) -> Units:
        """Return what the free equity can buy on margin, rounded down to cents."""
        return cents_down(max(self.free(account), 0) * WHOLE, self.terms.initial_percent)

    def loan(self, account: Account) -> Units:
        """Return the borrowed money, to 8 decimals; proceeds of short sales do not lower it."""
        proceeds = sum(max(-it.position.cost_basis, 0) for it in self.stakes.values())
        return max(proceeds - account.balance, 0)

    def shorts(self) -> Units:
        """Return the market value of all short positions, positive, to 8 decimals."""
        return sum(max(-it.market_value, 0) for it in self.stakes.values())

    def _unlimited_equity(self, account: Account) -> Units:
        return cents_half_even(
            account.balance + sum(it.market_value for it in self.stakes.values())
        )

    @staticmethod
    def _percent(stake: Stake, percent: Units) -> Units:
        return percent if stake.instrument.is_marginable else WHOLE


def staked(
    book: MarginBook, position: Position, instrument: Instrument, quote: Quote | None
) -> MarginBook:
    """Return the book with a position in it.

    A symbol that is not in the book yet counts at the mark price of `quote`.
    """
    if position.symbol in book.stakes:
        return book.with_(position)
    mark, is_fresh = mark_of(position, quote), quote is not None
    return book.including(
        Stake(position=position, instrument=instrument, mark=mark, is_fresh=is_fresh)
    )


def is_on_margin(account: Account, traded: Instrument | Order) -> bool:
    """Tell whether an account buys an instrument on margin and may sell it short."""
    return account.uses_margin and traded.is_marginable


def exposed_quantity(position: Position) -> Quantity:
    """Return the largest position, long or short, that fills can lead to, without its sign."""
    longest = position.quantity + position.open_buy_quantity
    shortest = position.quantity - position.reserved_quantity
    return Quantity(max(abs(longest), abs(shortest)))


def closable_quantity(position: Position, side: Side) -> Quantity:
    """Return how much of a position orders of a side can close."""
    held = position.quantity if side is Side.SELL else -position.quantity
    return Quantity(max(held, NOTHING))


def goes_towards_zero(order: Order, position: Position) -> bool:
    """Tell whether an order on margin only closes, even if all live orders of its side fill.

    `position` counts the other live orders, and not this one.
    """
    sells = order.side is Side.SELL
    others = position.reserved_quantity if sells else position.open_buy_quantity
    return others + order.leaves_quantity <= closable_quantity(position, order.side)


def with_open(position: Position, order: Order, quantity: Units) -> Position:
    """Return a position whose live orders of an order's side have more left, or less."""
    if order.side is Side.SELL:
        return changed(position, reserved_quantity=position.reserved_quantity + quantity)
    return changed(position, open_buy_quantity=position.open_buy_quantity + quantity)


def mark_of(position: Position, quote: Quote | None, live_orders: Iterable[Order] = ()) -> Price:
    """Return the price that margin is calculated with; zero while no price is known.

    It is the mark price of the newest quote, fresh or not. Without a quote it is the average cost
    of the position. Without a position it is the highest price of a live order of the symbol.
    """
    if quote is not None:
        return quote.mark
    if position.quantity:
        return Price(position.average_cost)
    prices = (price for it in live_orders for price in (it.limit_price, it.stop_price) if price)
    return max(prices, default=Price(0))
