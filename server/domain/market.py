"""The market of an instrument: quote, costs and hours at the moment of a decision."""

from dataclasses import dataclass

from server.domain.costs import Costs
from server.domain.instrument import Instrument
from server.domain.quote import Quote
from server.domain.values import Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The running session of a market, or the next one while it is closed.

    Orders execute from `opens_at` until before `closes_at`; adjacent trading days are one session.
    A DAY order expires at `day_end`. All of this holds from `since` until before `until`.
    """

    since: Micros
    until: Micros
    opens_at: Micros
    closes_at: Micros
    day_end: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """The state of an instrument's market at the moment of a decision.

    Orders execute while `is_open`. While the market is open, `quote` is None unless it is fresh.
    While it is closed, `quote` is the newest quote, fresh or not, to calculate with. `day_end` is
    when a DAY order placed at `now` expires.
    """

    instrument: Instrument
    quote: Quote | None
    costs: Costs
    now: Micros
    day_end: Micros
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStep:
    """Whom a lock-step replay waits for: wanted participants, those that joined, those awaited."""

    participants: int
    joined: int
    awaited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayProgress:
    """The span of a replay, and how many of its seconds pass in a real one.

    `speed` is 0 in a lock-step replay, and `lock_step` is None in any other.
    """

    starts_at: Micros
    ends_at: Micros
    speed: float
    lock_step: LockStep | None = None
