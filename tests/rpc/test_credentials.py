"""Which credentials open which methods, and whose account a call reads: for every method."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from bottrading.v1 import bar_pb2, key_management_pb2, order_pb2
from server.domain.user import Scope
from server.domain.values import SECOND
from server.wire.contract import Credential, Method, methods
from tests.support.streams import READ_SECONDS_MAX
from tests.support.venue import Bot, Told, Venue, VenueFactory, told

KEY, TOKEN, OPERATOR = "key", "token", "operator"
OPENED_BY: dict[Credential, frozenset[str]] = {
    Credential.BOT_KEY: frozenset({KEY}),
    Credential.BOT_KEY_OR_USER_TOKEN: frozenset({KEY, TOKEN, OPERATOR}),
    Credential.BOT_KEY_OR_TICKET: frozenset({KEY, TOKEN, OPERATOR}),
    Credential.USER_TOKEN: frozenset({TOKEN, OPERATOR}),
    Credential.OPERATOR_TOKEN: frozenset({OPERATOR}),
    Credential.SIGN_IN_TOKEN: frozenset(),
}
REFUSED_AS = {
    (Credential.BOT_KEY, TOKEN): "BOT_KEY_REQUIRED",
    (Credential.BOT_KEY, OPERATOR): "BOT_KEY_REQUIRED",
    (Credential.USER_TOKEN, KEY): "TOKEN_REQUIRED",
    (Credential.OPERATOR_TOKEN, KEY): "OPERATOR_REQUIRED",
    (Credential.OPERATOR_TOKEN, TOKEN): "OPERATOR_REQUIRED",
    (Credential.SIGN_IN_TOKEN, KEY): "TOKEN_REQUIRED",
    (Credential.SIGN_IN_TOKEN, TOKEN): "TOKEN_INVALID",
    (Credential.SIGN_IN_TOKEN, OPERATOR): "TOKEN_INVALID",
}
OF_CREDENTIALS = {
    "TWO_CREDENTIALS",
    "BOT_KEY_INVALID",
    "BOT_KEY_REQUIRED",
    "TOKEN_INVALID",
    "TOKEN_REQUIRED",
    "OPERATOR_REQUIRED",
    "KEY_SCOPE_MISSING",
}
BOTS_ALONE = ("PlaceOrder", "ReplaceOrder", "AdvanceClock")
NOBODYS = "0198c0de-0000-7000-8000-000000000000"
AS_NAMED = {
    "",
    "ORDER_NOT_FOUND",
    "POSITION_NOT_FOUND",
    "MALFORMED_REQUEST",
    "MARKET_NOT_STEPPED",
}
"""What calls about the own account are told, though the order is another person's."""


def of_methods(wanted: Callable[[Credential], bool]) -> pytest.MarkDecorator:
    """Parametrize a test by the methods whose credential is wanted."""
    some = [it for it in methods() if it.credential is not None and wanted(it.credential)]
    return pytest.mark.parametrize("method", some, ids=lambda method: method.name)


EVERY_METHOD = of_methods(lambda _: True)
OF_A_BOT = of_methods(lambda credential: credential.is_of_a_bot)
OF_A_PERSON = of_methods(lambda credential: TOKEN in OPENED_BY[credential])


def named(account_id: str) -> tuple[str, str]:
    """Return the metadata that names an account."""
    return ("x-account-id", account_id)


@dataclass
class People:
    """Two people with a bot each; the first has a second account, the second a live order."""

    venue: Venue
    mine: Bot
    theirs: Bot
    my_account: str
    my_second: str
    their_account: str
    their_order: str

    def sent(self, kind: str) -> tuple[tuple[str, str], ...]:
        """Return the metadata of the first person with a kind of credential."""
        if kind == KEY:
            return self.mine.metadata
        return self.venue.person("ada", operator=kind == OPERATOR).metadata

    def person(self, account_id: str | None = None, kind: str = TOKEN) -> Bot:
        """Return a client that makes a bot's calls with the first person's token."""
        given = () if account_id is None else (named(account_id),)
        client = Bot(self.venue, "")
        client.metadata = (*self.sent(kind), *given)
        return client

    def request(self, method: Method) -> bytes:
        """Return a request that is right for what the second person owns."""
        known = {
            "symbol": "AAPL",
            "symbols": ["AAPL"],
            "order_id": self.their_order,
            "quantity": "1",
            "limit_price": "1",
            "side": order_pb2.SIDE_BUY,
            "order_type": order_pb2.ORDER_TYPE_LIMIT,
            "account_id": self.their_account,
            "label": "mine",
            "key_id": self.theirs.key_id,
            "amount": "1",
            "next_bar": bar_pb2.BAR_INTERVAL_1D,
        }
        names = {field.name for field in method.request_type.DESCRIPTOR.fields} & known.keys()
        if method.name == "ReplaceOrder":
            names -= {"side", "order_type"}
        if method.name == "PublishQuotes":
            names = set()
        request = method.request_type(**{name: known[name] for name in names})
        return bytes(request.SerializeToString())

    async def outcome(self, method: Method, metadata: Any) -> Told:
        """Make a call; return how it was refused, or its answer as the message of an OK."""
        try:
            answer = await self._call(method, metadata)
        except grpc.aio.AioRpcError as error:
            return told(error)
        return Told(grpc.StatusCode.OK, "", str(answer), (), None, None, None)

    async def _call(self, method: Method, metadata: Any) -> Any:
        if not method.streams:
            unary: Any = self.venue.channel.unary_unary(method.path)
            return method.response_type.FromString(
                await unary(self.request(method), metadata=metadata, timeout=READ_SECONDS_MAX)
            )
        stream: Any = self.venue.channel.unary_stream(method.path)
        opened = stream(self.request(method), metadata=metadata, timeout=READ_SECONDS_MAX)
        first = method.response_type.FromString(await opened.read())
        opened.cancel()
        return first


@pytest.fixture
async def people(start_venue: VenueFactory) -> People:
    venue = await start_venue(
        now=int(time.time()) * SECOND,
        requests_per_minute=0,
        person_requests_per_minute=0,
        orders_per_minute=0,
    )
    await venue.publish("AAPL", "99", "100")
    mine, theirs = await venue.bot("ada"), await venue.bot("bob")
    ada = venue.person("ada")
    opened = await ada.keys.OpenAccount(
        key_management_pb2.OpenAccountRequest(), metadata=ada.metadata
    )
    order = await theirs.place("AAPL", "BUY", "10", limit_price="1.00")
    venue.refresh_leaderboard()
    return People(
        venue,
        mine,
        theirs,
        (await mine.call("GetAccount")).account.bot_user_id,
        opened.account.bot_user_id,
        (await theirs.call("GetAccount")).account.bot_user_id,
        order.id,
    )


def test_only_a_bot_key_places_and_replaces_orders_and_advances_the_clock() -> None:
    taken = {method.name: method.credential for method in methods()}

    assert [name for name, it in taken.items() if it is Credential.BOT_KEY] == [*BOTS_ALONE]
    assert {taken[name] for name in taken if name.startswith("Stream")} == {
        Credential.BOT_KEY_OR_TICKET
    }


@EVERY_METHOD
async def test_each_kind_of_credential_opens_its_own_methods_only(
    people: People, method: Method
) -> None:
    assert method.credential is not None
    for kind in (KEY, TOKEN, OPERATOR):
        outcome = await people.outcome(method, (*people.sent(kind), named(people.my_account)))
        if kind in OPENED_BY[method.credential]:
            assert outcome.reason not in OF_CREDENTIALS, kind
        else:
            assert outcome.reason == REFUSED_AS[method.credential, kind], kind


@OF_A_BOT
async def test_no_account_but_ones_own_is_named_and_all_others_are_told_the_same(
    people: People, method: Method
) -> None:
    assert method.credential is not None
    mine, not_mine = (
        named(people.my_account),
        [
            (named(people.their_account),),
            (named(NOBODYS),),
            (named(f"{people.my_account}x"),),
            (named(people.my_account.upper()),),
            (named(""),),
            (named(people.my_account), named(people.my_account)),
        ],
    )
    for kind in OPENED_BY[method.credential]:
        assert (await people.outcome(method, (*people.sent(kind), mine))).reason in AS_NAMED
        for given in not_mine:
            told = await people.outcome(method, (*people.sent(kind), *given))
            assert (told.code, told.reason) == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")
            assert told.message == "There is no such account."
    assert (await people.theirs.order(people.their_order)).status == order_pb2.ORDER_STATUS_OPEN


@OF_A_PERSON
async def test_nothing_of_a_stranger_is_in_any_answer_to_a_person(
    people: People, method: Method
) -> None:
    """The requests name the stranger's account, order and key."""
    for given in ((), (named(people.my_second),)):
        outcome = await people.outcome(method, (*people.sent(TOKEN), *given))
        for secret in (people.their_account, people.their_order, people.theirs.key_id):
            assert secret not in outcome.message
    assert (await people.theirs.order(people.their_order)).status == order_pb2.ORDER_STATUS_OPEN
    assert (await people.theirs.call("GetAccount")).account.trading_state == 1


@OF_A_PERSON
async def test_a_call_that_changes_an_account_must_name_it(people: People, method: Method) -> None:
    told = await people.outcome(method, people.sent(TOKEN))

    if method.scope is Scope.TRADE:
        assert (told.code, told.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "ACCOUNT_ID_REQUIRED",
        )
    else:
        assert told.reason != "ACCOUNT_ID_REQUIRED"


async def test_a_person_reads_the_account_they_name_and_else_their_first(people: People) -> None:
    person = people.person()
    first = (await person.call("GetAccount")).account
    second = (await people.person(people.my_second).call("GetAccount")).account
    limits = (await person.call("GetLimits")).limits

    assert (first.bot_user_id, second.bot_user_id) == (people.my_account, people.my_second)
    assert not limits.HasField("bot_key")
    assert limits.streams.used == 0


async def test_a_person_cancels_the_orders_of_their_bots(people: People) -> None:
    person = people.person(people.my_account)
    first, second = [await people.mine.place(limit_price=price) for price in ("1", "2")]

    one = await person.cancel(first.id)
    rest = (await person.call("CancelAllOrders")).orders

    assert one.status == order_pb2.ORDER_STATUS_CANCELLED
    assert [order.id for order in rest] == [second.id]


async def test_a_person_may_preview_an_order(people: People) -> None:
    person = people.person()

    preview = (
        await person.call("PreviewOrder", symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="1")
    ).preview

    assert preview.order.status == order_pb2.ORDER_STATUS_FILLED
    assert (await person.call("ListOrders")).orders == []
