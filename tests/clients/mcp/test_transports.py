"""The command as clients start it: the official client drives every tool over stdio and HTTP."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, StdioServerParameters

from bottrading_client import AsyncBotTradingClient, BotTradingClient
from tests.clients.mcp.conftest import Agent
from tests.support.process import free_port

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "server", "mcp"]
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPTS = {"Accept": "application/json, text/event-stream"}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type, mcp-protocol-version",
}


async def test_every_tool_is_driven_over_stdio(environment: dict[str, str]) -> None:
    started = StdioServerParameters(
        command=COMMAND[0], args=COMMAND[1:], cwd=ROOT, env=os.environ | environment
    )
    async with Client(started) as connection:
        await drive_every_tool(connection)


async def test_every_tool_is_driven_over_http(environment: dict[str, str]) -> None:
    async with serving_http(environment) as url, Client(url) as connection:
        await drive_every_tool(connection)


async def drive_every_tool(connection: Client) -> None:
    agent, left = Agent(connection), {tool.name for tool in (await connection.list_tools()).tools}

    async def call(tool: str, **arguments: Any) -> Any:
        left.discard(tool)
        return (await agent(tool, **arguments))[0]

    waiting = {"order_type": "LIMIT", "limit_price": 1}
    buy = {"symbol": "AAPL", "side": "BUY", "quantity": 1}
    assert (await call("preview_order", **buy))["preview"]["order"]["status"] == "FILLED"
    filled = (await call("place_order", **buy))["order"]
    live = (await call("place_order", **buy, **waiting))["order"]
    assert (await call("wait_for_order", order_id=filled["id"]))["order"]["status"] == "FILLED"
    assert (await call("get_order", order_id=live["id"]))["order"]["status"] == "OPEN"
    replaced = await call("replace_order", order_id=live["id"], limit_price="2")
    assert replaced["order"]["limit_price"] == "2.00000000"
    assert (await call("cancel_order", order_id=live["id"]))["order"]["status"] == "CANCELLED"
    assert (await call("cancel_all_orders"))["orders"] == []
    assert (await call("get_leaderboard"))["leaderboard"]["entries"] is not None
    assert len((await call("get_orders"))["orders"]) == 2
    assert (await call("get_portfolio"))["portfolio"]["positions"][0]["symbol"] == "AAPL"
    assert (await call("get_trading_kpi"))["kpi"]["total_trades"] == 0
    assert (await call("get_bot_account"))["account"]["environment"] == "SIMULATED"
    assert (await call("get_quote", symbol="BTC-USD"))["quote"]["stale"] is False
    assert (await call("find_instruments", query="BTC"))["instruments"]
    assert (await call("get_bars", symbol="AAPL", interval="1d"))["bars"]
    assert (await call("get_limits"))["limits"]["orders"]["remaining"] == 17
    assert (await call("close_position", symbol="AAPL"))["order"]["status"] == "FILLED"
    left.discard("advance_clock")
    assert (await agent.refused("advance_clock")).startswith("MARKET_NOT_STEPPED: ")
    assert not left


@asynccontextmanager
async def serving_http(environment: dict[str, str], *options: str) -> AsyncIterator[str]:
    """Run `bottrading mcp --http`; yield its URL, and see it end at SIGTERM with clients there."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [*COMMAND, "--http", address, *options],
        env=os.environ | environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == f"http://{address}/mcp\n"
        yield f"http://{address}/mcp"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


async def test_over_http_it_ends_at_sigterm_though_a_client_stays(
    environment: dict[str, str],
) -> None:
    async with serving_http(environment) as url, httpx.AsyncClient() as http:
        stream = await http.send(http.build_request("GET", url, headers=ACCEPTS), stream=True)
        assert stream.status_code == 200


async def test_over_http_no_client_leaves_anything_behind(environment: dict[str, str]) -> None:
    key, target = environment["BOTTRADING_BOT_KEY"], environment["BOTTRADING_TARGET"]
    async with serving_http(environment) as url, AsyncBotTradingClient(key, target) as bot:
        waiting = await bot.place_order("AAPL", "BUY", 1, order_type="LIMIT", limit_price=1)
        wait = {"name": "wait_for_order", "arguments": {"order_id": waiting.id}}
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": wait}
        async with httpx.AsyncClient() as leaving:
            opened = await leaving.post(url, json=INITIALIZE, headers=ACCEPTS)
            asking = asyncio.create_task(leaving.post(url, json=call, headers=ACCEPTS))
            async with asyncio.timeout(20):
                while not (await bot.limits()).streams.used:
                    assert not asking.done()
            asking.cancel()

        assert "mcp-session-id" not in opened.headers
        async with asyncio.timeout(20):
            while (await bot.limits()).streams.used:
                pass


@pytest.mark.parametrize(
    ("headers", "status", "told"),
    [
        ({"Host": "evil.example"}, 421, "BOTTRADING_HOSTS"),
        ({"Host": "localhost.evil.example:8090"}, 421, "BOTTRADING_HOSTS"),
        ({"Origin": "http://evil.example"}, 403, "--origin"),
        ({"Origin": "http://localhost:6274"}, 403, "--origin"),
        ({"Origin": "null"}, 403, "--origin"),
        ({"Host": "localhost", "Origin": "http://127.0.0.1:3000"}, 403, "--origin"),
    ],
)
async def test_a_page_of_elsewhere_cannot_trade(
    environment: dict[str, str], headers: dict[str, str], status: int, told: str
) -> None:
    async with serving_http(environment) as url, httpx.AsyncClient() as http:
        answer = await http.post(url, json=LIST_TOOLS, headers=ACCEPTS | headers)
        preflight = await http.options(url, headers=headers | PREFLIGHT)

    assert answer.status_code == preflight.status_code == status
    assert told in answer.text
    assert "access-control-allow-origin" not in preflight.headers


async def test_a_page_and_a_name_that_are_told_are_served(environment: dict[str, str]) -> None:
    page = "http://localhost:6274"
    names = {"BOTTRADING_HOSTS": "agent.example, other.example"}
    async with (
        serving_http(environment | names, "--origin", page) as url,
        httpx.AsyncClient() as http,
    ):
        headers = {"Origin": page, "Host": "Agent.example:80"}
        preflight = await http.options(url, headers=headers | PREFLIGHT)
        answer = await http.post(url, json=LIST_TOOLS, headers=ACCEPTS | headers)
        own = {"Origin": url.removesuffix("/mcp")}
        same = await http.post(url, json=LIST_TOOLS, headers=ACCEPTS | own)

    assert preflight.headers["access-control-allow-origin"] == page
    assert answer.headers["access-control-allow-origin"] == page
    assert [it.status_code for it in (preflight, answer, same)] == [200, 200, 200]
    assert "place_order" in answer.text


def test_over_stdio_it_ends_with_its_client(environment: dict[str, str]) -> None:
    done = subprocess.run(
        COMMAND,
        env=os.environ | environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        timeout=20,
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_over_stdio_it_ends_at_a_signal_though_its_client_stays(
    environment: dict[str, str], number: signal.Signals
) -> None:
    with talking(environment) as process:
        process.send_signal(number)

        assert process.wait(20) == -number
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_over_stdio_it_ends_without_complaint_when_its_client_is_gone_in_the_middle_of_a_call(
    environment: dict[str, str],
) -> None:
    key, target = environment["BOTTRADING_BOT_KEY"], environment["BOTTRADING_TARGET"]
    with BotTradingClient(key, target) as bot:
        waiting = bot.place_order("AAPL", "BUY", 1, order_type="LIMIT", limit_price=1)
        with talking(environment) as process:
            say(process, "tools/call", name="wait_for_order", arguments={"order_id": waiting.id})
            while not bot.limits().streams.used:
                pass
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            process.stdin.close()

            assert process.stderr.read() == ""
            assert process.wait(20) == 0


@contextmanager
def talking(environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run `bottrading mcp`; yield it when it has answered over its pipes."""
    process = subprocess.Popen(
        COMMAND,
        env=os.environ | environment,
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stdout is not None
            say(process, INITIALIZE["method"], **INITIALIZE["params"])
            assert json.loads(process.stdout.readline())["id"] == 1
            yield process
        finally:
            process.kill()


def say(process: "subprocess.Popen[str]", method: str, **params: Any) -> None:
    """Ask for something in one line."""
    assert process.stdin is not None
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    process.stdin.write(f"{json.dumps(message)}\n")
    process.stdin.flush()


def test_an_address_that_is_taken_is_said_to_be(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [*COMMAND, "--http", address],
            env=os.environ | environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    assert done.returncode == 2
    assert "Address already in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "pass a bot key, or set BOTTRADING_BOT_KEY"),
        (["--http", "0.0.0.0:8090"], "0.0.0.0 is not one of 127.0.0.1, ::1"),
        (
            ["--http", "127.0.0.2:8090"],
            "127.0.0.2 is not one of 127.0.0.1, ::1",
        ),
        (["--origin", "localhost:6274"], "localhost:6274 is not an origin such as"),
        (["--http", "8090x"], "8090x is not HOST:PORT"),
        (["--http", "8090"], "8090 is not HOST:PORT"),
        (["--http", "127.0.0.1:65536"], "127.0.0.1:65536 is not HOST:PORT"),
        (["--nothing"], "unrecognized arguments: --nothing"),
    ],
)
def test_what_is_missing_is_said_in_words(given: list[str], told: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BOTTRADING")}
    done = subprocess.run(
        [*COMMAND, *given],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
