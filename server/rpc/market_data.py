"""MarketData: instruments, quotes and bars; the engine answers what publishes."""

from grpc import StatusCode

from bottrading.v1 import market_data_pb2 as pb
from bottrading.v1 import quote_pb2
from server.application.market_feed import QuoteBoard
from server.application.ports import Clock, Instruments
from server.application.queries import Queries
from server.domain.errors import Reason, Refusal
from server.rpc.call import Call
from server.rpc.errors import Refused
from server.rpc.reading import SharedReading, accepted
from server.rpc.streams import QuoteStream
from server.wire import answers, filters


class MarketData:
    """The reading half of the service."""

    def __init__(
        self,
        *,
        queries: Queries,
        reading: SharedReading,
        board: QuoteBoard,
        instruments: Instruments,
        clock: Clock,
        stream_quotes: QuoteStream,
    ) -> None:
        self._queries = queries
        self._read = reading.for_caller
        self._board = board
        self._stream_quotes = stream_quotes
        self._instruments = instruments
        self._clock = clock

    async def GetQuote(self, request: pb.GetQuoteRequest, _: Call) -> pb.GetQuoteResponse:
        symbol = self._path_symbol(request.symbol)
        quote = self._quote(symbol)
        if quote is None:
            raise Refused(
                Refusal(reason=Reason.NO_QUOTE, message=f"{symbol} has no quote yet; try later."),
                StatusCode.NOT_FOUND,
            )
        return pb.GetQuoteResponse(quote=quote)

    async def BatchGetQuotes(
        self, request: pb.BatchGetQuotesRequest, _: Call
    ) -> pb.BatchGetQuotesResponse:
        symbols = accepted(filters.symbols(request, self._instruments))
        quotes = [self._quote(symbol) for symbol in symbols]
        return pb.BatchGetQuotesResponse(quotes=[quote for quote in quotes if quote is not None])

    async def ListInstruments(
        self, request: pb.ListInstrumentsRequest, _: Call
    ) -> pb.ListInstrumentsResponse:
        asset_type, text = accepted(filters.instruments_query(request))
        of_symbol = text.replace("/", "-")  # As in every other place that takes a symbol.
        return pb.ListInstrumentsResponse(
            instruments=[
                answers.instrument(instrument)
                for instrument in self._instruments.listed(self._clock())
                if asset_type in (None, instrument.asset_type)
                and (of_symbol in instrument.symbol.lower() or text in instrument.name.lower())
            ]
        )

    async def ListBars(self, request: pb.ListBarsRequest, call: Call) -> pb.ListBarsResponse:
        wanted = accepted(filters.bars(request, self._clock()))
        symbol = self._path_symbol(request.symbol)
        bars = await self._read(call, self._queries.bars, symbol, wanted)
        return pb.ListBarsResponse(
            bars=[answers.bar(bar, complete=complete) for bar, complete in bars]
        )

    async def StreamQuotes(self, request: pb.StreamQuotesRequest, call: Call) -> None:
        await self._stream_quotes(request, call)

    def _path_symbol(self, text: str) -> str:
        found = filters.path_symbol(text, self._instruments)
        if isinstance(found, Refusal):
            raise Refused(found, StatusCode.NOT_FOUND)
        return found

    def _quote(self, symbol: str) -> quote_pb2.Quote | None:
        quote = self._board.get(symbol)
        if quote is None:
            return None
        return answers.quote(quote, stale=not self._board.is_fresh(quote, self._clock()))
