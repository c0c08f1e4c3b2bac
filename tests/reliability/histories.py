"""Histories: a bot that trades, readers that connect and leave, and a server that is killed."""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.protobuf.duration_pb2 import Duration

from bottrading.v1 import (
    account_pb2,
    bot_trading_pb2,
    bot_trading_pb2_grpc,
    key_management_pb2,
    key_management_pb2_grpc,
    order_pb2,
    order_update_pb2,
)
from tests.reliability.journals import Connection, Entry, Journal, Kind, Message
from tests.support.databases import opened
from tests.support.process import Process, make_key

QUANTITIES = {"AAPL": "0.1", "MSFT": "0.05", "BTC-USD": "0.0002"}
SYMBOLS = list(QUANTITIES)
AT_ONCE = 6
EVENTS = ("order_update", "account_update")
RECONNECTING = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parameters of a history. Readers break off after at most `patience` messages."""

    seed: int
    rounds: int = 25
    kills: int = 2
    patience: int = 30
    halts: float = 0.05


@dataclass(slots=True)
class History:
    """One history: what each reader was sent, and what is stored."""

    journals: list[Journal]
    log: list[Entry]
    kills: int


async def run_history(data_dir: Path, plan: Plan) -> History:
    """Let a bot trade while readers follow it and the server is killed; return what they saw."""
    with Process(
        data_dir,
        rest=True,
        orders_per_minute="100000",
        requests_per_minute="100000",
        person_requests_per_minute="0",
        streams_per_account="100",
    ) as service:
        venue = _Venue(service, await asyncio.to_thread(make_key, service), plan)
        readers = [asyncio.ensure_future(reader) for reader in venue.readers()]
        await venue.trade()
        venue.newest = await asyncio.to_thread(newest_sequence, data_dir, venue.account_id)
        venue.progress.set()
        await asyncio.gather(*readers)
        await venue.close()
        await asyncio.to_thread(service.stop)
    return History(venue.journals, stored_log(data_dir, venue.account_id), venue.kills)


class _Venue:
    def __init__(self, service: Process, key: str, plan: Plan) -> None:
        self._service = service
        self._plan = plan
        self._chance = random.Random(plan.seed)
        self._metadata = (("x-bot-key", key),)
        self._bearer = (("authorization", f"Bearer {service.token('ada')}"),)
        self._channel = grpc.aio.insecure_channel(service.grpc, RECONNECTING)
        self._bot = bot_trading_pb2_grpc.BotTradingStub(self._channel)
        self._keys = key_management_pb2_grpc.KeyManagementStub(self._channel)
        self._orders = 0
        self.account_id = ""
        self.kills = 0
        self.newest: int | None = None
        self.progress = asyncio.Event()
        self.journals: list[Journal] = []

    async def close(self) -> None:
        await self._channel.close()

    def readers(self) -> list[Coroutine[Any, Any, None]]:
        """Return readers of every kind: gRPC and REST, patient, impatient, slow, with filters."""
        made: list[Coroutine[Any, Any, None]] = []
        kinds: list[tuple[str, frozenset[str], int | None]] = [
            ("from the beginning", frozenset(), 0),
            ("from now", frozenset(), None),
            ("choosy", frozenset({"MSFT"}), 0),
            ("of nothing that happens", frozenset({"EUR-USD"}), 0),
        ]
        for name, symbols, after in kinds:
            journal = Journal(f"gRPC {name}", symbols)
            made.append(self._read(journal, after, self._over_grpc, is_slow="now" in name))
            self.journals.append(journal)
        journal = Journal("REST from the beginning")
        made.append(self._read(journal, 0, self._over_rest, is_slow=False))
        self.journals.append(journal)
        return made

    async def trade(self) -> None:
        """Do rounds of calls at once; some end with the server killed and started again."""
        account = await self._bot.GetAccount(
            bot_trading_pb2.GetAccountRequest(), metadata=self._metadata
        )
        self.account_id = account.account.bot_user_id
        deadly = set(self._chance.sample(range(1, self._plan.rounds), self._plan.kills))
        for number in range(self._plan.rounds):
            calls = [self._call() for _ in range(self._chance.randint(1, AT_ONCE))]
            if number in deadly:
                calls.append(asyncio.to_thread(self._kill))
            await asyncio.gather(*calls)
            self.progress.set()
            self.progress.clear()

    def _kill(self) -> None:
        self._service.kill()
        self.kills += 1
        self._service.start()

    async def _call(self) -> None:
        try:
            if self._chance.random() < self._plan.halts:
                for state in ("HALTED", "ACTIVE"):
                    await self._set(state)
            else:
                await self._order()
        except grpc.aio.AioRpcError as error:
            # The outcome of a call at the moment of a kill does not matter here.
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                raise

    async def _order(self) -> None:
        kind, chance = self._chance.random(), self._chance
        if kind < 0.1:
            request = bot_trading_pb2.CancelAllOrdersRequest()
            await self._bot.CancelAllOrders(request, metadata=self._metadata)
            return
        self._orders += 1
        symbol = chance.choice(SYMBOLS)
        order = bot_trading_pb2.PlaceOrderRequest(
            symbol=symbol,
            side=chance.choice((order_pb2.SIDE_BUY, order_pb2.SIDE_SELL)),
            quantity=QUANTITIES[symbol],
            client_order_id=f"order-{self._orders}",
        )
        if kind < 0.4:
            order.order_type, order.limit_price = order_pb2.ORDER_TYPE_LIMIT, "1.00"
            order.side = order_pb2.SIDE_BUY
        await self._bot.PlaceOrder(order, metadata=self._metadata)

    async def _set(self, name: str) -> None:
        request = key_management_pb2.SetTradingStateRequest(
            account_id=self.account_id,
            trading_state=account_pb2.TradingState.Value(f"TRADING_STATE_{name}"),
        )
        await self._keys.SetTradingState(request, metadata=self._bearer)

    async def _read(
        self,
        journal: Journal,
        after: int | None,
        follow: Callable[[Journal, Connection], Coroutine[Any, Any, None]],
        *,
        is_slow: bool,
    ) -> None:
        """Reconnect after the last message until everything was sent."""
        while not self._is_done(journal):
            position = journal.position
            made = Connection(after if position is None else position)
            if is_slow:
                await self._progress()
            try:
                await follow(journal, made)
            except (grpc.aio.AioRpcError, httpx.HTTPError):
                await asyncio.sleep(0.02)

    async def _progress(self) -> None:
        if self.newest is None:
            await self.progress.wait()

    def _is_done(self, journal: Journal) -> bool:
        position = journal.position
        return self.newest is not None and position is not None and position >= self.newest

    def _note(self, journal: Journal, made: Connection, message: Message, patience: int) -> bool:
        """Record a message; tell whether the reader goes on."""
        if not made.messages:
            journal.connections.append(made)
        made.messages.append(message)
        return len(made.messages) < patience and not self._is_done(journal)

    async def _over_grpc(self, journal: Journal, made: Connection) -> None:
        patience = self._chance.randint(1, self._plan.patience)
        async with grpc.aio.insecure_channel(self._service.grpc, RECONNECTING) as channel:
            request = bot_trading_pb2.StreamOrderUpdatesRequest(
                after_sequence=made.after,
                symbols=sorted(journal.symbols),
                include_snapshot=self._chance.random() < 0.3,
                heartbeat_interval=Duration(seconds=1),
            )
            stub = bot_trading_pb2_grpc.BotTradingStub(channel)
            call = stub.StreamOrderUpdates(request, metadata=self._metadata)
            async for message in call:
                if not self._note(journal, made, message_of(message), patience):
                    return

    async def _over_rest(self, journal: Journal, made: Connection) -> None:
        patience = self._chance.randint(1, self._plan.patience)
        headers = dict(self._metadata)
        if journal.connections:
            headers["Last-Event-ID"] = str(made.after)
        async with (
            httpx.AsyncClient(base_url=f"http://{self._service.rest}/api/v1/bot") as client,
            client.stream(
                "GET", "/order-updates?after_sequence=0&heartbeat_interval=1s", headers=headers
            ) as answer,
        ):
            if answer.status_code != 200:
                return
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                elif "event" in fields:
                    if not self._note(journal, made, _from_fields(fields), patience):
                        return
                    fields = {}


def message_of(message: Any) -> Message:
    """Return what a message of a stream says."""
    name = message.WhichOneof("message")
    if name not in EVENTS:
        return Message(Kind(name), message.sequence)
    return Message(Kind.EVENT, message.sequence, _said(getattr(message, name)))


def _from_fields(fields: dict[str, str]) -> Message:
    name, sequence = fields["event"], int(fields["id"])
    if name not in EVENTS:
        return Message(Kind(name), sequence)
    data = json.loads(fields["data"])
    if name == "account_update":
        return Message(Kind.EVENT, sequence, (data["type"], data["balance"]))
    order, fill = data["order"], data["fill"]
    said = (
        data["type"],
        order["id"],
        order["status"],
        order["filled_quantity"],
        order["reserved"],
        fill["id"] if fill else "",
    )
    return Message(Kind.EVENT, sequence, said)


def _said(update: Any) -> object:
    if isinstance(update, order_update_pb2.AccountUpdate):
        kind = order_update_pb2.AccountUpdateType.Name(update.type)
        return kind.removeprefix("ACCOUNT_UPDATE_TYPE_"), update.balance
    kind = order_update_pb2.OrderUpdateType.Name(update.type)
    order, status = update.order, order_pb2.OrderStatus.Name(update.order.status)
    return (
        kind.removeprefix("ORDER_UPDATE_TYPE_"),
        order.id,
        status.removeprefix("ORDER_STATUS_"),
        order.filled_quantity,
        order.reserved,
        update.fill.id,
    )


def stored_log(data_dir: Path, account_id: str) -> list[Entry]:
    """Return the log of an account."""
    entries = []
    with opened(data_dir) as connection:
        query = (
            "SELECT sequence, transaction_end, payload FROM events WHERE account_id = ?"
            " ORDER BY sequence"
        )
        for sequence, end, payload in connection.execute(query, (account_id,)):
            event = order_update_pb2.AccountEvent.FromString(payload)
            update = getattr(event, event.WhichOneof("event") or "")
            symbol = update.order.symbol if event.HasField("order_update") else None
            entries.append(Entry(sequence, end, symbol, _said(update)))
    return entries


def newest_sequence(data_dir: Path, account_id: str) -> int:
    """Return the sequence of the newest entry of an account's log."""
    with opened(data_dir) as connection:
        query = "SELECT sequence FROM accounts WHERE id = ?"
        (newest,) = connection.execute(query, (account_id,)).fetchone()
    return int(newest)
