"""Signals that end the service: the answers to callers, and the lines of the log."""

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc
from server.config import LOCK_FILE
from server.processes.locking import take_lock
from tests.support.process import START_SECONDS_MAX, STOP_SECONDS_MAX, Process, make_key

CALLERS = 48
CALLS_BEFORE = 200


async def test_callers_of_a_server_that_stops_are_told_to_try_again(tmp_path: Path) -> None:
    """Never CANCELLED, which looks as if the caller had cancelled, and is not retried."""
    told, answered = Counter[str](), 0
    ended = asyncio.Event()

    async def call_on(process: Process, key: str) -> None:
        nonlocal answered
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(process.grpc, options=options) as channel:
            stub = bot_trading_pb2_grpc.BotTradingStub(channel)
            while not ended.is_set():
                try:
                    await stub.GetAccount(
                        bot_trading_pb2.GetAccountRequest(), metadata=(("x-bot-key", key),)
                    )
                    answered += 1
                except grpc.aio.AioRpcError as error:
                    told[error.code().name] += 1
                    await asyncio.sleep(0)

    with Process(tmp_path / "data", requests_per_minute="0") as process:
        key = make_key(process)
        callers = [asyncio.create_task(call_on(process, key)) for _ in range(CALLERS)]
        async with asyncio.timeout(STOP_SECONDS_MAX):
            while answered < CALLS_BEFORE:  # noqa: ASYNC110 — what others do has no event
                await asyncio.sleep(0.001)
        process.process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(process.process.wait, STOP_SECONDS_MAX)
        ended.set()
        await asyncio.gather(*callers)

    assert status == 0
    assert set(told) == {"UNAVAILABLE"}, told


def test_the_end_of_the_terminal_ends_the_service_as_sigterm_does(tmp_path: Path) -> None:
    with Process(tmp_path / "data") as service:
        service.process.send_signal(signal.SIGHUP)

        assert service.process.wait(STOP_SECONDS_MAX) == 0
        assert "Stopping as soon as the calls in flight have finished" in service.log.read_text()


def test_under_nohup_the_end_of_the_terminal_ends_nothing(tmp_path: Path) -> None:
    command = ("nohup", sys.executable, "-m", "server")
    with Process(tmp_path / "data", command=command) as service:
        service.process.send_signal(signal.SIGHUP)

        assert make_key(service)
        assert service.stop() == 0


def is_loading(pid: int) -> bool:
    return "pydantic_core" in Path(f"/proc/{pid}/maps").read_text()


def awaits_its_lock(pid: int) -> bool:
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # It is closed meanwhile.
            if file.readlink().name == LOCK_FILE:
                return True
    return False


@pytest.mark.parametrize("moment", [is_loading, awaits_its_lock])
def test_an_interrupt_before_the_service_runs_ends_it_without_a_traceback(
    tmp_path: Path, moment: Callable[[int], bool]
) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    with take_lock(data_dir / LOCK_FILE, 0), Process(data_dir, wait=False) as service:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not moment(service.process.pid):
            assert time.monotonic() < deadline
        service.process.send_signal(signal.SIGINT)

        assert service.process.wait(STOP_SECONDS_MAX) == -signal.SIGINT
        assert service.log.read_text() == ""
