"""How many transactions a second PostgreSQL commits, by how many sessions write at once."""

import threading
import time
from collections.abc import Sequence
from statistics import median

import psycopg

SESSIONS = (1, 2, 4, 8)
SECONDS = 2.0
ROUNDS = 3


def commits_a_second(url: str, sessions: Sequence[int] = SESSIONS) -> dict[int, float]:
    """Return the medians of rounds that alternate; each transaction changes one small row."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE committed (id integer PRIMARY KEY, n bigint NOT NULL)")
        connection.execute(
            "INSERT INTO committed SELECT id, 0 FROM generate_series(1, %s) AS id", [max(sessions)]
        )
        rounds = [[_round(url, count) for count in sessions] for _ in range(ROUNDS)]
        connection.execute("DROP TABLE committed")
    return dict(zip(sessions, map(median, zip(*rounds, strict=True)), strict=True))


def _round(url: str, sessions: int) -> float:
    until = time.monotonic() + SECONDS
    counts = [0] * sessions

    def write(number: int) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while time.monotonic() < until:
                connection.execute("UPDATE committed SET n = n + 1 WHERE id = %s", [number + 1])
                counts[number] += 1

    writers = [threading.Thread(target=write, args=(number,)) for number in range(sessions)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return sum(counts) / SECONDS
