"""Builds the engine process from its parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from server.application.accounts import Accounts
from server.application.keys import Keys
from server.application.market_feed import MarketFeed
from server.application.market_ports import QuoteSource
from server.application.ownership import Ownership
from server.application.ports import Chance, Clock, StorageUnavailable
from server.application.published_quotes import PublishedQuotes
from server.application.rate_limits import LimitsPerMinute
from server.application.spending import Spending
from server.application.trading import Trading
from server.bootstrap import venue
from server.bootstrap.adapters import (
    SteppedChance,
    SystemChance,
    boot_clock,
    monotonic_clock,
    system_clock,
)
from server.calls.table import ROWS, engine_calls
from server.domain.values import Micros
from server.engine.charging import Charging
from server.engine.service import EngineService
from server.engine_settings import EngineSettings
from server.market.universe import CurrentInstruments
from server.storage.location import location
from server.storage.ownership import Member, joined
from server.storage.unit_of_work import SqlUnitOfWork, Writer
from server.wire.answers import encode_event
from server.wire.rows import Row
from server.wire.steps import logged_event


@dataclass(frozen=True, slots=True)
class EngineParts:
    """The parts that the loop of the engine uses."""

    service: EngineService
    feed: MarketFeed
    writer: Writer
    clock: Clock
    ownership: Ownership

    def close(self) -> None:
        """Close the database."""
        self.writer.close()


def build(
    settings: EngineSettings,
    *,
    clock: Clock = system_clock,
    monotonic: Clock = monotonic_clock,
    since_boot: Clock = boot_clock,
    chance: Chance | None = None,
    tell_progress: Callable[[], None] = lambda: None,
    rows: Mapping[str, Row] = ROWS,
) -> EngineParts:
    """Build the engine and load what the last run stored.

    `tell_progress` is called repeatedly during long loads and decisions. `rows` are the calls that
    are served.
    """
    lock_step = venue.lock_step(settings, monotonic)
    chance = chance or (SystemChance() if lock_step is None else SteppedChance())
    listed, calendar = venue.universe(settings), venue.calendar(settings)
    database, real_clock = location(settings.database, Path(settings.data_dir)), clock
    writer = Writer(database, encode_event)
    ownership = joined(writer, _member(settings, clock()), monotonic)
    source: QuoteSource
    if settings.market == "replay":
        source, clock = venue.replay_source(
            settings,
            listed,
            calendar,
            monotonic=monotonic,
            progress=partial(_progress, writer),
            tell_share=lambda _: tell_progress(),
            lock_step=lock_step,
        )
    else:
        source = venue.quote_source(settings, listed)
    feed = MarketFeed(
        source=source,
        instruments=CurrentInstruments(listed, clock),
        calendar=calendar,
        costs=venue.costs(settings),
        staleness_limit=settings.quote_staleness,
        ids_of=chance.ids_of,
        tell_progress=tell_progress,
        ownership=ownership,
    )
    # Limits of callers follow real time, also while a replay has a time of its own.
    spending = _spending(settings, real_clock, monotonic)
    trading = Trading(
        new_unit=partial(SqlUnitOfWork, writer),
        feed=feed,
        keys=Keys(chance, settings.initial_balance),
        accounts=Accounts(feed, chance, settings.initial_balance),
        spending=spending,
        clock=clock,
        monotonic=monotonic,
        since_boot=since_boot,
        chance=chance,
        snapshot_interval=settings.snapshot_interval,
        lock_step=lock_step,
        published=_published(settings, feed, ownership),
        read_event=logged_event,
        tell_progress=tell_progress,
    )
    trading.recover()
    charging = None
    if not isinstance(database, Path):
        charging = Charging(spending, trading, ownership, monotonic, settings.usage_interval)
        ownership.before_giving = charging.hand_over
    service = EngineService(engine_calls(rows), trading, feed, clock, ownership, charging)
    _take_shards(service, source, ownership)
    return EngineParts(service, feed, writer, clock, ownership)


def _member(settings: EngineSettings, since: Micros) -> Member:
    return Member(settings.address, version("bottrading"), settings.terms, since)


def _take_shards(service: EngineService, source: QuoteSource, ownership: Ownership) -> None:
    service.look()
    if source.replay_digest is not None and not ownership.owns_all:
        raise StorageUnavailable("a replay runs on one server alone")


def _published(
    settings: EngineSettings, feed: MarketFeed, ownership: Ownership
) -> PublishedQuotes | None:
    """Return what engines that share a published market need; None for a venue in a file."""
    is_shared = not isinstance(location(settings.database, Path(settings.data_dir)), Path)
    if settings.market != "published" or not is_shared:
        return None
    return PublishedQuotes(feed, ownership, settings.quote_staleness)


def _spending(settings: EngineSettings, clock: Clock, monotonic: Clock) -> Spending:
    return Spending(
        LimitsPerMinute(settings.orders_per_minute, settings.requests_per_minute),
        LimitsPerMinute(0, settings.person_requests_per_minute),
        clock=clock,
        monotonic=monotonic,
    )


def _progress(writer: Writer, digest: str) -> Micros | None:
    with SqlUnitOfWork(writer) as unit:
        return unit.replay_time(digest)
