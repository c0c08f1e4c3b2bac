"""Streams that a person opens: by token or ticket, for which account, and until when."""

import time
from dataclasses import dataclass

import grpc
import jwt
import pytest

from bottrading.v1 import account_pb2, bot_trading_pb2, key_management_pb2
from server.bootstrap.front import stream_watch
from server.domain.values import SECOND
from server.rpc.tickets import AUDIENCE
from server.rpc.tokens import CLOCK_LEEWAY_SECONDS
from server.secret_files import ticket_secret
from tests.support.streams import Metadata, Stream, order_updates, quotes, shown, stream_call
from tests.support.venue import Bot, Person, Venue, VenueFactory, refusal

TOKEN_SECONDS = 600
"""How long the tokens of a venue are valid."""


@dataclass
class Owner:
    """A person with two accounts, and a bot on the first."""

    venue: Venue
    bot: Bot
    person: Person
    first: str
    second: str

    def client(self, account_id: str | None = None) -> Bot:
        """Return a client that makes a bot's calls with the person's token."""
        named = () if account_id is None else (("x-account-id", account_id),)
        client = Bot(self.venue, "")
        client.metadata = (*self.person.metadata, *named)
        return client

    async def ticket(self, account_id: str | None = None) -> Metadata:
        """Return the metadata of a ticket that the person makes."""
        made = await self.client(account_id).call("CreateStreamTicket")
        return (("x-stream-ticket", made.ticket),)


@pytest.fixture
async def owner(start_venue: VenueFactory) -> Owner:
    venue = await start_venue(now=int(time.time()) * SECOND)
    await venue.publish("AAPL", "99", "100")
    bot, person = await venue.bot(), venue.person()
    opened = await person.keys.OpenAccount(
        key_management_pb2.OpenAccountRequest(), metadata=person.metadata
    )
    first = (await bot.call("GetAccount")).account.bot_user_id
    return Owner(venue, bot, person, first, opened.account.bot_user_id)


async def test_a_person_follows_the_account_that_they_name(owner: Owner) -> None:
    by_default, _ = await order_updates(owner.client())
    by_name, _ = await order_updates(owner.client(owner.first))
    by_ticket, _ = await order_updates(owner.bot, metadata=await owner.ticket())
    elsewhere, _ = await order_updates(owner.client(owner.second))
    elsewhere_by_ticket, _ = await order_updates(
        owner.bot, metadata=await owner.ticket(owner.second)
    )
    await owner.bot.place()
    await quotes(owner.bot, "AAPL", metadata=await owner.ticket()).read()

    for stream in (by_default, by_name, by_ticket):
        assert shown(await stream.read()) == "2 ACCEPTED AAPL"
    account = key_management_pb2.SetTradingStateRequest(
        account_id=owner.second, trading_state=account_pb2.TRADING_STATE_HALTED
    )
    await owner.person.keys.SetTradingState(account, metadata=owner.person.metadata)
    for stream in (elsewhere, elsewhere_by_ticket):
        assert (await stream.read()).WhichOneof("message") == "account_update"


async def test_a_persons_stream_counts_for_the_account_that_it_shows(owner: Owner) -> None:
    await order_updates(owner.client(owner.second))
    await order_updates(owner.bot, metadata=await owner.ticket(owner.second))

    limits = [
        (await client.call("GetLimits")).limits.streams.used
        for client in (owner.client(owner.second), owner.client(), owner.bot)
    ]
    assert limits == [2, 0, 0]


async def test_a_persons_streams_end_with_the_token(owner: Owner) -> None:
    """A resumed stream of a ticket ends with them."""
    ticket = await owner.ticket()
    by_token, _ = await order_updates(owner.client())
    by_ticket, _ = await order_updates(owner.bot, metadata=ticket)
    head = dict(await by_ticket.call.initial_metadata())
    resumed, _ = await order_updates(
        owner.bot, metadata=(("x-stream-ticket", str(head["x-stream-ticket"])),)
    )
    unharmed, _ = await order_updates(owner.bot)
    watch = stream_watch(owner.venue.base)
    owner.venue.clock.turn(seconds=TOKEN_SECONDS - 30)
    await watch.tick()
    assert len(owner.venue.base.streams) == 4

    owner.venue.clock.turn(seconds=30 + 2 * CLOCK_LEEWAY_SECONDS)
    await watch.tick()

    for stream in (by_token, by_ticket, resumed):
        told = await stream.end()
        assert (told.code, told.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
        assert told.last_sequence == "1"
    await owner.venue.publish("AAPL", "99", "100")
    await owner.bot.place()
    assert shown(await unharmed.read()) == "2 ACCEPTED AAPL"


async def test_a_persons_ticket_expires_with_the_token_at_the_latest(owner: Owner) -> None:
    ticket = await owner.ticket()
    stream, _ = await order_updates(owner.bot, metadata=ticket)
    head = dict(await stream.call.initial_metadata())
    made = await owner.client().call("CreateStreamTicket")
    owner.venue.clock.turn(seconds=TOKEN_SECONDS + 2 * CLOCK_LEEWAY_SECONDS)

    end = (owner.venue.clock.now - CLOCK_LEEWAY_SECONDS * SECOND) / 10**6
    assert abs(made.expires_at.ToMicroseconds() / 10**6 - end) <= 2 * CLOCK_LEEWAY_SECONDS
    for late in (ticket, (("x-stream-ticket", str(head["x-stream-ticket"])),)):
        told = await Stream(stream_call(owner.bot, late)).end()
        assert told.reason == "BOT_KEY_INVALID"


async def test_a_persons_ticket_opens_one_account_and_nothing_but_streams(owner: Owner) -> None:
    ticket = await owner.ticket(owner.second)
    for account_id in (owner.first, "", "x"):
        told = await Stream(stream_call(owner.bot, (*ticket, ("x-account-id", account_id)))).end()
        assert told.reason == "ACCOUNT_NOT_FOUND"
    await order_updates(owner.bot, metadata=(*ticket, ("x-account-id", owner.second)))
    told = await refusal(
        owner.bot.trading.GetAccount(bot_trading_pb2.GetAccountRequest(), metadata=ticket)
    )
    assert told.reason == "BOT_KEY_INVALID"


async def test_a_ticket_for_an_account_that_is_not_its_persons_is_refused(owner: Owner) -> None:
    """Such as one that was made before the database was replaced by an older one."""
    bob = await owner.venue.bot("bob")
    theirs = (await bob.call("GetAccount")).account.bot_user_id
    good = jwt.decode(
        (await owner.ticket())[0][1],
        ticket_secret(owner.venue.settings),
        ["HS256"],
        audience=AUDIENCE,
        options={"verify_exp": False},
    )
    for account_id in (theirs, "0198c0de-0000-7000-8000-000000000000"):
        ticket = jwt.encode(
            good | {"account": account_id}, ticket_secret(owner.venue.settings), "HS256"
        )
        told = await Stream(stream_call(owner.bot, (("x-stream-ticket", ticket),))).end()
        assert told.reason == "BOT_KEY_INVALID"
