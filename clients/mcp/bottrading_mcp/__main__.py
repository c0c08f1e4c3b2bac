"""The command `bottrading-mcp`: serves the tools over stdio, or over HTTP on this machine."""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
from anyio import BrokenResourceError
from mcp.server.mcpserver import MCPServer

from bottrading_client import AsyncBotTradingClient, BotTradingClient, BotTradingError
from bottrading_mcp.server import build_server

HTTP_DEFAULT = "127.0.0.1:8090"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""The hosts whose pages the server tells from those of elsewhere."""
PORT_MAX = 65_535
SHUTDOWN_SECONDS = 2
USAGE_ERROR = 2
VARIABLES = {"BOTTRADING_TARGET": "127.0.0.1:50051", "BOTTRADING_BOT_KEY": "tvt_…"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what is missing is one line on standard error and exit status 2."""
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
        epilog="BOTTRADING_BOT_KEY is the bot key, BOTTRADING_TARGET the gRPC server,"
        f" {VARIABLES['BOTTRADING_TARGET']} when unset.",
    )
    parser.add_argument(
        "--http", metavar="HOST:PORT", nargs="?", const=HTTP_DEFAULT, type=_loopback,
        help=f"serve streamable HTTP under /mcp instead, on this machine [{HTTP_DEFAULT}]",
    )  # fmt: skip
    parser.add_argument("--read-only", action="store_true", help="leave out the tools that trade")
    parser.add_argument(
        "--print-config", choices=("mcpServers", "servers"), nargs="?", const="mcpServers",
        help="print what starts this server, for most clients or (servers) for VS Code, and end",
    )  # fmt: skip
    return parser


def _loopback(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isdecimal() and 0 < int(port) <= PORT_MAX):
        raise argparse.ArgumentTypeError(f"{address} is not HOST:PORT")
    if host not in LOOPBACK:
        raise argparse.ArgumentTypeError(
            f"{host} is beyond this machine's {', '.join(LOOPBACK)}: whoever reaches it could trade"
            " with your key"
        )
    return host, int(port)


async def _serve(options: argparse.Namespace) -> None:
    async with AsyncBotTradingClient() as client:
        server = build_server(client, read_only=options.read_only)
        if options.http is None:
            await _serve_stdio(server)
            return
        host, port = options.http
        config = uvicorn.Config(
            server.streamable_http_app(host=host), log_level="critical",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )  # fmt: skip
        with socket.create_server((host, port), family=_family(host)) as listening:
            print(_url(host, port), file=sys.stderr, flush=True)
            await uvicorn.Server(config).serve([listening])


async def _serve_stdio(server: MCPServer) -> None:
    # Nothing else interrupts the thread that reads standard input.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        await server.run_stdio_async()
    except* (BrokenPipeError, BrokenResourceError):
        """The client is gone: nobody is left to answer."""


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/mcp" if ":" in host else f"http://{host}:{port}/mcp"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _config(options: argparse.Namespace) -> dict[str, Any]:
    """Return the snippet that a client's configuration takes.

    The one with a key is for a key that the service knows: else the client could not tell why
    its agent can do nothing.
    """
    if options.http is not None:
        return {options.print_config: {"bottrading": {"type": "http", "url": _url(*options.http)}}}
    with BotTradingClient() as client:
        client.account()
    server: dict[str, Any] = {"type": "stdio"} if options.print_config == "servers" else {}
    server |= {
        "command": sys.executable,
        # -P: a module in the directory where a client starts it would get the key.
        "args": ["-P", "-m", "bottrading_mcp", *(["--read-only"] if options.read_only else [])],
        "env": {name: os.environ.get(name) or default for name, default in VARIABLES.items()},
    }
    return {options.print_config: {"bottrading": server}}


if __name__ == "__main__":
    main()
