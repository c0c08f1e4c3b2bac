"""Builds the rate limits: counted by the front, or by the engine that owns the caller."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from server.application.ports import Clock
from server.application.rate_limits import AllRateLimits, MemoryRateLimits, UsageMeter
from server.config import Settings
from server.engine.client import Engine
from server.rpc.call import Interceptor
from server.rpc.interceptors.charged_by_engine import ChargedByEngine
from server.rpc.interceptors.rate_limit import RateLimiting
from server.rpc.keyring import Keyring
from server.rpc.ledger import EngineLedger, Ledger, OwnLedger
from server.wire.rows import Row


@dataclass(frozen=True, slots=True)
class Limiting:
    """The interceptor that limits calls, what is left to accounts, and the front's windows."""

    interceptor: Interceptor
    ledger: Ledger
    windows: AllRateLimits


def limiting(
    settings: Settings,
    meter: UsageMeter | None,
    keyring: Keyring,
    engine: Engine,
    rows: Mapping[str, Row],
    registry: CollectorRegistry,
    *,
    wall_clock: Clock,
    monotonic: Clock,
) -> Limiting:
    """Build the limits; without `meter`, the engine counts."""
    windows = _windows(settings, monotonic)
    if meter is None:
        charged = ChargedByEngine(
            engine=engine,
            rows=rows,
            public=windows.public,
            registry=registry,
            enforce_quotas=settings.enforces_quotas,
        )
        return Limiting(charged, EngineLedger(engine), windows)
    counted = RateLimiting(
        limits=windows, meter=meter, clock=wall_clock, enforce_quotas=settings.enforces_quotas
    )
    return Limiting(counted, OwnLedger(keyring, meter, windows.accounts, wall_clock), windows)


def _windows(settings: Settings, monotonic: Clock) -> AllRateLimits:
    def windows(requests_per_minute: int, orders_per_minute: int = 0) -> MemoryRateLimits:
        return MemoryRateLimits(
            orders_per_minute=orders_per_minute,
            requests_per_minute=requests_per_minute,
            monotonic=monotonic,
        )

    accounts = settings.limits_of_accounts
    return AllRateLimits(
        accounts=windows(accounts.requests, accounts.orders),
        persons=windows(settings.person_requests_per_minute),
        public=windows(settings.public_requests_per_minute),
    )
