"""A replay in lock-step as a loop over bars: which calls it makes, and what they lead to."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from bottrading.v1 import (
    bar_pb2,
    bot_trading_pb2,
    instrument_pb2,
    market_clock_pb2,
    order_update_pb2,
    quote_pb2,
)
from bottrading.v1 import market_data_pb2 as market
from bottrading_client import BotTradingClient, Conflict, OutcomeUnknown, ServiceUnavailable
from bottrading_client.messages import timestamp
from tests.clients.python.far_end import FarEnd, answer, because, refuse
from tests.clients.python.test_attempts import an_order

BEGIN = datetime(2025, 1, 2, 14, 29, 59, 999_999, UTC)
MIDNIGHT = datetime(2025, 1, 3, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def far_end() -> FarEnd:
    return FarEnd()


@pytest.fixture
def client(far_end: FarEnd) -> BotTradingClient:
    return BotTradingClient("tvt_key", channel=far_end.channel)


class Service:
    """The service at the far end, whose clock stands before the first quote."""

    def __init__(self, far_end: FarEnd) -> None:
        self.far_end = far_end

    def tell_time(self) -> None:
        clock = market_clock_pb2.MarketClock(time=timestamp(BEGIN))
        _, _, call = self.far_end.take("MarketData", "GetMarketClock")
        answer(call, market.GetMarketClockResponse(clock=clock))

    def asked_to_advance(self) -> tuple[Any, Any]:
        _, request, call = self.far_end.take("BotTrading", "AdvanceClock")
        return request, call

    def advance(self, to: datetime, *, ended: bool = False) -> Any:
        """Answer that the clock stands at a time; return what was asked."""
        request, call = self.asked_to_advance()
        answer(call, bot_trading_pb2.AdvanceClockResponse(time=timestamp(to), ended=ended))
        return request

    def list_bars(self, *starts: datetime) -> Any:
        """Answer with bars that begin at some times; return what was asked."""
        _, request, call = self.far_end.take("MarketData", "ListBars")
        answer(call, market.ListBarsResponse(bars=[a_bar(request.symbol, at) for at in starts]))
        return request


@pytest.fixture
def service(far_end: FarEnd) -> Service:
    return Service(far_end)


def a_bar(symbol: str, start: datetime) -> bar_pb2.Bar:
    prices: Any = dict.fromkeys(("open", "high", "low", "close"), "1.00000000")
    return bar_pb2.Bar(symbol=symbol, start=timestamp(start), complete=True, **prices)


def from_of(request: Any) -> datetime:
    found: datetime = getattr(request, "from").ToDatetime(tzinfo=UTC)
    return found


def test_each_step_goes_on_from_where_the_last_one_led_and_reads_its_bar(
    far_end: FarEnd, client: BotTradingClient, service: Service
) -> None:
    bars = client.replay("1d", "AAPL")
    first = far_end.make(next, bars)
    service.tell_time()
    begun = service.advance(MIDNIGHT)
    listed = service.list_bars(MIDNIGHT - DAY)
    assert first.answer().start == MIDNIGHT - DAY
    second = far_end.make(next, bars)
    went_on = service.advance(MIDNIGHT + DAY)
    service.list_bars(MIDNIGHT)

    assert (from_of(begun), from_of(went_on)) == (BEGIN, MIDNIGHT)
    assert begun.next_bar == went_on.next_bar == bar_pb2.BAR_INTERVAL_1D
    assert (listed.symbol, listed.interval) == ("AAPL", bar_pb2.BAR_INTERVAL_1D)
    assert listed.start.ToDatetime(tzinfo=UTC) == MIDNIGHT - DAY
    assert listed.end.ToDatetime(tzinfo=UTC) == MIDNIGHT
    assert second.answer().start == MIDNIGHT


def test_days_without_a_bar_are_passed_and_the_end_of_the_file_ends_the_loop(
    far_end: FarEnd, client: BotTradingClient, service: Service
) -> None:
    made = far_end.make(list, client.replay("1d", "AAPL"))
    service.tell_time()
    for days in range(3):
        service.advance(MIDNIGHT + days * DAY)
        service.list_bars()
    service.advance(MIDNIGHT + timedelta(days=2, hours=21), ended=True)
    last = service.list_bars(MIDNIGHT + 2 * DAY)

    assert [bar.start for bar in made.answer()] == [MIDNIGHT + 2 * DAY]
    assert not last.HasField("end"), "the bar that the end of the file cuts short comes too"


def test_a_replay_that_has_ended_yields_nothing(
    far_end: FarEnd, client: BotTradingClient, service: Service
) -> None:
    made = far_end.make(list, client.replay("1d", "AAPL"))
    service.tell_time()
    service.advance(BEGIN, ended=True)

    assert made.answer() == []


def test_several_symbols_come_together_as_steps(
    far_end: FarEnd, client: BotTradingClient, service: Service
) -> None:
    first = far_end.make(next, client.replay("1d", ["AAPL", "SPY", "BTC-USD"]))
    service.tell_time()
    service.advance(MIDNIGHT)
    service.list_bars(MIDNIGHT - DAY)
    service.list_bars()
    service.list_bars(MIDNIGHT - DAY)

    step = first.answer()
    assert (step.start, step.advance.time) == (MIDNIGHT - DAY, MIDNIGHT)
    assert list(step.bars) == ["AAPL", "BTC-USD"]


def test_steps_that_were_missed_come_one_after_another(
    far_end: FarEnd, client: BotTradingClient, service: Service
) -> None:
    steps = client.replay("1d", ["AAPL", "SPY"])
    first = far_end.make(next, steps)
    service.tell_time()
    service.advance(MIDNIGHT + DAY)
    service.list_bars(MIDNIGHT - DAY, MIDNIGHT)
    service.list_bars(MIDNIGHT - DAY, MIDNIGHT)

    shown = [(step.start, list(step.bars)) for step in (first.answer(), next(steps))]
    assert shown == [(MIDNIGHT - DAY, ["AAPL", "SPY"]), (MIDNIGHT, ["AAPL", "SPY"])]


def test_without_symbols_come_the_bars_of_all_that_had_quotes(
    far_end: FarEnd, client: BotTradingClient, service: Service
) -> None:
    names = [f"S{number:03}" for number in range(101)]
    made = far_end.make(next, client.replay("1d"))
    service.tell_time()
    service.advance(MIDNIGHT)
    _, _, call = far_end.take("MarketData", "ListInstruments")
    listed = [instrument(name) for name in names]
    answer(call, market.ListInstrumentsResponse(instruments=listed))
    for quoted in ([a_quote("S000", BEGIN), a_quote("S001", BEGIN - DAY)], []):
        _, request, call = far_end.take("MarketData", "BatchGetQuotes")
        names = names[len(request.symbols) :]
        answer(call, market.BatchGetQuotesResponse(quotes=quoted))
    service.list_bars(MIDNIGHT - DAY)

    assert made.answer().symbol == "S000"
    assert not names


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED], ids=str
)
def test_a_step_without_an_answer_is_asked_for_again_beyond_the_timeout_with_the_same_from(
    far_end: FarEnd, client: BotTradingClient, service: Service, code: grpc.StatusCode
) -> None:
    first = far_end.make(next, client.with_timeout(0.05).replay("1d", "AAPL"))
    service.tell_time()
    requests = []
    for _ in range(3):
        request, call = service.asked_to_advance()
        requests.append(request)
        refuse(call, code)
    requests.append(service.advance(MIDNIGHT))
    service.list_bars(MIDNIGHT - DAY)

    assert first.answer().start == MIDNIGHT - DAY
    assert requests == [requests[0]] * 4


def test_a_server_that_never_answered_is_not_waited_for(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    first = far_end.make(next, client.with_timeout(0.05).replay("1d", "AAPL"))
    refuse(far_end.take("MarketData", "GetMarketClock")[2], grpc.StatusCode.UNAVAILABLE)

    assert type(first.failure()) is ServiceUnavailable


def test_a_market_that_does_not_wait_ends_the_loop_with_its_reason(
    far_end: FarEnd, client: BotTradingClient, service: Service
) -> None:
    first = far_end.make(next, client.replay("1d", "AAPL"))
    service.tell_time()
    _, call = service.asked_to_advance()
    refuse(call, grpc.StatusCode.FAILED_PRECONDITION, because("MARKET_NOT_STEPPED"))

    error = first.failure()
    assert (type(error), error.reason) == (Conflict, "MARKET_NOT_STEPPED")


def test_orders_within_the_loop_have_the_same_ids_in_every_run(
    far_end: FarEnd, client: BotTradingClient, service: Service
) -> None:
    def placed(by: BotTradingClient = client, **named: Any) -> str:
        making = far_end.make(by.place_order, "AAPL", "BUY", 1, **named)
        _, request, call = far_end.take("BotTrading", "PlaceOrder")
        answer(call, bot_trading_pb2.PlaceOrderResponse(order=an_order(request.client_order_id)))
        return str(making.answer().client_order_id)

    def closed() -> str:
        making = far_end.make(client.close_position, "AAPL")
        _, request, call = far_end.take("BotTrading", "ClosePosition")
        answer(call, bot_trading_pb2.ClosePositionResponse(order=an_order(request.client_order_id)))
        return str(making.answer().client_order_id)

    def step(to: datetime) -> None:
        made = far_end.make(next, bars)
        if to == MIDNIGHT:
            service.tell_time()
        service.advance(to)
        service.list_bars(to - DAY)
        made.answer()

    bars = client.replay("1d", "AAPL")
    before = placed()
    step(MIDNIGHT)
    found = [placed(), placed(client_order_id="mine"), placed(client.with_timeout(9))]
    step(MIDNIGHT + DAY)
    found.append(closed())

    assert uuid.UUID(before)
    assert found == [
        "2025-01-03T00:00:00Z-1",
        "mine",
        "2025-01-03T00:00:00Z-2",
        "2025-01-04T00:00:00Z-1",
    ]


def test_a_call_that_names_its_time_is_repeated_and_one_that_does_not_is_not(
    far_end: FarEnd, client: BotTradingClient, service: Service
) -> None:
    told = bot_trading_pb2.AdvanceClockResponse(
        time=timestamp(MIDNIGHT),
        first_sequence=2,
        last_sequence=3,
        events=[
            order_update_pb2.AccountEvent(
                sequence=2, order_update=order_update_pb2.OrderUpdate(order=an_order("mine"))
            ),
            order_update_pb2.AccountEvent(
                sequence=3, account_update=order_update_pb2.AccountUpdate(balance="1.00")
            ),
        ],
    )
    hour = timedelta(hours=1)
    safe: tuple[dict[str, Any], ...] = ({"by": hour, "from_time": BEGIN}, {"until": MIDNIGHT})
    unsafe: tuple[dict[str, Any], ...] = ({"by": hour}, {"next_bar": "5m"})
    for named in safe:
        made = far_end.make(client.advance_clock, **named)
        first, call = service.asked_to_advance()
        refuse(call, grpc.StatusCode.UNAVAILABLE)
        second, call = service.asked_to_advance()
        answer(call, told)
        assert first == second
        assert [event.sequence for event in made.answer().events] == [2, 3]
    for named in unsafe:
        made = far_end.make(client.advance_clock, **named)
        refuse(service.asked_to_advance()[1], grpc.StatusCode.UNAVAILABLE)
        assert type(made.failure()) is OutcomeUnknown


@pytest.mark.parametrize("interval", ["2d", "day", ""])
def test_an_interval_that_is_none_is_refused_at_once(
    client: BotTradingClient, interval: str
) -> None:
    with pytest.raises(ValueError, match="is not a"):
        client.replay(interval)


def instrument(symbol: str) -> instrument_pb2.Instrument:
    amounts: Any = dict.fromkeys(("price_tick", "quantity_step", "multiplier"), "1")
    return instrument_pb2.Instrument(symbol=symbol, **amounts)


def a_quote(symbol: str, time: datetime) -> quote_pb2.Quote:
    amounts: Any = dict.fromkeys(("bid", "bid_size", "ask", "ask_size", "last"), "1")
    return quote_pb2.Quote(symbol=symbol, time=timestamp(time), **amounts)
