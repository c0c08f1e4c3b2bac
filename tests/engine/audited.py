"""An engine under audit: ledgers compare every quote and event with the database."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bottrading.v1 import market_data_pb2, quote_pb2
from server.application.staging import Stage
from server.bootstrap import engine as bootstrap
from server.config import Settings
from server.domain.errors import Reason
from server.domain.events import Event
from server.domain.order import Order
from server.domain.quote import Quote
from server.domain.user import Identity, Plan
from server.domain.values import Price, Quantity
from server.engine.frames import (
    Answer,
    Call,
    FrameBuffer,
    Kind,
    decode_refusal,
    decode_user,
    encode_identity,
    unpack_answer,
)
from server.storage import mapping
from tests.engine.bench import call, make_key
from tests.engine.ledger import AHEAD_MAX, Ledger, connect
from tests.support.venue import NOON, ManualClock

SUBJECTS = ("ada", "bob")
FAULTS = (Reason.INTERNAL, Reason.UNAVAILABLE)
CROSSED = quote_pb2.QUOTE_REFUSAL_REASON_CROSSED
TIME_INVALID = quote_pb2.QUOTE_REFUSAL_REASON_TIME_INVALID
OUT_OF_DATE = quote_pb2.QUOTE_REFUSAL_REASON_OUT_OF_DATE
DUPLICATE = quote_pb2.QUOTE_REFUSAL_REASON_DUPLICATE


class Complaints(logging.Handler):
    """Collects the server's warnings, because none is expected here."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.made: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a complaint."""
        self.made.append(self.format(record))


class AuditedEngine:
    """An engine on a published market, with a ledger for each of its accounts."""

    def __init__(self, data_dir: Path, *, with_costs: bool) -> None:
        self.data_dir, self.with_costs = data_dir, with_costs
        self.clock = ManualClock(NOON)
        self.heard: list[Event | Quote] = []
        self.quotes: dict[str, Quote] = {}
        self.ledgers: dict[str, Ledger] = {}
        self.owners: dict[str, str] = {}
        self.complaints = Complaints()
        logging.getLogger("server").addHandler(self.complaints)
        costs: Any = "default" if with_costs else "none"
        self.settings = Settings(data_dir=data_dir, market="published", fees=costs, slippage=costs)
        self._open()
        for subject in SUBJECTS:
            self._open_account(subject)

    def handle(self, calls: Sequence[Call], *, passing: bool = False) -> list[Answer]:
        """Let the engine decide calls in one batch, and audit the outcome."""
        frames = self.parts.service.handle(calls, passing=passing)
        answers = [unpack_answer(frame) for frame in FrameBuffer().feed(b"".join(frames))]
        told = [answer for answer in answers if answer.call_id]
        for answer in told:
            if answer.kind is Kind.REFUSAL:
                refusal = decode_refusal(answer.body)
                assert refusal.reason not in FAULTS, refusal
        assert not self.complaints.made, self.complaints.made
        self._expect_quotes(calls, told)
        self.audit()
        return told

    def audit(self) -> None:
        """Give the ledgers all events since the last time, and compare."""
        now, shown = self.clock.now, dict[str, Quote]()
        for item in self.heard:
            if isinstance(item, Quote):
                if item.symbol in shown:
                    self._check_nothing_waits(item.symbol)
                shown[item.symbol] = self.quotes[item.symbol] = item
                for ledger in self.ledgers.values():
                    ledger.hear_quote(item, now)
            elif item.account_id in self.ledgers:
                self.ledgers[item.account_id].hear(item, now)
        self.heard.clear()
        for symbol in shown:
            self._check_nothing_waits(symbol)
        for ledger in self.ledgers.values():
            if ledger.compare_touched():
                ledger.compare_margin(self.parts.feed, now)

    def check_margin_calls(self) -> None:
        """Check that no margin call is missed, after time has passed since the newest quotes."""
        for ledger in self.ledgers.values():
            ledger.check_margin_call(self.clock.now)

    def restart(self) -> None:
        """Compare all accounts in full, and go on with a new engine on the same files."""
        self.close()
        self._open()
        self.quotes = {quote.symbol: quote for quote in self.parts.feed.board.all()}
        # In PostgreSQL, quotes are as live as they are for the other engines of the venue.
        stay_fresh = not isinstance(self.settings.location, Path)
        for ledger in self.ledgers.values():
            ledger.book.connection = self.connection
            ledger.restart(self.quotes, self._trailing(), stay_fresh=stay_fresh)

    def _trailing(self) -> dict[str, Order]:
        """Return the orders that trail, as the engine knows them."""
        rows = self.connection.execute("SELECT * FROM orders WHERE trail_number IS NOT NULL")
        trails = self.parts.writer.trails
        for row in rows:
            trails.know(row.account_id, row.shard)
        return {row.id: trails.current(mapping.order_from(row), row.trail_number) for row in rows}

    def close(self) -> None:
        """Compare all accounts in full and close the engine."""
        try:
            for ledger in self.ledgers.values():
                ledger.compare_everything()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the engine without a comparison."""
        self.connection.close()
        self.parts.close()

    def silence(self) -> None:
        """Stop collecting warnings."""
        logging.getLogger("server").removeHandler(self.complaints)

    def _open(self) -> None:
        self.parts = bootstrap.build(
            self.settings.for_engine(), clock=self.clock, since_boot=self.clock
        )
        if isinstance(self.settings.location, Path):
            # No power failure happens here.
            self.parts.writer.session.driver.execute("PRAGMA synchronous = OFF")
        make_key(self.parts)
        self.connection = connect(self.data_dir)
        self._listen()

    def _listen(self) -> None:
        writer, board = self.parts.writer, self.parts.feed.board
        encode, put = writer.encode_event, board.put

        def encode_event(event: Event) -> tuple[bytes, Any]:
            self.heard.append(event)
            return encode(event)

        def put_quote(quote: Quote, stage: Stage) -> None:
            self.heard.append(quote)
            put(quote, stage)

        writer.encode_event = encode_event
        setattr(board, "put", put_quote)  # noqa: B010

    def _open_account(self, subject: str) -> None:
        identity = Identity(
            issuer="i", subject=subject, name=subject, plan=Plan.FREE, is_operator=False
        )
        opening = call(1, "KnowUser", "", encode_identity(identity))
        frames = self.parts.service.handle([opening])
        *_, answer = map(unpack_answer, FrameBuffer().feed(b"".join(frames)))
        user_id, account_id, _ = decode_user(answer.body)
        self.owners[account_id] = user_id
        self.ledgers[account_id] = Ledger(self.connection, account_id, fees=self.with_costs)
        self.audit()

    def _check_nothing_waits(self, symbol: str) -> None:
        instrument = self.parts.feed.instruments.find(symbol)
        assert instrument is not None, "a quote of it was applied"
        for ledger in self.ledgers.values():
            ledger.check_nothing_waits(symbol, self.clock.now, instrument.quantity_step)

    def _expect_quotes(self, calls: Sequence[Call], told: Sequence[Answer]) -> None:
        """Check that exactly the quotes were applied that are newer than those before them."""
        applied, newest = list[tuple[str, int]](), dict(self.quotes)
        for sent, answer in zip(calls, told, strict=True):
            if sent.name != "PublishQuotes":
                continue
            request = market_data_pb2.PublishQuotesRequest.FromString(sent.body)
            response = market_data_pb2.PublishQuotesResponse.FromString(answer.body)
            refused = list[tuple[str, int]]()
            for quote in request.quotes:
                why = self._why_not(quote, newest)
                if why is None:
                    applied.append((quote.symbol, quote.sequence))
                else:
                    refused.append((quote.symbol, why))
            assert [(item.symbol, item.reason) for item in response.refused] == refused
        heard = [(it.symbol, it.sequence) for it in self.heard if isinstance(it, Quote)]
        assert heard == applied, "other quotes are applied"

    def _why_not(self, sent: quote_pb2.PublishedQuote, newest: dict[str, Quote]) -> int | None:
        time = self.clock.now
        if sent.HasField("time"):
            time = sent.time.seconds * 10**6 + sent.time.nanos // 1_000
        before = newest.get(sent.symbol)
        if float(sent.bid) > float(sent.ask):
            return CROSSED
        if time > self.clock.now + AHEAD_MAX:
            return TIME_INVALID
        place = (time, sent.sequence)
        if before is not None and place < (before.time, before.sequence):
            return OUT_OF_DATE
        if before is not None and place == (before.time, before.sequence):
            return DUPLICATE
        newest[sent.symbol] = Quote(
            symbol=sent.symbol,
            bid=Price(1),
            bid_size=Quantity(0),
            ask=Price(1),
            ask_size=Quantity(0),
            last=Price(1),
            time=time,
            sequence=sent.sequence,
        )
        return None
