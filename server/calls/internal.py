"""Internal calls: those that the front itself makes to the engine."""

from server.application import commands, published_quotes
from server.application.callers import Caller
from server.application.commands import Done, UserKnown
from server.application.keys import Keys
from server.application.market_calls import MarketCalls
from server.application.spending import Spending
from server.domain.user import Identity
from server.engine.frames import encode_user
from server.engine.receipts import encode_allowances
from server.wire.rows import Decided, Route, Surroundings


def _know_user(identity: Identity, _: Caller, __: Surroundings) -> commands.KnowUser:
    return commands.KnowUser(identity)


def _record_usage(usage: commands.RecordUsage, _: Caller, __: Surroundings) -> commands.RecordUsage:
    return usage


def _use_sign_in(use: commands.UseSignIn, _: Caller, __: Surroundings) -> commands.UseSignIn:
    return use


def _spend_only(_: bytes, __: Caller, ___: Surroundings) -> commands.SpendOnly:
    return commands.SpendOnly()


def _follow_market(_: bytes, __: Caller, ___: Surroundings) -> published_quotes.FollowMarket:
    return published_quotes.FollowMarket()


def _tell_allowances(
    account_ids: list[str], _: Caller, __: Surroundings
) -> commands.TellAllowances:
    return commands.TellAllowances(tuple(account_ids))


def _known(result: UserKnown) -> bytes:
    return encode_user(result.user)


def _done(_: Done) -> bytes:
    return b""


KnowUser = Decided(
    route=Route.EVERYONE,
    read=_know_user,
    decide=Keys.know_user,
    answer=_known,
)
RecordUsage = Decided(
    route=Route.EVERYONE,
    read=_record_usage,
    decide=Keys.record_usage,
    answer=_done,
)
UseSignIn = Decided(
    route=Route.EVERYONE,
    read=_use_sign_in,
    decide=Keys.use_sign_in,
    answer=_done,
)
Spend = Decided(
    route=Route.OWN_USER,
    read=_spend_only,
    decide=Spending.settle,
    answer=_done,
)
TellAllowances = Decided(
    route=Route.EVERYONE,
    read=_tell_allowances,
    decide=Spending.tell,
    answer=encode_allowances,
)
FollowMarket = Decided(
    route=Route.EVERYONE,
    read=_follow_market,
    decide=MarketCalls.follow,
    answer=_done,
)
