"""Random trading: steps on audited books, chosen by a test strategy or at random."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from server.domain.account import MarginMode
from server.domain.account_changes import set_margin_mode
from server.domain.closing import CloseTicket
from server.domain.errors import Reason, Refusal
from server.domain.events import AccountUpdated, Event
from server.domain.order import Order, OrderType, Side, TimeInForce
from server.domain.order_types import awaited
from server.domain.quote import Quote, QuoteRefusal
from server.domain.risk import Rejection
from server.domain.sizing import SIZED
from server.domain.trading import Replacement
from server.domain.values import (
    CENT,
    DAY,
    SCALE,
    SECOND,
    Micros,
    Price,
    Quantity,
    Units,
    parse_units,
)
from tests.domain.asked import Wish
from tests.domain.auditor import Auditor
from tests.domain.book import INSTRUMENTS, Book, make_costs
from tests.domain.random_groups import make_group

LEVELS = {"AAPL": parse_units("100"), "BTC-USD": parse_units("92000"), "CALL": parse_units("1.5")}
SIZES = {
    "AAPL": ["0.00000001", "0.3", "7", "33.33333333", "250", "9000"],
    "BTC-USD": ["0.00000001", "0.00012", "0.003", "0.21", "0.5", "70"],
    "CALL": ["1", "2", "3", "7", "40", "900"],
}
QUANTITIES = {symbol: [parse_units(text) for text in texts] for symbol, texts in SIZES.items()}
SYMBOLS = list(LEVELS)
DEPOSITS = [
    *(parse_units("1000"), parse_units("20000"), parse_units("5000000")),
    *(parse_units("20000"), parse_units("5000000")),
]
MARGIN_BOOKS = (3, 4)
"""The books that begin as MARGIN accounts."""
AMOUNTS = [1_000_000, parse_units("333.33"), parse_units("20000")]
EIGHTHS = [0, 0, 1, 4, 6, 6, 7, 8]
WAITS: list[Micros] = [0, 1, SECOND, 16 * SECOND, DAY, 91 * DAY]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuote:
    """A quote at a percentage of the symbol's level; its sizes are numbers in QUANTITIES."""

    symbol: str
    percent: int
    spread_bps: int
    bid_size: int
    ask_size: int
    odd_lot: Units


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order of a quantity in QUANTITIES, or of eighths of what is held or can be bought.

    With `take_percent` or `loss_percent` it is a group, if a group has such orders.
    """

    book: int
    symbol: str
    side: Side
    size: int
    eighths: int
    limit_percent: int | None
    time_in_force: TimeInForce
    stop_percent: int | None = None
    for_notional: bool = False
    take_percent: int | None = None
    loss_percent: int | None = None
    trail_percent: int | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """The end of one of a book's live orders."""

    book: int
    number: int


@dataclass(frozen=True, slots=True)
class Close:
    """The close of a book's position, or of a percentage of it."""

    book: int
    symbol: str
    percent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewValues:
    """New values of one of a book's live orders: its quantity in percent of what it was."""

    book: int
    number: int
    quantity_percent: int | None
    limit_percent: int | None
    stop_percent: int | None
    trail_percent: int | None = None


@dataclass(frozen=True, slots=True)
class Bell:
    """The opening or the close of the market, for all books."""

    is_open: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """The passing of time, after which what is overdue expires."""

    time: Micros


@dataclass(frozen=True, slots=True)
class NewMoney:
    """Money that comes into a book."""

    book: int
    amount: Units


@dataclass(frozen=True, slots=True)
class Reset:
    """A new epoch of a book, at the balance that it began with."""

    book: int


@dataclass(frozen=True, slots=True)
class NewMode:
    """A change of a book's margin mode to the other one, perhaps after all orders are cancelled."""

    book: int
    cancels: bool


Step = NewMode | NewQuote | NewOrder | Cancel | Close | NewValues | Bell | Wait | NewMoney | Reset


class Floor:
    """Books that see the same quotes, each with an auditor who looks after every step."""

    def __init__(self, *, fees: bool, slippage: bool, displayed: bool) -> None:
        costs = make_costs(fees=fees, slippage=slippage, displayed=displayed)
        self.books = [
            Book(deposit=deposit, costs=costs, name=f"account {number}")
            for number, deposit in enumerate(DEPOSITS)
        ]
        self.auditors = [
            Auditor(book, fees=fees, displayed=displayed, slippage=slippage) for book in self.books
        ]
        self.events: list[Event] = []
        self.refused: list[Reason] = []
        self._numbers = 0
        for number in MARGIN_BOOKS:
            self._change_mode(number, cancels=False)

    def do(self, step: Step) -> None:
        """Do one step and audit all books."""
        self._numbers += 1
        match step:
            case NewQuote():
                self._show(_quote(step, self.books[0].now, self._numbers))
            case NewOrder():
                book = self.books[step.book]
                wish = _wish(step, book)
                if step.trail_percent is not None and step.time_in_force.rests:
                    wish = _trailing(wish, step.trail_percent)
                elif step.for_notional:
                    wish = _for_notional(wish, book)
                if wish.quantity:
                    self._hear(step.book, book.place(f"order {self._numbers}", wish))
            case Cancel():
                book = self.books[step.book]
                live = book.live_orders
                if live:
                    order = live[step.number % len(live)]
                    self._hear(step.book, book.cancel(order.id))
            case Close():
                self._close(step)
            case NewValues():
                self._replace(step)
            case NewMoney():
                self._deposit(step)
            case NewMode():
                self._change_mode(step.book, cancels=step.cancels)
            case Reset():
                self._hear(step.book, self.books[step.book].reset(DEPOSITS[step.book]))
            case Bell():
                for book in self.books:
                    book.is_open = step.is_open
            case Wait():
                for number, book in enumerate(self.books):
                    book.now += step.time
                    self._hear(number, book.expire())
        for auditor in self.auditors:
            auditor.compare()

    def _show(self, quote: Quote) -> None:
        for number, (book, auditor) in enumerate(zip(self.books, self.auditors, strict=True)):
            outcome = book.show(quote)
            assert not isinstance(outcome, QuoteRefusal), "the quote is in order"
            auditor.hear_quote(quote)
            self._hear(number, outcome)
            if book.is_open:
                step = INSTRUMENTS[quote.symbol].quantity_step
                auditor.check_nothing_waits_in_vain(quote.symbol, step)

    def _close(self, step: Close) -> None:
        book = self.books[step.book]
        asked = CloseTicket(
            account_id=book.account.id,
            bot_key_id="key",
            symbol=step.symbol,
            percentage=None if step.percent is None else step.percent * SCALE,
        )
        outcome = book.close(f"order {self._numbers}", asked)
        if not isinstance(outcome, Refusal | Order):
            self._hear(step.book, outcome)

    def _replace(self, step: NewValues) -> None:
        book = self.books[step.book]
        live = book.live_orders
        if not live:
            return
        order = live[step.number % len(live)]
        wanted = _new_values(step, order)
        if wanted.quantity is not None and wanted.quantity <= order.filled_quantity:
            return
        outcome = book.replace(order.id, wanted)
        if isinstance(outcome, Rejection):
            self.refused.append(outcome.reason)
        else:
            self._hear(step.book, outcome)

    def _change_mode(self, number: int, *, cancels: bool) -> None:
        book = self.books[number]
        while cancels and book.live_orders:
            self._hear(number, book.cancel(book.live_orders[0].id))
        is_margin = book.account.margin_mode is MarginMode.MARGIN
        mode = MarginMode.CASH if is_margin else MarginMode.MARGIN
        held = list(book.positions.values())
        decision = set_margin_mode(book.account, held, mode, book.now)
        if isinstance(decision, Refusal):
            self.refused.append(decision.reason)
            return
        book.account = decision.account
        self._hear(number, decision.events)

    def _deposit(self, step: NewMoney) -> None:
        book = self.books[step.book]
        before = book.initial_value()
        outcome = book.deposit(step.amount)
        assert not isinstance(outcome, Refusal), "it is not that much"
        # What an account is worth is rounded to the nearest cent, halves to the even one.
        moved = abs(book.initial_value() - before)
        assert moved <= CENT * (1 + 1e-12), "a deposit changes the return"
        self._hear(step.book, outcome)

    def _hear(self, number: int, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, AccountUpdated):
                self.auditors[number].hear_account(event)
            else:
                self.auditors[number].hear(event)
        self.events += events


def _quote(step: NewQuote, now: Micros, sequence: int) -> Quote:
    sizes = [0, *QUANTITIES[step.symbol]]
    bid = LEVELS[step.symbol] * step.percent // 100
    ask = bid + bid * step.spread_bps // 10_000
    return Quote(
        symbol=step.symbol,
        bid=Price(bid),
        bid_size=Quantity(sizes[step.bid_size] + step.odd_lot),
        ask=Price(ask),
        ask_size=Quantity(sizes[step.ask_size] + step.odd_lot),
        last=Price(bid),
        time=now,
        sequence=sequence,
    )


def _wish(step: NewOrder, book: Book) -> Wish:
    instrument, level = INSTRUMENTS[step.symbol], LEVELS[step.symbol]
    if not step.eighths:
        quantity = QUANTITIES[step.symbol][step.size]
    elif step.side is Side.SELL or book.position(step.symbol).quantity < 0:
        quantity = abs(book.position(step.symbol).quantity) * step.eighths // 8
    else:
        margin, money = book.margin_book, max(book.account.buying_power, 0)
        if margin is not None and instrument.is_marginable:
            money = margin.buying_power(book.account)
        money = money * step.eighths // 8
        quantity = money * SCALE // (level * instrument.multiplier)
    quantity -= quantity % instrument.quantity_step
    limit_price = None
    if step.limit_percent is not None:
        limit_price = Price(level * step.limit_percent // 100)
    stop_price = None
    if step.stop_percent is not None and step.time_in_force.rests:
        stop_price = Price(level * step.stop_percent // 100)
    may_be_short = book.account.uses_margin and instrument.is_marginable
    is_oco, exits = make_group(
        step, level, book.position(step.symbol).quantity, may_be_short=may_be_short
    )
    time_in_force = step.time_in_force
    if is_oco:
        limit_price, stop_price, exits = exits[0].limit_price, None, exits[1:]
    return Wish(
        exits=exits,
        is_oco=is_oco,
        stop_price=stop_price,
        symbol=step.symbol,
        side=step.side,
        quantity=quantity,
        limit_price=limit_price,
        time_in_force=time_in_force,
    )


def _trailing(wish: Wish, percent: int) -> Wish:
    """Return a wish that trails by a percentage, or by that part of the symbol's level."""
    exits = () if wish.is_oco else wish.exits
    wish = replace(wish, limit_price=None, stop_price=None, exits=exits, is_oco=False)
    if percent % 2:
        return replace(wish, trail_percent=percent * SCALE)
    return replace(wish, trail_amount=LEVELS[wish.symbol] * percent // 100)


def _for_notional(wish: Wish, book: Book) -> Wish:
    """Return a wish for what its quantity is worth, if its type may be for a notional."""
    if (wish.order_type, wish.side) not in SIZED:
        return wish
    level, multiplier = LEVELS[wish.symbol], INSTRUMENTS[wish.symbol].multiplier
    worth = min(wish.quantity * level * multiplier // SCALE, parse_units("1000000000"))
    found = book.sized(replace(wish, quantity=0, notional=max(worth - worth % CENT, CENT)))
    return wish if isinstance(found, Refusal) else found


def _new_values(step: NewValues, order: Order) -> Replacement:
    instrument, level = INSTRUMENTS[order.symbol], LEVELS[order.symbol]
    quantity = limit_price = stop_price = None
    if step.quantity_percent is not None and not order.is_exit:
        raised = order.quantity * step.quantity_percent // 100
        quantity = Quantity(raised - raised % instrument.quantity_step)
    if step.limit_percent is not None and order.limit_price is not None:
        limit_price = Price(level * step.limit_percent // 100)
    if step.stop_percent is not None and awaited(order):
        stop_price = Price(level * step.stop_percent // 100)
    trail_percent = None
    if order.order_type is OrderType.TRAILING_STOP:
        stop_price = None
        if step.trail_percent is not None and awaited(order):
            trail_percent = step.trail_percent * SCALE
    return Replacement(
        quantity=quantity,
        limit_price=limit_price,
        stop_price=stop_price,
        trail_percent=trail_percent,
    )
