"""The life of an account: opened, given more money, and reset, worked by hand."""

import pytest

from server.domain.account import GuardRails, Position, TradeStatistics, TradingState
from server.domain.account_changes import open_account, refuse_deposit, reset
from server.domain.changes import changed
from server.domain.errors import Reason, Refusal
from server.domain.events import AccountUpdateType, OrderUpdated
from server.domain.invariants import BrokenInvariant
from server.domain.order import OrderStatus, Side, StatusReason
from server.domain.user import Plan
from server.domain.values import (
    AMOUNT_LIMIT,
    CENT,
    SCALE,
    Money,
    Quantity,
    format_money,
    parse_units,
)
from tests.domain.asked import Wish
from tests.domain.auditor import Auditor
from tests.domain.book import BEGINNING, Book, make_costs, make_quote, told_by


@pytest.fixture
def book() -> Book:
    """Return a book that bought ten at 100.00 for 1.00, sold four at 110.00 for 1.00, and waits."""
    book = Book(deposit=parse_units("10000"), costs=make_costs(fees=True))
    book.show(make_quote("AAPL", "99", "50", "100", "50", time=book.now))
    book.place("bought", Wish(symbol="AAPL", side=Side.BUY, quantity=parse_units("10")))
    book.show(make_quote("AAPL", "110", "50", "111", "50", time=book.now, sequence=1))
    book.place("sold", Wish(symbol="AAPL", side=Side.SELL, quantity=parse_units("4")))
    for name, side, price in (("buys", Side.BUY, "50"), ("sells", Side.SELL, "200")):
        wish = Wish(
            symbol="AAPL", side=side, quantity=parse_units("5"), limit_price=parse_units(price)
        )
        book.place(name, wish)
    return book


def test_an_account_begins_with_its_first_event() -> None:
    decision = open_account("account", "user", Money(parse_units("5000")), BEGINNING)

    account, event = decision.account, told_by(decision)
    assert decision.is_new_account
    assert format_money(account.balance) == format_money(account.deposits) == "5000.00"
    assert (account.sequence, account.epoch_sequence, account.resets) == (1, 1, 0)
    assert account.epoch_began_at == account.created_at == BEGINNING
    assert (event.type, event.sequence, event.time) == (AccountUpdateType.OPENED, 1, BEGINNING)
    assert event.amount == event.balance == account.balance
    assert not decision.positions
    assert decision.inflow is None


def test_a_reset_ends_orders_and_drops_positions_and_figures(book: Book) -> None:
    """10 000 − 1 000 − 1 + 440 − 1 = 9 438, of which 5 × 50 + 1 are held back."""
    assert format_money(book.account.balance) == "9438.00"
    assert format_money(book.account.buying_power) == "9187.00"
    assert format_money(book.account.realized_pnl) == "38.60"
    rails = GuardRails(order_notional_max=parse_units("7000"))
    book.account = changed(book.account, trading_state=TradingState.REDUCING, guard_rails=rails)
    before = book.account
    book.now += 7

    *cancelled, event = book.reset(parse_units("2500"))

    account, position = book.account, book.position("AAPL")
    ended = [it.order for it in cancelled if isinstance(it, OrderUpdated)]
    assert [order.id for order in ended] == ["buys", "sells"]
    assert {order.status for order in ended} == {OrderStatus.CANCELLED}
    assert {order.status_reason for order in ended} == {StatusReason.ACCOUNT_RESET}
    assert [it.sequence - before.sequence for it in (*cancelled, event)] == [1, 2, 3]
    assert event.type is AccountUpdateType.RESET
    assert event.amount == event.balance == account.balance == account.deposits
    assert format_money(account.buying_power) == "2500.00"
    assert (account.fills, account.realized_pnl, account.fees_paid) == (0, 0, 0)
    assert account.statistics == TradeStatistics()
    assert (account.resets, account.epoch_sequence) == (1, event.sequence)
    assert account.epoch_began_at == event.time == BEGINNING + 7
    assert account.created_at == BEGINNING
    assert (account.trading_state, account.guard_rails) == (TradingState.REDUCING, rails)
    assert (position.quantity, position.reserved_quantity) == (0, 0)
    assert (position.cost_basis, position.buy_fees) == (0, 0)


def test_a_reset_leaves_the_trading_state_of_a_cash_account_that_lost_everything(
    book: Book,
) -> None:
    """The venue halts MARGIN accounts only: here the owner did."""
    book.account = changed(book.account, trading_state=TradingState.HALTED, initial_share=0.0)

    book.reset(parse_units("2500"))

    assert book.account.trading_state is TradingState.HALTED


def test_a_reset_gives_nothing_back_of_a_quote(book: Book) -> None:
    taken = book.position("AAPL").bid_taken
    book.reset(parse_units("10000"))

    assert book.position("AAPL").bid_taken == taken == parse_units("4")


def test_a_reset_needs_all_orders_ended(book: Book) -> None:
    with pytest.raises(BrokenInvariant, match="live orders"):
        reset(book.account, [book.position("AAPL")], Money(parse_units("1")), book.now)


def test_a_reset_does_not_drop_what_is_held_back() -> None:
    account = open_account("account", "user", Money(parse_units("1")), BEGINNING).account
    held = Position(
        account_id="account", symbol="AAPL", quantity=Quantity(5), reserved_quantity=Quantity(5)
    )
    with pytest.raises(BrokenInvariant, match="position"):
        reset(account, [held], Money(parse_units("1")), BEGINNING)


def test_after_a_reset_the_account_trades_on_as_a_new_one() -> None:
    book = Book(deposit=parse_units("1000"), costs=make_costs())
    auditor = Auditor(book, fees=False)
    for sequence, price in enumerate(("100", "80", "100", "125")):
        quote = make_quote("AAPL", price, "9", price, "9", time=book.now, sequence=sequence)
        book.show(quote)
        auditor.hear_quote(quote)
        if price == "80":
            (event,) = book.reset(parse_units("1000"))
            auditor.hear_account(event)  # type: ignore[arg-type]
        else:
            side = Side.BUY if price == "100" else Side.SELL
            wish = Wish(symbol="AAPL", side=side, quantity=parse_units("8"))
            for happened in book.place(f"order {sequence}", wish):
                auditor.hear(happened)
        auditor.compare()

    assert format_money(book.account.balance) == "1200.00"
    assert book.account.statistics == TradeStatistics(
        trades=1, wins=1, gross_profit=parse_units("200"), win_streak=1, longest_win_streak=1
    )
    assert (book.account.fills, len(book.orders)) == (2, 3)


def test_a_deposit_adds_money_and_keeps_what_was_there(book: Book) -> None:
    """Worth 9 438 and six at 110.00, which is 10 098, right before."""
    before = book.account
    outcome = book.deposit(parse_units("902.5"))
    assert not isinstance(outcome, Refusal)

    (event,) = outcome
    (inflow,) = book.inflows
    assert format_money(book.account.balance) == "10340.50"
    assert format_money(book.account.deposits) == "10902.50"
    assert book.account.reserved == before.reserved
    assert book.account.fills == before.fills
    assert (event.type, event.sequence) == (AccountUpdateType.DEPOSIT, before.sequence + 1)
    assert (event.amount, event.balance) == (parse_units("902.5"), book.account.balance)
    assert format_money(inflow.equity_before) == "10098.00"
    assert (inflow.sequence, inflow.amount) == (event.sequence, event.amount)


@pytest.mark.parametrize(
    ("balance", "amount", "fits"),
    [
        (AMOUNT_LIMIT - 3 * CENT, 2 * CENT, True),
        (AMOUNT_LIMIT - 3 * CENT, 3 * CENT, False),
        (AMOUNT_LIMIT, CENT, False),
        (CENT, AMOUNT_LIMIT - 2 * CENT, True),
    ],
)
def test_a_deposit_is_refused_where_money_would_outgrow_its_limit(
    balance: int, amount: int, fits: bool
) -> None:
    book = Book(deposit=balance, costs=make_costs())
    before = book.account

    outcome = book.deposit(amount)

    assert isinstance(outcome, Refusal) is not fits
    if isinstance(outcome, Refusal):
        assert outcome.reason is Reason.DEPOSIT_TOO_LARGE
        assert "90000000000.00" in outcome.message
        assert book.account == before


def test_what_came_in_counts_also_when_it_is_lost() -> None:
    """Else money could come in without end: figures of the account would outgrow 63 bits."""
    book = Book(deposit=AMOUNT_LIMIT - CENT, costs=make_costs())
    book.account = changed(book.account, balance=CENT)

    assert isinstance(book.deposit(CENT), Refusal)


def test_a_deposit_is_refused_where_what_short_sales_brought_would_outgrow_the_limit() -> None:
    book = Book(deposit=SCALE, costs=make_costs())
    book.account = changed(book.account, balance=AMOUNT_LIMIT - 2 * CENT)
    assert refuse_deposit(book.account, Money(CENT), Money(SCALE)) is None

    found = refuse_deposit(book.account, Money(2 * CENT), Money(SCALE))

    assert isinstance(found, Refusal)
    assert "has 89999999999.98 USD in its balance and would reach" in found.message


def test_a_plan_has_an_account_for_each_bot_key() -> None:
    assert [(plan.value, plan.accounts) for plan in Plan] == [
        ("Free", 1),
        ("Standard", 5),
        ("Professional", 25),
    ]
    assert all(plan.accounts == plan.bot_keys for plan in Plan)
