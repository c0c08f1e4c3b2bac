"""Accounts in the engine: concurrent calls have one outcome, which is stored completely."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import error_reason_pb2, order_pb2, order_update_pb2
from bottrading.v1 import key_management_pb2 as keys
from bottrading.v1.key_management_pb2 import OpenAccountResponse
from server.domain.errors import Reason
from server.domain.user import Identity, Plan
from server.engine.frames import Answer, Call, Kind, decode_user, encode_identity
from server.storage.unit_of_work import SqlUnitOfWork
from tests.engine.bench import Bench, call, order_of, place, reason_of
from tests.support.audit import audit
from tests.support.databases import connect
from tests.support.venue import NOON, ManualClock

LIMIT = {"order_type": order_pb2.ORDER_TYPE_LIMIT, "limit_price": "90.00"}
STRANGER = "0198c0de-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def audited(data_dir: Path) -> Iterator[None]:
    """Rebuild every account from its log when a test is over."""
    yield
    audit(data_dir)


def known(bench: Bench, subject: str = "ada", plan: Plan = Plan.STANDARD) -> tuple[str, str]:
    """Return the ids of a person and of their first account."""
    identity = Identity(issuer="i", subject=subject, name=subject, plan=plan, is_operator=False)
    *_, answer = bench.handle(call(1, "KnowUser", "", encode_identity(identity)))
    user_id, account_id, _ = decode_user(answer.body)
    return user_id, account_id


def reset(number: int, user: str, account: str) -> Call:
    request = keys.ResetAccountRequest(account_id=account)
    return call(number, "ResetAccount", user, request.SerializeToString())


def deposit(number: int, account: str, amount: str) -> Call:
    request = keys.DepositRequest(account_id=account, amount=amount)
    return call(number, "Deposit", STRANGER, request.SerializeToString())


def log_of(bench: Bench, account: str) -> list[tuple[str, str, int]]:
    """Return an event, the money after it, and the last event of its transaction."""
    connection = connect(bench.data_dir)
    query = "SELECT payload, transaction_end FROM events WHERE account_id = ? ORDER BY sequence"
    rows = connection.execute(query, (account,)).fetchall()
    connection.close()
    found = []
    for payload, end in rows:
        event = order_update_pb2.AccountEvent.FromString(payload)
        if event.HasField("account_update"):
            kind = order_update_pb2.AccountUpdateType.Name(event.account_update.type)
            found.append(
                (kind.removeprefix("ACCOUNT_UPDATE_TYPE_"), event.account_update.balance, end)
            )
        else:
            kind = order_update_pb2.OrderUpdateType.Name(event.order_update.type)
            found.append(
                (kind.removeprefix("ORDER_UPDATE_TYPE_"), event.order_update.order.symbol, end)
            )
    return found


def column(bench: Bench, query: str, *parameters: Any) -> list[Any]:
    connection = connect(bench.data_dir)
    found = [row[0] for row in connection.execute(query, parameters)]
    connection.close()
    return found


def opened(answers: list[Answer]) -> list[str]:
    return [
        OpenAccountResponse.FromString(answer.body).account.bot_user_id
        for answer in answers
        if answer.kind is Kind.RESPONSE
    ]


def test_of_many_accounts_opened_at_once_as_many_are_as_the_plan_allows(bench: Bench) -> None:
    user, first = known(bench)
    calls = [call(number, "OpenAccount", user, b"") for number in range(1, 9)]

    answers = bench.handle(*calls)

    made = opened(answers)
    assert len({first, *made}) == Plan.STANDARD.accounts == len(made) + 1
    refused = [reason_of(answer) for answer in answers if answer.kind is Kind.REFUSAL]
    assert refused == [Reason.ACCOUNT_LIMIT_REACHED] * 4
    assert log_of(bench, made[0]) == [("OPENED", "100000.00", 1)]
    assert bench.grown == set(made)


def test_who_is_known_again_still_has_the_first_account(bench: Bench) -> None:
    user, first = known(bench)
    bench.handle(call(1, "OpenAccount", user, b""))

    assert known(bench) == (user, first)
    assert known(bench, plan=Plan.FREE) == (user, first)


def test_a_reset_is_stored_whole_and_its_events_end_together(bench: Bench) -> None:
    user, account = known(bench)
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity="10"))
    bench.handle(place(1, account, **LIMIT), place(2, account, symbol="MSFT", **LIMIT))
    bench.clock.now += 5

    bench.handle(reset(1, user, account))

    assert log_of(bench, account)[5:] == [
        ("CANCELLED", "MSFT", 8),
        ("CANCELLED", "AAPL", 8),
        ("RESET", "100000.00", 8),
    ]
    assert bench.grown == {account}
    assert column(bench, "SELECT status_reason FROM orders WHERE status = 'CANCELLED'") == [
        "ACCOUNT_RESET",
        "ACCOUNT_RESET",
    ]
    assert column(bench, "SELECT count(*) FROM fills") == [1]
    assert column(bench, "SELECT epoch_began_at FROM accounts") == [bench.clock.now]


def test_a_reset_that_cannot_be_stored_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, account = known(bench)
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity="10"), place(2, account, **LIMIT))
    before = log_of(bench, account)

    def fail(unit: SqlUnitOfWork) -> None:
        raise RuntimeError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(SqlUnitOfWork, "commit", fail)
        (answer,) = bench.handle(reset(1, user, account))
    sold = bench.handle(place(1, account, side=order_pb2.SIDE_SELL, quantity="10"))

    assert reason_of(answer) is Reason.INTERNAL
    assert log_of(bench, account)[: len(before)] == before
    assert order_of(sold[0]).status == order_pb2.ORDER_STATUS_FILLED


def test_a_person_who_resets_twice_at_once_has_two_epochs_one_after_another(bench: Bench) -> None:
    user, account = known(bench)

    answers = bench.handle(reset(1, user, account), reset(2, user, account))

    assert [answer.kind for answer in answers] == [Kind.RESPONSE] * 2
    assert [kind for kind, _, _ in log_of(bench, account)] == ["OPENED", "RESET", "RESET"]
    assert column(bench, "SELECT resets FROM accounts") == [2]


@pytest.mark.parametrize("reset_first", [True, False])
def test_an_order_that_fills_in_the_same_batch_is_of_one_epoch_only(
    bench: Bench, reset_first: bool
) -> None:
    user, account = known(bench)
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    calls = [place(1, account, quantity="10"), reset(2, user, account)]

    bench.handle(*(reversed(calls) if reset_first else calls))

    cents = 99_000_00 if reset_first else 100_000_00
    assert column(bench, "SELECT balance / 1000000 FROM accounts") == [cents]
    held = column(bench, "SELECT symbol FROM positions WHERE quantity > 0")
    assert held == (["AAPL"] if reset_first else [])


def test_an_order_that_was_cancelled_by_a_reset_never_fills(bench: Bench) -> None:
    user, account = known(bench)
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity="1", **LIMIT))

    bench.handle(reset(1, user, account), bench.publish("AAPL", "80.00", "81.00"))
    bench.handle(bench.publish("AAPL", "70.00", "71.00"), passing=True)

    assert [kind for kind, _, _ in log_of(bench, account)][1:] == [
        "ACCEPTED",
        "CANCELLED",
        "RESET",
    ]


def test_a_client_order_id_stays_taken(bench: Bench) -> None:
    user, account = known(bench)
    order = place(1, account, client_order_id="mine", **LIMIT)
    before = order_of(bench.handle(order)[0])
    bench.handle(reset(1, user, account))

    again = order_of(bench.handle(order)[0])

    assert (again.id, again.replayed) == (before.id, True)
    assert again.status == order_pb2.ORDER_STATUS_CANCELLED


def test_a_deposit_keeps_what_the_account_was_worth_in_its_batch(bench: Bench) -> None:
    _, account = known(bench)
    bench.handle(bench.publish("AAPL", "100.00", "100.00"))
    bench.handle(
        place(1, account, quantity="10"),
        deposit(2, account, "50.5"),
        place(3, account, quantity="1000"),
        deposit(4, account, "1000000.00"),
        place(5, account, quantity="10000", **LIMIT),
    )
    bench.handle(bench.publish("AAPL", "200.00", "200.00"))
    bench.handle(deposit(1, account, "0.01"))

    worth = column(bench, "SELECT equity_before / 1000000 FROM inflows ORDER BY sequence")
    assert worth == [10_000_000, 10_005_050, 110_105_050]
    assert column(bench, "SELECT deposits / 1000000 FROM accounts") == [110_005_051]
    kinds = [kind for kind, _, _ in log_of(bench, account)]
    assert kinds.count("DEPOSIT") == 3
    assert "REJECTED" in kinds


def test_a_deposit_that_is_too_large_changes_nothing(bench: Bench) -> None:
    _, account = known(bench)
    answers = bench.handle(*(deposit(number, account, "9999999999.99") for number in range(1, 11)))

    refused = [answer for answer in answers if answer.kind is Kind.REFUSAL]
    assert [reason_of(answer) for answer in refused] == [Reason.DEPOSIT_TOO_LARGE] * 2
    assert column(bench, "SELECT count(*) FROM inflows") == [8]
    assert column(bench, "SELECT sequence FROM accounts") == [9]


def test_the_days_loss_counts_from_the_reset_and_leaves_deposits_out(bench: Bench) -> None:
    """120 000 at midnight, 118 900 now: no deposit hides the loss, and a reset forgets it."""
    user, account = known(bench)
    rails = keys.SetGuardRailsRequest(account_id=account, daily_loss_max="1000.00")
    bench.handle(call(1, "SetGuardRails", user, rails.SerializeToString()))
    bench.handle(bench.publish("AAPL", "100.00", "100.00"))
    bench.handle(place(1, account, quantity="100"))
    bench.handle(bench.publish("AAPL", "300.00", "300.00"))
    bench.handle(passing=True)
    bench.clock.now += 86_400 * 10**6
    bench.handle(bench.publish("AAPL", "291.00", "291.00"))
    passes = order_of(bench.handle(place(1, account))[0])
    bench.handle(bench.publish("AAPL", "289.00", "289.00"), deposit(1, account, "5000.00"))

    lost = order_of(bench.handle(place(1, account))[0])
    bench.handle(reset(1, user, account))
    anew = order_of(bench.handle(place(1, account))[0])

    assert column(bench, "SELECT equity / 100000000 FROM equity_snapshots") == [120_000]
    assert lost.rejection_reason == error_reason_pb2.ERROR_REASON_DAILY_LOSS_REACHED
    for order in (passes, anew):
        assert order.status == order_pb2.ORDER_STATUS_FILLED


@pytest.mark.parametrize("account", [STRANGER, "x", ""])
def test_what_is_nobodys_account_is_not_found(bench: Bench, account: str) -> None:
    user, _ = known(bench)
    answers = bench.handle(reset(1, user, account), deposit(2, account, "1"))
    assert [reason_of(answer) for answer in answers] == [Reason.ACCOUNT_NOT_FOUND] * 2


def test_another_persons_account_is_not_found_and_an_operator_reaches_it(bench: Bench) -> None:
    (_, account), (stranger, _) = known(bench), known(bench, "eve")
    answers = bench.handle(reset(1, stranger, account), deposit(2, account, "1"))

    assert reason_of(answers[0]) is Reason.ACCOUNT_NOT_FOUND
    assert answers[1].kind is Kind.RESPONSE
    assert log_of(bench, account) == [("OPENED", "100000.00", 1), ("DEPOSIT", "100001.00", 2)]


def test_an_epoch_outlives_a_restart(data_dir: Path) -> None:
    bench = Bench(data_dir, ManualClock(NOON))
    user, account = known(bench)
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, account, quantity="10"))
    bench.handle(reset(1, user, account), deposit(2, account, "1.00"))
    bench.parts.close()

    again = Bench(data_dir, ManualClock(bench.clock.now + 1))
    again.handle(again.publish("AAPL", "99.00", "100.00"))
    sold = order_of(again.handle(place(1, account, side=order_pb2.SIDE_SELL))[0])
    bought = order_of(again.handle(place(1, account))[0])
    again.parts.close()

    assert sold.status == order_pb2.ORDER_STATUS_REJECTED
    assert bought.status == order_pb2.ORDER_STATUS_FILLED
