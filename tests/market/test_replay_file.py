"""Replay files: what is accepted, the errors for the rest, and what a row becomes."""

from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from server.domain.instrument import AssetType
from server.domain.values import SCALE, SECOND
from server.market.exchange_sessions import ExchangeSessions, exchange_sessions
from server.market.replay_file import ReplayFacts, ReplayKind
from server.market.replay_table import LINE_BYTES_MAX, ReplayFileError
from server.market.sessions import AlwaysOpen
from tests.support.replay_files import (
    BAR,
    BARS,
    DAY,
    DECIMAL,
    OF_BARS,
    OF_QUOTES,
    OPTION,
    QUOTE,
    QUOTES,
    TIME,
    UNIVERSE,
    T,
    at,
    check,
    played,
    shown,
    written,
)

ADD = (
    "add it to your copy of server/market/universe.toml, and name the copy in"
    " BOTTRADING_UNIVERSE_FILE"
)
OPTIONS = "options are listed for the two next monthly expiries, at the strikes of the universe"
NEEDS_NONE = "--sessions always-open needs none"
ANOTHER = (
    "time: less than a second after the last bar of AAPL, which is another one: keep one of them"
)
SAMPLE = Path(__file__).parents[2] / "examples" / "replay" / "a-year-of-days.csv"


@pytest.fixture(scope="module")
def exchange() -> ExchangeSessions:
    return exchange_sessions(date(2024, 12, 1), date(2026, 2, 1))


def test_the_facts_of_a_file_of_quotes(tmp_path: Path) -> None:
    later = QUOTE.replace("15:00:00Z", "17:00:01.25+01:00")
    path = written(tmp_path, QUOTES, QUOTE, later)
    facts = check(path)
    assert facts == ReplayFacts(
        path=path,
        kind=ReplayKind.QUOTES,
        first=at("2025-01-02 15:00"),
        last=at("2025-01-02 16:00:01.25"),
        digest=sha256(path.read_bytes()).hexdigest(),
        bar_length=None,
    )
    assert facts.start < facts.first


def test_the_length_of_bars_is_the_smallest_distance_between_two_of_one_symbol(
    tmp_path: Path,
) -> None:
    rows = [
        f"2025-01-02T{time}Z,{symbol},100,100,100,100,1"
        for time, symbol in [
            ("15:00:00", "AAPL"),
            ("15:00:07", "SPY"),
            ("15:05:00", "AAPL"),
            ("15:09:00", "AAPL"),
        ]
    ]
    facts = check(written(tmp_path, BARS, *rows))
    assert (facts.kind, facts.bar_length) == (ReplayKind.BARS, 240 * SECOND)
    assert (facts.first, facts.last) == (at("2025-01-02 15:00"), at("2025-01-02 15:12:59.999"))
    facts = check(written(tmp_path, BARS, *rows[:2]))
    assert (facts.bar_length, facts.last) == (60 * SECOND, at("2025-01-02 15:01:06.999"))
    weekly = [f"2025-01-{day}T00:00:00Z,BTC-USD,100,100,100,100,1" for day in ("02", "09")]
    facts = check(written(tmp_path, BARS, *weekly))
    assert (facts.bar_length, facts.last) == (86_400 * SECOND, at("2025-01-09 23:59:59.999"))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("\ufeff" + QUOTES, QUOTE),
        (QUOTES + "\r", QUOTE + "\r"),
        (QUOTES + "\n\n \r", QUOTE),
        ("ask_size,ask,bid_size,bid,symbol,time", f"200,185.12,100,185.10,AAPL,{T}"),
        (QUOTES, QUOTE.replace("AAPL", "aapl")),
        (QUOTES, QUOTE.replace("T15:00:00Z", " 15:00:00.000000999Z")),
        (QUOTES, QUOTE.replace("T15:00:00Z", "T20:30:00+05:30")),
        (QUOTES + ",last", QUOTE + ",185.11"),
        ("last," + QUOTES, "185.11," + QUOTE),
    ],
)
def test_a_quote_may_be_written_in_several_ways(tmp_path: Path, header: str, row: str) -> None:
    assert [shown(quote) for quote in played(written(tmp_path, header, row))] == [
        "01-02 15:00:00.000 AAPL 185.1 100 185.12 200 185.11"
    ]


def test_last_is_the_middle_rounded_down_unless_it_is_there(tmp_path: Path) -> None:
    row = f"{T},AAPL,0.00000001,0,0.00000004,0"
    (quote,) = played(written(tmp_path, QUOTES, row))
    assert quote.last == 2
    (quote,) = played(written(tmp_path, QUOTES + ",last", row + ",500"))
    assert quote.last == 500 * SCALE


def test_several_quotes_of_a_symbol_at_one_time_keep_their_order(tmp_path: Path) -> None:
    rows = [QUOTE, QUOTE.replace("AAPL", "SPY"), QUOTE.replace("200", "300"), QUOTE]
    quotes = played(written(tmp_path, QUOTES, *rows))
    assert [quote.ask_size // SCALE for quote in quotes] == [200, 200, 300, 200]
    assert [quote.sequence for quote in quotes] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "is empty"),
        (["", " "], "is empty"),
        ([QUOTES], "has no rows"),
        ([BARS, ""], "has no rows"),
        (
            [QUOTES + ",price", QUOTE],
            f"line 1: 'price': is not a column of quotes: write {OF_QUOTES}",
        ),
        ([BARS + ",last", QUOTE], f"line 1: 'last': is not a column of bars: write {OF_BARS}"),
        ([f"time,{QUOTES}", QUOTE], "line 1: time: must not occur twice"),
        (["time,symbol,bid,ask,ask_size", QUOTE], "line 1: bid_size: is missing"),
        (["time,symbol,open,high,low", BAR], "line 1: close: is missing"),
        (["\x1b,time", QUOTE], f"line 1: '\\x1b': is not a column of quotes: write {OF_QUOTES}"),
        ([QUOTE], f"line 1: names no columns: write {OF_QUOTES} or {OF_BARS}"),
        ([QUOTES, "", QUOTE + ","], "line 3: has 7 fields instead of 6"),
        ([QUOTES, "a,b"], "line 2: has 2 fields instead of 6"),
        ([QUOTES, QUOTE + " " * LINE_BYTES_MAX], "line 2: must have at most 4096 bytes"),
        ([QUOTES, QUOTE.replace("AAPL", "A\udce9")], "line 2: must be UTF-8"),
        (
            [QUOTES, QUOTE.replace("AAPL", "A B")],
            "line 2: symbol: must be 1 to 32 letters, digits, '.', '-', '=' or '/'",
        ),
        (
            [QUOTES, QUOTE.replace("AAPL", "nope")],
            f"line 2: symbol: NOPE is not listed on 2025-01-02: {ADD}",
        ),
        (
            [QUOTES, QUOTE.replace("AAPL", "AAPL260116C00270000")],
            f"line 2: symbol: AAPL260116C00270000 is not listed on 2025-01-02: {OPTIONS}",
        ),
        (
            [QUOTES, f"2026-01-16{OPTION}", f"2026-01-17{OPTION}"],
            f"line 3: symbol: AAPL260116C00270000 is not listed on 2026-01-17: {OPTIONS}",
        ),
        ([QUOTES, QUOTE.replace("185.10", "185.13")], "line 2: bid: must not be above ask"),
        ([QUOTES, QUOTE.replace("185.10", "0")], "line 2: bid: must be positive"),
        ([QUOTES + ",last", QUOTE + ",0.0"], "line 2: last: must be positive"),
        ([QUOTES + ",last", QUOTE + ","], f"line 2: last: {DECIMAL}; leave out a row without one"),
        ([BARS, BAR, BAR.replace("4000", "5000")], f"line 3: {ANOTHER}"),
        ([BARS, DAY, DAY.replace("4000", "5000")], f"line 3: {ANOTHER}"),
        ([BARS, BAR, BAR.replace(":00Z", ":00.999999Z")], f"line 3: {ANOTHER}"),
        (
            [BARS, BAR.replace("184", "0")],
            "line 2: low: must be at least 0.01000000, the price tick; leave out a row without a"
            " trade",
        ),
        (
            [BARS, BAR.replace("186", "1000000000.01")],
            "line 2: high: must be at most 1000000000.00000000",
        ),
        ([BARS, BAR.replace("184", "185.2")], "line 2: open: must be from low to high"),
        ([BARS, BAR.replace("186", "185.09")], "line 2: open: must be from low to high"),
        ([BARS, BAR.replace("186", "185.4")], "line 2: close: must be from low to high"),
        ([BARS, BAR.replace("185.50", "183.99")], "line 2: close: must be from low to high"),
        ([BARS, DAY, BAR], "line 3: time: must be a date such as 2025-01-02, as in the rows above"),
        ([BARS, BAR, DAY.replace("-02", "-03")], f"line 3: {TIME}"),
        (
            [BARS, DAY, DAY.replace("-02", "-32")],
            "line 3: time: must be a date such as 2025-01-02, as in the rows above",
        ),
        ([QUOTES, QUOTE.replace("T15:00:00Z", "")], f"line 2: {TIME}"),
    ],
)
def test_a_faulty_file_is_refused_in_one_line_that_names_the_place(
    tmp_path: Path, lines: list[str], problem: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    with pytest.raises(ReplayFileError) as caught:
        check(path)
    assert str(caught.value) == f"{path}: {problem}"


@pytest.mark.parametrize(
    "number",
    [
        "",
        "-1",
        "+1",
        "1e",
        "nan",
        "NaN",
        "inf",
        "1_000",
        "1.",
        ".5",
        "01",
        " 1",
        "1e100",
        "1,5",
        '"1',
        "0x1",
        "١",
    ],
)
@pytest.mark.parametrize(
    ("header", "row", "column"),
    [
        (QUOTES, QUOTE, "bid_size"),
        (QUOTES, QUOTE, "ask"),
        (BARS, BAR, "close"),
        (BARS, BAR, "open"),
    ],
)
def test_numbers_are_plain_decimals(
    tmp_path: Path, number: str, header: str, row: str, column: str
) -> None:
    fields = row.split(",")
    fields[header.split(",").index(column)] = number
    problem = f"{column}: {DECIMAL}"
    if "," in number:
        problem = "has . fields instead of ."
    elif '"' in number:
        problem = "a quotation mark is not closed"
    elif number.lower() in ("", "nan"):
        problem += "; leave out a row without one"
    with pytest.raises(ReplayFileError, match=rf"own\.csv: line 2: {problem}$"):
        check(written(tmp_path, header, ",".join(fields)))


@pytest.mark.parametrize(
    "time",
    [
        "",
        "17358300",
        "17358300000",
        "9000000000",
        "1735830000.5",
        "2025-01-02T15:00:00",
        "20250102T150000Z",
        "2025-01-02T15:00:60Z",
        "2025-02-29T15:00:00Z",
        "2025-01-02T24:00:00Z",
        "2025-01-02T15Z",
        "2025-01-02T15:00:00Zz",
        "2025-01-02T15:00:00.Z",
        "2025-01-02T15:00:00+25:00",
        "2025-01-02T15:00:00+010",
        "2025-01-02T15:00:00 EST",
        "2025-01-02T15:00:00+01:00:30",
        "2025-W01-4T15:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2200-01-01T00:00:00Z",
        "２025-01-02T15:00:00Z",
        "2025-01-02T15:00:00.1234567890Z",
    ],
)
def test_times_are_rfc_3339_with_an_offset_or_numbers_since_1970(tmp_path: Path, time: str) -> None:
    with pytest.raises(ReplayFileError, match="line 2: time: must be such as 2025"):
        check(written(tmp_path, QUOTES, QUOTE.replace(T, time)))


def test_a_time_without_its_offset_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ReplayFileError, match=r"; 2025-01-02 09:30:00 lacks its offset from UTC"):
        check(written(tmp_path, QUOTES, QUOTE.replace(T, "2025-01-02 09:30:00")))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (QUOTES, QUOTE.replace(T, "1970-01-01T00:00:00Z")),
        (BARS, BAR.replace(T, "1970-01-01T00:00:00Z")),
        (BARS, DAY.replace("2025-01-02,AAPL", "1970-01-01,EUR-USD")),
    ],
)
def test_a_file_that_begins_before_its_clock_can_is_refused(
    tmp_path: Path, header: str, row: str
) -> None:
    """The clock would stand below 0 right before the first quote, and the engine would end."""
    with pytest.raises(ReplayFileError, match=r"must begin after 1970-01-01T00:00:00Z$"):
        check(written(tmp_path, header, row))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReplayFileError, match=r"missing\.csv: No such file or directory$"):
        check(tmp_path / "missing.csv")
    with pytest.raises(ReplayFileError, match=r": must be a regular file$"):
        check(tmp_path)


def test_a_day_without_a_session_is_refused(tmp_path: Path, exchange: ExchangeSessions) -> None:
    holiday = DAY.replace("2025-01-02", "2025-01-09")
    path = written(tmp_path, BARS, DAY, holiday)
    problem = "time: STOCK has no session on 2025-01-09: leave the row out"
    with pytest.raises(ReplayFileError, match=f"line 3: {problem}$"):
        check(path, exchange)
    assert len(played(path)) == 8


@pytest.mark.parametrize(("header", "row"), [(QUOTES, QUOTE), (BARS, BAR), (BARS, DAY)])
@pytest.mark.parametrize("day", ["1999-12-02", "2024-12-05", "2026-01-27", "2030-12-02"])
def test_a_time_that_the_calendar_does_not_know_is_refused(
    tmp_path: Path, exchange: ExchangeSessions, header: str, row: str, day: str
) -> None:
    path = written(tmp_path, header, row.replace("2025-01-02", day))
    problem = rf"time: the sessions of STOCK are not known on {day}; {NEEDS_NONE}$"
    with pytest.raises(ReplayFileError, match=problem):
        check(path, exchange)


def test_a_file_of_what_never_closes_needs_the_sessions_of_all_markets_too(
    tmp_path: Path, exchange: ExchangeSessions
) -> None:
    """Whoever trades at that time may place an order for a share, or ask when its market opens."""
    row = QUOTE.replace("AAPL", "BTC-USD")
    assert check(written(tmp_path, QUOTES, row), exchange)
    unknown = written(tmp_path, QUOTES, row.replace("2025-01-02", "2030-12-02"))
    problem = rf"time: the sessions of STOCK are not known on 2030-12-02; {NEEDS_NONE}$"
    with pytest.raises(ReplayFileError, match=problem):
        check(unknown, exchange)
    assert check(unknown)


def test_the_sample_file_can_be_played_on_both_calendars(exchange: ExchangeSessions) -> None:
    for calendar in (AlwaysOpen(), exchange):
        facts = check(SAMPLE, calendar)
        assert facts.kind is ReplayKind.DAILY_BARS
        assert facts.last == at("2025-12-31 23:59:59.999")
        quotes = played(SAMPLE, calendar)
        assert {quote.symbol for quote in quotes} == {"AAPL", "SPY", "BTC-USD", "EUR-USD"}
        assert len(quotes) == 4 * (2 * 250 + 365 + 261)
        instruments = UNIVERSE.instruments(facts.first)
        for quote in quotes:
            instrument = instruments[quote.symbol]
            assert calendar.is_open(instrument.asset_type, quote.time)
            assert quote.last % instrument.price_tick == 0
            assert min(quote.bid_size, quote.ask_size) > 0


def test_the_sample_file_has_every_session_of_its_year(exchange: ExchangeSessions) -> None:
    days: dict[str, set[str]] = {}
    for line in SAMPLE.read_text().splitlines()[1:]:
        day, symbol, *_ = line.split(",")
        days.setdefault(symbol, set()).add(day)
    year = [date.fromordinal(date(2025, 1, 1).toordinal() + number) for number in range(365)]
    for symbol, asset_type in [
        ("AAPL", AssetType.STOCK),
        ("SPY", AssetType.ETF),
        ("BTC-USD", AssetType.CRYPTO),
        ("EUR-USD", AssetType.FOREX),
    ]:
        traded = {str(day) for day in year if exchange.session_on(asset_type, day)}
        assert days[symbol] == traded
