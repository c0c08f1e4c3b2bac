"""`bottrading key` beside a running service: what it prints, and when it refuses."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from bottrading.v1 import (
    bot_trading_pb2,
    bot_trading_pb2_grpc,
    key_management_pb2,
    key_management_pb2_grpc,
)
from tests.support.process import Process, channel

KEY = re.compile(r"tvt_[0-9A-Za-z]{36}\n")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


def bottrading(*arguments: str, data: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments, "--data-dir", str(data)],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
        env=os.environ | variables,
    )


def refused(*arguments: str, data: Path, **variables: str) -> str:
    """Return the one line of a command that refuses."""
    done = bottrading(*arguments, data=data, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"bottrading: .+\n", done.stderr)
    return done.stderr


def test_a_new_key_is_all_that_is_printed_and_it_trades(service: Process) -> None:
    done = bottrading("key", "create", "--label", "mine", "--person", "eve", data=service.data_dir)

    assert (done.returncode, done.stderr) == (0, "")
    assert KEY.fullmatch(done.stdout)
    with channel(service.grpc) as opened:
        answer = bot_trading_pb2_grpc.BotTradingStub(opened).GetAccount(
            bot_trading_pb2.GetAccountRequest(), metadata=(("x-bot-key", done.stdout.strip()),)
        )
    shown = bottrading("account", "--person", "eve", data=service.data_dir).stdout
    assert shown == f"{answer.account.bot_user_id}\n"


def test_a_key_is_fenced_as_wished_and_listed_as_rest_lists_it(service: Process) -> None:
    data = service.data_dir
    bottrading(
        "key",
        "create",
        "--label",
        "fenced",
        "--scope",
        "read",
        "--symbols",
        "SPY, AAPL",
        "--order-notional-max",
        "250.5",
        "--person",
        "ada",
        data=data,
    )
    [listed] = json.loads(bottrading("key", "list", "--person", "ada", data=data).stdout)

    assert listed["label"] == "fenced"
    assert listed["scopes"] == ["READ"]
    assert listed["allowed_symbols"] == ["AAPL", "SPY"]
    assert listed["order_notional_max"] == "250.50"
    assert (listed["revoked_at"], listed["prefix"][:4]) == (None, "tvt_")


def test_a_key_too_many_is_refused_with_the_command_that_makes_room(service: Process) -> None:
    data, create = service.data_dir, ("key", "create", "--person", "many keys", "--label")
    for number in range(5):
        assert bottrading(*create, f"{number}", data=data).returncode == 0
    told = refused(*create, "6", data=data)

    assert "allows 5 live bot keys" in told
    assert "The oldest is 0: revoke it with " in told
    command = re.findall("`(.*)`", told)[0]
    name, *words = shlex.split(command)
    assert name == "bottrading"
    subprocess.run([sys.executable, "-m", "server", *words], check=True, timeout=40)
    assert bottrading(*create, "6", data=data).returncode == 0
    keys = json.loads(bottrading("key", "list", "--person", "many keys", data=data).stdout)
    assert [key["label"] for key in keys] == ["6", "4", "3", "2", "1"]
    every = bottrading("key", "list", "--all", "--person", "many keys", data=data).stdout
    assert [key["label"] for key in json.loads(every) if key["revoked_at"]] == ["0"]


def test_a_revoked_key_opens_nothing_more(service: Process) -> None:
    data, person = service.data_dir, ("--person", "rue")
    key = bottrading("key", "create", "--label", "x", *person, data=data).stdout.strip()
    [listed] = json.loads(bottrading("key", "list", *person, data=data).stdout)
    done = bottrading("key", "revoke", listed["id"], *person, data=data)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with channel(service.grpc) as opened, pytest.raises(grpc.RpcError) as error:
        bot_trading_pb2_grpc.BotTradingStub(opened).GetAccount(
            bot_trading_pb2.GetAccountRequest(), metadata=(("x-bot-key", key),)
        )
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert bottrading("key", "list", *person, data=data).stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create"], "Missing option '--label'"),
        (["create", "--label", ""], "`label` is required"),
        (["create", "--label", "x", "--scope", "write"], "'write' is not one of 'trade', 'read'"),
        (["create", "--label", "x", "--symbols", "AAPL,NOPE"], '"NOPE" is no known symbol'),
        (["create", "--label", "x", "--order-notional-max", "-1"], "`order_notional_max` must be"),
        (["create", "--label", "x", "--person", ""], "subject: must have 1 to 255 characters"),
        (["revoke", "12"], "no such bot key. `bottrading key list --data-dir"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    service: Process, arguments: list[str], told: str
) -> None:
    assert told in refused("key", *arguments, data=service.data_dir)


def test_without_a_service_the_command_that_starts_it_is_told_and_nothing_is_made(
    tmp_path: Path,
) -> None:
    told = refused("key", "create", "--label", "x", data=tmp_path / "none")

    assert f"start one with `bottrading serve --data-dir {tmp_path}/none`" in told
    assert not (tmp_path / "none").exists()


def test_a_service_that_was_killed_is_said_to_be_gone(tmp_path: Path) -> None:
    with Process(tmp_path / "data") as service:
        service.kill()
        assert "no service answers" in refused("key", "list", data=service.data_dir)


def test_a_person_who_is_known_keeps_name_and_plan(service: Process) -> None:
    with channel(service.grpc) as opened:
        stub = key_management_pb2_grpc.KeyManagementStub(opened)
        options = ("--name", "Ada L.", "--plan", "Professional", "--operator")
        token = bottrading("token", "pro", *options, data=service.data_dir).stdout.strip()
        bearer = (("authorization", f"Bearer {token}"),)
        stub.ListAccounts(key_management_pb2.ListAccountsRequest(), metadata=bearer)
        made = bottrading("key", "create", "--label", "x", "--person", "pro", data=service.data_dir)
        key = (("x-bot-key", made.stdout.strip()),)
        account = (
            bot_trading_pb2_grpc.BotTradingStub(opened)
            .GetAccount(bot_trading_pb2.GetAccountRequest(), metadata=key)
            .account
        )

    assert (account.display_name, account.plan) == ("Ada L.", "Professional")


@pytest.mark.parametrize(
    ("told", "stands"),
    [
        ((), ("Grace H.", "Professional")),
        (("--name", "Grace"), ("Grace", "Professional")),
        (("--plan", "Free"), ("Grace H.", "Free")),
    ],
    ids=str,
)
def test_a_token_changes_of_a_person_only_what_it_was_told(
    service: Process, told: tuple[str, ...], stands: tuple[str, str]
) -> None:
    with channel(service.grpc) as opened:
        stub = key_management_pb2_grpc.KeyManagementStub(opened)
        for options in (("--name", "Grace H.", "--plan", "Professional", "--operator"), told):
            made = bottrading("token", f"grace {told}", *options, data=service.data_dir)
            bearer = (("authorization", f"Bearer {made.stdout.strip()}"),)
            accounts = stub.ListAccounts(
                key_management_pb2.ListAccountsRequest(), metadata=bearer
            ).accounts
        with pytest.raises(grpc.RpcError) as error:
            stub.Deposit(key_management_pb2.DepositRequest(), metadata=bearer)

    assert (accounts[0].display_name, accounts[0].plan) == stands
    assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED, "an operator says so each time"


def test_a_token_of_a_database_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bottrading.sqlite").write_text("This is no database. " * 100)

    assert "bottrading.sqlite: SQLITE_NOTADB" in refused("token", "ada", data=tmp_path)


def test_a_token_that_the_service_does_not_take_is_explained(service: Process) -> None:
    told = refused("key", "list", data=service.data_dir, BOTTRADING_JWT_ISSUER="somebody else")

    assert "BOTTRADING_JWT_… settings of the service" in told


def test_the_service_is_found_though_the_name_of_its_directory_can_be_no_address(
    tmp_path: Path,
) -> None:
    with Process(tmp_path / "a?b%41#c ü") as service:
        done = bottrading("key", "create", "--label", "x", data=service.data_dir)
        assert KEY.fullmatch(done.stdout), done.stderr
        assert service.stop() == 0
    assert not (service.data_dir / "front.sock").is_symlink()


def test_a_person_reads_a_table_and_what_became_of_the_key(service: Process) -> None:
    data = service.data_dir
    made = on_a_terminal("key", "create", "--label", "[x]", "--person", "tom", data=data)
    shown = on_a_terminal("key", "list", "--person", "tom", data=data)

    assert "([x]) of tom is made. It is shown only now." in made
    [head, row] = shown.splitlines()
    assert [word for word in ("label", "opens", "id") if word in head] == ["label", "opens", "id"]
    assert re.match(r"\[x\] +tvt_\w{4}… +TRADE READ +never +[0-9a-f-]{36}", row)


def on_a_terminal(*arguments: str, data: Path) -> str:
    """Return what a command shows on a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb", buffering=0) as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "server", *arguments, "--data-dir", str(data)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"},
        )
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as screen:
        try:
            while part := screen.read(4096):
                shown += part
        except OSError:
            """The terminal's other end is closed."""
    assert process.wait(20) == 0
    return shown.decode()
