"""The listener of Prometheus' `/metrics`, which answers to names of this machine only."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, start_http_server

from rest_bridge.hosts import MISDIRECTED, Hosts, misdirected

_SETTING = "BOTTRADING_HOSTS"

WsgiApp: TypeAlias = Callable[[dict[str, Any], Any], Iterable[bytes]]


def serve_metrics(host: str, port: int, registry: CollectorRegistry, names: Iterable[str]) -> None:
    """Serve a registry in threads of its own; raise OSError when the address cannot be used.

    `names` are those by which it may be called besides localhost.
    """
    server, _ = start_http_server(port, host.strip("[]"), registry)
    app = server.get_app()
    assert app is not None, "the library has set one"
    server.set_app(_for_hosts(Hosts(names, listens_at=host), app))


def _for_hosts(hosts: Hosts, app: WsgiApp) -> WsgiApp:
    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # Only HTTP/1.0 goes without a Host, and no browser speaks it.
        if hosts.take(environ.get("HTTP_HOST", "localhost")):
            return app(environ, start_response)
        text = f"{misdirected(_SETTING)}\n".encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
        start_response(f"{MISDIRECTED} Misdirected Request", headers)
        return [text]

    return answer
