"""Previews: what placing an order would do; nothing is stored."""

from dataclasses import dataclass

from server.domain.account import Account, Position
from server.domain.margin import MarginBook, staked
from server.domain.market import Market
from server.domain.matching import seen
from server.domain.order import Order, OrderTicket
from server.domain.posting import book_after
from server.domain.risk import UNGUARDED, Guard, Rejection, Situation, rejections
from server.domain.trading import drafted, place


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The order and account after placing it, and the rejection of every rule that it breaks.

    `legs` are the other orders of a group. `book` is the margin book of a MARGIN account after
    placing the order.
    """

    order: Order
    account: Account
    rejections: list[Rejection]
    legs: tuple[Order, ...] = ()
    book: MarginBook | None = None


def preview(
    ticket: OrderTicket,
    account: Account,
    position: Position,
    market: Market,
    guard: Guard = UNGUARDED,
    book: MarginBook | None = None,
) -> Preview:
    """Return what placing an order would do, to the cent; nothing is stored."""
    decision = place(ticket, "", account, position, market, lambda: "", guard, book=book)
    if market.quote is not None:
        position = seen(position, market.quote)
    order = drafted(ticket, account, market, "")
    if book is not None:
        book = staked(book, position, market.instrument, market.quote)
    situation = Situation(
        account=account,
        position=position,
        order=order,
        market=market,
        guard=guard,
        book=book,
    )
    return Preview(
        order=decision.orders[""],
        account=decision.account,
        rejections=list(rejections(situation)),
        book=book_after(decision),
    )
