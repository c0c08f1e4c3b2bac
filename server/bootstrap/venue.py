"""Builds what both processes need of the market: instruments, quotes, calendar and costs."""

from collections.abc import Callable
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from server.application.lock_step import LockStepping, StepRules
from server.application.market_ports import Calendar, QuoteSource
from server.application.ports import Clock
from server.bootstrap.adapters import system_clock
from server.config import MARKET_SECRET_FILE, REPLAY_INDEX_FILE
from server.domain.costs import (
    FEE_SCHEDULE,
    Costs,
    DisplayedLiquidity,
    LinearSlippage,
    NoFees,
    NoSlippage,
    ScheduledFees,
    UnlimitedLiquidity,
)
from server.domain.invariants import BrokenInvariant
from server.domain.margin import MarginTerms
from server.domain.values import Micros
from server.engine_settings import EngineSettings
from server.market.exchange_sessions import exchange_sessions
from server.market.moments import utc_day
from server.market.published import PublishedSource
from server.market.replay import ReplayClock, ReplaySource, SteppedClock, VirtualClock
from server.market.replay_file import ReplayFacts, check_replay_file
from server.market.replay_index import circumstances, load_index, store_index
from server.market.replay_table import ReplayOptions
from server.market.secret import (
    MarketSecret,
    load_or_create_secret,
    new_secret_text,
    read_secret,
    secret_from_seed,
)
from server.market.sessions import AlwaysOpen
from server.market.simulated import SimulatedSource
from server.market.universe import Universe
from server.market.universe_file import default_universe, load_universe
from server.secret_files import kept_secret
from server.storage.location import location

SESSION_YEARS_AHEAD = 5
REPLAYED_YEAR_MIN = 1971


def universe(settings: EngineSettings) -> Universe:
    """Return the operator's universe or the default one."""
    if settings.universe_file is None:
        return default_universe()
    return load_universe(Path(settings.universe_file), simulated=settings.market == "simulated")


def check_replay(
    settings: EngineSettings,
    listed: Universe,
    hours: Calendar,
    tell_share: Callable[[float], None] | None = None,
) -> ReplayFacts:
    """Check the file to replay and store the result, unless an earlier result still holds.

    `tell_share` is called now and then with the share of the file that has been read. Raises
    ReplayFileError for a wrong file.
    """
    path, index, found_in = _replay_index(settings)
    facts = load_index(index, path, found_in)
    if facts is None or not facts.is_as_checked():
        facts = check_replay_file(path, listed, hours, tell_share, _replay_options(settings))
        store_index(index, facts, found_in)
    return facts


def replay_facts(
    settings: EngineSettings,
    listed: Universe,
    hours: Calendar,
    tell_share: Callable[[float], None] | None = None,
) -> ReplayFacts:
    """Return what the last check found in the file to replay, which may have changed since.

    A file that was never checked is checked now. `tell_share` is called now and then with the
    share of the file that has been read. Raises ReplayFileError for a wrong file.
    """
    path, index, found_in = _replay_index(settings)
    return load_index(index, path, found_in) or check_replay_file(
        path, listed, hours, tell_share, _replay_options(settings)
    )


def _replay_options(settings: EngineSettings) -> ReplayOptions:
    return ReplayOptions(symbol=settings.replay_symbol, zone=settings.replay_zone)


def _replay_index(settings: EngineSettings) -> tuple[Path, Path, str]:
    """Return the file to replay, the file of its index, and the circumstances of its check."""
    if settings.replay_file is None:
        raise BrokenInvariant("a replay has no file")
    universe = settings.universe_file and Path(settings.universe_file).read_bytes()
    # Default instruments and rules depend on our version, trading hours on a library's.
    versions = [version("bottrading"), *(_version_of("exchange-calendars"))]
    found_in = circumstances(
        universe, settings.sessions, settings.replay_symbol, settings.replay_zone, *versions
    )
    index = Path(settings.data_dir) / REPLAY_INDEX_FILE
    return Path(settings.replay_file), index, found_in


def _version_of(package: str) -> list[str]:
    try:
        return [version(package)]
    except PackageNotFoundError:
        return []


def replay_source(
    settings: EngineSettings,
    listed: Universe,
    hours: Calendar,
    *,
    monotonic: Clock,
    progress: Callable[[str], Micros | None],
    tell_share: Callable[[float], None],
    lock_step: LockStepping | None,
) -> tuple[ReplaySource, VirtualClock]:
    """Return the source and the clock of a replay.

    `progress` takes the digest of the file and returns the time that its replay has reached.
    """
    facts = replay_facts(settings, listed, hours, tell_share)
    reached = progress(facts.digest)
    start = facts.first - 1 if reached is None else reached
    clock: VirtualClock
    if lock_step is None:
        speed = settings.replay_speed
        clock = ReplayClock(start=start, end=facts.last, speed=speed, monotonic=monotonic)
    else:
        clock = SteppedClock(start=start, end=facts.last, allowed=lock_step.allowed)
    source = ReplaySource(facts=facts, universe=listed, calendar=hours, clock=clock)
    return source, clock


def lock_step(settings: EngineSettings, monotonic: Clock) -> LockStepping | None:
    """Return whom the clock of a lock-step replay waits for; None on any other market."""
    if settings.replay_clock != "step":
        return None
    rules = StepRules(
        participants=settings.step_participants,
        accounts=tuple(settings.step_accounts),
        timeout=settings.step_timeout,
    )
    return LockStepping(rules, monotonic)


def quote_source(settings: EngineSettings, listed: Universe) -> QuoteSource:
    """Return the source of a market in real time; create a simulated market's secret if missing."""
    if settings.market == "published":
        return PublishedSource()
    return SimulatedSource(universe=listed, secret=market_secret(settings))


def market_secret(settings: EngineSettings) -> MarketSecret:
    """Return the secret of a simulated market; raise SecretFileError if it is malformed."""
    if settings.seed is not None:
        return secret_from_seed(settings.seed)
    directory, now = Path(settings.data_dir), system_clock()
    where, path = location(settings.database, directory), directory / MARKET_SECRET_FILE
    if isinstance(where, Path):
        return load_or_create_secret(path, now)
    kept = kept_secret(where, path, partial(new_secret_text, now))
    return read_secret(kept, f"{where}: secret {path.stem}")


def calendar(settings: EngineSettings) -> Calendar:
    """Return the trading hours; raises SessionsUnavailable if real ones are not installed."""
    if settings.sessions == "always-open":
        return AlwaysOpen()
    year = utc_day(system_clock()).year
    first = REPLAYED_YEAR_MIN if settings.market == "replay" else year - 1
    return exchange_sessions(date(first, 1, 1), date(year + SESSION_YEARS_AHEAD, 12, 31))


def costs(settings: EngineSettings) -> Costs:
    """Return the models of fees, slippage and liquidity that the settings name."""
    return Costs(
        fees=NoFees() if settings.fees == "none" else ScheduledFees(FEE_SCHEDULE),
        slippage=NoSlippage() if settings.slippage == "none" else LinearSlippage(),
        liquidity=UnlimitedLiquidity() if settings.liquidity == "none" else DisplayedLiquidity(),
        margin=MarginTerms(
            initial_percent=settings.margin_initial,
            maintenance_percent=settings.margin_maintenance,
            loan_rate_percent=settings.margin_loan_rate,
            borrow_rate_percent=settings.margin_borrow_rate,
        ),
    )
