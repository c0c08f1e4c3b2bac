"""A PostgreSQL that is killed and started again, or ends sessions: the service recovers."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc
from tests.e2e.test_processes import UNFENCED
from tests.reliability.callers import Callers, Place
from tests.reliability.followers import Followers
from tests.support.audit import audit
from tests.support.databases import opened
from tests.support.postgresql import Server
from tests.support.process import Process, channel, make_key

KILLS = int(os.environ.get("SOAK_DATABASE_KILLS", "4"))


@pytest.fixture
def server(postgresql: Server, venue_url: str) -> Iterator[Server]:
    """Return the server of PostgreSQL, which runs again after the test."""
    yield postgresql
    if not postgresql.answers():
        postgresql.start()


def kill(server: Server) -> None:
    server.kill()
    server.start()


def shut_down(server: Server) -> None:
    server.stop(signal.SIGQUIT)
    server.start()


def end_the_writing_session(server: Server) -> None:
    end_sessions(server, "bottrading engine")


def end_all_sessions(server: Server) -> None:
    end_sessions(server, "bottrading %")


def end_sessions(server: Server, named: str) -> None:
    ended = server.administer(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE application_name LIKE '{named}'"
    )
    assert ended


FAULTS = [kill, end_the_writing_session, shut_down, end_all_sessions]


@pytest.mark.timeout(60 + 15 * KILLS)
def test_nothing_answered_is_lost_while_postgresql_is_killed_again_and_again(
    server: Server, tmp_path: Path
) -> None:
    directory, seconds = tmp_path / "data", list[float]()
    with Process(directory, **UNFENCED) as service:
        places = [Place(service.grpc, make_key(service, who)) for who in ("ada", "bob")]
        followers = Followers(directory, [(place, account_of(place)) for place in places])
        callers = Callers(places)
        with followers.following(), callers.calling():
            callers.wait_until_they_go_on(time.monotonic())
            for number in range(KILLS):
                FAULTS[number % len(FAULTS)](server)
                seconds.append(callers.wait_until_they_go_on(time.monotonic()))
        assert service.stop() == 0
    audit(directory)
    followers.check()
    with opened(directory) as database:
        callers.check(database)
    print(f"calls went on {max(seconds):.2f} s after PostgreSQL at the latest")


def account_of(place: Place) -> str:
    """Return the id of the account of a key."""
    with channel(place.address) as opened:
        stub = bot_trading_pb2_grpc.BotTradingStub(opened)
        request = bot_trading_pb2.GetAccountRequest()
        answer = stub.GetAccount(request, metadata=(("x-bot-key", place.key),))
    return str(answer.account.bot_user_id)
