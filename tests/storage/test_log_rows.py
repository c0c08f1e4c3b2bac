"""Logs as streams read them: whole transactions, in order, of the requested accounts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.storage.database import open_readers
from server.storage.queries import SqlReads
from tests.support.databases import connect, stored_in


@pytest.fixture
def reads(data_dir: Path) -> Iterator[SqlReads]:
    """Logs of transactions with 1, 3 and 5 events for ada, and one event of bob's."""
    connection = connect(data_dir)
    ends = [1, 4, 4, 4, 9, 9, 9, 9, 9]
    rows = [("ada", n, f"event {n}".encode(), end) for n, end in enumerate(ends, start=1)]
    rows.append(("bob", 1, b"other", 1))
    insert = (
        "INSERT INTO events (account_id, sequence, payload, transaction_end) VALUES (?, ?, ?, ?)"
    )
    for row in rows:
        connection.execute(insert, row)
    connection.close()
    opened = SqlReads(open_readers(stored_in(data_dir)))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("after", "limit", "page"),
    [
        (0, 100, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (0, 1, [1]),
        (0, 2, [1]),
        (0, 4, [1, 2, 3, 4]),
        (0, 8, [1, 2, 3, 4]),
        (1, 2, [2, 3, 4]),
        (2, 1, [3, 4]),
        (4, 3, [5, 6, 7, 8, 9]),
        (9, 5, []),
    ],
)
def test_a_page_ends_with_the_end_of_a_transaction(
    reads: SqlReads, after: int, limit: int, page: list[int]
) -> None:
    found = reads.log_page("ada", after, limit)

    assert [event.sequence for event in found] == page
    assert all(event.payload == f"event {event.sequence}".encode() for event in found)


def test_several_logs_are_read_at_once_each_after_its_own_sequence(reads: SqlReads) -> None:
    found = reads.logs_after([("bob", 0), ("ada", 7), ("nobody", 0)])

    assert [(event.account_id, event.sequence) for event in found] == [
        ("ada", 8),
        ("ada", 9),
        ("bob", 1),
    ]


def test_events_of_an_older_schema_count_as_stored_alone(data_dir: Path, reads: SqlReads) -> None:
    connection = connect(data_dir)
    connection.execute("UPDATE events SET transaction_end = NULL")
    connection.close()

    found = reads.log_page("ada", 0, 3)

    assert [(event.sequence, event.transaction_end) for event in found] == [(1, 1), (2, 2), (3, 3)]
