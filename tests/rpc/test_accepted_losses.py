"""A database that lacks transactions goes on, and no cursor of before stands for a new entry."""

from pathlib import Path

import pytest

from server.application.ports import StorageUnavailable
from server.domain.values import LOST_SEQUENCES
from server.storage.losses import accept_loss
from tests.support.accounts import to_midnight
from tests.support.audit import audit
from tests.support.databases import stored_in
from tests.support.streams import Stream, order_updates, stream_call
from tests.support.venue import Venue, refusal


def lose(venue: Venue, data_dir: Path) -> None:
    """Accept a loss while no engine runs."""
    venue.parts.close()
    accept_loss(stored_in(data_dir))
    venue.parts = venue.new_engine()
    venue.front_engine._service = venue.parts.service


@pytest.mark.both
async def test_only_cursors_of_lost_entries_are_refused(venue: Venue, data_dir: Path) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")
    await bot.place()
    stream, last = await order_updates(bot)
    stream.call.cancel()
    lose(venue, data_dir)
    stream, right_after = await order_updates(bot)
    stream.call.cancel()
    await venue.publish("AAPL", "99.00", "100.00")
    order = await bot.place()

    assert right_after == last + LOST_SEQUENCES
    for cursor in (0, last - 1, last, right_after):
        stream, begun = await order_updates(bot, after_sequence=cursor)
        assert begun == cursor
        seen = [message.sequence for message in await stream.take(2 if cursor >= last else 3)]
        assert seen[0] == (cursor + 1 if cursor != last else right_after + 1)
        stream.call.cancel()
    for cursor in (last + 1, right_after - 1):
        told = await Stream(stream_call(bot, after_sequence=cursor)).end()
        assert told.reason == "SEQUENCE_IN_FUTURE"
        assert f"no entry {cursor}: it was lost" in told.message
    assert order.id in audit(data_dir)


@pytest.mark.both
async def test_a_venue_that_lost_entries_twice_is_verified(venue: Venue, data_dir: Path) -> None:
    bot = await venue.bot()
    await venue.publish("AAPL", "99.00", "100.00")
    for _ in range(2):
        await bot.place()
        lose(venue, data_dir)
        await venue.publish("AAPL", "98.00", "99.00")
        await to_midnight(venue)
    await venue.publish("AAPL", "99.00", "100.00")
    lose(venue, data_dir)

    assert len(audit(data_dir)) == 2
    assert (await refusal(Stream(stream_call(bot, after_sequence=10**7)).read())).reason == (
        "SEQUENCE_IN_FUTURE"
    )


@pytest.mark.both
async def test_a_venue_that_is_served_is_left_alone(venue: Venue, data_dir: Path) -> None:
    where = stored_in(data_dir)
    if isinstance(where, Path):
        return  # The command locks the data directory of a file.
    with pytest.raises(StorageUnavailable, match="an engine writes"):
        accept_loss(where)
