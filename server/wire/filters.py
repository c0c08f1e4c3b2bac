"""Filters: the contract's listing requests to what the queries take."""

from dataclasses import dataclass
from enum import Enum

from bottrading.v1 import bot_trading_pb2 as bot_trading
from bottrading.v1 import leaderboard_pb2, portfolio_pb2
from bottrading.v1 import market_data_pb2 as market_data
from server.application.equity_history import Interval
from server.application.leaderboard import Period
from server.application.listings import FillFilter, OrderFilter
from server.application.ports import Instruments
from server.domain.bar import BarFilter, BarInterval
from server.domain.errors import Reason, Refusal
from server.domain.instrument import AssetType
from server.domain.user import Permissions, Traded
from server.domain.values import DAY as A_DAY
from server.domain.values import Micros, normalize_symbol
from server.wire import enums
from server.wire.bounds import bounds
from server.wire.fields import Fields, is_id

PAGE_TOKEN_LENGTH_MAX = bounds(bot_trading.ListOrdersRequest, "page_token").length_max
SYMBOLS_MAX = bounds(market_data.BatchGetQuotesRequest, "symbols").items_max
STREAM_SYMBOLS_MAX = bounds(bot_trading.StreamOrderUpdatesRequest, "symbols").items_max
QUERY_LENGTH_MAX = bounds(market_data.ListInstrumentsRequest, "query").length_max
BARS_DEFAULT = 100
BARS_MAX = 1_000

HEARTBEAT_SECONDS_DEFAULT = 15.0
HEARTBEAT_SECONDS = bounds(bot_trading.StreamOrderUpdatesRequest, "heartbeat_interval")

_STATUSES = enums.members(enums.ORDER_STATUSES)
_ASSET_TYPES = enums.members(enums.ASSET_TYPES)


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
_BAR_INTERVALS = enums.members(enums.BAR_INTERVALS)


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


def orders(
    request: bot_trading.ListOrdersRequest,
    account_id: str,
    permissions: Permissions,
    instruments: Instruments,
) -> tuple[OrderFilter, int] | Refusal:
    """Read which orders to list, and how many."""
    fields = Fields()
    wanted = OrderFilter(
        account_id=account_id,
        permissions=permissions,
        status=fields.optional_member("status", request.status, _STATUSES),
        symbol=_symbol(fields, request, instruments),
        after=fields.moment("after", request.after) if request.HasField("after") else None,
        until=fields.moment("until", request.until) if request.HasField("until") else None,
    )
    limit = fields.limit("limit", request.limit if request.HasField("limit") else None)
    _check_page_token(fields, request.page_token)
    return fields.refusal() or (wanted, limit)


def fills(
    request: bot_trading.ListFillsRequest,
    account_id: str,
    permissions: Permissions,
    instruments: Instruments,
) -> tuple[FillFilter, int] | Refusal:
    """Read which fills to list, and how many."""
    fields = Fields()
    wanted = FillFilter(
        account_id=account_id,
        permissions=permissions,
        symbol=_symbol(fields, request, instruments),
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
        return Refusal(reason=Reason.ORDER_NOT_FOUND, message="There is no such order.")
    return wanted, limit


def order_id_or_client_id(request: bot_trading.GetOrderRequest) -> tuple[str, str] | Refusal:
    """Read which of the two ids of an order is given; the other one is empty."""
    fields = Fields()
    client_order_id = ""
    if request.HasField("client_order_id"):
        client_order_id = fields.client_order_id("client_order_id", request.client_order_id)
    if bool(request.order_id) == request.HasField("client_order_id"):
        fields.refuse(
            "order_id", Reason.FIELD_INVALID, "Give exactly one of order_id and client_order_id."
        )
    return fields.refusal() or (request.order_id, client_order_id)


def symbols(
    request: market_data.BatchGetQuotesRequest | market_data.StreamQuotesRequest,
    instruments: Instruments,
) -> list[str] | Refusal:
    """Read the symbols whose quotes are wanted."""
    fields = Fields()
    if not 1 <= len(request.symbols) <= SYMBOLS_MAX:
        fields.refuse(
            "symbols", Reason.FIELD_INVALID, f"symbols must have 1 to {SYMBOLS_MAX} items."
        )
        refusal = fields.refusal()
        assert refusal is not None
        return refusal
    found = [fields.known_symbol("symbols", text, instruments) for text in request.symbols]
    return fields.refusal() or [symbol for symbol in found if symbol is not None]


def order_updates(
    request: bot_trading.StreamOrderUpdatesRequest,
    permissions: Permissions,
    instruments: Instruments,
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
        fields.known_symbol("symbols", text, instruments)
        for text in request.symbols[:STREAM_SYMBOLS_MAX]
    ]
    wanted = OrderUpdatesWanted(
        after_sequence=after,
        permissions=permissions,
        symbols=frozenset(symbol for symbol in symbols if symbol is not None),
        include_snapshot=request.include_snapshot,
        heartbeat_seconds=_heartbeat_seconds(fields, request),
    )
    return fields.refusal() or wanted


def portfolio_history(
    request: bot_trading.GetPortfolioHistoryRequest,
) -> tuple[Micros | None, Interval] | Refusal:
    """Read how long an equity curve is, None for the whole, and how far apart its points are."""
    fields = Fields()
    period = fields.member("period", request.period, _PERIODS, HistoryPeriod.MONTH)
    interval = fields.optional_member("interval", request.interval, _INTERVALS)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    assert period is not None, "there is a default"
    return period.value, interval or _INTERVAL_OF[period]


def leaderboard(request: bot_trading.GetLeaderboardRequest) -> tuple[Period, int] | Refusal:
    """Read over which period accounts are ranked, and how many rows a page has."""
    fields = Fields()
    period = fields.member("period", request.period, _LEADERBOARD_PERIODS, Period.ALL)
    limit = fields.limit("limit", request.limit if request.HasField("limit") else None)
    _check_page_token(fields, request.page_token)
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    assert period is not None, "there is a default"
    return period, limit


def path_symbol(text: str, instruments: Instruments) -> str | Refusal:
    """Read the symbol that names a resource: an unknown one is not found."""
    symbol = normalize_symbol(text)
    if symbol is None or instruments.find(symbol) is None:
        return Refusal(
            reason=Reason.SYMBOL_UNKNOWN,
            message="No instrument has this symbol; ListInstruments lists them.",
        )
    return symbol


def instruments_query(
    request: market_data.ListInstrumentsRequest,
) -> tuple[AssetType | None, str] | Refusal:
    """Read which instruments to list; the text is in lower case."""
    fields = Fields()
    asset_type = fields.optional_member("asset_type", request.asset_type, _ASSET_TYPES)
    if len(request.query) > QUERY_LENGTH_MAX:
        fields.refuse(
            "query", Reason.FIELD_INVALID, f"query has at most {QUERY_LENGTH_MAX} characters."
        )
    return fields.refusal() or (asset_type, request.query.lower())


def bars(request: market_data.ListBarsRequest, now: Micros) -> BarFilter | Refusal:
    """Read which bars to list: none that starts after now."""
    fields = Fields()
    interval = fields.member(
        "interval", request.interval, _BAR_INTERVALS, default=BarInterval.ONE_MINUTE
    )
    start = fields.moment("start", request.start) if request.HasField("start") else None
    end = fields.moment("end", request.end) if request.HasField("end") else None
    if start is not None and end is not None and start > end:
        fields.refuse("start", Reason.FIELD_INVALID, "start must not be after end.")
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    assert interval is not None, "an unknown one was refused"
    end = interval.begin_not_before(now + 1 if end is None else min(end, now + 1))
    if start is None:
        return BarFilter(interval=interval, start=None, end=end, limit=BARS_DEFAULT)
    start = interval.begin_not_before(start)
    count = (end - start) // interval.width
    if count > BARS_MAX:
        fields.refuse(
            "start",
            Reason.FIELD_INVALID,
            f"From start on there are {count} bars of {interval.value}, and an answer holds"
            f" {BARS_MAX}; ask for a longer interval, or for part after part with start and end.",
        )
    wanted = BarFilter(interval=interval, start=start, end=end, limit=BARS_MAX)
    return fields.refusal() or wanted


def _symbol(
    fields: Fields,
    request: bot_trading.ListOrdersRequest | bot_trading.ListFillsRequest,
    instruments: Instruments,
) -> str | None:
    if not request.HasField("symbol"):
        return None
    return fields.known_symbol("symbol", request.symbol, instruments)


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
