"""Rate limits and the count of calls, with a clock to turn."""

import pytest

from server.application.rate_limits import MemoryRateLimits, UsageMeter
from server.domain.values import DAY, SECOND
from tests.support.venue import ManualClock


def limits(clock: ManualClock) -> MemoryRateLimits:
    return MemoryRateLimits(orders_per_minute=2, requests_per_minute=3, monotonic=clock)


def test_the_window_moves_with_every_call_and_never_jumps() -> None:
    clock = ManualClock(0)
    windows = limits(clock)
    for _ in range(3):
        clock.turn(seconds=10)
        assert windows.spend("a", order=False).refused is None

    assert windows.spend("a", order=False).refused == "request"
    clock.now = 70 * SECOND - 1
    assert windows.spend("a", order=False).refused == "request"
    clock.now = 70 * SECOND
    assert windows.spend("a", order=False).refused is None
    assert windows.spend("a", order=False).refused == "request"


def test_a_refused_call_spends_nothing() -> None:
    clock = ManualClock(0)
    windows = limits(clock)
    for _ in range(10):
        windows.spend("a", order=True)

    orders, requests = windows.figures("a")
    assert orders is not None
    assert requests is not None
    assert (orders.remaining, requests.remaining) == (0, 1)


def test_an_order_that_is_given_back_can_be_spent_again_and_its_request_stays_spent() -> None:
    windows = limits(ManualClock(0))
    windows.give_back_order("a")
    for _ in range(3):
        assert windows.spend("a", order=True).refused is None
        windows.give_back_order("a")

    assert windows.spend("a", order=True).refused == "request"


def test_figures_tell_when_the_next_slot_frees() -> None:
    clock = ManualClock(0)
    windows = limits(clock)
    windows.spend("a", order=False)
    clock.turn(seconds=25)
    figures = windows.spend("a", order=False).figures

    assert figures is not None
    assert (figures.limit, figures.remaining, figures.reset_in) == (3, 1, 35 * SECOND)
    _, others = windows.figures("other")
    assert others is not None
    assert others.reset_in == 0


@pytest.mark.parametrize(
    ("orders", "requests", "refused", "limit"),
    [(0, 0, None, None), (0, 3, "request", 3), (2, 0, "order", 2)],
)
def test_a_limit_of_zero_is_lifted_and_the_other_one_stands(
    orders: int, requests: int, refused: str | None, limit: int | None
) -> None:
    windows = MemoryRateLimits(
        orders_per_minute=orders, requests_per_minute=requests, monotonic=ManualClock(0)
    )
    for _ in range(100):
        spent = windows.spend("a", order=True)

    assert spent.refused == refused
    assert (spent.figures.limit if spent.figures else None) == limit
    told = [figures.limit if figures else None for figures in windows.figures("a")]
    assert told == [orders or None, requests or None]


def test_a_limit_that_is_lifted_keeps_no_record() -> None:
    windows = MemoryRateLimits(orders_per_minute=0, requests_per_minute=0, monotonic=ManualClock(0))
    windows.spend("a", order=True)

    assert (windows._orders._windows, windows._requests._windows) == ({}, {})


def test_idle_accounts_are_forgotten() -> None:
    clock = ManualClock(0)
    windows = limits(clock)
    windows.spend("a", order=True)
    clock.turn(seconds=60)
    windows.spend("b", order=True)
    windows.forget_idle()

    assert set(windows._requests._windows) == {"b"}


def test_calls_add_to_what_is_stored_and_start_anew_each_day() -> None:
    meter = UsageMeter()
    meter.load("a", 1, 40)
    meter.load("a", 1, 7)

    assert meter.count("a", "key", DAY) == 41
    assert meter.count("a", None, 2 * DAY - 1) == 42
    assert meter.count("a", None, 2 * DAY) == 1
    assert meter.calls("a", 2 * DAY) == 1
    assert meter.calls("a", 3 * DAY) == 0
    assert meter.take() == ([("a", 1, 2), ("a", 2, 1)], [("key", DAY)])
    assert meter.take() == ([], [])


def test_what_could_not_be_stored_is_put_back() -> None:
    meter = UsageMeter()
    meter.load("a", 1, 0)
    meter.count("a", "key", DAY)
    calls, keys = meter.take()
    meter.count("a", "key", DAY + 5)
    meter.put_back(calls, keys)

    assert meter.take() == ([("a", 1, 2)], [("key", DAY + 5)])
