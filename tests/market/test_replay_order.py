"""Replay files whose rows are not sorted: they play as the same rows sorted, or are refused."""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from server.domain.quote import Quote, refusal
from server.domain.values import SECOND, Micros
from server.market import replay_table
from server.market.exchange_sessions import exchange_sessions
from server.market.moments import to_datetime
from server.market.replay_file import ReplayFacts, ReplayKind, check_replay_file, replay_quotes
from server.market.replay_index import load_index, store_index
from server.market.replay_table import ReplayFileError
from server.market.sessions import AlwaysOpen
from tests.support.replay_files import BARS, QUOTES, UNIVERSE, at, check, written

BEGIN = at("2025-01-02 15:00")


def time(second: float) -> str:
    return to_datetime(BEGIN + round(second * SECOND)).isoformat()


QUOTE_ROWS = [
    f"{time(second // 2)},{symbol},{100 + second},1,200,1"
    for second in range(20)
    for symbol in ("AAPL", "BTC-USD")
]
BAR_ROWS = [
    f"{time(60 * minute)},{symbol},{100 + minute},200,50,100,4"
    for minute in range(10)
    for symbol in ("AAPL", "BTC-USD")
]
DAY_ROWS = [
    f"2025-01-{day:02},{symbol},{100 + day},200,50,100,4"
    for day in (2, 3, 6, 7)
    for symbol in ("AAPL", "EUR-USD")
]
ROWS = {"quotes": (QUOTES, QUOTE_ROWS), "bars": (BARS, BAR_ROWS), "days": (BARS, DAY_ROWS)}


def by_symbol(rows: Sequence[str]) -> list[str]:
    return sorted(rows, key=lambda row: row.split(",")[1])


def newest_first(rows: Sequence[str]) -> list[str]:
    return list(rows)[::-1]


def last_row_first(rows: Sequence[str]) -> list[str]:
    return [rows[-1], *rows[:-1]]


def plain(quotes: Sequence[Quote]) -> list[Quote]:
    """Return quotes by time and symbol, without the lines that they are of."""
    found = [replace(quote, sequence=0) for quote in quotes]
    return sorted(found, key=lambda quote: (quote.time, quote.symbol))


def play(facts: ReplayFacts, after: Micros | None = None) -> list[Quote]:
    start = facts.start if after is None else after
    return list(replay_quotes(facts, UNIVERSE, AlwaysOpen(), start))


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("order", [by_symbol, newest_first, last_row_first])
def test_rows_in_another_order_play_as_the_same_rows_sorted(
    tmp_path: Path, name: str, order: Callable[[Sequence[str]], list[str]]
) -> None:
    header, rows = ROWS[name]
    expected = play(check(written(tmp_path, header, *rows)))
    facts = check(written(tmp_path, header, *order(rows)))
    quotes = play(facts)
    if order is not last_row_first:
        assert plain(quotes) == plain(expected)
    assert [quote.time for quote in quotes] == [quote.time for quote in expected]
    newest: dict[str, Quote] = {}
    for quote in quotes:
        assert refusal(quote, newest.get(quote.symbol), quote.time) is None
        newest[quote.symbol] = quote
    assert (facts.first, facts.last) == (quotes[0].time, quotes[-1].time)
    for after in {quote.time for quote in quotes}:
        assert play(facts, after) == [quote for quote in quotes if quote.time > after]
    assert facts.notes[-1] == "the rows are not sorted, and are played by their times"
    index = tmp_path / "index"
    store_index(index, facts, "a")
    loaded = load_index(index, facts.path, "a")
    assert loaded == facts
    assert play(loaded) == quotes


def test_a_problem_is_told_with_the_line_that_it_has_in_the_file(tmp_path: Path) -> None:
    rows = newest_first(BAR_ROWS)
    rows[5] = rows[5].replace(",50,", ",300,")
    with pytest.raises(ReplayFileError, match=r"line 7: open: must be from low to high$"):
        check(written(tmp_path, BARS, *rows))
    rows[5] = rows[5].replace("T", "?")
    with pytest.raises(ReplayFileError, match=r"line 7: time: must be such as"):
        check(written(tmp_path, BARS, *rows))


def test_many_rows_or_compressed_ones_must_be_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, BARS, *newest_first(BAR_ROWS))
    monkeypatch.setattr(replay_table, "SORTED_ROWS_MAX", len(BAR_ROWS))
    assert check(path).kind is ReplayKind.BARS
    monkeypatch.setattr(replay_table, "SORTED_ROWS_MAX", len(BAR_ROWS) - 1)
    problem = "line 21: time: at most 19 rows are sorted here: sort the file$"
    with pytest.raises(ReplayFileError, match=problem):
        check(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(
        ReplayFileError, match=r"line 4: time: must not be before .*: sort the rows"
    ):
        check(path)


def test_a_file_by_symbol_that_touches_no_session_is_refused(tmp_path: Path) -> None:
    night = [row.replace("T15:", "T03:") for row in by_symbol(BAR_ROWS) if "AAPL" in row][::-1]
    calendar = exchange_sessions(date(2024, 12, 1), date(2026, 2, 1))
    with pytest.raises(ReplayFileError, match="no bar lies in a session"):
        check_replay_file(written(tmp_path, BARS, *night), UNIVERSE, calendar)
