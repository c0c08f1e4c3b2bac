"""Frames between front and engine: length-prefixed, many in one write.

A call is (length, version, call id, shard, spends, quota, length of the name, account id, user id,
bot key id, name, body). An answer is (length, call id, kind, body). A notification is an answer
with call id 0, which no call has. The notifications of a batch always come before its answers.
Signs of life come while something long is loaded or decided. WAITING says of a call that its answer
comes later, when the clock of a replay gets there. MOVED says that a call was not executed, and
which shard it belongs to. SPENT comes before the answer to a call that spends, and says what is
left.
LEAVING says that the engine ends: it answers what it was sent, and takes no more calls.

Version and call id come first in every version: an engine that does not know the version of a call
answers with MOVED.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import Any

import orjson

from server.application.callers import Caller
from server.application.commands import (
    CallsDelayed,
    KeyEnded,
    LogsGrown,
    MarketStopped,
    Notification,
    QuotesChanged,
    QuotesConfirmed,
    RecordUsage,
    TimePassed,
    UserChanged,
    UseSignIn,
)
from server.domain.bar import Bar
from server.domain.errors import Reason, Refusal, Violation
from server.domain.quote import BAR_AHEAD, Quote
from server.domain.sharding import ANY_SHARD
from server.domain.user import Identity, Plan, User
from server.domain.values import Micros
from server.wire.contract import Spends

FRAME_VERSION = 1
LENGTH = struct.Struct("<I")
CALL_START = struct.Struct("<BQ")
CALL_HEADER = struct.Struct("<BQHBIB36s36s36s")
SHARD = struct.Struct("<H")
ANSWER_HEADER = struct.Struct("<QB")
NOBODY = 0
SPENDS = tuple(Spends)
_SHOWN = attrgetter(*(name for name in Quote.__slots__ if name not in BAR_AHEAD))


class Kind(IntEnum):
    """What the body of an answer or a notification holds."""

    RESPONSE = 0
    REFUSAL = 1
    QUOTES_CHANGED = 2
    KEY_ENDED = 3
    READY = 4
    QUOTES_LOADED = 5
    TIME_PASSED = 6
    LOGS_GROWN = 7
    SIGN_OF_LIFE = 8
    MARKET_STOPPED = 9
    QUOTES_CONFIRMED = 10
    WAITING = 11
    MOVED = 12
    SPENT = 13
    CALLS_DELAYED = 14
    LEAVING = 15
    USER_CHANGED = 16


class UnknownVersion(Exception):
    """A call of a version that this engine cannot read."""

    def __init__(self, call_id: int, version: int) -> None:
        super().__init__(version)
        self.call_id = call_id


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `name` is that of its row in the table of calls.

    `quota` is how many calls its account may make a day; 0: that is not limited.
    """

    id: int
    name: str
    caller: Caller
    body: bytes
    shard: int = ANY_SHARD
    spends: Spends = Spends.NOTHING
    quota: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call, or a notification."""

    call_id: int
    kind: Kind
    body: bytes


def pack_call(call: Call) -> bytes:
    """Return a call as a frame, without the caller's permissions."""
    name, caller = call.name.encode(), call.caller
    header = CALL_HEADER.pack(
        FRAME_VERSION,
        call.id,
        call.shard,
        SPENDS.index(call.spends),
        call.quota,
        len(name),
        caller.account_id.encode(),
        caller.user_id.encode(),
        (caller.bot_key_id or "").encode(),
    )
    return b"".join(
        (LENGTH.pack(len(header) + len(name) + len(call.body)), header, name, call.body)
    )


def unpack_call(frame: bytes) -> Call:
    """Return the call in a frame; raise UnknownVersion if only its id can be read."""
    version, call_id = CALL_START.unpack_from(frame)
    if version != FRAME_VERSION:
        raise UnknownVersion(call_id, version)
    _, _, shard, spends, quota, name_length, *ids = CALL_HEADER.unpack_from(frame)
    account_id, user_id, bot_key_id = (padded.rstrip(b"\0").decode() for padded in ids)
    body_begin = CALL_HEADER.size + name_length
    caller = Caller(account_id=account_id, user_id=user_id, bot_key_id=bot_key_id or None)
    name = frame[CALL_HEADER.size : body_begin].decode()
    return Call(call_id, name, caller, frame[body_begin:], shard, SPENDS[spends], quota)


def pack_answer(call_id: int, kind: Kind, body: bytes) -> bytes:
    return LENGTH.pack(ANSWER_HEADER.size + len(body)) + ANSWER_HEADER.pack(call_id, kind) + body


def pack_moved(call_id: int, shard: int = ANY_SHARD) -> bytes:
    """Return the answer that a call was not executed, since it belongs to a shard elsewhere."""
    return pack_answer(call_id, Kind.MOVED, SHARD.pack(shard))


def decode_moved(body: bytes) -> int:
    """Return the shard of a call that was not executed."""
    (shard,) = SHARD.unpack(body)
    return int(shard)


def unpack_answer(frame: bytes) -> Answer:
    call_id, kind = ANSWER_HEADER.unpack_from(frame)
    return Answer(call_id, Kind(kind), frame[ANSWER_HEADER.size :])


class FrameBuffer:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add bytes; yield every complete frame, without its length."""
        self._bytes += data
        start, end = 0, len(self._bytes)
        while end - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._bytes, start)
            stop = start + LENGTH.size + length
            if stop > end:
                break
            yield bytes(self._bytes[start + LENGTH.size : stop])
            start = stop
        del self._bytes[:start]


def encode_refusal(refusal: Refusal) -> bytes:
    """Return a refusal as the body of an answer."""
    return orjson.dumps(
        [
            refusal.reason.value,
            refusal.message,
            [[item.field, item.reason.value, item.message] for item in refusal.violations],
            refusal.retry_after_seconds,
            refusal.is_not_found,
            refusal.is_not_executed,
        ]
    )


def decode_refusal(body: bytes) -> Refusal:
    reason, message, violations, retry_after, is_not_found, is_not_executed = orjson.loads(body)
    return Refusal(
        reason=Reason(reason),
        message=message,
        violations=tuple(Violation(field, Reason(why), text) for field, why, text in violations),
        retry_after_seconds=retry_after,
        is_not_found=is_not_found,
        is_not_executed=is_not_executed,
    )


def pack_notification(notification: Notification) -> bytes:
    match notification:
        case QuotesChanged():
            return pack_answer(NOBODY, Kind.QUOTES_CHANGED, encode_changes(notification))
        case QuotesConfirmed(symbols, now):
            body = orjson.dumps([now, symbols])
            return pack_answer(NOBODY, Kind.QUOTES_CONFIRMED, body)
        case KeyEnded(key_id):
            return pack_answer(NOBODY, Kind.KEY_ENDED, key_id.encode())
        case UserChanged(user_id):
            return pack_answer(NOBODY, Kind.USER_CHANGED, user_id.encode())
        case TimePassed(now):
            return pack_answer(NOBODY, Kind.TIME_PASSED, now.to_bytes(8))
        case LogsGrown(account_ids):
            return pack_answer(NOBODY, Kind.LOGS_GROWN, " ".join(account_ids).encode())
        case MarketStopped(is_stopped):
            return pack_answer(NOBODY, Kind.MARKET_STOPPED, bytes([is_stopped]))
        case CallsDelayed(accounts):
            return pack_answer(NOBODY, Kind.CALLS_DELAYED, orjson.dumps(dict(accounts)))


def decode_delays(body: bytes) -> dict[str, int]:
    """Return how many margin calls wait for a fresh quote of each symbol."""
    return dict(orjson.loads(body))


def encode_quotes(quotes: Sequence[Quote]) -> bytes:
    """Return quotes as the body of a notification."""
    return orjson.dumps(_rows_of_quotes(quotes))


def decode_quotes(body: bytes) -> list[Quote]:
    return _quotes_of_rows(orjson.loads(body))


def encode_changes(changed: QuotesChanged) -> bytes:
    """Return newest quotes and their minute bars as the body of a notification."""
    minutes = [[it.symbol, it.start, it.open, it.high, it.low, it.close] for it in changed.minutes]
    return orjson.dumps([_rows_of_quotes(changed.quotes), minutes])


def decode_changes(body: bytes) -> QuotesChanged:
    quotes, minutes = orjson.loads(body)
    bars = [
        Bar(symbol=symbol, start=start, open=first, high=high, low=low, close=last)
        for symbol, start, first, high, low, last in minutes
    ]
    return QuotesChanged(tuple(_quotes_of_rows(quotes)), tuple(bars))


def _rows_of_quotes(quotes: Sequence[Quote]) -> list[tuple[Any, ...]]:
    return [_SHOWN(quote) for quote in quotes]


def _quotes_of_rows(rows: Sequence[Sequence[Any]]) -> list[Quote]:
    return [
        Quote(
            symbol=symbol,
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
            last=last,
            time=time,
            sequence=sequence,
            is_indicative=is_indicative,
        )
        for symbol, bid, bid_size, ask, ask_size, last, time, sequence, is_indicative in rows
    ]


def decode_confirmed(body: bytes) -> tuple[Micros, list[str]]:
    """Return the moment and the symbols of confirmed quotes."""
    now, symbols = orjson.loads(body)
    return now, symbols


def encode_identity(identity: Identity) -> bytes:
    """Return the identity of a token as the body of a call."""
    return orjson.dumps(
        [
            identity.issuer,
            identity.subject,
            identity.name,
            identity.plan.value,
            identity.is_operator,
            identity.issued_at,
        ]
    )


def decode_identity(body: bytes) -> Identity:
    issuer, subject, name, plan, is_operator, issued_at = orjson.loads(body)
    return Identity(
        issuer=issuer,
        subject=subject,
        name=name,
        plan=Plan(plan),
        is_operator=is_operator,
        issued_at=issued_at,
    )


def encode_user(user: User) -> bytes:
    """Return a user as the body of an answer."""
    return orjson.dumps([user.id, user.account_id, encode_identity(user.identity).decode()])


def decode_user(body: bytes) -> tuple[str, str, Identity]:
    """Return a user's id, first account and identity."""
    user_id, account_id, identity = orjson.loads(body)
    return user_id, account_id, decode_identity(identity)


def encode_use_of_sign_in(use: UseSignIn) -> bytes:
    """Return the use of a sign-in token as the body of a call."""
    return orjson.dumps([use.token_id, use.expires_at, use.now])


def decode_use_of_sign_in(body: bytes) -> UseSignIn:
    return UseSignIn(*orjson.loads(body))


def encode_usage(
    calls: Sequence[tuple[str, int, int]], keys: Sequence[tuple[str, Micros]]
) -> bytes:
    """Return the usage of accounts and keys as the body of a call.

    `calls` are (account id, day, number of calls), `keys` are (key id, moment of its last use).
    """
    return orjson.dumps([calls, keys])


def decode_usage(body: bytes) -> RecordUsage:
    calls, keys = orjson.loads(body)
    return RecordUsage(
        tuple((account, day, count) for account, day, count in calls),
        tuple((key, moment) for key, moment in keys),
    )
