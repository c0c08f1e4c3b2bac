"""Random trading under an auditor: every invariant holds after every step."""

from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.errors import Reason
from server.domain.events import AccountUpdated, AccountUpdateType, OrderUpdated
from server.domain.order import (
    OrderClass,
    OrderType,
    OrderUpdateType,
    Side,
    StatusReason,
    TimeInForce,
)
from server.domain.risk import RULES
from tests.domain.random_trading import (
    AMOUNTS,
    DEPOSITS,
    EIGHTHS,
    MARGIN_BOOKS,
    QUANTITIES,
    SYMBOLS,
    WAITS,
    Bell,
    Cancel,
    Close,
    Floor,
    NewMode,
    NewMoney,
    NewOrder,
    NewQuote,
    NewValues,
    Reset,
    Step,
    Wait,
)

REPRODUCIBLE = settings(derandomize=True, database=None, deadline=None, max_examples=400)

a_symbol = st.sampled_from(SYMBOLS)
a_book = st.integers(0, len(DEPOSITS) - 1)
a_size = st.integers(0, len(QUANTITIES["AAPL"]) - 1)
new_quotes = st.builds(
    NewQuote,
    symbol=a_symbol,
    percent=st.integers(40, 170),
    spread_bps=st.integers(0, 300),
    bid_size=a_size,
    ask_size=a_size,
    odd_lot=st.sampled_from([0, 0, 1, 99_999_999]),
)
new_orders = st.builds(
    NewOrder,
    book=a_book,
    symbol=a_symbol,
    side=st.sampled_from(Side),
    size=a_size,
    eighths=st.sampled_from(EIGHTHS),
    limit_percent=st.none() | st.integers(40, 170),
    time_in_force=st.sampled_from(TimeInForce),
    stop_percent=st.none() | st.integers(40, 170),
    for_notional=st.booleans(),
    take_percent=st.none() | st.integers(40, 170),
    loss_percent=st.none() | st.integers(40, 170),
    trail_percent=st.none() | st.integers(1, 40),
)
new_values = st.builds(
    NewValues,
    book=a_book,
    number=st.integers(0, 9),
    quantity_percent=st.none() | st.integers(1, 300),
    limit_percent=st.none() | st.integers(40, 170),
    stop_percent=st.none() | st.integers(40, 170),
    trail_percent=st.none() | st.integers(1, 40),
)
bells = st.builds(Bell, st.sampled_from([True, True, False]))
cancels = st.builds(Cancel, a_book, st.integers(0, 9))
closes = st.builds(Close, a_book, a_symbol, st.none() | st.integers(1, 100))
waits = st.builds(Wait, st.sampled_from(WAITS))
new_money = st.builds(NewMoney, a_book, st.sampled_from(AMOUNTS))
resets = st.builds(Reset, a_book)
new_modes = st.builds(NewMode, a_book, st.booleans())
a_step = (
    new_quotes
    | new_quotes
    | new_orders
    | new_orders
    | new_values
    | cancels
    | closes
    | waits
    | bells
    | new_money
    | resets
    | new_modes
)
steps = st.lists(a_step, min_size=25, max_size=60)


def trade(steps: Sequence[Step], *, fees: bool, slippage: bool, displayed: bool) -> Floor:
    floor = Floor(fees=fees, slippage=slippage, displayed=displayed)
    for step in steps:
        floor.do(step)
    return floor


@REPRODUCIBLE
@given(steps, st.booleans(), st.booleans(), st.booleans())
def test_whatever_is_done_books_and_events_agree_and_repeat(
    steps: list[Step], fees: bool, slippage: bool, displayed: bool
) -> None:
    once = trade(steps, fees=fees, slippage=slippage, displayed=displayed)
    again = trade(steps, fees=fees, slippage=slippage, displayed=displayed)
    assert once.events == again.events


def test_random_runs_see_every_outcome_there_is() -> None:
    """An auditor who sees nothing happen would prove nothing: these runs show what he sees."""
    dice = Random(2)
    seen = Counter[object]()
    for _ in range(32):
        floor = trade([throw(dice) for _ in range(250)], fees=True, slippage=True, displayed=True)
        for event in floor.events:
            seen[event.type] += 1
            if isinstance(event, OrderUpdated):
                seen.update([event.order.status_reason, event.order.rejection_reason])
                if event.order.order_type is OrderType.TRAILING_STOP:
                    seen["a trail that is", event.type] += 1
                    seen["an exit that trails and is", event.type] += event.order.is_exit
                seen["a fill for a notional"] += bool(event.fill and event.order.notional)
        seen["a refused replacement"] += len(floor.refused)
        seen.update(floor.refused)
        seen.update(on_margin(floor))
        seen["a row of wins"] += any(
            book.account.statistics.longest_win_streak > 1 for book in floor.books
        )
    guarded = {
        Reason.TRADING_HALTED,
        Reason.DAILY_LOSS_REACHED,
        Reason.ORDER_NOTIONAL_EXCEEDED,
        Reason.POSITION_SHARE_EXCEEDED,
    }
    out_of_reach = {Reason.TOO_MANY_OPEN_ORDERS, Reason.ORDER_TOO_LARGE}
    reasons = {rule.reason for rule in RULES} - out_of_reach - guarded
    endings = set(StatusReason) - {
        StatusReason.TRADING_HALTED,
        StatusReason.INSTRUMENT_EXPIRED,
        StatusReason.MARGIN_CALL,
        StatusReason.MARGIN_RESTORED,
    }
    changes = [
        *(AccountUpdateType.DEPOSIT, AccountUpdateType.RESET, AccountUpdateType.MARGIN_MODE),
        *(Reason.LIVE_ORDERS, Reason.MARGIN_IN_USE),
    ]
    trailing = [update for update in OrderUpdateType if update is not OrderUpdateType.RELEASED]
    exits = set(OrderUpdateType) - {OrderUpdateType.REJECTED}
    expected = [
        *OrderUpdateType,
        *changes,
        *endings,
        *reasons,
        "a row of wins",
        "a fill for a notional",
        "a short position",
        "a loan",
        "a fill through zero",
        "a released exit that buys",
        "an OCO that bought",
        *(("a trail that is", update) for update in trailing),
        *(("an exit that trails and is", update) for update in exits),
        "a refused replacement",
    ]
    print(
        [o for o in expected if not seen[o]], {k: v for k, v in seen.items() if isinstance(k, str)}
    )
    assert [outcome for outcome in expected if not seen[outcome]] == []


def on_margin(floor: Floor) -> Iterator[str]:
    """Yield what only a MARGIN account can do."""
    for event in floor.events:
        if isinstance(event, AccountUpdated):
            if event.balance < 0:
                yield "a loan"
            continue
        order, fill = event.order, event.fill
        buys = order.side is Side.BUY
        if fill is not None and not buys and fill.realized_pnl is None:
            yield "a short position"
        if order.closed_quantity and order.opened_quantity:
            yield "a fill through zero"
        if buys and event.type is OrderUpdateType.RELEASED:
            yield "a released exit that buys"
        if buys and order.is_exit and order.role and order.role.order_class is OrderClass.OCO:
            yield "an OCO that bought" if fill is not None else "an OCO that waits to buy"


def throw(dice: Random) -> Step:
    kind = dice.random()
    symbol, book = dice.choice(SYMBOLS), dice.randrange(len(DEPOSITS))
    if book in MARGIN_BOOKS and dice.random() < 0.7:
        symbol = "AAPL"
    if kind < 0.35:
        return NewQuote(
            symbol=symbol,
            percent=dice.randint(40, 170),
            spread_bps=dice.randint(0, 300),
            bid_size=dice.randint(0, 5),
            ask_size=dice.randint(0, 5),
            odd_lot=dice.choice([0, 0, 1, 99_999_999]),
        )
    if kind < 0.40:
        return NewValues(
            book=book,
            number=dice.randint(0, 9),
            quantity_percent=dice.choice([None, dice.randint(1, 300)]),
            limit_percent=dice.choice([None, dice.randint(60, 150)]),
            stop_percent=dice.choice([None, dice.randint(60, 150)]),
            trail_percent=dice.choice([None, dice.randint(1, 40)]),
        )
    if kind < 0.42:
        return Bell(dice.random() < 0.7)
    if kind < 0.43:
        return NewMoney(book, dice.choice(AMOUNTS))
    if kind < 0.435:
        return Reset(book)
    if kind < 0.45:
        return NewMode(book, dice.random() < 0.5)
    if kind < 0.85:
        return NewOrder(
            book=book,
            symbol=symbol,
            side=dice.choice(list(Side)),
            size=dice.randint(0, 5),
            eighths=dice.choice(EIGHTHS),
            limit_percent=dice.choice([None, dice.randint(60, 150)]),
            time_in_force=dice.choice(list(TimeInForce)),
            stop_percent=dice.choice([None, None, dice.randint(60, 150)]),
            for_notional=dice.random() < 0.2,
            take_percent=dice.choice([None, None, dice.randint(100, 170)]),
            loss_percent=dice.choice([None, None, dice.randint(40, 105)]),
            trail_percent=dice.choice([None, None, None, dice.randint(1, 40)]),
        )
    if kind < 0.88:
        return Cancel(book, dice.randint(0, 9))
    if kind < 0.89:
        return Close(book, symbol, dice.choice([None, dice.randint(1, 100)]))
    return Wait(dice.choices(WAITS, [9, 9, 9, 3, 2, 1])[0])
