"""`bottrading mcp --print-config`: the configuration that it prints starts the server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.clients.mcp.conftest import Agent
from tests.support.process import free_port

ROOT = Path(__file__).parents[3]

COMMAND = [sys.executable, "-m", "server", "mcp"]


@pytest.mark.parametrize(
    ("given", "known"),
    [(["--print-config"], "mcpServers"), (["--read-only", "--print-config", "servers"], "servers")],
)
async def test_the_printed_configuration_starts_the_server(
    environment: dict[str, str], given: list[str], known: str
) -> None:
    snippet = printed(given, environment)[known]["bottrading"]
    assert snippet.pop("type", "stdio") == "stdio"

    async with Client(StdioServerParameters(**snippet)) as connection:
        content, _ = await Agent(connection)("get_bot_account")
        tools = {tool.name for tool in (await connection.list_tools()).tools}
    assert content["account"]["balance"] == "100000.00"
    assert ("place_order" in tools) is ("--read-only" not in given)


async def test_a_module_of_the_directory_where_it_is_started_does_not_get_the_key(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "bottrading_client.py").write_text("raise SystemExit")
    snippet = printed(["--print-config"], environment)["mcpServers"]["bottrading"]

    async with Client(StdioServerParameters(**snippet, cwd=tmp_path)) as connection:
        await Agent(connection)("get_bot_account")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("[::1]:8091", "http://[::1]:8091/mcp"),
        ("::1:8091", "http://[::1]:8091/mcp"),
        ("localhost:8091", "http://localhost:8091/mcp"),
    ],
)
def test_the_printed_url_is_one(environment: dict[str, str], address: str, url: str) -> None:
    snippet = printed(["--http", address, "--print-config"], environment)

    assert snippet["mcpServers"]["bottrading"] == {"type": "http", "url": url}


def test_the_readme_shows_what_is_printed(
    environment: dict[str, str],
) -> None:
    readme = (ROOT / "clients/mcp/README.md").read_text()
    shown = json.loads(re.findall(r"```json\n(.*?)```", readme, re.DOTALL)[0])
    snippet = printed(["--print-config"], environment)
    server = snippet["mcpServers"]["bottrading"]
    server["command"] = "/path/to/bottrading/.venv/bin/python"
    server["env"] |= {"BOTTRADING_TARGET": "127.0.0.1:50051", "BOTTRADING_BOT_KEY": "tvt_…"}

    assert shown == snippet


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "pass a bot key, or set BOTTRADING_BOT_KEY"),
        ("tvt_x", "missing, malformed, unknown or revoked"),
        ('{"type":"authentication_error"}', "missing, malformed, unknown or revoked"),
    ],
)
def test_no_configuration_is_printed_for_a_key_that_opens_nothing(
    environment: dict[str, str], key: str, told: str
) -> None:
    done = subprocess.run(
        [*COMMAND, "--print-config"],
        env=os.environ | environment | {"BOTTRADING_BOT_KEY": key},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"bottrading-mcp: .*{told}.*\n", done.stderr)


def test_no_configuration_is_printed_while_no_service_can_say_whether_the_key_is_good(
    environment: dict[str, str],
) -> None:
    target = f"127.0.0.1:{free_port()}"
    done = subprocess.run(
        [*COMMAND, "--print-config"],
        env=os.environ | environment | {"BOTTRADING_TARGET": target},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(f"bottrading-mcp: .*{target}.*\n", done.stderr)


def printed(given: list[str], environment: dict[str, str]) -> Any:
    command = [*COMMAND, *given]
    return json.loads(subprocess.check_output(command, env=os.environ | environment, cwd=ROOT))
