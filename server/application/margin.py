"""Margin books: the positions, live orders and marks that the margin of an account depends on."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from server.application.ports import UnitOfWork
from server.domain.account import MarginMode, Position
from server.domain.instrument import Instrument
from server.domain.margin import MarginBook, MarginTerms, Stake, mark_of
from server.domain.order import Order
from server.domain.quote import Quote
from server.domain.values import Micros


class Board(Protocol):
    """The newest quote of each symbol."""

    @property
    def get(self) -> Callable[[str], Quote | None]:
        """Return how to find the newest quote of a symbol, fresh or not."""

    def is_fresh(self, quote: Quote, now: Micros) -> bool:
        """Tell whether a quote of this board can be traded on."""


class Marks(Protocol):
    """What values the positions of an account: instruments, quotes and the terms of margin."""

    @property
    def board(self) -> Board:
        """Return the quotes."""

    @property
    def margin_terms(self) -> MarginTerms:
        """Return the terms."""

    def instrument(self, symbol: str) -> Instrument:
        """Return an instrument; the caller knows that it exists."""


def book_of(
    account_id: str, unit: UnitOfWork, marks: Marks, now: Micros, symbol: str | None = None
) -> MarginBook | None:
    """Return the margin book of an account; None for a CASH account, which has none.

    If a decision is about a `symbol`, its last known price counts even if the account has neither a
    position nor an order in it.
    """
    if unit.account(account_id).margin_mode is not MarginMode.MARGIN:
        return None

    def live_of(symbol: str) -> Iterable[Order]:
        return unit.live_orders(account_id, symbol)

    positions = list(unit.positions(account_id))
    if symbol is not None and all(it.symbol != symbol for it in positions):
        positions.append(unit.position(account_id, symbol))
    return margin_book(positions, marks, now, live_of)


def margin_book(
    positions: Sequence[Position],
    marks: Marks,
    now: Micros,
    live_of: Callable[[str], Iterable[Order]] = lambda _: (),
) -> MarginBook:
    """Return the margin book of positions.

    `live_of` returns the live orders of a symbol. It is asked only about a symbol with neither a
    quote nor a position.
    """
    stakes, board = {}, marks.board
    for position in positions:
        quote = board.get(position.symbol)
        orders = () if quote is not None or position.quantity else live_of(position.symbol)
        stakes[position.symbol] = Stake(
            position=position,
            instrument=marks.instrument(position.symbol),
            mark=mark_of(position, quote, orders),
            is_fresh=quote is not None and board.is_fresh(quote, now),
        )
    return MarginBook(stakes=stakes, terms=marks.margin_terms, live_orders=live_of)
