"""The margin watch: whom it leaves alone, and how it divides its work."""

import logging
from pathlib import Path

import pytest

from bottrading.v1 import account_pb2, key_management_pb2, order_pb2
from server.application import margin_watch
from server.application.timekeeping import ENDINGS_TIME_MAX
from server.domain.values import DAY, SECOND, Micros
from server.engine.frames import Answer, Kind, decode_delays
from tests.engine.bench import Bench, at, order_of, place, row
from tests.engine.margin import SELL, log_of, manage, margin_account, second, since, squeeze
from tests.engine.stepped import Stepped
from tests.engine.test_margin_calls import long_on_margin
from tests.support.databases import opened
from tests.support.venue import NOON, ManualClock

HOUR: Micros = 3_600 * SECOND
CLOSED = [
    "MARGIN_CALL 21415.00 of 21424.50",
    "ACCEPTED SELL 1500 AAPL by the venue",
    "FILLED SELL 1500 AAPL 1500 at 47.61 by the venue",
]


def test_an_account_that_breaks_an_invariant_stops_and_others_are_called(
    bench: Bench, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ada, bob = long_on_margin(bench, "ada"), long_on_margin(bench, "bob")
    bench.parts.close()
    with opened(data_dir) as connection:
        connection.execute("UPDATE accounts SET gross_loss = ? WHERE id = ?", (2**63 - 1, ada))
    again = Bench(data_dir, bench.clock)
    known = log_of(again, ada)

    with caplog.at_level(logging.ERROR):
        squeeze(again, "AAPL", "47.61")
        squeeze(again, "AAPL", "47.60")
    again.clock.now += DAY
    again.handle(passing=True)

    assert since(again, bob, known) == CLOSED
    # What was decided before the broken part stays; nothing follows, and no night is charged.
    assert since(again, ada, known) == CLOSED[:1]
    assert len([record for record in caplog.records if ada in record.message]) == 1
    again.parts.close()


def test_a_closed_market_begins_no_call(data_dir: Path) -> None:
    """At the opening the account is judged at the first prices of the new session."""
    bench = Bench(data_dir, ManualClock(NOON + 4 * HOUR), sessions="exchange")
    account = long_on_margin(bench)
    known = log_of(bench, account)
    bench.clock.now = NOON + 10 * HOUR
    squeeze(bench, "AAPL", "40")
    assert since(bench, account, known) == []

    bench.clock.now = NOON + DAY + 3 * HOUR
    second(bench)
    assert since(bench, account, known) == ["INTEREST 10.96 and 0.00 for 1"]
    squeeze(bench, "AAPL", "45")

    assert since(bench, account, known)[1] == "MARGIN_CALL 17489.04 of 20250.00"
    bench.parts.close()


class SlowClock:
    """A monotonic clock on which every look takes as long as a part may take."""

    def __init__(self) -> None:
        self.now: Micros = 0

    def __call__(self) -> Micros:
        self.now += ENDINGS_TIME_MAX
        return self.now


def test_calls_are_answered_between_two_parts_of_a_round(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(margin_watch, "ACCOUNTS_AT_ONCE", 1)
    bench = Bench(data_dir, ManualClock(NOON), monotonic=SlowClock())
    accounts = [long_on_margin(bench, name) for name in ("ada", "bob", "cyd")]
    known = {account: log_of(bench, account) for account in accounts}
    bench.handle(passing=True)
    while bench.parts.service.is_behind:
        bench.handle(passing=True)

    squeeze(bench, "AAPL", "47.61")
    parts = 1
    while bench.parts.service.is_behind:
        called = [account for account in accounts if since(bench, account, known[account])]
        assert len(called) <= 2 * parts
        bench.handle(passing=True)
        parts += 1

    assert parts > 1
    assert [since(bench, account, known[account]) for account in accounts] == [CLOSED] * 3
    bench.parts.close()


def test_within_a_second_nobody_is_looked_at_twice(bench: Bench) -> None:
    account = long_on_margin(bench)
    second(bench)
    known = log_of(bench, account)

    bench.handle(bench.publish("AAPL", "47.61", "47.61", "100000"))
    bench.handle(passing=True)
    assert since(bench, account, known) == []
    second(bench)

    assert since(bench, account, known) == CLOSED


def test_nothing_is_opened_while_a_call_goes_on(bench: Bench) -> None:
    account = long_on_margin(bench)
    squeeze(bench, "AAPL", "40", size="10")

    *_, answer = bench.handle(place(2, account, symbol="AAPL", quantity="1"))

    order = order_of(answer)
    assert order.status == order_pb2.ORDER_STATUS_REJECTED
    assert "margin" in order.rejection_message


def test_a_call_begins_again_after_the_margin_held(bench: Bench) -> None:
    account = long_on_margin(bench)
    squeeze(bench, "AAPL", "47.61", size="10")
    squeeze(bench, "AAPL", "60")
    known = log_of(bench, account)

    squeeze(bench, "AAPL", "45", size="100000")

    # 1 490 x 45 - 49 523.90, of 30 % of 67 050.
    assert since(bench, account, known)[0] == "MARGIN_CALL 17526.10 of 20115.00"


def test_a_replay_in_lock_step_charges_and_calls_at_the_same_moments(data_dir: Path) -> None:
    """Whatever the times that bots name: a midnight is a moment of its own."""
    rows = [
        row("01-02 15:00", "AAPL", "100", "100", size=100_000),
        row("01-04 15:00", "AAPL", "47.60", "47.60", size=100_000),
        row("01-04 16:00", "AAPL", "47.60", "47.60", size=100_000),
    ]
    replay = Stepped(data_dir, rows=rows)
    account = replay.account("ada")
    request = key_management_pb2.SetMarginModeRequest(
        account_id=account, margin_mode=account_pb2.MARGIN_MODE_MARGIN
    )
    manage(replay.bench, "ada", "SetMarginMode", request)
    replay.step(account, "01-02 15:00")
    replay.place(account, quantity="1500")
    replay.step(account, "01-04 16:00")

    told = [event for event in replay.log(account) if event.HasField("account_update")]
    times = [event.time.ToMicroseconds() for event in told[-3:]]
    replay.close()
    assert times == [at("01-03 00:00"), at("01-04 00:00"), at("01-04 15:00")]
    assert log_of(replay.bench, account)[2:] == [
        "INTEREST 10.96 and 0.00 for 1",
        "INTEREST 10.97 and 0.00 for 1",
        # 1 500 x 47.60 - 50 021.93, of 30 % of 71 400.
        "MARGIN_CALL 21378.07 of 21420.00",
        "ACCEPTED SELL 1500 AAPL by the venue",
        "FILLED SELL 1500 AAPL 1500 at 47.6 by the venue",
    ]


def test_setting_the_mode_back_ends_the_watch(bench: Bench) -> None:
    account = margin_account(bench)
    request = key_management_pb2.SetMarginModeRequest(
        account_id=account, margin_mode=account_pb2.MARGIN_MODE_CASH
    )
    manage(bench, "ada", "SetMarginMode", request)
    second(bench)

    assert not bench.parts.writer.at_risk.accounts()


def test_rounding_calls_nobody_who_owes_nothing(bench: Bench) -> None:
    account = margin_account(bench)
    bench.handle(bench.publish("AAPL", "100", "100", "100000"), place(1, account, quantity="1000"))
    bench.handle(
        bench.publish("AAPL", "200", "200", "100000"),
        bench.publish("BTC-USD", "100", "100", "100000"),
        place(2, account, symbol="BTC-USD", quantity="999.1"),
    )
    second(bench)
    known = log_of(bench, account)

    # The equity is 100 000 - 99 910 - 100 000 + 99 910 + 99 919.991; all of it is paid in full.
    bench.handle(
        bench.publish("BTC-USD", "100.01", "100.01", "100000"),
        bench.publish("AAPL", "99.91", "99.91", "100000"),
        place(3, account, quantity="1000", **SELL),
    )
    second(bench)

    assert since(bench, account, known) == [
        "ACCEPTED SELL 1000 AAPL",
        "FILLED SELL 1000 AAPL 1000 at 99.91",
    ]


def delays(told: list[Answer]) -> list[dict[str, int]]:
    """Return what notifications tell of margin calls that wait for quotes."""
    return [decode_delays(it.body) for it in told if it.kind is Kind.CALLS_DELAYED]


def pass_seconds(bench: Bench, seconds: int = 1) -> list[dict[str, int]]:
    """Let time pass, with a look at each second, and return which delays are told."""
    told = list[Answer]()
    for _ in range(seconds):
        bench.clock.turn(seconds=1)
        told += bench.handle(passing=True)
    while bench.parts.service.is_behind:
        told += bench.handle(passing=True)
    return delays(told)


@pytest.mark.parametrize("at_once", [1, 100])
def test_calls_that_wait_for_quotes_are_told_until_these_come(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Otherwise nobody would know why an account below its margin keeps its positions."""
    monkeypatch.setattr(margin_watch, "ACCOUNTS_AT_ONCE", at_once)
    bench = Bench(data_dir, ManualClock(NOON), monotonic=SlowClock())
    accounts = [long_on_margin(bench, name) for name in ("ada", "bob", "cyd")]
    bench.handle(*(bench.publish(symbol, "50", "50") for symbol in ("MSFT", "SPY")))
    orders = [place(2, account, symbol="MSFT", quantity="1") for account in accounts]
    bench.handle(*orders, place(3, accounts[0], symbol="SPY", quantity="1"))
    assert pass_seconds(bench, 20) == [], "prices are stale, and nobody is below the margin"
    bench.handle(bench.publish("AAPL", "47.00", "47.00", "100000"))

    assert pass_seconds(bench, 2) == [{"MSFT": 3, "SPY": 1}]
    bench.handle(bench.publish("MSFT", "50", "50"))
    assert pass_seconds(bench) == [{"SPY": 1}]
    bench.handle(bench.publish("SPY", "50", "50"))
    assert pass_seconds(bench) == [{}]

    for account in accounts:
        lines = [line.split()[0] for line in log_of(bench, account)]
        assert lines.count("MARGIN_CALL") == 1
    bench.parts.close()


def test_what_is_paid_in_full_delays_the_rest_of_a_call(bench: Bench) -> None:
    account = long_on_margin(bench)
    bench.handle(bench.publish("BTC-USD", "100", "100", "100000"))
    bench.handle(place(2, account, symbol="BTC-USD", quantity="1"))
    bench.clock.turn(seconds=60)
    bench.handle(bench.publish("AAPL", "33.30", "33.30", "100000"))

    assert pass_seconds(bench, 2) == [{"BTC-USD": 1}]


def test_a_closed_market_delays_no_call(data_dir: Path) -> None:
    """No quote would help before the opening."""
    bench = Bench(data_dir, ManualClock(NOON + 4 * HOUR), sessions="exchange")
    long_on_margin(bench)
    bench.clock.now = NOON + 10 * HOUR
    bench.handle(bench.publish("AAPL", "40", "40"))

    assert pass_seconds(bench) == []
    bench.clock.now = NOON + DAY + 3 * HOUR
    assert pass_seconds(bench) == [{"AAPL": 1}]
    bench.parts.close()


def test_a_restart_tells_the_calls_that_wait(bench: Bench, data_dir: Path) -> None:
    """Even at the price of 100, which is the last one that a file stores."""
    long_on_margin(bench)
    bench.handle(passing=True)
    account = bench.account("ada")
    bench.handle(bench.publish("AAPL", "40", "40", "10"), place(2, account, quantity="1", **SELL))
    bench.parts.close()
    # In PostgreSQL, quotes stay fresh over a restart.
    bench.clock.turn(seconds=60)

    again = Bench(data_dir, bench.clock)

    assert pass_seconds(again) == [{"AAPL": 1}]
    again.handle(again.publish("AAPL", "40", "40", "100000"))
    assert not again.parts.writer.at_risk.accounts()
    assert pass_seconds(again) == [{}], "nobody is looked at, and the front is told"
    again.parts.close()
