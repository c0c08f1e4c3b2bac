"""An upgrade of a used database: reported figures stay, and positions become exact.

`database_0007.sql` is what the service wrote when revision 0007 was the newest, with fees: an
account that was reset, got a deposit and traded stocks, coins, contracts and options, and one
with an order of each side that is filled in part.
"""

import sqlite3
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from server.config import DATABASE_FILE
from server.domain.values import DAY
from server.storage.database import open_readers
from server.storage.migrate import bring_up_to_date
from server.storage.queries import SqlReads
from tests.support.accounts import kpi_of, on_margin
from tests.support.audit import audit
from tests.support.venue import NOON, VenueFactory

pytestmark = pytest.mark.sqlite_only
"""Older versions knew no other database."""

DUMP = Path(__file__).with_name("database_0007.sql")
LATER = NOON + 4 * DAY
OPTION = "AAPL261218C00260000"
ADDED = (
    "notional",
    "order_class",
    "leg",
    "parent_order_id",
    "leg_order_ids",
    "held",
    "trail_amount",
    "trail_percent",
    "watermark",
    "trail_number",
)
"""The columns of orders that migrations added; older orders have no value in them."""

HELD = "SELECT * FROM positions WHERE quantity > 0 ORDER BY symbol"
TOLD = {
    "accounts": "SELECT id, resets, sequence, deposits, balance, reserved, live_orders, fills,"
    " realized_pnl, fees_paid, trades, wins, gross_profit, gross_loss, longest_win_streak,"
    " longest_loss_streak FROM accounts ORDER BY id",
    "orders": "SELECT * FROM orders ORDER BY account_id, sequence",
    "events": "SELECT * FROM events ORDER BY account_id, sequence",
    "fills": "SELECT id, amount, fee, realized_pnl FROM fills ORDER BY account_id, sequence",
    "held": "SELECT account_id, symbol, quantity, reserved_quantity, cost_basis + buy_fees"
    " FROM positions ORDER BY account_id, symbol",
}


def read(path: Path, query: str) -> list[dict[str, Any]]:
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    rows = [dict(row) for row in connection.execute(query)]
    connection.close()
    return rows


@pytest.fixture
def old_database(data_dir: Path) -> Path:
    path = data_dir / DATABASE_FILE
    path.unlink()
    connection = sqlite3.connect(path)
    connection.executescript(DUMP.read_text())
    connection.close()
    return path


def test_an_upgrade_changes_nothing_that_was_told(old_database: Path) -> None:
    before = {name: read(old_database, query) for name, query in TOLD.items()}
    bring_up_to_date(old_database)

    after = {name: read(old_database, query) for name, query in TOLD.items()}
    added = [{name: row.pop(name) for name in ADDED} for row in after["orders"]]
    closed = [row.pop("closed_quantity") for row in after["orders"]]
    assert not any(row.pop("reduce_only") for row in after["orders"])
    assert not any(row.pop("shard") for row in after["orders"])
    assert after == before
    assert added == [dict.fromkeys(ADDED)] * len(before["orders"])
    sold = [row["filled_quantity"] * (row["side"] == "SELL") for row in before["orders"]]
    assert closed == sold
    assert all(row["rounding"] is None for row in read(old_database, "SELECT * FROM fills"))


def test_an_upgrade_makes_the_cost_of_what_is_held_exact(old_database: Path) -> None:
    """Three that cost 0.17, 0.16 and 0.16 were shown at 0.165 after sales at one price."""
    bring_up_to_date(old_database)
    held = {row["symbol"]: row for row in read(old_database, HELD) if row["symbol"] != "AAPL"}
    shares = sorted(
        row["average_cost"] for row in read(old_database, HELD) if row["symbol"] == "AAPL"
    )

    assert {symbol: row["average_cost"] for symbol, row in held.items()} == {
        "DOGE-USD": 16_234_000,
        "BTC-USD": 9_200_033_000_000,
        "MGC": 412_010_000_000,
        OPTION: 505_000_000,
        "ADA-USD": 50_000,
        "SPY": 60_001_000_000,
    }
    assert {symbol: row["cost_basis"] for symbol, row in held.items()} == {
        "DOGE-USD": 32_468_000,
        "BTC-USD": 184_001,
        "MGC": 4_120_100_000_000,
        OPTION: 101_000_000_000,
        "ADA-USD": 350_000_000,
        "SPY": 9_000_150_000,
    }
    mean = (
        Fraction("0.333") * Fraction("100.005") + Fraction("0.5") * Fraction("101.115")
    ) / Fraction("0.833")
    assert shares == [9_000_000_000, round(mean * 10**8)]


def test_deposits_and_profit_less_what_is_open_are_the_balance_after_an_upgrade(
    old_database: Path,
) -> None:
    bring_up_to_date(old_database)
    for account in read(old_database, TOLD["accounts"]):
        is_open = sum(
            row["cost_basis"] + row["buy_fees"]
            for row in read(old_database, HELD)
            if row["account_id"] == account["id"]
        )
        assert account["deposits"] + account["realized_pnl"] - is_open == account["balance"]


def test_ratios_count_the_first_day_after_an_upgrade(old_database: Path) -> None:
    """Older sums left it out; they are computed again from the snapshots."""
    bring_up_to_date(old_database)
    reads = SqlReads(open_readers(old_database))
    (ada,) = read(old_database, "SELECT * FROM accounts WHERE resets = 1")
    returns = reads.standing(ada["id"]).curve.returns
    values = dict(reads.initial_values(ada["id"]))
    reads.close()

    ends = list({time // DAY: value for time, value in values.items()}.values())
    assert returns.count == len(ends) > 1
    assert returns.first == pytest.approx(ends[0] / ada["initial_balance"] - 1, rel=1e-9)


def test_an_account_of_before_has_traded_what_it_filled_since_its_reset(
    old_database: Path,
) -> None:
    bring_up_to_date(old_database)
    rows = read(old_database, "SELECT traded FROM accounts WHERE fills > 0 ORDER BY resets")

    assert [row["traded"] for row in rows] == ["CRYPTO ETF STOCK", "COMMODITY CRYPTO OPTION STOCK"]


async def test_an_account_of_before_can_become_a_margin_account(
    old_database: Path, start_venue: VenueFactory
) -> None:
    """Its long positions are sold through zero, and what old fills lack is no fault in the log."""
    bring_up_to_date(old_database)
    assert {row["margin_mode"] for row in read(old_database, "SELECT * FROM accounts")} == {"CASH"}
    venue = await start_venue(now=LATER, fees="default")
    for name in ("ada", "bob"):
        bot = await venue.bot(name)
        await bot.call("CancelAllOrders")
        trades = (await kpi_of(bot)).total_trades
        await on_margin(bot, name)
        await venue.publish("AAPL", "90.11", "90.11", size="100000")
        held = [it for it in (await bot.portfolio()).positions if it.symbol == "AAPL"]
        await bot.place("AAPL", "SELL", "200")
        await bot.place("AAPL", "BUY", "50")
        venue.pass_time()

        (short,) = [it for it in (await bot.portfolio()).positions if it.symbol == "AAPL"]
        before = Fraction(held[0].quantity) if held else 0
        assert Fraction(short.quantity) == before - 150
        assert (await kpi_of(bot)).total_trades == trades + (2 if held else 1)
    await venue.stop()
    audit(old_database.parent)


async def test_people_trade_on_after_an_upgrade(
    old_database: Path, start_venue: VenueFactory
) -> None:
    """All is sold; orders that were filled in part go on; the balance is explained to the end."""
    bring_up_to_date(old_database)
    venue = await start_venue(now=LATER, fees="default")
    ada, bob = await venue.bot("ada"), await venue.bot("bob")
    assert {it.symbol: it.avg_cost for it in (await ada.portfolio()).positions} == {
        "AAPL": "100.67126651",
        "BTC-USD": "92000.33000000",
        "DOGE-USD": "0.16234000",
        "MGC": "4120.10000000",
        OPTION: "5.05000000",
    }
    prices = {
        "AAPL": "90.11",
        "BTC-USD": "92000.33",
        "DOGE-USD": "0.16234",
        "MGC": "4120.1",
        OPTION: "5.05",
        "ADA-USD": "0.0005",
        "SPY": "600.02",
    }
    for symbol, price in prices.items():
        await venue.publish(symbol, price, price, size="100000")
    for bot in (ada, bob):
        for position in (await bot.portfolio()).positions:
            free = Fraction(position.quantity) - Fraction(position.reserved_quantity)
            if free:
                await bot.place(position.symbol, "SELL", f"{float(free):.8f}")

    for bot in (ada, bob):
        portfolio = await bot.portfolio()
        assert not portfolio.positions
        assert portfolio.balance == portfolio.total_equity
    for account in read(old_database, TOLD["accounts"]):
        assert account["live_orders"] == 0
        assert account["deposits"] + account["realized_pnl"] == account["balance"]
        assert account["realized_pnl"] == account["gross_profit"] - account["gross_loss"]
    audit(old_database.parent)
