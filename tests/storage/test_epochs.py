"""Epochs in the database: older accounts have one, and each epoch is read separately."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import DATABASE_FILE
from server.domain.account import SnapshotFilter
from server.domain.equity_curve import EquityCurve
from server.storage import migrate
from server.storage.database import open_readers
from server.storage.queries import SqlReads

OPENED_AT = 1_000_000
ALL_SNAPSHOTS = SnapshotFilter(since=None, before=2**62, width=1, limit=9)
ACCOUNT = {
    "id": "account",
    "user_id": "user",
    "created_at": OPENED_AT,
    "deposits": 100,
    "balance": 90,
    "reserved": 0,
    "sequence": 5,
    "live_orders": 0,
    "fills": 2,
    "realized_pnl": -10,
    "fees_paid": 0,
    "trading_state": "ACTIVE",
    "trades": 1,
    "wins": 0,
    "gross_profit": 0,
    "gross_loss": 10,
    "win_streak": 0,
    "loss_streak": 1,
    "longest_win_streak": 0,
    "longest_loss_streak": 1,
}
USER = {
    "id": "user",
    "issuer": "i",
    "subject": "ada",
    "name": "Ada",
    "plan": "Free",
    "is_operator": 0,
    "created_at": OPENED_AT,
}


def insert(connection: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    names, places = ", ".join(row), ", ".join("?" * len(row))
    statement = f"INSERT INTO {table} ({names}) VALUES ({places})"
    with connection:
        connection.execute(statement, list(row.values()))


@pytest.fixture
def old_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an older database, with an account that traded and two snapshots."""
    path = tmp_path / DATABASE_FILE
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "NEWEST_REVISION", "0003")
        migrate.bring_up_to_date(path)
    connection = sqlite3.connect(path)
    insert(connection, "users", USER)
    insert(connection, "accounts", ACCOUNT)
    for time, equity in ((OPENED_AT + 7, 95), (OPENED_AT + 9, 91)):
        snapshot = {"account_id": "account", "time": time, "equity": equity}
        insert(connection, "equity_snapshots", snapshot)
    connection.close()
    return path


@pytest.fixture
def reads(old_database: Path) -> Iterator[SqlReads]:
    migrate.bring_up_to_date(old_database)
    opened = SqlReads(open_readers(old_database))
    yield opened
    opened.close()


def test_an_account_of_before_is_in_the_epoch_that_it_opened_with(reads: SqlReads) -> None:
    record = reads.track_record("account", ALL_SNAPSHOTS)
    standing = reads.standing("account")

    account = record.holdings.account
    assert (account.resets, account.epoch_sequence, account.epoch_began_at) == (0, 1, OPENED_AT)
    assert (account.deposits, account.fills) == (100, 2)
    assert [equity for _, _, equity in record.snapshots] == [95, 91]
    assert record.inflows == []
    assert (account.initial_balance, account.initial_share) == (100, 1)
    assert standing.curve == EquityCurve.begin(100).added(OPENED_AT + 7, 95).added(
        OPENED_AT + 9, 91
    )


def test_what_belongs_to_earlier_epochs_is_left_out_also_when_the_clock_went_back(
    reads: SqlReads, old_database: Path
) -> None:
    """A reset with sequence 6 while the clock shows an earlier moment than all snapshots."""
    connection = sqlite3.connect(old_database)
    for sequence, time, equity in ((5, 20, 70), (6, 15, 100), (8, 16, 103)):
        row = {
            "account_id": "account",
            "time": time,
            "equity": equity,
            "sequence": sequence,
            "initial_value": equity / 2,
        }
        insert(connection, "equity_snapshots", row)
    for sequence, amount in ((4, 1), (7, 3), (8, 2)):
        row = {
            "account_id": "account",
            "sequence": sequence,
            "time": 15,
            "amount": amount,
            "equity_before": 100,
        }
        insert(connection, "inflows", row)
    with connection:
        connection.execute(
            "UPDATE accounts SET epoch_sequence = 6, epoch_began_at = 15, resets = 1, sequence = 8"
        )
    connection.close()

    record = reads.track_record("account", ALL_SNAPSHOTS)
    standing = reads.standing("account")

    assert record.snapshots == [(6, 15, 100), (8, 16, 103)]
    assert [it.amount for it in record.inflows] == [3, 2]
    assert standing.curve == EquityCurve.begin(100).added(15, 50).added(16, 51.5)
