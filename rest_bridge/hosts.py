"""Names by which a listener may be called, so that foreign pages cannot reach this machine.

An attacker can point the name of a page at an address of the reader's machine (DNS rebinding). The
browser then takes the page's calls for calls to the page's own origin. But they carry the page's
name in `Host`.
"""

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

MISDIRECTED = 421

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def is_loopback(host: str) -> bool:
    """Tell whether a host (without port) is a name or an address of the loopback."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


class Hosts:
    """Decides which `Host` headers are accepted: names of the loopback, and configured ones."""

    def __init__(self, names: Iterable[str], *, listens_at: str) -> None:
        self._names = frozenset(name.lower() for name in names)
        # Beyond this machine only the operator knows the names, so all are accepted unless some are
        # set.
        self._takes_all = not self._names and not is_loopback(listens_at)
        self.take = lru_cache(maxsize=1024)(self._take)

    def _take(self, header: str) -> bool:
        host = _without_port(header).lower().removesuffix(".")
        return self._takes_all or host in self._names or is_loopback(host)


def misdirected(setting: str) -> str:
    """Return the message for a caller whose `Host` is not accepted."""
    return (
        "This server does not accept the name in the Host header."
        f" Use localhost, or add the name to {setting}."
    )


def checked_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names; raise ValueError unless each is a host without scheme and port."""
    for name in names:
        if not name or _without_port(name) != name or set(name) & set("/*@, "):
            raise ValueError(f"must be host names without scheme and port, not {name!r}")
    return names


def checked_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Return the origins; raise ValueError unless each is `*` or written as browsers write it."""
    for origin in origins:
        if origin != "*" and _ORIGIN.fullmatch(origin) is None:
            raise ValueError(f"must be origins such as https://app.example, not {origin!r}")
    return origins


def checked_provider(url: str) -> str:
    """Return a URL of an identity provider; raise ValueError if others could read its traffic.

    Plain HTTP is accepted on the loopback only.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_guarded = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not host or not is_guarded or "@" in parts.netloc or parts.fragment:
        raise ValueError(f"must be an https URL without user and fragment, not {url!r}")
    return url


def _without_port(header: str) -> str:
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.partition(":")[0]
