"""Middleware that refuses calls whose `Host` is not a name of this server."""

from starlette.types import ASGIApp, Receive, Scope, Send

from rest_bridge import replies
from rest_bridge.errors import Refusal
from rest_bridge.headers import read_head
from rest_bridge.hosts import MISDIRECTED, Hosts, misdirected

_SETTING = "BOTTRADING_HOSTS"


class HostCheck:
    """Refuses a request whose `Host` the listener does not accept.

    A request without `Host`, which HTTP/1.0 allows, does not come from a browser and passes.
    """

    def __init__(self, app: ASGIApp, *, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"host" and not self._hosts.take(value.decode("latin-1")):
                    await self._refuse(scope, send)
                    return
        await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        refused = Refusal(MISDIRECTED, "HOST_UNKNOWN", misdirected(_SETTING))
        await replies.refusal(refused, read_head(scope["headers"]).request_id).send(send)
