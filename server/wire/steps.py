"""Steps of a lock-step replay: converts AdvanceClock to a command, and its result to an answer."""

from google.protobuf.duration_pb2 import Duration

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_update_pb2
from server.application.callers import Caller
from server.application.commands import AdvanceClock, ClockAdvanced
from server.application.ports import StoredEvent
from server.application.steps import LoggedEvent
from server.domain.errors import Reason, Refusal
from server.domain.values import Micros
from server.wire import answers, enums
from server.wire.fields import Fields
from server.wire.rows import Surroundings
from server.wire.stream_messages import ordered_in

GOALS = ("until", "by", "next_bar")
DURATION_SECONDS_MAX = 315_576_000_000
"""The longest duration that its message allows: 10 000 years."""

_BAR_INTERVALS = enums.members(enums.BAR_INTERVALS)


def advance_clock(
    request: pb.AdvanceClockRequest, caller: Caller, _: Surroundings
) -> AdvanceClock | Refusal:
    """Read until when the caller is done; whether the times fit the clock is checked later."""
    fields = Fields()
    seen = until = by = interval = None
    if request.HasField("from"):
        seen = fields.moment("from", getattr(request, "from"))
    if request.HasField("until"):
        until = fields.moment("until", request.until)
    if request.HasField("by"):
        by = _length(fields, request.by)
    if request.next_bar:
        interval = fields.member("next_bar", request.next_bar, _BAR_INTERVALS)
    given = [until is not None, by is not None, bool(request.next_bar)]
    if not any(given):
        fields.refuse("until", Reason.FIELD_REQUIRED, "Send one of `until`, `by` and `next_bar`.")
    elif sum(given) > 1:
        surplus = [name for name, is_given in zip(GOALS, given, strict=True) if is_given][1]
        fields.refuse(
            surplus, Reason.FIELD_INVALID, "Send only one of `until`, `by` and `next_bar`."
        )
    if seen is not None and until is not None and until < seen:
        fields.refuse("until", Reason.FIELD_INVALID, "`until` must not be before `from`.")
    return fields.refusal() or AdvanceClock(
        account_id=caller.account_id,
        seen=seen,
        until=until,
        by=by,
        next_bar=None if interval is None else interval.width,
    )


def clock_advanced(result: ClockAdvanced) -> pb.AdvanceClockResponse:
    """Answer AdvanceClock."""
    first, last = result.sequences
    return pb.AdvanceClockResponse(
        time=answers.timestamp(result.time),
        ended=result.has_ended,
        first_sequence=first,
        last_sequence=last,
        events=map(order_update_pb2.AccountEvent.FromString, result.events),
    )


def logged_event(stored: StoredEvent) -> LoggedEvent:
    """Read when an event of a log happened, and which instrument it is about."""
    event = order_update_pb2.AccountEvent.FromString(stored.payload)
    return LoggedEvent(event.time.ToMicroseconds(), ordered_in(event))


def _length(fields: Fields, sent: Duration) -> Micros:
    length = sent.seconds * 1_000_000 + sent.nanos // 1_000
    if not 0 < length <= DURATION_SECONDS_MAX * 1_000_000 or not 0 <= sent.nanos < 1_000_000_000:
        fields.refuse(
            "by",
            Reason.FIELD_INVALID,
            "`by` must be longer than 0 and at most 10 000 years, such as 3600s.",
        )
    return length
