"""The bridge as a process: `python -m rest_bridge --target HOST:PORT --rest HOST:PORT`."""

import argparse
import gc
import ipaddress
import logging
import os
import signal
import sys
import threading
from typing import Any

import uvicorn

from rest_bridge.app import create_app
from rest_bridge.limits import bounded_protocol
from rest_bridge.settings import Settings


def main() -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and exit with status 0."""
    arguments = _parser().parse_args()
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    exit_with_stdin = given.pop("exit_with_stdin")
    settings = Settings(**given)
    refuse_plaintext(settings)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    if exit_with_stdin:
        threading.Thread(target=_exit_at_end_of_stdin, daemon=True).start()
    # uvicorn drains on a signal and then raises it again, which must not end us with an error.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn_server = server(settings)
    # A call makes hundreds of short-lived objects and no cycles to speak of: collected at the
    # default pace, what was built at start would be walked over and over for nothing.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    uvicorn_server.run()


def server(settings: Settings) -> uvicorn.Server:
    """Build the server that listens at `settings.rest`."""
    host, port = _host_and_port(settings.rest)
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
        "proxy_headers": False,
        "timeout_keep_alive": settings.keep_alive_seconds,
        "timeout_graceful_shutdown": settings.drain_seconds,
        "ssl_certfile": settings.rest_certificate,
        "ssl_keyfile": settings.rest_key,
    }
    return uvicorn.Server(uvicorn.Config(create_app(settings), **config))


def refuse_plaintext(settings: Settings) -> None:
    """Exit where keys would cross a network readable, unless that was asked for."""
    host, _ = _host_and_port(settings.rest)
    if not (_is_loopback(host) or settings.rest_certificate or settings.insecure):
        sys.exit(
            f"{host} is no loopback address: give --rest-certificate and --rest-key, or --insecure"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rest_bridge", description=__doc__)
    parser.add_argument("--target", metavar="HOST:PORT", help="the gRPC server")
    parser.add_argument("--rest", metavar="HOST:PORT", help="where to listen")
    parser.add_argument(
        "--rest-certificate", metavar="FILE", help="serve TLS with this certificate"
    )
    parser.add_argument("--rest-key", metavar="FILE", help="the certificate's private key")
    parser.add_argument("--insecure", action="store_true", default=None, help="plaintext anywhere")
    parser.add_argument(
        "--exit-with-stdin", action="store_true", help="exit at once when standard input ends"
    )
    return parser


def _exit_at_end_of_stdin() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main()
