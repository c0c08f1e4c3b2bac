"""Replays in bulk: they leave the same as replays that are played step by step, with queries."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2
from server.application.market_feed import QuoteBoard
from server.application.market_record import HeardMinutes
from server.application.timekeeping import Timekeeping
from server.domain.order_types import ANY_ASK, ANY_BID, Watch
from server.domain.resting import NOTHING_RESTS
from server.domain.values import DAY, SECOND, Micros
from server.engine.client import Notifications
from server.engine.frames import Answer, Kind
from server.market.moments import to_datetime
from server.storage.resting import Resting
from tests.engine.bench import Bench, at, call, place, row
from tests.engine.deterministic_run import CountingChance
from tests.engine.test_replayed_polls import Played, tables
from tests.support.audit import audit
from tests.support.venue import NOON, ManualClock

BEGIN = at("01-14 15:00")
OPTION = "AAPL250117C00260000"
EXPIRED = at("01-18 00:00")
LEVELS = {"AAPL": 260, "EUR-USD": 1.16, "BTC-USD": 92_000, OPTION: 9}
GAPS: list[Micros] = [1, SECOND, 20 * SECOND, 60 * SECOND, 900 * SECOND, DAY // 5]
WEIGHTS = [4, 8, 8, 6, 2, 1]
STEPS, LOOKS = 400, 25
EVERYTHING_IS_REACHED = NOTHING_RESTS.including(Watch.ASK_FALLS, ANY_ASK).including(
    Watch.BID_RISES, ANY_BID
)
TYPES = {
    order_pb2.ORDER_TYPE_MARKET: (),
    order_pb2.ORDER_TYPE_LIMIT: ("limit_price",),
    order_pb2.ORDER_TYPE_STOP: ("stop_price",),
    order_pb2.ORDER_TYPE_STOP_LIMIT: ("limit_price", "stop_price"),
}


def drawn_rows(dice: Random) -> list[str]:
    """Return the rows of a file: some moments have several quotes, some sizes are 0."""
    rows, moment = [], BEGIN
    for _ in range(STEPS):
        moment += dice.choices(GAPS, WEIGHTS)[0]
        for _ in range(dice.choice([1, 1, 1, 2, 5])):
            symbol = dice.choice(list(LEVELS)[: 4 if moment < EXPIRED else 3])
            bid = LEVELS[symbol] * dice.randint(960, 1040) / 1_000
            when = to_datetime(moment).isoformat()[5:].removesuffix("+00:00")
            size = dice.choice([0, 1, 30, 500])
            rows.append(row(when, symbol, f"{bid:.2f}", f"{bid * 1.001 + 0.005:.2f}", size=size))
    return rows


class Run:
    """A replay in which two accounts place and cancel orders at random moments."""

    OPTIONS: ClassVar[dict[str, Any]] = {}
    QUANTITIES: ClassVar = ["0.1", "1", "7", "40"]

    def __init__(self, data_dir: Path, seed: int) -> None:
        self.dice = Random(seed)
        self.rows = drawn_rows(self.dice)
        self.bench = Bench(
            data_dir,
            ManualClock(NOON),
            rows=self.rows,
            chance=CountingChance(),
            fees="default",
            # With a long interval, nothing but the expiry of an order ends a part before it.
            snapshot_interval_seconds=self.dice.choice([900, 40_000]),
            **self.OPTIONS,
        )
        self.accounts = [self.bench.account(name) for name in ("ada", "bob")]
        self.told: list[Answer] = []

    def play(self) -> dict[str, list[Any]]:
        """Play the file to its end; return all that the tables hold."""
        bench = self.bench
        self.told += bench.handle(passing=True)
        moments = [at(line[5:].split("Z")[0].replace("T", " ")) for line in self.rows]
        for moment in sorted([*self.dice.sample(moments, LOOKS), moments[-1]]):
            bench.clock.now += max(moment - bench.parts.clock(), 0)
            while bench.parts.clock() < moment:
                self.told += bench.handle(passing=True)
            bench.handle(*(self._order(number) for number in range(1, 6)))
            if not self.dice.randrange(4):
                request = pb.CancelAllOrdersRequest(symbol=self.dice.choice(list(LEVELS)))
                who = self.dice.choice(self.accounts)
                bench.handle(call(1, "CancelAllOrders", who, request.SerializeToString()))
        bench.parts.close()
        return tables(bench.data_dir)

    def _order(self, number: int) -> Any:
        dice, symbol = self.dice, self.dice.choice(list(LEVELS))
        order_type = dice.choice(list(TYPES))
        prices: dict[str, Any] = {
            name: f"{LEVELS[symbol] * dice.randint(930, 1070) / 1_000:.2f}"
            for name in TYPES[order_type]
        }
        side = dice.choice([order_pb2.SIDE_BUY, order_pb2.SIDE_SELL])
        if side == order_pb2.SIDE_BUY and not dice.randrange(3):
            # Its exits are held until it fills, and then compete for the position.
            prices["order_class"] = order_pb2.ORDER_CLASS_BRACKET
            prices["take_profit"] = pb.TakeProfit(limit_price=f"{LEVELS[symbol] * 1.03:.2f}")
            prices["stop_loss"] = pb.StopLoss(stop_price=f"{LEVELS[symbol] * 0.97:.2f}")
        return place(
            number,
            dice.choice(self.accounts),
            symbol=symbol,
            side=side,
            quantity=dice.choice(self.QUANTITIES) if symbol != OPTION else "1",
            order_type=order_type,
            time_in_force=dice.choice([order_pb2.TIME_IN_FORCE_GTC, order_pb2.TIME_IN_FORCE_DAY]),
            **prices,
        )


def step_by_step(patch: pytest.MonkeyPatch) -> None:
    """Let every step be played by itself, and every quote ask the database for orders."""
    patch.setattr(Timekeeping, "_pass_by", lambda *_: 0)
    patch.setattr(Resting, "prices", lambda *_: EVERYTHING_IS_REACHED)
    patch.setattr(Resting, "expiry", lambda _: 0)


def heard(told: Sequence[Answer]) -> dict[str, Any]:
    """Return what a front knows of each symbol after some notifications."""
    minutes, known = HeardMinutes(), dict[str, Any]()

    def look(symbols: Iterable[str]) -> None:
        known.update((symbol, minutes.of(symbol)) for symbol in symbols)

    notifications = Notifications(
        QuoteBoard(0),
        minutes,
        notify_quotes=look,
        notify_logs=lambda _: None,
        end_key=lambda _: None,
        forget_user=lambda _: None,
        set_time=lambda _: None,
    )
    for answer in told:
        notifications.take(answer)
    return known


@pytest.mark.sqlite_only
@pytest.mark.parametrize("seed", range(6))
def test_bulk_and_steps_leave_the_same_rows_and_tell_the_front_the_same(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    other = tmp_path / "other"
    shutil.copytree(data_dir, other)

    in_bulk = Run(data_dir, seed)
    found = in_bulk.play()
    with monkeypatch.context() as patch:
        step_by_step(patch)
        in_steps = Run(other, seed)
        expected = in_steps.play()

    assert found == expected
    assert heard(in_bulk.told) == heard(in_steps.told)
    assert len(found["fills"]) > 10
    assert found["equity_snapshots"]
    audit(data_dir)
    quiet, loud = (
        sum(it.kind is Kind.QUOTES_CHANGED for it in run.told) for run in (in_bulk, in_steps)
    )
    assert quiet < loud / 2, "hardly anything was played in bulk"


@pytest.mark.sqlite_only
def test_the_first_quote_of_an_underlying_settles_its_expired_options(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step after that quote settles them, however many steps are played together."""
    rows = [
        row("01-16T15:00", OPTION, "8", "9"),
        *(row(f"01-18T15:{minute:02}", "BTC-USD", "92000", "92001") for minute in range(20)),
        row("01-18T15:20", "AAPL", "299", "300"),
        *(row(f"01-18T15:{minute}", "BTC-USD", "92000", "92001") for minute in range(21, 41)),
    ]
    other = tmp_path / "other"
    shutil.copytree(data_dir, other)

    found = Played(data_dir, rows, [{"symbol": OPTION}]).go([at("01-18 15:40")])
    with monkeypatch.context() as patch:
        step_by_step(patch)
        expected = Played(other, rows, [{"symbol": OPTION}]).go([at("01-18 15:40")])

    assert found == expected
    assert [position[2] for position in found["positions"]] == [0], "nothing was settled"
