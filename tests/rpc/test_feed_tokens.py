"""The service's own feed publishes with a token of its own, whoever signs people's tokens."""

import json
import time
from pathlib import Path

import pytest

from bottrading.v1 import quote_pb2 as pb
from server.domain.user import Identity, Plan
from server.rpc.own_tokens import FEED_AUDIENCE, FEED_SUBJECT
from server.rpc.tokens import TokenTerms, issue
from server.secret_files import own_secret
from tests.rpc.test_jwks import jwks
from tests.support.venue import Person, Venue, VenueFactory, refusal

QUOTE = pb.PublishedQuote(symbol="AAPL", bid="1", bid_size="1", ask="2", ask_size="1")


def forged(venue: Venue, secret: bytes, audience: str = FEED_AUDIENCE, ago: int = 0) -> str:
    return issue(
        TokenTerms(issuer=venue.settings.jwt_issuer, audience=audience),
        secret,
        Identity(
            issuer=venue.settings.jwt_issuer,
            subject=FEED_SUBJECT,
            name=FEED_SUBJECT,
            plan=Plan.FREE,
            is_operator=True,
        ),
        now_seconds=int(time.time()) - ago,
        ttl_seconds=60,
    )


@pytest.mark.parametrize("with_provider", [False, True])
async def test_the_token_publishes_and_lists_instruments(
    start_venue: VenueFactory, tmp_path: Path, *, with_provider: bool
) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(jwks()))
    venue = await start_venue(jwt_jwks=str(file) if with_provider else "")
    feed = Person(venue, venue.base.own_tokens.feed_token())

    assert (await feed.publish([QUOTE])).accepted == 1


async def test_a_forged_or_old_token_is_refused(venue: Venue) -> None:
    secret = own_secret(venue.settings)
    for token in (forged(venue, b"x" * 32), forged(venue, secret, ago=120)):
        told = await refusal(Person(venue, token).publish([QUOTE]))
        assert told.reason == "TOKEN_INVALID"


async def test_the_feed_is_not_ranked_and_the_owner_is(venue: Venue) -> None:
    await Person(venue, venue.base.own_tokens.feed_token()).publish([QUOTE])
    bot = await venue.bot("me")
    await bot.place("AAPL", "BUY", "1")
    venue.refresh_leaderboard()

    rows = (await bot.call("GetLeaderboard")).entries
    assert [row.display_name for row in rows] == ["me"]
