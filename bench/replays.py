"""Rate of a replay, beside a plain loop over its file, and over resting orders that wait."""

import csv
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.customer import customer
from bottrading.v1 import bot_trading_pb2, order_pb2
from server.application.callers import Caller
from server.application.market_feed import QuoteBoard
from server.application.market_record import HeardMinutes
from server.bootstrap import venue
from server.bootstrap.engine import EngineParts, build
from server.config import Settings
from server.domain.values import SECOND, Micros
from server.engine.client import Notifications
from server.engine.frames import Call, FrameBuffer, unpack_answer
from server.market.moments import to_datetime
from server.market.replay_file import replay_quotes
from server.storage.migrate import bring_up_to_date

SYMBOLS = 100
QUOTES = 100_000
RESTING = 1_000
ACCOUNTS = 10
ROUNDS = 3
BEGIN: Micros = 1_735_830_000 * SECOND
COLUMNS = "time,symbol,bid,bid_size,ask,ask_size,last"
LISTED = '= { name = "x", level = 100, annual_volatility = 0.2, spread_bps = 1 }'


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of processor for a quote.

    `engine_us` and `resting_us` are those of the engine, without orders and with orders that no
    quote reaches. `reading_us` is the part of `engine_us` that makes quotes of the file. `plain_us`
    is that of a loop that only reads rows.
    """

    plain_us: float
    reading_us: float
    engine_us: float
    resting_us: float
    front_us: float


def replays(directory: Path) -> Costs:
    """Measure all in turn, several times, because a machine's speed drifts."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        folder = Path(name)
        path = folder / "quotes.csv"
        path.write_text("\n".join([COLUMNS, *_rows(), ""]))
        (folder / "universe.toml").write_text(
            "[STOCK]\n" + "".join(f"{symbol} {LISTED}\n" for symbol in _symbols())
        )
        rounds = [_round(folder / str(number), path) for number in range(ROUNDS)]
    return Costs(*(median(figures) / QUOTES * 1e6 for figures in zip(*rounds, strict=True)))


def _round(folder: Path, path: Path) -> tuple[float, float, float, float, float]:
    plain = _plain_seconds(path)
    settings = _settings(folder / "empty", path)
    reading = _reading_seconds(settings)
    engine, frames = _played(settings, orders=0)
    front = _front_seconds(frames)
    resting, _ = _played(_settings(folder / "resting", path), orders=RESTING)
    return plain, reading, engine, resting, front


def _symbols() -> list[str]:
    return [f"S{number:03}" for number in range(SYMBOLS)]


def _rows() -> Iterator[str]:
    """Return quotes at moments of their own; the price of each symbol walks at random."""
    dice, moment = random.Random(1), BEGIN
    prices = dict.fromkeys(_symbols(), 10_000)
    for _ in range(QUOTES):
        moment += dice.randrange(2_000, 20_000)
        symbol = dice.choice(list(prices))
        price = prices[symbol] = prices[symbol] + dice.randint(-3, 3)
        when = to_datetime(moment).isoformat().replace("+00:00", "Z")
        sizes = [dice.randrange(1, 50) * 100 for _ in range(2)]
        bid, ask = price / 100, (price + 1) / 100
        yield f"{when},{symbol},{bid:.2f},{sizes[0]},{ask:.2f},{sizes[1]},{bid:.2f}"


def _settings(folder: Path, path: Path) -> Settings:
    folder.mkdir(parents=True)
    settings = Settings(
        data_dir=folder,
        market="replay",
        replay_file=path,
        replay_speed=10_000_000,
        sessions="always-open",
        universe_file=path.with_name("universe.toml"),
        initial_balance="900000000.00",
    )
    bring_up_to_date(settings.location)
    return settings


def _plain_seconds(path: Path) -> float:
    begun = time.process_time()
    with path.open(newline="") as file:
        rows = sum(1 for _ in csv.reader(file))
    if rows != QUOTES + 1:
        raise AssertionError(f"the file has {rows} lines")
    return time.process_time() - begun


def _reading_seconds(settings: Settings) -> float:
    given = settings.for_engine()
    listed, calendar = venue.universe(given), venue.calendar(given)
    facts = venue.check_replay(given, listed, calendar)
    begun = time.process_time()
    for _ in replay_quotes(facts, listed, calendar, facts.start):
        pass
    return time.process_time() - begun


def _played(settings: Settings, *, orders: int) -> tuple[float, list[bytes]]:
    """Play the file to its end; return the processor's time and the frames for the front."""
    parts = build(settings.for_engine())
    if orders:
        _place(parts, orders)
    frames, begun = list[bytes](), time.process_time()
    parts.service.handle([], passing=True)
    while parts.feed.source.is_due(parts.clock()):
        frames += parts.service.handle([], passing=True)
    taken = time.process_time() - begun
    live = "SELECT count(*) FROM orders WHERE live = 1"
    (resting,) = parts.writer.session.driver.execute(live).fetchone()
    parts.close()
    if resting != orders:
        raise AssertionError(f"{resting} orders rest, not {orders}")
    return taken, frames


def _place(parts: EngineParts, orders: int) -> None:
    """Place orders too far from the market to be reached, the same number for each symbol."""
    customers, symbols = [customer(parts, str(number)) for number in range(ACCOUNTS)], _symbols()
    for number in range(orders):
        account_id, key_id = customers[number % ACCOUNTS]
        away = number // SYMBOLS % 10
        is_limit = number % 2 == 0
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol=symbols[number // 2 % SYMBOLS],
            side=order_pb2.SIDE_BUY,
            quantity="1",
            order_type=order_pb2.ORDER_TYPE_LIMIT if is_limit else order_pb2.ORDER_TYPE_STOP,
        )
        if is_limit:
            request.limit_price = f"{20 - away}.00"
        else:
            request.stop_price = f"{300 + away}.00"
        caller = Caller(account_id=account_id, bot_key_id=key_id)
        parts.service.handle([Call(1, "PlaceOrder", caller, request.SerializeToString())])


def _front_seconds(frames: list[bytes]) -> float:
    """Return the time in which a front takes the notifications about quotes and time."""
    answers = [unpack_answer(frame) for frame in FrameBuffer().feed(b"".join(frames))]
    notifications = Notifications(
        QuoteBoard(0),
        HeardMinutes(),
        notify_quotes=_look_at,
        notify_logs=lambda _: None,
        end_key=lambda _: None,
        forget_user=lambda _: None,
        set_time=lambda _: None,
    )
    begun = time.process_time()
    for answer in answers:
        notifications.take(answer)
    return time.process_time() - begun


def _look_at(symbols: Iterable[str]) -> None:
    for _ in symbols:
        pass
