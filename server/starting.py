"""Starting: what is checked before any process is started."""

import logging
from pathlib import Path

from server.adapters import system_clock
from server.application.ports import StorageBroken, StorageUnavailable
from server.bootstrap import front as bootstrap
from server.bootstrap import venue
from server.config import (
    JWT_SECRET_FILE,
    MARKET_SECRET_FILE,
    TICKET_SECRET_FILE,
    Settings,
    SettingsError,
)
from server.market.replay_file import ReplayFacts
from server.storage.migrate import SchemaTooNew, bring_up_to_date
from server.storage.soundness import ForeignDatabase, first_damage, holds_a_venue, size

MEGABYTE = 1_000_000
BACKUP_GUIDE = "restore a backup as docs/operators.md#backup says"

log = logging.getLogger(__name__)


def prepare_database(settings: Settings, *, begin_anew: bool = False) -> str:
    """Check the database and bring its schema up to date; return the revision.

    Raise SettingsError for what is not to be gone on with; such a file is left as it is.
    `begin_anew` makes a new database also where there was one.
    """
    path = settings.database_path
    try:
        if holds_a_venue(path):
            _check_integrity(settings)
        elif not begin_anew:
            _expect_no_secrets(settings)
        return bring_up_to_date(path)
    except StorageBroken as error:
        raise damaged(path, error) from None
    except (ForeignDatabase, SchemaTooNew, StorageUnavailable) as error:
        raise SettingsError(f"database: {path}: {error}") from None


def damaged(path: Path, error: StorageBroken) -> SettingsError:
    """Return what to tell of a database that is not to be gone on with."""
    return SettingsError(f"database: {path}: is damaged: {error}; {BACKUP_GUIDE}")


def _check_integrity(settings: Settings) -> None:
    path, limit = settings.database_path, settings.check_megabytes_max
    megabytes = size(path) / MEGABYTE
    if megabytes > limit:
        log.info(
            "%s is not checked: it has %.0f MB, BOTTRADING_CHECK_MEGABYTES_MAX is %d",
            path, megabytes, limit,
        )  # fmt: skip
        return
    damage = first_damage(path)
    if damage is not None:
        raise StorageBroken(damage)


def _expect_no_secrets(settings: Settings) -> None:
    """Refuse to make a database where secrets tell that there was one.

    A token may be made before the first start, and with it its secret.
    """
    path = settings.database_path
    is_there = path.exists()
    names = [TICKET_SECRET_FILE, *([JWT_SECRET_FILE, MARKET_SECRET_FILE] if is_there else [])]
    secrets = [settings.data_dir / name for name in names if (settings.data_dir / name).exists()]
    if secrets:
        raise SettingsError(
            f"database: {path}: is {'empty' if is_there else 'missing'}, though {secrets[0]} tells"
            f" that there was one: {BACKUP_GUIDE}, or begin anew with `bottrading serve --new`"
        )


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
