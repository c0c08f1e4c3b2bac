"""Engines that are killed or paused while two servers of a venue are under load.

The bounds on times hold when the machine has nothing else to do, as in `make soak`.
"""

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2_grpc as rpc
from server.domain.values import SCALE
from tests.reliability.callers import ORDERS_MAX, Placed, request_of
from tests.reliability.several_servers import Servers
from tests.support.databases import opened
from tests.support.process import channel
from tests.support.venue import told

KILLS = int(os.environ.get("SOAK_OWNER_KILLS", "4"))
PAUSES = int(os.environ.get("SOAK_OWNER_PAUSES", "1"))
JOINS = int(os.environ.get("SOAK_JOINS", "1"))
SLOWNESS = 1.0 if "SOAK_OWNER_KILLS" in os.environ else 5.0
"""What the times may be multiplied with when other tests run at the same time."""

GOES_ON_SECONDS_MAX = 3.0 * SLOWNESS
TAKEN_SECONDS_MAX = 1.5 * SLOWNESS
SENT_SECONDS_MAX = 1.5 * SLOWNESS
NOBODY = 90
"""The number of a caller beside those of the servers."""


@pytest.mark.timeout(120 + 15 * KILLS)
def test_calls_and_streams_go_on_while_owners_are_killed_again_and_again(
    venue_url: str, tmp_path: Path
) -> None:
    """Every other time the next engine is held back, so that the other server takes over.

    Before each kill, and two times of four after it, nothing new is called. The streams must then
    be told of what was stored last, because no later entry tells them.
    """
    went_on, taken, sent = list[float](), list[float](), list[float]()
    with Servers(venue_url, tmp_path) as servers, servers.load():
        for number in range(KILLS):
            is_held, is_quiet = number % 2 == 1, number % 4 >= 2
            victim, other = servers.all[:: -1 if (number + number // 2) % 2 else 1]
            servers.wait_until_owner(victim, other)
            with servers.callers.paused():
                servers.callers.wait_until_idle()
                sent.append(servers.followers.wait_for_the_end())
            servers.callers.wait_until_they_go_on(time.monotonic())
            begun = time.monotonic()
            with ExitStack() as during:
                if is_quiet:
                    during.enter_context(servers.callers.paused())
                if is_held:
                    during.enter_context(servers.killed_and_held_back(victim))
                    taken.append(servers.wait_until_owned_by(other, begun))
                else:
                    os.kill(victim.engine(), signal.SIGKILL)
                if is_quiet:
                    servers.callers.wait_until_idle()
                    went_on.append(time.monotonic() - begun)
                    sent.append(servers.followers.wait_for_the_end())
                else:
                    went_on.append(servers.callers.wait_until_they_go_on(begun))
                assert not is_held or servers.owned(victim) == set()
    print(f"the longest: calls {went_on}, shards {taken}, streams {sent}")
    assert max(went_on) < GOES_ON_SECONDS_MAX, went_on
    assert max(taken, default=0) < TAKEN_SECONDS_MAX, taken
    assert max(sent, default=0) < SENT_SECONDS_MAX, sent


@pytest.mark.timeout(120 + 20 * PAUSES)
def test_a_paused_owner_that_wakes_up_stores_nothing_and_begins_anew(
    venue_url: str, tmp_path: Path
) -> None:
    """Its session ends while it is paused, and the other server takes over.

    The call that it finds when it wakes up is about an account that nobody else has used meanwhile.
    """
    taken = list[float]()
    with Servers(venue_url, tmp_path, engine_answer_seconds="60") as servers, servers.load():
        for number in range(PAUSES):
            victim, other = servers.all[:: -1 if number % 2 else 1]
            servers.wait_until_owner(victim, other)
            stray = Placed(SCALE + NOBODY * ORDERS_MAX + number, "")
            metadata = (("x-bot-key", servers.key_owned_by(victim)),)
            with channel(victim.grpc) as opened_channel:
                stub = rpc.BotTradingStub(opened_channel)
                with ExitStack() as during:
                    # An engine that is paused within a batch has lost it already when it wakes up.
                    with servers.callers.paused():
                        servers.callers.wait_until_idle()
                        during.enter_context(servers.stopped(victim))
                    call = stub.PlaceOrder.future(request_of(stray), metadata=metadata, timeout=60)
                    # The front takes calls in the order in which they come.
                    victim.wait_until_ready()
                    servers.end_session(victim)
                    ended = time.monotonic()
                    taken.append(servers.wait_until_owned_by(other, ended))
                    servers.callers.wait_until_they_go_on(ended, but_at=victim.grpc)
                error = call.exception()
            assert isinstance(error, grpc.RpcError)
            refusal = told(error)
            assert (refusal.code, refusal.executed) == (grpc.StatusCode.UNAVAILABLE, None), refusal
            servers.callers.wait_until_they_go_on(time.monotonic())
            with opened(victim.data_dir) as database:
                query = "SELECT id FROM orders WHERE quantity = ?"
                assert database.execute(query, [stray.quantity]) == []
    print(f"the longest: shards {taken}")
    assert max(taken) < TAKEN_SECONDS_MAX, taken


@pytest.mark.timeout(120 + 30 * JOINS)
def test_calls_go_on_while_a_third_server_joins_and_leaves_and_engines_are_killed(
    venue_url: str, tmp_path: Path
) -> None:
    went_on = list[float]()
    with Servers(venue_url, tmp_path) as servers, servers.load():
        for number in range(JOINS):
            with servers.server("three") as third:
                servers.wait_until_owner(*servers.all, third)
                begun = time.monotonic()
                os.kill([third, *servers.all][number % 3].engine(), signal.SIGKILL)
                went_on.append(servers.callers.wait_until_they_go_on(begun))
                servers.wait_until_owner(third)
                begun = time.monotonic()
                assert third.stop() == 0
                went_on.append(servers.callers.wait_until_they_go_on(begun))
    print(f"the longest: calls {went_on}")
    assert max(went_on) < GOES_ON_SECONDS_MAX, went_on
