"""The validator of journals, which judges the histories, notices every broken promise."""

from dataclasses import replace
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reliability.journals import (
    Connection,
    Entry,
    Journal,
    Kind,
    Message,
    Promise,
    violations,
)

SYMBOLS = ("AAPL", "MSFT", None)


class Spoil(Protocol):
    """Corrupts a journal at a place."""

    __name__: str

    def __call__(self, messages: list[Message], place: int) -> None: ...


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """A log of transactions with one to four events each."""
    log: list[Entry] = []
    for size in draw(st.lists(st.integers(1, 4), min_size=4, max_size=12)):
        end = len(log) + size
        for sequence in range(len(log) + 1, end + 1):
            symbol = draw(st.sampled_from(SYMBOLS))
            log.append(Entry(sequence, end, symbol, f"event {sequence}"))
    return log


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Entry], Journal]:
    """A log, and what a reader must be sent of it over some connections that break anywhere."""
    log = draw(logs())
    symbols = draw(st.sampled_from([frozenset[str](), frozenset({"AAPL"})]))
    journal = Journal("reader", symbols)
    position = draw(st.integers(0, len(log)))
    first = True
    while position < len(log) or first:
        after = None if first and draw(st.booleans()) else position
        made = Connection(after, [Message(Kind.SUBSCRIBED, position)])
        journal.connections.append(made)
        length = draw(st.integers(1, len(log)))
        for entry in log[position:]:
            if len(made.messages) > length:
                break
            if journal.wants(entry):
                made.messages.append(Message(Kind.EVENT, entry.sequence, entry.content))
            if entry.sequence == entry.transaction_end and draw(st.booleans()):
                made.messages.append(Message(Kind.HEARTBEAT, entry.sequence))
        else:
            made.messages.append(Message(Kind.HEARTBEAT, len(log)))
        position, first = made.messages[-1].sequence, False
    return log, journal


@given(histories())
def test_a_journal_as_promised_is_without_fault(history: tuple[list[Entry], Journal]) -> None:
    log, journal = history

    assert violations(journal, log, to_the_end=True) == []


def dropped(messages: list[Message], place: int) -> None:
    del messages[place]


def doubled(messages: list[Message], place: int) -> None:
    messages.insert(place, messages[place])


def swapped(messages: list[Message], place: int) -> None:
    messages[place], messages[place + 1] = messages[place + 1], messages[place]


def torn(messages: list[Message], place: int) -> None:
    messages.insert(place + 1, Message(Kind.HEARTBEAT, messages[place].sequence))


def changed(messages: list[Message], place: int) -> None:
    messages[place] = replace(messages[place], content="something else")


def too_early(messages: list[Message], place: int) -> None:
    messages.insert(place, Message(Kind.HEARTBEAT, messages[place].sequence))


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [
        (dropped, Promise.RELIABLE),
        (doubled, Promise.UNIQUE),
        (swapped, Promise.ORDERED),
        (torn, Promise.ATOMIC),
        (changed, Promise.RELIABLE),
        (too_early, Promise.BOOKMARKABLE),
    ],
)
def test_every_event_that_is_dropped_doubled_swapped_or_torn_is_noticed(
    spoil: Spoil, promise: Promise
) -> None:
    """At every place: two transactions of three events each, as their reader got them."""
    log = [Entry(n, 3 if n <= 3 else 6, "AAPL", f"event {n}") for n in range(1, 7)]
    # A tear shows between two events of one transaction, a swap between any two.
    places = {"torn": [1, 2, 4, 5], "swapped": [1, 2, 3, 4, 5]}
    for place in places.get(spoil.__name__, [1, 2, 3, 4, 5, 6]):
        messages = [Message(Kind.SUBSCRIBED, 0)]
        messages += [Message(Kind.EVENT, entry.sequence, entry.content) for entry in log]
        spoil(messages, place)
        found = violations(
            Journal("reader", connections=[Connection(0, messages)]), log, to_the_end=True
        )
        assert promise in {it.promise for it in found}, f"at {place}: {found}"


@pytest.mark.parametrize(
    ("after", "begins_at", "first_event"),
    [(2, 1, 3), (2, 3, 4), (2, 2, 4), (2, 2, 2)],
)
def test_a_stream_that_resumes_elsewhere_is_noticed(
    after: int, begins_at: int, first_event: int
) -> None:
    log = [Entry(n, n, None, n) for n in range(1, 7)]
    whole = Connection(0, [Message(Kind.SUBSCRIBED, 0)])
    whole.messages += [Message(Kind.EVENT, n, n) for n in (1, 2)]
    resumed = Connection(after, [Message(Kind.SUBSCRIBED, begins_at)])
    resumed.messages += [Message(Kind.EVENT, n, n) for n in range(first_event, 7)]

    found = violations(Journal("reader", connections=[whole, resumed]), log, to_the_end=True)

    assert Promise.RESUMABLE in {it.promise for it in found}, found


def test_an_event_that_was_not_asked_for_is_noticed() -> None:
    log = [Entry(1, 1, "AAPL", 1), Entry(2, 2, "MSFT", 2)]
    made = Connection(0, [Message(Kind.SUBSCRIBED, 0)])
    made.messages += [Message(Kind.EVENT, n, n) for n in (1, 2)]

    found = violations(Journal("reader", frozenset({"AAPL"}), [made]), log, to_the_end=True)

    assert [it.promise for it in found] == [Promise.RELIABLE]
