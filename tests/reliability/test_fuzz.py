"""Thousands of hostile inputs over gRPC and REST: all are answered or refused without a fault.

An input that fails is told with its bytes; the seed makes the same inputs again.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from bottrading.v1 import bot_trading_pb2, market_data_pb2
from rest_bridge.routes import PREFIXES, Route, contract_routes
from server.config import Settings
from server.wire.contract import Credential, methods
from tests.reliability.hostile import SYMBOLS, Hostile
from tests.support.audit import audit
from tests.support.process import Process, make_key
from tests.support.sign_in import link_token

INPUTS = int(os.environ.get("SOAK_INPUTS", "1500"))
AT_ONCE = 16
SEED = 1
SETTLED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""The allowed statuses: not INTERNAL, UNKNOWN, UNAVAILABLE or DEADLINE_EXCEEDED."""

METHODS = [method for method in methods() if not method.streams]
CREDENTIAL_OF = {method.path: method.credential for method in methods()}
STREAMS = ("/order-updates", "/quote-updates")
LIMITS: dict[str, Any] = {
    "orders_per_minute": "0",
    "requests_per_minute": "0",
    "person_requests_per_minute": "0",
    "market": "published",
    "initial_balance": "900000000.00",
    "log_calls": "false",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Process]:
    """Run a service on a published market; at its end its books must agree with their logs."""
    with Process(tmp_path / "data", rest=True, **LIMITS) as service:
        yield service
        children = service.children()
        assert service.stop() == 0
    assert len(children) == 2, "a process ended"
    assert "Traceback" not in service.log.read_text()
    audit(tmp_path / "data")


class Credentials(dict[Credential, tuple[str, str]]):
    """A header by credential. The token of a sign-in link works once, so each is a new one."""

    settings: Settings

    def __missing__(self, credential: Credential) -> tuple[str, str]:
        assert credential is Credential.SIGN_IN_TOKEN
        token = link_token(self.settings, "eve")
        return "authorization", f"Bearer {token}"


@pytest.fixture
def credentials(service: Process) -> Credentials:
    """Return a header by credential."""
    operator = service.token("ada", "--operator", "--plan", "Professional")
    key = ("x-bot-key", make_key(service))
    bearer = ("authorization", f"Bearer {operator}")
    made = {
        Credential.BOT_KEY: key,
        Credential.BOT_KEY_OR_TICKET: key,
        Credential.BOT_KEY_OR_USER_TOKEN: key,
        Credential.USER_TOKEN: bearer,
        Credential.OPERATOR_TOKEN: bearer,
    }
    credentials = Credentials(made)
    credentials.settings = Settings(data_dir=service.data_dir)
    return credentials


async def gathered(send: Callable[[], Awaitable[None]]) -> None:
    """Send as many inputs as are wanted, some at once."""
    left = iter(range(INPUTS))

    async def some() -> None:
        for _ in left:
            await send()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())


@pytest.fixture
async def channel(service: Process) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(service.grpc) as opened:
        yield opened


@pytest.mark.timeout(60 + INPUTS // 50)
async def test_no_message_is_an_internal_error(
    service: Process,
    channel: grpc.aio.Channel,
    credentials: Credentials,
) -> None:
    hostile, codes = Hostile(SEED), Counter[grpc.StatusCode]()
    calls: dict[str, Any] = {
        method.path: channel.unary_unary(
            method.path, request_serializer=None, response_deserializer=None
        )
        for method in METHODS
    }
    turn = iter(range(INPUTS))
    await publish(channel, credentials)

    async def send() -> None:
        method = METHODS[next(turn) % len(METHODS)]
        path, credential = method.path, method.credential
        assert credential is not None, f"{path} is open to nobody"
        body = hostile.body(method.request_type.DESCRIPTOR)
        metadata = (credentials[credential],)
        try:
            answer = await calls[path](body, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            codes[error.code()] += 1
            if error.code() not in SETTLED:
                pytest.fail(f"{path} {body.hex()}: {error.code()} {error.details()}")
            return
        codes[grpc.StatusCode.OK] += 1
        if path.endswith("/PlaceOrder"):
            learn(hostile, bot_trading_pb2.PlaceOrderResponse.FromString(answer).order.id)

    await gathered(send)
    assert codes.total() == INPUTS
    # Inputs that are refused early test nothing, so many must get through.
    assert codes[grpc.StatusCode.OK] > INPUTS / 10, codes


@pytest.mark.timeout(60 + INPUTS // 50)
async def test_no_body_and_no_query_is_an_error_of_the_server(
    service: Process,
    channel: grpc.aio.Channel,
    credentials: Credentials,
) -> None:
    hostile, statuses = Hostile(SEED), Counter[int]()
    routes = [route for route in contract_routes() if not route.path.endswith(STREAMS)]
    turn = iter(range(INPUTS))
    await publish(channel, credentials)

    async def send() -> None:
        route = routes[next(turn) % len(routes)]
        url, body = request_of(hostile, route)
        credential = CREDENTIAL_OF[route.rpc]
        assert credential is not None, f"{route.rpc} is open to nobody"
        answer = await http.request(
            route.verb, url, content=body, headers=dict([credentials[credential]])
        )
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, f"{route.verb} {url} {body!r}: {answer.text}"
        json.loads(answer.content)
        if answer.status_code == 201 and route.rpc.endswith("/PlaceOrder"):
            learn(hostile, answer.json()["id"])

    async with httpx.AsyncClient(
        base_url=f"http://{service.rest}{PREFIXES[0]}",
        timeout=30,
        limits=httpx.Limits(max_connections=AT_ONCE),
    ) as http:
        await gathered(send)
    assert statuses.total() == INPUTS
    assert statuses[200] + statuses[201] > INPUTS / 10, statuses


def request_of(hostile: Hostile, route: Route) -> tuple[str, bytes]:
    """Return a URL and a body for a route."""
    descriptor, path = route.method.input_type, route.path
    for name in route.parameters:
        path = path.replace("{" + name + "}", hostile.segment(name))
    if route.takes_body:
        return path, hostile.json(descriptor, route.parameters)
    query = hostile.query(descriptor, route.parameters)
    return f"{path}?{query}" if query else path, b""


def learn(hostile: Hostile, name: str) -> None:
    """Let some of the next inputs name an order that there is."""
    if len(hostile.known) < 200:
        hostile.known.append(name)


async def publish(channel: grpc.aio.Channel, credentials: Credentials) -> None:
    """Give every instrument a quote, so that orders fill."""
    request = market_data_pb2.PublishQuotesRequest()
    for symbol in SYMBOLS:
        request.quotes.add(symbol=symbol, bid="100", ask="100.01", bid_size="5", ask_size="5")
    call: Any = channel.unary_unary("/bottrading.v1.MarketData/PublishQuotes")
    await call(request.SerializeToString(), metadata=(credentials[Credential.OPERATOR_TOKEN],))


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not for this machine")
@pytest.mark.parametrize("kind", ["json", "protobuf"])
@pytest.mark.timeout(60 + INPUTS // 20)
def test_no_input_that_is_guided_by_the_code_is_an_internal_error(
    tmp_path: Path, kind: str
) -> None:
    command = [sys.executable, "-m", "tests.reliability.guided", kind, str(tmp_path)]
    options = [f"-runs={INPUTS}", f"-seed={SEED}", "-max_len=1000"]
    done = subprocess.run(
        [*command, *options, f"-artifact_prefix={tmp_path}/"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-5_000:]
    assert f"Done {INPUTS} runs" in done.stderr
