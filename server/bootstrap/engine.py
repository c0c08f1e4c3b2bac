"""The engine process, put together."""

from dataclasses import dataclass
from pathlib import Path

from server.adapters import SystemChance, system_clock
from server.application.keys import Keys
from server.application.market_feed import MarketFeed
from server.application.ports import Chance, Clock
from server.application.trading import Trading
from server.bootstrap import venue
from server.config import EngineSettings
from server.engine.service import EngineService
from server.storage.database import open_writer
from server.storage.unit_of_work import Writer
from server.wire.answers import Events


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What the loop of the engine runs on."""

    service: EngineService
    feed: MarketFeed
    writer: Writer

    def close(self) -> None:
        """Close the database."""
        self.writer.close()


def build(
    settings: EngineSettings, *, clock: Clock = system_clock, chance: Chance | None = None
) -> EngineParts:
    """Put the engine together and load what the last run left."""
    chance = chance or SystemChance()
    listed = venue.universe(settings)
    feed = MarketFeed(
        source=venue.quote_source(settings, listed),
        instruments=venue.current_instruments(listed, clock),
        calendar=venue.calendar(settings),
        costs=venue.costs(settings),
        staleness_limit=settings.quote_staleness,
        new_id=chance.new_id,
    )
    events = Events()
    writer = Writer(open_writer(Path(settings.database_path)), events.encode)
    trading = Trading(
        new_unit=writer.unit_of_work,
        feed=feed,
        keys=Keys(chance, settings.initial_balance),
        clock=clock,
        chance=chance,
        snapshot_interval=settings.snapshot_interval,
    )
    trading.recover()
    return EngineParts(EngineService(trading, feed, events, clock), feed, writer)
