"""Several engines on one database of PostgreSQL: they divide its shards and hand them over."""

from collections.abc import Callable

import pytest

from bottrading.v1 import key_management_pb2, order_pb2
from server.application.ports import SessionLost
from server.domain.named_ids import user_id
from server.domain.sharding import MARKET, SHARDS, shard_of
from server.domain.values import SECOND
from server.engine.frames import Call, Kind
from tests.engine.bench import call, order_of, place
from tests.engine.several import Engine, Engines, know, moved_to

ALL = frozenset(range(SHARDS))


def are_divided(engines: Engines) -> bool:
    """Tell whether each shard has one owner, who is also in the directory."""
    owned = [shard for engine in engines.running for shard in engine.owned()]
    query = "SELECT shard, engine_id FROM shards WHERE engine_id IS NOT NULL"
    told = dict(engines.query(query))
    for engine in engines.running:
        known = {shard for shard in told if told[shard] == engine.parts.writer.replica_id}
        assert known & ALL == engine.owned()
    return len(owned) == len(set(owned)) == SHARDS


def test_an_engine_alone_owns_everything(engines: Engines) -> None:
    engine = engines.start()

    assert engine.parts.ownership.owns_all
    assert engine.owned() == ALL
    assert engine.parts.ownership.owns(MARKET)


def test_engines_that_join_get_their_share_and_few_shards_move(engines: Engines) -> None:
    first = engines.start()
    second = engines.start()
    assert second.owned() == frozenset()
    engines.settle()
    before = [it.owned() for it in engines.running]
    assert are_divided(engines)
    engines.start()
    engines.settle()

    assert sorted(len(it.owned()) for it in engines.running) == [21, 21, 22]
    assert all(old >= engine.owned() for old, engine in zip(before, (first, second), strict=True))
    assert are_divided(engines)
    assert first.parts.ownership.owns(MARKET)


def test_nothing_moves_while_nobody_comes_or_goes(engines: Engines) -> None:
    for _ in range(3):
        engines.start()
    engines.settle()
    before = [it.owned() for it in engines.running]
    engines.settle()

    assert [it.owned() for it in engines.running] == before


@pytest.mark.parametrize("end", [Engines.leave, Engines.kill])
def test_the_shards_of_an_engine_that_ends_are_taken_within_a_second(
    engines: Engines, end: Callable[[Engines, Engine], None]
) -> None:
    first, second = engines.two()
    third = engines.start()
    engines.settle()
    end(engines, first)
    begun = engines.clock.now
    engines.settle()

    assert engines.clock.now - begun < SECOND
    assert len(second.owned()) == len(third.owned()) == SHARDS // 2
    assert are_divided(engines)
    assert sum(it.parts.ownership.owns(MARKET) for it in engines.running) == 1


def test_an_engine_that_has_lost_its_session_cannot_write(engines: Engines) -> None:
    """So it is with one that was paused for longer than its session lives."""
    first, second = engines.two()
    account = first.account(first.someone())
    first.handle(first.publish("AAPL", "99.00", "100.00"))
    engines.kill(first)
    engines.settle()
    assert second.owned() == ALL

    with pytest.raises(SessionLost):
        first.handle(place(1, account))
    with pytest.raises(SessionLost):
        first.look()
    first.parts.close()
    assert engines.query("SELECT count(*) FROM orders") == [(0,)]
    order_of(second.handle(second.publish("AAPL", "99.00", "100.00"), place(2, account))[-1])


def test_accounts_are_decided_by_their_owner_alone(engines: Engines) -> None:
    first, second = engines.two()
    mine, theirs = first.someone(), second.someone()
    (told,) = first.handle(know(theirs))
    accounts = first.account(mine), second.account(theirs)
    engines.publish("99.00", "100.00")
    answers = first.handle(place(1, accounts[0]), place(2, accounts[1]), place(3, accounts[0]))

    assert moved_to(told) == moved_to(answers[1]) == shard_of(user_id("i", theirs))
    assert [order_of(it).status for it in (answers[0], answers[2])] == [
        order_pb2.ORDER_STATUS_FILLED
    ] * 2
    order_of(second.handle(place(4, accounts[1]))[0])
    assert engines.query("SELECT count(*) FROM users") == [(2,)]


def test_a_deposit_goes_to_the_owner_of_the_named_account(engines: Engines) -> None:
    first, second = engines.two()
    mine, theirs = (it.account(it.someone()) for it in (first, second))
    answers = first.handle(deposit(1, mine), deposit(2, theirs), deposit(3, mine))

    assert [it.kind for it in answers] == [Kind.RESPONSE, Kind.MOVED, Kind.RESPONSE]
    assert moved_to(answers[1]) == shard_of(user_id("i", second.someone()))
    query = "SELECT deposits FROM accounts WHERE id = ?"
    assert engines.query(query, [theirs]) == [(100_000 * 10**8,)]
    assert second.handle(deposit(4, theirs))[0].kind is Kind.RESPONSE
    assert engines.query(query, [theirs]) == [(100_010 * 10**8,)]


def deposit(number: int, account: str) -> Call:
    request = key_management_pb2.DepositRequest(account_id=account, amount="10.00")
    return call(number, "Deposit", "", request.SerializeToString())
