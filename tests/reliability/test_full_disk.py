"""A full disk: orders are refused with a reason, answered ones stay, freeing space is enough."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import orjson
import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from tests.support.audit import audit
from tests.support.process import Process, channel, make_key

MEGABYTES = 16
"""More than the write-ahead log takes, however few orders a commit stores."""

REFUSALS = 1_000
AT_ONCE = 100
LINES_MAX = 20
"""A line every ten seconds for each fault, and those of start and stop."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the root of a small file system in memory."""
    root = tmp_path / "disk"
    root.mkdir()
    options = f"size={MEGABYTES}m,mode=700"
    try:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs the command mount")
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    yield root
    # Lazily, because a process with an open file must not keep it mounted.
    subprocess.run(["umount", "--lazy", str(root)], check=True)


@pytest.mark.timeout(60)
def test_a_full_disk_refuses_orders_and_loses_none_that_was_answered(disk: Path) -> None:
    ballast = disk / "ballast"
    with Process(
        disk, orders_per_minute="0", requests_per_minute="0", person_requests_per_minute="0"
    ) as service:
        metadata = (("x-bot-key", make_key(service)),)
        with channel(service.grpc) as opened:
            bots = Bots(bot_trading_pb2_grpc.BotTradingStub(opened), metadata)
            bots.place()
            assert bots.refused == Counter()
            fill(ballast)
            while sum(bots.refused.values()) < REFUSALS:
                bots.place()
            assert set(bots.refused) == {grpc.StatusCode.UNAVAILABLE}
            assert bots.portfolio_is_shown()

            ballast.unlink()
            before = len(bots.answered)
            bots.place()
            assert len(bots.answered) == before + AT_ONCE, bots.refused
        assert service.stop() == 0
    assert bots.answered <= audit(disk)

    told = service.log.read_text()
    assert all(
        word not in told for word in ("INTERNAL", "Traceback", "INSERT", "UPDATE", "sqlite3")
    )
    lines = [line for line in told.splitlines() if not is_call(line)]
    assert any("SQLITE_FULL (again " in line for line in lines), lines
    assert len(lines) <= LINES_MAX, lines


def fill(ballast: Path) -> None:
    """Fill the disk."""
    with ballast.open("wb", buffering=0) as file:
        size = 65_536
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2


def is_call(line: str) -> bool:
    """Tell whether a line of the log is of a call."""
    return line.startswith("{") and orjson.loads(line).get("event") == "call"


class Bots:
    """Place many orders at once; `answered` are the ids of those that were taken."""

    def __init__(
        self, stub: bot_trading_pb2_grpc.BotTradingStub, metadata: tuple[tuple[str, str], ...]
    ) -> None:
        self._stub = stub
        self._metadata = metadata
        self.answered = set[str]()
        self.refused = Counter[grpc.StatusCode]()

    def place(self) -> None:
        """Place orders at once, and wait for all answers."""
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.0001"
        )
        place = self._stub.PlaceOrder
        calls = [place.future(request, metadata=self._metadata) for _ in range(AT_ONCE)]
        for call in calls:
            try:
                self.answered.add(call.result(timeout=20).order.id)
            except grpc.RpcError as error:
                self.refused[error.code()] += 1

    def portfolio_is_shown(self) -> bool:
        """Tell whether reading goes on."""
        request = bot_trading_pb2.GetPortfolioRequest()
        return bool(self._stub.GetPortfolio(request, metadata=self._metadata).portfolio.positions)
