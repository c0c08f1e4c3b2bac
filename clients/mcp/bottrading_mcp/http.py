"""The server over HTTP: for programs on this machine, and not for pages in a browser.

The server holds the key, so whoever can call it can trade.
"""

import argparse
import ipaddress
import os
import re
import socket
from collections.abc import Iterable, Sequence
from http import HTTPStatus

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS_VARIABLE = "BOTTRADING_HOSTS"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
PORT_MAX = 65_535
SHUTDOWN_SECONDS = 2

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def loopback_address(address: str) -> tuple[str, int]:
    """Read the HOST:PORT of a listener; raise ArgumentTypeError unless it is on this machine."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isdecimal() and 0 < int(port) <= PORT_MAX):
        raise argparse.ArgumentTypeError(f"{address} is not HOST:PORT")
    if host not in LOOPBACK:
        raise argparse.ArgumentTypeError(
            f"{host} is not one of {', '.join(LOOPBACK)}: anyone who reaches it could trade with"
            " your key"
        )
    return host, int(port)


def origin(text: str) -> str:
    """Read an origin; raise ArgumentTypeError unless it is written as browsers write it."""
    if _ORIGIN.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text} is not an origin such as http://localhost:6274")
    return text


def url(host: str, port: int) -> str:
    """Return the URL at which clients find the server."""
    return f"{_root(host, port)}/mcp"


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; raise OSError when the port is taken."""
    return socket.create_server((host, port), family=_family(host))


def http_server(server: MCPServer, host: str, port: int, origins: Sequence[str]) -> uvicorn.Server:
    """Return the HTTP server of the tools; pages of `origins` may call it."""
    # Without sessions, a client that disconnects leaves nothing behind.
    app: ASGIApp = server.streamable_http_app(
        host=host,
        stateless_http=True,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    if origins:
        app = CORSMiddleware(app, origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    hosts = filter(None, (name.strip() for name in os.environ.get(HOSTS_VARIABLE, "").split(",")))
    config = uvicorn.Config(
        _Guard(app, hosts, [_root(host, port), *origins]),
        log_level="critical",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)


class _Guard:
    """Middleware that refuses requests of foreign pages in a browser, by origin and host name.

    A page can let its own host name point to this machine (DNS rebinding). Its requests then carry
    that name, and the browser sees no foreign origin.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        for name, value in scope["headers"]:
            text = value.decode("latin-1")
            if name == b"host" and not self._takes(text):
                return PlainTextResponse(
                    "This server does not accept the name in the Host header. Use localhost,"
                    f" or add the name to {HOSTS_VARIABLE}.\n",
                    HTTPStatus.MISDIRECTED_REQUEST,
                )
            if name == b"origin" and text not in self._origins:
                return PlainTextResponse(
                    "This server refuses pages of this origin, because its callers can trade."
                    " To accept the page, start the server with --origin and the origin.\n",
                    HTTPStatus.FORBIDDEN,
                )
        return None

    def _takes(self, header: str) -> bool:
        host = header.partition("]")[0] if header.startswith("[") else header.partition(":")[0]
        host = host.lower().removeprefix("[").removesuffix(".")
        return host in self._hosts or host == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _root(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
