"""Lines become ticks, whatever program writes them; what is no line of prices is told as such."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bottrading_feeds.lines_source import LINE_BYTES_MAX, Lines, LinesSource
from bottrading_feeds.port import Alive, Listing, SourceEnded, SourceError, Tick, Unreadable

BITCOIN = Listing(
    symbol="BTC-USD",
    source_symbol="BTC/USD",
    name="Bitcoin",
    asset_type="CRYPTO",
    price_tick=Decimal("0.01"),
    quantity_step=Decimal("0.000001"),
    session="always-open",
    currency="USD",
)
Told = Tick | Unreadable | Alive
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def told_by(text: str | bytes, **symbols: str) -> list[Told]:
    told: list[Told] = []
    Lines(told.append, symbols)(text.encode() if isinstance(text, str) else text)
    return told


def test_a_json_line_is_a_tick() -> None:
    line = (
        '{"symbol": "BTC-USD", "bid": "100.10", "bid_size": 2, "ask": 100.20, "ask_size": "3",'
        ' "last": null, "time": "2026-01-02T13:00:00+01:00", "more": [1]}\n'
    )

    assert told_by(line) == [
        Tick(
            symbol="BTC-USD",
            bid=Decimal("100.10"),
            bid_size=Decimal(2),
            ask=Decimal("100.20"),
            ask_size=Decimal(3),
            time=NOON,
        )
    ]


def test_csv_has_a_header_and_may_leave_cells_empty() -> None:
    text = "Symbol, last ,time\r\nAAPL,210.5,1767355200\r\nMSFT,400,\r\n\r\n"

    assert told_by(text) == [
        Tick(symbol="AAPL", last=Decimal("210.5"), time=NOON),
        Tick(symbol="MSFT", last=Decimal(400)),
    ]


@pytest.mark.parametrize(
    "time",
    ["1767355200", "1767355200.0", "1767355200000", "1767355200000000", "1767355200" + "0" * 9],
)
def test_a_time_may_be_a_number(time: str) -> None:
    [tick] = told_by(f'{{"symbol": "A", "last": "1", "time": {time}}}\n')

    assert tick == Tick(symbol="A", last=Decimal(1), time=NOON)


def test_a_symbol_may_be_the_sources() -> None:
    [tick] = told_by('{"symbol": "BTC/USD", "last": "1"}\n', **{"BTC/USD": "BTC-USD"})

    assert tick == Tick(symbol="BTC-USD", last=Decimal(1))


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "AAPL,1,2",
        '{"bid": "1"}',
        '{"symbol": 7, "bid": "1"}',
        '{"symbol": "A", "bid": "one"}',
        '{"symbol": "A", "bid": true}',
        '{"symbol": "A", "last": "1", "time": "2026-01-02T12:00:00"}',
        '{"symbol": "A", "last": "1", "time": "0001-01-01T00:00:00+01:00"}',
        '{"symbol": "A", "last": "1", "time": -1}',
        '{"symbol": "A", "last": "1", "time": 1e40}',
        '{"symbol": "A", "last": "1", "time": NaN}',
        "[" * 50_000,
        '{"symbol":' * 20_000,
        "\x00\xff",
    ],
)
def test_what_is_no_line_of_prices_is_told_and_the_next_line_is_read(line: str) -> None:
    assert told_by(f'{line}\n{{"symbol": "A", "last": "1"}}\n') == [
        Unreadable(line.strip()[:80]),
        Tick(symbol="A", last=Decimal(1)),
    ]


def test_bytes_come_in_any_pieces() -> None:
    told: list[Told] = []
    lines = Lines(told.append, {})
    for byte in b'{"symbol": "A", "last": "1"}\n{"symbol": "B", "last": "2"}\n':
        lines(bytes([byte]))

    assert told == [Tick(symbol="A", last=Decimal(1)), Tick(symbol="B", last=Decimal(2))]


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    assert told_by(b"x" * (LINE_BYTES_MAX + 1)) == [Unreadable("x" * 80)]


def test_a_line_that_is_too_long_is_dropped_whole() -> None:
    line = b'{"symbol": "A", "more": "' + b"x" * LINE_BYTES_MAX
    told: list[Told] = []
    lines = Lines(told.append, {})
    for chunk in (b"symbol,last\n", line, line, b"\nA,1\n", line, b"\rA,2", b"\nA,3\n"):
        lines(chunk)

    begin = Unreadable(line[:80].decode())
    ticks = [Tick(symbol="A", last=Decimal(number)) for number in (1, 3)]
    assert told == [begin, ticks[0], begin, ticks[1]]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    os.close(read)


async def test_the_end_of_the_input_ends_the_source(pipe: tuple[int, int]) -> None:
    read, write = pipe
    told: list[Told] = []
    os.write(write, b'{"symbol": "BTC/USD", "last": "1"}\n{"symbol": "BTC-USD", "last": "2"}')
    os.close(write)

    with pytest.raises(SourceEnded):
        await LinesSource(read).stream([BITCOIN], told.append)

    assert told == [
        Tick(symbol="BTC-USD", last=Decimal(1)),
        Tick(symbol="BTC-USD", last=Decimal(2)),
    ]


async def test_lines_have_no_instruments_and_no_history() -> None:
    with pytest.raises(SourceError):
        await LinesSource(0).instruments(["AAPL"])
    with pytest.raises(SourceError):
        LinesSource(0).candles(BITCOIN, "1d", NOON, NOON)
