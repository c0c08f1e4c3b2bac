"""When a trading day ends in a market that never closes."""

from datetime import date, datetime

import pytest

from server.application.market_ports import MarketHours
from server.domain.instrument import AssetType
from server.market.moments import from_datetime, to_datetime
from server.market.sessions import AlwaysOpen


def day_end(asset_type: AssetType, now: str) -> str:
    moment = from_datetime(datetime.fromisoformat(now))
    return to_datetime(AlwaysOpen().session(asset_type, moment).day_end).isoformat()


@pytest.mark.parametrize(
    "asset_type", [asset_type for asset_type in AssetType if asset_type is not AssetType.FOREX]
)
@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-22T00:00:00Z", "2026-11-23T00:00:00+00:00"),
        ("2026-11-22T00:00:00.000001Z", "2026-11-23T00:00:00+00:00"),
        ("2026-11-22T23:59:59.999999Z", "2026-11-23T00:00:00+00:00"),
        ("2026-12-31T12:00:00Z", "2027-01-01T00:00:00+00:00"),
    ],
)
def test_a_day_ends_at_the_next_midnight_utc(asset_type: AssetType, now: str, end: str) -> None:
    assert day_end(asset_type, now) == end


@pytest.mark.parametrize(
    ("now", "end"),
    [
        # Summer: 17:00 in New York is 21:00 UTC.
        ("2026-07-01T20:59:59.999999Z", "2026-07-01T21:00:00+00:00"),
        ("2026-07-01T21:00:00Z", "2026-07-02T21:00:00+00:00"),
        # After midnight UTC the New York day is still the one before.
        ("2026-07-02T02:00:00Z", "2026-07-02T21:00:00+00:00"),
        # Winter: 22:00 UTC.
        ("2026-12-01T21:30:00Z", "2026-12-01T22:00:00+00:00"),
        ("2026-12-01T22:00:00Z", "2026-12-02T22:00:00+00:00"),
        # Clocks go forward on 8 March 2026, 02:00.
        ("2026-03-07T21:59:59Z", "2026-03-07T22:00:00+00:00"),
        ("2026-03-07T22:00:00Z", "2026-03-08T21:00:00+00:00"),
        ("2026-03-08T06:59:59Z", "2026-03-08T21:00:00+00:00"),
        # Clocks go back on 1 November 2026, 02:00.
        ("2026-10-31T21:00:00Z", "2026-11-01T22:00:00+00:00"),
        ("2026-11-01T05:30:00Z", "2026-11-01T22:00:00+00:00"),
        ("2026-11-01T06:30:00Z", "2026-11-01T22:00:00+00:00"),
        ("2026-11-01T22:00:00Z", "2026-11-02T22:00:00+00:00"),
    ],
)
def test_a_forex_day_ends_at_five_in_new_york(now: str, end: str) -> None:
    assert day_end(AssetType.FOREX, now) == end


@pytest.mark.parametrize("asset_type", AssetType)
def test_every_market_is_open(asset_type: AssetType) -> None:
    saturday = from_datetime(datetime.fromisoformat("2026-11-21T03:00:00Z"))
    assert AlwaysOpen().is_open(asset_type, saturday)
    hours = AlwaysOpen().hours(asset_type, saturday)
    assert hours == MarketHours(is_open=True, next_open=None, next_close=None)


@pytest.mark.parametrize(
    ("asset_type", "day", "begin", "end"),
    [
        (AssetType.STOCK, "2026-11-22", "2026-11-22T00:00:00", "2026-11-23T00:00:00"),
        (AssetType.CRYPTO, "2026-12-31", "2026-12-31T00:00:00", "2027-01-01T00:00:00"),
        (AssetType.FOREX, "2026-07-01", "2026-06-30T21:00:00", "2026-07-01T21:00:00"),
        # Days of 23 and of 25 hours.
        (AssetType.FOREX, "2026-03-08", "2026-03-07T22:00:00", "2026-03-08T21:00:00"),
        (AssetType.FOREX, "2026-11-01", "2026-10-31T21:00:00", "2026-11-01T22:00:00"),
    ],
)
def test_every_day_is_a_trading_day(asset_type: AssetType, day: str, begin: str, end: str) -> None:
    session = AlwaysOpen().session_on(asset_type, date.fromisoformat(day))
    assert [to_datetime(moment).isoformat() for moment in session] == [
        f"{begin}+00:00",
        f"{end}+00:00",
    ]
