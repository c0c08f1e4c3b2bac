"""Cost of a quote while many orders rest: one that reaches none of them, and one that does."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.customer import customer
from bottrading.v1 import bot_trading_pb2, market_data_pb2, order_pb2, quote_pb2
from server.application.callers import SERVICE, Caller
from server.bootstrap.adapters import system_clock
from server.bootstrap.engine import EngineParts, build
from server.config import Settings
from server.engine.frames import Call
from server.storage.migrate import bring_up_to_date

SYMBOLS = 100
ACCOUNTS = 100
FEW, MANY, TRIGGERED = 1_000, 100_000, 1_000
QUOTES = 2_000
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of processor for a quote that reaches nothing; the rest for one that does."""

    over_few_us: float
    over_many_us: float
    triggered_seconds: float
    triggered_transactions: int


def triggers(directory: Path) -> Costs:
    """Measure on two engines whose rounds alternate, because a machine's speed drifts."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        few, many = _Floor(Path(name) / "few", FEW), _Floor(Path(name) / "many", MANY)
        rounds = [(few.quote_us(), many.quote_us()) for _ in range(ROUNDS)]
        seconds, transactions = many.trigger()
        few.parts.close()
        many.parts.close()
    return Costs(
        median(pair[0] for pair in rounds),
        median(pair[1] for pair in rounds),
        seconds,
        transactions,
    )


class _Floor:
    """An engine on a published market of 100 symbols with resting stops; each second one trails."""

    def __init__(self, directory: Path, resting: int) -> None:
        directory.mkdir()
        universe = directory / "universe.toml"
        self.symbols = [f"S{number:03}" for number in range(SYMBOLS)]
        line = '= { name = "x", level = 100, annual_volatility = 0.2, spread_bps = 1 }\n'
        universe.write_text("[STOCK]\n" + "".join(f"{symbol} {line}" for symbol in self.symbols))
        settings = Settings(
            data_dir=directory,
            market="published",
            universe_file=universe,
            fees="none",
            initial_balance="900000000.00",
            liquidity="none",
        )
        bring_up_to_date(settings.location)
        self.parts: EngineParts = build(settings.for_engine())
        self._sequence = self._cents = 0
        customers = [customer(self.parts, str(number)) for number in range(ACCOUNTS)]
        for begin in range(0, resting, 500):
            numbers = range(begin, min(begin + 500, resting))
            # A trail needs a fresh quote.
            symbols = dict.fromkeys(map(self._symbol, numbers))
            self.parts.service.handle([self._quote(symbol, "100.00") for symbol in symbols])
            self.parts.service.handle([self._stop(n, *customers[n % ACCOUNTS]) for n in numbers])

    def quote_us(self) -> float:
        """Return the cost of a quote that reaches no order, and moves the stops that trail."""
        calls: list[list[Call]] = []
        begun = time.process_time()
        # As the engine does once a second: what it keeps of quotes until then must not pile up.
        self.parts.service.handle([], passing=True)
        for number in range(QUOTES):
            if number % SYMBOLS == 0:
                self._cents += 1
                price = f"{100 - self._cents / 100:.2f}"
                calls = [[self._quote(symbol, price)] for symbol in self.symbols]
            self.parts.service.handle(calls[number % SYMBOLS])
        return (time.process_time() - begun) / QUOTES * 1e6

    def trigger(self) -> tuple[float, int]:
        """Return the time and the transactions that one quote needs to fill a symbol's stops."""
        statements: list[str] = []
        connection, driver = self.parts.writer.session.connection, self.parts.writer.session.driver
        driver.set_trace_callback(statements.append)
        begun = time.perf_counter()
        self.parts.service.handle([self._quote(self.symbols[0], "150.00")])
        taken = time.perf_counter() - begun
        driver.set_trace_callback(None)
        query = "SELECT count(*) FROM orders WHERE status = 'FILLED'"
        filled = connection.exec_driver_sql(query).scalar_one()
        connection.rollback()
        if filled != TRIGGERED:
            raise AssertionError(f"{filled} orders are filled, not {TRIGGERED}")
        return taken, statements.count("COMMIT")

    def _stop(self, number: int, account_id: str, key_id: str) -> Call:
        caller = Caller(account_id=account_id, bot_key_id=key_id)
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol=self._symbol(number), side=order_pb2.SIDE_BUY, quantity="1"
        )
        distance = 10 + number % 3_000 / 100
        if number % 2:
            request.order_type = order_pb2.ORDER_TYPE_TRAILING_STOP
            request.trail_amount = f"{distance:.2f}"
        else:
            request.order_type = order_pb2.ORDER_TYPE_STOP
            request.stop_price = f"{100 + distance:.2f}"
        return Call(number + 1, "PlaceOrder", caller, request.SerializeToString())

    def _symbol(self, number: int) -> str:
        # All accounts have equally many orders of each symbol, at different prices.
        return self.symbols[number // ACCOUNTS % SYMBOLS]

    def _quote(self, symbol: str, price: str) -> Call:
        self._sequence += 1
        quote = quote_pb2.PublishedQuote(
            symbol=symbol,
            bid=price,
            bid_size="100",
            ask=price,
            ask_size="100",
            sequence=self._sequence,
        )
        quote.time.FromMicroseconds(system_clock())
        body = market_data_pb2.PublishQuotesRequest(quotes=[quote]).SerializeToString()
        return Call(1, "PublishQuotes", SERVICE, body)
