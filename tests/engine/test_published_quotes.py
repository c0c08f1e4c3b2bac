"""A published market that several engines share: one accepts quotes, the others follow."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bottrading.v1 import error_reason_pb2, market_data_pb2, order_pb2, quote_pb2
from server.application import market_feed
from server.application.market_feed import MarketFeed
from server.application.published_quotes import KEPT_MIN, TRIES_MAX
from server.domain.quote import Quote
from server.domain.sharding import MARKET
from server.domain.values import SCALE, SECOND
from server.engine.cluster import FOLLOW_MARKET
from server.engine.frames import (
    Answer,
    Call,
    FrameBuffer,
    Kind,
    decode_changes,
    decode_confirmed,
    unpack_answer,
)
from server.storage.unit_of_work import SqlUnitOfWork
from server.wire.answers import timestamp
from server.wire.market import QUOTES_MAX
from tests.engine.bench import call, order_of, place
from tests.engine.several import Engine, Engines, moved_to
from tests.support.audit import audit

LIMIT: dict[str, Any] = {"order_type": order_pb2.ORDER_TYPE_LIMIT}
FOLLOW = call(8, FOLLOW_MARKET, "", b"")
OUT_OF_DATE = quote_pb2.QUOTE_REFUSAL_REASON_OUT_OF_DATE
DUPLICATE = quote_pb2.QUOTE_REFUSAL_REASON_DUPLICATE
STATUSES = "SELECT status FROM orders"


def sent(*quotes: tuple[str, str, str], **fields: Any) -> Call:
    """Return a call that publishes quotes as (symbol, bid, ask)."""
    request = market_data_pb2.PublishQuotesRequest(
        quotes=[
            quote_pb2.PublishedQuote(
                symbol=symbol, bid=bid, ask=ask, bid_size="1000", ask_size="1000", **fields
            )
            for symbol, bid, ask in quotes
        ]
    )
    return call(7, "PublishQuotes", "", request.SerializeToString())


def published(answers: Sequence[Answer]) -> Any:
    """Return the answer of the engine to quotes."""
    assert answers[-1].kind is Kind.RESPONSE, answers
    return market_data_pb2.PublishQuotesResponse.FromString(answers[-1].body)


def asks(engine: Engine) -> dict[str, int]:
    """Return the newest asks of an engine that can be traded on, in cents."""
    board, now = engine.parts.feed.board, engine.clock()
    fresh = [quote for quote in board.all() if board.is_fresh(quote, now)]
    return {quote.symbol: quote.ask * 100 // SCALE for quote in fresh}


def waiting(engine: Engine, limit_price: str) -> str:
    """Let somebody at an engine wait for a price; return the account."""
    account = engine.account(engine.someone())
    order = order_of(engine.handle(place(1, account, limit_price=limit_price, **LIMIT))[0])
    assert order.status == order_pb2.ORDER_STATUS_OPEN
    return account


def test_the_orders_of_all_engines_are_filled_once_they_have_followed(engines: Engines) -> None:
    owner, other = engines.two()
    for engine in engines.running:
        waiting(engine, "90.00")
    answer = published(owner.handle(sent(("AAPL", "89.00", "90.00"))))
    assert engines.query("SELECT count(*) FROM orders WHERE status = 'FILLED'") == [(1,)]
    told = other.handle(FOLLOW)

    assert (answer.accepted, list(answer.refused)) == (1, [])
    assert engines.query("SELECT count(*) FROM orders WHERE status = 'FILLED'") == [(2,)]
    assert [it.kind for it in told] == [Kind.QUOTES_CHANGED, Kind.RESPONSE]
    assert asks(owner) == asks(other) == {"AAPL": 9000}
    audit(owner.data_dir)


def test_an_engine_applies_in_order_what_its_last_looks_have_missed(engines: Engines) -> None:
    """The front ended before it told the other engine; a later quote reaches no order."""
    owner, other = engines.two()
    waiting(other, "90.00")
    for ask in ("95.00", "90.00", "95.00"):
        engines.clock.now += 1
        owner.handle(sent(("AAPL", "89.00", ask)))
    other.handle(passing=True)

    assert engines.query(STATUSES) == [("FILLED",)]
    assert asks(other) == {"AAPL": 9500}
    again = other.handle(FOLLOW)
    assert [it.kind for it in again] == [Kind.RESPONSE], "there is nothing new"


def test_a_second_quote_of_a_call_finds_the_orders_that_the_first_one_left(
    engines: Engines,
) -> None:
    owner, other = engines.two()
    waiting(other, "90.00")
    time = timestamp(engines.clock())
    request = market_data_pb2.PublishQuotesRequest()
    for sequence, ask in enumerate(("90.00", "99.00")):
        part = sent(("AAPL", "89.00", ask), time=time, sequence=sequence)
        request.MergeFromString(part.body)
    owner.handle(call(7, "PublishQuotes", "", request.SerializeToString()))
    engines.follow()

    assert engines.query(STATUSES) == [("FILLED",)]
    assert asks(other) == asks(owner) == {"AAPL": 9900}


def test_only_the_owner_of_the_market_accepts_quotes(engines: Engines) -> None:
    owner, other = engines.two()

    assert moved_to(other.handle(sent(("AAPL", "89.00", "90.00")))[-1]) == MARKET
    assert asks(owner) == asks(other) == {}


def test_what_the_owner_refuses_reaches_no_other_engine(engines: Engines) -> None:
    owner, other = engines.two()
    now = engines.clock()
    owner.handle(sent(("AAPL", "99.00", "100.00"), time=timestamp(now)))
    older = published(owner.handle(sent(("AAPL", "1.00", "2.00"), time=timestamp(now - 1))))
    again = published(owner.handle(sent(("AAPL", "1.00", "2.00"), time=timestamp(now))))
    engines.follow()

    assert [it.reason for it in older.refused] == [OUT_OF_DATE]
    assert [it.reason for it in again.refused] == [DUPLICATE]
    assert asks(other) == {"AAPL": 10000}
    assert engines.query("SELECT number FROM published") == [(1,)]


def test_a_confirmed_quote_is_fresh_and_fills_at_all_engines(engines: Engines) -> None:
    """It went stale; an order that came meanwhile must not wait for the next quote."""
    owner, other = engines.two()
    quote = sent(("AAPL", "99.00", "100.00"), time=timestamp(engines.clock()), confirmed=True)
    owner.handle(quote)
    engines.follow()
    engines.clock.turn(seconds=16)
    waiting(other, "100.00")
    assert asks(other) == {}
    owner.handle(quote)
    engines.clock.turn(seconds=10)
    engines.follow()

    assert asks(owner) == asks(other) == {"AAPL": 10000}
    assert engines.query(STATUSES) == [("FILLED",)]
    engines.clock.turn(seconds=6)
    assert asks(owner) == asks(other) == {}


def test_quotes_are_as_live_at_an_engine_that_joins_as_at_the_others(engines: Engines) -> None:
    first = engines.start()
    old = sent(("TSLA", "99.00", "100.00"), time=timestamp(engines.clock()), confirmed=True)
    first.handle(old)
    first.handle(sent(("MSFT", "49.00", "50.00")))
    engines.clock.turn(seconds=14)
    first.handle(old)
    first.handle(sent(("AAPL", "19.00", "20.00")))
    first.handle(passing=True)
    engines.clock.turn(seconds=2)
    first.handle(sent(("AAPL", "20.00", "21.00")))
    second = engines.start()
    engines.settle()
    (order,) = second.handle(place(1, second.account(second.someone()), symbol="TSLA"))

    assert asks(first) == asks(second) == {"AAPL": 2100, "TSLA": 10000}
    assert order_of(order).status == order_pb2.ORDER_STATUS_FILLED
    assert second.parts.feed.board.get("MSFT") == first.parts.feed.board.get("MSFT")
    assert [it.kind for it in second.handle(FOLLOW)] == [Kind.RESPONSE], "nothing comes twice"


def test_a_front_learns_from_its_new_engine_which_quotes_are_fresh(engines: Engines) -> None:
    first = engines.start()
    confirmed = sent(("TSLA", "99.00", "100.00"), time=timestamp(engines.clock()), confirmed=True)
    first.handle(confirmed)
    first.handle(sent(("MSFT", "49.00", "50.00")))
    engines.clock.turn(seconds=10)
    first.handle(confirmed)
    engines.clock.turn(seconds=10)
    frames = FrameBuffer().feed(b"".join(engines.start().parts.service.board()))
    loaded, changed, told = map(unpack_answer, frames)

    assert loaded.kind is Kind.QUOTES_LOADED
    assert [quote.symbol for quote in decode_changes(changed.body).quotes] == ["TSLA"]
    assert decode_confirmed(told.body) == (engines.clock() - 10 * SECOND, ["TSLA"])


def test_a_stale_quote_is_stale_after_a_restart_and_comes_again(engines: Engines) -> None:
    quote = sent(("AAPL", "99.00", "100.00"), time=timestamp(engines.clock()))
    first = engines.start()
    first.handle(quote)
    engines.leave(first)
    engines.clock.turn(seconds=16)
    again = engines.start()
    (order,) = again.handle(place(1, again.account("ada")))

    assert order_of(order).rejection_reason == error_reason_pb2.ERROR_REASON_NO_QUOTE
    assert published(again.handle(quote)).accepted == 1


@pytest.mark.parametrize("end", [Engines.leave, Engines.kill])
def test_a_new_owner_goes_on_where_the_last_one_ended(
    engines: Engines, end: Callable[[Engines, Engine], None]
) -> None:
    """The last call of the last owner was stored, and nobody was told."""
    first, second = engines.two()
    waiting(second, "90.00")
    engines.publish("94.00", "95.00")
    now = engines.clock.now = engines.clock.now + 1
    first.handle(sent(("AAPL", "89.00", "90.00"), time=timestamp(now)))
    end(engines, first)
    engines.settle()
    older = published(second.handle(sent(("AAPL", "1.00", "2.00"), time=timestamp(now - 1))))
    engines.clock.now += 1
    second.handle(sent(("AAPL", "90.00", "91.00")))

    assert second.parts.ownership.owns(MARKET)
    assert [it.reason for it in older.refused] == [OUT_OF_DATE]
    assert engines.query("SELECT number FROM published ORDER BY number") == [(1,), (2,), (3,)]
    assert engines.query(STATUSES) == [("FILLED",)]
    audit(second.data_dir)


def test_the_bars_of_a_new_owner_have_the_quotes_that_the_last_one_did_not_store(
    engines: Engines,
) -> None:
    first, second = engines.two()
    for bid, ask in (("10.00", "10.00"), ("30.00", "30.00")):
        engines.publish(bid, ask)
    first.handle(passing=True)
    for price in ("5.00", "20.00"):
        engines.publish(price, price)
    engines.kill(first)
    third = engines.start()
    engines.settle()
    for engine in (second, third):
        engine.handle(passing=True)

    ((*row,),) = engines.query("SELECT minute_open, minute_high, minute_low, last FROM quotes")
    assert row == [price * SCALE for price in (10, 30, 5, 20)]


def test_an_owner_that_failed_in_the_middle_goes_on_before_it_accepts_more(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first orders are filled and stored with the quotes, then something fails."""
    monkeypatch.setattr(market_feed, "ORDERS_A_TRANSACTION_MAX", 1)
    owner, other = engines.two()
    for _ in range(3):
        waiting(owner, "90.00")
    stored = SqlUnitOfWork.checkpoint

    def fail(unit: SqlUnitOfWork) -> None:
        stored(unit)
        raise RuntimeError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(SqlUnitOfWork, "checkpoint", fail)
        (*_, refused) = owner.handle(sent(("AAPL", "89.00", "90.00"), ("MSFT", "1.00", "2.00")))
    assert refused.kind is Kind.REFUSAL
    engines.clock.now += 1
    owner.handle(sent(("AAPL", "94.00", "95.00")))
    engines.follow()

    assert engines.query(STATUSES) == [("FILLED",)] * 3
    assert asks(owner) == asks(other) == {"AAPL": 9500, "MSFT": 200}
    audit(owner.data_dir)


def test_quotes_that_are_not_stored_are_not_accepted(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = engines.two()

    def fail(_: SqlUnitOfWork) -> None:
        raise RuntimeError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(SqlUnitOfWork, "commit", fail)
        owner.handle(sent(("AAPL", "89.00", "90.00")))
    assert asks(owner) == {}
    owner.handle(sent(("AAPL", "94.00", "95.00")))
    engines.follow()

    assert asks(owner) == asks(other) == {"AAPL": 9500}
    assert engines.query("SELECT number FROM published") == [(1,)]


def test_an_engine_that_was_away_for_too_long_begins_anew(engines: Engines) -> None:
    """What it lacks is no longer kept; it goes on with the newest quotes."""
    owner, other = engines.two()
    waiting(other, "90.00")
    owner.handle(sent(("MSFT", "49.00", "50.00")))
    for _ in range(3):
        engines.clock.now += KEPT_MIN
        owner.handle(sent(("AAPL", "89.00", "90.00")))
        owner.handle(passing=True)
    told = other.handle(FOLLOW)

    assert engines.query("SELECT count(*) FROM published") == [(2,)]
    assert engines.query(STATUSES) == [("FILLED",)]
    assert [it.kind for it in told] == [Kind.QUOTES_CHANGED, Kind.RESPONSE]
    assert asks(owner) == asks(other) == {"AAPL": 9000}
    assert other.parts.feed.board.get("MSFT") == owner.parts.feed.board.get("MSFT")


def test_quotes_that_cannot_be_applied_keep_no_later_ones_away(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    owner, other = engines.two()
    show = MarketFeed.show

    def fail(feed: MarketFeed, quotes: Sequence[Quote], unit: Any, now: int) -> None:
        if feed is other.parts.feed and quotes[0].symbol == "MSFT":
            raise RuntimeError("planted")
        show(feed, quotes, unit, now)

    monkeypatch.setattr(MarketFeed, "show", fail)
    for symbol in ("TSLA", "MSFT", "AAPL"):
        owner.handle(sent((symbol, "89.00", "90.00")))
    for _ in range(TRIES_MAX):
        (*_, refused) = other.handle(FOLLOW)
        assert refused.kind is Kind.REFUSAL
        assert asks(other) == {"TSLA": 9000}
    other.handle(FOLLOW)

    assert asks(other) == asks(owner)
    assert "The published quotes 2 fill no order of this engine." in caplog.text


def test_the_largest_call_is_followed(engines: Engines) -> None:
    owner, other = engines.two()
    waiting(other, "90.00")
    request = market_data_pb2.PublishQuotesRequest()
    for number in range(QUOTES_MAX):
        ask = f"{QUOTES_MAX + 90 - number - 1}.00"
        part = sent(("AAPL", "1.00", ask), time=timestamp(engines.clock()), sequence=number)
        request.MergeFromString(part.body)
    answer = published(owner.handle(call(7, "PublishQuotes", "", request.SerializeToString())))
    engines.follow()

    assert answer.accepted == QUOTES_MAX
    assert asks(owner) == asks(other) == {"AAPL": 9000}
    assert engines.query(STATUSES) == [("FILLED",)]
