"""Messages of streams: stored events and quotes as bytes for readers."""

from typing import NamedTuple

from bottrading.v1 import bot_trading_pb2, market_data_pb2, order_update_pb2
from server.application.order_updates import LogEntry
from server.application.ports import StoredEvent
from server.domain.instrument import AssetType
from server.domain.order import Order
from server.domain.quote import Quote
from server.domain.values import Micros
from server.wire import answers, enums

_Message = bot_trading_pb2.StreamOrderUpdatesResponse
_ASSET_TYPES = enums.members(enums.ASSET_TYPES)


class OrderedInstrument(NamedTuple):
    """The instrument of the order in an update."""

    symbol: str
    asset_type: AssetType


def ordered_in(event: order_update_pb2.AccountEvent) -> OrderedInstrument | None:
    """Return the instrument of an event's order; None for an account's event."""
    if event.WhichOneof("event") != "order_update":
        return None
    order = event.order_update.order
    return OrderedInstrument(order.symbol, _ASSET_TYPES[order.asset_type])


def log_entry(stored: StoredEvent) -> LogEntry:
    """Return the entry of an account's log that streams send for an event."""
    event = order_update_pb2.AccountEvent.FromString(stored.payload)
    traded = ordered_in(event)
    if traded is not None:
        update = event.order_update
        update.transaction_end = stored.transaction_end
        message = _Message(sequence=stored.sequence, order_update=update)
    else:
        changed = event.account_update
        changed.transaction_end = stored.transaction_end
        changed.time.CopyFrom(event.time)
        message = _Message(sequence=stored.sequence, account_update=changed)
    return LogEntry(stored.sequence, traded, message.SerializeToString())


def subscribed(sequence: int, now: Micros) -> bytes:
    """Return the first message of a stream of order updates."""
    opened = bot_trading_pb2.StreamSubscribed(time=answers.timestamp(now))
    return _Message(sequence=sequence, subscribed=opened).SerializeToString()


def snapshot_order(sequence: int, order: Order) -> bytes:
    """Return a live order of the snapshot that was taken at a sequence."""
    return _Message(sequence=sequence, snapshot_order=answers.order(order)).SerializeToString()


def heartbeat(sequence: int, now: Micros) -> bytes:
    """Return a heartbeat, which says that everything up to a sequence was sent."""
    beat = bot_trading_pb2.StreamHeartbeat(time=answers.timestamp(now))
    return _Message(sequence=sequence, heartbeat=beat).SerializeToString()


def quote(value: Quote, *, stale: bool) -> bytes:
    """Return a quote as it is sent."""
    shown = answers.quote(value, stale=stale)
    return market_data_pb2.StreamQuotesResponse(quote=shown).SerializeToString()


def quote_heartbeat(now: Micros) -> bytes:
    """Return a heartbeat of a stream of quotes."""
    beat = market_data_pb2.QuoteHeartbeat(time=answers.timestamp(now))
    return market_data_pb2.StreamQuotesResponse(heartbeat=beat).SerializeToString()
