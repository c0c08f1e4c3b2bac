"""Replay files for tests: their rows, and the quotes that they become."""

import re
from datetime import datetime
from pathlib import Path

from server.application.market_ports import Calendar
from server.domain.quote import Quote
from server.domain.values import Micros, format_units
from server.market.moments import from_datetime, to_datetime
from server.market.replay_file import ReplayFacts, check_replay_file, replay_quotes
from server.market.replay_table import NO_OPTIONS, ReplayOptions
from server.market.sessions import AlwaysOpen
from server.market.universe_file import default_universe

UNIVERSE = default_universe()

QUOTES = "time,symbol,bid,bid_size,ask,ask_size"
BARS = "time,symbol,open,high,low,close,volume"
T = "2025-01-02T15:00:00Z"
QUOTE = f"{T},AAPL,185.10,100,185.12,200"
BAR = f"{T},AAPL,185.10,186,184,185.50,4000"
OPTION = "T15:00:00Z,AAPL260116C00270000,2.10,100,2.12,200"
DAY = "2025-01-02,AAPL,185.10,186,184,185.50,4000"
DECIMAL = "must be a decimal of at most 10 digits before the point, such as 185.5"
OF_QUOTES = "time,symbol,bid,bid_size,ask,ask_size and perhaps last"
OF_BARS = "time,symbol,open,high,low,close and perhaps volume"
TIME = "time: must be such as 2025-01-02T14:30:00Z, from 1970 to 2199"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "own.csv"
    path.write_bytes("\n".join(lines).encode())
    return path


def check(
    path: Path, calendar: Calendar | None = None, options: ReplayOptions = NO_OPTIONS
) -> ReplayFacts:
    return check_replay_file(path, UNIVERSE, calendar or AlwaysOpen(), options=options)


def played(
    path: Path, calendar: Calendar | None = None, options: ReplayOptions = NO_OPTIONS
) -> list[Quote]:
    facts = check(path, calendar, options)
    return list(replay_quotes(facts, UNIVERSE, calendar or AlwaysOpen(), facts.start))


def at(text: str) -> Micros:
    return from_datetime(datetime.fromisoformat(f"{text}+00:00"))


def shown(quote: Quote) -> str:
    figures = (quote.bid, quote.bid_size, quote.ask, quote.ask_size, quote.last)
    time = f"{to_datetime(quote.time):%m-%d %H:%M:%S.%f}".removesuffix("000")
    return f"{time} {quote.symbol} " + " ".join(
        re.sub(r"\.?0+$", "", format_units(figure)) for figure in figures
    )
