"""Every answer follows the fsync of what it says, as the kernel saw it."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from server.config import DATABASE_FILE
from tests.support.process import POLL_SECONDS, START_SECONDS_MAX, Process, channel, make_key

ANSWERS = int(os.environ.get("SOAK_ANSWERS", "1000"))
AT_ONCE = 10

CALL = re.compile(r"^\d+ +(\w+)\((\d+)<([^>]*)>")
WRITES, FORCES = {"pwrite64", "pwritev", "write"}, {"fsync", "fdatasync"}
TRACED = "pwrite64,pwritev,write,fsync,fdatasync,sendto,sendmsg"


def early_answers(trace: str) -> tuple[int, list[str]]:
    """Return how often a transaction was answered, and the lines that sent before its fsync."""
    is_written = is_forced = False
    sent, early = 0, []
    for line in trace.splitlines():
        found = CALL.match(line)
        if found is None:
            continue
        call, _, file = found.groups()
        if file.endswith(f"{DATABASE_FILE}-wal"):
            is_written, is_forced = call in WRITES or is_written, call in FORCES
        elif call in ("sendto", "sendmsg"):
            if is_written and not is_forced:
                early.append(line)
            sent += is_written
            is_written = False
    return sent, early


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.timeout(60 + ANSWERS // 20)
def test_no_order_is_answered_before_its_transaction_is_on_disk(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with Process(tmp_path / "data", orders_per_minute="0", requests_per_minute="0") as service:
        metadata = (("x-bot-key", make_key(service)),)
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.0001"
        )
        tracer = subprocess.Popen(
            ["strace", "-f", "-y", "-s", "0", "-e", f"trace={TRACED}", "-o", str(trace), "-p",
             str(service.engine())], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            # The engine passes the time each second, and answers nobody: it is traced by then.
            while not trace.exists() or not trace.stat().st_size:
                if tracer.poll() is not None:
                    pytest.skip("strace may not attach here")
                assert time.monotonic() < deadline
                time.sleep(POLL_SECONDS)
            with channel(service.grpc) as opened:
                stub = bot_trading_pb2_grpc.BotTradingStub(opened)
                for _ in range(ANSWERS // AT_ONCE):
                    calls = [
                        stub.PlaceOrder.future(request, metadata=metadata) for _ in range(AT_ONCE)
                    ]
                    assert all(call.result().order.id for call in calls)
            assert service.stop() == 0
        finally:
            tracer.terminate()
            tracer.wait()
    sent, early = early_answers(trace.read_text())

    assert early == []
    assert sent >= ANSWERS // AT_ONCE


def test_an_answer_before_the_fsync_is_noticed() -> None:
    wal, front = f"7</data/{DATABASE_FILE}-wal>", "3<UNIX-STREAM:[1->2]>"
    good = f"1 pwrite64({wal}, ..., 24, 0) = 24\n1 fdatasync({wal}) = 0\n1 sendto({front}, ...) = 9"
    early = f"1 pwrite64({wal}, ..., 24, 0) = 24\n1 sendto({front}, ...) = 9"

    assert early_answers(good) == (1, [])
    assert early_answers(f"{good}\n{early}") == (2, [early.splitlines()[1]])
