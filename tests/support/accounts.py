"""Accounts as tests manage them: by their owners and by an operator."""

from typing import Any

from bottrading.v1 import key_management_pb2 as pb
from server.domain.values import DAY
from tests.support.venue import Bot, Person, Venue


async def manage(person: Person, method: str, **fields: str | int) -> Any:
    """Make a call of KeyManagement by its name."""
    request = getattr(pb, f"{method}Request")(**fields)
    return await getattr(person.keys, method)(request, metadata=person.metadata)


async def accounts_of(person: Person) -> list[Any]:
    """List the accounts of a person."""
    return list((await manage(person, "ListAccounts")).accounts)


async def bot_on(venue: Venue, account_id: str, subject: str = "ada") -> Bot:
    """Return a client with a new bot key of an account."""
    person = venue.person(subject)
    request = pb.CreateBotKeyRequest(label="bot", account_id=account_id)
    made = (await person.keys.CreateBotKey(request, metadata=person.metadata)).bot_key
    return Bot(venue, made.key, made.id)


async def kpi_of(bot: Bot) -> Any:
    """Read the key performance indicators, with the rank as of now."""
    bot.venue.refresh_leaderboard()
    return (await bot.call("GetTradingKpi")).kpi


async def id_of(bot: Bot) -> str:
    """Return the id of a bot's account."""
    return str((await account_of(bot)).bot_user_id)


async def account_of(bot: Bot) -> Any:
    """Read a bot's account."""
    return (await bot.call("GetAccount")).account


def operator(venue: Venue) -> Person:
    """Return a client with an operator's token."""
    return venue.person("operator", operator=True)


async def on_margin(bot: Bot, subject: str = "ada") -> Any:
    """Give a bot's account the mode MARGIN, as its owner."""
    fields = {"account_id": await id_of(bot), "margin_mode": "MARGIN_MODE_MARGIN"}
    return (await manage(bot.venue.person(subject), "SetMarginMode", **fields)).account


async def deposit(venue: Venue, account_id: str, amount: str) -> Any:
    """Add money to an account as an operator."""
    return (await manage(operator(venue), "Deposit", account_id=account_id, amount=amount)).account


async def to_midnight(venue: Venue) -> None:
    """Let a snapshot be taken at the end of the day, and the next day begin."""
    venue.clock.turn(seconds=1)
    left = DAY - venue.clock.now % DAY
    venue.pass_time(seconds=left / 1_000_000 - 1.5)
    venue.clock.turn(seconds=10)
