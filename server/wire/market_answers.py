"""Answers to calls about the market."""

from collections.abc import Sequence

from bottrading.v1 import market_clock_pb2, quote_pb2
from bottrading.v1 import market_data_pb2 as pb
from server.application.commands import HoursTold, QuotesPublished
from server.application.queries import ShownQuote
from server.domain.bar import Bar
from server.domain.instrument import Instrument
from server.wire import answers, enums


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


def market_clock(result: HoursTold) -> pb.GetMarketClockResponse:
    """Answer GetMarketClock."""
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
