"""Option chains: which contracts are listed on a date, their names, prices and expiries."""

import math
from datetime import UTC, date, datetime, timedelta

import exchange_calendars
import pytest

from server.domain.instrument import AssetType, LiquidityClass, OptionRight
from server.domain.values import CENT, SCALE, Micros, normalize_symbol
from server.market.moments import day_start, from_datetime, to_datetime
from server.market.options import (
    OptionChain,
    black_scholes,
    listed_expiries,
    monthly_expiry,
    nyse_holidays,
)
from server.market.universe_file import default_universe

UNIVERSE = default_universe()


def chain(strikes: tuple[int, ...] = (270 * SCALE,)) -> OptionChain:
    return OptionChain(
        underlying=UNIVERSE.listings(0)["AAPL"],
        strikes=strikes,
        spread_bps=100,
        liquidity_class=LiquidityClass.THIN,
    )


def moment(day: str) -> Micros:
    return day_start(date.fromisoformat(day))


@pytest.mark.parametrize(
    "expiry",
    [
        "2026-11-20",
        "2026-12-18",
        "2027-01-15",
        "2027-02-19",
        # Good Friday is the third Friday: the Thursday before.
        "2008-03-20",
        "2025-04-17",
        "2030-04-18",
        # Juneteenth on a Friday, and kept on the Friday before a Saturday.
        "2026-06-18",
        "2027-06-17",
        "2028-06-16",
        # Juneteenth closes NYSE since 2022 only.
        "2009-06-19",
        "2015-06-19",
        "2020-06-19",
        "2021-06-18",
        # A closing that was in no rule: the week after 2001-09-11 had its third Friday again.
        "2001-09-21",
    ],
)
def test_options_expire_on_the_third_friday_or_the_trading_day_before(expiry: str) -> None:
    day = date.fromisoformat(expiry)
    assert monthly_expiry(day.year, day.month) == day


def test_options_expire_on_sessions_of_the_calendar_that_stocks_follow() -> None:
    """With and without `exchange_calendars` they are the same."""
    first, last = date(1971, 1, 1), date(2045, 12, 31)
    library = exchange_calendars.get_calendar("XNYS", start=str(first), end=str(last))
    sessions = {session.date() for session in library.sessions}
    for number in range((last - first).days):
        day = first + timedelta(days=number)
        if day.weekday() < 5:
            assert (day not in sessions) is (day in nyse_holidays(day.year)), day
        if day.weekday() == 4 and 15 <= day.day <= 21:
            week = {day - timedelta(days=less) for less in range(5)}
            assert monthly_expiry(day.year, day.month) == max(week & sessions)


@pytest.mark.parametrize(
    ("day", "expiries"),
    [
        ("2026-11-19", ["2026-11-20", "2026-12-18"]),
        ("2026-11-20", ["2026-11-20", "2026-12-18"]),
        ("2026-11-21", ["2026-12-18", "2027-01-15"]),
        ("2026-12-19", ["2027-01-15", "2027-02-19"]),
        ("2027-01-01", ["2027-01-15", "2027-02-19"]),
    ],
)
def test_the_two_next_expiries_are_listed_up_to_their_day(day: str, expiries: list[str]) -> None:
    assert [str(expiry) for expiry in listed_expiries(date.fromisoformat(day))] == expiries


def test_two_expiries_are_listed_on_every_day() -> None:
    for number in range(4_000):
        day = date(2026, 1, 1) + timedelta(days=number)
        first, second = listed_expiries(day)
        assert day <= first < second < day + timedelta(days=71)


def test_an_option_carries_its_terms() -> None:
    call, put, *_ = chain(strikes=(267_500_000_00,)).listings(date(2026, 11, 22))
    instrument = call.instrument
    assert instrument.symbol == "AAPL261218C00267500"
    assert instrument.name == "AAPL 2026-12-18 267.5 Call"
    assert instrument.asset_type is AssetType.OPTION
    assert instrument.price_tick == CENT
    assert instrument.multiplier == 100
    assert instrument.quantity_step == SCALE
    assert instrument.liquidity_class is LiquidityClass.THIN
    assert instrument.option is not None
    assert instrument.option.underlying == "AAPL"
    assert instrument.option.strike == 267_500_000_00
    assert instrument.option.expiry == "2026-12-18"
    assert instrument.option.right is OptionRight.CALL
    assert put.instrument.symbol == "AAPL261218P00267500"
    assert put.instrument.option is not None
    assert put.instrument.option.right is OptionRight.PUT


def test_an_option_trades_until_the_end_of_its_last_day() -> None:
    call = next(chain().listings(date(2026, 12, 18))).instrument
    assert call.option is not None
    assert to_datetime(call.option.expires_at) == datetime(2026, 12, 19, tzinfo=UTC)


def test_option_symbols_are_symbols_of_the_venue() -> None:
    for symbol in UNIVERSE.instruments(moment("2026-11-22")):
        assert normalize_symbol(symbol) == symbol


def test_an_option_is_found_while_it_is_listed_and_after_it_expired() -> None:
    symbol = "AAPL261218C00270000"
    listed = UNIVERSE.instruments(moment("2026-12-18"))[symbol]
    for day in ("2026-10-17", "2026-12-18", "2026-12-19", "2027-03-01", "2035-01-01"):
        assert UNIVERSE.find(symbol, moment(day)) == listed
    assert symbol not in UNIVERSE.instruments(moment("2026-12-19"))


def test_an_option_that_is_not_listed_yet_is_unknown() -> None:
    assert UNIVERSE.find("AAPL261218C00270000", moment("2026-10-16")) is None


def test_a_strike_that_is_not_listed_is_unknown_up_to_the_last_day() -> None:
    symbol = "AAPL261120C00271000"
    assert UNIVERSE.find(symbol, moment("2026-11-20")) is None
    assert UNIVERSE.find(symbol, moment("2026-11-21")) is not None


def test_an_expired_option_is_found_whatever_the_strikes_are_now() -> None:
    found = UNIVERSE.find("SPY261120P00123456", moment("2026-11-22"))
    assert found is not None
    assert found.option is not None
    assert found.option.strike == 123_456 * SCALE // 1000


@pytest.mark.parametrize(
    "symbol",
    [
        "AAPL261219C00270000",
        "AAPL261018C00270000",
        "AAPL261332C00270000",
        "AAPL261120X00270000",
        "AAPL261120C00000000",
        "AAPL261120C0027000",
        "AAPL261218C00271000",
        "MSFT261120C00270000",
        "AAPL261120C00270000\n",
        "NOPE",
        "",
    ],
)
def test_what_never_was_an_option_of_the_venue_is_unknown(symbol: str) -> None:
    assert UNIVERSE.find(symbol, moment("2026-11-22")) is None


def test_what_always_trades_is_found_on_any_day() -> None:
    for now in (0, moment("2026-11-22"), from_datetime(datetime(2090, 1, 1, tzinfo=UTC))):
        found = UNIVERSE.find("BTC-USD", now)
        assert found is not None
        assert found.symbol == "BTC-USD"


@pytest.mark.parametrize("right", OptionRight)
@pytest.mark.parametrize("strike", [60.0, 95.0, 100.0, 130.0])
def test_an_option_costs_what_it_pays_on_average(strike: float, right: OptionRight) -> None:
    """The mean payoff over a log-normal price without drift, by numerical integration."""
    deviation = 0.3 * 0.5**0.5
    step = 0.001
    mean = 0.0
    for number in range(-8_000, 8_001):
        deviate = number * step
        price = 100 * math.exp(deviation * deviate - deviation**2 / 2)
        payoff = price - strike if right is OptionRight.CALL else strike - price
        mean += max(0.0, payoff) * math.exp(-(deviate**2) / 2) * step / math.sqrt(2 * math.pi)
    assert black_scholes(100, strike, 0.3, 0.5, right) == pytest.approx(mean, abs=1e-4)


@pytest.mark.parametrize("years", [0.0, 1e-12, 0.1, 2.0])
@pytest.mark.parametrize("strike", [1.0, 80.0, 100.0, 120.0, 1e9])
def test_a_call_less_a_put_is_worth_the_spot_less_the_strike(strike: float, years: float) -> None:
    call = black_scholes(100, strike, 0.3, years, OptionRight.CALL)
    put = black_scholes(100, strike, 0.3, years, OptionRight.PUT)
    assert call - put == pytest.approx(100 - strike)
    assert call >= max(0, 100 - strike) - 1e-6
    assert put >= max(0, strike - 100) - 1e-6
