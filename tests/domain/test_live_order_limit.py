"""The limit of live orders with groups: what counts, what is told, and what is still possible."""

from server.domain.closing import CloseTicket
from server.domain.errors import Refusal
from server.domain.order import Side
from server.domain.risk import LIVE_ORDERS_LIMIT, Rejection
from server.domain.trading import Replacement
from server.domain.values import SCALE, SECOND, Quantity, parse_units
from tests.domain.asked import Wish
from tests.domain.book import Book, make_costs, make_quote
from tests.domain.scenario import Stage
from tests.domain.test_rejections import reason

RESTING = Wish(symbol="AAPL", side=Side.BUY, quantity=SCALE, limit_price=parse_units("1"))
BRACKET = Stage({}, []).wish("buy 1 AAPL limit 90 take 110 loss 80")


def test_a_group_counts_all_of_its_orders_towards_the_limit_held_or_not() -> None:
    book = Book(deposit=parse_units("100000"), costs=make_costs())
    book.show(make_quote("AAPL", "99", "100", "100", "100", time=book.now))
    for number in range(LIVE_ORDERS_LIMIT - 3):
        book.place(f"order {number}", RESTING)

    assert [it.reason for it in book.preview(BRACKET).rejections] == []
    assert reason(book, "a", BRACKET) is None
    assert book.account.live_orders == LIVE_ORDERS_LIMIT
    assert reason(book, "one more", RESTING) == "TOO_MANY_OPEN_ORDERS"
    book.cancel("a.take")
    (told,) = book.preview(BRACKET).rejections
    assert reason(book, "b", BRACKET) == told.reason.value == "TOO_MANY_OPEN_ORDERS"
    assert told.message == book.orders["b"].rejection_message
    assert told.message == (
        "The account has 999 live orders and the limit is 1000: cancel some before you send 3 more."
    )
    assert "b.take" not in book.orders, "its legs never exist"
    book.cancel("a")
    assert book.account.live_orders == LIVE_ORDERS_LIMIT - 3
    assert reason(book, "c", BRACKET) is None


def test_a_group_at_the_limit_can_be_replaced_filled_and_closed() -> None:
    """What changes a live order adds none."""
    book = Book(deposit=parse_units("100000"), costs=make_costs())
    book.show(make_quote("AAPL", "99", "100", "100", "100", time=book.now))
    book.place("a", BRACKET)
    for number in range(LIVE_ORDERS_LIMIT - 3):
        book.place(f"order {number}", RESTING)

    larger = Replacement(quantity=Quantity(2 * SCALE))
    assert not isinstance(book.replace("a", larger), Rejection)
    assert book.orders["a.loss"].quantity == 2 * SCALE
    book.now += SECOND
    book.show(make_quote("AAPL", "89", "100", "90", "100", time=book.now))
    assert book.account.live_orders == LIVE_ORDERS_LIMIT - 1
    close = CloseTicket(account_id=book.account.id, bot_key_id="key", symbol="AAPL")
    assert not isinstance(book.close("c", close), Refusal)
    assert book.position("AAPL").quantity == 0
    assert book.account.live_orders == LIVE_ORDERS_LIMIT - 3
