"""Verifying margin accounts: what the venue writes agrees, and every planted fault is reported."""

import sqlite3
from pathlib import Path

import pytest

from bottrading.v1 import account_pb2, order_pb2
from server.audit.verifying import verify
from server.config import DATABASE_FILE
from tests.support.accounts import deposit, id_of, manage, on_margin, to_midnight
from tests.support.venue import Bot, Venue, VenueFactory

SLIPPAGE = {"fees": "default", "slippage": "default"}


async def opened(venue: Venue, subject: str) -> Bot:
    """Return a bot of a new margin account."""
    bot = await venue.bot(subject, operator=True)
    await on_margin(bot, subject)
    return bot


async def trade_both_ways(venue: Venue) -> None:
    """Buy on a loan, go short through zero and back, for nights, and leave orders of each side."""
    bot = await opened(venue, "ada")
    await venue.publish("AAPL", "99.995", "100.005")
    await bot.place("AAPL", "BUY", "1500.333")
    await venue.publish("BTC-USD", "92000.33", "92000.34")
    await bot.place("BTC-USD", "BUY", "0.05")
    await to_midnight(venue)
    venue.pass_time()
    await venue.publish("AAPL", "101.11", "101.13", size="100000")
    await bot.place("AAPL", "SELL", "2001.001")
    for _ in range(2):
        await venue.publish("SPY", "600.01", "600.07", size="3")
        await bot.place("SPY", "SELL", "7")
    await to_midnight(venue)
    venue.pass_time()
    for price, side, quantity in (
        ("97", "BUY", "900.5"),
        ("103", "SELL", "1000"),
        ("98", "BUY", "3"),
    ):
        await venue.publish("AAPL", price, price, size="100000")
        await bot.place("AAPL", side, quantity)
        venue.pass_time(seconds=1_800)
    await deposit(venue, await id_of(bot), "250.00")
    await venue.publish("AAPL", "98", "98")
    await bot.place("AAPL", "BUY", "5", limit_price="90")
    await bot.place("AAPL", "SELL", "7", limit_price="110")
    await bot.place(
        "AAPL",
        "BUY",
        "2",
        order_class=order_pb2.ORDER_CLASS_BRACKET,
        take_profit={"limit_price": "120"},
        stop_loss={"stop_price": "80"},
    )
    venue.pass_time(seconds=1_800)


async def be_squeezed(venue: Venue) -> None:
    """Be short when the price rises beyond everything, and be reset; then begin once more."""
    bot = await opened(venue, "bob")
    for _ in range(2):
        await venue.publish("NVDA", "100", "100", size="100000")
        await bot.place("NVDA", "SELL", "1000")
        await bot.place("NVDA", "SELL", "10", limit_price="180")
        venue.pass_time(seconds=1_800)
        await venue.publish("NVDA", "170", "170.10", size="600")
        venue.pass_time()
        await venue.publish("NVDA", "250", "251", size="100000")
        venue.pass_time()
        venue.pass_time(seconds=1_800)
        await deposit(venue, await id_of(bot), "60000.00")
        venue.pass_time(seconds=1_800)
        await manage(venue.person("bob"), "ResetAccount", account_id=await id_of(bot))
        await manage(
            venue.person("bob"),
            "SetTradingState",
            account_id=await id_of(bot),
            trading_state=account_pb2.TRADING_STATE_ACTIVE,
        )
    await venue.publish("NVDA", "100", "100", size="100000")
    await bot.place("NVDA", "SELL", "1000")
    await venue.publish("NVDA", "250", "251", size="400")
    venue.pass_time()
    venue.pass_time(seconds=1_800)


@pytest.fixture
async def database(data_dir: Path, start_venue: VenueFactory) -> Path:
    """Return the database of a stopped venue with two margin accounts."""
    venue = await start_venue(**SLIPPAGE)
    await trade_both_ways(venue)
    await be_squeezed(venue)
    await venue.stop()
    return data_dir / DATABASE_FILE


def read(database: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_what_the_venue_writes_of_margin_accounts_agrees_to_the_last_digit(database: Path) -> None:
    assert verify(database).findings == []
    risks = (
        "SELECT interest_paid > 0, initial_share > 0 FROM accounts WHERE fills ORDER BY created_at"
    )
    assert read(database, risks) == [(True, True), (False, False)]
    shorts = (
        "SELECT symbol, open_buy_quantity > 0 FROM positions WHERE quantity < 0 ORDER BY symbol"
    )
    assert read(database, shorts) == [("AAPL", True), ("NVDA", True), ("SPY", False)]
    through_zero = "SELECT DISTINCT side FROM orders WHERE closed_quantity % filled_quantity > 0"
    assert read(database, through_zero) == [("SELL",), ("BUY",)]
    ended = (
        "SELECT DISTINCT status_reason FROM orders WHERE status_reason LIKE 'MARGIN%' ORDER BY 1"
    )
    assert read(database, ended) == [("MARGIN_CALL",), ("MARGIN_RESTORED",)]
    assert read(database, "SELECT min(equity) < 0, min(initial_value) FROM equity_snapshots") == [
        (True, 0)
    ]


POSITIONS = "UPDATE positions SET"
SNAPSHOTS = "UPDATE equity_snapshots SET"
FAULTS = {
    "UPDATE accounts SET interest_paid = interest_paid + 1": "interest_paid is stored as",
    "UPDATE accounts SET margin_mode = 'CASH'": "margin_mode is stored as",
    "UPDATE accounts SET balance = balance + interest_paid": "balance is stored as",
    "UPDATE accounts SET initial_share = 0.5 WHERE initial_share = 0": "initial_share is not what",
    f"{POSITIONS} quantity = -quantity": "quantity of NVDA is stored as",
    f"{POSITIONS} open_buy_quantity = 0": "open buys of NVDA is stored as 0.00000000",
    f"{POSITIONS} reserved_quantity = 0": "reserved quantity of AAPL is stored as 0.00000000",
    f"{POSITIONS} cost_basis = cost_basis + 1, buy_fees = buy_fees - 1": "cost basis of SPY is",
    f"{POSITIONS} average_cost = -average_cost": "average cost of SPY is stored as -",
    "UPDATE orders SET closed_quantity = closed_quantity + 1": "closed by order",
    "UPDATE orders SET reduce_only = 0": "is stored differently from its last event",
    "UPDATE orders SET bot_key_id = '' WHERE bot_key_id = 'VENUE'": "is stored differently from",
    "UPDATE fills SET realized_pnl = NULL WHERE side = 'BUY'": "is stored differently from its",
    f"{SNAPSHOTS} initial_value = equity WHERE initial_value = 0": "initial_value of snapshot 2",
    f"{SNAPSHOTS} equity = equity + 500000 * 100000000 WHERE number = 1": "and short positions",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told(database: Path, fault: str) -> None:
    connection = sqlite3.connect(database)
    changed = connection.execute(fault).rowcount
    connection.commit()
    connection.close()
    findings = verify(database).findings

    assert changed
    assert any(FAULTS[fault] in finding for finding in findings), findings
