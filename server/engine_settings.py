"""The settings of the engine process."""

from dataclasses import asdict, dataclass
from typing import Self

import orjson

from server.domain.values import Micros, Money, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The settings of the engine process, which it receives as its first frame.

    `socket` is the path at which it listens for the fronts of other replicas, which find it at
    `address`; both are empty if a database can only have one engine. `terms` is what it must have
    in common with the engines of other replicas, as JSON.
    """

    database: str
    data_dir: str
    socket: str
    address: str
    market: str
    sessions: str
    replay_file: str | None
    replay_symbol: str | None
    replay_zone: str | None
    replay_speed: float
    replay_clock: str
    step_participants: int
    step_accounts: tuple[str, ...]
    step_timeout: Micros
    seed: int | None
    universe_file: str | None
    fees: str
    slippage: str
    liquidity: str
    margin_initial: Units
    margin_maintenance: Units
    margin_loan_rate: Units
    margin_borrow_rate: Units
    initial_balance: Money
    quote_staleness: Micros
    snapshot_interval: Micros
    orders_per_minute: int
    requests_per_minute: int
    person_requests_per_minute: int
    usage_interval: Micros
    terms: str = ""

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return cls(**orjson.loads(data))
