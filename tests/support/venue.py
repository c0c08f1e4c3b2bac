"""A venue in this process: real gRPC server, engine and database, with a manual clock."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from bottrading.v1 import (
    bot_trading_pb2,
    bot_trading_pb2_grpc,
    key_management_pb2,
    key_management_pb2_grpc,
    market_data_pb2,
    market_data_pb2_grpc,
    order_pb2,
    quote_pb2,
)
from server.application.rate_limits import UsageMeter
from server.bootstrap import engine as engine_bootstrap
from server.bootstrap import front as front_bootstrap
from server.bootstrap.engine import EngineParts
from server.bootstrap.front import Front, FrontBase
from server.calls.table import ROWS
from server.config import Settings
from server.domain.user import Identity, Plan
from server.domain.values import SECOND, Micros
from server.processes.descriptors import connections_that_fit
from server.rpc.tokens import issue
from server.secret_files import jwt_secret
from server.wire.rows import Row
from tests.support.local_engine import LocalEngine

NOON: Micros = 1_795_089_600 * SECOND
"""2026-11-19T12:00:00Z, a Thursday."""


class ManualClock:
    """A clock that stands until it is turned."""

    def __init__(self, now: Micros) -> None:
        self.now = now

    def __call__(self) -> Micros:
        return self.now

    def turn(self, *, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)


@dataclass
class Venue:
    """A running venue and clients for it."""

    settings: Settings
    clock: ManualClock
    parts: EngineParts
    base: FrontBase
    front_engine: LocalEngine
    front: Front
    address: str
    channel: grpc.aio.Channel
    log: list[bytes]

    @classmethod
    async def start(
        cls,
        data_dir: Path,
        *,
        now: Micros = NOON,
        rows: Mapping[str, Row] = ROWS,
        **options: Any,
    ) -> Self:
        """Start a venue on a published market without fees and slippage, unless told otherwise."""
        given: dict[str, Any] = {
            "market": "published",
            "fees": "none",
            "slippage": "none",
            **options,
        }
        settings = Settings(data_dir=data_dir, **given)
        clock = ManualClock(now)
        parts = engine_bootstrap.build(
            settings.for_engine(), clock=clock, monotonic=clock, since_boot=clock, rows=rows
        )
        return await cls._start_front(settings, clock, parts, rows)

    @classmethod
    async def _start_front(
        cls,
        settings: Settings,
        clock: ManualClock,
        parts: EngineParts,
        rows: Mapping[str, Row] = ROWS,
    ) -> Self:
        log = list[bytes]()
        base = front_bootstrap.build_base(settings, wall_clock=clock)
        engine = LocalEngine(parts.service, base.notifications)
        front = front_bootstrap.build(
            settings,
            base,
            engine,
            wall_clock=clock,
            monotonic=clock,
            write_line=log.append,
            connections_max=partial(connections_that_fit, settings.grpc_connections_max),
            rows=rows,
        )
        port = front.server.bind("127.0.0.1:0")
        await front.server.start()
        address = f"127.0.0.1:{port}"
        channel = grpc.aio.insecure_channel(
            address, options=[("grpc.use_local_subchannel_pool", 1)]
        )
        return cls(settings, clock, parts, base, engine, front, address, channel, log)

    async def stop(self) -> None:
        """Stop the server and close what it held open."""
        await self.stop_front()
        self.parts.close()

    async def beside(self, parts: EngineParts | None = None) -> Self:
        """Start one more front, of the same engine or of another one on the same database."""
        return await self._start_front(self.settings, self.clock, parts or self.parts)

    async def stop_front(self) -> None:
        """Stop the front only."""
        await self.channel.close()
        await self.front.server.stop(0)
        self.front.journal.flush()
        await self.base.close()

    def new_engine(self) -> EngineParts:
        """Build another engine; the one that holds the database must be closed."""
        clock = self.clock
        return engine_bootstrap.build(
            self.settings.for_engine(), clock=clock, monotonic=clock, since_boot=clock
        )

    @property
    def meter(self) -> UsageMeter:
        """Return the meter of a front that counts calls itself."""
        assert self.base.meter is not None
        return self.base.meter

    def token(
        self,
        subject: str = "ada",
        *,
        operator: bool = False,
        plan: Plan = Plan.STANDARD,
        name: str | None = None,
        issued_ago: int = 0,
    ) -> str:
        """Return a token; the clock of tokens is the real one."""
        identity = Identity(
            issuer=self.settings.jwt_issuer,
            subject=subject,
            name=name or subject,
            plan=plan,
            is_operator=operator,
        )
        return issue(
            self.settings.token_terms,
            jwt_secret(self.settings),
            identity,
            now_seconds=int(time.time()) - issued_ago,
            ttl_seconds=600,
        )

    def person(self, subject: str = "ada", **claims: Any) -> "Person":
        """Return a client with a person's token."""
        return Person(self, self.token(subject, **claims))

    async def bot(self, subject: str = "ada", **claims: Any) -> "Bot":
        """Return a client with a new bot key of a person."""
        created = await self.person(subject, **claims).create_key("bot")
        return Bot(self, created.key, created.id)

    async def publish(
        self, symbol: str, bid: str, ask: str, *, size: str = "1000", **fields: Any
    ) -> Any:
        """Publish a quote as an operator, one microsecond after the last one."""
        self.clock.now += 1
        quote = quote_pb2.PublishedQuote(
            symbol=symbol, bid=bid, ask=ask, bid_size=size, ask_size=size, **fields
        )
        return await self.person("operator", operator=True).publish([quote])

    def pass_time(self, *, seconds: float = 1) -> None:
        """Turn the clock and let the engine do what is due."""
        self.clock.turn(seconds=seconds)
        self.front_engine.pass_time()

    def refresh_leaderboard(self) -> Micros:
        """Rank all accounts anew; return how long to wait until the next time."""
        return self.front.leaderboard.refresh()


VenueFactory = Callable[..., Awaitable[Venue]]


class Person:
    """A client with a token."""

    def __init__(self, venue: Venue, token: str) -> None:
        self.metadata = (("authorization", f"Bearer {token}"),)
        self.keys = key_management_pb2_grpc.KeyManagementStub(venue.channel)
        self.market = market_data_pb2_grpc.MarketDataStub(venue.channel)

    async def create_key(self, label: str) -> Any:
        """Make a bot key."""
        request = key_management_pb2.CreateBotKeyRequest(label=label)
        answer = await self.keys.CreateBotKey(request, metadata=self.metadata)
        return answer.bot_key

    async def revoke_key(self, key_id: str) -> Any:
        """Revoke a bot key."""
        request = key_management_pb2.RevokeBotKeyRequest(key_id=key_id)
        return (await self.keys.RevokeBotKey(request, metadata=self.metadata)).bot_key

    async def list_keys(self) -> list[Any]:
        """List all bot keys."""
        request = key_management_pb2.ListBotKeysRequest()
        return list((await self.keys.ListBotKeys(request, metadata=self.metadata)).bot_keys)

    async def publish(self, quotes: list[quote_pb2.PublishedQuote]) -> Any:
        """Publish quotes."""
        request = market_data_pb2.PublishQuotesRequest(quotes=quotes)
        return await self.market.PublishQuotes(request, metadata=self.metadata)


class Bot:
    """A client with a bot key; `channel` is a connection of its own."""

    def __init__(
        self, venue: Venue, key: str, key_id: str = "", channel: grpc.aio.Channel | None = None
    ) -> None:
        self.venue, self.key, self.key_id = venue, key, key_id
        self.metadata = (("x-bot-key", key),)
        self.trading = bot_trading_pb2_grpc.BotTradingStub(channel or venue.channel)
        self.market = market_data_pb2_grpc.MarketDataStub(channel or venue.channel)

    async def place(
        self, symbol: str = "AAPL", side: str = "BUY", quantity: str = "10", **fields: Any
    ) -> order_pb2.Order:
        """Place an order; a price makes it a LIMIT order."""
        if "limit_price" in fields:
            fields.setdefault("order_type", order_pb2.ORDER_TYPE_LIMIT)
        if isinstance(fields.get("time_in_force"), str):
            name = f"TIME_IN_FORCE_{fields['time_in_force']}"
            fields["time_in_force"] = order_pb2.TimeInForce.Value(name)
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol=symbol, side=order_pb2.Side.Value(f"SIDE_{side}"), quantity=quantity, **fields
        )
        return (await self.trading.PlaceOrder(request, metadata=self.metadata)).order

    async def cancel(self, order_id: str) -> order_pb2.Order:
        """Cancel an order."""
        request = bot_trading_pb2.CancelOrderRequest(order_id=order_id)
        return (await self.trading.CancelOrder(request, metadata=self.metadata)).order

    async def call(self, method: str, **fields: Any) -> Any:
        """Make a call of BotTrading or MarketData by its name."""
        stub = self.trading if hasattr(self.trading, method) else self.market
        module = bot_trading_pb2 if stub is self.trading else market_data_pb2
        request = getattr(module, f"{method}Request")(**fields)
        return await getattr(stub, method)(request, metadata=self.metadata)

    async def order(self, order_id: str) -> Any:
        """Read an order."""
        return (await self.call("GetOrder", order_id=order_id)).order

    async def portfolio(self) -> Any:
        """Read the portfolio."""
        return (await self.call("GetPortfolio")).portfolio


@dataclass(frozen=True, slots=True)
class Told:
    """What a refused call was told."""

    code: grpc.StatusCode
    reason: str
    message: str
    fields: tuple[str, ...]
    retry_seconds: int | None
    last_sequence: str | None
    executed: str | None


async def refusal(call: Awaitable[Any]) -> Told:
    """Return how a call was refused; fail when it was not."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return told(error)
    raise AssertionError(f"the call was answered: {answer}")


def told(error: grpc.RpcError) -> Told:
    """Read the details of a refusal."""
    metadata: Any = error.trailing_metadata() or ()
    details = dict(metadata).get("grpc-status-details-bin", b"")
    assert isinstance(details, bytes)
    found: dict[str, Message] = {}
    for packed in status_pb2.Status.FromString(details).details:
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.BadRequest,
            error_details_pb2.RetryInfo,
            error_details_pb2.QuotaFailure,
        ):
            if packed.Is(kind.DESCRIPTOR):
                found[kind.__name__] = kind()
                packed.Unpack(found[kind.__name__])
    info: Any = found.get("ErrorInfo", error_details_pb2.ErrorInfo())
    bad: Any = found.get("BadRequest", error_details_pb2.BadRequest())
    retry: Any = found.get("RetryInfo")
    assert not info.reason or info.domain == "bottrading"
    return Told(
        error.code(),
        info.reason,
        error.details() or "",
        tuple(item.field for item in bad.field_violations),
        retry.retry_delay.seconds if retry is not None else None,
        info.metadata.get("last_sequence"),
        info.metadata.get("executed"),
    )
