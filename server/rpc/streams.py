"""Streams: what is sent on one, from its opening to its end."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.application.order_updates import LogReader, OrderUpdates
from server.application.ports import Clock, Reads
from server.application.quote_updates import QuoteReader, QuoteUpdates
from server.domain.errors import Reason
from server.domain.order import Order
from server.rpc.call import Call, Principal
from server.rpc.errors import refuse
from server.rpc.heartbeat import Heartbeat
from server.rpc.open_stream import OpenStream
from server.rpc.reading import SharedReading
from server.wire import filters, stream_messages

QUOTE_HEARTBEAT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The live orders of an account as of a sequence."""

    sequence: int
    orders: list[Order]


class OrderUpdateStream:
    """Sends the log of an account from the caller's cursor on, and then each new entry."""

    def __init__(
        self,
        *,
        updates: OrderUpdates,
        reads: Reads,
        reading: SharedReading,
        clock: Clock,
    ) -> None:
        self._updates = updates
        self._reads = reads
        self._read = reading
        self._clock = clock

    async def send(self, wanted: filters.OrderUpdatesWanted, call: Call) -> None:
        """Serve one stream until its task is cancelled; raise Refused instead of opening it."""
        caller, stream = call.caller, call.open_stream
        account_id = caller.account_id
        snapshot = None
        if wanted.include_snapshot and wanted.after_sequence is None:
            snapshot = await self._snapshot(caller)
            newest = snapshot.sequence
        else:
            newest = await self._read(caller.user_id, self._reads.newest_sequence, account_id)
        begin = newest if wanted.after_sequence is None else wanted.after_sequence
        if begin > newest:
            raise refuse(
                Reason.SEQUENCE_IN_FUTURE,
                f"`after_sequence` must be at most {newest}, the log's newest entry, not {begin}.",
            )
        if 0 < begin < newest and not await self._read(
            caller.user_id, self._reads.is_cursor, account_id, begin
        ):
            raise refuse(
                Reason.SEQUENCE_IN_FUTURE,
                f"The log has no entry {begin}: it was lost with the database. Read the account"
                " anew, and leave `after_sequence` out.",
            )
        with (
            self._updates.reader(account_id, begin, newest) as reader,
            Heartbeat(wanted.heartbeat_seconds, reader.woken) as heartbeat,
        ):
            sending = _Sending(stream, reader, heartbeat, wanted, self._clock)
            await stream.run(self._sent(sending, caller, begin, newest, snapshot))

    async def _sent(
        self,
        sending: "_Sending",
        caller: Principal,
        begin: int,
        newest: int,
        snapshot: _Snapshot | None,
    ) -> None:
        await sending.begin(begin)
        if sending.wanted.include_snapshot:
            if snapshot is None:
                await sending.updates(until=newest)
                snapshot = await self._snapshot(caller)
            await sending.updates(until=snapshot.sequence)
            await sending.snapshot(snapshot)
            snapshot = None
        await sending.updates()

    async def _snapshot(self, caller: Principal) -> _Snapshot:
        return _Snapshot(
            *await self._read(caller.user_id, self._reads.live_orders, caller.account_id)
        )


@dataclass(frozen=True, slots=True)
class _Sending:
    """The sender of one stream of order updates."""

    stream: OpenStream
    reader: LogReader
    heartbeat: Heartbeat
    wanted: filters.OrderUpdatesWanted
    clock: Clock

    async def begin(self, sequence: int) -> None:
        await self.stream.send(stream_messages.subscribed(sequence, self.clock()), sequence)

    async def snapshot(self, snapshot: _Snapshot) -> None:
        for order in snapshot.orders:
            if self.wanted.include(order):
                message = stream_messages.snapshot_order(snapshot.sequence, order)
                await self.stream.send(message, snapshot.sequence)

    async def updates(self, until: int | None = None) -> None:
        """Send the log up to a sequence; without one, go on for ever."""
        stream, reader, heartbeat = self.stream, self.reader, self.heartbeat
        while until is None or reader.position < until:
            if heartbeat.is_due:
                heartbeat.restart()
                promise = stream_messages.heartbeat(reader.position, self.clock())
                await stream.send(promise, reader.position)
            entries = await reader.next(until)
            if not self.wanted.are_all:
                entries = [entry for entry in entries if self.wanted.include(entry.traded)]
            await stream.send_entries(entries)


class QuoteStream:
    """Sends the newest quotes of some symbols, and then each change."""

    def __init__(self, updates: QuoteUpdates, clock: Clock) -> None:
        self._updates = updates
        self._clock = clock

    async def send(self, symbols: Sequence[str], call: Call) -> None:
        """Serve one stream until its task is cancelled; raise Refused instead of opening it."""
        stream = call.open_stream
        with (
            self._updates.reader(symbols) as reader,
            Heartbeat(QUOTE_HEARTBEAT_SECONDS, reader.woken) as heartbeat,
        ):
            await stream.run(self._sent(stream, reader, heartbeat))

    async def _sent(self, stream: OpenStream, reader: QuoteReader, heartbeat: Heartbeat) -> None:
        while True:
            if heartbeat.is_due:
                heartbeat.restart()
                await stream.send(stream_messages.quote_heartbeat(self._clock()))
            symbol = await reader.next()
            message = None if symbol is None else self._updates.message(symbol)
            if message is not None:
                await stream.send(message)
