"""Margin calls: interest, which orders are in the way, and what is closed first, by hand."""

from dataclasses import replace

import pytest

from server.domain.account import Account, Position, TradingState
from server.domain.events import AccountUpdated, AccountUpdateType, MarginCall
from server.domain.invariants import BrokenInvariant
from server.domain.margin import MarginTerms
from server.domain.margin_calls import (
    accrue,
    begin_call,
    close_position,
    go_bankrupt,
    is_at_risk,
    is_below,
    is_newly_bankrupt,
    next_to_close,
    opening_orders,
)
from server.domain.order import (
    THE_VENUE,
    GroupRole,
    Leg,
    Order,
    OrderClass,
    OrderStatus,
    PlacedBy,
    Side,
)
from server.domain.posting import Decision
from server.domain.trading import drafted
from server.domain.values import (
    SCALE,
    Money,
    Quantity,
    Units,
    format_money,
    format_units,
    parse_units,
)
from tests.domain.asked import Wish
from tests.domain.book import Book, make_costs, make_quote
from tests.domain.test_margin_book import make_account, make_book, make_stake

NOW = 20_000 * 86_400_000_000
SHORT = {"quantity": -150 * SCALE, "cost_basis": -15_000 * SCALE}

CHARGES = """
    balance    | short at 100 | mark | nights | interest | fee
    -10000     | 0            | 0    | 1      | 2.20     | 0.00
    -10000     | 0            | 0    | 3      | 6.58     | 0.00
    -4562.50   | 0            | 0    | 1      | 1.00     | 0.00
    -0.01      | 0            | 0    | 1      | 0.01     | 0.00
    115000     | 150          | 110  | 1      | 0.00     | 0.46
    115000     | 150          | 110  | 2      | 0.00     | 0.91
    5000       | 150          | 110  | 1      | 2.20     | 0.46
    15000      | 150          | 73   | 1      | 0.00     | 0.30
    14999.99   | 150          | 73   | 1      | 0.01     | 0.30
"""
"""10 000 x 8 % / 365 is 2.1917…; 16 500 x 1 % / 365 is 0.4520…; 10 950 x 1 % / 365 is 0.30."""


def rows(table: str) -> list[list[str]]:
    lines = table.strip().splitlines()[1:]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def told(decision: Decision) -> AccountUpdated:
    (event,) = decision.events
    assert isinstance(event, AccountUpdated)
    return event


@pytest.mark.parametrize(("balance", "short", "mark", "nights", "interest", "fee"), rows(CHARGES))
def test_a_night_costs_interest_on_the_loan_and_a_fee_for_borrowed_shares(
    balance: str, short: str, mark: str, nights: str, interest: str, fee: str
) -> None:
    account = replace(make_account(balance), interest_paid=Money(7 * SCALE))
    quantity = -parse_units(short)
    book = make_book(make_stake("AAPL", mark, quantity=quantity, cost_basis=100 * quantity))

    decision = accrue(account, book, int(nights), NOW)

    assert decision is not None
    event = told(decision)
    assert event.interest is not None
    assert format_money(event.interest.loan_interest) == interest
    assert format_money(event.interest.borrow_fee) == fee
    assert event.interest.nights == int(nights)
    charged = parse_units(interest) + parse_units(fee)
    after = decision.account
    assert after == replace(
        account,
        sequence=account.sequence + 1,
        balance=account.balance - charged,
        interest_paid=account.interest_paid + charged,
    )
    assert (event.type, event.balance, event.time) == (
        AccountUpdateType.INTEREST,
        after.balance,
        NOW,
    )


def test_an_account_that_borrows_nothing_gets_no_event() -> None:
    book = make_book(make_stake("AAPL", "100", quantity=150 * SCALE, cost_basis=15_000 * SCALE))

    assert accrue(make_account("0"), book, 1, NOW) is None


def test_rates_are_those_of_the_terms() -> None:
    terms = MarginTerms(loan_rate_percent=365 * SCALE // 10, borrow_rate_percent=0)
    book = make_book(make_stake("AAPL", "110", **SHORT), terms=terms)

    decision = accrue(make_account("5000"), book, 1, NOW)

    assert decision is not None
    # A tenth of a percent a day on 10 000.
    assert decision.account.interest_paid == 10 * SCALE


STATES = """
    balance  | quantity | mark  | equity   | needs   | is below | is bankrupt
    -7000    | 100      | 100   | 3000.00  | 3000.00 | no       | no
    -7000.01 | 100      | 100   | 2999.99  | 3000.00 | yes      | no
    -7000    | 100      | 99.99 | 2999.00  | 2999.70 | yes      | no
    13000    | -100     | 100   | 3000.00  | 3000.00 | no       | no
    13000    | -100     | 100.01 | 2999.00 | 3000.30 | yes      | no
    13000    | -100     | 130   | 0.00     | 3900.00 | yes      | yes
    13000    | -100     | 131   | -100.00  | 3930.00 | yes      | yes
    -7000    | 100      | 70    | 0.00     | 2100.00 | yes      | yes
    -0.01    | 0        | 0     | -0.01    | 0.00    | yes      | yes
"""


@pytest.mark.parametrize(
    ("balance", "quantity", "mark", "equity", "needs", "below", "bankrupt"), rows(STATES)
)
def test_a_call_comes_below_the_maintenance_margin_and_bankruptcy_at_zero(
    balance: str, quantity: str, mark: str, equity: str, needs: str, below: str, bankrupt: str
) -> None:
    account = make_account(balance)
    book = make_book(make_stake("AAPL", mark, quantity=int(quantity) * SCALE))

    decision = begin_call(account, book, NOW)

    call = told(decision).margin_call
    assert isinstance(call, MarginCall)
    assert (format_money(call.equity), format_money(call.maintenance_margin)) == (equity, needs)
    assert decision.account == replace(account, sequence=account.sequence + 1)
    assert is_below(account, book) == (below == "yes")
    assert is_newly_bankrupt(account, book.equity(account)) == (bankrupt == "yes")


def test_a_bankrupt_account_is_halted_and_its_return_is_lost() -> None:
    account = replace(make_account("-100"), initial_share=0.7, trading_state=TradingState.REDUCING)

    decision = go_bankrupt(account, NOW)

    event, after = told(decision), decision.account
    assert event.type is AccountUpdateType.BANKRUPT
    assert event.trading_state is after.trading_state is TradingState.HALTED
    assert after.initial_share == 0
    assert not is_newly_bankrupt(after, 0)


@pytest.mark.parametrize(
    ("balance", "quantity", "at_risk"),
    [("0", 100, False), ("-0.01", 100, True), ("1000", -1, True), ("-1", 0, True)],
)
def test_only_a_loan_or_a_short_position_is_a_risk(
    balance: str, quantity: int, at_risk: bool
) -> None:
    account = make_account(balance)
    held = Position(account_id="account", symbol="AAPL", quantity=Quantity(quantity))

    assert is_at_risk(account, [held]) is at_risk


ORDERS = """
    position | orders                           | may open
    0        | BUY 1, SELL 1                    | BUY 1, SELL 1
    10       | BUY 1, SELL 10                   | BUY 1
    10       | SELL 4, SELL 6                   |
    10       | SELL 4, SELL 7                   | SELL 4, SELL 7
    10       | SELL 4, SELL 7 exit              | SELL 4
    10       | SELL 4, SELL 6 exit, SELL 6 exit |
    -10      | SELL 1, BUY 10                   | SELL 1
    -10      | BUY 4, BUY 7                     | BUY 4, BUY 7
    -10      | BUY 9, BUY 9 exit                | BUY 9
    -10      | BUY 10, BUY 5 venue              | BUY 10
"""


def live_order(text: str, number: int, account: Account) -> Order:
    side, quantity, *kind = text.split()
    book = Book(deposit=0, costs=make_costs())
    wish = Wish(symbol="AAPL", side=Side(side), quantity=parse_units(quantity))
    order = drafted(book.ticket(wish), account, book.market("AAPL"), str(number))
    if "exit" in kind:
        role = GroupRole(order_class=OrderClass.OCO, leg=Leg.STOP_LOSS, parent_order_id="0")
        return replace(order, role=role)
    if "venue" in kind:
        return replace(order, bot_key_id=THE_VENUE, reduce_only=True)
    return order


def left(live: list[Order], side: Side) -> Quantity:
    """Return what orders of a side have left; the exits are those of one group and count once."""
    plain = [it.leaves_quantity for it in live if it.side is side and it.role is None]
    exits = [it.leaves_quantity for it in live if it.side is side and it.role is not None]
    return Quantity(sum(plain) + max(exits, default=0))


@pytest.mark.parametrize(("quantity", "orders", "opening"), rows(ORDERS))
def test_orders_that_can_open_a_position_are_in_the_way(
    quantity: str, orders: str, opening: str
) -> None:
    account = make_account("0")
    texts = orders.split(", ")
    live = [live_order(text, number, account) for number, text in enumerate(texts)]
    held = Position(
        account_id="account",
        symbol="AAPL",
        quantity=Quantity(int(quantity) * SCALE),
        reserved_quantity=left(live, Side.SELL),
        open_buy_quantity=left(live, Side.BUY),
    )

    found = opening_orders(live, [held])

    assert ", ".join(texts[int(order.id)] for order in found) == opening


def test_the_position_with_the_largest_margin_is_closed_first() -> None:
    book = make_book(
        make_stake("AAPL", "100", quantity=100 * SCALE),
        make_stake("SPY", "400", quantity=-30 * SCALE),
        make_stake("BTC-USD", "3500", quantity=SCALE),
        make_stake("GME", "900", open_buy_quantity=100 * SCALE),
    )

    order = list[str]()
    while (stake := next_to_close(book, order)) is not None:
        order.append(stake.position.symbol)

    # 30 % of 12 000, all of 3 500, 30 % of 10 000; GME is only ordered.
    assert order == ["SPY", "BTC-USD", "AAPL"]


def closing(quantity: Units, size: str, state: TradingState) -> Decision:
    """Return the venue's order for a long position in a book with a bid of 60.00."""
    book = Book(deposit=0, costs=make_costs())
    book.show(make_quote("AAPL", "60", size, "61", size, time=book.now))
    stake = make_stake("AAPL", "60", quantity=quantity, cost_basis=100 * quantity)
    account = replace(make_account("1000"), trading_state=state)
    return close_position(
        account, stake.position, book.market("AAPL"), "order", lambda: "fill", make_book(stake)
    )


def test_the_venue_closes_the_whole_position_of_a_halted_account() -> None:
    decision = closing(100 * SCALE, "1000", TradingState.HALTED)

    order = decision.orders["order"]
    assert (order.side, order.status) == (Side.SELL, OrderStatus.FILLED)
    assert (order.placed_by, order.reduces_only) == (PlacedBy.VENUE, True)
    assert format_units(order.filled_quantity) == "100.00000000"
    # 100 x 60.00 came in, and the shares had cost 100 x 100.00.
    assert decision.account.balance == 7_000 * SCALE
    assert decision.account.realized_pnl == -4_000 * SCALE
    assert decision.positions["AAPL"].quantity == 0


def test_what_the_quote_does_not_fill_waits_whatever_it_takes() -> None:
    decision = closing(100 * SCALE, "30", TradingState.ACTIVE)

    order = decision.orders["order"]
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert format_units(order.leaves_quantity) == "70.00000000"
    assert decision.account.live_orders == 1


def test_a_short_is_bought_back_with_money_that_is_not_there() -> None:
    book = Book(deposit=0, costs=make_costs())
    book.show(make_quote("AAPL", "249", "1000", "250", "1000", time=book.now))
    short = {"quantity": -1_000 * SCALE, "cost_basis": -100_000 * SCALE}
    stake = make_stake("AAPL", "250", average_cost=100 * SCALE, **short)
    account = make_account("200000")

    decision = close_position(
        account, stake.position, book.market("AAPL"), "order", lambda: "fill", make_book(stake)
    )

    order = decision.orders["order"]
    assert (order.side, order.status) == (Side.BUY, OrderStatus.FILLED)
    assert order.closed_quantity == 1_000 * SCALE
    # 200 000 - 1 000 x 250, of which the short sale had brought 100 000.
    assert decision.account.balance == -50_000 * SCALE
    assert decision.account.realized_pnl == -150_000 * SCALE


def test_nothing_is_closed_without_a_position() -> None:
    with pytest.raises(BrokenInvariant, match="AAPL cannot be closed now"):
        closing(0, "30", TradingState.ACTIVE)
