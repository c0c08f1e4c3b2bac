"""Verifying a database: a sound one passes, and every planted fault is reported."""

import sqlite3
from pathlib import Path

import pytest

from bottrading.v1 import account_pb2, key_management_pb2
from server.audit.verifying import verify
from server.config import DATABASE_FILE
from server.storage.commit_mark import mark_path
from tests.support.venue import Venue, VenueFactory


@pytest.fixture
async def database(data_dir: Path, start_venue: VenueFactory) -> Path:
    """Return the database of a stopped venue on which two people traded everything."""
    venue = await start_venue(fees="default", slippage="default")
    for subject in ("ada", "bob"):
        await trade(venue, subject)
    await venue.stop()
    return data_dir / DATABASE_FILE


async def trade(venue: Venue, subject: str) -> None:
    """Win, lose, reset, get a deposit, and leave orders and positions open."""
    bot, person = await venue.bot(subject, operator=True), venue.person(subject, operator=True)
    account_id = (await bot.call("GetAccount")).account.bot_user_id
    await venue.publish("AAPL", "99.995", "100.005")
    await bot.place("AAPL", "BUY", "3.333")
    await person.keys.ResetAccount(
        key_management_pb2.ResetAccountRequest(account_id=account_id), metadata=person.metadata
    )
    await person.keys.Deposit(
        key_management_pb2.DepositRequest(account_id=account_id, amount="250.00"),
        metadata=person.metadata,
    )
    for symbol, price in (("DOGE-USD", "0.16234"), ("BTC-USD", "92000.33"), ("MGC", "4120.1")):
        await venue.publish(symbol, price, price)
        await bot.place(symbol, "BUY", "0.5" if symbol == "BTC-USD" else "1")
    for price in ("0.2", "0.1", "0.3"):
        await venue.publish("DOGE-USD", price, price)
        await bot.place("DOGE-USD", "BUY", "10.5")
        await bot.place("DOGE-USD", "SELL", "7.25")
    await venue.publish("AAPL", "100", "100.01", size="2")
    await bot.place("AAPL", "BUY", "5", limit_price="100.01")
    await bot.place("DOGE-USD", "SELL", "1", limit_price="9")
    await bot.place("AAPL", "BUY", "1000000000")
    for state in ("HALTED", "ACTIVE", "REDUCING"):
        request = key_management_pb2.SetTradingStateRequest(
            account_id=account_id,
            trading_state=account_pb2.TradingState.Value(f"TRADING_STATE_{state}"),
        )
        await person.keys.SetTradingState(request, metadata=person.metadata)
        if state == "ACTIVE":
            await bot.place("AAPL", "BUY", "1", limit_price="50")
            await bot.place("DOGE-USD", "SELL", "1", limit_price="9")


def test_what_the_venue_wrote_agrees_to_the_last_digit(database: Path) -> None:
    told: list[tuple[int, int]] = []
    verdict = verify(database, progress=lambda done, expected: told.append((done, expected)))

    assert verdict.findings == []
    assert (verdict.accounts, verdict.fills > 15, verdict.orders > 20) == (3, True, True)
    assert told[0] == (0, verdict.events)
    assert told[-1] == (verdict.events, verdict.events)
    connection = sqlite3.connect(database)
    counted = connection.execute("SELECT count(*) FROM events").fetchone()
    connection.close()
    assert counted == (verdict.events,)


FAULTS = {
    "UPDATE accounts SET balance = balance + 1000000": "balance is stored as",
    "UPDATE accounts SET deposits = deposits + 1": "deposits is stored as",
    "UPDATE accounts SET reserved = reserved - 1": "reserved is stored as",
    "UPDATE accounts SET sequence = sequence + 1": "sequence is stored as",
    "UPDATE accounts SET fills = fills + 1": "fills is stored as",
    "UPDATE accounts SET live_orders = 0": "live_orders is stored as",
    "UPDATE accounts SET resets = 0": "resets is stored as",
    "UPDATE accounts SET epoch_began_at = 0": "epoch_began_at is stored as",
    "UPDATE accounts SET fees_paid = fees_paid + 1": "fees_paid is stored as",
    "UPDATE accounts SET realized_pnl = realized_pnl + 1": "realized_pnl is stored as",
    "UPDATE accounts SET trading_state = 'ACTIVE'": "trading_state is stored as",
    "UPDATE accounts SET wins = wins + 1": "wins is stored as",
    "UPDATE accounts SET gross_loss = gross_loss + 1": "gross_loss is stored as",
    "UPDATE accounts SET longest_win_streak = 9": "longest_win_streak is stored as",
    "UPDATE accounts SET trading_state = 'ASLEEP'": "a row cannot be read",
    "UPDATE accounts SET user_id = 'nobody'": "accounts: has rows",
    "UPDATE positions SET quantity = quantity + 1": "quantity of AAPL is stored as",
    "UPDATE positions SET reserved_quantity = 0": "reserved quantity of DOGE-USD is stored",
    "UPDATE positions SET average_cost = average_cost + 1": "average cost of AAPL is stored",
    "UPDATE positions SET cost_basis = cost_basis + 1, buy_fees = buy_fees - 1": "cost basis of",
    "DELETE FROM positions WHERE symbol = 'MGC'": "quantity of MGC is stored as 0.00000000",
    "UPDATE orders SET status = 'FILLED', live = 0 WHERE live": "differently from its last event",
    "UPDATE orders SET limit_price = 1 WHERE limit_price > 0": "differently from its last event",
    "UPDATE orders SET filled_notional = '1' WHERE filled_quantity > 0": "notional of order",
    "UPDATE orders SET realized_pnl = realized_pnl + 1": "profit of order",
    "DELETE FROM orders WHERE sequence = (SELECT max(sequence) FROM orders)": "and not stored",
    "UPDATE fills SET price = price + 1": "is stored differently from its event",
    "DELETE FROM fills WHERE symbol = 'MGC'": "is in the log and not stored",
    "UPDATE accounts SET initial_share = 1": "initial_share is not what deposits leave",
    "UPDATE inflows SET amount = amount + 1000000": "the deposits that are stored",
    "DELETE FROM events WHERE sequence = 7": "the log has a gap: 8 comes where 7 is due",
    "DELETE FROM events WHERE sequence = (SELECT max(sequence) FROM events)": "sequence is stored",
    "UPDATE events SET payload = x'ff' WHERE sequence = 7": "a row cannot be read: DecodeError",
    "UPDATE events SET payload = (SELECT payload FROM events WHERE sequence = 6)"
    " WHERE sequence = 7": "the log has a gap",
    "UPDATE events SET transaction_end = 99 WHERE sequence = 7": "is stored as ending with 99",
    "UPDATE events SET account_id = 'no' || account_id WHERE sequence > 20": "events: has rows",
    "UPDATE bot_keys SET account_id = 'nobody'": "bot_keys: has rows",
    "UPDATE users SET first_account_id = 'nobody'": "users: has rows",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_account_or_table(database: Path, fault: str) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    changed = connection.execute(fault).rowcount
    connection.commit()
    connection.close()
    findings = verify(database).findings

    assert changed
    assert any(FAULTS[fault] in finding for finding in findings), findings
    assert all(finding.startswith("account ") or ":" in finding for finding in findings)


def test_a_mark_beyond_the_database_or_of_another_one_is_told(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("UPDATE commits SET number = number - 3")
    connection.commit()
    assert any("the last 3 of" in finding for finding in verify(database).findings)
    connection.execute("UPDATE commits SET database_id = 'another'")
    connection.commit()
    connection.close()

    assert mark_path(database).exists()
    assert verify(database).findings == ["the commit mark belongs to another database"]
