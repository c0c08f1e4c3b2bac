"""Verifying equity snapshots and the sums of equity curves: every planted fault is reported."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from bottrading.v1 import key_management_pb2
from server.audit.verifying import verify
from server.config import DATABASE_FILE
from server.domain.values import DAY, SECOND
from tests.support.venue import NOON, Bot, Person, Venue, VenueFactory

OPENED = NOON + 5 * 3_600 * SECOND
"""While exchanges are open too."""

PRICES = ("101", "104", "97", "99", "99", "120", "111", "115")


@pytest.fixture
async def database(data_dir: Path, start_venue: VenueFactory) -> Path:
    """Return the database of a stopped venue on which two people traded for eight days."""
    venue = await start_venue(sessions="exchange", now=OPENED)
    ada, bob = [await Trader.open(venue, *it) for it in (("ada", "AAPL"), ("bob", "BTC-USD"))]
    await bob.reset()
    for day, price in enumerate(PRICES):
        venue.clock.now = OPENED + day * DAY + 3_600 * SECOND
        for trader in (ada, bob):
            await venue.publish(trader.symbol, price, price)
        venue.pass_time()
        if day == 3:
            await bob.deposit("5000.00")
        venue.pass_time(seconds=1_800)
    for trader in (ada, bob):
        await venue.publish(trader.symbol, "112", "112")
        await trader.bot.place(trader.symbol, "SELL", "50")
    venue.pass_time(seconds=1_800)
    await venue.stop()
    return data_dir / DATABASE_FILE


@dataclass(slots=True)
class Trader:
    """Somebody who bought 50 of a symbol at 100.00."""

    venue: Venue
    bot: Bot
    person: Person
    account_id: str
    symbol: str

    @classmethod
    async def open(cls, venue: Venue, subject: str, symbol: str) -> Self:
        """Open an account and buy."""
        bot, person = await venue.bot(subject), venue.person(subject, operator=True)
        account_id = (await bot.call("GetAccount")).account.bot_user_id
        await venue.publish(symbol, "100", "100")
        await bot.place(symbol, "BUY", "50")
        return cls(venue, bot, person, account_id, symbol)

    async def reset(self) -> None:
        """Let a snapshot be taken, and begin again."""
        self.venue.pass_time(seconds=1_800)
        request = key_management_pb2.ResetAccountRequest(account_id=self.account_id)
        await self.person.keys.ResetAccount(request, metadata=self.person.metadata)
        await self.venue.publish(self.symbol, "100", "100")
        await self.bot.place(self.symbol, "BUY", "50")

    async def deposit(self, amount: str) -> None:
        """Let money come in."""
        request = key_management_pb2.DepositRequest(account_id=self.account_id, amount=amount)
        await self.person.keys.Deposit(request, metadata=self.person.metadata)


@pytest.fixture
def connection(database: Path) -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(database, isolation_level=None)
    yield opened
    opened.close()


def test_what_the_venue_wrote_agrees(database: Path, connection: sqlite3.Connection) -> None:
    """Over a weekend, on which coins trade and stocks do not; a return of a day not yet over."""
    query = 'SELECT "returns", points FROM equity_curves ORDER BY points'

    assert verify(database).findings == []
    assert connection.execute(query).fetchall() == [(7, 17), (5, 18)]


ALL_SNAPSHOTS = "UPDATE equity_snapshots SET"
ALL_CURVES = "UPDATE equity_curves SET"
FAULTS = {
    f"{ALL_CURVES} peak = peak * 1.01": "peak is stored as",
    f"{ALL_CURVES} deepest_fall = deepest_fall / 2": "deepest_fall is stored as",
    f"{ALL_CURVES} day = day - 1": "day is stored as",
    f"{ALL_CURVES} day_value = day_value + 1000000": "day_value is stored as",
    f"{ALL_CURVES} closed_value = closed_value * 1.001": "closed_value is stored as",
    f'{ALL_CURVES} "returns" = "returns" + 1': "returns is stored as",
    f"{ALL_CURVES} mean_return = mean_return * 1.000001": "mean_return is stored as",
    f"{ALL_CURVES} squares = 4 * squares": "squares is stored as",
    f"{ALL_CURVES} downside = 0": "downside is stored as 0.0, the snapshots make it",
    f"{ALL_CURVES} first_return = -first_return": "first_return is stored as",
    f"{ALL_CURVES} returns_alike = 1": "returns_alike is stored as",
    f"{ALL_CURVES} day_counts = 0": "day_counts is stored as",
    f"{ALL_CURVES} every_day = NOT every_day": "every_day is stored as",
    f"{ALL_CURVES} points = points + 2": "are missing: 18, 19",
    f"{ALL_CURVES} points = points - 1": "than were counted",
    f"{ALL_CURVES} epoch_sequence = 2": "the equity curve belongs to no epoch of the log",
    f"{ALL_CURVES} account_id = 'no' || account_id": "equity_curves: has rows whose account",
    "DELETE FROM equity_curves": "the equity curve is missing",
    f"{ALL_SNAPSHOTS} equity = equity + 1000000 WHERE number = 5": "initial_value of snapshot 5",
    f"{ALL_SNAPSHOTS} initial_value = 1 WHERE number = 5": "initial_value of snapshot 5",
    f"{ALL_SNAPSHOTS} equity = equity * 2, initial_value = initial_value * 2"
    " WHERE number = 17": "and no position",
    f"{ALL_SNAPSHOTS} equity = equity / 2, initial_value = initial_value / 2"
    " WHERE number = 5": "deepest_fall is stored as",
    f"{ALL_SNAPSHOTS} equity = 1, initial_value = 0.00001 WHERE number = 5": "and positions",
    f"{ALL_SNAPSHOTS} time = time + 172800000001 WHERE number = 6": "squares is stored as",
    f"{ALL_SNAPSHOTS} sequence = 1 WHERE number = 5": "and no position",
    f"{ALL_SNAPSHOTS} sequence = 99 WHERE number = 5": "1 equity snapshots name no event",
    f"{ALL_SNAPSHOTS} number = 3 WHERE number = 5": "are missing: 5",
    f"{ALL_SNAPSHOTS} days_skipped = 1 WHERE number = 3": "returns is stored as",
    f"{ALL_SNAPSHOTS} day_counts = NOT day_counts WHERE number = 4": "returns is stored as",
    "DELETE FROM equity_snapshots WHERE number = 5": "are missing: 5",
    "DELETE FROM equity_snapshots WHERE number = 17": "are missing: 17",
    "DELETE FROM equity_snapshots": "are missing: 1, 2, 3, 4, 5, and more",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told(database: Path, connection: sqlite3.Connection, fault: str) -> None:
    changed = connection.execute(fault).rowcount
    findings = verify(database).findings

    assert changed
    assert any(FAULTS[fault] in finding for finding in findings), findings


def test_a_missing_snapshot_of_an_epoch_that_is_over_is_told(
    database: Path, connection: sqlite3.Connection
) -> None:
    """Its sums are gone, so that only those before its newest can be missed."""
    (bob,) = connection.execute("SELECT id FROM accounts WHERE resets = 1").fetchone()
    query = "SELECT min(time) FROM equity_snapshots WHERE account_id = ?"
    (first,) = connection.execute(query, (bob,)).fetchone()
    connection.execute(
        "UPDATE equity_snapshots SET number = 2 WHERE account_id = ? AND time = ?", (bob, first)
    )

    assert verify(database).findings == [
        f"account {bob}: equity snapshots since event 1 are missing: 1"
    ]


def test_of_snapshots_that_were_not_numbered_the_peak_and_what_followed_is_compared(
    database: Path, connection: sqlite3.Connection
) -> None:
    """Which days counted is not known of them, so the other sums cannot be made anew."""
    connection.execute(
        "UPDATE equity_snapshots SET number = NULL, day_counts = NULL, days_skipped = NULL,"
        " every_day = NULL WHERE number < 9"
    )
    assert verify(database).findings == []
    connection.execute("UPDATE equity_curves SET squares = 1, peak = peak + 1e8, day = day + 1")
    connection.execute("DELETE FROM equity_snapshots WHERE number = 12")
    findings = {finding.split(": ", 1)[1] for finding in verify(database).findings}

    assert {finding.split(" is stored")[0] for finding in findings} >= {"peak", "day"}
    assert any(finding.endswith("are missing: 12") for finding in findings)
    assert not any(finding.startswith("squares") for finding in findings)
