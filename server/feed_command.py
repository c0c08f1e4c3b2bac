"""The command `bottrading feed`: live prices for a running service, until it is stopped."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial

from rest_bridge.log_lines import formatter
from server.config import Settings
from server.credentials import feed_token
from server.key_commands import service_socket
from server.processes.feeding import FeedProcess, expect_package

STOP_SECONDS_MAX = 5.0


def run(settings: Settings, source: str, symbols: Sequence[str]) -> None:
    """Feed the service of a data directory; return when the source has ended, or at a signal.

    Raises SettingsError and ServiceFailed, each with one line.
    """
    expect_package()
    target = f"unix:{service_socket(settings)}"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(settings.log_format, "feed", sys.stderr))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    feed = FeedProcess(
        settings, target, nullcontext, partial(feed_token, settings), source=source, symbols=symbols
    )
    asyncio.run(_run(feed))


async def _run(feed: FeedProcess) -> None:
    loop, running = asyncio.get_running_loop(), asyncio.ensure_future(feed.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await running
    finally:
        feed.terminate()
        await feed.stop(STOP_SECONDS_MAX)
