"""Listening: the addresses of the service, how they are taken and how they are guarded."""

import asyncio
import errno
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from server.config import SOCKET_FILE, Settings, SettingsError, split_address

BUSY_RETRY_SECONDS = 2.0
BUSY_RETRY_PAUSE_SECONDS = 0.1
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]{1,100}")
"""What fits the kernel's limit for a socket and means itself in an address."""


@contextmanager
def socket_path(data_dir: Path) -> Iterator[Path]:
    """Give a path for a socket: in the data directory, if its name can be an address.

    Otherwise the data directory has a link to it, so that it is found there all the same.
    """
    path = data_dir.resolve() / SOCKET_FILE
    if PLAIN_PATH.fullmatch(str(path)):
        yield path
        path.unlink(missing_ok=True)
    else:
        with TemporaryDirectory(prefix="bottrading-") as directory:
            path.unlink(missing_ok=True)
            path.symlink_to(Path(directory) / SOCKET_FILE)
            yield Path(directory) / SOCKET_FILE
            path.unlink(missing_ok=True)


def credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    authority = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
    return grpc.ssl_server_credentials(
        [(settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes())],
        root_certificates=authority,
        require_client_auth=authority is not None,
    )


async def await_free(setting: str, address: str) -> None:
    """Wait until nobody listens at an address that another process is to take."""
    host, port = split_address(address)
    deadline = asyncio.get_running_loop().time() + BUSY_RETRY_SECONDS
    while True:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host.strip("[]"), port))
            return
        except OSError as error:
            busy = error.errno == errno.EADDRINUSE
            if not busy or asyncio.get_running_loop().time() > deadline:
                raise SettingsError(busy_line(setting, address)) from None
            await asyncio.sleep(BUSY_RETRY_PAUSE_SECONDS)


def busy_line(setting: str, address: str) -> str:
    return f"{setting}: {address} is busy or not an address of this machine"
