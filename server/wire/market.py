"""The market: converts requests to queries; quotes, bars, instruments and hours to answers."""

from collections.abc import Sequence

from bottrading.v1 import market_clock_pb2, quote_pb2
from bottrading.v1 import market_data_pb2 as market_data
from bottrading.v1 import market_data_pb2 as pb
from server.application.callers import Caller
from server.application.commands import (
    HoursTold,
    PublishQuotes,
    QuotesPublished,
    SentQuote,
    TellMarketHours,
)
from server.application.listings import BarsOf, InstrumentFilter
from server.application.queries import ShownQuote
from server.domain.bar import Bar, BarFilter, BarInterval
from server.domain.errors import Reason, Refusal
from server.domain.instrument import Instrument
from server.domain.market import LockStep, ReplayProgress
from server.domain.quote import Quote, QuoteRefusal
from server.domain.values import (
    DecimalError,
    Micros,
    Price,
    Quantity,
    Units,
    normalize_symbol,
    parse_units,
)
from server.wire import answers, enums
from server.wire.bounds import bounds
from server.wire.fields import Fields, path_symbol
from server.wire.rows import Surroundings

QUOTES_MAX = bounds(market_data.PublishQuotesRequest, "quotes").items_max

SYMBOLS_MAX = bounds(market_data.BatchGetQuotesRequest, "symbols").items_max

QUERY_LENGTH_MAX = bounds(market_data.ListInstrumentsRequest, "query").length_max

BARS_DEFAULT = 100

BARS_MAX = 1_000

_ASSET_TYPES = enums.members(enums.ASSET_TYPES)

_BAR_INTERVALS = enums.members(enums.BAR_INTERVALS)


def symbols(
    request: market_data.BatchGetQuotesRequest | market_data.StreamQuotesRequest,
    _: Caller,
    given: Surroundings,
) -> list[str] | Refusal:
    """Read the symbols whose quotes are wanted."""
    fields = Fields()
    if not 1 <= len(request.symbols) <= SYMBOLS_MAX:
        fields.refuse(
            "symbols", Reason.FIELD_INVALID, f"`symbols` must have 1 to {SYMBOLS_MAX} items."
        )
        refusal = fields.refusal()
        assert refusal is not None
        return refusal
    found = [fields.known_symbol("symbols", text, given.instruments) for text in request.symbols]
    return fields.refusal() or [symbol for symbol in found if symbol is not None]


def one_symbol(
    request: market_data.GetQuoteRequest, _: Caller, given: Surroundings
) -> str | Refusal:
    """Read the symbol whose quote is wanted."""
    return path_symbol(request.symbol, given.instruments)


def instruments(
    request: market_data.ListInstrumentsRequest, _: Caller, __: Surroundings
) -> InstrumentFilter | Refusal:
    """Read which instruments to list; the text is in lower case."""
    fields = Fields()
    asset_type = fields.optional_member("asset_type", request.asset_type, _ASSET_TYPES)
    if len(request.query) > QUERY_LENGTH_MAX:
        fields.refuse(
            "query",
            Reason.FIELD_INVALID,
            f"`query` must have at most {QUERY_LENGTH_MAX} characters.",
        )
    return fields.refusal() or InstrumentFilter(asset_type, request.query.lower())


def bars(request: market_data.ListBarsRequest, _: Caller, given: Surroundings) -> BarsOf | Refusal:
    """Read which bars to list: none that starts after now."""
    now = given.now
    fields = Fields()
    interval = fields.member(
        "interval", request.interval, _BAR_INTERVALS, default=BarInterval.ONE_MINUTE
    )
    start = fields.moment("start", request.start) if request.HasField("start") else None
    end = fields.moment("end", request.end) if request.HasField("end") else None
    if start is not None and end is not None and start > end:
        fields.refuse("start", Reason.FIELD_INVALID, "`start` must not be after `end`.")
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    assert interval is not None, "an unknown one was refused"
    end = interval.begin_not_before(now + 1 if end is None else min(end, now + 1))
    if start is None:
        newest = BarFilter(interval=interval, start=None, end=end, limit=BARS_DEFAULT)
        return _bars_of(request, newest, given)
    start = interval.begin_not_before(start)
    count = (end - start) // interval.width
    if count > BARS_MAX:
        fields.refuse(
            "start",
            Reason.FIELD_INVALID,
            f"From `start` to `end` there are {count} bars of {interval.value}, and an answer holds"
            f" at most {BARS_MAX}: send a longer `interval`, or ask for one part at a time.",
        )
    wanted = BarFilter(interval=interval, start=start, end=end, limit=BARS_MAX)
    return fields.refusal() or _bars_of(request, wanted, given)


def market_clock(
    _: market_data.GetMarketClockRequest, __: Caller, ___: Surroundings
) -> TellMarketHours:
    """Read a request for the hours of all markets."""
    return TellMarketHours()


def publish_quotes(
    request: market_data.PublishQuotesRequest, _: Caller, given: Surroundings
) -> PublishQuotes | Refusal:
    """Read the quotes of a feed; an invalid quote is kept with its refusal."""
    fields = Fields()
    if not 1 <= len(request.quotes) <= QUOTES_MAX:
        fields.refuse(
            "quotes", Reason.FIELD_INVALID, f"`quotes` must have 1 to {QUOTES_MAX} items."
        )
    refusal = fields.refusal()
    if refusal is not None:
        return refusal
    return PublishQuotes(
        tuple(
            SentQuote(sent.symbol, _sent_quote(sent, given.now), sent.confirmed)
            for sent in request.quotes
        )
    )


def quote_read(found: ShownQuote) -> pb.GetQuoteResponse:
    """Answer GetQuote."""
    return pb.GetQuoteResponse(quote=answers.quote(found.quote, stale=found.is_stale))


def quotes_read(found: Sequence[ShownQuote]) -> pb.BatchGetQuotesResponse:
    """Answer BatchGetQuotes."""
    return pb.BatchGetQuotesResponse(
        quotes=[answers.quote(shown.quote, stale=shown.is_stale) for shown in found]
    )


def instruments_listed(found: Sequence[Instrument]) -> pb.ListInstrumentsResponse:
    """Answer ListInstruments."""
    return pb.ListInstrumentsResponse(instruments=map(answers.instrument, found))


def bars_listed(found: Sequence[tuple[Bar, bool]]) -> pb.ListBarsResponse:
    """Answer ListBars."""
    return pb.ListBarsResponse(
        bars=[answers.bar(bar, complete=is_complete) for bar, is_complete in found]
    )


def hours_told(result: HoursTold) -> pb.GetMarketClockResponse:
    """Answer GetMarketClock."""
    replay = result.replay
    return pb.GetMarketClockResponse(
        clock=market_clock_pb2.MarketClock(
            time=answers.timestamp(result.now),
            sessions=[
                market_clock_pb2.MarketSession(
                    asset_type=enums.ASSET_TYPES[kind],
                    open=market.is_open,
                    next_open=answers.optional_timestamp(market.next_open),
                    next_close=answers.optional_timestamp(market.next_close),
                )
                for kind, market in result.hours
            ],
            replay=None if replay is None else _replay_progress(replay),
        )
    )


def quotes_published(result: QuotesPublished) -> pb.PublishQuotesResponse:
    """Answer PublishQuotes."""
    return pb.PublishQuotesResponse(
        accepted=result.accepted,
        refused=[
            quote_pb2.RefusedQuote(symbol=symbol, reason=enums.QUOTE_REFUSALS[why])
            for symbol, why in result.refused
        ],
    )


def _bars_of(
    request: market_data.ListBarsRequest, wanted: BarFilter, given: Surroundings
) -> BarsOf | Refusal:
    symbol = path_symbol(request.symbol, given.instruments)
    return symbol if isinstance(symbol, Refusal) else BarsOf(symbol, wanted)


def _replay_progress(replay: ReplayProgress) -> market_clock_pb2.ReplayProgress:
    steps = replay.lock_step
    return market_clock_pb2.ReplayProgress(
        starts_at=answers.timestamp(replay.starts_at),
        ends_at=answers.timestamp(replay.ends_at),
        speed=replay.speed,
        lock_step=None if steps is None else _lock_step(steps),
    )


def _lock_step(steps: LockStep) -> market_clock_pb2.LockStep:
    return market_clock_pb2.LockStep(
        participants=steps.participants, joined=steps.joined, awaited=steps.awaited
    )


def _sent_quote(sent: quote_pb2.PublishedQuote, now: Micros) -> Quote | QuoteRefusal:
    symbol = normalize_symbol(sent.symbol)
    if symbol is None:
        return QuoteRefusal.SYMBOL_UNKNOWN
    try:
        bid, bid_size = _signed(sent.bid), _signed(sent.bid_size)
        ask, ask_size = _signed(sent.ask), _signed(sent.ask_size)
        last = _signed(sent.last) if sent.HasField("last") else (bid + ask) // 2
    except DecimalError:
        return QuoteRefusal.DECIMAL_INVALID
    time = now
    if sent.HasField("time"):
        fields = Fields()
        time = fields.moment("time", sent.time)
        if fields.refusal() is not None:
            return QuoteRefusal.TIME_INVALID
    return Quote(
        symbol=symbol,
        bid=Price(bid),
        bid_size=Quantity(bid_size),
        ask=Price(ask),
        ask_size=Quantity(ask_size),
        last=Price(last),
        time=time,
        sequence=sent.sequence if sent.HasField("sequence") else 0,
        is_indicative=sent.indicative,
    )


def _signed(text: str) -> Units:
    """Read a decimal that may be negative, to distinguish a negative price from an invalid one."""
    return -parse_units(text[1:]) if text.startswith("-") else parse_units(text)
