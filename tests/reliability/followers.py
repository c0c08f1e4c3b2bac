"""Followers: threads that read order updates, and what they were sent and when."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import bot_trading_pb2_grpc as rpc
from tests.reliability.callers import Place
from tests.reliability.histories import message_of, newest_sequence, stored_log
from tests.reliability.journals import Connection, Journal, violations
from tests.support.process import POLL_SECONDS, channel
from tests.support.venue import Told, told

WAIT_SECONDS_MAX = 30.0


@dataclass(slots=True)
class Follower:
    """Reads the log of one account from its beginning; resumes after its last message."""

    place: Place
    account_id: str
    stopping: threading.Event
    journal: Journal = field(default_factory=lambda: Journal("follower"))
    ends: list[Told] = field(default_factory=list)
    call: Any = None

    def run(self) -> None:
        with channel(self.place.address) as opened:
            stub = rpc.BotTradingStub(opened)
            while not self.stopping.is_set():
                try:
                    self._follow(stub)
                except grpc.RpcError as error:
                    if self.stopping.is_set():
                        return
                    self.ends.append(told(error))
                    time.sleep(POLL_SECONDS)

    def _follow(self, stub: Any) -> None:
        made = Connection(self.journal.position or 0)
        request = pb.StreamOrderUpdatesRequest(
            after_sequence=made.after, heartbeat_interval=Duration(seconds=1)
        )
        metadata = (("x-bot-key", self.place.key),)
        self.call = stub.StreamOrderUpdates(request, metadata=metadata)
        for message in self.call:
            if not made.messages:
                self.journal.connections.append(made)
            made.messages.append(message_of(message))


class Followers:
    """Several followers at once, at one or several fronts."""

    def __init__(self, data_dir: Path, followed: Sequence[tuple[Place, str]]) -> None:
        self._data_dir = data_dir
        self._stopping = threading.Event()
        self.followers = [Follower(place, name, self._stopping) for place, name in followed]

    @contextmanager
    def following(self) -> Iterator[None]:
        """Let them read during the block, and to the end of the logs after it."""
        with ThreadPoolExecutor(len(self.followers)) as threads:
            done = [threads.submit(follower.run) for follower in self.followers]
            try:
                yield
                self.wait_for_the_end()
            finally:
                self._stopping.set()
                for follower in self.followers:
                    if follower.call is not None:
                        follower.call.cancel()
        for each in done:
            each.result()

    def wait_for_the_end(self) -> float:
        """Wait until all have been sent what is stored now; return how many seconds that took."""
        begun = time.monotonic()
        for follower in self.followers:
            newest = newest_sequence(self._data_dir, follower.account_id)
            while (follower.journal.position or 0) < newest:
                assert time.monotonic() < begun + WAIT_SECONDS_MAX, (
                    f"a stream of {follower.place.address} stays at {follower.journal.position},"
                    f" the log ends at {newest}"
                )
                time.sleep(POLL_SECONDS)
        return time.monotonic() - begun

    def check(self) -> None:
        """Compare with the stored logs: every entry came once, in order."""
        for follower in self.followers:
            log = stored_log(self._data_dir, follower.account_id)
            assert [entry.sequence for entry in log] == list(range(1, len(log) + 1))
            found = violations(follower.journal, log, to_the_end=True)
            assert found == [], found[:5]
