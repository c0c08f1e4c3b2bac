"""Signing in by a link: once, for a session, by nobody but its holder."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest

from bottrading.v1 import key_management_pb2, key_management_pb2_grpc
from server.application.callers import SignIn
from server.bootstrap.adapters import system_clock
from server.config import Settings
from server.credentials import sign_in_link
from server.domain.user import Identity, Plan
from server.domain.values import DAY, SECOND
from server.rpc.own_tokens import SESSION_AUDIENCE, SIGN_IN_AUDIENCE, OwnTokens
from server.rpc.tokens import TokenTerms, issue
from server.secret_files import own_secret
from tests.rpc.test_jwks import jwks
from tests.support.venue import Bot, Person, Told, Venue, VenueFactory, refusal

NEW_LINK = "`bottrading open` prints a new link."
PAGE = "http://127.0.0.1:8080/"


def link_token(venue: Venue, subject: str = "ada") -> str:
    """Return the token of a new link."""
    link = sign_in_link(venue.settings, PAGE, subject)
    assert link.startswith(f"{PAGE}#token=")
    return link.partition("#token=")[2]


def forged(
    venue: Venue, *, secret: bytes | None = None, ago: int = 0, ttl: int = 600, **terms: Any
) -> str:
    """Return a token that differs from that of a link as told."""
    given = {"issuer": venue.settings.jwt_issuer, "audience": SIGN_IN_AUDIENCE, **terms}
    token_id = given.pop("token_id", "one")
    return issue(
        TokenTerms(**given),
        secret or own_secret(venue.settings),
        Identity(
            issuer=given["issuer"],
            subject="ada",
            name="ada",
            plan=Plan.STANDARD,
            is_operator=False,
        ),
        now_seconds=int(time.time()) - ago,
        ttl_seconds=ttl,
        token_id=token_id,
    )


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def sign_in(venue: Venue, metadata: Any) -> key_management_pb2.SignInResponse:
    stub = key_management_pb2_grpc.KeyManagementStub(venue.channel)
    return await stub.SignIn(key_management_pb2.SignInRequest(), metadata=metadata)


async def refused(venue: Venue, token: str) -> Told:
    told = await refusal(sign_in(venue, bearer(token)))
    assert (told.code, told.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    return told


@pytest.fixture(params=["secret", "jwks"])
async def venue(request: pytest.FixtureRequest, start_venue: VenueFactory, tmp_path: Path) -> Venue:
    """Return a venue that signs people in itself, and one where an identity provider does."""
    if request.param == "secret":
        return await start_venue()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(jwks()))
    return await start_venue(jwt_jwks=str(keys))


async def test_a_link_begins_a_session_of_its_person(venue: Venue) -> None:
    before = int(time.time())
    session = await sign_in(venue, bearer(link_token(venue)))
    ada = Person(venue, session.session_token)
    key = await ada.create_key("bot")
    account = (await Bot(venue, key.key).call("GetAccount")).account
    reader = Bot(venue, "")
    reader.metadata = ada.metadata

    assert [it.id for it in await ada.list_keys()] == [key.id]
    assert (await reader.call("GetAccount")).account.bot_user_id == account.bot_user_id
    assert 0 <= session.expires_at.seconds - before - 24 * 3600 <= 60


async def test_a_link_signs_in_once_even_when_it_is_sent_twice_at_once(venue: Venue) -> None:
    token = link_token(venue)
    answers = await asyncio.gather(
        *(sign_in(venue, bearer(token)) for _ in range(4)), return_exceptions=True
    )
    sessions = [it for it in answers if isinstance(it, key_management_pb2.SignInResponse)]
    told = await refused(venue, token)

    assert len(sessions) == 1
    assert told.message == f"The token of the link was used already: {NEW_LINK}"


async def test_a_used_link_stays_used_after_a_restart(data_dir: Path) -> None:
    venue = await Venue.start(data_dir)
    try:
        token = link_token(venue)
        await sign_in(venue, bearer(token))
    finally:
        await venue.stop()
    again = await Venue.start(data_dir)
    try:
        told = await refused(again, token)
    finally:
        await again.stop()

    assert "used already" in told.message


async def test_used_links_are_forgotten_a_day_after_they_expired(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(now=int(time.time()) * SECOND)

    async def known() -> int:
        await sign_in(venue, bearer(link_token(venue)))
        query = "SELECT count(*) FROM used_sign_ins"
        return int(venue.parts.writer.session.driver.execute(query).fetchone()[0])

    counts = [await known(), await known()]
    venue.clock.now += DAY
    counts.append(await known())
    venue.clock.now += 3_600 * SECOND
    counts.append(await known())

    assert counts == [1, 2, 3, 1]


async def test_what_is_no_fresh_token_of_a_link_signs_nobody_in(venue: Venue) -> None:
    session = (await sign_in(venue, bearer(link_token(venue)))).session_token
    wrong = {
        "expired": (forged(venue, ago=660), "The token has expired"),
        "of another secret": (forged(venue, secret=b"x" * 32), "signature is wrong"),
        "of another issuer": (forged(venue, issuer="evil"), "iss or aud"),
        "too long valid": (forged(venue, ttl=601), "by at most 600 s"),
        "without an id": (forged(venue, token_id=None), "jti"),
        "with too long an id": (forged(venue, token_id="x" * 37), "jti"),
        "of a session": (session, "This call takes the token of a sign-in link"),
        "of a person": (venue.token("ada"), "This call takes the token of a sign-in link"),
        "unsigned": (
            jwt.encode({"aud": SIGN_IN_AUDIENCE, "sub": "ada"}, "", "none"),
            "signature is wrong",
        ),
        "no token": ("x", "This call takes the token of a sign-in link"),
        "endless": ("x" * 5000, "This call takes the token of a sign-in link"),
    }
    for what, (token, why) in wrong.items():
        told = await refused(venue, token)
        assert why in told.message, what
        assert told.message.endswith(NEW_LINK), what


async def test_a_bot_cannot_sign_in(venue: Venue) -> None:
    ada = Person(venue, (await sign_in(venue, bearer(link_token(venue)))).session_token)
    key = (await ada.create_key("bot")).key
    with_key = await refusal(sign_in(venue, (("x-bot-key", key),)))
    with_none = await refusal(sign_in(venue, (("x-bot-key", "tvt_nobody"),)))
    with_nothing = await refusal(sign_in(venue, ()))

    assert (with_key.code, with_key.reason) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "TOKEN_REQUIRED",
    )
    assert with_none.reason == "BOT_KEY_INVALID"
    assert with_nothing.reason == "TOKEN_INVALID"


async def test_the_token_of_a_link_opens_nothing_else(venue: Venue) -> None:
    token = link_token(venue)
    person, reader = Person(venue, token), Bot(venue, "")
    reader.metadata = person.metadata
    told = [
        await refusal(person.create_key("bot")),
        await refusal(person.list_keys()),
        await refusal(person.publish([])),
        await refusal(reader.call("GetAccount")),
        await refusal(reader.call("GetMarketClock")),
    ]

    assert {it.reason for it in told} == {"TOKEN_INVALID"}
    assert (await sign_in(venue, bearer(token))).session_token, "and it is not used up by that"


async def test_a_session_of_an_operator_opens_no_call_of_operators(venue: Venue) -> None:
    root = Identity(
        issuer=venue.settings.jwt_issuer,
        subject="root",
        name="root",
        plan=Plan.STANDARD,
        is_operator=True,
    )
    tokens = OwnTokens(venue.settings.jwt_issuer, own_secret(venue.settings), system_clock)
    session = await sign_in(venue, bearer(tokens.sign_in_token(root, "one")))
    person = Person(venue, session.session_token)
    told = await refusal(person.publish([]))

    assert (told.code, told.reason) == (grpc.StatusCode.PERMISSION_DENIED, "OPERATOR_REQUIRED")
    assert await person.list_keys() == [], "though it is the person's in all else"


async def test_a_call_that_a_limit_refuses_leaves_the_link_unused(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue(person_requests_per_minute=1)
    first, second = link_token(venue), link_token(venue)
    await sign_in(venue, bearer(first))
    told = await refusal(sign_in(venue, bearer(second)))
    venue.clock.turn(seconds=61)

    assert told.reason == "REQUEST_RATE_EXCEEDED"
    assert (await sign_in(venue, bearer(second))).session_token


@pytest.mark.parametrize("path", ["", "/bottrading.unreadable"])
async def test_a_call_that_cannot_be_read_leaves_the_link_unused(
    start_venue: VenueFactory, path: str
) -> None:
    venue = await start_venue()
    token = link_token(venue)
    call: Any = venue.channel.unary_unary(f"{path}/bottrading.v1.KeyManagement/SignIn")
    told = await refusal(call(b"\xff", metadata=bearer(token)))

    assert told.reason == "MALFORMED_REQUEST"
    assert (await sign_in(venue, bearer(token))).session_token


async def test_a_session_of_another_secret_or_time_is_none(venue: Venue) -> None:
    wrong = [
        forged(venue, audience=SESSION_AUDIENCE, secret=b"x" * 32, ttl=3600),
        forged(venue, audience=SESSION_AUDIENCE, ago=3660, ttl=3600),
        forged(venue, audience=SESSION_AUDIENCE, ttl=24 * 3600 + 1),
        forged(venue, audience=SESSION_AUDIENCE, issuer="evil"),
    ]
    for token in wrong:
        assert (await refusal(Person(venue, token).list_keys())).reason == "TOKEN_INVALID"


async def test_no_log_line_holds_a_token(venue: Venue) -> None:
    token = link_token(venue)
    session = (await sign_in(venue, bearer(token))).session_token
    await refused(venue, token)
    await Person(venue, session).list_keys()
    venue.front.journal.flush()
    lines = b"".join(venue.log).decode()

    assert "SignIn" in lines
    for secret in (*token.split("."), *session.split(".")):
        assert secret not in lines.replace(token.split(".")[0], ""), "the head is no secret"


def test_a_setting_cannot_make_other_tokens_pass_for_these() -> None:
    for audience in (SIGN_IN_AUDIENCE, SESSION_AUDIENCE):
        with pytest.raises(ValueError, match="jwt_audience"):
            Settings(jwt_audience=audience)


def test_both_tokens_say_what_they_are_for() -> None:
    tokens = OwnTokens("bottrading", b"s" * 32, system_clock)
    identity = Identity(
        issuer="bottrading", subject="ada", name="Ada", plan=Plan.FREE, is_operator=True
    )
    link = tokens.sign_in_token(identity, "id")
    session = tokens.begin_session(SignIn("id", identity)).token

    assert tokens.read_sign_in(link) == SignIn("id", identity)
    assert tokens.verify_session(session) == identity
    assert "jti" not in jwt.decode(session, options={"verify_signature": False})
