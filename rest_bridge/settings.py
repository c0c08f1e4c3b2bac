"""The bridge's settings: where it listens, whom it calls, and every limit with its unit."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from rest_bridge.hosts import checked_names, checked_origins, checked_provider
from rest_bridge.log_lines import LogFormat

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE


def _listed(value: object) -> object:
    """Read a list that is separated by commas."""
    return tuple(filter(None, map(str.strip, value.split(",")))) if type(value) is str else value


Words: TypeAlias = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
HostNames: TypeAlias = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_listed), AfterValidator(checked_names)
]
Origins: TypeAlias = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_listed), AfterValidator(checked_origins)
]
OidcIssuer: TypeAlias = Annotated[str, AfterValidator(lambda url: url and checked_provider(url))]


class Settings(BaseSettings):
    """What can be set, by environment variables `BOTTRADING_…` or by arguments."""

    model_config = SettingsConfigDict(env_prefix="BOTTRADING_", frozen=True, extra="ignore")

    target: str = "127.0.0.1:50051"
    target_ca: Path | None = None
    target_certificate: Path | None = None
    target_key: Path | None = None
    upstream_channels: int = Field(default=4, ge=1)
    # The server accepts 64 streams per connection, including those that are just ending.
    upstream_calls_per_channel_max: int = Field(default=48, ge=1)
    upstream_deadline_seconds: float = Field(default=10.0, gt=0)
    stream_resume_seconds: float = Field(default=10.0, ge=0)
    readiness_deadline_seconds: float = Field(default=1.0, gt=0)
    answer_bytes_max: int = Field(default=16 * MEBIBYTE, gt=0)

    rest: str = Field(default="127.0.0.1:8080", pattern=r"^[^\s:]*(\[[^\s]*\])?:[0-9]{1,5}$")
    rest_certificate: Path | None = None
    rest_key: Path | None = None
    insecure: bool = False
    log_format: LogFormat = "auto"
    cors_origins: Origins = ()
    hosts: HostNames = ()
    page: bool = True
    public_leaderboard: bool = False
    oidc_issuer: OidcIssuer = ""
    oidc_client_id: str = ""

    connections_max: int = Field(default=900, ge=1)
    strangers_per_address_max: int = Field(default=450, ge=1)
    head_bytes_max: int = Field(default=16 * KIBIBYTE, gt=0)
    body_bytes_max: int = Field(default=64 * KIBIBYTE, gt=0)
    drained_bytes_max: int = Field(default=1 * MEBIBYTE, gt=0)
    credential_bytes_max: int = Field(default=6 * KIBIBYTE, gt=0)
    request_deadline_seconds: float = Field(default=10.0, gt=0)
    linger_seconds: float = Field(default=5.0, gt=0)
    keep_alive_seconds: int = Field(default=60, ge=1)
    stranger_keep_alive_seconds: int = Field(default=5, ge=1)
    unread_answer_seconds: float = Field(default=30.0, gt=0)
    untaken_answer_seconds: float = Field(default=1.0, gt=0)
    drain_seconds: float = Field(default=10.0, gt=0)

    @property
    def rest_address(self) -> tuple[str, int]:
        """Return host and port to listen at."""
        host, _, port = self.rest.rpartition(":")
        return host.strip("[]") or "127.0.0.1", int(port)
