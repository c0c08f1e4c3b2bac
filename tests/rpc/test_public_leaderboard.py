"""The leaderboard for everybody: only if a setting says so, and nothing else with it."""

from typing import Any

import grpc
import pytest

from server.wire.contract import Method, methods
from tests.support.venue import Bot, Venue, VenueFactory, refusal

OTHERS = [method for method in methods() if method.name != "GetLeaderboard"]
UNREADABLE = "/bottrading.unreadable/bottrading.v1.BotTrading/GetLeaderboard"


def everybody(venue: Venue) -> Any:
    """Return a client without a credential."""
    client: Any = Bot(venue, "")
    client.metadata = ()
    return client


async def ranked(venue: Venue) -> Bot:
    """Return the bot of a ranked account."""
    bot = await venue.bot()
    await venue.publish("AAPL", "99", "100")
    await bot.place()
    venue.refresh_leaderboard()
    return bot


async def test_everybody_reads_a_public_leaderboard_in_which_no_row_is_their_own(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(public_leaderboard=True)
    bot = await ranked(venue)

    board = await everybody(venue).call("GetLeaderboard")
    assert [(entry.display_name, entry.own) for entry in board.entries] == [("ada", False)]
    assert not board.HasField("own_entry")
    assert (await bot.call("GetLeaderboard")).own_entry.own


async def test_a_leaderboard_is_not_public_unless_a_setting_says_so(venue: Venue) -> None:
    await ranked(venue)

    told = await refusal(everybody(venue).call("GetLeaderboard"))

    assert (told.code, told.reason) == (grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID")


async def test_a_wrong_credential_is_not_none(start_venue: VenueFactory) -> None:
    venue = await start_venue(public_leaderboard=True)
    client = everybody(venue)
    for sent, reason in (
        ((("x-bot-key", ""),), "BOT_KEY_INVALID"),
        ((("authorization", ""),), "TOKEN_INVALID"),
        ((("authorization", "Bearer x"),), "TOKEN_INVALID"),
        ((("x-stream-ticket", ""),), "BOT_KEY_INVALID"),
        ((("x-account-id", "0198c0de-0000-7000-8000-000000000000"),), "ACCOUNT_NOT_FOUND"),
    ):
        client.metadata = sent
        assert (await refusal(client.call("GetLeaderboard"))).reason == reason, sent


async def test_calls_without_a_credential_share_a_limit_that_is_nobody_elses(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(public_leaderboard=True, public_requests_per_minute=2)
    bot = await ranked(venue)
    client = everybody(venue)
    await client.call("GetLeaderboard")
    unreadable: Any = venue.channel.unary_unary(UNREADABLE)
    assert (await refusal(unreadable(b""))).reason == "MALFORMED_REQUEST"

    told = await refusal(client.call("GetLeaderboard"))
    assert (told.code, told.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "REQUEST_RATE_EXCEEDED",
    )
    assert (await refusal(unreadable(b""))).reason == "REQUEST_RATE_EXCEEDED"
    assert (await bot.call("GetLeaderboard")).entries
    venue.clock.turn(seconds=60)
    assert (await client.call("GetLeaderboard")).entries


@pytest.mark.parametrize("method", OTHERS, ids=lambda method: method.name)
async def test_nothing_else_becomes_public(start_venue: VenueFactory, method: Method) -> None:
    venue = await start_venue(public_leaderboard=True)
    unary: Any = venue.channel.unary_unary(method.path)
    stream: Any = venue.channel.unary_stream(method.path)
    told = await refusal(stream(b"").read() if method.streams else unary(b""))

    assert told.code is grpc.StatusCode.UNAUTHENTICATED
    assert told.reason in ("BOT_KEY_INVALID", "TOKEN_INVALID")


async def test_a_caller_without_a_credential_stays_a_stranger(start_venue: VenueFactory) -> None:
    """A customer's connection is kept when connections run out."""
    venue = await start_venue(public_leaderboard=True)
    await ranked(venue)
    known = set(venue.front.connections._known)
    async with grpc.aio.insecure_channel(
        venue.address, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        client: Any = Bot(venue, "", channel=channel)
        client.metadata = ()
        await client.call("GetLeaderboard")
        assert venue.front.connections._known == known
        client.metadata = (await venue.bot()).metadata
        await client.call("GetLeaderboard")
        assert len(venue.front.connections._known) == len(known) + 1
