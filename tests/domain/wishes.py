"""Orders that are written as text, and a book to place them in."""

from server.domain.order import Side
from server.domain.risk import Exposure
from server.domain.values import parse_units
from tests.domain.asked import Wish
from tests.domain.book import Book, make_costs, make_quote

EXPOSED = Exposure(
    equity=parse_units("1000"),
    equity_at_day_start=parse_units("1100"),
    at_stake=parse_units("200"),
)


def book_holding(quantity: str, *, slippage: bool = False, fees: bool = False) -> Book:
    """Return a book that holds shares and contracts bought at 100.00 and sees 99.00 / 100.00."""
    costs = make_costs(slippage=slippage, fees=fees)
    book = Book(deposit=parse_units("1000000"), costs=costs)
    book.show(make_quote("AAPL", "99", "5000", "100", "5000", time=book.now))
    book.show(make_quote("CALL", "99", "5000", "100", "5000", time=book.now))
    for symbol in ("AAPL", "CALL"):
        wish = Wish(
            symbol=symbol,
            side=Side.BUY,
            quantity=parse_units(quantity),
            limit_price=parse_units("100"),
        )
        book.place(f"before {symbol}", wish)
    return book


def wanted(text: str) -> Wish:
    """Return an order as `buy 10 AAPL limit 99` names it."""
    side, quantity, symbol, *more = text.split()
    prices = dict(zip(more[::2], more[1::2], strict=True))
    return Wish(
        symbol=symbol,
        side=Side[side.upper()],
        quantity=parse_units(quantity),
        limit_price=limit(prices.get("limit", "-")),
        stop_price=limit(prices.get("stop", "-")),
    )


def limit(text: str) -> int | None:
    return None if text == "-" else parse_units(text)
