"""The command `bottrading-mcp`: serves the tools over stdio, or over HTTP on this machine."""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from anyio import BrokenResourceError
from mcp.server.mcpserver import MCPServer

from bottrading_client import AsyncBotTradingClient, BotTradingClient, BotTradingError
from bottrading_mcp.http import (
    HOSTS_VARIABLE,
    http_server,
    listen,
    loopback_address,
    origin,
    url,
)
from bottrading_mcp.server import build_server

HTTP_DEFAULT = "127.0.0.1:8090"
USAGE_ERROR = 2
VARIABLES = {"BOTTRADING_TARGET": "127.0.0.1:50051", "BOTTRADING_BOT_KEY": "tvt_…"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a missing setting is one line on standard error and exit status 2."""
    options = _parser().parse_args(arguments)
    try:
        if options.print_config:
            print(json.dumps(_config(options), indent=2, ensure_ascii=False))
        else:
            asyncio.run(_serve(options))
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError, BotTradingError) as error:
        print(f"bottrading-mcp: {error}", file=sys.stderr)
        sys.exit(USAGE_ERROR)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bottrading mcp",
        description="Serve the tools of BotTrading to an AI agent, over stdio.",
        epilog="BOTTRADING_BOT_KEY is the bot key. BOTTRADING_TARGET is the gRPC server,"
        f" by default {VARIABLES['BOTTRADING_TARGET']}. {HOSTS_VARIABLE} lists the host names that"
        " --http accepts besides localhost.",
    )
    parser.add_argument(
        "--http",
        metavar="HOST:PORT",
        nargs="?",
        const=HTTP_DEFAULT,
        type=loopback_address,
        help=f"serve streamable HTTP under /mcp instead, on this machine [{HTTP_DEFAULT}]",
    )
    parser.add_argument(
        "--origin",
        action="append",
        type=origin,
        default=[],
        help="with --http, accept pages of this origin, such as http://localhost:6274; repeatable",
    )
    parser.add_argument("--read-only", action="store_true", help="leave out the tools that trade")
    parser.add_argument(
        "--print-config",
        choices=("mcpServers", "servers"),
        nargs="?",
        const="mcpServers",
        help="print the entry for a client's configuration, for VS Code with `servers`, and exit",
    )
    return parser


async def _serve(options: argparse.Namespace) -> None:
    async with AsyncBotTradingClient() as client:
        server = build_server(client, read_only=options.read_only)
        if options.http is None:
            await _serve_stdio(server)
            return
        host, port = options.http
        with listen(host, port) as listening:
            print(url(host, port), file=sys.stderr, flush=True)
            await http_server(server, host, port, options.origin).serve([listening])


async def _serve_stdio(server: MCPServer) -> None:
    # Nothing else can interrupt the thread that reads standard input.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        await server.run_stdio_async()
    except* (BrokenPipeError, BrokenResourceError):
        """The client is gone."""


def _config(options: argparse.Namespace) -> dict[str, Any]:
    """Return the snippet for a client's configuration.

    A snippet with a key is printed only for a key that the service accepts. With a wrong key, the
    agent could do nothing and the client could not say why.
    """
    if options.http is not None:
        return {options.print_config: {"bottrading": {"type": "http", "url": url(*options.http)}}}
    with BotTradingClient() as client:
        client.account()
    server: dict[str, Any] = {"type": "stdio"} if options.print_config == "servers" else {}
    server |= {
        "command": sys.executable,
        # -P: without it, a module in the client's working directory could be imported and get the
        # key.
        "args": ["-P", "-m", "bottrading_mcp", *(["--read-only"] if options.read_only else [])],
        "env": {name: os.environ.get(name) or default for name, default in VARIABLES.items()},
    }
    return {options.print_config: {"bottrading": server}}


if __name__ == "__main__":
    main()
