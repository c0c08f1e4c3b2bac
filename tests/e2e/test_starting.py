"""Starting `bottrading serve`: what it refuses, and what it must tolerate."""

import os
import re
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bottrading.v1 import (
    bot_trading_pb2,
    bot_trading_pb2_grpc,
    key_management_pb2,
    key_management_pb2_grpc,
    order_pb2,
)
from tests.support.process import Process, channel, free_port, make_key


def run(
    *arguments: str, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        env=os.environ | (environment or {}),
    )


@pytest.mark.parametrize("shared", ["data directory", "database", "grpc port", "rest port"])
def test_a_second_server_on_the_same_data_or_port_says_so_and_exits(
    tmp_path: Path, shared: str
) -> None:
    with Process(tmp_path / "one", rest=True) as first:
        data = "one" if shared == "data directory" else "two"
        grpc_address = first.grpc if shared == "grpc port" else f"127.0.0.1:{free_port()}"
        rest_address = first.rest if shared == "rest port" else f"127.0.0.1:{free_port()}"
        second = run(
            "serve",
            "--data-dir",
            str(tmp_path / data),
            "--grpc",
            grpc_address,
            "--rest",
            rest_address,
            *(
                ["--database", f"sqlite:///{tmp_path}/one/bottrading.sqlite"]
                if shared == "database"
                else []
            ),
        )

        assert second.returncode == 2
        assert second.stdout == ""
        assert re.fullmatch(r"bottrading: .+\n", second.stderr)
        assert first.is_serving()


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--market", "real"],
        ["serve", "--grpc", "localhost"],
        ["serve", "--grpc", "0.0.0.0:50051"],
        ["serve", "--rest", "0.0.0.0:8080"],
        ["serve", "--database", "mysql://x"],
        ["serve", "--database", "sqlite:///:memory:"],
        ["serve", "--seed", str(2**70)],
        ["serve", "--seed", "many"],
        ["serve", "--nothing"],
        ["token", "ada", "--plan", "Gold"],
        ["token"],
        ["nothing"],
        ["token", "ada", "--ttl", "0"],
        ["token", "ada", "--ttl", "90000"],
        ["token", ""],
    ],
)
def test_a_bad_setting_is_one_clear_line_and_exit_status_2(
    tmp_path: Path, arguments: list[str]
) -> None:
    done = run(*arguments, "--data-dir", str(tmp_path / "data"))

    assert done.returncode == 2
    assert re.fullmatch(r"bottrading: .+\n", done.stderr)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("market.secret", None),
        ("bottrading.sqlite", None),
        ("universe.toml", "UNIVERSE_FILE"),
        ("missing.toml", "UNIVERSE_FILE"),
        ("keys.json", "JWT_JWKS"),
        ("missing.json", "JWT_JWKS"),
    ],
)
def test_a_broken_file_is_one_clear_line_and_exit_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, setting: str | None
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if "missing" not in name:
        (data / name).write_text("This is not what it should be. " * 100)
    if setting is not None:
        monkeypatch.setenv(f"BOTTRADING_{setting}", str(data / name))

    done = run("serve", "--data-dir", str(data), "--grpc", f"127.0.0.1:{free_port()}", "--no-rest")

    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"bottrading: .+\n", done.stderr)


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    tokens = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "server",
                "token",
                "ada",
                "--data-dir",
                str(tmp_path / "data"),
            ],
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    printed = [process.communicate(timeout=30)[0] for process in tokens]

    with Process(tmp_path / "data") as service, channel(service.grpc) as opened:
        for token in printed:
            key_management_pb2_grpc.KeyManagementStub(opened).ListBotKeys(
                key_management_pb2.ListBotKeysRequest(),
                metadata=(("authorization", f"Bearer {token.decode().strip()}"),),
            )
    for name in ("jwt.secret", "bottrading.sqlite"):
        path = tmp_path / "data" / name
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f"{name}: {mode:o}"
    assert not list((tmp_path / "data").glob("jwt.secret?*"))


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path, empty_database: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "bottrading.sqlite"
    shutil.copy(empty_database, path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    done = run("serve", "--data-dir", str(tmp_path / "data"), "--grpc", f"127.0.0.1:{free_port()}")

    assert done.returncode == 2
    assert "9999" in done.stderr


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", run("--version").stdout)


def test_a_port_that_is_free_within_two_seconds_is_taken(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        service = Process(tmp_path / "data", "--grpc", f"127.0.0.1:{port}", wait=False)
        service.grpc = f"127.0.0.1:{port}"
        with service:
            holder.close()
            service.wait_until_ready()


def test_what_lies_in_the_working_directory_is_never_run(tmp_path: Path) -> None:
    """A folder named like one of our own packages is common, and may be a stranger's."""
    decoy = tmp_path / "cwd" / "server"
    decoy.mkdir(parents=True)
    for name in ("__init__.py", "processes.py"):
        (decoy / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    command = str(Path(sys.executable).with_name("bottrading"))
    with Process(tmp_path / "data", command=[command], cwd=decoy.parent) as service:
        assert service.is_serving()
        assert service.stop() == 0
    assert not (tmp_path / "ran").exists()


def test_any_name_may_be_that_of_the_data_directory(tmp_path: Path) -> None:
    name = "a?b%41#c ü"
    with Process(tmp_path / name) as service:
        make_key(service)
        assert service.stop() == 0
    assert (tmp_path / name / "bottrading.sqlite").exists()
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}.log"}


def test_an_instrument_in_use_cannot_be_left_out_of_the_universe(tmp_path: Path) -> None:
    universe = tmp_path / "universe.toml"
    line = 'AAPL = { name = "a", level = 100.00, annual_volatility = 0.3, spread_bps = 1.0 }\n'
    universe.write_text(f"[STOCK]\n{line}{line.replace('AAPL', 'ZZZ')}")
    with Process(tmp_path / "data", universe_file=str(universe)) as service:
        metadata = (("x-bot-key", make_key(service)),)
        request = bot_trading_pb2.PlaceOrderRequest(
            symbol="ZZZ", side=order_pb2.SIDE_BUY, quantity="1"
        )
        with channel(service.grpc) as opened:
            bot_trading_pb2_grpc.BotTradingStub(opened).PlaceOrder(request, metadata=metadata)
        assert service.stop() == 0
    universe.write_text(f"[STOCK]\n{line}")

    done = run(
        "serve",
        "--data-dir",
        str(tmp_path / "data"),
        "--grpc",
        f"127.0.0.1:{free_port()}",
        "--no-rest",
        environment={"BOTTRADING_UNIVERSE_FILE": str(universe)},
    )
    assert (done.returncode, "ZZZ" in done.stderr) == (2, True), done.stderr
