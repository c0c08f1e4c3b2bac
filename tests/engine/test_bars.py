"""Stored bars: across restarts and rollbacks they agree with the quotes."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bottrading.v1 import order_pb2
from server.application.leaderboard import Leaderboard
from server.application.listings import BarsOf
from server.application.market_feed import QuoteBoard
from server.application.market_record import (
    MINUTE_BARS_KEPT,
    MINUTE_BARS_SHOWN,
    STORED_INTERVALS,
    HeardMinutes,
    MarketRecord,
    applied,
    made_of,
)
from server.application.ownership import Ownership, WholeVenue
from server.application.ports import StorageUnavailable
from server.application.queries import Queries
from server.application.return_curves import ReturnCurves
from server.domain.bar import Bar, BarFilter, BarInterval, joined, minute_bars
from server.domain.quote import Quote
from server.domain.sharding import MARKET
from server.domain.values import DAY, SCALE, SECOND, Micros, Price, Quantity, Units
from server.market.universe import CurrentInstruments
from server.market.universe_file import default_universe
from server.storage.database import open_readers
from server.storage.database import rows as rows_of
from server.storage.location import Location
from server.storage.queries import SqlReads
from server.storage.rankings import RankingsFile
from server.storage.sql import Query
from server.storage.unit_of_work import SqlUnitOfWork, Writer
from tests.engine.bench import Bench, place
from tests.support.databases import opened, stored_in
from tests.support.venue import NOON, ManualClock

MINUTE = 60 * SECOND


class Owned(WholeVenue):
    """The ownership of an engine that owns the market or not, as the test says."""

    owns_all = False

    def __init__(self, *, is_owner: bool) -> None:
        self.is_owner = is_owner

    def owns(self, shard: int) -> bool:
        return shard == MARKET and self.is_owner


class Recorder:
    """A record on a real database, as the engine keeps it, and the queries of the front."""

    def __init__(self, path: Location, directory: Path) -> None:
        self.path, self.clock = path, ManualClock(NOON)
        self.writer = Writer(path, lambda _: (b"", None))
        self.record = self.beside(WholeVenue())
        self.reads = SqlReads(open_readers(path))
        instruments = CurrentInstruments(default_universe(), self.clock)
        board = QuoteBoard(0)
        leaderboard = Leaderboard(
            rankings=RankingsFile(directory, path),
            curves=ReturnCurves(self.reads),
            mode_of=self.reads.ranked_as,
            board=board,
            instruments=instruments,
            clock=self.clock,
            monotonic=self.clock,
        )
        self.queries = Queries(
            reads=self.reads,
            board=board,
            heard=HeardMinutes(),
            clock=self.clock,
            instruments=instruments,
            leaderboard=leaderboard,
            environment="PUBLISHED",
        )

    def close(self) -> None:
        self.writer.close()
        self.reads.close()

    def restart(self) -> None:
        """Lose what is in memory."""
        self.record = self.beside(WholeVenue())

    def beside(self, ownership: Ownership) -> MarketRecord:
        """Return the record of another engine, which has just started."""
        record = MarketRecord(ownership)
        with SqlUnitOfWork(self.writer) as unit:
            record.load(unit.stored_quotes(), unit.stage)
            unit.commit()
        return record

    def hear(
        self, quotes: Sequence[Quote], record: MarketRecord | None = None, *, fails: bool = False
    ) -> None:
        """Apply and store quotes in one transaction."""
        record = record or self.record
        with SqlUnitOfWork(self.writer) as unit:
            record.add(applied(quotes), unit.stage)
            record.store(unit, self.clock())
            if not fails:
                unit.commit()

    def bars(self, symbol: str, interval: BarInterval, limit: int = 10**6) -> list[Bar]:
        end = interval.begin_not_before(self.clock() + 1)
        wanted = BarFilter(interval=interval, start=None, end=end, limit=limit)
        return [bar for bar, _ in self.queries.bars(BarsOf(symbol, wanted))]

    def kept(self, interval: BarInterval) -> list[Micros]:
        """Return when the stored bars of an interval start, of any symbol."""
        query = Query("SELECT start FROM bars WHERE interval = :interval ORDER BY start")
        with self.writer.session.connection.begin():
            rows = rows_of(self.writer.session.connection, query, {"interval": interval.value})
        return [start for (start,) in rows]


@pytest.fixture
def recorder(data_dir: Path) -> Iterator[Recorder]:
    made = Recorder(stored_in(data_dir), data_dir)
    yield made
    made.close()


def quote(time: Micros, last: Units, symbol: str = "AAPL") -> Quote:
    return Quote(
        symbol=symbol,
        bid=Price(1),
        bid_size=Quantity(1),
        ask=Price(10**9),
        ask_size=Quantity(1),
        last=Price(last),
        time=time,
        sequence=0,
    )


def prices(bars: Sequence[Bar]) -> list[tuple[Units, ...]]:
    return [(bar.open, bar.high, bar.low, bar.close) for bar in bars]


def test_the_running_minute_goes_on_after_a_restart(recorder: Recorder) -> None:
    recorder.hear([quote(NOON, 20), quote(NOON + SECOND, 50)])
    recorder.restart()
    recorder.hear([quote(NOON + 2 * SECOND, 10), quote(NOON + 3 * SECOND, 30)])

    for interval in BarInterval:
        assert prices(recorder.bars("AAPL", interval)) == [(20, 50, 10, 30)]


def test_a_minute_that_is_over_is_in_every_interval_after_a_restart(recorder: Recorder) -> None:
    recorder.hear([quote(NOON, 20), quote(NOON + SECOND, 50)])
    recorder.restart()
    recorder.clock.turn(seconds=60)
    recorder.hear([quote(NOON + MINUTE, 30)])

    assert prices(recorder.bars("AAPL", BarInterval.ONE_MINUTE)) == [(20, 50, 20, 50), (30,) * 4]
    assert prices(recorder.bars("AAPL", BarInterval.ONE_DAY)) == [(20, 50, 20, 30)]


def test_only_the_owner_of_the_market_stores_quotes_and_bars(recorder: Recorder) -> None:
    other = recorder.beside(Owned(is_owner=False))
    heard = [quote(NOON, 20), quote(NOON + MINUTE, 50)]
    recorder.clock.turn(seconds=60)
    recorder.hear(heard[:1])
    recorder.hear(heard, other)

    assert prices(recorder.bars("AAPL", BarInterval.ONE_MINUTE)) == [(20,) * 4]
    assert recorder.kept(BarInterval.ONE_MINUTE) == []


def test_a_new_owner_of_the_market_stores_what_the_last_one_did_not_and_nothing_twice(
    recorder: Recorder,
) -> None:
    """The other engine started in the middle of a minute; the owner failed before it stored."""
    heard = [
        quote(NOON, 20),
        quote(NOON + SECOND, 90),
        quote(NOON + 2 * SECOND, 10),
        quote(NOON + MINUTE, 30),
        quote(NOON + MINUTE + SECOND, 70),
        quote(NOON + MINUTE + 2 * SECOND, 40),
    ]
    ownership = Owned(is_owner=False)
    recorder.clock.turn(seconds=120)
    recorder.hear(heard[:1])
    other = recorder.beside(ownership)
    for each in heard[1:5]:
        recorder.hear([each], other)
    for each in heard[1:3]:
        recorder.hear([each])
    ownership.is_owner = True
    recorder.hear(heard[5:], other)
    over = recorder.kept(BarInterval.ONE_MINUTE)
    recorder.hear([quote(NOON + MINUTE + 3 * SECOND, 50), quote(NOON + 2 * MINUTE, 60)], other)

    assert over == [NOON]
    assert recorder.kept(BarInterval.ONE_MINUTE) == [NOON, NOON + MINUTE]
    assert prices(recorder.bars("AAPL", BarInterval.ONE_MINUTE)) == [
        (20, 90, 10, 10),
        (30, 70, 30, 50),
        (60,) * 4,
    ]
    assert prices(recorder.bars("AAPL", BarInterval.ONE_HOUR)) == [(20, 90, 10, 60)]


def test_a_new_owner_of_the_market_stores_no_minute_that_is_over_and_stored(
    recorder: Recorder,
) -> None:
    """The last owner stored later quotes than this engine applied before it owned the market."""
    ownership = Owned(is_owner=False)
    other = recorder.beside(ownership)
    recorder.clock.turn(seconds=61)
    recorder.hear([quote(NOON, 20), quote(NOON + SECOND, 30), quote(NOON + MINUTE, 50)])
    recorder.hear([quote(NOON, 20)], other)
    ownership.is_owner = True
    recorder.hear([quote(NOON + MINUTE + SECOND, 40)], other)

    assert recorder.kept(BarInterval.ONE_MINUTE) == [NOON]
    assert prices(recorder.bars("AAPL", BarInterval.ONE_MINUTE)) == [
        (20, 30, 20, 30),
        (50, 50, 40, 40),
    ]


def test_an_engine_that_does_not_own_the_market_stores_where_its_orders_trail(
    bench: Bench,
) -> None:
    ownership = Owned(is_owner=False)
    bench.parts.feed.record._ownership = ownership
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "20", "20"), place(2, account))
    trail = {"order_type": order_pb2.ORDER_TYPE_TRAILING_STOP, "trail_amount": "5.00"}
    bench.handle(place(3, account, side=order_pb2.SIDE_SELL, **trail))
    bench.handle(bench.publish("AAPL", "25", "25"))
    bench.clock.turn(seconds=1)
    bench.handle(passing=True)

    with opened(bench.data_dir) as database:
        assert database.execute("SELECT * FROM quotes") == []
        ((marks,),) = database.execute("SELECT marks FROM trails")
    assert [best for _, best in json.loads(marks)] == [25 * SCALE]


def test_what_is_rolled_back_is_in_no_bar(recorder: Recorder) -> None:
    recorder.clock.turn(seconds=60)
    recorder.hear([quote(NOON, 20)])
    recorder.hear([quote(NOON + 1, 99), quote(NOON + MINUTE, 1)], fails=True)
    recorder.hear([quote(NOON + 2, 30)])

    for interval in BarInterval:
        assert prices(recorder.bars("AAPL", interval)) == [(20, 30, 20, 30)]


def test_quotes_that_were_noted_within_a_step_and_stored_again_count_once(
    recorder: Recorder,
) -> None:
    """Between the transactions of a step of a replay, only what came before it is on disk."""
    recorder.clock.turn(seconds=60)
    with SqlUnitOfWork(recorder.writer) as unit:
        recorder.record.add(applied([quote(NOON, 20), quote(NOON + MINUTE, 50)]), unit.stage)
        with unit.step(partial(recorder.record.note, recorder.record.unstored, unit)):
            recorder.record.add(applied([quote(NOON + MINUTE + 1, 99)]), unit.stage)
            unit.checkpoint()
        noted = recorder.bars("AAPL", BarInterval.ONE_MINUTE)
        recorder.record.store(unit, recorder.clock())
        unit.commit()

    assert prices(noted) == [(20,) * 4, (50,) * 4]
    assert prices(recorder.bars("AAPL", BarInterval.ONE_MINUTE)) == [(20,) * 4, (50, 99, 50, 99)]
    assert prices(recorder.bars("AAPL", BarInterval.ONE_HOUR)) == [(20, 99, 20, 99)]


def test_a_published_quote_that_could_not_be_stored_is_in_no_bar(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: SqlUnitOfWork) -> None:
        raise StorageUnavailable("gone")

    bench.handle(bench.publish("AAPL", "20", "20"))
    with monkeypatch.context() as patch:
        patch.setattr(SqlUnitOfWork, "commit", fail)
        bench.handle(bench.publish("AAPL", "90", "90"))
    bench.clock.turn(seconds=1)
    bench.handle(passing=True)

    with SqlUnitOfWork(bench.parts.writer) as unit:
        ((_, minute),) = unit.stored_quotes()
    assert prices([minute]) == [(20 * SCALE,) * 4]


def test_old_minutes_are_dropped_little_by_little_and_hours_and_days_stay(
    recorder: Recorder,
) -> None:
    """Minutes of an expired option are dropped too."""
    recorder.hear([quote(NOON + n * MINUTE, n + 1, "OPTION") for n in range(11)])
    recorder.hear([quote(NOON + n * MINUTE, n + 1) for n in range(3)])
    recorder.clock.turn(seconds=(MINUTE_BARS_KEPT + DAY) / SECOND)
    left = []
    for n in range(6):
        recorder.hear([quote(recorder.clock() + n * MINUTE, 7)])
        left.append(sum(start < NOON + DAY for start in recorder.kept(BarInterval.ONE_MINUTE)))

    assert left == [11, 9, 7, 5, 3, 1]
    assert recorder.bars("OPTION", BarInterval.FIVE_MINUTES) == []
    for interval in (BarInterval.ONE_HOUR, BarInterval.ONE_DAY):
        assert prices(recorder.bars("OPTION", interval)) == [(1, 11, 1, 11)]


def test_no_bar_is_shown_of_which_a_part_may_be_dropped(recorder: Recorder) -> None:
    recorder.hear([quote(NOON + n * MINUTE, n + 1) for n in range(31)])
    recorder.clock.turn(seconds=(MINUTE_BARS_SHOWN + MINUTE) / SECOND)

    shown = recorder.bars("AAPL", BarInterval.FIFTEEN_MINUTES)

    assert [(bar.start - NOON) // MINUTE for bar in shown] == [15, 30]


@pytest.mark.parametrize("interval", BarInterval)
def test_the_newest_bars_are_whole(recorder: Recorder, interval: BarInterval) -> None:
    """This holds for any number of shorter bars in each."""
    step, count = max(interval.width // 30, MINUTE), 200
    recorder.clock.now = NOON + count * step
    recorder.hear([quote(NOON + n * step, n + 1) for n in range(count)])

    everything = recorder.bars("AAPL", interval)
    for limit in (1, 2, 3):
        assert recorder.bars("AAPL", interval, limit) == everything[-limit:]


def test_every_interval_is_made_of_the_longest_stored_one() -> None:
    one, hour, day = STORED_INTERVALS
    assert [made_of(interval) for interval in BarInterval] == [one, one, one, hour, day]


gaps = st.sampled_from([0, SECOND, 59 * SECOND, MINUTE, 7 * MINUTE, 50 * MINUTE, DAY // 6])
ticks = st.tuples(st.sampled_from(["AAPL", "MSFT"]), gaps, st.integers(1, 9))
batch = st.tuples(st.lists(ticks, max_size=12), st.sampled_from(["stays", "fails", "restarts"]))


@settings(deadline=None, max_examples=60)
@given(batches=st.lists(batch, max_size=8))
def test_bars_are_what_the_quotes_say_over_any_restarts_and_rollbacks(
    empty_database: Path, batches: list[tuple[list[tuple[str, Micros, Units]], str]]
) -> None:
    heard: list[Quote] = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(shutil.copy(empty_database, directory))
        recorder, time = Recorder(path, path.parent), NOON
        for drawn, outcome in batches:
            quotes = []
            for symbol, gap, last in drawn:
                time += gap
                quotes.append(quote(time, last, symbol))
            recorder.clock.now = time
            recorder.hear(quotes, fails=outcome == "fails")
            heard += quotes if outcome != "fails" else []
            if outcome == "restarts":
                recorder.restart()
        found = {
            (symbol, interval): recorder.bars(symbol, interval)
            for symbol in ("AAPL", "MSFT")
            for interval in BarInterval
        }
        recorder.close()
    for (symbol, interval), bars in found.items():
        mine = minute_bars(it for it in heard if it.symbol == symbol)
        assert bars == joined(mine, interval)
