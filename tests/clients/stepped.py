"""Lock-step replays of a few days for tests of clients, as processes and in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.process import Process
from tests.support.venue import Venue

DAYS = 8
STEP_SECONDS = 60.0
LOOKS_A_STEP = 100
"""How often a venue in this process looks for what is due until a bot is late."""

NewVenue = Callable[..., AbstractAsyncContextManager[Venue]]


def bars(folder: Path) -> Path:
    """Write a file of daily bars, of BTC-USD on one day less than of AAPL."""
    lines = ["time,symbol,open,high,low,close,volume"]
    for day in range(2, 2 + DAYS):
        price = 100 + 7 * (day % 3)
        lines.append(f"2025-01-{day:02},AAPL,{price},{price + 4},{price - 4},{price + 2},90000")
        if day != 4:
            lines.append(f"2025-01-{day:02},BTC-USD,{price},{price + 9},{price - 9},{price},90")
    path = folder / "bars.csv"
    path.write_text("\n".join(lines))
    return path


def options(folder: Path, participants: int = 1) -> dict[str, Any]:
    return {
        "market": "replay",
        "replay_file": str(bars(folder)),
        "replay_clock": "step",
        "step_participants": str(participants),
        "sessions": "always-open",
        "fees": "none",
        "slippage": "none",
    }


def replay(folder: Path, participants: int = 1) -> Process:
    """Return the service as its operator runs it."""
    return Process(folder / "data", **options(folder, participants))


@asynccontextmanager
async def kept_going(folder: Path, participants: int) -> AsyncIterator[Venue]:
    """Run a venue whose real time passes only while its engine works."""
    given = options(folder, participants)
    venue = await Venue.start(folder, **given, step_timeout=STEP_SECONDS)

    async def keep_time() -> None:
        while True:
            venue.pass_time(seconds=STEP_SECONDS / LOOKS_A_STEP)
            await asyncio.sleep(0.001)

    keeping = asyncio.create_task(keep_time())
    try:
        yield venue
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await venue.stop()
