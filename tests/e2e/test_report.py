"""The report, as an operator makes it: what it shows, about whom, and what it refuses."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest

from bottrading.v1.instrument_pb2 import ASSET_TYPE_OPTION
from server.application.equity_history import EquityPoint
from server.config import DATABASE_FILE
from server.domain.values import SCALE, SECOND
from server.market.moments import from_datetime
from server.report.contents import ClosedTrade
from server.report.pictures import drawdown_picture, equity_picture, trades_picture
from tests.support.accounts import deposit, id_of, kpi_of, manage, on_margin, to_midnight
from tests.support.venue import Bot, Venue, VenueFactory

UNIVERSE = Path(__file__).parents[2] / "server/market/universe.toml"
EVIL = "<script>alert('ada')</script>"


async def report(venue: Venue, account_id: str, out: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command beside the venue."""
    command = ["report", "--account", account_id, "--out", str(out)]
    return await asyncio.to_thread(run, [*command, "--data-dir", str(venue.settings.data_dir)])


def run(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def tiles(page: str) -> dict[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    return {unescape(name): value for name, value in found}


async def trade(venue: Venue, bot: Bot) -> None:
    """Ten bought at 100.00, four sold at 110.00, and 90.00 at the end of the next day."""
    await venue.publish("AAPL", "100", "100")
    await bot.place(quantity="10")
    await venue.publish("AAPL", "110", "110")
    await bot.place(side="SELL", quantity="4")
    for price in ("120", "90"):
        await venue.publish("AAPL", price, price)
        await to_midnight(venue)


async def test_a_report_shows_the_figures_that_the_account_reads(
    venue: Venue, tmp_path: Path
) -> None:
    bot = await venue.bot("ada")
    await trade(venue, bot)
    await deposit(venue, await id_of(bot), "1234.5")
    kpi, portfolio = await kpi_of(bot), await bot.portfolio()

    done = await report(venue, await id_of(bot), tmp_path / "report.html")

    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'report.html'}\n"), done.stderr
    page = (tmp_path / "report.html").read_text()
    assert tiles(page) == {
        "Equity, USD": f"{float(portfolio.total_equity):,.2f}",
        "Balance, USD": f"{float(portfolio.balance):,.2f}",
        "Total return": f"{kpi.total_return_pct:.2f} %",
        "Max drawdown": f"{kpi.max_drawdown:.2f} %",
        "Sharpe ratio": f"{kpi.sharpe_ratio:,.2f}",
        "Sortino ratio": f"{kpi.sortino_ratio:,.2f}",
        "Closed trades": "1",
        "Win rate": "100.00 %",
        "Profit factor": "–",
        "Expectancy, USD": "40.00",
        "Realised P&L, USD": "40.00",
        "Fees paid, USD": "0.00",
    }
    assert page.count("<svg") == 3
    assert "deposit" in page
    assert "All 1 closing orders" in page
    assert re.search(r"SELL</td><td>AAPL</td><td>4</td><td>110</td><td>0.00</td><td>40.00", page)
    assert re.search(r"AAPL</td><td>6</td><td>540.00</td><td>-60.00", page)


async def test_closed_trades_are_those_that_the_figures_count(venue: Venue, tmp_path: Path) -> None:
    """A settled option is a closed trade; a partially filled SELL order is none before it ends."""
    bot = await venue.bot("ada")
    listed = (await bot.call("ListInstruments", asset_type=ASSET_TYPE_OPTION)).instruments
    option = min(listed, key=lambda it: it.expiry)
    venue.clock.now = from_datetime(datetime.fromisoformat(f"{option.expiry}T23:59:00+00:00"))
    for symbol in (option.underlying, option.symbol):
        await venue.publish(symbol, "100", "100", size="2")
        await bot.place(symbol, quantity="2")
    await venue.publish(option.underlying, "110", "110", size="1")
    await bot.place(option.underlying, side="SELL", quantity="2")
    venue.pass_time(seconds=60)
    assert (await kpi_of(bot)).total_trades == 1

    done = await report(venue, await id_of(bot), tmp_path / "report.html")

    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert tiles(page)["Closed trades"] == "1"
    assert "All 1 closing orders and settlements" in page


async def test_purchases_that_close_a_short_position_are_closed_trades(
    venue: Venue, tmp_path: Path
) -> None:
    """Ten sold at 100 are bought back at 90, with two more; then the two are sold for nothing."""
    bot = await venue.bot("ada")
    await on_margin(bot)
    for side, quantity, price in (("SELL", "10", "100"), ("BUY", "12", "90"), ("SELL", "5", "90")):
        await venue.publish("AAPL", price, price)
        await bot.place("AAPL", side, quantity)
    await bot.place("AAPL", "SELL", "1", limit_price="95")
    assert (await kpi_of(bot)).total_trades == 2

    done = await report(venue, await id_of(bot), tmp_path / "report.html")

    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert tiles(page)["Closed trades"] == "2"
    assert tiles(page)["Win rate"] == "50.00 %"
    assert "All 2 closing orders and settlements" in page
    assert re.search(r"BUY</td><td>AAPL</td><td>12</td><td>90</td><td>0.00</td><td>100.00", page)
    assert re.search(r"AAPL</td><td>-3</td><td>-270.00</td><td>0.00", page)


async def test_a_margin_account_shows_its_margins_loan_and_interest(
    venue: Venue, tmp_path: Path
) -> None:
    """1 500 bought and 100 sold short: a night costs 10.96 for 50 000 and 0.28 for the shares."""
    bot = await venue.bot("ada")
    await report(venue, await id_of(bot), tmp_path / "cash.html")
    await on_margin(bot)
    for symbol, side, quantity in (("AAPL", "BUY", "1500"), ("MSFT", "SELL", "100")):
        await venue.publish(symbol, "100", "100", size="5000")
        await bot.place(symbol, side, quantity)
    await to_midnight(venue)
    venue.pass_time()

    done = await report(venue, await id_of(bot), tmp_path / "report.html")

    assert done.returncode == 0, done.stderr
    page, cash = ((tmp_path / name).read_text() for name in ("report.html", "cash.html"))
    added = {name: value for name, value in tiles(page).items() if name not in tiles(cash)}
    assert added == {
        "Margin, USD": "80,000.00",
        "Maintenance margin, USD": "48,000.00",
        "Free margin, USD": "19,988.76",
        "Loan, USD": "50,011.24",
        "Interest paid, USD": "11.24",
    }
    assert tiles(page)["Balance, USD"] == "-40,011.24"
    assert "margin account" in page
    assert "margin account" not in cash
    assert re.search(r"MSFT</td><td>-100</td><td>-10,000.00</td><td>0.00</td><td>5,000.00", page)


async def test_an_account_that_lost_everything_has_a_page(venue: Venue, tmp_path: Path) -> None:
    bot = await venue.bot("ada")
    await on_margin(bot)
    await venue.publish("AAPL", "100", "100", size="5000")
    await bot.place("AAPL", "SELL", "1900")
    venue.pass_time(seconds=1_800)
    await venue.publish("AAPL", "160", "160", size="5000")
    venue.pass_time()
    await deposit(venue, await id_of(bot), "50000.00")
    venue.pass_time(seconds=1_800)

    done = await report(venue, await id_of(bot), tmp_path / "report.html")

    assert done.returncode == 0, done.stderr
    shown = tiles((tmp_path / "report.html").read_text())
    assert (shown["Equity, USD"], shown["Balance, USD"]) == ("36,000.00", "36,000.00")
    assert (shown["Total return"], shown["Max drawdown"]) == ("-100.00 %", "100.00 %")
    assert shown["Realised P&L, USD"] == "-114,000.00"


@pytest.mark.parametrize(
    "worth",
    [
        (100_000, 100_001),
        (100_000, 100_000.01),
        (100_000, 100_000),
        (0.0001, 0.0002),
        (100_000, -2_500_000.5),
        (9_999_999_999.99, 9_999_999_999.98),
        (0, 0),
    ],
)
def test_the_axes_of_pictures_tell_values_apart(worth: tuple[float, float]) -> None:
    first, second = (round(amount * SCALE) for amount in worth)
    fall = abs(worth[1] - worth[0]) / 1e8
    pictures = [
        equity_picture([EquityPoint(0, first, 0), EquityPoint(SECOND, second, 0)]),
        drawdown_picture([(0, 1.0), (SECOND, 1.0 - fall)]),
        trades_picture([ClosedTrade(time=0, symbol="A", pnl=pnl) for pnl in (first, second)]),
    ]

    for picture in pictures:
        labels = re.findall(r'id="ytick_.*?<text[^>]*>(.*?)</text>', picture, re.DOTALL)
        numbers = [float(re.sub("[,% ]", "", one)) for one in labels]
        assert len(numbers) == len(set(labels)) >= 2, labels
        steps = [after - before for before, after in pairwise(numbers)]
        assert max(steps) <= min(steps) * 1.1, labels
        assert not {"-0", "-0 %"} & set(labels)


async def test_a_report_needs_nothing_from_elsewhere_and_runs_nothing(
    venue: Venue, tmp_path: Path
) -> None:
    bot = await venue.bot("ada", name=EVIL)
    await trade(venue, bot)

    await report(venue, await id_of(bot), tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    assert EVIL not in page
    assert EVIL in unescape(page)
    assert "default-src 'none'" in page
    assert not re.search(r'<script|<link|<img|(?<!xlink:)href="(?!#)|src=', page)


async def test_an_account_that_never_traded_and_one_that_was_reset_have_a_page_too(
    venue: Venue, tmp_path: Path
) -> None:
    bot = await venue.bot("ada")
    await report(venue, await id_of(bot), tmp_path / "idle.html")
    await trade(venue, bot)
    await manage(venue.person("ada"), "ResetAccount", account_id=await id_of(bot))
    await report(venue, await id_of(bot), tmp_path / "reset.html")

    idle, reset = ((tmp_path / name).read_text() for name in ("idle.html", "reset.html"))
    for page in (idle, reset):
        assert (tiles(page)["Equity, USD"], tiles(page)["Closed trades"]) == ("100,000.00", "0")
        assert page.count("None yet.") == 2
    assert "last reset" in reset
    assert "last reset" not in idle


async def test_what_cannot_be_reported_on_is_said_and_nothing_is_written(
    venue: Venue, tmp_path: Path
) -> None:
    bot = await venue.bot("ada")
    out, account_id = tmp_path / "report.html", await id_of(bot)
    taken = tmp_path / "taken"
    (taken / "kept").mkdir(parents=True)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / DATABASE_FILE).write_bytes(b"nothing of a database" * 100)
    elsewhere = ["report", "--account", account_id, "--out", str(out), "--data-dir", str(tmp_path)]

    refusals = [
        (await report(venue, "01890000-0000-7000-8000-000000000000", out), "has no account"),
        (await report(venue, "' OR 1=1 --", out), "has no account"),
        (await report(venue, account_id, tmp_path / "none" / "report.html"), "is not a directory"),
        (await report(venue, account_id, taken), "Is a directory"),
        (await asyncio.to_thread(run, elsewhere), "does not exist"),
        (await asyncio.to_thread(run, [*elsewhere, "--data-dir", str(broken)]), "NOTADB"),
    ]

    for done, message in refusals:
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert names(tmp_path) == {"data", "taken", "broken"}


async def test_a_position_that_the_universe_does_not_know_is_said(
    start_venue: VenueFactory, tmp_path: Path
) -> None:
    own = tmp_path / "universe.toml"
    own.write_text(UNIVERSE.read_text().replace("\nMSFT ", "\nOURS "))
    venue = await start_venue(universe_file=own)
    bot = await venue.bot()
    await venue.publish("OURS", "100", "100")
    await bot.place("OURS")

    done = await report(venue, await id_of(bot), tmp_path / "report.html")

    assert done.returncode == 2
    assert "OURS is held, but these settings have no such instrument: use the" in done.stderr
