"""The calls of MarketData: instruments, quotes, bars and market hours."""

from server.application.market_calls import MarketCalls
from server.application.queries import Queries
from server.rpc.streams import QuoteStream
from server.wire import market_answers, market_requests
from server.wire.rows import Decided, Queried, Route, Streamed

GetQuote = Queried(
    route=Route.EVERYONE,
    read=market_requests.one_symbol,
    query=Queries.quote,
    answer=market_answers.quote_read,
    from_memory=True,
)
BatchGetQuotes = Queried(
    route=Route.EVERYONE,
    read=market_requests.symbols,
    query=Queries.quotes,
    answer=market_answers.quotes_read,
    from_memory=True,
)
ListInstruments = Queried(
    route=Route.EVERYONE,
    read=market_requests.instruments,
    query=Queries.instruments,
    answer=market_answers.instruments_listed,
    from_memory=True,
)
ListBars = Queried(
    route=Route.EVERYONE,
    read=market_requests.bars,
    query=Queries.bars,
    answer=market_answers.bars_listed,
)
GetMarketClock = Decided(
    route=Route.EVERYONE,
    read=market_requests.market_clock,
    decide=MarketCalls.hours,
    answer=market_answers.market_clock,
)
StreamQuotes = Streamed(
    route=Route.EVERYONE,
    read=market_requests.symbols,
    send=QuoteStream.send,
)
PublishQuotes = Decided(
    route=Route.EVERYONE,
    read=market_requests.publish_quotes,
    decide=MarketCalls.publish,
    answer=market_answers.quotes_published,
)
