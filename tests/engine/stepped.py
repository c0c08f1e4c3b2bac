"""A lock-step replay of some rows, and calls that advance its clock."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import market_data_pb2, order_update_pb2
from server.domain.values import Micros
from server.engine.frames import Answer, Kind
from tests.engine.bench import Bench, at, call, place, row
from tests.support.databases import opened
from tests.support.venue import NOON, ManualClock

ROWS = [
    row("01-02 15:00", "AAPL", "100.00", "101.00"),
    row("01-02 16:00", "AAPL", "102.00", "103.00"),
    row("01-02 17:00", "AAPL", "90.00", "91.00"),
    row("01-02 18:00", "AAPL", "110.00", "111.00"),
]
SECONDS = [
    row(f"01-02 15:{minute:02}:{second:02}", "AAPL", "100.00", "101.00")
    for minute in range(60)
    for second in range(60)
]
"""Too many rows for the engine to play at once."""
START: Micros = at("01-02 15:00") - 1


class Stepped:
    """An engine in lock-step; `real` is the time in which participants are late."""

    def __init__(
        self, data_dir: Path, *, rows: Sequence[str] = ROWS, participants: Any = 1, **options: Any
    ) -> None:
        self.data_dir, self.real = data_dir, ManualClock(NOON)
        self._options = {
            "rows": rows,
            "replay_clock": "step",
            "step_participants": str(participants),
            **options,
        }
        self._ids = itertools.count(1)
        self.answers: dict[int, Answer] = {}
        self.waiting: set[int] = set()
        self.bench = self._open()

    def _open(self) -> Bench:
        bench = Bench(self.data_dir, self.real, **self._options)
        bench.handle(passing=True)
        return bench

    def restart(self) -> None:
        """End the engine, whose waiting calls get no answer, and start another."""
        self.close()
        self.waiting.clear()
        self.bench = self._open()

    def close(self) -> None:
        """End the engine."""
        self.bench.parts.close()

    @property
    def now(self) -> Micros:
        """Where the clock stands."""
        return self.bench.parts.clock()

    def account(self, subject: str) -> str:
        return self.bench.account(subject)

    def advance(self, account: str, until: str = "", *, seen: str = "", **fields: Any) -> int:
        """Say that an account is done; return the id of the call."""
        request = pb.AdvanceClockRequest(**fields)
        if until:
            request.until.FromMicroseconds(at(until))
        if seen:
            getattr(request, "from").FromMicroseconds(at(seen))
        return self.send(account, "AdvanceClock", request)

    def send(self, account: str, name: str, request: Any) -> int:
        number = next(self._ids)
        self._take(self.bench.handle(call(number, name, account, request.SerializeToString())))
        return number

    def go(self, *, seconds: float = 0) -> None:
        """Let real time pass, and do all that is due."""
        self.real.turn(seconds=seconds)
        self._take(self.bench.handle(passing=True))
        source = self.bench.parts.feed.source
        while source.due_in(self.now) == 0:
            self._take(self.bench.handle(passing=True))

    def play_a_part(self) -> None:
        """Play as much as the engine plays between two looks for calls."""
        self._take(self.bench.handle(passing=True))

    def _take(self, answers: list[Answer]) -> None:
        for answer in answers:
            if answer.kind is Kind.WAITING:
                self.waiting.add(answer.call_id)
            elif answer.call_id:
                self.waiting.discard(answer.call_id)
                self.answers[answer.call_id] = answer

    def told(self, number: int) -> pb.AdvanceClockResponse:
        """Return the answer to an AdvanceClock."""
        answer = self.answers[number]
        assert answer.kind is Kind.RESPONSE, answer
        return pb.AdvanceClockResponse.FromString(answer.body)

    def step(self, account: str, until: str, **fields: Any) -> pb.AdvanceClockResponse:
        """Advance the clock and return the answer, which must have come."""
        number = self.advance(account, until, **fields)
        self.go()
        return self.told(number)

    def place(self, account: str, **fields: Any) -> None:
        """Place an order for AAPL, a BUY unless told otherwise."""
        self._take(self.bench.handle(place(next(self._ids), account, **fields)))

    def lock_step(self) -> tuple[int, int, int]:
        """Return what the clock tells: participants wanted, joined and awaited."""
        number = self.send("", "GetMarketClock", market_data_pb2.GetMarketClockRequest())
        answer = market_data_pb2.GetMarketClockResponse.FromString(self.answers[number].body)
        told = answer.clock.replay.lock_step
        return told.participants, told.joined, told.awaited

    def log(self, account: str) -> list[order_update_pb2.AccountEvent]:
        """Return the log of an account."""
        with opened(self.bench.data_dir) as connection:
            rows = connection.execute(
                "SELECT payload FROM events WHERE account_id = ? ORDER BY sequence", (account,)
            )
        return [order_update_pb2.AccountEvent.FromString(payload) for (payload,) in rows]


def names(events: Sequence[order_update_pb2.AccountEvent]) -> list[str]:
    """Return what events tell, such as FILLED."""
    told = []
    for event in events:
        if event.WhichOneof("event") == "order_update":
            name = order_update_pb2.OrderUpdateType.Name(event.order_update.type)
            told.append(name.removeprefix("ORDER_UPDATE_TYPE_"))
        else:
            name = order_update_pb2.AccountUpdateType.Name(event.account_update.type)
            told.append(name.removeprefix("ACCOUNT_UPDATE_TYPE_"))
    return told
