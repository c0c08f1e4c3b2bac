"""The bench says what it needs, and goes on when a slow machine refuses calls for a while."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import grpc
import pytest

import bench.commits
import bench.feeds
import bench.prices
import bench.replays
import bench.scale
import bench.stored
from bench.figures import store_people
from bench.readers import CALLS_A_CHANNEL, PLACE_ORDER, Orders
from bottrading.v1 import bot_trading_pb2 as pb
from tests.support.postgresql import Server

ROOT = Path(__file__).parents[2]


class Crowded:
    """A server that refuses every call once before it takes it, and takes its time."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}
        self.at_once = self.at_once_max = 0

    async def place_order(
        self, request: pb.PlaceOrderRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> pb.PlaceOrderResponse:
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        times = self.seen[request.client_order_id] = self.seen.get(request.client_order_id, 0) + 1
        if times == 1:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded")
        return pb.PlaceOrderResponse()


def test_the_people_whose_figures_are_measured_fit_the_tables(tmp_path: Path) -> None:
    store_people(tmp_path, accounts=3, trades=2)

    with sqlite3.connect(tmp_path / "bottrading.sqlite") as connection:
        stored = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("users", "accounts", "positions", "orders", "fills")
        ]
    assert stored == [3, 3, 9, 4, 4]


def test_a_replay_is_measured_to_its_end_and_its_orders_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in {"QUOTES": 300, "RESTING": 20, "ROUNDS": 1}.items():
        monkeypatch.setattr(bench.replays, name, number)

    costs = bench.replays.replays(tmp_path)

    assert min(astuple(costs)) > 0


def test_what_a_venue_stores_is_measured_over_accounts_of_which_each_order_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql: Server
) -> None:
    for name, number in {"PEOPLE": 70, "FEW": 5, "ROUNDS": 1}.items():
        monkeypatch.setattr(bench.stored, name, number)

    crowd = bench.stored.Crowd(tmp_path / "crowd", postgresql)
    try:
        found = crowd.measure()
    finally:
        crowd.close()

    told = {"calls": {}, "commits": {}, "stored": asdict(found)}
    assert [row[0] for row in bench.scale.rows(told)][-1] == "stored of a snapshot"
    assert found.order_after_checkpoint_bytes > found.costs["an order, 64 at once"].log_bytes
    assert all(cost.log_bytes > 0 for cost in found.costs.values())
    assert min(found.bytes.values()) > 0


def test_commits_are_counted_for_each_number_of_sessions(
    monkeypatch: pytest.MonkeyPatch, postgresql: Server
) -> None:
    monkeypatch.setattr(bench.commits, "SECONDS", 0.1)

    found = bench.commits.commits_a_second(postgresql.new_database(), (1, 2))

    assert found.keys() == {1, 2}
    assert min(found.values()) > 0


@pytest.mark.parametrize("source", [bench.prices.alpaca, bench.prices.lines])
def test_the_time_from_a_message_to_its_fill_is_measured_for_each_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: bench.feeds.Source
) -> None:
    monkeypatch.setattr(bench.feeds, "STEADY_SECONDS", 1)

    found = bench.feeds.latencies(tmp_path, source)

    assert 0 < found.p50_ms <= found.p99_ms


async def test_an_order_that_a_connection_refuses_for_now_is_placed_once_it_has_room() -> None:
    crowded, server = Crowded(), grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        crowded.place_order,
        request_deserializer=pb.PlaceOrderRequest.FromString,
        response_serializer=pb.PlaceOrderResponse.SerializeToString,
    )
    service, _, method = PLACE_ORDER.strip("/").partition("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        orders = Orders(f"127.0.0.1:{port}")
        await asyncio.gather(*(orders.place("key") for _ in range(3 * CALLS_A_CHANNEL)))
        await orders.close()
    finally:
        await server.stop(None)

    assert set(crowded.seen.values()) == {2}
    assert len(crowded.seen) == 3 * CALLS_A_CHANNEL
    assert crowded.at_once_max <= CALLS_A_CHANNEL


def test_without_its_load_generator_the_bench_says_at_once_what_to_install() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PATH": "/nowhere"},
        timeout=30,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "`make bench` needs h2load: install it with `apt-get install nghttp2-client` (Debian), "
        "`brew install nghttp2` (macOS)\n"
    )
