"""Starting: the checks of database and market before any process is started."""

import logging
from collections.abc import Callable
from pathlib import Path

from server.application.ports import StorageBroken, StorageUnavailable
from server.bootstrap import front as bootstrap
from server.bootstrap import venue
from server.bootstrap.adapters import system_clock
from server.config import (
    JWT_SECRET_FILE,
    MARKET_SECRET_FILE,
    TICKET_SECRET_FILE,
    Settings,
    SettingsError,
)
from server.market.replay_file import ReplayFacts
from server.storage.commit_mark import CommitMark, mark_path, read_mark
from server.storage.location import Location, is_missing
from server.storage.migrate import SchemaTooNew, bring_up_to_date
from server.storage.soundness import (
    ForeignDatabase,
    UnfitDatabase,
    expect_fitting,
    first_damage,
    holds_a_venue,
    last_commit,
    size,
)

MEGABYTE = 1_000_000
BACKUP_GUIDE = "restore a backup (docs/operators.md#backup)"

log = logging.getLogger(__name__)


def prepare_database(settings: Settings, *, begin_anew: bool = False) -> str:
    """Check the database and bring its schema up to date; return the revision.

    Raise SettingsError for a database that must not be used; its file stays as it is.
    `begin_anew` permits a new or another database where there was one before.
    """
    path = settings.location
    try:
        expect_fitting(path)
        is_there = holds_a_venue(path)
        if is_there and isinstance(path, Path):
            _check_integrity(path, settings.check_megabytes_max)
        marked, stored = read_mark(path), last_commit(path) if is_there else None
        is_marked = marked is not None and stored is not None and marked.is_of(stored)
        if begin_anew and not is_marked:
            mark_path(path).unlink(missing_ok=True)
        elif not is_there:
            _expect_no_traces(settings)
        elif marked is not None:
            _check_mark(path, marked, stored)
        return bring_up_to_date(path)
    except StorageBroken as error:
        raise damaged(path, error) from None
    except (ForeignDatabase, SchemaTooNew, StorageUnavailable, UnfitDatabase) as error:
        raise SettingsError(f"database: {path}: {error}") from None


def damaged(path: Location, error: StorageBroken) -> SettingsError:
    """Return the error that refuses a damaged database."""
    return SettingsError(f"database: {path}: is damaged: {error}; {BACKUP_GUIDE}")


def _check_integrity(path: Path, limit: int) -> None:
    megabytes = size(path) / MEGABYTE
    if megabytes > limit:
        log.info(
            "%s is not checked for damage: its %.0f MB exceed BOTTRADING_CHECK_MEGABYTES_MAX, %d",
            path,
            megabytes,
            limit,
        )
        return
    damage = first_damage(path)
    if damage is not None:
        raise StorageBroken(damage)


def _expect_no_traces(settings: Settings) -> None:
    """Refuse to create a database where secrets or a commit mark show that there was one.

    If the database file is missing, the token secret proves nothing: `bottrading token` may have
    made it before the first start.
    """
    path, kept = settings.location, settings.data_dir
    is_there = not is_missing(path)
    traces = [kept / TICKET_SECRET_FILE, mark_path(path)]
    if is_there:
        traces += [kept / JWT_SECRET_FILE, kept / MARKET_SECRET_FILE]
    found = [trace for trace in traces if trace.exists()]
    if found:
        raise SettingsError(
            f"database: {path}: is {'empty' if is_there else 'missing'}, but {found[0]} shows"
            f" that there was one: {BACKUP_GUIDE}, or create one with `bottrading serve --new`"
        )


def _check_mark(path: Location, marked: CommitMark, stored: CommitMark | None) -> None:
    """Refuse a database that is not the marked one, or that lacks committed transactions."""
    if stored is None or not marked.is_of(stored):
        raise SettingsError(
            f"database: {path}: is not the database that {mark_path(path)} was written"
            f" for: {BACKUP_GUIDE}, or accept it with `bottrading serve --new`"
        )
    missing = marked.number - stored.number
    if missing > 0:
        raise SettingsError(
            f"database: {path}: lacks at least the last {missing} of {marked.number} transactions"
            f" that were committed: {BACKUP_GUIDE}, or run `bottrading accept-loss` to go on"
            " without them"
        )


def check_market(
    settings: Settings, tell_share: Callable[[float], None] | None = None
) -> ReplayFacts | None:
    """Check the market of the settings; return the facts about the file to replay, if any.

    A fault that would end the engine at every start is reported here, in one line. `tell_share` is
    called now and then with the share of the replay file that has been read.
    """
    engine = settings.for_engine()
    listed = venue.universe(engine)
    calendar, history = venue.calendar(engine), bootstrap.history(settings)
    facts, digest, now = None, None, system_clock()
    if engine.market == "replay":
        facts = venue.check_replay(engine, listed, calendar, tell_share)
        for note in facts.notes:
            log.warning("%s: %s", facts.path, note)
        digest, now = facts.digest, history.replay_time or facts.first
    else:
        venue.quote_source(engine, listed)
    if not history.is_of(digest):
        raise SettingsError(
            "data_dir: its accounts follow another market's clock: use one data directory for each"
            " replay file, and another one for markets in real time"
        )
    # Which options are listed depends on the time at which the accounts trade.
    missing = [symbol for symbol in history.symbols_in_use if listed.find(symbol, now) is None]
    if missing:
        raise SettingsError(
            f"universe_file: lacks {', '.join(missing)}, which accounts hold or have orders for"
        )
    return facts
