"""The guide of a venue in PostgreSQL: its roles are enough, and its backups restore the venue."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from tests.e2e.test_readme import ROOT
from tests.support.audit import audit
from tests.support.databases import VARIABLE
from tests.support.postgresql import Server, running_server
from tests.support.process import Process, channel, make_key

OWNER, ROLE, READER = "bottrading_owner", "bottrading", "bottrading_reader"
ONLY_WITH_PASSWORDS = "local all postgres trust\nlocal all all scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server on which two roles sign in with passwords, and the statements of the guide."""

    server: Server
    making: list[str]
    granting: list[str]
    reading: list[str]

    def url(self, role: str) -> str:
        return f"postgresql://{role}@/bottrading?host={self.server.directory}"

    def make_database(self) -> None:
        self.server.administer(self.making[-1])
        with psycopg.connect(self.server.url("bottrading"), autocommit=True) as connection:
            for statement in self.granting:
                connection.execute(statement)

    def client(self, name: str, *arguments: str) -> None:
        """Run a client of PostgreSQL as the owner."""
        command = [str(self.server.binaries / name), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def run(self, name: str, data_dir: Path, role: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of `bottrading`."""
        return subprocess.run(
            [sys.executable, "-m", "server", name, "--data-dir", str(data_dir)],
            check=False,
            env={**os.environ, VARIABLE: self.url(role)},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    guide = (ROOT / "docs" / "operators.md").read_text().split("## PostgreSQL")[1].split("\n## ")[0]
    making, granting, reading = (
        [statement.strip() for statement in block.split(";") if statement.strip()]
        for block in re.findall(r"```sql\n(.*?)```", guide, re.DOTALL)
    )
    passwords = tmp_path / "passwords"
    passwords.write_text(
        f"*:*:*:{OWNER}:change this\n*:*:*:{ROLE}:change this too\n*:*:*:{READER}:and this\n"
    )
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    with running_server() as server:
        (server.directory / "data" / "pg_hba.conf").write_text(ONLY_WITH_PASSWORDS)
        server.administer("SELECT pg_reload_conf()")
        for statement in making[:-1]:
            server.administer(statement)
        made = Cluster(server, making, granting, reading)
        made.make_database()
        monkeypatch.setenv(VARIABLE, made.url(ROLE))
        yield made


def place(service: Process, key: str, name: str) -> str:
    request = bot_trading_pb2.PlaceOrderRequest(
        symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="1", client_order_id=name
    )
    with channel(service.grpc) as opened:
        stub = bot_trading_pb2_grpc.BotTradingStub(opened)
        return str(stub.PlaceOrder(request, metadata=(("x-bot-key", key),)).order.id)


def is_known(service: Process, key: str, name: str) -> bool:
    request = bot_trading_pb2.GetOrderRequest(client_order_id=name)
    with channel(service.grpc) as opened:
        call = bot_trading_pb2_grpc.BotTradingStub(opened).GetOrder.future(
            request, metadata=(("x-bot-key", key),)
        )
        code = call.code()
    assert code in {grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND}
    return bool(code is grpc.StatusCode.OK)


def test_a_role_that_may_not_make_tables_is_told_so_in_one_line(
    cluster: Cluster, tmp_path: Path
) -> None:
    done = cluster.run("migrate", tmp_path / "data", ROLE)

    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "permission denied for schema public" in line


@pytest.mark.timeout(180)
def test_the_grants_are_enough_and_a_backup_is_the_venue_of_then(
    cluster: Cluster, tmp_path: Path
) -> None:
    data_dir, dump = tmp_path / "data", str(tmp_path / "dump")
    migrated = cluster.run("migrate", data_dir, OWNER)
    assert migrated.returncode == 0, migrated.stderr
    with psycopg.connect(cluster.url(OWNER), autocommit=True) as connection:
        for statement in cluster.reading:
            connection.execute(statement)
    with Process(data_dir) as service:
        key = make_key(service)
        first = place(service, key, "first")
        cluster.client("pg_dump", "--format=custom", f"--file={dump}", cluster.url(OWNER))
        second = place(service, key, "second")
        assert service.stop() == 0
    assert audit(data_dir) == {first, second}
    with psycopg.connect(cluster.url(READER), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (2,)
        for statement in ("SELECT * FROM secrets", "DELETE FROM orders"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement)

    cluster.server.administer("DROP DATABASE bottrading WITH (FORCE)")
    cluster.make_database()
    cluster.client("pg_restore", f"--dbname={cluster.url(OWNER)}", dump)
    with Process(data_dir, wait=False) as refused:
        assert refused.process.wait(30) != 0
        assert "lacks at least" in refused.log.read_text()
    accepted = cluster.run("accept-loss", data_dir, ROLE)
    assert accepted.returncode == 0, accepted.stderr
    with Process(data_dir) as restored:
        found = [is_known(restored, key, name) for name in ("first", "second")]
        place(restored, key, "third")
        assert restored.stop() == 0

    assert found == [True, False]
    assert len(audit(data_dir)) == 2
