"""Bot keys and the people who make them, over gRPC."""

import asyncio
import re
import sqlite3

import grpc
import pytest

from server.application.callers import SERVICE
from server.config import DATABASE_FILE
from server.domain.user import Plan, hash_key
from server.engine.frames import encode_usage
from tests.support.venue import Bot, Venue, VenueFactory, refusal


async def test_a_key_is_shown_once_and_stored_as_its_hash_only(venue: Venue) -> None:
    created = await venue.person().create_key("my-bot")

    assert re.fullmatch(r"tvt_[0-9A-Za-z]{36}", created.key)
    with sqlite3.connect(venue.settings.data_dir / DATABASE_FILE) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert created.key not in dump
    assert hash_key(created.key).hex().upper() in dump.upper()
    (listed,) = await venue.person().list_keys()
    assert created.key not in str(listed)
    assert (listed.label, listed.prefix) == ("my-bot", created.key[:8])


@pytest.mark.parametrize(
    ("plan", "keys"), [(Plan.FREE, 1), (Plan.STANDARD, 5), (Plan.PROFESSIONAL, 25)]
)
async def test_a_plan_limits_the_live_keys_also_when_all_are_made_at_once(
    venue: Venue, plan: Plan, keys: int
) -> None:
    ada = venue.person("ada", plan=plan)

    made = await asyncio.gather(
        *(ada.create_key(f"bot-{number}") for number in range(keys + 3)), return_exceptions=True
    )
    created = [key for key in made if not isinstance(key, BaseException)]
    told = await refusal(ada.create_key("one more"))
    await ada.revoke_key(created[0].id)

    assert len(created) == keys
    assert (told.code, told.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "BOT_KEY_LIMIT_REACHED",
    )
    assert (await ada.create_key("after a revocation")).key


async def test_once_a_revocation_is_answered_no_call_with_the_key_succeeds(venue: Venue) -> None:
    ada = venue.person()
    created = await ada.create_key("bot")
    bot = Bot(venue, created.key)
    await bot.call("GetAccount")

    revoked = await ada.revoke_key(created.id)
    told = await refusal(bot.call("GetAccount"))
    again = await ada.revoke_key(created.id)

    assert told.reason == "BOT_KEY_INVALID"
    assert revoked.HasField("revoked_at")
    assert again == revoked
    assert [key.id for key in await ada.list_keys()] == [created.id]


async def test_nobody_lists_or_revokes_the_keys_of_another_person(venue: Venue) -> None:
    ada, bob = venue.person("ada"), venue.person("bob")
    created = await ada.create_key("bot")

    told = [await refusal(bob.revoke_key(key_id)) for key_id in (created.id, "nonsense", "")]

    assert {(it.code, it.reason) for it in told} == {
        (grpc.StatusCode.NOT_FOUND, "BOT_KEY_NOT_FOUND")
    }
    assert await bob.list_keys() == []
    assert await Bot(venue, created.key).call("GetAccount")


@pytest.mark.parametrize("label", ["", " ", "x" * 65, "a\nb", "\0", "\u202e"])
async def test_a_label_has_1_to_64_printable_characters(venue: Venue, label: str) -> None:
    told = await refusal(venue.person().create_key(label))

    assert (told.code, told.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("label",))
    assert await venue.person().list_keys() == []


async def test_a_person_is_known_from_the_first_token_and_the_newest_claims_stand(
    venue: Venue,
) -> None:
    bot = await venue.bot("ada", plan=Plan.FREE, name="Ada")
    first = (await bot.call("GetAccount")).account
    await venue.person("ada", plan=Plan.PROFESSIONAL, name="Countess").list_keys()
    second = (await bot.call("GetAccount")).account

    assert (first.display_name, first.plan, first.bot_keys_limit) == ("Ada", "Free", 1)
    assert (second.display_name, second.plan, second.bot_keys_limit) == (
        "Countess",
        "Professional",
        25,
    )
    assert second.bot_user_id == first.bot_user_id


async def test_calls_and_last_uses_survive_a_restart_once_they_are_flushed(
    start_venue: VenueFactory,
) -> None:
    venue = await start_venue()
    bot = await venue.bot()
    for _ in range(3):
        await bot.call("GetAccount")

    calls, keys = venue.meter.take()
    await venue.front_engine.call("RecordUsage", SERVICE, encode_usage(calls, keys))
    await venue.stop()
    again = await start_venue()
    account = (await Bot(again, bot.key).call("GetAccount")).account
    (key,) = await again.person().list_keys()

    assert account.api_calls_used == 4
    assert key.last_used_at.seconds == again.clock() // 1_000_000


async def test_no_log_line_holds_a_key_or_a_token(venue: Venue) -> None:
    token = venue.token()
    bot = await venue.bot()
    await bot.place("AAPL", "BUY", "1")
    await refusal(Bot(venue, bot.key + "x").call("GetAccount"))
    venue.front.journal.flush()

    log = b"".join(venue.log).decode()
    assert log.count("\n") == 3
    assert bot.key not in log
    assert token.split(".")[2] not in log
    assert '"reason":"BOT_KEY_INVALID"' in log


async def test_the_newest_token_stands_also_when_an_earlier_one_comes_again(venue: Venue) -> None:
    """Free, then Professional, then Free again; then the Professional token once more."""
    free = venue.person("ada", plan=Plan.FREE, issued_ago=3)
    professional = venue.person("ada", plan=Plan.PROFESSIONAL, issued_ago=2)
    bot = Bot(venue, (await free.create_key("bot")).key)
    await professional.list_keys()
    upgraded = (await bot.call("GetAccount")).account
    await venue.person("ada", plan=Plan.FREE, issued_ago=1).list_keys()
    downgraded = (await bot.call("GetAccount")).account
    told = await refusal(professional.create_key("one more"))

    assert (upgraded.plan, downgraded.plan) == ("Professional", "Free")
    assert told.reason == "BOT_KEY_LIMIT_REACHED"


async def test_a_key_is_looked_up_anew_once_the_engine_was_lost(venue: Venue) -> None:
    """A revocation may be stored and its notification lost with the engine."""
    bot = await venue.bot()
    await bot.call("GetAccount")
    connection = sqlite3.connect(venue.settings.data_dir / DATABASE_FILE)
    connection.execute("UPDATE bot_keys SET revoked_at = 1")
    connection.commit()
    connection.close()
    venue.base.keyring.forget_all()

    assert (await refusal(bot.call("GetAccount"))).reason == "BOT_KEY_INVALID"
