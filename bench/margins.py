"""Cost of a look at accounts that have borrowed money, which the engine takes once a second."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.customer import answer_of, customer
from bottrading.v1 import (
    account_pb2,
    bot_trading_pb2,
    key_management_pb2,
    market_data_pb2,
    order_pb2,
    quote_pb2,
)
from server.application.callers import SERVICE, Caller
from server.bootstrap.adapters import system_clock
from server.bootstrap.engine import EngineParts, build
from server.config import Settings
from server.domain.user import Identity, Plan
from server.domain.values import SECOND
from server.engine.frames import Call, decode_user, encode_identity
from server.storage.migrate import bring_up_to_date

AT_RISK = 1_000
SYMBOLS = ("AAPL", "MSFT", "SPY")
LOOKS = 20


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds of processor for a second that passes, without and with accounts at risk."""

    idle_ms: float
    at_risk_ms: float


def margins(directory: Path) -> Costs:
    """Measure on one engine, before and after its accounts borrow."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        floor = _Floor(Path(name))
        idle = floor.second_ms()
        floor.borrow()
        at_risk = floor.second_ms()
        floor.parts.close()
    return Costs(idle, at_risk)


class _Floor:
    """An engine on a published market, with a clock that is turned."""

    def __init__(self, directory: Path) -> None:
        self._now = system_clock()
        settings = Settings(
            data_dir=directory,
            market="published",
            fees="none",
            liquidity="none",
            quote_staleness_seconds=86_400,
        )
        bring_up_to_date(settings.location)
        self.parts: EngineParts = build(
            settings.for_engine(), clock=self._clock, since_boot=self._clock
        )
        for symbol in SYMBOLS:
            quote = quote_pb2.PublishedQuote(
                symbol=symbol, bid="100", bid_size="100", ask="100", ask_size="100"
            )
            body = market_data_pb2.PublishQuotesRequest(quotes=[quote]).SerializeToString()
            self.parts.service.handle([Call(1, "PublishQuotes", SERVICE, body)])

    def second_ms(self) -> float:
        """Return the cost of a second in which nothing happens."""
        taken = []
        for _ in range(LOOKS):
            self._now += SECOND
            begun = time.process_time()
            self.parts.service.handle([], passing=True)
            # A look at many accounts is divided into parts.
            while self.parts.service.is_behind:
                self.parts.service.handle([], passing=True)
            taken.append((time.process_time() - begun) * 1e3)
        return median(taken)

    def borrow(self) -> None:
        """Let each account buy shares of every symbol for half as much again as it has."""
        for number in range(AT_RISK):
            self._borrow(f"person {number}")
        at_risk = len(self.parts.writer.at_risk.accounts())
        if at_risk != AT_RISK:
            raise AssertionError(f"{at_risk} accounts are at risk, not {AT_RISK}")

    def _borrow(self, subject: str) -> None:
        identity = Identity(
            issuer="", subject=subject, name="bench", plan=Plan.FREE, is_operator=False
        )
        account_id, key_id = customer(self.parts, subject)
        known = answer_of(self.parts, Call(1, "KnowUser", SERVICE, encode_identity(identity)))
        user_id, _, _ = decode_user(known)
        mode = key_management_pb2.SetMarginModeRequest(
            account_id=account_id, margin_mode=account_pb2.MARGIN_MODE_MARGIN
        )
        owner = Caller(user_id=user_id, account_id=account_id)
        holder = Caller(account_id=account_id, bot_key_id=key_id)
        orders = [
            bot_trading_pb2.PlaceOrderRequest(
                symbol=symbol, side=order_pb2.SIDE_BUY, quantity="500"
            ).SerializeToString()
            for symbol in SYMBOLS
        ]
        self.parts.service.handle(
            [
                Call(1, "SetMarginMode", owner, mode.SerializeToString()),
                *(Call(2, "PlaceOrder", holder, order) for order in orders),
            ]
        )

    def _clock(self) -> int:
        return self._now
