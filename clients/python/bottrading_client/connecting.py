"""How to reach a server, and as whom: shared by all clients."""

import ipaddress
import os
from dataclasses import dataclass

import grpc

TARGET_DEFAULT = "127.0.0.1:50051"
TIMEOUT_SECONDS_DEFAULT = 10.0

CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A dead connection is noticed within 40 s, even if a stream only listens.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Credential:
    """How a secret is found and sent."""

    what: str
    variable: str
    header: str
    prefix: str = ""
    other_variable: str = ""

    def metadata(self, secret: str | None) -> Metadata:
        """Return the metadata of every call. Raises ValueError without a secret."""
        found = (secret or self._of_environment()).strip()
        if not found:
            raise ValueError(f"pass {self.what}, or set {self.variable}")
        return ((self.header, self.prefix + found),)

    def _of_environment(self) -> str:
        return os.environ.get(self.variable) or os.environ.get(self.other_variable, "")


BOT_KEY = Credential(
    "a bot key", "BOTTRADING_BOT_KEY", "x-bot-key", other_variable="VECTRADE_BOT_KEY"
)
TOKEN = Credential("a person's token", "BOTTRADING_TOKEN", "authorization", "Bearer ")


def metadata_of(
    credential: Credential, secret: str | None, token: str | None, account_id: str | None
) -> Metadata:
    """Return the metadata of every call: a secret, or a person's token, and the named account.

    Raises ValueError for a secret and a token together.
    """
    if token is None:
        sent = credential.metadata(secret)
    elif secret is None:
        sent = TOKEN.metadata(token)
    else:
        raise ValueError(f"pass {credential.what} or a token, not both")
    return sent if account_id is None else (*sent, ("x-account-id", account_id))


def target_of(target: str | None) -> str:
    """Return the target given, or that of the environment."""
    return target or os.environ.get("BOTTRADING_TARGET") or TARGET_DEFAULT


def credentials_of(
    target: str, root_certificates: bytes | None, *, insecure: bool
) -> grpc.ChannelCredentials | None:
    """Return the TLS credentials for a target; None means plaintext.

    A target beyond this machine gets plaintext only if `insecure`.
    """
    if root_certificates is None and (insecure or _is_loopback(target)):
        return None
    return grpc.ssl_channel_credentials(root_certificates)


def _is_loopback(target: str) -> bool:
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    host = target.removeprefix("dns:").lstrip("/").rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
