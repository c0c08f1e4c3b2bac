"""Listening: how the service binds its addresses, and the certificates that guard them."""

import asyncio
import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from rest_bridge.listening import explained, refused
from server.addresses import reached, split_address
from server.config import SOCKET_FILE, Settings, SettingsError

BUSY_RETRY_SECONDS = 2.0
BUSY_RETRY_PAUSE_SECONDS = 0.1
LISTENER_PAUSE_SECONDS = 0.05
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]{1,100}")
"""A path that fits the kernel's limit for a socket and needs no escapes in an address."""


@contextmanager
def socket_path(data_dir: Path) -> Iterator[Path]:
    """Yield the path for a socket: in the data directory, if that path can be an address.

    Otherwise it is in a temporary directory, and the data directory has a link to it.
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


async def await_free(settings: Settings) -> None:
    """Wait until the service's addresses are free; raise SettingsError if one stays taken."""
    deadline = asyncio.get_running_loop().time() + BUSY_RETRY_SECONDS
    for setting, address in settings.addresses.items():
        while (error := refused(*split_address(address))) is not None:
            late = asyncio.get_running_loop().time() > deadline
            if late or error.errno != errno.EADDRINUSE:
                raise cannot_listen(setting, address, error.errno)
            await asyncio.sleep(BUSY_RETRY_PAUSE_SECONDS)


async def await_listener(address: str) -> None:
    """Wait until a process listens at an address; do not wait if the kernel chooses the port."""
    host, port = split_address(reached(address))
    while port:
        try:
            _, writer = await asyncio.open_connection(host.strip("[]"), port)
        except OSError:
            await asyncio.sleep(LISTENER_PAUSE_SECONDS)
        else:
            writer.close()
            return


def cannot_listen(setting: str, address: str, number: int | None = None) -> SettingsError:
    """Return the error for an address that cannot be bound, by default because it is in use."""
    return SettingsError(explained(setting, *split_address(address), number or errno.EADDRINUSE))
