"""The call of a bot in a lock-step replay, which lets the clock move on."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration

from bottrading.v1 import bot_trading_pb2 as trading
from bottrading.v1 import order_update_pb2
from bottrading_client.call import Call, Repeating, call
from bottrading_client.enums import BarInterval
from bottrading_client.messages import number, read, timestamp
from bottrading_client.models import AccountUpdate, ClockAdvance, OrderUpdate


def advance_clock(
    *,
    until: datetime | None = None,
    by: timedelta | None = None,
    next_bar: BarInterval | str | None = None,
    from_time: datetime | None = None,
) -> Call[ClockAdvance]:
    """Say that you are done until a later time of a lock-step replay, and wait for that time.

    Give exactly one of `until`, `by` and `next_bar`, such as "1d": until the running bar ends.
    `from_time` is the time of the replay that you saw last. With it, or with `until`, a call whose
    answer is lost is repeated, and the clock moves once. The wait can be longer than the client's
    timeout, because other bots take part: see `with_timeout`. `replay` does all of this by itself.
    """
    interval = None if next_bar is None else next_bar.upper()
    request = trading.AdvanceClockRequest(
        until=timestamp(until),
        by=None if by is None else _duration(by),
        next_bar=number(BarInterval, interval),
        **{"from": timestamp(from_time)},  # A word of Python, so that it cannot be written as such.
    )
    is_repeatable = until is not None or from_time is not None
    return call(
        lambda service: service.trading.AdvanceClock,
        request,
        _advance,
        Repeating.CHANGES_NOTHING_MORE if is_repeatable else Repeating.CHANGES_AGAIN,
    )


def _advance(answer: trading.AdvanceClockResponse) -> ClockAdvance:
    return ClockAdvance(
        time=answer.time.ToDatetime(tzinfo=UTC),
        ended=answer.ended,
        first_sequence=answer.first_sequence,
        last_sequence=answer.last_sequence,
        events=tuple(map(_event, answer.events)),
    )


def _event(message: order_update_pb2.AccountEvent) -> OrderUpdate | AccountUpdate:
    if message.WhichOneof("event") == "order_update":
        return read(OrderUpdate, message.order_update, sequence=message.sequence)
    return read(AccountUpdate, message.account_update, sequence=message.sequence)


def _duration(span: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(span)
    return duration
