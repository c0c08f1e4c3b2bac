"""The HTTP server of `/metrics` for Prometheus; it accepts only known host names."""

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any, TypeAlias, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from rest_bridge.hosts import MISDIRECTED, Hosts, misdirected

CONNECTIONS_MAX = 32
"""The most open connections, each with a thread; one more closes the oldest."""

_SETTING = "BOTTRADING_HOSTS"

WsgiApp: TypeAlias = Callable[[dict[str, Any], Any], Iterable[bytes]]


def serve_metrics(host: str, port: int, registry: CollectorRegistry, names: Iterable[str]) -> None:
    """Serve a registry in threads of its own; raise OSError when the address cannot be used.

    `names` are the host names that a request may use besides localhost.
    """
    app = cast("WsgiApp", make_wsgi_app(registry))
    server = _Server(host.strip("[]"), port)
    server.set_app(_for_hosts(Hosts(names, listens_at=host), app))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Server(ThreadingMixIn, WSGIServer):
    """Limits connections: idle ones must not use up the descriptors of the service."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        (self.address_family, *_, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}
        super().__init__(cast("tuple[str, int]", address[:2]), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._open) >= CONNECTIONS_MAX:
                # The thread of the oldest connection sees the shutdown and closes it.
                oldest = next(iter(self._open))
                del self._open[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a peer that leaves is no fault, and anyone could fill the log that way."""


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the library's name
        """Log nothing."""


def _for_hosts(hosts: Hosts, app: WsgiApp) -> WsgiApp:
    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # Only HTTP/1.0 requests may lack a Host header, and no browser sends them.
        if hosts.take(environ.get("HTTP_HOST", "localhost")):
            return app(environ, start_response)
        text = f"{misdirected(_SETTING)}\n".encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
        start_response(f"{MISDIRECTED} Misdirected Request", headers)
        return [text]

    return answer
