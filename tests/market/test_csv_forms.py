"""The files in `csv_forms`: each plays as its author means it, or is refused by line.

Of bars that play, the four prices of each are shown, with their time and the displayed size.
"""

from datetime import date
from pathlib import Path

import pytest

from server.application.market_ports import Calendar
from server.domain.values import format_units
from server.market.exchange_sessions import exchange_sessions
from server.market.moments import to_datetime
from server.market.replay_file import check_replay_file, replay_quotes
from server.market.replay_table import ReplayFileError, ReplayOptions
from server.market.sessions import AlwaysOpen
from tests.support.replay_files import DECIMAL, TIME, UNIVERSE

FORMS = Path(__file__).with_name("csv_forms")

MINUTE = "2025-01-02 14:30:00 AAPL 248.93 241.82 249.1 243.85, 250"
MINUTES = [MINUTE, "2025-01-02 14:31:00 AAPL 243.36 241.89 244.18 243.36, 250"]
DAY = "2025-01-02 14:30:00 AAPL 248.93 241.82 249.1 243.85"
OF_43 = "2025-01-02 14:30:00 AAPL 43 42.37 43.5 43.25"
BITCOIN = "BTC-USD 94416.29 94201.57 97739.82 96886.88, 0.25"

PLAYED = {
    "adj-close-column": [f"{DAY}, 0.25"],
    "blank-lines": MINUTES,
    "bom-crlf": MINUTES,
    # The volume is in dollars. That of a quote has ten digits before the point.
    "btc-dollar-volume": [f"2025-01-02 00:00:00 {BITCOIN[:-4]}9999999999.99999999"],
    "cr-only": MINUTES,
    "dst-repeat": [f"2025-11-02 0{hour}:30:00 BTC-USD 1 1 1 1, 0.25" for hour in (5, 6)],
    "duplicate": MINUTES,
    "empty-volume": [f"{OF_43}, 1000"],
    "epoch-ms": [f"2025-01-01 00:00:00 {BITCOIN}"],
    "epoch-us": [f"2025-01-01 00:00:00 {BITCOIN}"],
    "last-line-without-end": MINUTES,
    "low-above-open-by-noise": ["2025-01-02 14:30:00 AAPL 28.95 28.95 29.1 29, 25"],
    "nanoseconds": [MINUTE],
    "no-seconds": [MINUTE],
    "offset-no-colon": [MINUTE],
    "quoted": [MINUTE],
    "semicolons": MINUTES,
    "shib-volume": ["2021-09-21 05:00:00 DOGE-USD 0.007 0.007 0.007 0.007, 3622820578"],
    "small-z": [MINUTE],
    "space-offset": [MINUTE],
    "spaces-after-commas": MINUTES,
    "symbol-slash": [f"2025-01-02 00:00:00 {BITCOIN}"],
    "symbol-yahoo-brk": ["2025-01-02 14:30:00 BRK.B 453 449 454 451, 25"],
    # The session begins on the evening before; a currency never has volumes here.
    "symbol-yahoo-fx": ["2025-01-01 22:00:00 EUR-USD 1.03 1.02 1.04 1.03, 1000000"],
    "tabs": MINUTES,
    "unsorted": MINUTES,
    "upper-header": MINUTES,
    "utf16": MINUTES,
    "volume-exponent": [f"{OF_43}, 300000"],
    "volume-float": [f"{OF_43}, 9075300"],
    "yfinance-floats": [f"{DAY}, 13935175"],
}
NOTES = {
    "adj-close-column": ["columns that are not used: adj_close"],
    "btc-dollar-volume": ["BTC-USD: volumes or sizes cut to the largest that quotes can show: 1"],
    "duplicate": ["AAPL: rows left out that repeat the bar before: 1"],
    "empty-volume": ["AAPL: no bar has a volume, so every quote shows its usual size, 1000"],
    "low-above-open-by-noise": ["AAPL: prices rounded to the price tick: 1"],
    "symbol-yahoo-brk": ["BRK-B is read as BRK.B"],
    "symbol-yahoo-fx": [
        "EURUSD=X is read as EUR-USD",
        "EUR-USD: no bar has a volume, so every quote shows its usual size, 1000000",
    ],
    "unsorted": ["the rows are not sorted, and are played by their times"],
    "yfinance-floats": ["AAPL: prices rounded to the price tick: 4"],
}

NO_SYMBOL = (
    "symbol: there is no such column, and the file's name, {}, is not a listed symbol: name the"
    " file after its symbol, such as AAPL.csv, or give the symbol, such as --replay-symbol AAPL"
)
REFUSED = {
    "binance-no-header": f"line 1: {NO_SYMBOL.format('binance-no-header')}",
    "nan": f"line 2: close: {DECIMAL}; leave out a row without one",
    "no-zone": f"line 2: {TIME}; 2025-01-02 09:30:00 lacks its offset from UTC: write one, such as"
    " -05:00, or give the zone of all rows, such as --replay-zone America/New_York",
    "tks-floats": "no bar lies in a session: in New York (America/New_York), STOCK trades from"
    " 2023-03-23 09:30 to 2023-03-23 16:00, but the first bar is of 2023-03-23 01:05; is the offset"
    " of `time` right? Every hour trades with --sessions always-open",
    "us-date": f"line 2: {TIME}; 01/02/2025 may be two dates: write the year first, then month and"
    " day",
    "weekend-fx": "line 2: time: FOREX has no session on 2025-01-05: leave the row out",
    "yahoo-header": f"line 2: {NO_SYMBOL.format('yahoo-header')}",
    "yahoo-null": f"line 2: open: {DECIMAL}; leave out a row without one",
    "zero-price": "line 2: low: must be at least 0.01000000, the price tick; leave out a row"
    " without a trade",
}

# What a file plays when it is told what it does not say: the options, always open or not, the bars.
TOLD = {
    "binance-no-header": (
        ReplayOptions(symbol="DOGE/USD"),
        "2025-01-01 00:00:00 DOGE-USD 0.316 0.316 0.316 0.316, 6.75",
    ),
    "no-zone": (ReplayOptions(zone="America/New_York"), MINUTE),
    "yahoo-header": (
        ReplayOptions(symbol="AAPL"),
        "1995-01-03 14:30:00 AAPL 44.12 42.87 44.38 42.87, 9075300",
    ),
}


@pytest.fixture(scope="module")
def exchange() -> Calendar:
    return exchange_sessions(date(1994, 12, 1), date(2026, 2, 1))


def plain(value: int) -> str:
    return format_units(value).rstrip("0").rstrip(".")


def bars(path: Path, calendar: Calendar, options: ReplayOptions) -> tuple[list[str], list[str]]:
    """Play a file; return open, low, high and close of each bar, and the notes of the file."""
    facts = check_replay_file(path, UNIVERSE, calendar, options=options)
    quotes = list(replay_quotes(facts, UNIVERSE, calendar, facts.start))
    assert (facts.first, facts.last) == (quotes[0].time, quotes[-1].time)
    found = []
    for first, *rest in zip(*[iter(quotes)] * 4, strict=True):
        low, high = sorted(quote.last for quote in rest[:2])
        prices = " ".join(map(plain, (first.last, low, high, rest[2].last)))
        time = f"{to_datetime(first.time):%Y-%m-%d %H:%M:%S}"
        found.append(f"{time} {first.symbol} {prices}, {plain(first.bid_size)}")
    return found, list(facts.notes)


def test_every_form_has_its_expectation() -> None:
    assert sorted([*PLAYED, *REFUSED]) == sorted(path.stem for path in FORMS.iterdir())


@pytest.mark.parametrize("name", PLAYED)
def test_a_form_plays_as_its_author_means_it(name: str, exchange: Calendar) -> None:
    played = bars(FORMS / f"{name}.csv", exchange, ReplayOptions())
    assert played == (PLAYED[name], NOTES.get(name, []))


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_mean_two_things_is_refused_with_what_would_be_right(
    name: str, exchange: Calendar
) -> None:
    path = FORMS / f"{name}.csv"
    with pytest.raises(ReplayFileError) as caught:
        check_replay_file(path, UNIVERSE, exchange)
    assert str(caught.value) == f"{path}: {REFUSED[name]}"


@pytest.mark.parametrize("name", TOLD)
def test_an_option_says_what_a_form_does_not(name: str, exchange: Calendar) -> None:
    options, bar = TOLD[name]
    assert bars(FORMS / f"{name}.csv", exchange, options)[0] == [bar]


def test_floats_of_the_night_play_where_every_hour_trades() -> None:
    path = FORMS / "tks-floats.csv"
    assert bars(path, AlwaysOpen(), ReplayOptions()) == (
        ["2023-03-23 05:05:00 AAPL 4.79 4.79 4.81 4.81, 1"],
        [],
    )
