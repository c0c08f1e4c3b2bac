"""Faults that an engine survives: an unavailable database, invalid accounts, many descriptors."""

import fcntl
import socket
from pathlib import Path

import pytest

from bottrading.v1 import market_data_pb2, order_pb2
from server.application.ports import StorageUnavailable
from server.domain.errors import Reason
from server.engine.frames import FrameBuffer, Kind, pack_call, unpack_answer
from server.engine.fronts import Fronts
from server.engine.loop import run
from tests.engine.bench import KEY_ID, Bench, call, order_of, place, reason_of
from tests.support.databases import connect

RESTING_SELL = {
    "side": order_pb2.SIDE_SELL,
    "limit_price": "200.00",
    "order_type": order_pb2.ORDER_TYPE_LIMIT,
    "quantity": "10",
}


def test_a_database_that_is_away_is_asked_once_for_a_whole_batch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the database were tried for each call in turn, the last call would wait for all others."""
    ada = bench.account("ada")
    asked: list[int] = []

    def away() -> None:
        asked.append(1)
        raise StorageUnavailable("SQLITE_BUSY")

    monkeypatch.setattr(bench.parts.writer, "end_transaction", away)
    answers = bench.handle(*(place(number, ada) for number in range(1, 9)))

    assert [reason_of(answer) for answer in answers] == [Reason.UNAVAILABLE] * 8
    assert len(asked) == 1


def test_an_account_in_an_impossible_state_does_not_stop_the_market(
    bench: Bench, data_dir: Path
) -> None:
    """Its profits are at the limit of what can be stored: its order is skipped, others fill."""
    ada, bob = bench.account("ada"), bench.account("bob")
    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    bench.handle(place(1, ada, quantity="10"), place(2, bob, quantity="10"))
    sold = bench.handle(place(3, ada, **RESTING_SELL), place(4, bob, **RESTING_SELL))
    stuck, other = (order_of(answer) for answer in sold)
    bench.parts.close()
    connection = connect(data_dir)
    connection.execute("UPDATE accounts SET gross_profit = ? WHERE id = ?", (2**63 - 1, ada))
    connection.close()

    again = Bench(data_dir, bench.clock)
    answers = again.handle(again.publish("AAPL", "201.00", "202.00"))
    again.parts.close()
    connection = connect(data_dir)
    statuses = dict(connection.execute("SELECT id, status FROM orders").fetchall())
    connection.close()

    assert market_data_pb2.PublishQuotesResponse.FromString(answers[-1].body).accepted == 1
    assert (statuses[stuck.id], statuses[other.id]) == ("OPEN", "FILLED")


def test_quotes_that_were_not_stored_are_not_stored_later(
    bench: Bench, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise StorageUnavailable("SQLITE_FULL")

    bench.handle(bench.publish("AAPL", "99.00", "100.00"))
    with monkeypatch.context() as broken:
        broken.setattr(bench.parts.writer, "end_transaction", full)
        bench.handle(bench.publish("AAPL", "7.00", "8.00"), bench.publish("MSFT", "7.00", "8.00"))
    bench.handle(passing=True)
    bench.parts.close()

    again = Bench(data_dir, bench.clock)
    shown = {quote.symbol: quote.ask for quote in again.parts.feed.board.all()}
    again.parts.close()
    assert shown == {"AAPL": 100 * 10**8}


def test_the_loop_serves_a_descriptor_above_1023(bench: Bench) -> None:
    """A front with a thousand clients passes such a descriptor to a restarted engine."""
    ours, theirs = socket.socketpair()
    high = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD, 1_500)
    theirs.close()
    with socket.socket(fileno=high) as connection, ours:
        ours.sendall(pack_call(call(1, "PlaceOrder", KEY_ID, b"\xff")))
        ours.shutdown(socket.SHUT_WR)
        run(
            Fronts(connection),
            bench.parts.service,
            bench.parts.feed.source,
            bench.clock,
            bench.clock,
        )
        answers = [unpack_answer(frame) for frame in FrameBuffer().feed(ours.recv(65536))]

    assert Kind.READY in [answer.kind for answer in answers]
    assert reason_of(answers[-1]) is Reason.MALFORMED_REQUEST
