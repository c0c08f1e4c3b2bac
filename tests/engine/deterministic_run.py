"""A program that runs seeded commands on a seeded engine and prints the digest of its logs."""

import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from uuid import UUID

import orjson

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2
from server.bootstrap import engine as bootstrap
from server.config import DATABASE_FILE, Settings
from server.domain.account import Account
from server.domain.user import Identity, Plan
from server.engine.frames import (
    Answer,
    Call,
    FrameBuffer,
    Kind,
    encode_identity,
    unpack_answer,
)
from server.storage.migrate import bring_up_to_date
from tests.engine.bench import call, make_key
from tests.support.databases import connect
from tests.support.venue import NOON, ManualClock

ROUNDS = 150
SYMBOLS = {"AAPL": (150, 350), "MSFT": (300, 600), "BTC-USD": (60_000, 140_000), "EUR-USD": (1, 2)}
TYPES = (
    order_pb2.ORDER_TYPE_MARKET,
    order_pb2.ORDER_TYPE_LIMIT,
    order_pb2.ORDER_TYPE_STOP,
    order_pb2.ORDER_TYPE_STOP_LIMIT,
)


class CountingChance:
    """Ids and secrets from consecutive numbers."""

    def __init__(self) -> None:
        self._number = 0

    def new_id(self) -> str:
        """Return the next number as a UUID of version 7."""
        self._number += 1
        return str(UUID(int=(self._number << 80) | (7 << 76) | (2 << 62)))

    def id_of(self, *_: str) -> str:
        """Return the next number as an id."""
        return self.new_id()

    def ids_of(self, _: Account) -> Callable[[], str]:
        """Return a source of the next numbers."""
        return self.new_id

    def base62(self, length: int) -> str:
        """Return the next number as a secret."""
        self._number += 1
        return str(self._number).zfill(length)


class Run:
    """An engine on a simulated market, and a random source of commands."""

    def __init__(self, data_dir: Path, seed: int) -> None:
        bring_up_to_date(data_dir / DATABASE_FILE)
        settings = Settings(data_dir=data_dir, market="simulated", seed=seed)
        self.clock, self.dice = ManualClock(NOON), Random(seed)
        self.parts = bootstrap.build(
            settings.for_engine(),
            clock=self.clock,
            since_boot=self.clock,
            chance=CountingChance(),
        )
        make_key(self.parts)
        self.orders: list[tuple[str, str]] = []
        self.accounts = [self._account(name) for name in ("ada", "bob", "eve")]

    def go(self) -> None:
        """Do everything and close the engine."""
        for _ in range(ROUNDS):
            self.clock.turn(seconds=self.dice.choice([0.25, 1, 1, 2, 10, 3_600]))
            calls = list(self._calls())
            for sent, answer in zip(calls, self._handle(calls, passing=True), strict=True):
                if sent.name == "PlaceOrder" and answer.kind is Kind.RESPONSE:
                    order = pb.PlaceOrderResponse.FromString(answer.body).order
                    self.orders.append((sent.caller.account_id, order.id))
        self.parts.close()

    def _calls(self) -> Iterator[Call]:
        for number in range(1, self.dice.randint(2, 6)):
            account, order_id = self.dice.choice(self.orders or [("", "")])
            match self.dice.randrange(8) if order_id else 7:
                case 0:
                    cancel = pb.CancelOrderRequest(order_id=order_id)
                    yield call(number, "CancelOrder", account, cancel.SerializeToString())
                case 1:
                    replace = pb.ReplaceOrderRequest(order_id=order_id, quantity=self._quantity())
                    yield call(number, "ReplaceOrder", account, replace.SerializeToString())
                case 2 if not self.dice.randrange(10):
                    yield call(number, "CancelAllOrders", account, b"")
                case _:
                    body = self._order().SerializeToString()
                    owner = self.dice.choice(self.accounts)
                    yield call(number, "PlaceOrder", owner, body)

    def _order(self) -> pb.PlaceOrderRequest:
        symbol = self.dice.choice(list(SYMBOLS))
        order_type = self.dice.choice(TYPES)
        request = pb.PlaceOrderRequest(
            symbol=symbol,
            side=self.dice.choice([order_pb2.SIDE_BUY, order_pb2.SIDE_SELL]),
            order_type=order_type,
            quantity=self._quantity(),
        )
        if order_type in TYPES[1::2]:
            request.limit_price = str(self.dice.randint(*SYMBOLS[symbol]))
        if order_type in TYPES[2:]:
            request.stop_price = str(self.dice.randint(*SYMBOLS[symbol]))
        else:
            request.time_in_force = self.dice.choice(order_pb2.TimeInForce.values()[1:])
        return request

    def _quantity(self) -> str:
        return self.dice.choice(["0.01", "0.1", "1", "3", "10.5", "40"])

    def _account(self, subject: str) -> str:
        identity = Identity(
            issuer="i", subject=subject, name=subject, plan=Plan.FREE, is_operator=False
        )
        (answer,) = self._handle([call(1, "KnowUser", "", encode_identity(identity))])
        return str(orjson.loads(answer.body)[1])

    def _handle(self, calls: list[Call], *, passing: bool = False) -> list[Answer]:
        frames = self.parts.service.handle(calls, passing=passing)
        answers = [unpack_answer(frame) for frame in FrameBuffer().feed(b"".join(frames))]
        return [answer for answer in answers if answer.call_id]


def logged(data_dir: Path) -> tuple[int, str]:
    """Return how many events a database holds, and the digest of all of them."""
    digest, count = sha256(), 0
    connection = connect(data_dir)
    query = "SELECT account_id, sequence, payload FROM events ORDER BY account_id, sequence"
    for account_id, sequence, payload in connection.execute(query):
        digest.update(f"{account_id} {sequence} {len(payload)} ".encode() + payload)
        count += 1
    connection.close()
    return count, digest.hexdigest()


def main() -> None:
    """Run with the directory and the seed of the command line."""
    data_dir, seed = Path(sys.argv[1]), int(sys.argv[2])
    Run(data_dir, seed).go()
    print(*logged(data_dir))


if __name__ == "__main__":
    main()
