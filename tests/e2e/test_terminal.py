"""What `bottrading serve` shows: text for people at a terminal, JSON for programs."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from server.config import Settings
from server.domain.values import SECOND
from server.processes.announcing import tell_share
from server.processes.starting import check_market
from server.storage.migrate import bring_up_to_date
from tests.support.process import Process, free_port, make_key

ESCAPE = "\x1b["
REPLAYED = (
    "time,symbol,bid,bid_size,ask,ask_size\n"
    "2025-01-02T15:00:00Z,AAPL,250,100,251,100\n"
    "2025-01-03T15:00:00Z,AAPL,252,100,253,100\n"
)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def call_rest(service: Process, key: str) -> httpx.Response:
    return httpx.get(f"http://{service.rest}/api/v1/bot/account", headers={"X-Bot-Key": key})


def test_a_terminal_shows_steps_a_summary_and_a_line_for_each_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    metrics = f"127.0.0.1:{free_port()}"
    with Process(tmp_path / "data", "--metrics", metrics, rest=True, terminal=True) as service:
        service.wait_until_told("Next, in a second terminal")
        assert call_rest(service, make_key(service)).status_code == 200
        unknown = call_rest(service, "tvt_x")
        shown = service.wait_until_told(unknown.headers["x-request-id"])
        for address in (f"http://{service.rest}/docs", f"http://{metrics}/metrics"):
            assert httpx.get(address).status_code == 200
            assert address in shown

    told = plain(shown)
    steps, summary, calls = re.split(r"\n\n(?=BotTrading|\d\d:)", told, maxsplit=2)
    assert [line.split("Starting: ")[1] for line in steps.splitlines() if "Starting" in line] == [
        f"the database {service.data_dir}/bottrading.sqlite",
        "the market, simulated",
        "the engine",
        "the REST bridge",
    ]
    rows = dict(re.findall(r"^  (\w+) +(\S.*)$", summary, re.MULTILINE))
    assert rows["REST"] == f"http://{service.rest}/api/trade/v1/bot"
    assert (rows["gRPC"], rows["data"]) == (service.grpc, str(service.data_dir))
    assert rows["market"] == "simulated, always open"
    assert f"bottrading key create --label my-first-bot --data-dir {service.data_dir}" in summary
    made, read, refused = calls.splitlines()[:3]
    assert re.fullmatch(r"\d\d:\d\d:\d\d call   CreateBotKey +OK \d+\.\d ms", made)
    assert re.fullmatch(r"\d\d:\d\d:\d\d call   GetAccount +OK \d+\.\d ms", read)
    assert re.fullmatch(r"\d\d:\d\d:\d\d call   GetAccount +BOT_KEY_INVALID \d+\.\d ms .+", refused)
    assert f"{ESCAPE}32mOK" in shown
    assert f"{ESCAPE}33mBOT_KEY_INVALID" in shown
    now = datetime.now(ZoneInfo("Asia/Tokyo"))
    assert made[:5] in {f"{now - timedelta(minutes=ago):%H:%M}" for ago in (0, 1, 2)}


def test_errors_stand_out_on_a_terminal_and_the_summary_comes_once(tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True, terminal=True) as service:
        service.wait_until_told("is ready")
        os.kill(service.engine(), signal.SIGKILL)
        shown = service.wait_until_told("Ready again")
        assert service.stop() == 0

    assert f"{ESCAPE}1;31mERROR The engine ended; starting it again.{ESCAPE}0m" in shown
    assert shown.count("Next, in a second terminal") == 1
    assert "Stopping as soon as the calls in flight have finished" in service.log.read_text()


def test_a_pipe_gets_one_json_object_a_line_from_every_process(tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True) as service:
        service.wait_until_told("Ready: ")
        assert call_rest(service, make_key(service)).status_code == 200
        os.kill(service.engine(), signal.SIGKILL)
        service.wait_until_told("Ready again")
        assert service.stop() == 0

    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    logged = [line for line in lines if line["event"] == "log"]
    assert all(
        line.keys() == {"time", "event", "process", "level", "message"}
        and abs(line["time"] - time.time()) < 600
        for line in logged
    )
    said = [(line["process"], line["level"], line["message"]) for line in logged]
    assert ("bridge", "INFO", f"REST is running on http://{service.rest}") in said
    assert ("front", "ERROR", "The engine ended; starting it again.") in said
    assert f"REST http://{service.rest}/api/trade/v1/bot, gRPC {service.grpc}" in said[1][2]
    calls = [line for line in lines if line["event"] == "call"]
    assert [call["method"] for call in calls] == ["CreateBotKey", "GetAccount"]
    assert calls[0].keys() == {
        "time",
        "event",
        "method",
        "code",
        "reason",
        "ms",
        "request_id",
        "account_id",
        "bot_key_id",
    }


def test_a_data_directory_that_is_gone_is_one_line_without_traceback(tmp_path: Path) -> None:
    with Process(tmp_path / "data") as service:
        service.wait_until_told("Ready: ")
        service.data_dir.rename(tmp_path / "away")
        service.wait_until_told("could not be refreshed")
        (tmp_path / "away").rename(service.data_dir)
        assert service.stop() == 0

    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    faults = [line for line in lines if line.get("level") in ("WARNING", "ERROR")]
    assert "The leaderboard could not be refreshed. (SQLITE_CANTOPEN)" in [
        fault["message"] for fault in faults
    ]
    for fault in faults:
        assert "traceback" not in fault
        assert not re.search(r"\n|SQL:|SELECT", fault["message"])


@pytest.mark.parametrize(
    ("terminal", "wished", "variables", "is_json"),
    [
        (True, "json", {}, True),
        (True, "auto", {"NO_COLOR": "1"}, False),
        (True, "text", {"TERM": "dumb"}, False),
        (False, "text", {}, False),
    ],
)
def test_the_format_is_chosen_by_option_and_colours_by_the_terminal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    terminal: bool,
    wished: str,
    variables: dict[str, str],
    is_json: bool,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    options: dict[str, Any] = {"rest": True, "terminal": terminal}
    with Process(tmp_path / "data", "--log-format", wished, **options) as service:
        make_key(service)
        shown = service.wait_until_told("CreateBotKey")

    assert ESCAPE not in shown
    if is_json:
        assert {json.loads(line)["event"] for line in shown.splitlines()} == {"log", "call"}
    else:
        assert re.search(r"call   CreateBotKey +OK", shown)
        assert re.search(r"bridge REST is running on http", shown)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_replay_tells_how_far_it_is_and_that_it_has_ended(
    tmp_path: Path, *, terminal: bool
) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text(REPLAYED)
    settings: dict[str, Any] = {
        "market": "replay",
        "replay_file": str(path),
        "replay_speed": "10000",
    }
    with Process(
        tmp_path / "data", "--sessions", "always-open", terminal=terminal, **settings
    ) as service:
        shown = service.wait_until_told("The replay has ended")

    assert re.search(
        r"replay of quotes\.csv, 2025-01-02 15:00 UTC to 2025-01-03 15:00 UTC,"
        r" 10,000 times as fast as real time, always open",
        shown,
    )
    lines = re.findall(r"Replay: (2025-01-0. ..:..) UTC, (\d+)% played, about \d+ s left", shown)
    assert lines == sorted(lines)
    assert lines[-1] > ("2025-01-02 16:00", "0"), shown
    assert "The replay has ended: the time stands at 2025-01-03 15:00 UTC." in shown


def test_a_lock_step_replay_is_announced_as_one(tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text(REPLAYED)
    settings: dict[str, Any] = {
        "market": "replay",
        "replay_file": str(path),
        "replay_clock": "step",
    }
    with Process(
        tmp_path / "data", "--sessions", "always-open", terminal=True, **settings
    ) as service:
        shown = service.wait_until_told(r"replay of .*, always open")

    assert "UTC to 2025-01-03 15:00 UTC, in lock-step, always open" in shown


@pytest.mark.parametrize("setting", ["grpc", "rest", "metrics"])
def test_a_busy_port_is_one_line_that_says_who_may_hold_it_and_what_changes_it(
    tmp_path: Path, setting: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        addresses = {name: f"127.0.0.1:{free_port()}" for name in ("grpc", "rest", "metrics")}
        addresses[setting] = address
        options = [part for name, one in addresses.items() for part in (f"--{name}", one)]
        done = run("serve", "--data-dir", str(tmp_path / "data"), *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert_tells_of_a_busy_port(done.stderr, setting, address)


def test_a_busy_port_of_a_bridge_alone_is_the_same_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("bridge", "--target", "127.0.0.1:1", "--rest", address)

    assert (done.returncode, done.stdout) == (2, "")
    assert_tells_of_a_busy_port(done.stderr, "rest", address)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--rest", "192.0.2.1:1", "--insecure"],
            "rest: 192.0.2.1:1 is no address of this",
        ),
        (["--grpc", ""], "grpc: must be HOST:PORT"),
        (
            ["--grpc", "127.0.0.1:9", "--rest", "127.0.0.1:9"],
            "grpc and rest are both at 127",
        ),
        (["--log-format", "xml"], "log_format: "),
    ],
)
def test_an_address_that_cannot_be_right_is_one_line(
    tmp_path: Path, options: list[str], told: str
) -> None:
    done = run("serve", "--data-dir", str(tmp_path / "data"), "--grpc", "127.0.0.1:0", *options)

    assert done.returncode == 2
    assert re.fullmatch(rf"bottrading: .*{told}.*\n", done.stderr), done.stderr


def assert_tells_of_a_busy_port(told: str, setting: str, address: str) -> None:
    assert re.fullmatch(
        rf"bottrading: {setting}: {address} is in use, perhaps by a BotTrading that runs already"
        rf" .*--{setting} HOST:PORT or BOTTRADING_{setting.upper()}\n",
        told,
    ), told


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def test_a_long_file_is_told_by_how_much_of_it_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, seconds = tmp_path / "long.csv", itertools.count()
    begun = datetime(2025, 1, 1, tzinfo=UTC)
    with path.open("w") as file:
        file.write("time,symbol,bid,bid_size,ask,ask_size\n")
        for number in range(110_000):
            moment = begun + timedelta(seconds=number)
            file.write(f"{moment:%Y-%m-%dT%H:%M:%SZ},BTC-USD,90000,1,90001,1\n")
    settings = Settings(
        data_dir=tmp_path / "data",
        market="replay",
        replay_file=path,
        sessions="always-open",
        log_format="text",
    )
    settings.data_dir.mkdir()
    bring_up_to_date(settings.location)
    caplog.set_level("INFO")

    check_market(settings, tell_share(settings, lambda: next(seconds) * SECOND))

    told = re.findall(rf"Starting: (\d+)% of {path} is read", caplog.text)
    assert told == sorted(told, key=int)
    assert 2 <= len(told) <= 4
    assert tell_share(settings.model_copy(update={"log_format": "json"})) is None
