"""Interest and borrow fees: charged once for each midnight, whatever happens around it."""

from pathlib import Path

import pytest

from bottrading.v1.order_update_pb2 import AccountEvent
from server.application import accruals
from server.application.ports import StorageUnavailable
from server.domain.values import DAY, SECOND, Micros
from server.storage.unit_of_work import SqlUnitOfWork
from tests.engine.bench import Bench, at, place, row
from tests.engine.margin import SELL, log_of, margin_account, since, stored
from tests.engine.test_replayed_steps import failing
from tests.support.audit import audit
from tests.support.venue import NOON, ManualClock

HOUR: Micros = 3_600 * SECOND
MIDNIGHT: Micros = (NOON // DAY + 1) * DAY


def borrowing(bench: Bench, subject: str = "ada") -> str:
    """Return an account that borrows 20 000.00 and has sold shares for 10 000.00 short."""
    account = margin_account(bench, subject)
    bench.handle(bench.publish("AAPL", "100", "100", "100000"))
    bench.handle(bench.publish("MSFT", "50", "50", "100000"))
    bench.handle(
        place(1, account, quantity="1200"), place(2, account, symbol="MSFT", quantity="200", **SELL)
    )
    bench.handle(passing=True)
    return account


def reach(bench: Bench, moment: Micros) -> None:
    bench.clock.now = moment
    bench.handle(passing=True)


def test_a_midnight_is_charged_once(bench: Bench) -> None:
    account = borrowing(bench)
    known = log_of(bench, account)
    reach(bench, MIDNIGHT - 1)
    assert since(bench, account, known) == []

    for moment in (MIDNIGHT, MIDNIGHT + 1, MIDNIGHT + DAY - 1):
        reach(bench, moment)

    # 20 000 x 8 % / 365 = 4.383…; 10 000 x 1 % / 365 = 0.273….
    assert since(bench, account, known) == ["INTEREST 4.39 and 0.28 for 1"]
    # 100 000 - 120 000 + 10 000 - 4.67
    query = "SELECT balance, interest_paid, realized_pnl, fees_paid FROM accounts"
    assert stored(bench, query) == [(-1_000_467 * 10**6, 467 * 10**6, 0, 0)]
    audit(bench.data_dir)


def test_midnights_that_were_missed_are_charged_at_the_start(bench: Bench, data_dir: Path) -> None:
    account = borrowing(bench)
    known = log_of(bench, account)
    bench.parts.close()

    again = Bench(data_dir, ManualClock(MIDNIGHT + 2 * DAY + HOUR))
    again.handle(passing=True)
    again.handle(passing=True)

    # 3 x 4.3835… = 13.1506…; 3 x 0.2739… = 0.8219….
    assert since(again, account, known) == ["INTEREST 13.16 and 0.83 for 3"]
    again.parts.close()


def test_a_restart_charges_nothing_again(bench: Bench, data_dir: Path) -> None:
    account = borrowing(bench)
    reach(bench, MIDNIGHT)
    known = log_of(bench, account)
    bench.parts.close()

    again = Bench(data_dir, bench.clock)
    again.handle(passing=True)
    assert since(again, account, known) == []
    reach(again, MIDNIGHT + DAY)
    assert len(since(again, account, known)) == 1
    again.parts.close()


def test_a_clock_that_is_set_back_charges_nothing_twice(bench: Bench) -> None:
    account = borrowing(bench)
    reach(bench, MIDNIGHT)
    known = log_of(bench, account)

    for moment in (MIDNIGHT - HOUR, MIDNIGHT, MIDNIGHT + HOUR):
        reach(bench, moment)

    assert since(bench, account, known) == []


def test_who_borrows_only_after_midnight_pays_nothing_for_it(bench: Bench) -> None:
    """The service has run for days in which nobody borrowed."""
    bench.account("bob")
    for days in range(3):
        reach(bench, MIDNIGHT + days * DAY)

    account = borrowing(bench)
    known = log_of(bench, account)
    reach(bench, MIDNIGHT + 3 * DAY)

    assert since(bench, account, known) == ["INTEREST 4.39 and 0.28 for 1"]


@pytest.mark.parametrize("number", range(4))
def test_a_failure_between_two_parts_charges_nobody_twice(
    bench: Bench, data_dir: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(accruals, "ACCOUNTS_AT_ONCE", 1)
    accounts = [borrowing(bench, name) for name in ("ada", "bob", "cyd")]

    with failing(number, StorageUnavailable):
        reach(bench, MIDNIGHT)
    bench.parts.close()
    again = Bench(data_dir, bench.clock)
    again.handle(passing=True)

    for account in accounts:
        assert log_of(again, account)[4:] == ["INTEREST 4.39 and 0.28 for 1"]
    again.parts.close()


def test_a_round_that_a_later_day_ends_charges_each_account_for_each_night(
    bench: Bench, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accruals, "ACCOUNTS_AT_ONCE", 1)
    accounts = sorted(borrowing(bench, name) for name in ("ada", "bob"))
    checkpoint = SqlUnitOfWork.checkpoint

    def fail_after(unit: SqlUnitOfWork) -> None:
        checkpoint(unit)
        raise StorageUnavailable("gone")

    with monkeypatch.context() as dying:
        dying.setattr(SqlUnitOfWork, "checkpoint", fail_after)
        reach(bench, MIDNIGHT)
    bench.parts.close()

    again = Bench(data_dir, ManualClock(MIDNIGHT + 2 * DAY))
    again.handle(passing=True)

    one, two = "INTEREST 4.39 and 0.28 for 1", "INTEREST 8.77 and 0.55 for 2"
    assert [log_of(again, account)[4:] for account in accounts] == [[one, two], [one, two]]
    again.parts.close()


def test_a_replay_charges_each_midnight_by_itself_at_its_own_time(data_dir: Path) -> None:
    rows = [
        row("01-02T15:00", "AAPL", "100", "100"),
        row("01-02T15:00", "MSFT", "50", "50"),
        row("01-05T15:00", "AAPL", "101", "101"),
    ]
    bench = Bench(data_dir, ManualClock(NOON), rows=rows, liquidity="none")
    account = margin_account(bench)
    bench.reach(at("01-02 15:00"))
    bench.handle(
        place(1, account, quantity="1200"), place(2, account, symbol="MSFT", quantity="200", **SELL)
    )
    known = log_of(bench, account)

    bench.reach(at("01-05 15:00"))

    # The loan grows by what was charged, too little to be seen.
    assert since(bench, account, known) == ["INTEREST 4.39 and 0.28 for 1"] * 3
    payloads = stored(bench, "SELECT payload FROM events ORDER BY sequence DESC LIMIT 3")
    charges = [AccountEvent.FromString(payload) for (payload,) in payloads]
    midnights = [at(f"01-0{day} 00:00") for day in (5, 4, 3)]
    assert [it.time.ToMicroseconds() for it in charges] == midnights
    bench.parts.close()
    audit(data_dir)
