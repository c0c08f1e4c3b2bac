"""Replay files of other sources: what is read, what is adjusted, and what the log says."""

import gzip
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from server.domain.quote import Quote
from server.domain.values import SCALE
from server.market.replay_table import ReplayFileError, ReplayOptions
from tests.support.replay_files import (
    BAR,
    BARS,
    DECIMAL,
    OF_QUOTES,
    QUOTE,
    QUOTES,
    T,
    check,
    played,
    shown,
    written,
)


def test_volumes_of_nothing_are_unknown_where_an_instrument_never_has_any(tmp_path: Path) -> None:
    """Many sources have no volumes of currencies; 0 of what has some means that nothing traded."""
    rows = [
        "2025-01-02,BTC-USD,2,2,2,2,",
        "2025-01-02,EUR-USD,2,2,2,2,0",
        "2025-01-02,GME,2,2,2,2,3",
        "2025-01-03,BTC-USD,2,2,2,2,0.0",
        "2025-01-03,EUR-USD,2,2,2,2,0",
        "2025-01-03,GME,2,2,2,2,0",
        "2025-01-06,GME,2,2,2,2,",
    ]
    path = written(tmp_path, BARS, *rows)
    sizes: dict[str, list[float]] = {}
    for quote in (quote for quote in played(path) if quote.sequence % 4 == 0):
        sizes.setdefault(quote.symbol, []).append(quote.bid_size / SCALE)
    assert sizes == {
        "BTC-USD": [1_000, 1_000],
        "EUR-USD": [1_000_000, 1_000_000],
        "GME": [0.75, 0, 0],
    }
    assert check(path).notes == (
        "BTC-USD: no bar has a volume, so every quote shows its usual size, 1000",
        "EUR-USD: no bar has a volume, so every quote shows its usual size, 1000000",
    )
    assert check(written(tmp_path, BARS, *rows[2::3])).notes == ()
    assert (
        check(written(tmp_path, BARS.removesuffix(",volume"), "2025-01-02,GME,2,2,2,2")).notes == ()
    )


FORMS = {
    "other case": ["Time,SYMBOL,Open,high,low,close,Volume", BAR],
    "semicolons": [BARS.replace(",", ";"), BAR.replace(",", ";")],
    "tabs": [BARS.replace(",", "\t"), BAR.replace(",", "\t")],
    "spaces": [BARS.replace(",", ", "), BAR.replace(",", " , ")],
    "Yahoo": [
        "Datetime,Symbol,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits",
        f"{BAR.replace('T15', ' 15').replace('Z', '+00:00').replace('4000', '1.5,4000')},0.0,0.0",
    ],
    "Binance": [
        "Open time,Symbol,Open,High,Low,Close,Volume,Close time,Quote asset volume,"
        "Number of trades,Taker buy base asset volume,Taker buy quote asset volume,Ignore",
        f"{BAR.replace(T, '1735830000000')},1735830059999,1.5,3,0,0,0",
    ],
    "seconds": [BARS, BAR.replace(T, "1735830000")],
    "microseconds": [BARS, BAR.replace(T, "1735830000000000")],
    "nanoseconds": [BARS, BAR.replace(T, "1735830000000000999")],
    "noise": [BARS, f"{T},AAPL,185.10000610351562,186.00000000000003,183.99999,185.5001,4000"],
    "floats": [BARS, f"{T},AAPL,185.1,1.86e2,184,185.50,4e+03"],
    "no seconds": [BARS, BAR.replace(":00:00Z", ":00 +0000")],
    "UTC by name": [BARS, BAR.replace("Z", " UTC")],
    "quoted": [BARS.replace("time", '"time"'), BAR.replace(",", '","').join('""')],
    "quoted now and then": [BARS, BAR.replace("185.10", '"185.10"')],
    "counted by pandas": [f",{BARS}", f"0,{BAR}"],
    "yfinance": [
        "Price,Close,High,Low,Open,Volume",
        "Ticker,AAPL,AAPL,AAPL,AAPL,AAPL",
        "Datetime,,,,,",
        "2025-01-02 15:00:00+00:00,185.50,186,184,185.10,4000",
    ],
    "CR": [f"{BARS}\r{BAR}\r"],
    "tick half-way": [BARS, f"{T},AAPL,185.105,186,184,185.50,4000.0"],
}


@pytest.mark.parametrize("lines", FORMS.values(), ids=FORMS)
def test_bars_are_read_in_the_forms_that_people_have(tmp_path: Path, lines: list[str]) -> None:
    expected = as_one(played(written(tmp_path, BARS, BAR)))
    assert as_one(played(written(tmp_path, *lines))) == expected


ENCODINGS = {
    "gzip": lambda text: gzip.compress(text.encode()),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, the other end first": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 with CR in gzip": lambda text: gzip.compress(text.replace("\n", "\r").encode("utf-16")),
    "in two parts": lambda text: (
        gzip.compress(text[:99].encode()) + gzip.compress(text[99:].encode())
    ),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_bars_are_read_in_the_encodings_that_people_have(
    tmp_path: Path, encode: Callable[[str], bytes]
) -> None:
    expected = check(written(tmp_path, BARS, BAR, "")), played(tmp_path / "own.csv")
    path = tmp_path / "own.csv"
    path.write_bytes(encode(f"{BARS}\n{BAR}\n"))
    # Its digest is that of the lines, so a data directory goes on with the file compressed.
    assert (check(path), played(path)) == expected


def test_a_large_compressed_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path, megabyte = tmp_path / "own.csv.gz", 1 << 20
    # The universe of the day comes into memory before.
    assert len(played(written(tmp_path, BARS, BAR))) == 4
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(f"{BARS}\n".encode())
        for _ in range(16):
            file.write((b" " * 4_000 + b"\n") * 262)
        file.write(f"{BAR}\n".encode())
    tracemalloc.start()
    try:
        assert len(played(path)) == 4
        assert tracemalloc.get_traced_memory()[1] < 2 * megabyte
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("stem", "ending", "symbol"),
    [
        ("AAPL", ".csv", "AAPL"),
        ("brk.b", ".csv", "BRK.B"),
        ("BRK-B", ".CSV", "BRK.B"),
        ("EURUSD=X", ".csv.gz", "EUR-USD"),
        ("BTC-USD", ".txt", "BTC-USD"),
        ("MSFT", "", "MSFT"),
    ],
)
def test_a_file_without_symbols_is_of_the_one_that_it_is_named_after(
    tmp_path: Path, stem: str, ending: str, symbol: str
) -> None:
    path = tmp_path / f"{stem}{ending}"
    path.write_text("Date,Open,High,Low,Close\n2025-01-02,2,2,2,2\n")
    assert {quote.symbol for quote in played(path)} == {symbol}
    note = f"every row is of {stem}, the symbol that the file is named after"
    assert check(path).notes[0] == note


def test_a_name_with_more_than_a_symbol_is_no_symbol(tmp_path: Path) -> None:
    """`V_shape.csv` is not about Visa, and Tether is not the dollar unless somebody says so."""
    for name, right in [("V_shape.csv", "AAPL"), ("BTCUSDT-1m-2025-01.csv", "BTC-USD")]:
        path = tmp_path / name
        path.write_text("Date,Open,High,Low,Close\n2025-01-02,2,2,2,2\n")
        with pytest.raises(ReplayFileError, match=rf"the file's name, .*--replay-symbol {right}$"):
            check(path)
        assert check(path, options=ReplayOptions(symbol=right)).notes == ()


def test_a_symbol_for_all_rows_is_refused_where_rows_have_their_own(tmp_path: Path) -> None:
    path = written(tmp_path, BARS, BAR)
    problem = "line 1: symbol: the file says it: leave out --replay-symbol$"
    with pytest.raises(ReplayFileError, match=problem):
        check(path, options=ReplayOptions(symbol="AAPL"))


def test_a_digest_is_of_the_lines_and_of_what_they_do_not_say(tmp_path: Path) -> None:
    """A data directory belongs to one file, read in one way."""
    path = tmp_path / "AAPL.csv"
    path.write_text("time,open,high,low,close\n2025-01-02 15:00,2,2,2,2\n")

    def digest(symbol: str | None, zone: str) -> str:
        return check(path, options=ReplayOptions(symbol=symbol, zone=zone)).digest

    found = [digest("MSFT", "UTC"), digest("AAPL", "UTC"), digest("AAPL", "Asia/Tokyo")]
    assert len({*found}) == 3
    assert digest(None, "UTC") == found[1]
    zoned = written(tmp_path, BARS, BAR)
    assert check(zoned, options=ReplayOptions(zone="UTC")).digest == check(zoned).digest


def as_one(quotes: list[Quote]) -> list[Quote]:
    """Return quotes as if they were of one line."""
    return [replace(quote, sequence=quote.sequence % 4) for quote in quotes]


def test_an_empty_field_at_the_end_of_a_row_stays_one_after_a_tab(tmp_path: Path) -> None:
    rows = [BAR.replace("4000", ""), BAR.replace("15:", "16:")]
    path = written(tmp_path, *(line.replace(",", "\t") for line in (BARS, *rows)))
    assert [quote.bid_size // SCALE for quote in played(path)[::4]] == [0, 1_000]


def test_quotes_keep_their_prices_but_for_noise(tmp_path: Path) -> None:
    rows = [f"{T},AAPL,185.10001,100,185.12,200", f"{T},AAPL,185.099994,1e30,185.12000000000003,2"]
    path = written(tmp_path, QUOTES, *rows)
    assert [shown(quote) for quote in played(path)] == [
        "01-02 15:00:00.000 AAPL 185.10001 100 185.12 200 185.110005",
        "01-02 15:00:00.000 AAPL 185.1 9999999999.99999999 185.12 2 185.11",
    ]
    assert check(path).notes == (
        "AAPL: prices rounded to the price tick: 1",
        "AAPL: volumes or sizes cut to the largest that quotes can show: 1",
    )


def test_what_was_changed_is_counted_for_each_instrument(tmp_path: Path) -> None:
    rows = [
        "2025-01-02,AAPL,2.001,2.009,2,2,46009564411,9",
        "2025-01-02,BTC-USD,2,2,2,2,1,9",
        "2025-01-03,AAPL,2,2,2,2.0000001,30000000000,9",
    ]
    path = written(tmp_path, f"{BARS},Adj Close", *rows)
    sizes = [quote.bid_size // SCALE for quote in played(path) if quote.symbol == "AAPL"]
    assert sizes == [9_999_999_999] * 4 + [7_500_000_000] * 4
    assert check(path).notes == (
        "columns that are not used: Adj Close",
        "AAPL: prices rounded to the price tick: 3",
        "AAPL: volumes or sizes cut to the largest that quotes can show: 1",
    )


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        ("-1", ""),
        ("nan", "; leave it empty"),
        ("null", "; leave it empty"),
        ("1e100", ""),
        ("1,0", "; 1,0 must have a point, and no separators of thousands"),
        ("0x1", ""),
    ],
)
def test_a_volume_is_nothing_or_a_number(tmp_path: Path, number: str, hint: str) -> None:
    row = BAR.removesuffix("4000").replace(",", ";") + number
    with pytest.raises(ReplayFileError, match=rf"line 2: volume: {DECIMAL}{hint}$"):
        check(written(tmp_path, BARS.replace(",", ";"), row))


@pytest.mark.parametrize(("number", "column"), [("10000000000", "open"), ("1e11", "ask")])
def test_prices_are_not_cut(tmp_path: Path, number: str, column: str) -> None:
    header, row = (BARS, BAR) if column == "open" else (QUOTES, QUOTE)
    fields = row.split(",")
    fields[header.split(",").index(column)] = number
    with pytest.raises(ReplayFileError, match=f"line 2: {column}: {DECIMAL}$"):
        check(written(tmp_path, header, ",".join(fields)))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("2025-01-02,2,2,2,2,2,3", f"line 1: names no columns: write {OF_QUOTES}"),
        (f"{BARS}\r\n{BAR}\r".replace("e\r\n", "e\rx\n"), "line 1: has CR within: lines must"),
        (f"{BARS}\n{BAR}".encode("utf-16-le"), "is no text in UTF-8: save it as UTF-8"),
        (b"\xff\xfet", "after line 0: must be UTF-8, or UTF-16 with its mark"),
        (b"PK\x03\x04rest", "is a ZIP archive or an Excel file: unpack it, or save it as CSV"),
        (
            gzip.compress(f"{BARS}\n{BAR}".encode(), mtime=0)[:-9],
            "ends too early: is the gzip file complete",
        ),
        (b"\x1f\x8b\x08" + bytes(30), "is damaged: "),
        (
            f"{BARS}\n{BAR.replace(',', ';')}",
            "line 2: has 1 fields instead of 7: write ',' as in line 1 instead of ';'",
        ),
        (
            f"{BARS}\n{BAR.replace('AAPL', 'BTCUSDT')}",
            "line 2: symbol: BTCUSDT is not listed on 2025-01-02: to play it as if it were quoted"
            " in US dollars, write BTC-USD",
        ),
        (
            "Price,Close,Close\nTicker,AAPL,MSFT\nDate,,\n",
            "line 2: names several symbols: write a row for each bar of each symbol",
        ),
        ("Price,Close,Volume\n2025-01-02,2,2", "line 2: 'Price': is not a column of bars"),
    ],
)
def test_what_is_not_read_is_refused_with_what_would_be_right(
    tmp_path: Path, content: str | bytes, problem: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ReplayFileError) as caught:
        check(path)
    assert str(caught.value).startswith(f"{path}: {problem}")
