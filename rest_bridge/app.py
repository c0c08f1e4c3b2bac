"""The bridge as a FastAPI application: the transcoded routes, health, and the pages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from rest_bridge import replies
from rest_bridge.bridge import Bridge
from rest_bridge.built_page import BUILT_PAGE
from rest_bridge.errors import method_not_allowed, route_not_found
from rest_bridge.event_stream import EventStreams
from rest_bridge.headers import read_head
from rest_bridge.host_check import HostCheck
from rest_bridge.hosts import Hosts
from rest_bridge.identity_provider import IdentityProvider
from rest_bridge.limits import LingeringClose
from rest_bridge.openapi import openapi_document
from rest_bridge.page_sign_in import add_sign_in
from rest_bridge.pages import add_pages
from rest_bridge.routes import PREFIXES, contract_routes
from rest_bridge.settings import Settings
from rest_bridge.upstream import Upstream


def create_app(settings: Settings, built_page: Path = BUILT_PAGE) -> FastAPI:
    """Compose the application; channels open when it starts and close when it ends."""
    routes = contract_routes()
    upstream = Upstream(settings)
    streams = EventStreams(upstream, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await upstream.open()
        try:
            yield
        finally:
            await upstream.close()

    async def healthz(_: Request) -> Response:
        return Response(status_code=200)

    async def readyz(_: Request) -> Response:
        ready = await upstream.readiness()
        told: dict[str, object] = {"ready": ready.is_serving}
        if ready.quotes:
            told["quotes"] = ready.quotes
        # Stale quotes do not make the service unready: it reads, cancels and takes orders that
        # wait, and no other instance would have a better feed.
        return JSONResponse(told, status_code=200 if ready.is_serving else 503)

    app = FastAPI(redirect_slashes=False, openapi_url=None, lifespan=lifespan)
    app.add_route("/healthz", healthz)
    app.add_route("/readyz", readyz)
    provider = None
    if settings.page and settings.oidc_issuer:
        provider = IdentityProvider(settings.oidc_issuer, settings.oidc_client_id)
        add_sign_in(app, settings, provider, upstream)
    add_pages(app, openapi_document(routes, PREFIXES), settings, built_page, provider)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_middleware(
        Bridge,
        routes=routes,
        prefixes=PREFIXES,
        upstream=upstream,
        streams=streams,
        settings=settings,
    )
    app.state.streams, app.state.provider = streams, provider
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=("*",),
            expose_headers=replies.EXPOSED_HEADERS,
        )
    app.add_middleware(HostCheck, hosts=Hosts(settings.hosts, listens_at=settings.rest_address[0]))
    app.add_middleware(LingeringClose, linger_seconds=settings.linger_seconds)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    """Answer a request without a route, in the shape of every refusal."""
    allow = (
        error.headers.get("Allow") if isinstance(error, HTTPException) and error.headers else None
    )
    refused = (
        route_not_found()
        if allow is None
        else method_not_allowed((b"allow", allow.encode("ascii")))
    )
    reply = replies.refusal(refused, read_head(request.scope["headers"]).request_id)
    response = Response(reply.body, status_code=reply.status)
    response.raw_headers = reply.headers
    return response
