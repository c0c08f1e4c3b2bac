"""The connections of an engine: answers find who asked, and no other front can block it."""

import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from server.application.callers import SERVICE
from server.domain.sharding import ANY_SHARD
from server.engine import fronts as fronts_module
from server.engine.frames import (
    CALL_START,
    FRAME_VERSION,
    LENGTH,
    NOBODY,
    Answer,
    Call,
    FrameBuffer,
    Kind,
    decode_moved,
    pack_answer,
    pack_call,
    unpack_answer,
)
from server.engine.fronts import Fronts
from server.engine.unix_sockets import connected, listening


class Front:
    """The other end of a connection to the engine."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = FrameBuffer()
        connection.setblocking(False)

    def ask(self, *call_ids: int) -> None:
        for call_id in call_ids:
            self.connection.sendall(pack_call(Call(call_id, "Any", SERVICE, b"body")))

    def told(self) -> list[Answer]:
        """Return what has come by now."""
        try:
            received = self.connection.recv(1 << 22)
        except BlockingIOError:
            return []
        return [unpack_answer(frame) for frame in self._buffer.feed(received)]


class Engine:
    """The connections of an engine, with its own front and one of another replica."""

    def __init__(self, directory: Path) -> None:
        ours, theirs = socket.socketpair()
        self._listening = listening(directory / "engine.sock")
        self.path = directory / "engine.sock"
        self.fronts = Fronts(theirs, self._listening.__enter__())
        self._theirs = theirs
        self.own, self.other = Front(ours), self.connect()

    def connect(self) -> Front:
        front = Front(connected(self.path))
        assert self.fronts.receive(0) == []
        assert [answer.kind for answer in front.told()] == [Kind.READY]
        return front

    def calls(self, number: int) -> list[Call]:
        """Return calls that were sent before."""
        calls: list[Call] = []
        while len(calls) < number:
            received = self.fronts.receive(0)
            assert received
            calls += received
        return calls

    def close(self) -> None:
        self.fronts.close()
        self._theirs.close()
        self.own.connection.close()
        self.other.connection.close()
        self._listening.__exit__(None, None, None)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = Engine(tmp_path)
    yield opened
    opened.close()


def answer(call: Call, body: bytes, kind: Kind = Kind.RESPONSE) -> bytes:
    return pack_answer(call.id, kind, body)


def test_each_front_gets_the_answers_to_its_own_calls(engine: Engine) -> None:
    third = engine.connect()
    engine.own.ask(1, 2)
    engine.other.ask(1, 2)
    third.ask(2)
    calls = engine.calls(5)
    assert len({call.id for call in calls}) == 5

    engine.fronts.send([answer(call, str(place).encode()) for place, call in enumerate(calls)])

    assert engine.own.told() == [Answer(1, Kind.RESPONSE, b"0"), Answer(2, Kind.RESPONSE, b"1")]
    rest = [*engine.other.told(), *third.told()]
    assert [told.call_id for told in rest] == [1, 2, 2]
    assert {told.body for told in rest} == {b"2", b"3", b"4"}
    third.connection.close()


def test_all_fronts_learn_of_ended_keys_and_grown_logs_before_answers(engine: Engine) -> None:
    engine.other.ask(9)
    (call,) = engine.calls(1)
    kinds = [Kind.KEY_ENDED, Kind.LOGS_GROWN, Kind.QUOTES_CHANGED, Kind.TIME_PASSED]

    engine.fronts.send([*(pack_answer(NOBODY, kind, b"") for kind in kinds), answer(call, b"")])

    assert [told.kind for told in engine.own.told()] == kinds
    assert [told.kind for told in engine.other.told()] == [*kinds[:2], Kind.RESPONSE]


@pytest.mark.parametrize("kind", [Kind.MARKET_STOPPED, Kind.CALLS_DELAYED])
def test_only_the_own_front_learns_of_what_an_engine_waits_for(engine: Engine, kind: Kind) -> None:
    """A front is as ready as its own engine says, whatever others say later."""
    engine.fronts.send([pack_answer(NOBODY, kind, b"\1")])

    assert [answer.kind for answer in engine.own.told()] == [kind]
    assert engine.other.told() == []


def test_all_fronts_get_signs_of_life(engine: Engine) -> None:
    engine.fronts.tell_progress()

    for front in (engine.own, engine.other):
        assert [told.kind for told in front.told()] == [Kind.SIGN_OF_LIFE]


def test_a_call_that_waits_is_answered_to_whoever_asked(engine: Engine) -> None:
    engine.other.ask(4)
    (call,) = engine.calls(1)

    engine.fronts.send([answer(call, b"", Kind.WAITING)])
    engine.fronts.send([answer(call, b"now")])
    engine.fronts.send([answer(call, b"never twice")])

    assert engine.other.told() == [Answer(4, Kind.WAITING, b""), Answer(4, Kind.RESPONSE, b"now")]


def test_a_front_that_leaves_takes_no_other_with_it(engine: Engine) -> None:
    third = engine.connect()
    engine.other.ask(1)
    third.ask(1)
    calls = engine.calls(2)
    engine.other.connection.close()

    engine.fronts.send([answer(call, b"late") for call in calls])
    assert engine.fronts.receive(0) == []
    engine.fronts.send([answer(call, b"too late") for call in calls])

    assert third.told() == [Answer(1, Kind.RESPONSE, b"late")]
    third.connection.close()


def test_an_engine_whose_own_front_left_answers_the_others_before_it_ends(engine: Engine) -> None:
    third = engine.connect()
    engine.own.connection.close()
    assert engine.fronts.receive(0) == []
    engine.other.ask(1)
    (call,) = engine.calls(1)
    engine.fronts.send([pack_answer(NOBODY, Kind.QUOTES_CHANGED, b""), answer(call, b"done")])
    assert [told.kind for told in third.told()] == [Kind.LEAVING]
    assert [told.kind for told in engine.other.told()] == [Kind.LEAVING, Kind.RESPONSE]
    for front in (third, engine.other):
        front.connection.close()
        assert engine.fronts.receive(0) == []

    assert engine.fronts.receive(0) is None


def test_an_engine_does_not_wait_long_for_fronts_to_leave(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fronts_module, "LEAVE_SECONDS_MAX", 0.0)
    engine.own.connection.close()
    assert engine.fronts.receive(0) == []

    assert engine.fronts.receive(0) is None


def test_an_engine_that_cannot_answer_its_own_front_leaves(engine: Engine) -> None:
    engine.own.ask(1)
    (call,) = engine.calls(1)
    engine.own.connection.close()
    engine.fronts.send([answer(call, b"")])

    assert [told.kind for told in engine.other.told()] == [Kind.LEAVING]
    with pytest.raises(BrokenPipeError):
        engine._theirs.sendall(b"nobody reads")


def test_an_engine_leaves_whose_own_front_reads_nothing_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the front is paused: the session of the engine would keep its shards from others."""
    monkeypatch.setattr(fronts_module, "OWN_SECONDS_MAX", 0.01)
    engine = Engine(tmp_path)
    engine.own.ask(1)
    (call,) = engine.calls(1)
    engine.fronts.send([answer(call, b"x" * 5_000_000)])

    assert engine.fronts.is_leaving
    assert [told.kind for told in engine.other.told()] == [Kind.LEAVING]
    engine.close()


def test_a_long_decision_ends_when_the_own_front_reads_nothing_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fronts_module, "OWN_SECONDS_MAX", 0.01)
    engine = Engine(tmp_path)
    with suppress(TimeoutError):
        while True:
            engine._theirs.send(b"x" * 10_000)
    with pytest.raises(BrokenPipeError):
        engine.fronts.tell_progress()
    engine.close()


def test_a_front_that_reads_slowly_gets_everything_in_order(engine: Engine) -> None:
    bodies = [bytes([number]) * 200_000 for number in range(10)]
    engine.other.ask(*range(10))
    calls = engine.calls(10)
    engine.fronts.send([answer(call, body) for call, body in zip(calls, bodies, strict=True)])
    told = [it.body for it in engine.other.told()]
    while len(told) < 10:
        engine.fronts.receive(0)
        told += [it.body for it in engine.other.told()]

    assert told == bodies


def test_a_front_that_does_not_read_is_disconnected_and_blocks_nobody(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fronts_module, "UNREAD_BYTES_MAX", 1 << 20)
    engine.other.ask(*range(10))
    engine.fronts.send([answer(call, b"x" * 500_000) for call in engine.calls(10)])
    engine.own.ask(1)
    (call,) = engine.calls(1)
    engine.fronts.send([answer(call, b"")])

    assert [told.kind for told in engine.own.told()] == [Kind.RESPONSE]
    engine.other.connection.setblocking(True)
    engine.other.connection.settimeout(5)
    while engine.other.connection.recv(1 << 22):
        pass


def test_a_call_of_an_unknown_version_is_moved_and_hinders_no_other(engine: Engine) -> None:
    strange = CALL_START.pack(FRAME_VERSION + 1, 5) + b"anything"
    for front in (engine.own, engine.other):
        front.connection.sendall(LENGTH.pack(len(strange)) + strange)
        front.ask(6)

    assert len(engine.calls(2)) == 2
    for front in (engine.own, engine.other):
        (told,) = front.told()
        assert (told.call_id, told.kind) == (5, Kind.MOVED)
        assert decode_moved(told.body) == ANY_SHARD


def test_only_the_user_of_the_service_can_connect(engine: Engine) -> None:
    assert stat.S_IMODE(engine.path.stat().st_mode) == 0o600


def test_a_socket_takes_the_place_of_one_that_was_left_over_at_any_path(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 40) / "engine.sock"
    path.parent.mkdir()
    path.write_text("left over")

    with listening(path) as listener:
        connection = connected(path)
        accepted, _ = listener.accept()
        accepted.close()
        connection.close()

    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        connected(path)
