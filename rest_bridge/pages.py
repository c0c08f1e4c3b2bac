"""The pages for a browser: the page for people, and the contract in Swagger UI.

Without the page for people, a description of the server takes its place. Swagger UI's files come
from a package, so a page requests nothing from other hosts.
"""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from rest_bridge.built_page import add_built_page
from rest_bridge.identity_provider import IdentityProvider
from rest_bridge.limits import replace_policy
from rest_bridge.settings import Settings

_FILES = Path(str(files("fastapi_offline"))) / "static"
_SWAGGER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")

_DOCS = bytes(
    get_swagger_ui_html(
        title="BotTrading: REST",
        openapi_url="/openapi.json",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},
    ).body
)

_START = b"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/docs/favicon.png">
<title>BotTrading</title>
<h1>BotTrading</h1>
<p>A paper-trading venue for bots and AI agents. Bots trade virtual money here.</p>
<ul>
<li><a href="/docs">/docs</a>: all calls of the REST API, to read and to try
<li><a href="/openapi.json">/openapi.json</a>: the same as an OpenAPI document
<li><code>/api/trade/v1/bot</code>: where the API begins
<li><a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a>: status 200 when this server
lives, and when it takes calls
</ul>
</html>
"""


def _hashes(page: bytes) -> str:
    """Return the sources of a Content-Security-Policy for the inline scripts of a page."""
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script).digest()) for script in scripts)
    return " ".join(f"'sha256-{digest.decode('ascii')}'" for digest in digests)


def _policy(*, scripts: str = "", styles: str = "") -> str:
    """Return a Content-Security-Policy of this server's own files, and of more sources."""
    return (
        f"default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles};"
        " img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )


_DOCS_POLICY = _policy(scripts=f" {_hashes(_DOCS)}", styles=" 'unsafe-inline'")

PROTECTING_HEADERS = {
    "content-security-policy": _policy(),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
"""Headers of every answer, which keep a browser from loading, running or framing anything else."""


def add_pages(
    app: FastAPI,
    document: dict[str, Any],
    settings: Settings,
    built_page: Path,
    provider: IdentityProvider | None,
) -> None:
    """Serve the pages, the OpenAPI document and the files that the pages load."""
    told = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    async def start(_: Request) -> Response:
        return HTMLResponse(_START)

    async def docs(request: Request) -> Response:
        replace_policy(request.scope, _DOCS_POLICY)
        return HTMLResponse(_DOCS)

    async def openapi(_: Request) -> Response:
        return Response(told, media_type="application/json")

    if settings.page:
        add_built_page(app, settings, built_page, _START, provider)
    else:
        app.add_route("/", start)
    app.add_route("/docs", docs)
    app.add_route("/openapi.json", openapi)
    for name in _SWAGGER_FILES:
        app.add_route(f"/docs/{name}", _file(_FILES / name))


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def send(_: Request) -> Response:
        return FileResponse(path)

    return send
