"""Frames of calls: what they name, and what becomes of those that an engine cannot read."""

from binascii import crc32
from pathlib import Path

import pytest

from server.application.callers import SERVICE, Caller
from server.application.commands import Moved, UseSignIn
from server.calls.table import ROWS
from server.domain.sharding import ANY_SHARD, MARKET, SHARDS, shard_of
from server.domain.values import SECOND
from server.engine.frames import (
    CALL_START,
    FRAME_VERSION,
    Call,
    FrameBuffer,
    Kind,
    UnknownVersion,
    decode_moved,
    encode_use_of_sign_in,
    pack_call,
    pack_moved,
    unpack_answer,
    unpack_call,
)
from server.wire.contract import Spends, methods
from server.wire.rows import Decided
from tests.engine.bench import Bench
from tests.support.venue import NOON, ManualClock

CALLER = Caller(account_id="account", user_id="user", bot_key_id="key")


def frame_of(call: Call) -> bytes:
    (frame,) = FrameBuffer().feed(pack_call(call))
    return frame


@pytest.mark.parametrize("spends", Spends)
@pytest.mark.parametrize("shard", [0, 63, MARKET, ANY_SHARD])
def test_a_call_arrives_as_it_was_sent(spends: Spends, shard: int) -> None:
    call = Call(2**63, "PlaceOrder", CALLER, b"body", shard, spends, quota=50_000)

    assert unpack_call(frame_of(call)) == call


def test_a_call_without_a_shard_can_be_decided_anywhere_and_spends_nothing() -> None:
    call = unpack_call(frame_of(Call(1, "KnowUser", CALLER, b"")))

    assert (call.shard, call.spends, call.quota) == (ANY_SHARD, Spends.NOTHING, 0)


def test_version_and_call_id_come_first_in_every_version() -> None:
    assert CALL_START.unpack_from(frame_of(Call(77, "Any", CALLER, b""))) == (FRAME_VERSION, 77)


def test_a_call_of_an_unknown_version_cannot_be_read_but_named() -> None:
    with pytest.raises(UnknownVersion) as told:
        unpack_call(CALL_START.pack(FRAME_VERSION + 1, 5) + b"anything")

    assert told.value.call_id == 5


def test_a_moved_call_names_the_shard_that_it_belongs_to() -> None:
    (frame,) = FrameBuffer().feed(pack_moved(9, 17))
    told = unpack_answer(frame)

    assert (told.call_id, told.kind, decode_moved(told.body)) == (9, Kind.MOVED, 17)


@pytest.mark.parametrize(("moved", "told"), [(Moved(9), 9), (Moved(), ANY_SHARD)])
def test_a_command_of_another_engine_is_answered_as_moved(
    moved: Moved, told: int, data_dir: Path
) -> None:
    bench = Bench(data_dir, ManualClock(NOON))
    bench.parts.service._deciders["UseSignIn"] = lambda *_: moved
    use = encode_use_of_sign_in(UseSignIn("token", NOON // SECOND, NOON))

    (answer,) = bench.handle(Call(3, "UseSignIn", SERVICE, use))

    assert (answer.call_id, answer.kind, decode_moved(answer.body)) == (3, Kind.MOVED, told)
    bench.parts.close()


def test_the_shard_of_a_name_never_changes() -> None:
    name = "0198c0de-0000-7000-8000-000000000000"

    assert shard_of(name) == crc32(name.encode()) % 64
    assert {shard_of(str(number)) for number in range(1000)} == set(range(SHARDS))
    assert shard_of(name, shards=1) == 0


def test_quotes_alone_are_published_at_the_engine_of_the_market() -> None:
    shards = {
        method.name: row.shard
        for method in methods()
        if isinstance(row := ROWS[method.path], Decided) and row.shard is not None
    }

    assert shards == {"PublishQuotes": MARKET}
