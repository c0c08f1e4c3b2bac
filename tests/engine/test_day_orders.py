"""DAY orders in the engine: the day that counts is that of the moment at which one is placed."""

from bottrading.v1 import order_pb2
from server.domain.values import DAY
from tests.engine.bench import Bench, order_of, place
from tests.support.venue import NOON

WAITS_FOR_TODAY = {
    "order_type": order_pb2.ORDER_TYPE_LIMIT,
    "limit_price": "1.00",
    "time_in_force": order_pb2.TIME_IN_FORCE_DAY,
}


def test_a_day_order_ends_with_its_own_day_whichever_way_the_clock_is_set(bench: Bench) -> None:
    account = bench.account("ada")
    days: list[int] = []
    for moment in (NOON, NOON + DAY - 1, NOON + 5 * DAY, NOON - 5 * DAY):
        bench.clock.now = moment
        (answer,) = bench.handle(place(len(days), account, **WAITS_FOR_TODAY))
        days.append((order_of(answer).expires_at.seconds * 1_000_000 - moment) // DAY)

    assert days == [0, 0, 0, 0]
