"""The calls of MarketData: instruments, quotes, bars and market hours."""

from server.application.market_calls import MarketCalls
from server.application.queries import Queries
from server.domain.sharding import MARKET
from server.engine.cluster import FOLLOW_MARKET
from server.rpc.streams import QuoteStream
from server.wire import market
from server.wire.rows import Decided, Queried, Route, Streamed

GetQuote = Queried(
    route=Route.EVERYONE,
    read=market.one_symbol,
    query=Queries.quote,
    answer=market.quote_read,
    from_memory=True,
)
BatchGetQuotes = Queried(
    route=Route.EVERYONE,
    read=market.symbols,
    query=Queries.quotes,
    answer=market.quotes_read,
    from_memory=True,
)
ListInstruments = Queried(
    route=Route.EVERYONE,
    read=market.instruments,
    query=Queries.instruments,
    answer=market.instruments_listed,
    from_memory=True,
)
ListBars = Queried(
    route=Route.EVERYONE,
    read=market.bars,
    query=Queries.bars,
    answer=market.bars_listed,
)
GetMarketClock = Decided(
    route=Route.EVERYONE,
    read=market.market_clock,
    decide=MarketCalls.hours,
    answer=market.hours_told,
)
StreamQuotes = Streamed(
    route=Route.EVERYONE,
    read=market.symbols,
    send=QuoteStream.send,
)
PublishQuotes = Decided(
    route=Route.EVERYONE,
    shard=MARKET,
    read=market.publish_quotes,
    decide=MarketCalls.publish,
    answer=market.quotes_published,
    followed_by=FOLLOW_MARKET,
)
