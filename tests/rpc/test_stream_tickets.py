"""CreateStreamTicket: what a ticket opens, for how long, and for whom."""

import grpc
import jwt
import pytest

from server.rpc.tickets import AUDIENCE
from server.secret_files import jwt_secret, ticket_secret
from tests.support.streams import Stream, order_updates, quotes, shown, stream_call
from tests.support.venue import NOON, Bot, Venue, VenueFactory, refusal

TEN_MINUTES = 600


async def ticket_of(bot: Bot) -> tuple[tuple[str, str], ...]:
    return (("x-stream-ticket", (await bot.call("CreateStreamTicket")).ticket),)


async def test_a_ticket_opens_any_number_of_streams_for_ten_minutes(venue: Venue) -> None:
    await venue.publish("AAPL", "99", "100")
    bot = await venue.bot()
    made = await bot.call("CreateStreamTicket")
    ticket = (("x-stream-ticket", made.ticket),)
    venue.clock.turn(seconds=TEN_MINUTES - 1)
    updates, _ = await order_updates(bot, metadata=ticket)
    again, _ = await order_updates(bot, metadata=ticket)
    await quotes(bot, "AAPL", metadata=ticket).read()
    venue.clock.turn(seconds=2)
    late = await Stream(stream_call(bot, ticket)).end()
    await venue.publish("AAPL", "99", "100")
    await bot.place()

    assert made.expires_at.ToMicroseconds() == NOON + TEN_MINUTES * 10**6
    assert (late.code, late.reason) == (grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID")
    for stream in (updates, again):
        assert shown(await stream.read()) == "2 ACCEPTED AAPL"


async def test_an_open_stream_is_given_a_ticket_to_resume_with(venue: Venue) -> None:
    """The browser's first ticket may have expired when the connection breaks."""
    bot = await venue.bot()
    first, _ = await order_updates(bot, metadata=await ticket_of(bot))
    head = dict(await first.call.initial_metadata())
    plain, _ = await order_updates(bot)
    venue.clock.turn(seconds=7_199)
    renewed = (("x-stream-ticket", head["x-stream-ticket"]),)
    await order_updates(bot, metadata=renewed)
    venue.clock.turn(seconds=2)

    assert (await Stream(stream_call(bot, renewed)).end()).reason == "BOT_KEY_INVALID"
    assert "x-stream-ticket" not in dict(await plain.call.initial_metadata())


async def test_a_ticket_survives_a_restart(start_venue: VenueFactory) -> None:
    first = await start_venue()
    bot = await first.bot()
    ticket = await ticket_of(bot)
    await first.stop()
    second = await start_venue()

    await order_updates(Bot(second, bot.key), metadata=ticket)


async def test_a_ticket_shows_the_account_of_its_key_alone(venue: Venue) -> None:
    await venue.publish("AAPL", "99", "100")
    ada, bob = await venue.bot("ada"), await venue.bot("bob")
    stream, _ = await order_updates(ada, metadata=await ticket_of(ada))
    await bob.place()
    await ada.place(limit_price="1")

    assert (await stream.read()).order_update.order.limit_price == "1.00000000"


async def test_a_ticket_ends_with_its_key(venue: Venue) -> None:
    bot = await venue.bot()
    ticket = await ticket_of(bot)
    stream, _ = await order_updates(bot, metadata=ticket)
    await venue.person().revoke_key(bot.key_id)

    for ended in (stream, Stream(stream_call(bot, ticket))):
        assert (await ended.end()).reason == "BOT_KEY_INVALID"


@pytest.mark.parametrize("method", ["GetAccount", "CancelAllOrders", "CreateStreamTicket"])
async def test_a_ticket_opens_nothing_but_streams(venue: Venue, method: str) -> None:
    bot = await venue.bot()
    bot.metadata = await ticket_of(bot)  # type: ignore[assignment]
    told = await refusal(bot.call(method))

    assert (told.code, told.reason) == (grpc.StatusCode.UNAUTHENTICATED, "BOT_KEY_INVALID")


async def test_a_ticket_does_not_open_what_takes_a_token(venue: Venue) -> None:
    bot, person = await venue.bot(), venue.person()
    person.metadata = await ticket_of(bot)  # type: ignore[assignment]
    told = await refusal(person.list_keys())

    assert (told.code, told.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


async def test_a_ticket_beside_a_key_is_two_credentials(venue: Venue) -> None:
    bot = await venue.bot()
    both = (*bot.metadata, *await ticket_of(bot))

    assert (await Stream(stream_call(bot, both)).end()).reason == "TWO_CREDENTIALS"


async def test_a_ticket_that_is_none_of_ours_is_refused(venue: Venue) -> None:
    """Forged ones use the token's secret or audience, or have no signature."""
    bot = await venue.bot()
    claims = {"sub": bot.key_id, "aud": AUDIENCE, "exp": NOON // 10**6 + 60}
    ours, tokens = ticket_secret(venue.settings), jwt_secret(venue.settings)
    forged = [
        "",
        "x",
        "x" * 5000,
        bot.key,
        venue.token(),
        jwt.encode(claims, tokens, "HS256"),
        jwt.encode(claims | {"aud": "bottrading"}, ours, "HS256"),
        jwt.encode({"sub": bot.key_id, "aud": AUDIENCE}, ours, "HS256"),
        jwt.encode(claims | {"sub": "0198c0de-0000-7000-8000-000000000000"}, ours, "HS256"),
        jwt.encode(claims, "", "none"),
    ]
    for ticket in forged:
        told = await Stream(stream_call(bot, (("x-stream-ticket", ticket),))).end()
        assert (told.code, told.reason) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "BOT_KEY_INVALID",
        ), ticket
    await order_updates(bot, metadata=(("x-stream-ticket", jwt.encode(claims, ours, "HS256")),))
