"""Filters: requests for what is to be read, to what the queries take."""

from dataclasses import dataclass
from enum import Enum

from google.protobuf.message import Message

from bottrading.v1 import bot_trading_pb2 as bot_trading
from bottrading.v1 import leaderboard_pb2, portfolio_pb2
from server.application.callers import Caller, OwnKey
from server.application.equity_history import HistoryOf, Interval
from server.application.leaderboard import Period, PlacesWanted
from server.application.listings import FillFilter, OneOrder, OrderFilter, PageOf
from server.application.refusals import ORDER_NOT_FOUND
from server.domain.errors import Reason, Refusal
from server.domain.user import Permissions, Traded
from server.domain.values import DAY as A_DAY
from server.wire import enums
from server.wire.bounds import bounds
from server.wire.fields import Fields, is_id
from server.wire.rows import Surroundings

PAGE_TOKEN_LENGTH_MAX = bounds(bot_trading.ListOrdersRequest, "page_token").length_max
STREAM_SYMBOLS_MAX = bounds(bot_trading.StreamOrderUpdatesRequest, "symbols").items_max

HEARTBEAT_SECONDS_DEFAULT = 15.0
HEARTBEAT_SECONDS = bounds(bot_trading.StreamOrderUpdatesRequest, "heartbeat_interval")

_STATUSES = enums.members(enums.ORDER_STATUSES)


class HistoryPeriod(Enum):
    """The span of an equity curve up to now."""

    DAY = A_DAY
    WEEK = 7 * A_DAY
    MONTH = 30 * A_DAY
    YEAR = 365 * A_DAY
    ALL = None


_PERIODS: dict[int, HistoryPeriod] = {
    portfolio_pb2.HistoryPeriod.Value(f"HISTORY_PERIOD_{period.name}"): period
    for period in HistoryPeriod
}
_INTERVALS: dict[int, Interval] = {
    portfolio_pb2.HistoryInterval.Value(f"HISTORY_INTERVAL_{interval.name}"): interval
    for interval in Interval
}
_INTERVAL_OF = {
    HistoryPeriod.DAY: Interval.SNAPSHOT,
    HistoryPeriod.WEEK: Interval.HOUR,
    HistoryPeriod.MONTH: Interval.DAY,
    HistoryPeriod.YEAR: Interval.DAY,
    HistoryPeriod.ALL: Interval.DAY,
}
_LEADERBOARD_PERIODS: dict[int, Period] = {
    leaderboard_pb2.LeaderboardPeriod.Value(f"LEADERBOARD_PERIOD_{period.name}"): period
    for period in Period
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdatesWanted:
    """Which order updates a stream sends of those that `permissions` allow; no symbols: all."""

    after_sequence: int | None
    permissions: Permissions
    symbols: frozenset[str]
    include_snapshot: bool
    heartbeat_seconds: float

    @property
    def are_all(self) -> bool:
        """Tell whether nothing is left out."""
        return not self.symbols and not self.permissions.are_fenced

    def include(self, traded: Traded | None) -> bool:
        """Tell whether what is about an order's instrument is sent; None is about the account."""
        if traded is None:
            return True
        asked_for = not self.symbols or traded.symbol in self.symbols
        return asked_for and self.permissions.allow(traded)


def own_account(_: Message, caller: Caller, __: Surroundings) -> str:
    """Return the account that the caller's key is for."""
    return caller.account_id


def own_user(_: Message, caller: Caller, __: Surroundings) -> str:
    """Return the user that the caller's token is for."""
    return caller.user_id


def own_key(_: Message, caller: Caller, __: Surroundings) -> OwnKey:
    """Return the caller's key and its account."""
    assert caller.bot_key_id is not None, "the call takes a bot key"
    return OwnKey(caller.account_id, caller.bot_key_id)


def orders(
    request: bot_trading.ListOrdersRequest, caller: Caller, given: Surroundings
) -> PageOf[OrderFilter] | Refusal:
    """Read which orders to list, and how many."""
    fields = Fields()
    wanted = OrderFilter(
        account_id=caller.account_id,
        permissions=caller.permissions,
        status=fields.optional_member("status", request.status, _STATUSES),
        symbol=_symbol(fields, request, given),
        after=fields.moment("after", request.after) if request.HasField("after") else None,
        until=fields.moment("until", request.until) if request.HasField("until") else None,
    )
    limit = fields.limit("limit", request.limit if request.HasField("limit") else None)
    _check_page_token(fields, request.page_token)
    return fields.refusal() or PageOf(wanted, limit, request.page_token)


def fills(
    request: bot_trading.ListFillsRequest, caller: Caller, given: Surroundings
) -> PageOf[FillFilter] | Refusal:
    """Read which fills to list, and how many."""
    fields = Fields()
    wanted = FillFilter(
        account_id=caller.account_id,
        permissions=caller.permissions,
        symbol=_symbol(fields, request, given),
        order_id=request.order_id if request.HasField("order_id") else None,
        after=fields.moment("after", request.after) if request.HasField("after") else None,
        until=fields.moment("until", request.until) if request.HasField("until") else None,
    )
    limit = fields.limit("limit", request.limit if request.HasField("limit") else None)
    _check_page_token(fields, request.page_token)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    if wanted.order_id is not None and not is_id(wanted.order_id):
        return ORDER_NOT_FOUND
    return PageOf(wanted, limit, request.page_token)


def one_order(
    request: bot_trading.GetOrderRequest, caller: Caller, _: Surroundings
) -> OneOrder | Refusal:
    """Read which of the two ids of an order is given."""
    fields = Fields()
    client_order_id = ""
    if request.HasField("client_order_id"):
        client_order_id = fields.client_order_id("client_order_id", request.client_order_id)
    if bool(request.order_id) == request.HasField("client_order_id"):
        fields.refuse(
            "order_id", Reason.FIELD_INVALID, "Give exactly one of order_id and client_order_id."
        )
    return fields.refusal() or OneOrder(
        account_id=caller.account_id,
        permissions=caller.permissions,
        order_id=request.order_id,
        client_order_id=client_order_id,
    )


def order_updates(
    request: bot_trading.StreamOrderUpdatesRequest, caller: Caller, given: Surroundings
) -> OrderUpdatesWanted | Refusal:
    """Read where a stream begins and what it leaves out."""
    fields = Fields()
    after = request.after_sequence if request.HasField("after_sequence") else None
    if after is not None and after < 0:
        fields.refuse("after_sequence", Reason.FIELD_INVALID, "after_sequence must be 0 or more.")
    if len(request.symbols) > STREAM_SYMBOLS_MAX:
        fields.refuse(
            "symbols",
            Reason.FIELD_INVALID,
            f"symbols must have at most {STREAM_SYMBOLS_MAX} items.",
        )
    symbols = [
        fields.known_symbol("symbols", text, given.instruments)
        for text in request.symbols[:STREAM_SYMBOLS_MAX]
    ]
    wanted = OrderUpdatesWanted(
        after_sequence=after,
        permissions=caller.permissions,
        symbols=frozenset(symbol for symbol in symbols if symbol is not None),
        include_snapshot=request.include_snapshot,
        heartbeat_seconds=_heartbeat_seconds(fields, request),
    )
    return fields.refusal() or wanted


def portfolio_history(
    request: bot_trading.GetPortfolioHistoryRequest, caller: Caller, _: Surroundings
) -> HistoryOf | Refusal:
    """Read how long an equity curve is, and how far apart its points are."""
    fields = Fields()
    period = fields.member("period", request.period, _PERIODS, HistoryPeriod.MONTH)
    interval = fields.optional_member("interval", request.interval, _INTERVALS)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    assert period is not None, "there is a default"
    return HistoryOf(caller.account_id, period.value, interval or _INTERVAL_OF[period])


def leaderboard(
    request: bot_trading.GetLeaderboardRequest, caller: Caller, _: Surroundings
) -> PlacesWanted | Refusal:
    """Read over which period accounts are ranked, and how many rows a page has."""
    fields = Fields()
    period = fields.member("period", request.period, _LEADERBOARD_PERIODS, Period.ALL)
    limit = fields.limit("limit", request.limit if request.HasField("limit") else None)
    _check_page_token(fields, request.page_token)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    assert period is not None, "there is a default"
    return PlacesWanted(period, limit, request.page_token, caller.account_id)


def _symbol(
    fields: Fields,
    request: bot_trading.ListOrdersRequest | bot_trading.ListFillsRequest,
    given: Surroundings,
) -> str | None:
    if not request.HasField("symbol"):
        return None
    return fields.known_symbol("symbol", request.symbol, given.instruments)


def _heartbeat_seconds(fields: Fields, request: bot_trading.StreamOrderUpdatesRequest) -> float:
    if not request.HasField("heartbeat_interval"):
        return HEARTBEAT_SECONDS_DEFAULT
    interval = request.heartbeat_interval
    seconds = interval.seconds + interval.nanos / 1e9
    if not HEARTBEAT_SECONDS.minimum <= seconds <= HEARTBEAT_SECONDS.maximum:
        fields.refuse(
            "heartbeat_interval",
            Reason.FIELD_INVALID,
            f"heartbeat_interval must be from {HEARTBEAT_SECONDS.minimum} to"
            f" {HEARTBEAT_SECONDS.maximum} s.",
        )
    return seconds


def _check_page_token(fields: Fields, token: str) -> None:
    if len(token) > PAGE_TOKEN_LENGTH_MAX:
        fields.refuse("page_token", Reason.PAGE_TOKEN_INVALID, "page_token is none of ours.")
