"""An agent: the official MCP client, connected to a server in this process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from mcp import Client

from bottrading_client import AsyncBotTradingClient
from bottrading_mcp import build_server
from tests.support.process import Process, make_key


class Clock:
    """A manual clock in seconds."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Agent:
    """Calls tools as an agent does."""

    def __init__(self, connection: Client) -> None:
        self.connection = connection

    async def __call__(self, tool: str, **arguments: Any) -> tuple[Any, str]:
        """Call a tool that succeeds; return its structured content and its text."""
        result = await self.connection.call_tool(tool, arguments)
        [content] = result.content
        assert not result.is_error, content
        assert content.type == "text"
        assert result.structured_content is not None
        return result.structured_content, content.text

    async def refused(self, tool: str, **arguments: Any) -> str:
        """Call a tool that fails; return the text for the agent."""
        result = await self.connection.call_tool(tool, arguments)
        [content] = result.content
        assert result.is_error
        assert content.type == "text"
        assert result.structured_content is None
        return content.text


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    directory = tmp_path_factory.mktemp("service") / "data"
    with Process(directory, requests_per_minute="10000", person_requests_per_minute="0") as service:
        yield service


@pytest.fixture
def environment(service: Process, request: pytest.FixtureRequest) -> dict[str, str]:
    key = make_key(service, f"agent {abs(hash(request.node.name))}")
    return {"BOTTRADING_TARGET": service.grpc, "BOTTRADING_BOT_KEY": key}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def agent(client: AsyncBotTradingClient, clock: Clock) -> AsyncIterator[Agent]:
    connected = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def hold() -> None:
        async with Client(build_server(client, clock=clock)) as connection:
            connected.set_result(Agent(connection))
            await over.wait()

    # The task that opened a connection must close it, which fixtures do not guarantee.
    holding = asyncio.create_task(hold())
    yield await connected
    over.set()
    await holding
