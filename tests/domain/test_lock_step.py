"""Lock-step: whom a replay waits for, and what a missed step leaves in the log."""

from server.domain.account_changes import miss_step, open_account
from server.domain.changes import changed
from server.domain.events import AccountUpdated, AccountUpdateType
from server.domain.lock_step import MISSED_MAX, Participant
from server.domain.values import CENT, Money

NOW = 1_000


def test_a_missed_step_changes_nothing_but_the_log() -> None:
    opened = open_account("ada", "user", Money(100 * CENT), NOW).account

    missed = miss_step(opened, 2, NOW + 1)

    assert missed.account == changed(opened, sequence=2)
    (event,) = missed.events
    assert isinstance(event, AccountUpdated)
    assert (event.type, event.sequence, event.time) == (AccountUpdateType.STEP_MISSED, 2, NOW + 1)
    assert (event.missed_steps, event.balance) == (2, opened.balance)


def test_the_clock_waits_for_who_is_neither_done_nor_excused_nor_given_up() -> None:
    called = Participant(stood=NOW, sequence=1)
    done = changed(called, done_until=NOW + 5)
    excused = changed(called, done_until=NOW - 1, excused_until=NOW + 9, missed=1)
    given_up = changed(called, missed=MISSED_MAX)

    assert [it.is_awaited(NOW) for it in (called, done, excused, given_up)] == [
        True,
        False,
        False,
        False,
    ]
    assert [it.is_done(NOW) for it in (called, done, excused)] == [False, True, False]
    assert (done.is_awaited(NOW + 5), excused.is_awaited(NOW + 9)) == (True, True)
    assert (done.away_until, excused.away_until) == (NOW + 5, NOW + 9)
