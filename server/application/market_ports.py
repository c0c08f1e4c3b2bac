"""Ports to the market: where quotes come from, what can be traded, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from server.application.staging import Stage
from server.domain.instrument import AssetType, Instrument
from server.domain.market import ReplayProgress, Session
from server.domain.quote import Quote
from server.domain.values import Micros


@dataclass(frozen=True, slots=True)
class MarketStep:
    """A moment, and the quotes that are due by then."""

    time: Micros
    quotes: Sequence[Quote]


class QuoteSource(Protocol):
    """Where quotes come from."""

    @property
    def environment(self) -> str:
        """Return the name of the contract's environment."""

    @property
    def replay_digest(self) -> str | None:
        """Return the digest that names the replayed file; None on a market in real time."""

    @property
    def replay(self) -> ReplayProgress | None:
        """Return the span and speed of the replay; None on a market in real time."""

    @property
    def fault(self) -> str | None:
        """Return the fault that stops the quotes; None while there is none."""

    def poll(self, now: Micros) -> Sequence[MarketStep]:
        """Return the due steps after the last one played, in order of time."""

    def play(self, step: MarketStep, stage: Stage) -> None:
        """Stage that a step is played: the step and all earlier ones are no longer due."""

    def is_due(self, now: Micros) -> bool:
        """Tell whether time must pass before any other command is decided."""

    def due_in(self, now: Micros) -> Micros | None:
        """Return the real time until `poll` has quotes again; None when it never has any."""


class Instruments(Protocol):
    """What can be traded."""

    def find(self, symbol: str) -> Instrument | None:
        """Return the instrument of a normalised symbol, expired options included."""

    def listed(self, now: Micros) -> Sequence[Instrument]:
        """Return the instruments that are traded now, by symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketHours:
    """Whether a market is open, and when it opens and closes next; None for never."""

    is_open: bool
    next_open: Micros | None
    next_close: Micros | None


class Calendar(Protocol):
    """When markets trade."""

    def is_open(self, asset_type: AssetType, now: Micros) -> bool:
        """Tell whether orders execute at a moment."""

    def session(self, asset_type: AssetType, now: Micros) -> Session:
        """Return the running session; the next one while the market is closed."""

    def hours(self, asset_type: AssetType, now: Micros) -> MarketHours:
        """Return whether a market is open at a moment, and what comes next."""

    def session_on(self, asset_type: AssetType, day: date) -> tuple[Micros, Micros] | None:
        """Return beginning and end of a day's session; None on a day without one."""
