"""The margin book: equity, margins, loan and buying power of a MARGIN account, by hand."""

import pytest

from server.domain.account import Account, MarginMode, Position
from server.domain.invariants import BrokenInvariant
from server.domain.margin import (
    MarginBook,
    MarginTerms,
    Stake,
    closable_quantity,
    is_on_margin,
    mark_of,
    staked,
)
from server.domain.order import Side
from server.domain.trading import drafted
from server.domain.valuation import total_equity, value
from server.domain.values import AMOUNT_LIMIT, CENT, SCALE, Price, Quantity, Units, parse_units
from tests.domain.book import INSTRUMENTS, make_quote
from tests.domain.scenario import Stage


def make_account(balance: str, reserved: str = "0") -> Account:
    sign = -1 if balance.startswith("-") else 1
    return Account(
        id="account",
        user_id="user",
        created_at=0,
        deposits=0,
        balance=sign * parse_units(balance.removeprefix("-")),
        reserved=parse_units(reserved),
        margin_mode=MarginMode.MARGIN,
    )


def make_stake(symbol: str, mark: str, **figures: Units) -> Stake:
    position = Position(account_id="account", symbol=symbol, **figures)  # type: ignore[arg-type]
    price = Price(parse_units(mark))
    return Stake(position=position, instrument=INSTRUMENTS[symbol], mark=price, is_fresh=True)


def make_book(*stakes: Stake, terms: MarginTerms | None = None) -> MarginBook:
    return MarginBook(
        stakes={stake.position.symbol: stake for stake in stakes}, terms=terms or MarginTerms()
    )


LONG = make_stake("AAPL", "150", quantity=100 * SCALE, open_buy_quantity=50 * SCALE)
SHORT = make_stake(
    "SPY", "400", quantity=-10 * SCALE, cost_basis=-4_100 * SCALE, reserved_quantity=5 * SCALE
)
PAID = make_stake("BTC-USD", "30000", quantity=2 * SCALE, reserved_quantity=SCALE)


def test_a_long_a_short_and_a_paid_position_bind_their_margins() -> None:
    account, book = make_account("-10000", reserved="600"), make_book(LONG, SHORT, PAID)

    # -10 000 + 100 x 150 - 10 x 400 + 2 x 30 000
    assert book.equity(account) == 61_000 * SCALE
    # half of 150 x 150, half of 15 x 400, all of 60 000, and what live orders hold back
    assert book.margin(account) == (11_250 + 3_000 + 60_000 + 600) * SCALE
    # 30 % of 15 000, 30 % of 4 000, all of 60 000
    assert book.maintenance(account) == (4_500 + 1_200 + 60_000) * SCALE
    assert book.free(account) == -13_850 * SCALE
    assert book.buying_power(account) == 0
    # The 4 100 that the short sale brought are no borrowed money, and do not pay the loan.
    assert book.loan(account) == 14_100 * SCALE
    assert book.shorts() == 4_000 * SCALE


def test_the_buying_power_is_the_free_equity_through_the_initial_rate() -> None:
    account = make_account("10000.01")

    assert make_book().buying_power(account) == 2_000_002 * CENT
    # 10 000.01 / 0.3 = 33 333.366...
    terms = MarginTerms(initial_percent=30 * SCALE)
    assert make_book(terms=terms).buying_power(account) == 3_333_336 * CENT


@pytest.mark.parametrize(
    ("quantity", "buys", "sells", "exposed"),
    [
        (100, 0, 0, 100),
        (100, 50, 0, 150),
        (100, 0, 100, 100),
        (100, 0, 200, 100),
        (100, 0, 250, 150),
        (-100, 100, 0, 100),
        (-100, 250, 0, 150),
        (-100, 50, 20, 120),
        (0, 30, 40, 40),
    ],
)
def test_the_margin_is_that_of_the_largest_position_that_orders_can_make(
    quantity: int, buys: int, sells: int, exposed: int
) -> None:
    stake = make_stake(
        "AAPL",
        "10",
        quantity=quantity * SCALE,
        open_buy_quantity=buys * SCALE,
        reserved_quantity=sells * SCALE,
    )

    assert make_book(stake).margin(make_account("0")) == exposed * 5 * SCALE


def test_margins_are_rounded_up_once_to_cents() -> None:
    # Two values of 0.01 bind 0.005 each: 0.01 together. A tenth of a cent binds a whole one.
    cent = [make_stake(symbol, "0.01", quantity=SCALE) for symbol in ("AAPL", "SPY")]
    tenth = make_stake("AAPL", "0.001", quantity=SCALE)

    assert make_book(*cent).margin(make_account("0")) == CENT
    assert make_book(tenth).margin(make_account("0")) == CENT
    assert make_book(tenth).maintenance(make_account("0")) == CENT


def test_the_equity_is_the_one_that_is_shown() -> None:
    account, book = make_account("0.01"), make_book(LONG, SHORT, PAID)
    quotes = {it: make_quote(it, "150.123", "1", "150.2", "1", time=0) for it in book.stakes}
    valued = [
        value(it.position, it.instrument, quotes[it.position.symbol], fresh=True)
        for it in book.stakes.values()
    ]
    marked = [
        make_stake(it.position.symbol, "150.123", quantity=it.position.quantity)
        for it in book.stakes.values()
    ]

    assert make_book(*marked).equity(account) == total_equity(account.balance, valued)


@pytest.mark.parametrize("quantity", [AMOUNT_LIMIT - 1, 1 - AMOUNT_LIMIT])
def test_no_quote_makes_an_equity_that_cannot_be_stored(quantity: Units) -> None:
    stake = make_stake("AAPL", "9000000000", quantity=quantity)
    quote = make_quote("AAPL", "9000000000", "1", "9000000000", "1", time=0)
    limit = AMOUNT_LIMIT if quantity > 0 else -AMOUNT_LIMIT

    assert make_book(stake).equity(make_account("0")) == limit
    valued = value(stake.position, stake.instrument, quote, fresh=True)
    assert total_equity(0, [valued]) == limit


def test_a_book_changes_one_position_that_is_in_it() -> None:
    book = make_book(LONG)
    sold = Position(account_id="account", symbol="AAPL", quantity=Quantity(10 * SCALE))

    assert book.with_(sold).margin(make_account("0")) == 750 * SCALE
    with pytest.raises(BrokenInvariant, match="SPY is not in the margin book"):
        book.with_(SHORT.position)


def test_a_symbol_joins_the_book_at_the_mark_of_its_quote() -> None:
    empty = Position(account_id="account", symbol="SPY")
    quote = make_quote("SPY", "10", "1", "20", "1", time=0, last="12")

    joined = staked(make_book(), empty, INSTRUMENTS["SPY"], quote).stakes["SPY"]
    again = staked(make_book(SHORT), empty, INSTRUMENTS["SPY"], quote).stakes["SPY"]

    assert (joined.mark, joined.is_fresh, joined.position) == (12 * SCALE, True, empty)
    assert (again.mark, again.position) == (400 * SCALE, empty)


def test_without_a_quote_the_mark_is_the_average_cost_or_the_price_of_an_order() -> None:
    empty = Position(account_id="account", symbol="AAPL")
    held = Position(
        account_id="account",
        symbol="AAPL",
        quantity=Quantity(-SCALE),
        average_cost=7 * SCALE,
        cost_basis=-7 * SCALE,
    )
    stage = Stage({}, [])
    wishes = ("buy 1 AAPL limit 5", "sell 1 AAPL stop 6", "buy 1 AAPL")
    orders = [
        drafted(stage.ticket(it), make_account("0"), stage.book.market("AAPL"), it) for it in wishes
    ]

    assert mark_of(held, None, orders) == 7 * SCALE
    assert mark_of(empty, None, orders) == 6 * SCALE
    assert mark_of(empty, None) == 0


def test_the_margin_of_a_symbol_is_that_of_its_position_and_its_live_orders() -> None:
    book = make_book(LONG, SHORT, PAID, terms=MarginTerms(initial_percent=33 * SCALE))

    assert book.margin_of("AAPL") == 7_425 * SCALE  # 150 x 150 at 33 %
    assert book.margin_of("SPY") == 1_980 * SCALE
    assert book.margin_of("BTC-USD") == 60_000 * SCALE


def test_only_stocks_and_etfs_of_a_margin_account_are_on_margin() -> None:
    account = make_account("0")
    cash = Account(id="cash", user_id="user", created_at=0, deposits=0, balance=0)

    found = {symbol for symbol, it in INSTRUMENTS.items() if is_on_margin(account, it)}

    assert found == {"AAPL", "GME", "SPY"}
    assert not is_on_margin(cash, INSTRUMENTS["AAPL"])


def test_only_the_other_side_closes_a_position() -> None:
    assert closable_quantity(LONG.position, Side.SELL) == 100 * SCALE
    assert closable_quantity(LONG.position, Side.BUY) == 0
    assert closable_quantity(SHORT.position, Side.BUY) == 10 * SCALE
    assert closable_quantity(SHORT.position, Side.SELL) == 0
