"""Replay files of other sources: what is read, what is adjusted, and what the log says."""

from pathlib import Path

import pytest

from server.domain.values import SCALE
from server.market.replay_table import ReplayFileError
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
    "tick half-way": [BARS, f"{T},AAPL,185.105,186,184,185.50,4000.0"],
}


@pytest.mark.parametrize("lines", FORMS.values(), ids=FORMS)
def test_bars_are_read_in_the_forms_that_people_have(tmp_path: Path, lines: list[str]) -> None:
    assert played(written(tmp_path, *lines)) == played(written(tmp_path, BARS, BAR))


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


@pytest.mark.parametrize("number", ["-1", "nan", "null", "1e100", "1,0", "0x1"])
def test_a_volume_is_nothing_or_a_number(tmp_path: Path, number: str) -> None:
    row = BAR.removesuffix("4000").replace(",", ";") + number
    with pytest.raises(ReplayFileError, match=rf"line 2: volume: {DECIMAL}$"):
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
        (
            "Date,Open,High,Low,Close,Adj Close,Volume\n",
            "line 1: symbol: is missing: every row needs one, such as AAPL",
        ),
        ("1735689600000,2,2,2,2,2,3", f"line 1: names no columns: write {OF_QUOTES}"),
        ('"time","symbol","open","high","low","close"\n', "line 1: fields must not be quoted"),
        (f"{BARS}\r{BAR}\r{BAR}" * 100, "line 1: ends with CR alone: lines must end with LF or CR"),
        (f"{BARS}\n{BAR}".encode("utf-16"), "line 1: is UTF-16: save the file as UTF-8"),
        (
            f"{BARS}\n{BAR.replace('AAPL', 'EURUSD=X')}",
            "line 2: symbol: EURUSD=X is not listed on 2025-01-02; EUR-USD is",
        ),
        (
            f"{BARS}\n{BAR.replace('AAPL', 'BRK-B')}",
            "line 2: symbol: BRK-B is not listed on 2025-01-02; BRK.B is",
        ),
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
