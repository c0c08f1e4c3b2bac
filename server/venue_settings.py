"""Settings of the venue: its data and addresses, its market, and the terms of trading."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from rest_bridge.settings import HostNames, Origins, Words
from server.setting_texts import (
    BalanceText,
    DatabaseUrl,
    ParticipantsText,
    PercentText,
    ZoneName,
)

ENVIRONMENT_PREFIX = "BOTTRADING_"
YEAR_SECONDS = 366 * 86_400
REPLAY_SPEED_MAX = 10_000_000


class VenueSettings(BaseSettings):
    """The first of the settings of `bottrading serve`: `server/config.py` has the others."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True, extra="ignore")

    data_dir: Path = Field(Path("data"), description="directory of the database and the secrets")
    grpc: str = Field("127.0.0.1:50051", description="address of the gRPC server, HOST:PORT")
    rest: str = Field("127.0.0.1:8080", description="address of the REST bridge, HOST:PORT")
    no_rest: bool = Field(False, description="run without the REST bridge")
    metrics: str = Field("", description="address of Prometheus' /metrics, HOST:PORT; empty: none")
    hosts: HostNames = Field(
        (),
        description="host names that REST, /metrics and MCP accept besides localhost, a,b,…",
    )
    cors_origins: Origins = Field(
        (), description="origins whose pages may call REST: https://a,https://b,… or *"
    )
    page: bool = Field(True, description="serve the page for people at / of the REST bridge")
    database: DatabaseUrl = Field(
        "", description="sqlite:///FILE or postgresql://…; empty: a file in the data directory"
    )
    check_megabytes_max: int = Field(
        1_000, ge=0, description="largest database that a start checks for damage; 0: none"
    )

    market: Literal["simulated", "published", "replay"] = Field(
        "simulated", description="simulated, published by an operator, or a replay of a file"
    )
    feed: str = Field(
        "",
        description="source of live prices, such as ccxt:kraken, alpaca or lines; "
        "the market is then published",
    )
    feed_symbols: Words = Field(
        (), description="symbols that the feed publishes: BTC/USD,ETH/USD,…; lines needs none"
    )
    feed_urls: str = Field(
        "", description="addresses instead of the source's own: URL, or NAME=URL,NAME=URL"
    )
    usd_equivalent: Words = Field(
        (), description="currencies that count as US dollars for a feed: USDT,USDC,…"
    )
    sessions: Literal["", "always-open", "exchange"] = Field(
        "",
        description="always-open, or exchange: real opening hours; "
        "empty: exchange for a replay and for alpaca, else always-open",
    )
    replay_file: Path | None = Field(
        None, description="CSV file of quotes or bars to replay, perhaps compressed by gzip"
    )
    replay_symbol: str = Field(
        "", description="symbol of all rows of a replay file that has no column for it"
    )
    replay_zone: ZoneName = Field(
        "",
        description="zone of a replay file's times that have no offset, such as America/New_York",
    )
    replay_speed: float = Field(
        1.0, gt=0, le=REPLAY_SPEED_MAX, description="seconds of the replay per real second"
    )
    replay_clock: Literal["speed", "step"] = Field(
        "speed",
        description="step: a replay in lock-step, whose clock waits for its participants; "
        "speed: it runs",
    )
    step_participants: ParticipantsText = Field(
        "1",
        description="accounts for which the clock of a lock-step replay waits: "
        "a number, or their ids a,b,…",
    )
    step_timeout: float = Field(
        60,
        gt=0,
        le=YEAR_SECONDS,
        description="seconds that a participant of a lock-step replay keeps the others waiting "
        "at most",
    )
    step_requests_per_minute: int = Field(
        120_000,
        ge=0,
        description="calls of an account's bots within 60 s of a lock-step replay; 0: no limit",
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="seed of a repeatable simulated market, for tests: "
        "whoever knows it can predict prices",
    )
    universe_file: Path | None = Field(
        None, description="TOML file of your own instruments, like server/market/universe.toml"
    )
    quote_staleness_seconds: float = Field(
        15, gt=0, le=YEAR_SECONDS, description="age from which a quote is stale and fills no order"
    )

    initial_balance: BalanceText = Field("100000.00", description="starting balance in US dollars")
    fees: Literal["default", "none"] = Field("default", description="default schedule, or none")
    slippage: Literal["default", "none"] = Field("default", description="default model, or none")
    liquidity: Literal["displayed", "none"] = Field(
        "displayed", description="displayed: fills take at most the quote's size; none: no limit"
    )
    margin_initial: PercentText = Field(
        "50",
        description="initial margin of STOCK and ETF in MARGIN accounts, in percent of their value",
    )
    margin_maintenance: PercentText = Field(
        "30",
        description="margin that equity must not fall below, in percent; at most margin_initial",
    )
    margin_loan_rate: PercentText = Field(
        "8", description="interest on borrowed money, in percent a year"
    )
    margin_borrow_rate: PercentText = Field(
        "1", description="fee for borrowed shares, in percent of their value a year"
    )
    snapshot_interval_seconds: int = Field(
        900, ge=1, le=YEAR_SECONDS, description="time between equity snapshots"
    )
