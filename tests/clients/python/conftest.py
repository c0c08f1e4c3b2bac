"""A bot that makes calls with a client of either kind."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bottrading_client import AsyncBotTradingClient, BotTradingClient
from tests.support.venue import Bot, Venue

Make = Callable[..., Any]


@pytest.fixture(params=["asyncio", "synchronous"])
async def make(
    request: pytest.FixtureRequest, quoted: Venue, bot: Bot, client: AsyncBotTradingClient
) -> AsyncIterator[Make]:
    """Make a call of a bot by its name, with a client of either kind; listings become lists."""
    if request.param == "asyncio":

        async def make(name: str, *given: Any, **named: Any) -> Any:
            made = getattr(client, name)(*given, **named)
            return await made if inspect.isawaitable(made) else [item async for item in made]

        yield make
        return
    with BotTradingClient(bot.key, quoted.address) as synchronous:

        def call(name: str, *given: Any, **named: Any) -> Any:
            made = getattr(synchronous, name)(*given, **named)
            return list(made) if inspect.isgenerator(made) else made

        async def make_in_a_thread(name: str, *given: Any, **named: Any) -> Any:
            return await asyncio.to_thread(call, name, *given, **named)

        yield make_in_a_thread
