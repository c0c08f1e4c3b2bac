"""The engine's service: it turns calls into tasks, and results into frames of answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from server.application.commands import Done, Moved, Waiting
from server.application.market_feed import MarketFeed
from server.application.ownership import Ownership
from server.application.ports import Clock
from server.application.published_quotes import live
from server.application.refusals import MALFORMED
from server.application.spending import Charged
from server.application.trading import Task, Trading
from server.domain.errors import Reason, Refusal
from server.domain.sharding import ANY_SHARD
from server.domain.values import Micros
from server.engine.charging import SPEND, Charging
from server.engine.frames import (
    NOBODY,
    Call,
    Kind,
    encode_quotes,
    encode_refusal,
    pack_answer,
    pack_moved,
    pack_notification,
)
from server.engine.receipts import encode_charged
from server.wire.rows import Decided, Route, Surroundings, bound

WAITING_CALLS_MAX = 16
"""So many calls of an account may wait; a bot needs one, and some more if its answers get lost."""

TOO_MANY_WAIT = Refusal(
    reason=Reason.CONFLICT,
    message=f"{WAITING_CALLS_MAX} later calls of the account wait for the clock, too.",
)


@dataclass(frozen=True, slots=True)
class EngineCall:
    """A call that the engine decides: its row, and the parser of its request's bytes."""

    row: Decided[Any, Any, Any]
    parse: Callable[[bytes], Any]


class EngineService:
    """Answers calls in batches; without `charging`, the front has charged them."""

    def __init__(
        self,
        calls: Mapping[str, EngineCall],
        trading: Trading,
        feed: MarketFeed,
        clock: Clock,
        ownership: Ownership,
        charging: Charging | None = None,
    ) -> None:
        self._calls = calls
        self._deciders = {
            name: bound(call.row.decide, trading.use_cases) for name, call in calls.items()
        }
        self._trading = trading
        self._feed = feed
        self._clock = clock
        self._ownership = ownership
        self._charging = charging
        self._waiting: list[tuple[Call, Waiting]] = []
        self._begins_anew = False

    @property
    def is_behind(self) -> bool:
        """Tell whether due work is left over, so that `handle` must let time pass again at once."""
        return self._trading.is_behind

    def handle(self, calls: Sequence[Call], *, passing: bool = False) -> list[bytes]:
        """Let time pass if `passing`, then decide and store calls; return the frames to send."""
        charging = self._charging
        charged = {} if charging is None else charging.charge(calls)
        read = [self._read(call, charged.get(at)) for at, call in enumerate(calls)]
        tasks = [task for task in read if isinstance(task, Task)]
        decide = self._trading.handle if charging is None else charging.decide
        batch = decide(tasks, passing=passing)
        results = iter(batch.results)
        frames = [pack_notification(notification) for notification in batch.notifications]
        frames += [
            pack_answer(calls[at].id, Kind.SPENT, encode_charged(bill))
            for at, bill in charged.items()
        ]
        for call, task in zip(calls, read, strict=True):
            result = next(results) if isinstance(task, Task) else task
            if isinstance(result, Waiting):
                frames += self._let_wait(call, result)
            else:
                frames.append(self._answer(call, result))
        return frames + self._end_waits() if self._waiting else frames

    def look(self) -> list[bytes]:
        """Give up and take shards, if that is due; call it between two batches.

        Returns the frames to send. Raises StorageUnavailable or StorageBroken.
        """
        if self._ownership.look():
            self._begins_anew = True
            if self._charging is not None:
                self._charging.begin_anew()
        if not self._begins_anew:
            return []
        batch = self._trading.begin_anew()
        self._begins_anew = isinstance(batch.results[0], Refusal)
        return list(map(pack_notification, batch.notifications))

    @property
    def look_due_in(self) -> Micros | None:
        """Return in how long `look` has something to do; None for never."""
        return self._ownership.due_in()

    def close(self) -> None:
        """Store what is stored from time to time only, and give up all shards at the end."""
        if self._charging is not None:
            self._charging.close()
        self._ownership.leave()

    def _let_wait(self, call: Call, waiting: Waiting) -> list[bytes]:
        """Keep a call for later; if its account has too many, the oldest of them is refused."""
        own = [kept for kept in self._waiting if kept[1].account_id == waiting.account_id]
        self._waiting.append((call, waiting))
        frames = [pack_answer(call.id, Kind.WAITING, b"")]
        if len(own) >= WAITING_CALLS_MAX:
            self._waiting.remove(own[0])
            frames.append(self._answer(own[0][0], TOO_MANY_WAIT))
        return frames

    def _end_waits(self) -> list[bytes]:
        """Answer the calls whose wait is over, after what they are told is stored."""
        now, steps = self._clock(), self._trading.steps
        over = [kept for kept in self._waiting if steps.is_over(kept[1], now)]
        if not over:
            return []
        batch = self._trading.handle(
            [
                Task(waiting, steps.tell, call.caller.bot_key_id, waiting.account_id)
                for call, waiting in over
            ]
        )
        self._waiting = [kept for kept in self._waiting if kept not in over]
        return [
            *map(pack_notification, batch.notifications),
            *(
                self._answer(call, result)
                for (call, _), result in zip(over, batch.results, strict=True)
            ),
        ]

    def board(self) -> list[bytes]:
        """Return frames with the newest quotes, which are stale but for those that live on."""
        loaded = pack_answer(NOBODY, Kind.QUOTES_LOADED, encode_quotes(self._feed.board.all()))
        return [loaded, *map(pack_notification, live(self._feed.board, self._clock()))]

    def _read(self, call: Call, charged: Charged | None) -> Task | Refusal | Done | Moved:
        if call.shard != ANY_SHARD and not self._ownership.owns(call.shard):
            return Moved(call.shard)
        if charged is not None:
            if charged.refusal is not None:
                return charged.refusal
            if call.name == SPEND and charged.is_stored:
                return Done()
        served = self._calls[call.name]
        given = Surroundings(self._feed.instruments, self._clock())
        try:
            command = served.row.read(served.parse(call.body), call.caller, given)
        except DecodeError:
            return MALFORMED
        except Exception as error:
            # A fault in reading one call must not end the engine for all others.
            return self._trading.failed(error)
        if isinstance(command, Refusal):
            return command
        account_id, bot_key_id = None, call.caller.bot_key_id
        if served.row.route is Route.NAMED_ACCOUNT:
            account_id = command.account_id
        elif served.row.route is Route.OWN_ACCOUNT:
            account_id = call.caller.account_id
        return Task(command, self._deciders[call.name], bot_key_id, account_id)

    def _answer(self, call: Call, result: object) -> bytes:
        if isinstance(result, Moved):
            return pack_moved(call.id, ANY_SHARD if result.shard is None else result.shard)
        if isinstance(result, Refusal):
            return pack_answer(call.id, Kind.REFUSAL, encode_refusal(result))
        try:
            answer = self._calls[call.name].row.answer(result)
        except Exception as error:
            # The result is stored. If this ended the engine, each repetition would end it again.
            return pack_answer(call.id, Kind.REFUSAL, encode_refusal(self._trading.failed(error)))
        body = answer if isinstance(answer, bytes) else answer.SerializeToString()
        return pack_answer(call.id, Kind.RESPONSE, body)
