"""Windows of spenders: what is stored ahead, and what is counted after a crash."""

from server.application.spending_ports import StoredWindow
from server.application.spending_windows import CLOCKS_APART_MAX, Window
from server.domain.values import SECOND

MINUTE = 60 * SECOND


def test_calls_that_a_row_foresees_need_no_other_row() -> None:
    window = Window(20)
    assert not window.add(1)
    window.foresee(5, 1)

    assert [window.add(moment) for moment in range(2, 8)] == [True] * 5 + [False]


def test_a_row_foresees_calls_for_a_minute_only() -> None:
    window = Window(20)
    window.foresee(5, 0)

    assert window.add(MINUTE - 1)
    assert not window.add(MINUTE)


def test_a_stored_window_groups_calls_and_makes_none_older_than_it_is() -> None:
    window = Window(8)
    for moment in (10, 20, 30):
        window.add(moment)

    assert window.to_store(100, ahead=True) == StoredWindow(((80, 2), (70, 1)), 2)
    assert window.to_store(100, ahead=False) == StoredWindow(((80, 2), (70, 1)), 0)


def test_what_was_foreseen_counts_as_spent_once_it_is_loaded() -> None:
    window = Window(4)
    window.load(StoredWindow(((0, 2),), 1), 10 * SECOND, 100 * SECOND, 100 * SECOND)

    assert not window.is_full(100 * SECOND)
    window.add(100 * SECOND)
    assert window.is_full(100 * SECOND)
    assert window.is_doubtful(100 * SECOND)
    assert window.is_full(100 * SECOND + MINUTE - 10 * SECOND)
    assert not window.is_full(100 * SECOND + MINUTE - 10 * SECOND + CLOCKS_APART_MAX)


def test_a_refusal_is_doubtful_only_if_the_limit_is_not_reached_without_what_was_foreseen() -> None:
    window = Window(2)
    window.load(StoredWindow(((0, 2),), 1), 0, 100 * SECOND, 100 * SECOND)
    assert window.is_full(100 * SECOND)
    assert not window.is_doubtful(100 * SECOND)

    later = Window(1)
    later.load(StoredWindow((), 1), 0, 100 * SECOND, 100 * SECOND)
    assert later.is_doubtful(100 * SECOND)
    later.add(160 * SECOND)
    assert later.is_full(160 * SECOND)
    assert not later.is_doubtful(160 * SECOND)


def test_what_was_foreseen_long_ago_is_over() -> None:
    window = Window(4)
    stored = StoredWindow(((0, 2),), 1)
    window.load(stored, 90 * SECOND, 500 * SECOND, 500 * SECOND)
    figures = window.figures(500 * SECOND)
    assert figures is not None
    assert (figures.remaining, figures.reset_in) == (3, 30 * SECOND + CLOCKS_APART_MAX)

    window = Window(4)
    window.load(stored, 2 * MINUTE + CLOCKS_APART_MAX, 500 * SECOND, 500 * SECOND)
    figures = window.figures(500 * SECOND)
    assert figures is not None
    assert figures.remaining == 4


def test_nothing_that_was_foreseen_is_spent_after_somebody_else_took_over() -> None:
    window = Window(4)
    window.load(StoredWindow((), 1), 50 * SECOND, 460 * SECOND, 500 * SECOND)

    figures = window.figures(500 * SECOND)
    assert figures is not None
    assert (figures.remaining, figures.reset_in) == (3, 20 * SECOND)


def test_a_window_without_a_limit_keeps_nothing() -> None:
    window = Window(0)
    window.load(StoredWindow(((0, 2),), 1), 0, 0, 0)

    assert window.figures(0) is None
    assert window.to_store(0, ahead=True) == StoredWindow()
