"""Account changes: settlement of expired options, and the trading state."""

from dataclasses import replace

import pytest

from server.domain.account import Position, TradingState
from server.domain.account_changes import set_trading_state, settle
from server.domain.instrument import OptionRight, OptionTerms
from server.domain.invariants import BrokenInvariant
from server.domain.order import Side
from server.domain.posting import Decision
from server.domain.values import SCALE, Price, Units, format_money, parse_units
from tests.domain.asked import Wish
from tests.domain.auditor import Auditor
from tests.domain.book import BEGINNING, INSTRUMENTS, Book, make_costs, make_quote, told_by
from tests.domain.scenario import plain

OUTCOMES = """
    right | quantity | underlying   | price      | amount  | pnl
    CALL  | 3        | 105          | 5          | 1500.00 | 898.05
    CALL  | 3        | 102          | 2          | 600.00  | -1.95
    CALL  | 3        | 100.00000001 | 0.00000001 | 0.00    | -601.95
    CALL  | 3        | 100          | 0          | 0.00    | -601.95
    CALL  | 3        | 60           | 0          | 0.00    | -601.95
    CALL  | 1        | 100.00009999 | 0.00009999 | 0.00    | -200.65
    CALL  | 1        | 100.0001     | 0.0001     | 0.01    | -200.64
    CALL  | 7        | 100.00059999 | 0.00059999 | 0.41    | -1404.14
    PUT   | 3        | 95           | 5          | 1500.00 | 898.05
    PUT   | 3        | 99.99999999  | 0.00000001 | 0.00    | -601.95
    PUT   | 3        | 100          | 0          | 0.00    | -601.95
    PUT   | 3        | 140          | 0          | 0.00    | -601.95
    PUT   | 1        | 0.00000001   | 99.99999999 | 9999.99 | 9799.34
"""


def cases() -> list[list[str]]:
    lines = OUTCOMES.strip().splitlines()[1:]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def book_holding(quantity: str) -> tuple[Book, Auditor]:
    """Return a book that bought contracts at 2.00 with a fee of 0.65 each, and its auditor."""
    book = Book(deposit=parse_units("10000"), costs=make_costs(fees=True))
    auditor = Auditor(book, fees=True)
    quote = make_quote("CALL", "1.90", "10", "2", "10", time=book.now)
    book.show(quote)
    auditor.hear_quote(quote)
    wish = Wish(symbol="CALL", side=Side.BUY, quantity=parse_units(quantity))
    for event in book.place("order", wish):
        auditor.hear(event)
    return book, auditor


def settled(book: Book, right: OptionRight, underlying: Units) -> Decision:
    """Settle the contracts of a book, with a strike of 100.00."""
    terms = OptionTerms(
        underlying="AAPL",
        strike=Price(parse_units("100")),
        expiry="2024-10-04",
        expires_at=BEGINNING,
        right=right,
    )
    instrument = replace(INSTRUMENTS["CALL"], option=terms)
    return settle(book.account, book.position("CALL"), instrument, Price(underlying), book.now)


@pytest.mark.parametrize(("right", "quantity", "underlying", "price", "amount", "pnl"), cases())
def test_an_expired_option_becomes_what_its_exercise_pays(
    right: str, quantity: str, underlying: str, price: str, amount: str, pnl: str
) -> None:
    """Rounded down on the whole position; the profit is that less its cost and its fees."""
    book, auditor = book_holding(quantity)
    decision = settled(book, OptionRight[right], parse_units(underlying))
    told = told_by(decision).settlement
    assert told is not None
    assert (told.symbol, told.quantity) == ("CALL", parse_units(quantity))
    assert plain(told.price) == price
    assert format_money(told.amount) == amount
    assert format_money(told.realized_pnl) == pnl
    book.account = decision.account
    book.positions |= decision.positions
    auditor.hear_account(told_by(decision))
    auditor.compare()


def test_a_settlement_is_one_event_that_closes_a_trade_and_empties_the_position() -> None:
    book, _ = book_holding("3")
    before = book.account
    decision = settled(book, OptionRight.CALL, parse_units("105"))
    account, event = decision.account, told_by(decision)
    assert account.balance == event.balance == before.balance + parse_units("1500")
    assert account.sequence == event.sequence == before.sequence + 1
    assert (event.type.value, event.time) == ("SETTLED", book.now)
    assert event.amount is None, "no money came in from outside"
    assert account.realized_pnl == before.realized_pnl + parse_units("898.05")
    assert (account.statistics.trades, account.statistics.wins) == (1, 1)
    assert account.statistics.gross_profit == parse_units("898.05")
    assert (account.fills, account.fees_paid) == (before.fills, before.fees_paid)
    bought = book.position("CALL")
    emptied = decision.positions["CALL"]
    assert emptied == Position(
        account_id=bought.account_id,
        symbol="CALL",
        quote_time=bought.quote_time,
        ask_taken=bought.ask_taken,
    )


def test_a_worthless_option_is_a_loss_of_all_that_it_cost() -> None:
    book, _ = book_holding("3")
    decision = settled(book, OptionRight.CALL, parse_units("99"))
    statistics = decision.account.statistics
    assert decision.account.balance == book.account.balance
    assert (statistics.trades, statistics.wins, statistics.longest_loss_streak) == (1, 0, 1)
    assert statistics.gross_loss == parse_units("601.95")


@pytest.mark.parametrize("state", TradingState)
def test_a_new_trading_state_is_told_and_moves_no_money(state: TradingState) -> None:
    book, _ = book_holding("3")
    before = book.account
    decision = set_trading_state(before, state, book.now + 1)
    assert decision.account == replace(before, trading_state=state, sequence=before.sequence + 1)
    assert not decision.positions
    event = told_by(decision)
    assert (event.type.value, event.trading_state) == ("TRADING_STATE", state)
    assert (event.account_id, event.time) == (before.id, book.now + 1)
    assert (event.sequence, event.balance) == (before.sequence + 1, before.balance)
    assert event.settlement is None
    assert event.amount is None


def test_only_an_option_that_no_order_holds_can_be_settled() -> None:
    book, _ = book_holding("3")
    with pytest.raises(BrokenInvariant, match="is no option"):
        settle(book.account, book.position("CALL"), INSTRUMENTS["CALL"], Price(1), book.now)
    book.place(
        "sale", Wish(symbol="CALL", side=Side.SELL, quantity=SCALE, limit_price=parse_units("9"))
    )
    with pytest.raises(BrokenInvariant, match="is in use"):
        settled(book, OptionRight.CALL, parse_units("105"))
    book.cancel("sale")
    emptied = settled(book, OptionRight.CALL, parse_units("105")).positions["CALL"]
    assert emptied is not None
    book.positions["CALL"] = emptied
    with pytest.raises(BrokenInvariant, match="is in use"):
        settled(book, OptionRight.CALL, parse_units("105"))


@pytest.mark.parametrize(("after", "expired"), [(-1, False), (0, True), (1, True)])
def test_an_option_has_expired_from_the_end_of_its_last_day_on(
    after: int, *, expired: bool
) -> None:
    terms = OptionTerms(
        underlying="AAPL",
        strike=Price(parse_units("100")),
        expiry="2024-10-04",
        expires_at=BEGINNING,
        right=OptionRight.CALL,
    )

    assert replace(INSTRUMENTS["CALL"], option=terms).has_expired(BEGINNING + after) is expired
    assert not INSTRUMENTS["AAPL"].has_expired(BEGINNING + after)
