"""What ends in a margin account: orders by a halt, an epoch by a reset; and missing prices."""

from dataclasses import replace

import pytest

from server.domain.account import GuardRails
from server.domain.invariants import BrokenInvariant
from server.domain.margin import MarginBook
from server.domain.order import StatusReason
from server.domain.risk import Exposure, Guard
from server.domain.trading import cancel, fill_resting, place
from server.domain.values import SCALE, Price, parse_units
from tests.domain.book import Book
from tests.domain.scenario import Stage, play

SHORT_WITH_ORDERS = """
    given    | balance 10000.00, margin               | -
    10:00:00 | quote AAPL 100 x 1000 / 100 x 30       | -
             | quote BTC-USD 100 x 10 / 100 x 10      | -
             | a: sell 40 AAPL                        | a ACCEPTED
             |                                        | a FILLED 40 at 100
             | b: sell 10 AAPL limit 110              | b ACCEPTED
             | c: buy 50 AAPL                         | c ACCEPTED
             |                                        | c PARTIALLY_FILLED 30 at 100 pnl 0.00
             | d: buy 5 BTC-USD limit 90              | d ACCEPTED
             | show AAPL quantity held buys           | quantity -10, held 10, buys 20
             | show account reserved live             | reserved 450.00, live 3
             | show margin margin                     | margin 1450.00
"""


def halted(book: Book) -> None:
    for order in book.live_orders:
        position = book.position(order.symbol)
        state = (book.account, position, book.now, StatusReason.TRADING_HALTED)
        decision = cancel(order, *state)
        book.account = decision.account
        book.positions |= decision.positions
        book.orders |= decision.orders


def test_a_halt_cancels_all_orders_and_keeps_the_short() -> None:
    book = play(SHORT_WITH_ORDERS)

    halted(book)

    position = book.position("AAPL")
    left = (position.quantity, position.reserved_quantity, position.open_buy_quantity)
    assert left == (-10 * SCALE, 0, 0)
    assert (book.account.reserved, book.account.live_orders) == (0, 0)
    assert book.margin_book is not None
    assert book.margin_book.margin(book.account) == 500 * SCALE
    # c reduced the position before it was cancelled, so it is a closed trade.
    assert book.account.statistics.trades == 1


def test_a_reset_drops_a_short_with_its_orders() -> None:
    book = play(SHORT_WITH_ORDERS)

    book.reset(parse_units("5000"))

    position = book.position("AAPL")
    left = (position.quantity, position.reserved_quantity, position.open_buy_quantity)
    assert left == (0, 0, 0)
    assert (position.cost_basis, position.buy_fees, position.average_cost) == (0, 0, 0)
    assert book.account.balance == 5_000 * SCALE
    assert book.account.uses_margin
    assert book.margin_book is not None
    assert book.margin_book.buying_power(book.account) == 10_000 * SCALE


def test_no_fill_that_is_paid_in_full_is_decided_without_the_margin_book() -> None:
    book = play(SHORT_WITH_ORDERS)
    order, position, market = book.orders["d"], book.position("BTC-USD"), book.market("BTC-USD")
    assert market.quote is not None
    quote = replace(market.quote, bid=Price(80 * SCALE), ask=Price(80 * SCALE), sequence=1)
    fallen = replace(market, quote=quote)

    with pytest.raises(BrokenInvariant, match="its margin book is missing"):
        fill_resting(order, book.account, position, fallen, lambda: "fill")


def test_without_a_price_the_share_counts_at_the_worst_price() -> None:
    book = play("given | balance 10000.00, margin | -")
    book.account = replace(book.account, guard_rails=GuardRails(position_share_max=50 * SCALE))
    equity = 10_000 * SCALE
    guard = Guard(exposure=Exposure(equity=equity, equity_at_day_start=equity, at_stake=0))
    found = []
    for order in ("sell 50 AAPL limit 100", "sell 50.1 AAPL limit 100"):
        state = (book.account, book.position("AAPL"), book.market("AAPL"), lambda: "fill", guard)
        decision = place(Stage({}, []).ticket(order), "order", *state, book=book.margin_book)
        found.append(decision.orders["order"].rejection_reason)

    assert found[0] is None
    assert found[1] is not None
    assert found[1].value == "POSITION_SHARE_EXCEEDED"


def test_a_book_of_positions_alone_knows_no_live_orders() -> None:
    assert list(MarginBook(stakes={}).live_orders("AAPL")) == []
