"""Addresses of the form HOST:PORT."""

from rest_bridge.hosts import is_loopback as is_loopback_host

TCP = "tcp:"
"""Begins the address of an engine on any machine; HOST:PORT follows."""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT; raise ValueError for anything else."""
    host, separator, port = address.rpartition(":")
    if not separator or not host or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"must be HOST:PORT, not {address!r}")
    return host, int(port)


def reached(address: str) -> str:
    """Return the address by which this machine reaches a listener at HOST:PORT."""
    host, port = split_address(address)
    return f"{ANY_ADDRESS.get(host, host)}:{port}"


def is_loopback(address: str) -> bool:
    """Tell whether HOST:PORT can be reached from this machine only."""
    return is_loopback_host(split_address(address)[0])
