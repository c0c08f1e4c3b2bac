"""Starting: what is checked before any process is started."""

import logging

from server.adapters import system_clock
from server.bootstrap import front as bootstrap
from server.bootstrap import venue
from server.config import Settings, SettingsError
from server.market.replay_file import ReplayFacts

log = logging.getLogger(__name__)


def check_market(settings: Settings) -> ReplayFacts | None:
    """Return what is replayed; tell in one line what the engine would fail on at every start."""
    engine = settings.for_engine()
    listed = venue.universe(engine)
    calendar, history = venue.calendar(engine), bootstrap.history(settings)
    facts, digest, now = None, None, system_clock()
    if engine.market == "replay":
        facts = venue.replay_facts(engine, listed, calendar)
        for note in facts.notes:
            log.warning("%s: %s", facts.path, note)
        digest, now = facts.digest, history.replay_time or facts.first
    else:
        venue.quote_source(engine, listed)
    if not history.is_of(digest):
        raise SettingsError(
            "data_dir: its accounts live in another time: a replay and any other market, or"
            " another file, need a data directory each"
        )
    # Which options there are is a matter of the time in which the accounts live.
    missing = [symbol for symbol in history.symbols_in_use if listed.find(symbol, now) is None]
    if missing:
        raise SettingsError(
            f"universe_file: lacks {', '.join(missing)}, which accounts hold or have orders for"
        )
    return facts
