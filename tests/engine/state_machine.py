"""A state machine: random operations on a real engine and database, audited after each step."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from bottrading.v1 import account_pb2, key_management_pb2, market_data_pb2, order_pb2, quote_pb2
from bottrading.v1 import bot_trading_pb2 as pb
from server.domain.events import Event, OrderUpdated
from server.domain.values import DAY, SCALE, SECOND, Micros, format_units
from server.engine.frames import Call
from server.wire.answers import timestamp
from tests.engine.audited import AuditedEngine
from tests.engine.bench import call
from tests.engine.drawing import Dice, aligned, price_at, price_near, replacement, set_trail
from tests.engine.grouping import make_group
from tests.engine.rare_events import RareEvents
from tests.engine.traded import level_of, sizes_of, step_of, tick_of, traded_on

EIGHTHS = [0, 0, 0, 0, 1, 4, 6, 8]
SPREADS_BPS = [0, 1, 2, 5, 20]
WAITS: list[Micros] = [
    1,
    1,
    SECOND // 2,
    SECOND,
    SECOND,
    SECOND,
    2 * SECOND,
    4 * SECOND,
    16 * SECOND,
    3_600 * SECOND,
    DAY,
    DAY,
    30 * DAY,
    30 * DAY,
    30 * DAY,
    91 * DAY,
]
TYPES = (
    order_pb2.ORDER_TYPE_MARKET,
    order_pb2.ORDER_TYPE_LIMIT,
    order_pb2.ORDER_TYPE_LIMIT,
    order_pb2.ORDER_TYPE_STOP,
    order_pb2.ORDER_TYPE_STOP_LIMIT,
    order_pb2.ORDER_TYPE_TRAILING_STOP,
)
LIMITED = (order_pb2.ORDER_TYPE_LIMIT, order_pb2.ORDER_TYPE_STOP_LIMIT)
STOPPED = (order_pb2.ORDER_TYPE_STOP, order_pb2.ORDER_TYPE_STOP_LIMIT)
TRAILING = order_pb2.ORDER_TYPE_TRAILING_STOP
RESTING = (order_pb2.TIME_IN_FORCE_GTC, order_pb2.TIME_IN_FORCE_DAY)
ANY_TIME = (
    order_pb2.TIME_IN_FORCE_GTC,
    order_pb2.TIME_IN_FORCE_GTC,
    order_pb2.TIME_IN_FORCE_DAY,
    order_pb2.TIME_IN_FORCE_IOC,
    order_pb2.TIME_IN_FORCE_FOK,
)
SIDES = (order_pb2.SIDE_BUY, order_pb2.SIDE_BUY, order_pb2.SIDE_SELL)
STATES = (
    account_pb2.TRADING_STATE_ACTIVE,
    account_pb2.TRADING_STATE_ACTIVE,
    account_pb2.TRADING_STATE_REDUCING,
    account_pb2.TRADING_STATE_HALTED,
)
MODES = (account_pb2.MARGIN_MODE_MARGIN, account_pb2.MARGIN_MODE_CASH)
AMOUNTS = ["0.01", "12.34", "5000", "100000.00", "9999999999.99"]
NOTIONALS = ["0.01", "5", "250.13", "4000", "60000"]
ODD_QUOTES = ["late", "duplicate", "crossed", "stale", "ahead", "too far ahead", "jump"]
QUOTE_KINDS = ["now"] * 10 + ODD_QUOTES
CLIENT_IDS = 12
STEPS_BETWEEN_RESTARTS = 120


DRAWN = st.binary(min_size=18, max_size=18)
BUNDLE = st.lists(DRAWN, min_size=4, max_size=10)


class Trading(RuleBasedStateMachine):
    """Two accounts, five symbols, and all operations of callers and of the clock."""

    make_database: ClassVar[Callable[[Path], Callable[[], None]]]
    """Makes the database of a directory; returns what removes it."""

    done: ClassVar[Counter[str]] = Counter()
    events: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="machine-"))
        self.remove_database = type(self).make_database(self.directory)
        self.engine: AuditedEngine | None = None
        self.sequence = self.steps_since_restart = 0
        self.has_failed = False

    @initialize(with_costs=st.booleans())
    def begin(self, with_costs: bool) -> None:
        """Start an engine with one fresh quote of every symbol."""
        self.engine = AuditedEngine(self.directory, with_costs=with_costs)
        self.accounts = list(self.engine.ledgers)
        self._handle([self._set_margin_mode(1, self.accounts[0], account_pb2.MARGIN_MODE_MARGIN)])
        quotes = [
            self._quote(Dice(b"\x93"), symbol, "now")
            for symbol in traded_on(self._running.clock.now)
        ]
        self._handle([_publish(1, quotes)])

    @rule(drawn=BUNDLE)
    def place_some(self, drawn: list[bytes]) -> None:
        """Place orders one after another, each in a batch of its own."""
        for dice in map(Dice, drawn):
            self._step("place", [self._place(1, dice)])

    @rule(drawn=BUNDLE)
    def publish_some(self, drawn: list[bytes]) -> None:
        """Publish one to three quotes at a time, a moment after the last ones."""
        for dice in map(Dice, drawn):
            self._running.clock.now += dice.pick(WAITS[:4])
            self._step("publish", [self._publish(1, dice)])

    @rule(drawn=BUNDLE)
    def change_some(self, drawn: list[bytes]) -> None:
        """Replace, cancel, halt, reset and deposit, each in a batch of its own."""
        for dice in map(Dice, drawn):
            self._step("change", [self._change(1, dice)])

    @rule(drawn=BUNDLE)
    def trade_in_one_batch(self, drawn: list[bytes]) -> None:
        """Let the engine decide several calls of every kind at once."""
        calls = []
        for number, dice in enumerate(map(Dice, drawn), start=1):
            make = dice.pick([self._place, self._place, self._publish, self._change])
            calls.append(make(number, dice))
        self._step("batch", calls, count=len(calls))

    @rule(drawn=DRAWN)
    def pass_time(self, drawn: bytes) -> None:
        """Advance the clock; most often the engine runs right away."""
        dice = Dice(drawn)
        self._running.clock.now += dice.pick(WAITS)
        if dice.number(4):
            self._step("pass time", [], passing=True)

    @rule(drawn=BUNDLE)
    def squeeze(self, drawn: list[bytes]) -> None:
        """Trade for more than the equity, then let prices jump and a second pass."""
        for first, second in (drawn[:2], drawn[2:4]):
            dice = Dice(first)
            self._quote_all(dice, ["now"])
            self._step("squeeze", [self._place_large(dice)])
            self._quote_all(Dice(second), ["jump", "now"])
            self._running.clock.now += SECOND
            self._step("squeeze", [], passing=True)
            self._do(self._running.check_margin_calls)

    @precondition(lambda self: self.steps_since_restart >= STEPS_BETWEEN_RESTARTS)
    @rule()
    def restart(self) -> None:
        """Close the engine and start another one on its data."""
        self._do(self._running.restart)
        self.steps_since_restart = 0
        type(self).done["restart"] += 1

    def teardown(self) -> None:
        """Force the rare events, compare everything once more and remove the data."""
        try:
            if self.engine is not None:
                if not self.has_failed:
                    RareEvents(self.engine).force()
                    if not self.done["restart"]:
                        self.restart()
                self.engine.close()
                for ledger in self.engine.ledgers.values():
                    type(self).events.update(event.type.value for event in ledger.events)
                    type(self).events.update(_endings(ledger.events))
        finally:
            if self.engine is not None:
                self.engine.silence()
            self.remove_database()
            shutil.rmtree(self.directory)

    @property
    def _running(self) -> AuditedEngine:
        assert self.engine is not None
        return self.engine

    def _step(
        self, what: str, calls: Sequence[Call], *, passing: bool = False, count: int = 1
    ) -> None:
        self._handle(calls, passing=passing)
        self.steps_since_restart += count
        type(self).done[what] += count

    def _handle(self, calls: Sequence[Call], *, passing: bool = False) -> None:
        self._do(lambda: self._running.handle(calls, passing=passing))

    def _do(self, act: Callable[[], object]) -> None:
        """Do something; if it fails, the teardown does no more."""
        self.has_failed = True
        act()
        self.has_failed = False

    def _place(self, number: int, dice: Dice) -> Call:
        account, symbol, side = (
            dice.pick(self.accounts),
            dice.pick(traded_on(self._running.clock.now)),
            dice.pick(SIDES),
        )
        order_type = dice.pick(TYPES)
        request = pb.PlaceOrderRequest(
            symbol=symbol,
            side=side,
            order_type=order_type,
            quantity=self._quantity(dice, account, symbol, side),
            time_in_force=dice.pick(RESTING if order_type in (*STOPPED, TRAILING) else ANY_TIME),
        )
        if order_type == TRAILING:
            set_trail(request, dice, symbol)
        elif not dice.number(8) and order_type not in STOPPED:
            request.notional = dice.pick(NOTIONALS)
            request.quantity = ""
        if order_type in LIMITED:
            request.limit_price = price_near(dice, symbol)
        if order_type in STOPPED:
            request.stop_price = price_near(dice, symbol)
        if not dice.number(6):
            request.client_order_id = f"order-{dice.number(CLIENT_IDS)}"
        if not dice.number(3):
            make_group(request, lambda percent: price_at(percent, symbol), dice.number)
        return call(number, "PlaceOrder", account, request.SerializeToString())

    def _place_large(self, dice: Dice) -> Call:
        account, symbol = self.accounts[0], dice.pick(["SPY", "AAPL"])
        balance = int(self._running.ledgers[account].auditor.balance * SCALE)
        units = max(balance, SCALE) * (8 + dice.number(8)) // 8 * SCALE // level_of(symbol)
        request = pb.PlaceOrderRequest(
            symbol=symbol, side=dice.pick(SIDES[1:]), quantity=format_units(max(units, 1))
        )
        return call(1, "PlaceOrder", account, request.SerializeToString())

    def _quantity(self, dice: Dice, account: str, symbol: str, side: int) -> str:
        size, eighths = dice.pick(sizes_of(symbol)), dice.pick(EIGHTHS)
        if not eighths:
            return size
        heard = self._running.ledgers[account].auditor
        if side == order_pb2.SIDE_SELL:
            units = abs(int(heard.quantities[symbol] * SCALE)) * eighths // 8
        else:
            units = int(heard.balance * SCALE) * eighths // 8 * SCALE // level_of(symbol)
        step = step_of(symbol)
        return format_units(max(units - units % step, step))

    def _change(self, number: int, dice: Dice) -> Call:
        account = dice.pick(self.accounts)
        live = list(self._running.ledgers[account].live.values())
        kind = dice.number(19)
        if kind == 18:
            return self._set_margin_mode(number, account, dice.pick(MODES))
        if kind > 15:
            return self._close(number, dice, account)
        if kind == 15:
            owner = self._running.owners[account]
            state = key_management_pb2.SetTradingStateRequest(
                account_id=account, trading_state=dice.pick(STATES)
            )
            return call(number, "SetTradingState", owner, state.SerializeToString())
        if kind == 13:
            return self._begin_or_deposit(number, dice, account)
        if kind == 14 or not live:
            request = pb.CancelAllOrdersRequest()
            if dice.number(3):
                request.symbol = dice.pick(traded_on(self._running.clock.now))
            return call(number, "CancelAllOrders", account, request.SerializeToString())
        order = dice.pick(live)
        if kind > 9:
            cancel = pb.CancelOrderRequest(order_id=order.id)
            return call(number, "CancelOrder", account, cancel.SerializeToString())
        replace = replacement(order, dice).SerializeToString()
        return call(number, "ReplaceOrder", account, replace)

    def _set_margin_mode(
        self, number: int, account: str, mode: account_pb2.MarginMode.ValueType
    ) -> Call:
        request = key_management_pb2.SetMarginModeRequest(account_id=account, margin_mode=mode)
        owner = self._running.owners[account]
        return call(number, "SetMarginMode", owner, request.SerializeToString())

    def _close(self, number: int, dice: Dice, account: str) -> Call:
        if not dice.number(4):
            everything = pb.CloseAllPositionsRequest()
            return call(number, "CloseAllPositions", account, everything.SerializeToString())
        symbol = dice.pick(traded_on(self._running.clock.now))
        request = pb.ClosePositionRequest(symbol=symbol)
        match dice.number(4):
            case 0:
                request.quantity = self._quantity(dice, account, symbol, order_pb2.SIDE_SELL)
            case 1:
                request.percentage = dice.pick(["0.00000001", "12.5", "50", "99.9", "100"])
        if not dice.number(4):
            request.client_order_id = f"order-{dice.number(CLIENT_IDS)}"
        return call(number, "ClosePosition", account, request.SerializeToString())

    def _begin_or_deposit(self, number: int, dice: Dice, account: str) -> Call:
        owner = self._running.owners[account]
        if not dice.number(3):
            reset = key_management_pb2.ResetAccountRequest(account_id=account)
            return call(number, "ResetAccount", owner, reset.SerializeToString())
        deposit = key_management_pb2.DepositRequest(account_id=account, amount=dice.pick(AMOUNTS))
        return call(number, "Deposit", owner, deposit.SerializeToString())

    def _publish(self, number: int, dice: Dice) -> Call:
        quotes = [
            self._quote(dice, dice.pick(traded_on(self._running.clock.now)), dice.pick(QUOTE_KINDS))
            for _ in range(dice.pick([1, 1, 2, 3]))
        ]
        return _publish(number, quotes)

    def _quote_all(self, dice: Dice, kinds: Sequence[str]) -> None:
        self._running.clock.now += SECOND
        symbols = traded_on(self._running.clock.now)
        quotes = [self._quote(dice, symbol, dice.pick(kinds)) for symbol in symbols]
        self._step("squeeze", [_publish(1, quotes)])

    def _quote(self, dice: Dice, symbol: str, kind: str) -> quote_pb2.PublishedQuote:
        sizes = ["0", *sizes_of(symbol)]
        bid = aligned(level_of(symbol) * (94 + dice.number(13)) // 100, symbol)
        ask = aligned(bid + bid * dice.pick(SPREADS_BPS) // 10_000, symbol)
        if kind == "jump":
            bid = ask = aligned(level_of(symbol) * (40 + dice.number(150)) // 100, symbol)
        if kind == "crossed":
            bid = ask + tick_of(symbol)
        self.sequence += 1
        sent = quote_pb2.PublishedQuote(
            symbol=symbol,
            bid=format_units(bid),
            bid_size=dice.pick(sizes),
            ask=format_units(ask),
            ask_size=dice.pick(sizes),
            sequence=self.sequence,
        )
        engine = self._running
        now, before = engine.clock.now, engine.quotes.get(symbol)
        match kind:
            case "late" if before is not None:
                sent.time.CopyFrom(timestamp(before.time - 1))
            case "duplicate" if before is not None:
                sent.time.CopyFrom(timestamp(before.time))
                sent.sequence = before.sequence
            case "stale":
                sent.time.CopyFrom(timestamp(now - 20 * SECOND))
            case "ahead":
                sent.time.CopyFrom(timestamp(now + SECOND))
            case "too far ahead":
                sent.time.CopyFrom(timestamp(now + 5 * SECOND + 1))
            case _:
                pass
        return sent


def _endings(events: Sequence[Event]) -> Iterator[str]:
    for event in events:
        if isinstance(event, OrderUpdated) and event.order.status_reason is not None:
            yield event.order.status_reason.value


def _publish(number: int, quotes: Sequence[quote_pb2.PublishedQuote]) -> Call:
    request = market_data_pb2.PublishQuotesRequest(quotes=quotes)
    return call(number, "PublishQuotes", "", request.SerializeToString())
