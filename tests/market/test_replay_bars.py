"""Bars of a replay: the four quotes of each, to the tick and to the millisecond."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.application.market_ports import Calendar
from server.domain.instrument import AssetType, Instrument
from server.domain.quote import Quote, refusal
from server.domain.values import (
    CENT,
    DAY,
    SCALE,
    SECOND,
    Micros,
    Price,
    Units,
    divide_half_even,
    format_units,
    parse_units,
)
from server.market.exchange_sessions import ExchangeSessions, exchange_sessions
from server.market.listing import Listing
from server.market.moments import from_datetime, to_datetime
from server.market.replay_file import ReplayFacts, check_replay_file, replay_quotes
from server.market.sessions import AlwaysOpen
from server.market.universe import Universe
from server.market.universe_file import LEVEL_MAX, default_universe

UNIVERSE = default_universe()
MONDAY: Micros = from_datetime(datetime(2025, 1, 6, tzinfo=UTC))
HEADER = "time,symbol,open,high,low,close"


@pytest.fixture(scope="module")
def exchange() -> ExchangeSessions:
    return exchange_sessions(date(2024, 12, 1), date(2026, 2, 1))


def play(
    path: Path,
    rows: Sequence[str],
    *,
    header: str = HEADER,
    universe: Universe = UNIVERSE,
    calendar: Calendar | None = None,
) -> tuple[ReplayFacts, list[Quote]]:
    calendar = calendar or AlwaysOpen()
    path.write_text("\n".join([header, *rows]))
    facts = check_replay_file(path, universe, calendar)
    return facts, list(replay_quotes(facts, universe, calendar, facts.start))


def at(text: str) -> Micros:
    return from_datetime(datetime.fromisoformat(f"{text}+00:00"))


def plain(value: Units) -> str:
    return format_units(value).rstrip("0").rstrip(".")


def shown(quote: Quote) -> str:
    assert quote.bid_size == quote.ask_size
    figures = (quote.bid, quote.last, quote.ask, quote.bid_size)
    time = to_datetime(quote.time).isoformat(" ", "milliseconds")[5:23]
    return f"{time} {quote.symbol} " + " ".join(map(plain, figures))


# The volume of each is three more than can be divided by four in steps of the quantity.
PATHS = """
    2025-01-02,AAPL,250.5,251,249.25,250.75,4003.00000003
        01-02 14:30:00.000 AAPL 250.5 250.5 250.51 1000.75
        01-02 16:40:00.000 AAPL 249.24 249.25 249.25 1000.75
        01-02 18:50:00.000 AAPL 251 251 251.01 1000.75
        01-02 20:59:59.999 AAPL 250.74 250.75 250.75 1000.75
    2025-07-03,SPY,700,700,600.004,690.006,7
        07-03 13:30:00.000 SPY 700 700 700.01 1.75
        07-03 14:40:00.000 SPY 700 700 700.01 1.75
        07-03 15:50:00.000 SPY 600 600 600.01 1.75
        07-03 16:59:59.999 SPY 690 690.01 690.01 1.75
    2025-01-04,BTC-USD,90000,100000,80000.5,90000,0.00000007
        01-04 00:00:00.000 BTC-USD 89995.5 90000 90004.5 0.00000001
        01-04 08:00:00.000 BTC-USD 79996.5 80000.5 80004.5 0.00000001
        01-04 16:00:00.000 BTC-USD 99995 100000 100005 0.00000001
        01-04 23:59:59.999 BTC-USD 89995.5 90000 90004.5 0.00000001
    2025-01-06,EUR-USD,1.1,1.2,1,1.05,11
        01-05 22:00:00.000 EUR-USD 1.09998 1.1 1.10002 2
        01-06 06:00:00.000 EUR-USD 1.19998 1.2 1.20003 2
        01-06 14:00:00.000 EUR-USD 0.99998 1 1.00002 2
        01-06 21:59:59.999 EUR-USD 1.04998 1.05 1.05002 2
    2025-01-06,MGC,4000,4100,3900,4050,4
        01-05 23:00:00.000 MGC 3999.9 4000 4000.1 1
        01-06 07:00:00.000 MGC 3899.9 3900 3900.1 1
        01-06 15:00:00.000 MGC 4099.9 4100 4100.1 1
        01-06 22:59:59.999 MGC 4049.9 4050 4050.1 1
    2026-01-15,AAPL260116C00270000,2.5,3,2,2.75,3
        01-15 14:30:00.000 AAPL260116C00270000 2.48 2.5 2.52 0
        01-15 16:40:00.000 AAPL260116C00270000 1.98 2 2.01 0
        01-15 18:50:00.000 AAPL260116C00270000 2.98 3 3.02 0
        01-15 20:59:59.999 AAPL260116C00270000 2.73 2.75 2.77 0
"""


def paths() -> list[tuple[str, list[str]]]:
    lines = [line.strip() for line in PATHS.strip().splitlines()]
    return [(lines[first], lines[first + 1 : first + 5]) for first in range(0, len(lines), 5)]


@pytest.mark.parametrize(("row", "quotes"), paths())
def test_a_day_shows_open_extremes_and_close_within_its_session(
    tmp_path: Path, exchange: ExchangeSessions, row: str, quotes: list[str]
) -> None:
    facts, found = play(tmp_path / "a", [row], header=f"{HEADER},volume", calendar=exchange)
    assert [shown(quote) for quote in found] == quotes
    assert (facts.first, facts.last) == (found[0].time, found[-1].time)


def test_without_volumes_a_thousand_lots_are_shown(tmp_path: Path) -> None:
    rows = ["2025-01-06,BTC-USD,2,2,2,2", "2025-01-06,EUR-USD,2,2,2,2"]
    _, quotes = play(tmp_path / "a", rows)
    assert {(quote.symbol, quote.bid_size // SCALE) for quote in quotes} == {
        ("BTC-USD", 1_000),
        ("EUR-USD", 1_000_000),
    }


def test_a_bid_stays_a_tick_above_nothing(tmp_path: Path) -> None:
    wide = Listing(
        instrument=Instrument(
            symbol="W", name="W", asset_type=AssetType.STOCK, price_tick=Price(CENT)
        ),
        level=SCALE,
        annual_volatility=1,
        spread_bps=1_000,
    )
    rows = ["2025-01-06,W,0.01,0.25,0.01,0.019"]
    _, quotes = play(tmp_path / "a", rows, universe=Universe(listings=[wide]))
    assert [shown(quote).split(" ", 3)[3] for quote in quotes] == [
        "0.01 0.01 0.02 1000",
        "0.01 0.01 0.02 1000",
        "0.24 0.25 0.26 1000",
        "0.02 0.02 0.03 1000",
    ]


def test_a_bar_is_cut_to_the_session_that_it_covers(
    tmp_path: Path, exchange: ExchangeSessions
) -> None:
    """The first and the last hourly bar of a day that opens at half past are half an hour long."""
    rows = [
        "2025-01-02T14:00:00Z,AAPL,250,250,250,250",
        "2025-01-02T19:30:00Z,AAPL,250,250,250,250",
        "2025-01-02T20:30:00Z,BTC-USD,250,250,250,250",
        "2025-01-02T20:30:00Z,AAPL,250,250,250,250",
    ]
    facts, quotes = play(tmp_path / "a", rows, calendar=exchange)
    assert facts.bar_length == 3_600 * SECOND
    times = {"AAPL": [""], "BTC-USD": [""]}
    for quote in quotes:
        times[quote.symbol].append(to_datetime(quote.time).strftime("%H:%M:%S.%f")[:12])
    assert " ".join(times["AAPL"]) == (
        " 14:30:00.000 14:40:00.000 14:50:00.000 14:59:59.999"
        " 19:30:00.000 19:50:00.000 20:10:00.000 20:29:59.999"
        " 20:30:00.000 20:40:00.000 20:50:00.000 20:59:59.999"
    )
    assert " ".join(times["BTC-USD"]) == " 20:30:00.000 20:50:00.000 21:10:00.000 21:29:59.999"
    assert facts.last == at("2025-01-02 21:29:59.999")
    facts, _ = play(tmp_path / "a", [*rows[:2], rows[3]], calendar=exchange)
    assert facts.last == at("2025-01-02 20:59:59.999")


def test_a_bar_right_before_the_close_keeps_its_order(
    tmp_path: Path, exchange: ExchangeSessions
) -> None:
    _, quotes = play(
        tmp_path / "a", ["2025-01-02T20:59:59.999999Z,AAPL,2,4,1,3"], calendar=exchange
    )
    assert [quote.last // SCALE for quote in quotes] == [2, 1, 4, 3]
    assert {quote.time for quote in quotes} == {at("2025-01-02 20:59:59.999999")}
    assert [quote.sequence for quote in quotes] == sorted({quote.sequence for quote in quotes})


CHOICES = st.sampled_from(["AAPL", "GME", "BTC-USD", "DOGE-USD", "EUR-USD", "MGC"])
PRICES = st.one_of(
    st.integers(min_value=CENT, max_value=10 * SCALE),
    st.integers(min_value=CENT, max_value=LEVEL_MAX),
)


@st.composite
def bar_rows(draw: st.DrawFn) -> list[str]:
    daily = draw(st.booleans())
    listings = UNIVERSE.listings(MONDAY)
    time, rows = MONDAY, []
    for _ in range(draw(st.integers(1, 6))):
        time += DAY if daily else draw(st.integers(SECOND, 7_200 * SECOND))
        text = to_datetime(time).isoformat()[: 10 if daily else None]
        for symbol in sorted(draw(st.sets(CHOICES, min_size=1, max_size=3))):
            tick = listings[symbol].instrument.price_tick
            prices = sorted(max(draw(PRICES), tick) for _ in range(4))
            low, high = prices[0], prices[3]
            ends = draw(st.permutations(prices[1:3]))
            volume = draw(st.integers(0, 10**10 * SCALE - 1))
            numbers = ",".join(map(format_units, [ends[0], high, low, ends[1], volume]))
            rows.append(f"{text},{symbol},{numbers}")
    return rows


@settings(derandomize=True, database=None, max_examples=150, deadline=None)
@given(bar_rows())
def test_whatever_the_bars_every_quote_is_one_that_the_venue_accepts(rows: list[str]) -> None:
    with TemporaryDirectory() as folder:
        facts, quotes = play(Path(folder) / "a", rows, header=f"{HEADER},volume")
    assert (facts.first, facts.last) == (quotes[0].time, quotes[-1].time)
    assert [quote.time for quote in quotes] == sorted(quote.time for quote in quotes)
    newest: dict[str, Quote] = {}
    of_rows: dict[int, list[Quote]] = {}
    for quote in quotes:
        assert refusal(quote, newest.get(quote.symbol), quote.time) is None
        newest[quote.symbol] = quote
        of_rows.setdefault(quote.sequence // 4, []).append(quote)
    known = {row.split(",")[1] for row in rows if parse_units(row.split(",")[-1])}
    for line, row in enumerate(rows, start=2):
        _, symbol, *texts = row.split(",")
        *prices, volume = map(parse_units, texts)
        tick = UNIVERSE.listings(MONDAY)[symbol].instrument.price_tick
        opened, high, low, close = (divide_half_even(price, tick) * tick for price in prices)
        shown = of_rows.pop(line)
        assert {quote.symbol for quote in shown} == {symbol}
        extremes = (low, high) if close >= opened else (high, low)
        assert [quote.last for quote in shown] == [opened, *extremes, close]
        listing = UNIVERSE.listings(MONDAY)[symbol]
        for quote in shown:
            assert_is_around_its_price(quote, listing)
            spread = quote.ask - quote.bid
            assert low - spread <= quote.bid < quote.ask <= high + spread
        step = listing.instrument.quantity_step
        for sizes in (sum(quote.bid_size for quote in shown), sum(q.ask_size for q in shown)):
            assert symbol not in known or volume - 4 * step < sizes <= volume
    assert not of_rows


def assert_is_around_its_price(quote: Quote, listing: Listing) -> None:
    tick, spread = listing.instrument.price_tick, quote.ask - quote.bid
    assert quote.bid % tick == quote.ask % tick == 0 < quote.bid
    assert quote.bid <= quote.last <= quote.ask
    usual = quote.last * Fraction(str(listing.spread_bps)) / 10_000
    assert abs(spread - max(usual, Fraction(tick))) <= Fraction(tick, 2)
    # In the middle, to half a tick, but for the lowest bid there can be.
    assert abs(quote.bid + quote.ask - 2 * quote.last) <= tick or quote.bid == tick
    assert quote.bid_size % listing.instrument.quantity_step == 0


@pytest.mark.parametrize(
    ("bar", "falls_to"),
    [
        # A rising bar falls first; its close is the lowest price that comes after its high.
        ("100,120,90,110", ["90", "90", "110", None]),
        ("100,120,90,95", ["90", "90", "90", None]),
    ],
)
def test_a_quote_of_a_bar_tells_how_low_the_bar_still_falls(
    tmp_path: Path, bar: str, falls_to: list[str | None]
) -> None:
    """A take-profit leaves a bar to the stop-loss that the bar still reaches."""
    _, quotes = play(tmp_path / "bars.csv", [f"2025-01-06T10:00:00Z,AAPL,{bar}"])

    bids = {format_units(quote.last): quote.bid for quote in quotes}
    lowest = [None if text is None else bids[format_units(parse_units(text))] for text in falls_to]
    assert [quote.falls_to for quote in quotes] == lowest


@pytest.mark.parametrize(
    ("bar", "rises_to"),
    [
        ("110,120,90,100", ["120", "120", "100", None]),
        ("100,120,90,110", ["120", "120", "120", None]),
    ],
)
def test_a_quote_of_a_bar_tells_how_high_the_bar_still_rises(
    tmp_path: Path, bar: str, rises_to: list[str | None]
) -> None:
    """The take-profit of a short position leaves a bar to the stop-loss, too."""
    _, quotes = play(tmp_path / "bars.csv", [f"2025-01-06T10:00:00Z,AAPL,{bar}"])

    asks = {format_units(quote.last): quote.ask for quote in quotes}
    highest = [None if text is None else asks[format_units(parse_units(text))] for text in rises_to]
    assert [quote.rises_to for quote in quotes] == highest
