"""The page: contents and charts in one self-contained HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from tempfile import NamedTemporaryFile

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from server.domain import performance
from server.domain.values import Micros, Units, format_to_the_cent, format_units
from server.report.contents import Contents
from server.report.pictures import TRADES_SHOWN, drawdown_picture, equity_picture, trades_picture

FILLS_SHOWN = 50
FULL_COLOUR_PCT = 10.0
"""A month with this return has the full colour."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the table: its return in percent, and how strong its colour is, 0 to 1."""

    name: str
    return_pct: float
    strength: float


def write_report(contents: Contents, out: Path) -> None:
    """Write the page atomically: a reader sees the old page or the complete new one.

    Raises OSError if the page cannot be written; then no file is left behind.
    """
    page = render(contents)
    with NamedTemporaryFile("w", encoding="utf-8", dir=out.parent, delete=False) as file:
        written = Path(file.name)
        try:
            file.write(page)
            file.flush()
            written.replace(out)
        except OSError:
            written.unlink()
            raise


def render(contents: Contents) -> str:
    """Return the page; every text that a person chose is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "money": _money,
        "units": _units,
        "time": _time,
        "ratio": _ratio,
        "percent": _percent,
    }
    template = environment.from_string(
        files("server.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    statistics = contents.portfolio.account.statistics
    return template.render(
        it=contents,
        account=contents.portfolio.account,
        margins=contents.portfolio.book,
        curve=contents.indicators.curve,
        win_rate=performance.win_rate(statistics),
        profit_factor=performance.profit_factor(statistics),
        expectancy=performance.expectancy(statistics),
        statistics=statistics,
        equity_picture=Markup(equity_picture(contents.history)),  # noqa: S704 - drawn by us
        drawdown_picture=Markup(drawdown_picture(contents.values)),  # noqa: S704 - drawn by us
        trades_picture=Markup(trades_picture(contents.trades)),  # noqa: S704 - drawn by us
        years=months(contents.values),
        trades_shown=TRADES_SHOWN,
        fills=contents.fills[:FILLS_SHOWN],
    )


def months(values: Sequence[tuple[Micros, float]]) -> dict[int, list[Month | None]]:
    """Return the returns of the twelve months of each year, None for months without data."""
    last = {_date(time).strftime("%Y-%m"): value for time, value in values}
    years: dict[int, list[Month | None]] = {}
    before = values[0][1]
    for name, value in last.items():
        year, number = (int(part) for part in name.split("-"))
        growth = 100 * (value - before) / before if before else 0.0
        strength = min(abs(growth) / FULL_COLOUR_PCT, 1.0)
        years.setdefault(year, [None] * 12)[number - 1] = Month(name, growth, strength)
        before = value
    return years


def _date(time: Micros) -> datetime:
    return datetime.fromtimestamp(time / 1_000_000, UTC)


def _time(time: Micros) -> str:
    return _date(time).strftime("%Y-%m-%d %H:%M:%S")


def _money(value: Units) -> str:
    return f"{Decimal(format_to_the_cent(value)):,}"


def _units(value: Units) -> str:
    return f"{Decimal(format_units(value)).normalize():,f}"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f} %"
