"""Fixtures: one bridge for all tests that need no special limits, and clients for it."""

from collections.abc import Callable, Iterator

import grpc.aio
import httpx
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.rest.support import BOT_KEY, PREFIX, House, RunningBridge, ServerDouble


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


@pytest.fixture(scope="session")
def shared_server() -> ServerDouble:
    return ServerDouble()


@pytest.fixture(scope="session")
def health_servicer() -> health.aio.HealthServicer:
    return health.aio.HealthServicer()


@pytest.fixture(scope="session")
def target(
    house: House, shared_server: ServerDouble, health_servicer: health.aio.HealthServicer
) -> Iterator[str]:
    async def start() -> tuple[grpc.aio.Server, int]:
        server = grpc.aio.server()
        health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
        server.add_generic_rpc_handlers((shared_server,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    server, port = house.run(start())
    yield f"127.0.0.1:{port}"
    house.run(server.stop(None))


@pytest.fixture(scope="session")
def shared_bridge(house: House, target: str) -> Iterator[RunningBridge]:
    bridge = house.bridge(target=target)
    yield bridge
    bridge.close()


@pytest.fixture(scope="session")
def strict_bridge(house: House, target: str) -> Iterator[RunningBridge]:
    """A bridge whose limits of time are short enough to be waited for."""
    bridge = house.bridge(
        target=target,
        request_deadline_seconds=0.3,
        linger_seconds=0.3,
        upstream_deadline_seconds=0.2,
        unread_answer_seconds=0.5,
        keep_alive_seconds=1,
        cors_origins=("https://app.example",),
    )
    yield bridge
    bridge.close()


@pytest.fixture
def server(shared_server: ServerDouble) -> ServerDouble:
    shared_server.reset()
    return shared_server


@pytest.fixture
def bridge(shared_bridge: RunningBridge, server: ServerDouble) -> RunningBridge:
    return shared_bridge


@pytest.fixture(scope="session")
def connections(shared_bridge: RunningBridge) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shared_bridge.url + PREFIX, verify=False) as client:
        yield client


@pytest.fixture
def client(connections: httpx.Client, server: ServerDouble) -> httpx.Client:
    """A client that shows a bot key and calls below the public prefix."""
    connections.headers.update(BOT_KEY)
    return connections


@pytest.fixture
def stranger(connections: httpx.Client, server: ServerDouble) -> httpx.Client:
    """A client that shows no credential."""
    connections.headers.pop("X-Bot-Key", None)
    return connections


@pytest.fixture
def set_health(
    house: House, health_servicer: health.aio.HealthServicer, target: str
) -> Callable[[str], None]:
    def set_status(name: str) -> None:
        value = health_pb2.HealthCheckResponse.ServingStatus.Value(name)
        house.run(health_servicer.set("", value))

    return set_status
