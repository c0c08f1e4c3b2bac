"""Every answer follows the fsync of its change, in the kernel's order."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from server.config import DATABASE_FILE
from tests.support.process import POLL_SECONDS, START_SECONDS_MAX, Process, channel, make_key

ANSWERS = int(os.environ.get("SOAK_ANSWERS", "1000"))
AT_ONCE = 10

CALL = re.compile(r"^\d+ +(\w+)\(\d+<([^>]*)>")
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WRITES, FORCES = {"pwrite64", "pwritev", "write"}, {"fsync", "fdatasync"}
SENDS = {"sendto", "sendmsg"}
TRACED = sorted(WRITES | FORCES | SENDS)
BYTES_SHOWN = "65536"
"""More than a page of the WAL or the answers of a batch, so that every id is in the trace."""


def told_orders(trace: Iterable[str], orders: Collection[str]) -> tuple[set[str], set[str]]:
    """Return which of the orders were sent, and which of them before the fsync of their rows."""
    written, forced = set[str](), set[str]()
    sent, early = set[str](), set[str]()
    for line in trace:
        found = CALL.match(line)
        if found is None:
            continue
        call, file = found.groups()
        if file.endswith(f"{DATABASE_FILE}-wal"):
            if call in WRITES:
                written.update(ID.findall(line))
            elif call in FORCES and line.rstrip().endswith("= 0"):
                forced |= written
        elif call in SENDS:
            told = {order_id for order_id in ID.findall(line) if order_id in orders}
            sent |= told
            early |= told - forced
    return sent, early


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: make setup-strace")
@pytest.mark.timeout(60 + ANSWERS // 20)
def test_no_order_is_answered_before_its_transaction_is_on_disk(tmp_path: Path) -> None:
    trace, refusals, orders = tmp_path / "trace", tmp_path / "refusals", set[str]()
    with (
        Process(
            tmp_path / "data",
            orders_per_minute="0",
            requests_per_minute="0",
            person_requests_per_minute="0",
        ) as service,
        refusals.open("w") as standard_error,
    ):
        metadata = (("x-bot-key", make_key(service)),)
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.0001"
        )
        tracer = subprocess.Popen(
            [
                "strace",
                "-f",
                "-y",
                "-s",
                BYTES_SHOWN,
                "-e",
                f"trace={','.join(TRACED)}",
                "-o",
                str(trace),
                "-p",
                str(service.engine()),
            ],
            stderr=standard_error,
        )
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            # The engine wakes up each second without any call; by then it is traced.
            while not trace.exists() or not trace.stat().st_size:
                if tracer.poll() is not None:
                    pytest.skip(f"no process may be traced here: {refusals.read_text().strip()}")
                assert time.monotonic() < deadline
                time.sleep(POLL_SECONDS)
            with channel(service.grpc) as opened:
                stub = bot_trading_pb2_grpc.BotTradingStub(opened)
                for _ in range(ANSWERS // AT_ONCE):
                    calls = [
                        stub.PlaceOrder.future(request, metadata=metadata) for _ in range(AT_ONCE)
                    ]
                    orders |= {call.result().order.id for call in calls}
            assert service.stop() == 0
        finally:
            tracer.terminate()
            tracer.wait()
    with trace.open() as lines:
        sent, early = told_orders(lines, orders)

    assert early == set()
    assert sent == orders
    assert len(orders) == ANSWERS // AT_ONCE * AT_ONCE


def test_an_answer_before_the_fsync_is_noticed() -> None:
    order_id = "0b5f2f3e-6a4c-4c1e-9d57-3c2a7f0e9b11"
    wal, front = f"7</data/{DATABASE_FILE}-wal>", "3<UNIX-STREAM:[1->2]>"
    write = f'1 pwrite64({wal}, "\\0\\5{order_id}AAPL", 4096, 24) = 4096'
    force, force_failed = f"1 fdatasync({wal}) = 0", f"1 fdatasync({wal}) = -1 EIO (I/O error)"
    send = f'1 sendto({front}, "\\n${order_id}", 37, 0, NULL, 0) = 37'
    nothing, told = set[str](), {order_id}

    assert told_orders([write, force, send], told) == (told, nothing)
    assert told_orders([write, send, force], told) == (told, told)
    assert told_orders([send, write, force], told) == (told, told)
    assert told_orders([write, force_failed, send], told) == (told, told)
    assert told_orders([force, write, send], told) == (told, told)
    assert told_orders([write, force], told) == (nothing, nothing)
