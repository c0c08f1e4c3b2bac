"""Margin calls in a replay: the same log however it is played, and whatever fails in between."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bottrading.v1 import order_pb2
from server.application import accruals, margin_watch, market_feed
from server.application.ports import StorageBroken, StorageUnavailable
from tests.engine.bench import Bench, at, place, row
from tests.engine.margin import SELL, log_of, margin_account, stored
from tests.engine.test_replayed_in_bulk import Run, step_by_step
from tests.engine.test_replayed_steps import failing
from tests.support.audit import audit
from tests.support.databases import on_a_file
from tests.support.venue import NOON, ManualClock

NAMES = ("ada", "bob", "cyd")
COMMITS_MAX = 24
END = at("01-03 15:01")
FALL = [
    row("01-02T15:00", "AAPL", "100", "100", size=100_000),
    # The equity falls below the margin, and a quote fills only a part of what has to go.
    row("01-02T15:01", "AAPL", "47.61", "47.61", size=8),
    # Two quotes of one moment: the second one judges.
    row("01-02T15:02", "AAPL", "47.50", "47.50", size=10),
    row("01-02T15:02", "AAPL", "45", "45", size=50),
    row("01-02T15:03", "AAPL", "44", "44", size=100),
    # A midnight passes while a call goes on.
    row("01-03T15:00", "AAPL", "43.90", "43.90", size=90),
    row("01-03T15:01", "AAPL", "30", "30", size=100_000),
]
# After a restart, an account is judged only at newer quotes of all that it holds.
ROWS = [
    line
    for moment in sorted({line[:20] for line in FALL})
    for line in (
        *(line for line in FALL if line.startswith(moment)),
        f"{moment},MSFT,50,100000,50,100000",
    )
]


def borrowing(data_dir: Path, **options: Any) -> tuple[Bench, list[str]]:
    """Return a replay at its first quotes, with accounts that have borrowed and sold short."""
    bench = Bench(data_dir, ManualClock(NOON), rows=ROWS, **options)
    accounts = [margin_account(bench, name) for name in NAMES]
    bench.reach(at("01-02 15:00"))
    for account in accounts:
        bench.handle(
            place(1, account, quantity="1500"),
            place(2, account, symbol="MSFT", quantity="10", **SELL),
            place(
                3,
                account,
                quantity="5",
                order_type=order_pb2.ORDER_TYPE_LIMIT,
                limit_price="46.00",
            ),
        )
    return bench, accounts


def outcome(bench: Bench, accounts: list[str]) -> list[Any]:
    """Return the logs and the money of all accounts."""
    audit(bench.data_dir)
    money = "SELECT balance, interest_paid, live_orders, sequence FROM accounts ORDER BY user_id"
    return [*(log_of(bench, account) for account in accounts), stored(bench, money)]


@pytest.fixture(scope="module", autouse=True)
def one_account_a_transaction() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accruals, "ACCOUNTS_AT_ONCE", 1)
        patch.setattr(margin_watch, "ACCOUNTS_AT_ONCE", 1)
        patch.setattr(market_feed, "ORDERS_A_TRANSACTION_MAX", 1)
        yield


@pytest.fixture(scope="module")
def calm(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return the outcome on SQLite when nothing fails."""
    with on_a_file(empty_database, tmp_path_factory.mktemp("replay") / "calm") as other:
        bench, accounts = borrowing(other)
        bench.reach(END)
        bench.parts.close()
        found = outcome(bench, accounts)
    told = ("MARGIN_CALL", "INTEREST", "BANKRUPT")
    assert [line for line in found[0] if line.startswith(told)] == [
        # 1 500 x 47.61 - 49 500 - 500, of 30 % of 71 415 and of 500: MSFT and 8 shares are enough.
        "MARGIN_CALL 21415.00 of 21574.50",
        # 1 492 x 45 - 49 619.12, of 30 % of 67 140.
        "MARGIN_CALL 17520.88 of 20142.00",
        # 8 % / 365 of 49 619.12 - 50 x 45 - 100 x 44.
        "INTEREST 9.42 and 0.00 for 1",
        "BANKRUPT",
    ]
    assert found[0] == found[1] == found[2]
    return found


@pytest.mark.parametrize("number", range(COMMITS_MAX))
def test_a_commit_that_fails_doubles_nothing_of_a_call(
    data_dir: Path, calm: list[Any], number: int
) -> None:
    bench, accounts = borrowing(data_dir)

    with failing(number, StorageUnavailable):
        bench.reach(END)
    bench.reach(END)
    bench.parts.close()

    assert outcome(bench, accounts) == calm


@pytest.mark.parametrize("number", range(COMMITS_MAX))
def test_a_kill_in_the_middle_of_a_call_doubles_nothing(
    data_dir: Path, calm: list[Any], number: int
) -> None:
    bench, accounts = borrowing(data_dir)

    with failing(number, StorageBroken), suppress(StorageBroken):
        bench.reach(END)
    bench.parts.close()
    again = Bench(data_dir, bench.clock, rows=ROWS)
    again.reach(END)
    again.parts.close()

    assert outcome(again, accounts) == calm


def test_these_are_all_the_commits_there_are(data_dir: Path) -> None:
    bench, _ = borrowing(data_dir)
    with failing(-1, StorageUnavailable) as done:
        bench.reach(END)
    bench.parts.close()
    assert 3 * len(NAMES) < len(done) <= COMMITS_MAX


class Leveraged(Run):
    """A replay of drawn quotes by accounts that borrow up to twenty times their equity."""

    OPTIONS: ClassVar = {"margin_initial": "5", "margin_maintenance": "4"}
    QUANTITIES: ClassVar = ["1", "40", "1000", "3000"]

    def __init__(self, data_dir: Path, seed: int) -> None:
        super().__init__(data_dir, seed)
        self.accounts = [margin_account(self.bench, name) for name in ("ada", "bob")]


def in_order(found: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Sort the rows of each table; PostgreSQL returns them in any order."""
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


@pytest.mark.parametrize("seed", range(4))
def test_bulk_and_steps_leave_the_same_rows_of_margin_accounts(
    data_dir: Path,
    empty_database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    """The steps are played on SQLite, whichever database has the replay in bulk."""
    in_bulk = Leveraged(data_dir, seed)
    found = in_bulk.play()
    with on_a_file(empty_database, tmp_path / "other") as other, monkeypatch.context() as patch:
        step_by_step(patch)
        expected = Leveraged(other, seed).play()

    assert in_order(found) == in_order(expected)
    audit(data_dir)
    lines = [line.split()[0] for it in in_bulk.accounts for line in log_of(in_bulk.bench, it)]
    assert {"MARGIN_CALL", "INTEREST", "BANKRUPT"} & set(lines), "nothing happened"
