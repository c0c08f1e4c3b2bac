"""The figures of a margin book as a scenario shows them."""

from collections.abc import Callable, Iterable

from server.domain.account import Account
from server.domain.margin import MarginBook
from server.domain.values import Units, format_to_the_cent

FIGURES: dict[str, Callable[[MarginBook, Account], Units]] = {
    "equity": MarginBook.equity,
    "margin": MarginBook.margin,
    "maintenance": MarginBook.maintenance,
    "free": MarginBook.free,
    "power": MarginBook.buying_power,
    "loan": MarginBook.loan,
    "shorts": lambda book, _: book.shorts(),
}


def margin_figures(book: MarginBook | None, account: Account, names: Iterable[str]) -> str:
    """Show figures by name; only a MARGIN account has them."""
    assert book is not None, "a CASH account has no margin"
    return ", ".join(f"{name} {format_to_the_cent(FIGURES[name](book, account))}" for name in names)
