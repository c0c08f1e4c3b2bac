"""The page for people as `make page` builds it: its index, its assets and its settings."""

from pathlib import Path

import orjson
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rest_bridge.identity_provider import IdentityProvider
from rest_bridge.settings import Settings

BUILT_PAGE = Path(__file__).parent / "page"
"""Where `npm run build` in `web/` writes the page. The wheel carries it."""

NOT_BUILT = b"<p>The page for people is not built here: <code>make page</code> builds it.\n"

_NO_CACHE = (b"cache-control", b"no-cache")
_OWN_WINDOW = (b"cross-origin-opener-policy", b"same-origin")
# The name of an asset has a hash of its content, so a browser need never ask for it again.
_KEPT_FOR_GOOD = (b"cache-control", b"public, max-age=31536000, immutable")


def add_built_page(
    app: FastAPI,
    settings: Settings,
    folder: Path,
    start: bytes,
    provider: IdentityProvider | None,
) -> None:
    """Serve the page at `/`, or `start` and a hint while it is not built.

    `provider` is the identity provider at which people can sign in, if there is one.
    """
    index = folder / "index.html"

    async def page(_: Request) -> Response:
        answer = (
            FileResponse(index, media_type="text/html")
            if index.is_file()
            else HTMLResponse(start + NOT_BUILT)
        )
        answer.raw_headers += (_NO_CACHE, _OWN_WINDOW)
        return answer

    async def page_facts(_: Request) -> Response:
        facts = {
            "public_leaderboard": settings.public_leaderboard,
            "sign_in": provider and await _sign_in(provider),
        }
        body = orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE)
        answer = Response(body, media_type="application/json")
        answer.raw_headers.append(_NO_CACHE)
        return answer

    app.add_route("/", page)
    app.add_route("/page.json", page_facts)
    assets = StaticFiles(directory=folder / "assets", check_dir=False)
    app.mount("/assets", GZipMiddleware(_KeptForGood(assets)))


async def _sign_in(provider: IdentityProvider) -> dict[str, str] | None:
    """Return where people sign in; None while the provider has never answered."""
    endpoints = await provider.endpoints()
    if endpoints is None:
        return None
    return {
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "authorization_endpoint": endpoints.authorization,
    }


class _KeptForGood:
    """Adds to successful answers that they never change."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_kept(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                message = {**message, "headers": [*message["headers"], _KEPT_FOR_GOOD]}
            await send(message)

        await self._app(scope, receive, send_kept)
