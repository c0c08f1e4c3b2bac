"""Readers that leave while a message is on its way: the server logs nothing."""

import asyncio
import logging

import pytest
from grpc.aio import InternalError

from server.rpc.open_stream import OpenStream
from tests.support.streams import stream_call, until
from tests.support.venue import VenueFactory

STREAMS = 200


async def test_readers_that_leave_at_any_moment_are_no_fault(
    start_venue: VenueFactory, caplog: pytest.LogCaptureFixture
) -> None:
    venue = await start_venue(orders_per_minute=0, requests_per_minute=0)
    bot = await venue.bot()
    await venue.publish("AAPL", "99", "100")
    for number in range(STREAMS):
        call = stream_call(bot, after_sequence=0)
        for _ in range(number % 8):
            await asyncio.sleep(0)
        placed = asyncio.ensure_future(bot.place(quantity="0.01")) if number % 20 == 0 else None
        await asyncio.sleep(number % 5 / 2_000)
        call.cancel()
        if placed is not None:
            await placed
    await until(lambda: len(venue.base.streams) == 0)

    assert [it for it in caplog.records if it.levelno >= logging.WARNING] == []


class _Left:
    """A call whose caller leaves before its headers are sent."""

    async def send_initial_metadata(self, _: object) -> None:
        raise InternalError('Failed "execute_batch": (<grpc.SendInitialMetadataOperation>,)')


async def test_a_caller_who_leaves_before_the_headers_cancels_the_call() -> None:
    stream = OpenStream(_Left(), account_id="a", bot_key_id=None, headers=tuple)  # type: ignore[arg-type]
    sent = False

    async def sending() -> None:
        nonlocal sent
        sent = True

    with pytest.raises(asyncio.CancelledError):
        await stream.run(sending())
    assert not sent
