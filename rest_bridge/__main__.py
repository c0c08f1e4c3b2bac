"""The bridge as a process: `python -m rest_bridge --target HOST:PORT --rest HOST:PORT`."""

import argparse
import contextlib
import gc
import logging
import math
import os
import signal
import socket
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import ValidationError

from rest_bridge.app import create_app
from rest_bridge.built_page import BUILT_PAGE
from rest_bridge.event_stream import EventStreams
from rest_bridge.hosts import is_loopback
from rest_bridge.limits import bounded_protocol
from rest_bridge.line_writer import LineWriter, log_through
from rest_bridge.listening import explained, refused
from rest_bridge.log_lines import formatter
from rest_bridge.pages import PROTECTING_HEADERS
from rest_bridge.settings import Settings

USAGE_ERROR = 2

log = logging.getLogger(__name__)
_UNUSABLE = (
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    ssl.SSLError,
)
"""Permanent errors of a file. Any other, such as too many open files, may be temporary."""


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and exit with status 0."""
    settings, exit_with_stdin = _settings_and_tie()
    lines = LineWriter(sys.stderr.fileno())
    log_through(lines, formatter(settings.log_format, "bridge", sys.stderr))
    if exit_with_stdin:
        threading.Thread(target=_exit_at_end_of_stdin, daemon=True).start()
    # uvicorn drains on a signal and then raises it again, which must not end the process with an
    # error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn_server = _server_as_set(settings)
    # A call makes hundreds of short-lived objects and hardly any cycles. At the default rate the
    # collector would walk the objects built at start again and again for nothing.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    try:
        uvicorn_server.run()
    finally:
        logging.shutdown()
        lines.close()


class Server(uvicorn.Server):
    """A server that logs where it listens, and ends its event streams when it stops.

    The streams would never end by themselves.
    """

    def __init__(self, config: uvicorn.Config, streams: EventStreams) -> None:
        super().__init__(config)
        self._streams = streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        scheme = "https" if self.config.is_ssl else "http"
        for listener in self.servers:
            for one in listener.sockets:
                host, port = one.getsockname()[:2]
                shown = f"[{host}]" if ":" in host else host
                log.info("REST is running on %s://%s:%d", scheme, shown, port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new, end streams and finish the other calls in flight."""
        self._streams.end_all()
        await super().shutdown(sockets)


def server(settings: Settings, built_page: Path = BUILT_PAGE) -> Server:
    """Build the server that listens at `settings.rest`."""
    host, port = settings.rest_address
    config: dict[str, Any] = {
        "host": host,
        "port": port,
        "loop": "uvloop",
        "http": bounded_protocol(settings),
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "headers": list(PROTECTING_HEADERS.items()),
        "proxy_headers": False,
        "timeout_keep_alive": settings.keep_alive_seconds,
        "timeout_graceful_shutdown": math.ceil(settings.drain_seconds),
        "ssl_certfile": settings.rest_certificate,
        "ssl_keyfile": settings.rest_key,
    }
    app = create_app(settings, built_page)
    return Server(uvicorn.Config(app, **config), app.state.streams)


def _server_as_set(settings: Settings) -> Server:
    """Build the server; exit with the reason if its certificate cannot be used."""
    uvicorn_server = server(settings)
    try:
        uvicorn_server.config.load()
    except _UNUSABLE as error:
        named = f"rest_certificate {settings.rest_certificate}, rest_key {settings.rest_key}"
        _parser().error(f"{named}: {error.strerror}")
    return uvicorn_server


def _settings_and_tie() -> tuple[Settings, bool]:
    """Read the settings, arguments before environment; exit with the reason if one is wrong."""
    parser = _parser()
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    exit_with_stdin = given.pop("exit_with_stdin")
    try:
        settings = Settings(**given)
    except ValidationError as error:
        parser.error(str(error))
    host, _ = settings.rest_address
    if not (is_loopback(host) or settings.rest_certificate or settings.insecure):
        parser.error(
            f"{host} is not a loopback address, so keys would cross the network in plaintext: "
            "give --rest-certificate and --rest-key, or --insecure"
        )
    # Under the supervisor nothing is checked: it has done so, and restarts a bridge that fails.
    wrong = None if exit_with_stdin else refused(*settings.rest_address)
    if wrong is not None:
        told = explained("rest", *settings.rest_address, wrong.errno)
        parser.exit(USAGE_ERROR, f"bottrading: {told}\n")
    return settings, exit_with_stdin


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rest_bridge", description=__doc__)
    parser.add_argument("--target", metavar="HOST:PORT", help="the gRPC server")
    parser.add_argument("--rest", metavar="HOST:PORT", help="where to listen")
    parser.add_argument(
        "--rest-certificate", metavar="FILE", help="serve TLS with this certificate"
    )
    parser.add_argument("--rest-key", metavar="FILE", help="the certificate's private key")
    parser.add_argument(
        "--insecure", action="store_true", default=None, help="plaintext on any address"
    )
    parser.add_argument("--log-format", metavar="auto|text|json", help="how the log is written")
    parser.add_argument(
        "--exit-with-stdin", action="store_true", help="exit at once when standard input ends"
    )
    return parser


def _exit_at_end_of_stdin() -> None:
    # An unreadable standard input counts as ended.
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os._exit(0)


if __name__ == "__main__":
    main()
