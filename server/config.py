"""Settings: every limit with its name and unit; only this module reads the environment."""

import os
import shlex
import sys
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from rest_bridge.log_lines import LogFormat
from rest_bridge.settings import OidcIssuer
from server.addresses import TCP, is_loopback, reached, split_address
from server.application.rate_limits import LimitsPerMinute
from server.domain.invariants import BrokenInvariant
from server.domain.values import SECOND, Micros, Money, parse_units
from server.engine.unix_sockets import UNIX
from server.engine_settings import EngineSettings
from server.rpc.own_tokens import OWN_AUDIENCES
from server.rpc.tokens import TokenTerms
from server.setting_texts import SecretText, participants
from server.storage.location import Location, location, text_of
from server.venue_settings import ENVIRONMENT_PREFIX, YEAR_SECONDS, VenueSettings

DATABASE_FILE = "bottrading.sqlite"
LOCK_FILE = "serve.lock"
ENGINE_LOCK_FILE = "engine.lock"
SOCKET_FILE = "front.sock"
ENGINE_SOCKET_FILE = "engine.sock"
PAGE_FILE = "page.url"
NEVER: Micros = 2**62
MARKET_SECRET_FILE = "market.secret"
FEED_UNIVERSE_FILE = "feed-universe.toml"
LINES = "lines"
"""The feed that has no instruments of its own."""

REPLAY_INDEX_FILE = "replay-index.json"
JWT_SECRET_FILE = "jwt.secret"
TICKET_SECRET_FILE = "ticket.secret"


class SettingsError(ValueError):
    """A setting is wrong; the message is one line for the person who set it."""


class Settings(VenueSettings):
    """All settings of `bottrading serve`, from options and from BOTTRADING_… variables."""

    orders_per_minute: int = Field(
        20, ge=0, description="orders of an account within 60 s; 0: no limit"
    )
    requests_per_minute: int = Field(
        120, ge=0, description="calls of an account's bots within 60 s; 0: no limit"
    )
    person_requests_per_minute: int = Field(
        300, ge=0, description="calls with a person's token within 60 s; 0: no limit"
    )
    public_leaderboard: bool = Field(
        False, description="show the leaderboard to callers without a credential too"
    )
    public_requests_per_minute: int = Field(
        600, ge=0, description="calls without a credential within 60 s, all together; 0: no limit"
    )
    streams_per_account: int = Field(20, ge=1, description="open streams of an account")
    streams_max: int = Field(5_000, ge=1, description="open streams in all")
    stream_blocked_seconds: float = Field(
        10,
        gt=0,
        le=YEAR_SECONDS,
        description="time without reading after which a stream is ended",
    )
    grpc_connections_max: int = Field(
        10_000,
        ge=1,
        description="connections to the gRPC port; fewer if the limit of open files is low",
    )
    quotas: Literal["counted", "enforced"] = Field(
        "counted", description="enforced: calls above the plan's daily quota are refused"
    )
    usage_flush_seconds: float = Field(
        1.0,
        gt=0,
        le=YEAR_SECONDS,
        description="time between writes of call counts and of the last use of keys",
    )

    jwt_issuer: str = Field("bottrading", min_length=1, description="required value of claim iss")
    jwt_audience: str = Field("bottrading", min_length=1, description="required value of claim aud")
    jwt_secret: SecretText = Field(
        "", description="HS256 secret, at least 32 bytes; empty: one is made in the data directory"
    )
    jwt_jwks: str = Field("", description="URL or file of a JWKS (RS256, ES256, EdDSA)")
    oidc_issuer: OidcIssuer = Field(
        "", description="identity provider at which people sign in to the page, an https URL"
    )
    oidc_client_id: str = Field("", description="id of the page at the identity provider")

    tls_certificate: Path | None = Field(None, description="PEM certificate chain for gRPC")
    tls_key: Path | None = Field(None, description="PEM private key for gRPC")
    tls_client_ca: Path | None = Field(
        None, description="PEM certificate of the authority that signs clients' certificates"
    )
    rest_certificate: Path | None = Field(None, description="PEM certificate chain for REST")
    rest_key: Path | None = Field(None, description="PEM private key for REST")
    engine_address: str = Field(
        "",
        description="address at which servers of the same venue on other machines reach this one's"
        " engine, HOST:PORT; empty: all run on this machine",
    )
    engine_certificate: Path | None = Field(
        None, description="PEM certificate of this server for the host of engine_address"
    )
    engine_key: Path | None = Field(None, description="PEM private key of engine_certificate")
    engine_ca: Path | None = Field(
        None,
        description="PEM certificate of the venue's own authority, which signs nothing else",
    )
    insecure: bool = Field(False, description="allow plaintext on addresses beyond this machine")
    reflection: bool = Field(False, description="offer gRPC server reflection")
    log_format: LogFormat = Field(
        "auto",
        description="form of the log: text for people, json for programs; auto: text on a terminal",
    )
    log_calls: bool = Field(True, description="log one line for each call")
    engine_answer_seconds: float = Field(
        10,
        gt=0,
        le=YEAR_SECONDS,
        description="time after which an engine that owes an answer and sends nothing is restarted",
    )
    drain_seconds: float = Field(
        10, gt=0, le=YEAR_SECONDS, description="time that calls in flight have after SIGTERM"
    )

    @model_validator(mode="before")
    @classmethod
    def _publish_a_feed(cls, given: dict[str, object]) -> dict[str, object]:
        return {"market": "published", **given} if given.get("feed") else given

    @field_validator("grpc", "rest", "metrics", "engine_address")
    @classmethod
    def _check_address(cls, value: str, field: ValidationInfo) -> str:
        if value or field.field_name not in ("metrics", "engine_address"):
            split_address(value)
        return value

    @field_validator("jwt_audience")
    @classmethod
    def _check_audience(cls, value: str) -> str:
        if value in OWN_AUDIENCES:
            raise ValueError(f"{value} is for tokens of the service itself: choose another")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.market == "replay") != (self.replay_file is not None):
            raise ValueError("market replay needs replay_file; leave it out for any other market")
        if self.market != "replay" and (self.replay_symbol or self.replay_zone):
            raise ValueError("replay_symbol and replay_zone are for market replay: leave them out")
        if self.market != "replay" and self.is_stepped:
            raise ValueError("replay_clock step is for market replay: leave it out")
        if self.is_stepped and "replay_speed" in self.model_fields_set:
            raise ValueError("replay_speed is for replay_clock speed: leave it out")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key must be given together")
        self._check_feed()
        self._check_margin()
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca needs tls_certificate and tls_key")
        self._check_provider()
        self._check_engine()
        guarded = {
            "grpc": self.tls_certificate,
            "rest": self.rest_certificate,
            "engine_address": self.engine_certificate,
        }
        for name, address in self.addresses.items():
            in_plaintext = guarded.get(name) is None
            if in_plaintext and not self.insecure and not is_loopback(address):
                raise ValueError(
                    f"{name} {address} would serve other machines in plaintext: set a certificate"
                    " for grpc or rest, or set insecure"
                )
        self._check_addresses_differ()
        return self

    def _check_feed(self) -> None:
        if self.feed and self.market != "published":
            raise ValueError(
                f"market {self.market} has quotes of its own: leave out market or feed"
            )
        if self.feed_symbols and not self.feed:
            raise ValueError("feed_symbols needs feed: the source of their prices")
        if self.feed and not self.feed_symbols and self.feed != LINES:
            raise ValueError(f"feed {self.feed} needs feed_symbols, such as BTC/USD,ETH/USD")

    def _check_margin(self) -> None:
        initial, maintenance = map(parse_units, (self.margin_initial, self.margin_maintenance))
        if not 0 < maintenance <= initial:
            raise ValueError(
                f"margin_maintenance must be greater than 0 and at most margin_initial, which is"
                f" {self.margin_initial}, not {self.margin_maintenance}"
            )

    def _check_provider(self) -> None:
        if bool(self.oidc_issuer) != bool(self.oidc_client_id):
            raise ValueError("oidc_issuer and oidc_client_id must be given together")
        if self.oidc_issuer and not self.jwt_jwks:
            raise ValueError("oidc_issuer needs jwt_jwks: the keys of the identity provider")
        for name, told in (("jwt_issuer", "oidc_issuer"), ("jwt_audience", "oidc_client_id")):
            if self.oidc_issuer and getattr(self, name) != getattr(self, told):
                raise ValueError(f"{name} must be the same as {told}: tokens of the page carry it")

    def _check_engine(self) -> None:
        given = [self.engine_address, *self._engine_files]
        if any(given) and not all(given):
            raise ValueError(
                "engine_address, engine_certificate, engine_key and engine_ca must be given"
                " together"
            )
        if not self.engine_address:
            return
        if isinstance(self.location, Path):
            raise ValueError("engine_address is for a venue in PostgreSQL: leave it out")
        if reached(self.engine_address) != self.engine_address:
            raise ValueError(
                f"engine_address {self.engine_address} is no address that other machines reach"
            )
        if not split_address(self.engine_address)[1]:
            raise ValueError("engine_address needs a port that other machines can know")

    def _check_addresses_differ(self) -> None:
        taken: dict[str, str] = {}
        for name, address in self.addresses.items():
            other = taken.setdefault(address, name)
            if other != name and split_address(address)[1]:
                raise ValueError(
                    f"{other} and {name} are both at {address}: each needs an address of its own"
                )

    @property
    def is_stepped(self) -> bool:
        """Tell whether the market is a replay in lock-step."""
        return self.replay_clock == "step"

    @property
    def enforces_quotas(self) -> bool:
        """Tell whether calls above the daily quota are refused; never in lock-step."""
        return self.quotas == "enforced" and not self.is_stepped

    @property
    def limits_of_accounts(self) -> LimitsPerMinute:
        """Return the limits that bots spend.

        The time of a lock-step replay is its participants' own: only a flood is refused.
        """
        if self.is_stepped:
            return LimitsPerMinute(orders=0, requests=self.step_requests_per_minute)
        return LimitsPerMinute(orders=self.orders_per_minute, requests=self.requests_per_minute)

    @property
    def addresses(self) -> dict[str, str]:
        """Return the addresses that the service listens at, by the names of their settings."""
        rest = "" if self.no_rest else self.rest
        wanted = {
            "grpc": self.grpc,
            "rest": rest,
            "metrics": self.metrics,
            "engine_address": self.engine_address,
        }
        return {name: address for name, address in wanted.items() if address}

    @property
    def engine_files(self) -> tuple[Path, Path, Path]:
        """Return certificate, key and authority for connections between engines and fronts."""
        certificate, key, authority = self._engine_files
        if certificate is None or key is None or authority is None:
            raise BrokenInvariant("engine_address is not set")
        return certificate, key, authority

    @property
    def _engine_files(self) -> tuple[Path | None, Path | None, Path | None]:
        return self.engine_certificate, self.engine_key, self.engine_ca

    @property
    def location(self) -> Location:
        """Return where the venue is stored."""
        if not self.database:
            return self.data_dir / DATABASE_FILE
        return location(self.database, self.data_dir)

    @property
    def token_terms(self) -> TokenTerms:
        """Return the issuer and the audience that a token must have."""
        return TokenTerms(issuer=self.jwt_issuer, audience=self.jwt_audience)

    @property
    def universe(self) -> Path | None:
        """Return the file of the instruments; None for those that come with the service."""
        if self.universe_file is None and self.feed not in ("", LINES):
            return self.data_dir / FEED_UNIVERSE_FILE
        return self.universe_file

    @property
    def engine_socket(self) -> Path | None:
        """Return where the engine listens for the fronts of other replicas, if there can be any."""
        if isinstance(self.location, Path):
            return None
        return self.data_dir.resolve() / ENGINE_SOCKET_FILE

    def for_engine(self) -> EngineSettings:
        has_hours = self.market == "replay" or self.feed.partition(":")[0] == "alpaca"
        wanted = participants(self.step_participants)
        socket = self.engine_socket
        nearby = "" if socket is None else f"{UNIX}{socket}"
        return EngineSettings(
            database=text_of(self.location),
            data_dir=str(self.data_dir.resolve()),
            socket="" if socket is None else str(socket),
            address=f"{TCP}{self.engine_address}" if self.engine_address else nearby,
            market=self.market,
            sessions=self.sessions or ("exchange" if has_hours else "always-open"),
            replay_file=str(self.replay_file.resolve()) if self.replay_file else None,
            replay_symbol=self.replay_symbol or None,
            replay_zone=self.replay_zone or None,
            replay_speed=self.replay_speed,
            replay_clock=self.replay_clock,
            step_participants=wanted.number,
            step_accounts=wanted.accounts,
            step_timeout=round(self.step_timeout * SECOND),
            seed=self.seed,
            universe_file=str(self.universe) if self.universe else None,
            fees=self.fees,
            slippage=self.slippage,
            liquidity=self.liquidity,
            margin_initial=parse_units(self.margin_initial),
            margin_maintenance=parse_units(self.margin_maintenance),
            margin_loan_rate=parse_units(self.margin_loan_rate),
            margin_borrow_rate=parse_units(self.margin_borrow_rate),
            initial_balance=Money(parse_units(self.initial_balance)),
            # Recorded quotes have a pace of their own: each one is valid until the next.
            quote_staleness=NEVER
            if self.market == "replay"
            else round(self.quote_staleness_seconds * SECOND),
            snapshot_interval=self.snapshot_interval_seconds * SECOND,
            orders_per_minute=self.limits_of_accounts.orders,
            requests_per_minute=self.limits_of_accounts.requests,
            person_requests_per_minute=self.person_requests_per_minute,
            usage_interval=round(self.usage_flush_seconds * SECOND),
        )


def load(**options: object) -> Settings:
    """Return the settings from the environment and from those options that are not None.

    Raises SettingsError with one line that names the setting.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        message = str(first["msg"]).removeprefix("Value error, ")
        raise SettingsError(f"{name}: {message}") from None


def command(settings: Settings, *words: str) -> str:
    """Return a `bottrading` command for the same data directory, to be pasted in a shell."""
    called = sys.argv[0] if Path(sys.argv[0]).name == "bottrading" else "bottrading"
    default = Settings.model_fields["data_dir"].default
    where = () if settings.data_dir == default else ("--data-dir", str(settings.data_dir))
    return shlex.join((called, *words, *where))


def child_environment() -> dict[str, str]:
    """Return the environment for engine and bridge, without secrets and the target.

    Only the front needs the token secret. The engine is told the database, whose URL may have a
    password. The bridge gets its target as an option.
    """
    hidden = tuple(f"{ENVIRONMENT_PREFIX}{name}" for name in ("JWT_SECRET", "DATABASE", "TARGET"))
    return {k: v for k, v in os.environ.items() if not k.upper().startswith(hidden)}
