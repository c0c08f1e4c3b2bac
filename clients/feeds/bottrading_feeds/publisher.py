"""The publisher: sends quotes to the venue with an operator's token."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Self

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import instrument_pb2, market_data_pb2, market_data_pb2_grpc, quote_pb2
from bottrading_client.connecting import CHANNEL_OPTIONS, credentials_of
from bottrading_client.errors import error_of
from bottrading_feeds.book import Quote
from bottrading_feeds.port import Listing

QUOTES_A_CALL_MAX = 500
ANSWER_SECONDS_MAX = 5.0
INSTRUMENT_BYTES_MAX = 64 * 1024 * 1024
FOR_GOOD = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INVALID_ARGUMENT,
)
ALWAYS_OPEN = "CRYPTO"
_REASON_PREFIX = "QUOTE_REFUSAL_REASON_"
_ASSET_TYPE_PREFIX = "ASSET_TYPE_"


class VenueRefused(Exception):
    """The venue refuses this feed; the message is one line for a person."""


class VenueAway(Exception):
    """The venue does not answer now."""


class Publisher:
    """A connection to the venue; `token` returns the token of the moment.

    Each call raises VenueAway when it may help to try again, and VenueRefused when it does not.
    """

    def __init__(self, target: str, token: Callable[[], str]) -> None:
        options = [*CHANNEL_OPTIONS, ("grpc.max_receive_message_length", INSTRUMENT_BYTES_MAX)]
        credentials = credentials_of(target, None, insecure=False)
        self._channel = (
            grpc.aio.insecure_channel(target, options)
            if credentials is None
            else grpc.aio.secure_channel(target, credentials, options)
        )
        self._market = market_data_pb2_grpc.MarketDataStub(self._channel)
        self._token = token

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def listings(self) -> list[Listing]:
        """Return the instruments of the venue; their sources' symbols are their own."""
        try:
            answer = await self._market.ListInstruments(
                market_data_pb2.ListInstrumentsRequest(),
                metadata=self._metadata(),
                timeout=ANSWER_SECONDS_MAX,
            )
        except grpc.aio.AioRpcError as error:
            raise _told(error) from error
        return [_listing(instrument) for instrument in answer.instruments]

    async def publish(
        self, quotes: Sequence[Quote], *, confirmed: bool = False
    ) -> list[tuple[str, str]]:
        """Publish up to 500 quotes; return (symbol, reason) of those that were refused."""
        request = market_data_pb2.PublishQuotesRequest(
            quotes=[_published(quote, confirmed=confirmed) for quote in quotes]
        )
        try:
            answer = await self._market.PublishQuotes(
                request, metadata=self._metadata(), timeout=ANSWER_SECONDS_MAX
            )
        except grpc.aio.AioRpcError as error:
            raise _told(error) from error
        name = quote_pb2.QuoteRefusalReason.Name
        return [(it.symbol, name(it.reason).removeprefix(_REASON_PREFIX)) for it in answer.refused]

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._token()}"),)


def _told(error: grpc.aio.AioRpcError) -> Exception:
    told = " ".join(str(error_of(error)).split())
    if error.code() in FOR_GOOD:
        return VenueRefused(f"the venue refuses the feed: {told}")
    return VenueAway(told)


def _published(quote: Quote, *, confirmed: bool) -> quote_pb2.PublishedQuote:
    made = quote_pb2.PublishedQuote(
        symbol=quote.symbol,
        bid=_text(quote.bid),
        bid_size=_text(quote.bid_size),
        ask=_text(quote.ask),
        ask_size=_text(quote.ask_size),
        time=_timestamp(quote.time),
        sequence=quote.sequence,
        confirmed=confirmed,
        indicative=quote.is_indicative,
    )
    if quote.last is not None:
        made.last = _text(quote.last)
    return made


def _text(value: Decimal) -> str:
    return f"{value:f}"


def _timestamp(time: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(time)
    return made


def _listing(instrument: instrument_pb2.Instrument) -> Listing:
    kind = instrument_pb2.AssetType.Name(instrument.asset_type).removeprefix(_ASSET_TYPE_PREFIX)
    return Listing(
        symbol=instrument.symbol,
        source_symbol=instrument.symbol,
        name=instrument.name,
        asset_type=kind,
        price_tick=Decimal(instrument.price_tick),
        quantity_step=Decimal(instrument.quantity_step),
        session="always-open" if kind == ALWAYS_OPEN else "exchange",
        currency="USD",
    )
