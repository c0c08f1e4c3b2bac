"""Scenarios: tables with one step per line and its outcome.

    given    | balance 100000.00, fees               | -
    10:00:00 | quote AAPL 99.90 x 300 / 100.00 x 200 | -
    10:00:01 | a: buy 300 AAPL limit 100.50 DAY      | a ACCEPTED
             |                                       | a PARTIALLY_FILLED 200 at 100 fee 1.00
             | show account balance reserved         | balance 79999.00, reserved 10050.50

`given` sets the `balance` (by default 100 000.00) and switches on `fees`, `slippage`, `no sizes`
(quotes fill any quantity) and `margin` (a MARGIN account). A step without a time happens at the
time of the previous step; `90d 10:00:00` is 90 days after the first day. A letter names an order.
Without a limit it is MARKET, and by default GTC; `stop 105 limit 106 DAY` is a STOP_LIMIT.
`buy $500 AAPL` is for a notional;
`sell 5 AAPL trail 2` and `trail 2%` are TRAILING_STOP orders.
`replace a quantity 20 limit 99` gives it new values. `b: close AAPL` closes a position, `close 5
AAPL` and `close 50% AAPL` parts of it. `close` and `open` close and open the market, `state
REDUCING` sets the trading state, `preview buy 1 AAPL` shows what placing would do. A line without a
step continues the outcome; `-` means no outcome. Each step is audited.

`a: buy 100 AAPL limit 100 take 110 loss 95` places a BRACKET of the orders a, a.take and a.loss;
`loss 95/94` is a stop-loss with a limit, `loss -5` and `loss -5%` are ones that trail. With one
exit it is an OTO. `a: sell 100 AAPL take 110 loss 95` is an OCO of a and a.loss. `short` instead of
`buy` begins a group with a SELL, and `cover` is an OCO that buys. After a price, `:DAY` is the time
in force of the exit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from server.domain.account import Account, MarginMode, Position, TradeStatistics, TradingState
from server.domain.closing import CloseTicket
from server.domain.errors import Refusal
from server.domain.events import OrderUpdated
from server.domain.order import ExitTicket, Leg, Order, OrderTicket, OrderType, Side, TimeInForce
from server.domain.previews import Preview
from server.domain.quote import QuoteRefusal
from server.domain.risk import Rejection
from server.domain.trading import Replacement
from server.domain.values import (
    DAY,
    SECOND,
    Micros,
    Price,
    Quantity,
    Units,
    format_money,
    format_units,
    parse_units,
)
from tests.domain.asked import Wish
from tests.domain.auditor import Auditor
from tests.domain.book import BEGINNING, INSTRUMENTS, Book, make_costs, make_quote
from tests.domain.margin_figures import margin_figures

Subject = TypeVar("Subject", Account, Order, Position, TradeStatistics)


def play(table: str) -> Book:
    """Play the steps of a table on a new book and check each outcome."""
    stage = Stage(*_rows(table))
    for step in stage.steps:
        stage.book.now = step.time
        found = stage.do(step.command)
        assert found == step.expected, _difference(step, found)
    return stage.book


@dataclass(slots=True)
class Step:
    """One line of a table, with the lines that go on with its outcome."""

    time: Micros
    command: str
    expected: list[str] = field(default_factory=list)


class Stage:
    """Where a scenario is played: a book and its auditor."""

    def __init__(self, given: dict[str, str], steps: list[Step]) -> None:
        known = {"balance", "fees", "slippage", "no", "margin"}
        assert given.keys() <= known, f"cannot give {given}"
        fees, displayed = "fees" in given, "no" not in given
        slippage = "slippage" in given
        costs = make_costs(fees=fees, slippage=slippage, displayed=displayed)
        self.book = Book(deposit=parse_units(given.get("balance", "100000")), costs=costs)
        if "margin" in given:
            self.book.account = replace(self.book.account, margin_mode=MarginMode.MARGIN)
        self.auditor = Auditor(self.book, fees=fees, displayed=displayed, slippage=slippage)
        self.steps = steps

    def do(self, command: str) -> list[str]:
        """Do a step and return its outcome, one line per event."""
        match command.split():
            case ["quote", symbol, bid, "x", bid_size, "/", ask, "x", ask_size]:
                return self._quote(symbol, (bid, bid_size, ask, ask_size), 0)
            case ["quote", symbol, bid, "x", bid_size, "/", ask, "x", ask_size, "number", number]:
                return self._quote(symbol, (bid, bid_size, ask, ask_size), int(number))
            case [name, side, quantity, symbol, *more] if name.endswith(":") and side in SIDES:
                wish = self._sized(_wish(symbol, side, quantity, more))
                if isinstance(wish, Refusal):
                    return [f"refused {wish.reason.value}"]
                return self._hear(self.book.place(name.removesuffix(":"), wish))
            case [name, "close", *amount, symbol]:
                return self._close(name.removesuffix(":"), symbol, *amount)
            case ["preview", side, quantity, symbol, *more]:
                wish = self._sized(_wish(symbol, side, quantity, more))
                if isinstance(wish, Refusal):
                    return [f"refused {wish.reason.value}"]
                return _previewed(self.book.preview(wish))
            case ["replace", name, *values]:
                return self._replace(name, values)
            case ["close" | "open" as word]:
                self.book.is_open = word == "open"
                return []
            case ["state", state]:
                state_before = self.book.account
                self.book.account = replace(state_before, trading_state=TradingState[state])
                return []
            case ["cancel", name]:
                return self._hear(self.book.cancel(name))
            case ["expire"]:
                return self._hear(self.book.expire())
            case ["show", subject, *names]:
                return [self._show(subject, names)]
        raise ValueError(f"no such step: {command}")

    def _sized(self, wish: Wish) -> Wish | Refusal:
        return wish if wish.notional is None else self.book.sized(wish)

    def ticket(self, order: str) -> OrderTicket:
        """Return the order that a text such as `buy 1 AAPL limit 99` asks for."""
        return self.book.ticket(self.wish(order))

    def wish(self, order: str) -> Wish:
        """Return the wish that such a text describes."""
        side, quantity, symbol, *more = order.split()
        return _wish(symbol, side, quantity, more)

    def _quote(self, symbol: str, sides: tuple[str, str, str, str], sequence: int) -> list[str]:
        quote = make_quote(symbol, *sides, time=self.book.now, sequence=sequence)
        outcome = self.book.show(quote)
        if isinstance(outcome, QuoteRefusal):
            return [f"refused {outcome.value}"]
        self.auditor.hear_quote(quote)
        return self._hear(outcome)

    def _replace(self, name: str, values: list[str]) -> list[str]:
        wanted: dict[str, Any] = {}
        for word, value in zip(values[::2], values[1::2], strict=True):
            if word == "trail":
                wanted |= _trail(value)
            else:
                wanted[PRICE_NAMES.get(word, word)] = parse_units(value)
        outcome = self.book.replace(name, Replacement(**wanted))
        if isinstance(outcome, Rejection):
            self.auditor.compare()
            return [f"refused {outcome.reason.value}"]
        return self._hear(outcome)

    def _close(self, name: str, symbol: str, amount: str = "100%") -> list[str]:
        ticket = CloseTicket(account_id=self.book.account.id, bot_key_id="key", symbol=symbol)
        if amount.endswith("%"):
            asked = replace(ticket, percentage=parse_units(amount.removesuffix("%")))
        else:
            asked = replace(ticket, quantity=Quantity(parse_units(amount)))
        outcome = self.book.close(name, asked)
        if isinstance(outcome, Refusal):
            return [f"refused {outcome.reason.value}"]
        if isinstance(outcome, Order):
            return [f"replayed {outcome.id}"]
        return self._hear(outcome)

    def _hear(self, events: Iterable[OrderUpdated]) -> list[str]:
        lines = []
        for event in events:
            self.auditor.hear(event)
            lines.append(told(event))
        self.auditor.compare()
        return lines

    def _show(self, subject: str, names: list[str]) -> str:
        if subject == "account":
            return _fields(ACCOUNT_FIELDS, self.book.account, names)
        if subject == "margin":
            return margin_figures(self.book.margin_book, self.book.account, names)
        if subject == "trades":
            return _fields(TRADE_FIELDS, self.book.account.statistics, names)
        if subject in INSTRUMENTS:
            return _fields(POSITION_FIELDS, self.book.position(subject), names)
        return _fields(ORDER_FIELDS, self.book.orders[subject], names)


def told(event: OrderUpdated) -> str:
    """Show an event as the outcome of a step."""
    order, fill = event.order, event.fill
    line = f"{order.id} {event.type.value}"
    if order.rejection_reason is not None:
        return f"{line} {order.rejection_reason.value}"
    if order.status_reason is not None:
        return f"{line} {order.status_reason.value}"
    if fill is None:
        return line
    line += f" {plain(fill.quantity)} at {plain(fill.price)}"
    if fill.fee:
        line += f" fee {format_money(fill.fee)}"
    return line if fill.realized_pnl is None else f"{line} pnl {exact(fill.realized_pnl)}"


def _previewed(found: Preview) -> list[str]:
    order = found.order
    lines = [
        f"{order.status.value} {plain(order.filled_quantity)} at {plain(order.average_price)}"
        f" fees {format_money(order.fees)} left {format_money(found.account.buying_power)}"
    ]
    return lines + [f"rejected {rejection.reason.value}" for rejection in found.rejections]


def plain(value: Units | None) -> str:
    """Show a price or quantity without the zeros at its end."""
    return "-" if value is None else format_units(value).rstrip("0").rstrip(".")


def exact(value: Units) -> str:
    """Show money with 2 decimals, or with as many more as it has."""
    cents, below = format_units(value)[:-6], format_units(value)[-6:].rstrip("0")
    return cents + below


def clock(moment: Micros | None) -> str:
    """Show a moment as it is written in a table."""
    if moment is None:
        return "-"
    days, rest = divmod(moment - BEGINNING, DAY)
    seconds = rest // SECOND
    shown = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{days}d {shown}" if days else shown


SIDES = {"buy": Side.BUY, "sell": Side.SELL, "short": Side.SELL, "cover": Side.BUY}
PRICE_NAMES = {"limit": "limit_price", "stop": "stop_price"}
ACCOUNT_FIELDS: dict[str, Callable[[Account], str]] = {
    "balance": lambda account: format_money(account.balance),
    "reserved": lambda account: format_money(account.reserved),
    "free": lambda account: format_money(account.buying_power),
    "fees": lambda account: exact(account.fees_paid),
    "pnl": lambda account: exact(account.realized_pnl),
    "live": lambda account: str(account.live_orders),
    "fills": lambda account: str(account.fills),
}
TRADE_FIELDS: dict[str, Callable[[TradeStatistics], str]] = {
    "closed": lambda trades: str(trades.trades),
    "wins": lambda trades: str(trades.wins),
    "profit": lambda trades: exact(trades.gross_profit),
    "loss": lambda trades: exact(trades.gross_loss),
    "streaks": lambda trades: f"{trades.win_streak} {trades.loss_streak}",
    "longest": lambda trades: f"{trades.longest_win_streak} {trades.longest_loss_streak}",
}
POSITION_FIELDS: dict[str, Callable[[Position], str]] = {
    "quantity": lambda position: plain(position.quantity),
    "held": lambda position: plain(position.reserved_quantity),
    "buys": lambda position: plain(position.open_buy_quantity),
    "basis": lambda position: exact(position.cost_basis),
    "buy_fees": lambda position: exact(position.buy_fees),
    "average": lambda position: plain(position.average_cost),
}
ORDER_FIELDS: dict[str, Callable[[Order], str]] = {
    "status": lambda order: order.status.value,
    "filled": lambda order: plain(order.filled_quantity),
    "average": lambda order: plain(order.average_price),
    "reserved": lambda order: format_money(order.reserved),
    "fees": lambda order: format_money(order.fees),
    "pnl": lambda order: exact(order.realized_pnl),
    "expires": lambda order: clock(order.expires_at),
    "quantity": lambda order: plain(order.quantity),
    "stop": lambda order: plain(order.stop_price),
    "notional": lambda order: "-" if order.notional is None else format_money(order.notional),
    "triggered": lambda order: clock(order.triggered_at),
    "held": lambda order: "yes" if order.is_held else "no",
}


def _rows(table: str) -> tuple[dict[str, str], list[Step]]:
    """Return what is given, by its first word, and the steps."""
    given: dict[str, str] = {}
    steps: list[Step] = []
    time = BEGINNING
    for line in table.strip().splitlines():
        when, command, expected = (cell.strip() for cell in line.split("|"))
        if when == "given":
            for text in command.split(", "):
                word, _, more = text.partition(" ")
                given[word] = more
            continue
        if when:
            time = _moment(when)
        if command:
            steps.append(Step(time, command))
        if expected != "-":
            steps[-1].expected.append(expected)
    return given, steps


def _moment(text: str) -> Micros:
    *days, clock_time = text.split()
    hours, minutes, seconds = map(int, clock_time.split(":"))
    first = int(days[0].removesuffix("d")) if days else 0
    return BEGINNING + first * DAY + ((hours * 60 + minutes) * 60 + seconds) * SECOND


def _wish(symbol: str, side: str, quantity: str, more: list[str]) -> Wish:
    limit_price = stop_price = None
    trail = more[1] if more[:1] == ["trail"] else None
    if trail is not None:
        more = more[2:]
    if more[:1] == ["stop"]:
        stop_price, more = parse_units(more[1]), more[2:]
    if more[:1] == ["limit"]:
        limit_price, more = parse_units(more[1]), more[2:]
    exits, more = _exits(more)
    (time_in_force,) = more or ["GTC"]
    is_oco = bool(exits) and side in ("sell", "cover")
    if is_oco:
        limit_price, time_in_force = exits[0].limit_price, exits[0].time_in_force.value
        exits = exits[1:]
    return Wish(
        symbol=symbol,
        side=SIDES[side],
        is_oco=is_oco,
        quantity=0 if quantity.startswith("$") else parse_units(quantity),
        limit_price=limit_price,
        stop_price=stop_price,
        time_in_force=TimeInForce[time_in_force],
        notional=parse_units(quantity[1:]) if quantity.startswith("$") else None,
        exits=tuple(exits),
        **_trail(trail),
    )


def _exits(words: list[str]) -> tuple[list[ExitTicket], list[str]]:
    """Read exits such as `take 110 loss 95/94:DAY`; return them and the other words."""
    found, others = list[ExitTicket](), list[str]()
    rest = iter(words)
    for word in rest:
        if word not in ("take", "loss"):
            others.append(word)
            continue
        prices, _, lasts = next(rest).partition(":")
        first, _, second = prices.partition("/")
        is_take = word == "take"
        limit = first if is_take else second
        trail = first.removeprefix("-") if first.startswith("-") else None
        found.append(
            ExitTicket(
                leg=Leg.TAKE_PROFIT if is_take else Leg.STOP_LOSS,
                order_type=_exit_type(is_take=is_take, has_limit=bool(limit), trails=bool(trail)),
                limit_price=Price(parse_units(limit)) if limit else None,
                stop_price=None if is_take or trail else Price(parse_units(first)),
                time_in_force=TimeInForce[lasts or "GTC"],
                **_trail(trail),
            )
        )
    return found, others


def _exit_type(*, is_take: bool, has_limit: bool, trails: bool) -> OrderType:
    if is_take:
        return OrderType.LIMIT
    if trails:
        return OrderType.TRAILING_STOP
    return OrderType.STOP_LIMIT if has_limit else OrderType.STOP


def _trail(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    name = "trail_percent" if text.endswith("%") else "trail_amount"
    return {name: parse_units(text.removesuffix("%"))}


def _fields(fields: dict[str, Callable[[Subject], str]], subject: Subject, names: list[str]) -> str:
    return ", ".join(f"{name} {fields[name](subject)}" for name in names)


def _difference(step: Step, found: list[str]) -> str:
    lines = [f"{clock(step.time)} {step.command}"]
    lines += [f"  expected  {line}" for line in step.expected or ["-"]]
    lines += [f"  found     {line}" for line in found or ["-"]]
    return "\n".join(lines)
