"""Lock-step over the wire: a year that waits for its bot, a killed engine, and a stop."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from bottrading.v1 import bar_pb2, order_pb2
from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1.bot_trading_pb2_grpc import BotTradingStub
from tests.support.process import STOP_SECONDS_MAX, Process, channel, make_key

SAMPLE = Path(__file__).parents[2] / "examples/replay/a-year-of-days.csv"
DAY = bar_pb2.BAR_INTERVAL_1D


def stepped(data_dir: Path, participants: int = 1) -> Process:
    return Process(
        data_dir,
        "--market",
        "replay",
        "--replay-file",
        str(SAMPLE),
        "--replay-clock",
        "step",
        "--step-participants",
        str(participants),
    )


class Bot:
    """A bot with a connection of its own."""

    def __init__(self, service: Process, subject: str = "ada") -> None:
        self.key = make_key(service, subject)
        self.channel = channel(service.grpc)
        self.stub = BotTradingStub(self.channel)

    def step(self, seen: Any = None) -> Any:
        """Be done until the running day ends."""
        request = self._request(seen)
        return self.stub.AdvanceClock(request, metadata=self._metadata, timeout=60)

    def step_later(self, seen: Any = None) -> Any:
        """Return the future of a step."""
        request = self._request(seen)
        return self.stub.AdvanceClock.future(request, metadata=self._metadata, timeout=60)

    def place(self, quantity: str) -> order_pb2.Order:
        request = pb.PlaceOrderRequest(symbol="AAPL", side=order_pb2.SIDE_BUY, quantity=quantity)
        return self.stub.PlaceOrder(request, metadata=self._metadata).order

    def _request(self, seen: Any) -> pb.AdvanceClockRequest:
        return pb.AdvanceClockRequest(next_bar=DAY, **({} if seen is None else {"from": seen}))

    @property
    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-bot-key", self.key),)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Process]:
    with stepped(tmp_path / "data", participants=2) as running:
        yield running


def test_a_year_waits_for_its_bot_and_is_over_in_seconds(tmp_path: Path) -> None:
    with stepped(tmp_path / "data") as running:
        bot = Bot(running)
        told, days, begun = bot.step(), 1, time.monotonic()
        bot.place("1")
        while not told.ended:
            told, days = bot.step(told.time), days + 1
        took = time.monotonic() - begun
        bot.channel.close()

    assert "in lock-step" in running.log.read_text()
    assert days == 366, "the first step ends at the midnight before the first day"
    assert took < 30, "a bot that answers at once"


def test_a_killed_engine_loses_no_step(service: Process) -> None:
    ada, bob = Bot(service), Bot(service, "bob")
    waits = ada.step_later()
    first = bob.step()
    assert waits.result().time == first.time
    seen = first.time
    waits = ada.step_later(seen)
    os.kill(service.engine(), signal.SIGKILL)
    with pytest.raises(grpc.RpcError) as lost:
        waits.result()
    assert lost.value.code() is grpc.StatusCode.UNAVAILABLE
    service.wait_until_ready()

    waits = ada.step_later(seen)
    told = bob.step(seen)

    assert told.time.seconds == seen.seconds + 86_400
    assert waits.result() == ada.step(seen) == told
    for bot in (ada, bob):
        bot.channel.close()


def test_a_server_that_stops_does_not_wait_for_the_clock(service: Process) -> None:
    ada = Bot(service)
    waits = ada.step_later()
    os.kill(service.process.pid, signal.SIGTERM)
    with pytest.raises(grpc.RpcError) as refused:
        waits.result()

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    begun = time.monotonic()
    assert service.process.wait(STOP_SECONDS_MAX) == 0
    assert time.monotonic() - begun < 9, "less than what calls in flight have"
    ada.channel.close()
