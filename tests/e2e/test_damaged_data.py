"""Starting `bottrading serve` on data that is damaged, lost or foreign."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc, order_pb2
from server.config import DATABASE_FILE, JWT_SECRET_FILE, TICKET_SECRET_FILE
from server.processes.exit_status import ExitStatus
from server.storage.commit_mark import mark_path
from tests.support.process import Process, channel, free_port, make_key, wait_until_gone

GUIDE = "docs/operators.md#backup"


def refused(data_dir: Path, command: str = "serve") -> str:
    """Return the one line by which a command refuses a data directory."""
    address = ["--grpc", f"127.0.0.1:{free_port()}", "--no-rest"] if command == "serve" else []
    words = [command, "ada"] if command == "token" else [command]
    done = subprocess.run(
        [sys.executable, "-m", "server", *words, "--data-dir", str(data_dir), *address],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"bottrading: .+\n", done.stderr)
    return done.stderr


def refused_not(data_dir: Path) -> bool:
    """Tell whether a service starts on a data directory and stops well."""
    with Process(data_dir) as service:
        return service.stop() == 0


def damage(database: Path, table: str) -> None:
    """Overwrite the first page of a table."""
    connection = sqlite3.connect(database)
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    (page,) = connection.execute(query, (table,)).fetchone()
    connection.close()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_where_a_database_was_a_new_one_is_made_only_when_told_so(
    tmp_path: Path, state: str
) -> None:
    database = tmp_path / "data" / DATABASE_FILE
    with Process(tmp_path / "data") as service:
        make_key(service)
        service.stop()
    for path in database.parent.glob(f"{DATABASE_FILE}*"):
        path.unlink()
    if state == "empty":
        database.touch()

    for command in ("serve", "migrate"):
        line = refused(tmp_path / "data", command)
        assert all(part in line for part in (str(database), state, "serve --new", GUIDE))
        assert not database.exists() or not database.read_bytes()
    with Process(tmp_path / "data", "--new") as service:
        make_key(service)
        service.stop()
    with Process(tmp_path / "data") as service:
        assert service.is_serving()


def test_an_empty_database_beside_a_secret_of_tokens_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / JWT_SECRET_FILE).write_text("a" * 64)
    (tmp_path / DATABASE_FILE).touch()

    assert JWT_SECRET_FILE in refused(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {JWT_SECRET_FILE, DATABASE_FILE}
    assert (tmp_path / DATABASE_FILE).read_bytes() == b""


@pytest.mark.parametrize("secret", [None, TICKET_SECRET_FILE])
@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_database_of_something_else_is_left_as_it_is(
    tmp_path: Path, command: str, secret: str | None
) -> None:
    database = tmp_path / DATABASE_FILE
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE notes (text)")
    connection.commit()
    connection.close()
    if secret is not None:
        (tmp_path / secret).touch(0o600)
        (tmp_path / secret).write_text("a" * 64)
    before = database.read_bytes()

    assert "another program" in refused(tmp_path, command)
    assert database.read_bytes() == before


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_damaged_database_is_refused_with_the_way_to_the_backup(
    data_dir: Path, command: str
) -> None:
    damage(data_dir / DATABASE_FILE, "inflows")

    line = refused(data_dir, command)

    assert all(part in line for part in (DATABASE_FILE, "is damaged", GUIDE))


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("DELETE FROM commits", "commits"),
        ("INSERT INTO alembic_version VALUES ('0001')", "alembic_version"),
        ("DELETE FROM alembic_version", "alembic_version"),
    ],
)
def test_a_database_that_lacks_or_repeats_what_there_is_once_is_refused_as_damaged(
    data_dir: Path, change: str, table: str, command: str
) -> None:
    connection = sqlite3.connect(data_dir / DATABASE_FILE)
    connection.execute(change)
    connection.commit()
    connection.close()

    line = refused(data_dir, command)

    assert all(part in line for part in ("is damaged", table, GUIDE))


def test_a_file_that_is_no_database_is_refused_with_the_way_to_the_backup(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"no database at all" * 1_000)

    assert GUIDE in refused(tmp_path)


def test_a_database_above_the_size_of_the_check_is_started_unchecked_and_that_is_told(
    data_dir: Path,
) -> None:
    damage(data_dir / DATABASE_FILE, "inflows")
    with Process(data_dir, check_megabytes_max="0") as service:
        assert "BOTTRADING_CHECK_MEGABYTES_MAX" in service.log.read_text()


def trade(service: Process, orders: int) -> None:
    """Place orders one after another: each is a transaction."""
    metadata = (("x-bot-key", make_key(service)),)
    request = bot_trading_pb2.PlaceOrderRequest(
        symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01"
    )
    with channel(service.grpc) as opened:
        stub = bot_trading_pb2_grpc.BotTradingStub(opened)
        for _ in range(orders):
            stub.PlaceOrder(request, metadata=metadata)


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_after_a_write_ahead_log_is_lost_or_damaged_a_start_tells_how_much_is_missing(
    data_dir: Path, how: str
) -> None:
    database = data_dir / DATABASE_FILE
    log = data_dir / f"{DATABASE_FILE}-wal"
    with Process(data_dir, orders_per_minute="0") as service:
        trade(service, 20)
        engine = service.engine()
        os.kill(engine, signal.SIGSTOP)
        service.kill()
        os.kill(engine, signal.SIGKILL)
        wait_until_gone([engine])
    assert log.stat().st_size
    if how == "lost":
        log.unlink()
    else:
        # A frame after the header of the log: SQLite reads nothing from there on.
        with log.open("r+b") as file:
            file.seek(32 + 24 + 100)
            file.write(b"\xff" * 100)

    for _ in range(2):
        line = refused(data_dir)
        told = re.search(r"at least the last (\d+) of (\d+) transactions", line)
        assert told is not None, line
        assert int(told[2]) >= int(told[1]) > 20
        assert GUIDE in line
    mark_path(database).unlink()
    with Process(data_dir) as service:
        trade(service, 1)
        assert service.stop() == 0
    assert refused_not(data_dir)


def test_after_a_clean_stop_the_database_is_whole_without_its_write_ahead_log(
    data_dir: Path,
) -> None:
    database = data_dir / DATABASE_FILE
    with Process(data_dir, orders_per_minute="0") as service:
        trade(service, 5)
        assert service.stop() == 0
    for name in ("-wal", "-shm"):
        database.with_name(f"{DATABASE_FILE}{name}").unlink(missing_ok=True)

    assert refused_not(data_dir)


def test_an_older_copy_in_the_place_of_the_database_is_told(data_dir: Path, tmp_path: Path) -> None:
    database = data_dir / DATABASE_FILE
    copy = shutil.copy(database, tmp_path / "copy.sqlite")
    with Process(data_dir, orders_per_minute="0") as service:
        trade(service, 5)
        assert service.stop() == 0
    for path in data_dir.glob(f"{DATABASE_FILE}-*"):
        path.unlink()
    shutil.copy(copy, database)

    assert "transactions" in refused(data_dir)


def test_the_database_of_another_venue_is_taken_only_when_told_so(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with Process(tmp_path / name) as service:
            make_key(service)
            assert service.stop() == 0
    shutil.copy(tmp_path / "two" / DATABASE_FILE, tmp_path / "one" / DATABASE_FILE)

    assert all(part in refused(tmp_path / "one") for part in ("another", "--new", GUIDE))
    with Process(tmp_path / "one", "--new") as service:
        assert service.stop() == 0
    assert refused_not(tmp_path / "one")


def test_a_mark_that_was_torn_by_a_power_failure_says_nothing(data_dir: Path) -> None:
    mark_path(data_dir / DATABASE_FILE).write_bytes(b"0123456789abcdef 0000000000000")

    assert refused_not(data_dir)


@pytest.mark.parametrize("table", ["fills", "orders"])
def test_damage_that_shows_while_it_is_served_ends_the_service_with_a_status_of_its_own(
    tmp_path: Path, table: str
) -> None:
    data_dir = tmp_path / "data"
    with Process(data_dir) as service:
        key = (("x-bot-key", make_key(service)),)
        assert service.stop() == 0

    buy = bot_trading_pb2.PlaceOrderRequest(symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="1")
    with Process(data_dir) as service, channel(service.grpc) as line:
        damage(data_dir / DATABASE_FILE, table)
        stub = bot_trading_pb2_grpc.BotTradingStub(line)
        calls: dict[str, tuple[Any, Any]] = {
            "fills": (stub.ListFills, bot_trading_pb2.ListFillsRequest()),
            "orders": (stub.PlaceOrder, buy),
        }
        call, request = calls[table]
        with pytest.raises(grpc.RpcError) as refused:
            call(request, metadata=key)

        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert service.process.wait(20) == ExitStatus.DATABASE_DAMAGED
