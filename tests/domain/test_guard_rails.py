"""Guard rails: limits of an account and of a key, and what a preview says about them."""

from dataclasses import replace

import pytest

from server.domain.account import GuardRails
from server.domain.instrument import AssetType
from server.domain.risk import Guard
from server.domain.trading import Replacement
from server.domain.user import Permissions
from server.domain.values import Price, Quantity, parse_units
from tests.domain.asked import Wish
from tests.domain.book import INSTRUMENTS, Book
from tests.domain.scenario import play
from tests.domain.wishes import EXPOSED, book_holding, limit, wanted


def outcome(book: Book, wish: Wish) -> str:
    """Return why an order is rejected, or that it passes."""
    book.place("order", wish)
    reason = book.orders["order"].rejection_reason
    return "passes" if reason is None else reason.value


def rows(table: str) -> list[list[str]]:
    lines = table.strip().splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def test_a_reducing_account_takes_sales_only_and_a_halted_one_nothing() -> None:
    play("""
    10:00:00 | quote AAPL 99 x 10 / 100 x 10 | -
             | h: buy 5 AAPL                 | h ACCEPTED
             |                               | h FILLED 5 at 100
             | a: buy 1 AAPL limit 90        | a ACCEPTED
             | b: sell 1 AAPL limit 120      | b ACCEPTED
             | state REDUCING                | -
             | c: buy 1 AAPL                 | c REJECTED TRADING_HALTED
             | replace a limit 91            | refused TRADING_HALTED
             | replace b limit 119           | b REPLACED
             | d: sell 1 AAPL                | d ACCEPTED
             |                               | d FILLED 1 at 99 pnl -1.00
             | state HALTED                  | -
             | e: buy 1 AAPL                 | e REJECTED TRADING_HALTED
             | f: sell 1 AAPL                | f REJECTED TRADING_HALTED
             | replace b limit 118           | refused TRADING_HALTED
             | cancel a                      | a CANCELLED REQUESTED
             | state ACTIVE                  | -
             | g: sell 1 AAPL                | g ACCEPTED
             |                               | g FILLED 1 at 99 pnl -1.00
    """)


def test_each_trading_state_says_what_to_do() -> None:
    book = play("""
    10:00:00 | state REDUCING         | -
             | a: buy 1 AAPL limit 1  | a REJECTED TRADING_HALTED
             | state HALTED           | -
             | b: sell 1 AAPL limit 1 | b REJECTED TRADING_HALTED
    """)
    assert [order.rejection_message for order in book.orders.values()] == [
        "The account is REDUCING and takes only orders that reduce a position: its owner can set it"
        " ACTIVE again.",
        "Trading on the account is HALTED: its owner can set it ACTIVE again.",
    ]


NOTIONALS = """
    -       | -       | buy 900 AAPL                        | passes
    1000    | -       | buy 10 AAPL                         | passes
    1000    | -       | buy 10.00000001 AAPL                | ORDER_NOTIONAL_EXCEEDED
    -       | 1000    | buy 10 AAPL                         | passes
    -       | 1000    | buy 10.00000001 AAPL                | ORDER_NOTIONAL_EXCEEDED
    1000    | 999.99  | buy 10 AAPL                         | ORDER_NOTIONAL_EXCEEDED
    999.99  | 1000    | buy 10 AAPL                         | ORDER_NOTIONAL_EXCEEDED
    999.99  | 1000    | buy 9.9999 AAPL                     | passes
    1000    | 5000    | buy 10 AAPL limit 100               | passes
    5000    | 1000    | buy 10 AAPL limit 100.01            | ORDER_NOTIONAL_EXCEEDED
    1155    | -       | buy 10 AAPL stop 110                | passes
    1154.99 | -       | buy 10 AAPL stop 110                | ORDER_NOTIONAL_EXCEEDED
    1050    | -       | buy 10 AAPL stop 90                 | passes
    1049.99 | -       | buy 10 AAPL stop 90                 | ORDER_NOTIONAL_EXCEEDED
    1120    | -       | buy 10 AAPL stop 110 limit 112      | passes
    1119.99 | -       | buy 10 AAPL stop 110 limit 112      | ORDER_NOTIONAL_EXCEEDED
    990     | -       | sell 10 AAPL                        | passes
    989.99  | -       | sell 10 AAPL                        | ORDER_NOTIONAL_EXCEEDED
    900     | -       | sell 10 AAPL stop 90                | passes
    899.99  | -       | sell 10 AAPL stop 90                | ORDER_NOTIONAL_EXCEEDED
    -       | 1200    | sell 10 AAPL limit 120              | passes
    -       | 1199.99 | sell 10 AAPL limit 120              | ORDER_NOTIONAL_EXCEEDED
    990     | -       | sell 10 AAPL limit 0.01             | passes
    989.99  | -       | sell 10 AAPL limit 0.01             | ORDER_NOTIONAL_EXCEEDED
    -       | 989.99  | sell 10 AAPL limit 0.01             | ORDER_NOTIONAL_EXCEEDED
    900     | -       | sell 10 AAPL stop 90 limit 0.01     | passes
    899.99  | -       | sell 10 AAPL stop 90 limit 0.01     | ORDER_NOTIONAL_EXCEEDED
    1100    | -       | sell 10 AAPL stop 90 limit 110      | passes
    1099.99 | -       | sell 10 AAPL stop 90 limit 110      | ORDER_NOTIONAL_EXCEEDED
    10000   | -       | buy 1 CALL                          | passes
    9999.99 | -       | buy 1 CALL                          | ORDER_NOTIONAL_EXCEEDED
"""


@pytest.mark.parametrize(("account", "key", "order", "expected"), rows(NOTIONALS))
def test_the_smaller_of_the_largest_notionals_counts(
    account: str, key: str, order: str, expected: str
) -> None:
    book = book_holding("20")
    rails = GuardRails(order_notional_max=limit(account))
    book.account = replace(book.account, guard_rails=rails)
    book.guard = Guard(order_notional_max=limit(key))
    assert outcome(book, wanted(order)) == expected


def test_a_market_order_is_measured_with_the_worst_slippage() -> None:
    for largest, expected in [("1000.20", "passes"), ("1000.19", "ORDER_NOTIONAL_EXCEEDED")]:
        book = book_holding("20", slippage=True)
        book.guard = Guard(order_notional_max=parse_units(largest))
        assert outcome(book, wanted("buy 10 AAPL")) == expected
    message = book.orders["order"].rejection_message
    assert message == (
        "The order's value is 1000.20 USD and the largest allowed is 1000.19 USD:"
        " lower the quantity."
    )


def test_a_notional_without_a_price_is_not_what_is_missing() -> None:
    book = book_holding("20")
    book.guard = Guard(order_notional_max=1, exposure=EXPOSED)
    book.account = replace(book.account, guard_rails=GuardRails(position_share_max=1))
    assert outcome(book, wanted("buy 10 SPY")) == "NO_QUOTE"


SHARES = """
    50          | buy 3 AAPL limit 100                | passes
    50          | buy 3.00000001 AAPL limit 100       | POSITION_SHARE_EXCEEDED
    50          | buy 3 AAPL                          | passes
    50          | buy 3.00000001 AAPL                 | POSITION_SHARE_EXCEEDED
    50          | buy 3 AAPL stop 105                 | POSITION_SHARE_EXCEEDED
    50          | buy 3 AAPL stop 105 limit 100       | passes
    49.99999999 | buy 3 AAPL limit 100                | POSITION_SHARE_EXCEEDED
    20          | buy 0.00000001 AAPL limit 1         | POSITION_SHARE_EXCEEDED
    100         | buy 8 AAPL limit 100                | passes
    50          | buy 1 CALL limit 3                  | passes
    50          | buy 1 CALL limit 3.01               | POSITION_SHARE_EXCEEDED
    0.00000001  | sell 20 AAPL                        | passes
"""


@pytest.mark.parametrize(("share", "order", "expected"), rows(SHARES))
def test_one_position_stays_within_its_share_of_the_equity(
    share: str, order: str, expected: str
) -> None:
    """Of 1 000.00 of equity 200.00 are at stake already; a sale always passes."""
    book = book_holding("20")
    book.guard = Guard(exposure=EXPOSED)
    rails = GuardRails(position_share_max=parse_units(share))
    book.account = replace(book.account, guard_rails=rails)
    assert outcome(book, wanted(order)) == expected


LOSSES = """
    100.01 | buy 1 AAPL           | passes
    100    | buy 1 AAPL           | DAILY_LOSS_REACHED
    99.99  | buy 1 AAPL           | DAILY_LOSS_REACHED
    100    | buy 1 AAPL limit 1   | DAILY_LOSS_REACHED
    100    | buy 1 AAPL stop 200  | DAILY_LOSS_REACHED
    100    | sell 20 AAPL         | passes
    100    | sell 20 AAPL stop 90 | passes
"""


@pytest.mark.parametrize(("largest", "order", "expected"), rows(LOSSES))
def test_the_largest_daily_loss_lets_only_sales_pass_once_it_is_reached(
    largest: str, order: str, expected: str
) -> None:
    """The account lost 100.00 since its day began."""
    book = book_holding("20")
    book.guard = Guard(exposure=EXPOSED)
    book.account = replace(
        book.account, guard_rails=GuardRails(daily_loss_max=parse_units(largest))
    )
    assert outcome(book, wanted(order)) == expected


def test_a_limit_of_share_or_loss_says_what_it_is() -> None:
    told = []
    for rails in (
        GuardRails(position_share_max=parse_units("50")),
        GuardRails(daily_loss_max=parse_units("100")),
    ):
        book = book_holding("20")
        book.guard = Guard(exposure=EXPOSED)
        book.account = replace(book.account, guard_rails=rails)
        book.place("order", wanted("buy 4 AAPL"))
        told.append(book.orders["order"].rejection_message)
    assert told == [
        "With this order AAPL would be more than 50.00000000 % of the account's equity:"
        " lower the quantity.",
        "The account lost 100.00 USD since 00:00 UTC and its limit is 100.00 USD:"
        " until the next 00:00 UTC it accepts only SELL orders.",
    ]


@pytest.mark.parametrize(
    ("rails", "needed"),
    [
        (GuardRails(), False),
        (GuardRails(order_notional_max=1), False),
        (GuardRails(position_share_max=1), True),
        (GuardRails(daily_loss_max=1), True),
    ],
)
def test_only_limits_of_share_and_loss_need_what_the_account_holds(
    rails: GuardRails, needed: bool
) -> None:
    assert rails.need_exposure is needed


def test_a_replacement_is_measured_like_a_new_order() -> None:
    book = book_holding("20")
    book.place("order", wanted("buy 10 AAPL limit 90"))
    book.guard = Guard(order_notional_max=parse_units("900"))
    before = (book.account, dict(book.orders))
    refused = book.replace("order", Replacement(limit_price=Price(parse_units("90.01"))))
    assert not isinstance(refused, tuple)
    assert refused.reason.value == "ORDER_NOTIONAL_EXCEEDED"
    assert (book.account, book.orders) == before
    assert isinstance(
        book.replace("order", Replacement(limit_price=Price(parse_units("89")))), tuple
    )


def test_a_sale_cannot_be_replaced_by_a_larger_one_with_a_low_limit() -> None:
    book = book_holding("20")
    book.place("order", wanted("sell 5 AAPL limit 120"))
    book.guard = Guard(order_notional_max=parse_units("600"))
    low = Replacement(quantity=Quantity(parse_units("20")), limit_price=Price(parse_units("0.01")))
    refused = book.replace("order", low)
    assert not isinstance(refused, tuple)
    assert refused.reason.value == "ORDER_NOTIONAL_EXCEEDED"


@pytest.mark.parametrize(
    ("symbols", "asset_types", "allowed"),
    [
        ((), (), "AAPL SPY BTC-USD"),
        (("AAPL", "SPY"), (), "AAPL SPY"),
        ((), (AssetType.STOCK, AssetType.CRYPTO), "AAPL BTC-USD"),
        (("AAPL", "SPY"), (AssetType.ETF,), "SPY"),
        (("AAPL",), (AssetType.ETF,), ""),
    ],
)
def test_a_key_allows_what_is_among_its_symbols_and_its_asset_types(
    symbols: tuple[str, ...], asset_types: tuple[AssetType, ...], allowed: str
) -> None:
    permissions = Permissions(symbols=symbols, asset_types=asset_types)
    names = ("AAPL", "SPY", "BTC-USD")
    assert [name for name in names if permissions.allow(INSTRUMENTS[name])] == allowed.split()
