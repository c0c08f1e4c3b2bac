"""Filters of streams: which order updates are wanted, and from where on."""

from dataclasses import dataclass

from bottrading.v1 import bot_trading_pb2 as bot_trading
from server.application.callers import Caller
from server.domain.errors import Reason, Refusal
from server.domain.user import Permissions, Traded
from server.wire.bounds import bounds
from server.wire.fields import Fields
from server.wire.rows import Surroundings

STREAM_SYMBOLS_MAX = bounds(bot_trading.StreamOrderUpdatesRequest, "symbols").items_max

HEARTBEAT_SECONDS_DEFAULT = 15.0

HEARTBEAT_SECONDS = bounds(bot_trading.StreamOrderUpdatesRequest, "heartbeat_interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdatesWanted:
    """The order updates to send, among those that `permissions` allow; no symbols: all of them."""

    after_sequence: int | None
    permissions: Permissions
    symbols: frozenset[str]
    include_snapshot: bool
    heartbeat_seconds: float

    @property
    def are_all(self) -> bool:
        """Tell whether the filter lets everything through."""
        return not self.symbols and not self.permissions.are_fenced

    def include(self, traded: Traded | None) -> bool:
        """Tell whether updates about an instrument are sent; None stands for the account."""
        if traded is None:
            return True
        asked_for = not self.symbols or traded.symbol in self.symbols
        return asked_for and self.permissions.allow(traded)


def order_updates(
    request: bot_trading.StreamOrderUpdatesRequest, caller: Caller, given: Surroundings
) -> OrderUpdatesWanted | Refusal:
    """Read where a stream begins and what it filters."""
    fields = Fields()
    after = request.after_sequence if request.HasField("after_sequence") else None
    if after is not None and after < 0:
        fields.refuse("after_sequence", Reason.FIELD_INVALID, "`after_sequence` must be 0 or more.")
    if len(request.symbols) > STREAM_SYMBOLS_MAX:
        fields.refuse(
            "symbols",
            Reason.FIELD_INVALID,
            f"`symbols` must have at most {STREAM_SYMBOLS_MAX} items.",
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


def _heartbeat_seconds(fields: Fields, request: bot_trading.StreamOrderUpdatesRequest) -> float:
    if not request.HasField("heartbeat_interval"):
        return HEARTBEAT_SECONDS_DEFAULT
    interval = request.heartbeat_interval
    seconds = interval.seconds + interval.nanos / 1e9
    if not HEARTBEAT_SECONDS.minimum <= seconds <= HEARTBEAT_SECONDS.maximum:
        fields.refuse(
            "heartbeat_interval",
            Reason.FIELD_INVALID,
            f"`heartbeat_interval` must be from {HEARTBEAT_SECONDS.minimum} to"
            f" {HEARTBEAT_SECONDS.maximum} s.",
        )
    return seconds
