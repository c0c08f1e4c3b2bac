"""Streams and orders go on by themselves while the server is repeatedly stopped and killed."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bottrading_client import (
    AsyncBotTradingClient,
    AsyncOrderUpdates,
    BotTradingClient,
    Order,
    OrderUpdate,
    OrderUpdates,
    OrderUpdateType,
    Update,
)
from tests.support.process import Process, make_key, wait_until_gone

RESTARTS = 10
CALL_SECONDS = 30
BEGINNINGS = (OrderUpdateType.ACCEPTED, OrderUpdateType.REJECTED)
MANY = "1000000"


@pytest.mark.timeout(240)
async def test_ten_restarts_lose_and_repeat_no_update_and_no_order(tmp_path: Path) -> None:
    with Process(tmp_path / "data", orders_per_minute=MANY, requests_per_minute=MANY) as service:
        key = make_key(service)
        with BotTradingClient(key, service.grpc, timeout=CALL_SECONDS) as waiting:
            async with AsyncBotTradingClient(key, service.grpc, timeout=CALL_SECONDS) as client:
                trader, threaded = Trader(), Trader()
                seen, seen_by_thread = Journal(), Journal()
                updates = client.order_updates(after_sequence=0)
                waiting_updates = waiting.order_updates(after_sequence=0)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(trader.trade(client))
                    tasks.create_task(asyncio.to_thread(threaded.trade_in_a_thread, waiting))
                    tasks.create_task(seen.follow(updates))
                    tasks.create_task(asyncio.to_thread(seen_by_thread.read, waiting_updates))
                    for number in range(RESTARTS):
                        await restart(service, kill=number % 2 == 1)
                        for one in (trader, threaded):
                            goal = len(one.placed) + 3
                            await until(lambda one=one, goal=goal: len(one.placed) >= goal)  # type: ignore[misc]
                    trader.done = threaded.done = True
                    await until(lambda: trader.ended and threaded.ended)
                    async with client.order_updates() as now:
                        newest = now.last_sequence or 0
                    await until(lambda: seen.last == seen_by_thread.last == newest)
                    await updates.close()
                    waiting_updates.close()

    for journal in (seen, seen_by_thread):
        assert [update.sequence for update in journal.updates] == list(range(1, newest + 1))
    recorded = [
        update.order.client_order_id
        for update in seen.updates
        if isinstance(update, OrderUpdate) and update.type in BEGINNINGS
    ]
    assert sorted(filter(None, recorded)) == sorted(trader.placed + threaded.placed)
    assert seen.updates == seen_by_thread.updates


async def restart(service: Process, *, kill: bool) -> None:
    def go() -> None:
        children = service.children()
        if kill:
            service.kill()
        else:
            assert service.stop() == 0
        wait_until_gone(children)
        service.start()

    await asyncio.to_thread(go)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(CALL_SECONDS):
        while not condition():  # noqa: ASYNC110 — there is no event for what others do
            await asyncio.sleep(0.005)


class Trader:
    """Places one order after another, each with an id that the client makes up."""

    def __init__(self) -> None:
        self.placed: list[str] = []
        self.done = self.ended = False

    async def trade(self, client: AsyncBotTradingClient) -> None:
        while not self.done:
            self._note(await client.place_order("AAPL", "BUY", "0.01"))
        self.ended = True

    def trade_in_a_thread(self, client: BotTradingClient) -> None:
        while not self.done:
            self._note(client.place_order("AAPL", "BUY", "0.01"))
        self.ended = True

    def _note(self, order: Order) -> None:
        assert order.client_order_id is not None
        self.placed.append(order.client_order_id)


class Journal:
    """What a stream yielded."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    @property
    def last(self) -> int | None:
        return self.updates[-1].sequence if self.updates else None

    async def follow(self, stream: AsyncOrderUpdates) -> None:
        async for update in stream:
            self.updates.append(update)

    def read(self, stream: OrderUpdates) -> None:
        for update in stream:
            self.updates.append(update)
