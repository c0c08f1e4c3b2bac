"""The bots that use the service directly, as their users run them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.process import Process, make_key

ROOT = Path(__file__).parents[2]
HEARTBEAT = timedelta(seconds=15)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("service") / "data", rest=True) as service:
        yield service


def run(service: Process, *command: str) -> list[str]:
    """Return the lines that a bot prints on an account of its own."""
    environment = {
        "BOTTRADING_BOT_KEY": make_key(service, command[0]),
        "BOTTRADING_TARGET": service.grpc,
        "BOTTRADING_REST_URL": f"http://{service.rest}",
    }
    done = subprocess.run(
        command,
        env=os.environ | environment,
        cwd=ROOT,
        timeout=30,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.splitlines()


def test_the_bot_in_python_trades(service: Process) -> None:
    lines = run(service, sys.executable, "examples/direct/bot.py")

    assert lines[:2] == ["2 ACCEPTED 0.00000000", "3 FILLED 2.00000000"]
    assert re.fullmatch(r"FILLED \d+\.\d{8} None", lines[2])
    assert re.fullmatch(r"OPEN \d+\.\d{8} CANCELLED", lines[3])
    assert lines[4] == "LIMIT_PRICE_REQUIRED limit_price is required for LIMIT orders"
    assert lines[5].startswith("equity 9999")
    assert lines[6].startswith("AAPL 2.00000000 ")


def test_the_bot_in_curl_trades(service: Process) -> None:
    """It leaves the stream when its order is done, not when the stream says the next thing."""
    replayed, update, cancelled, error, portfolio = map(
        json.loads, run(service, "sh", "examples/direct/bot.sh")
    )

    assert replayed["replayed"] is True
    assert (update["type"], update["order"]["id"]) == ("FILLED", replayed["id"])
    bought, went_on = (
        datetime.fromisoformat(order["created_at"]) for order in (replayed, cancelled)
    )
    assert went_on - bought < HEARTBEAT
    assert (cancelled["status"], cancelled["limit_price"]) == ("CANCELLED", "1.00000000")
    assert error["error"]["reason"] == "LIMIT_PRICE_REQUIRED"
    assert portfolio["positions"][0]["quantity"] == "2.00000000"


def test_the_bot_in_curl_ends_where_it_may_not_trade(service: Process) -> None:
    environment = {
        "BOTTRADING_BOT_KEY": "tvt_unknown",
        "BOTTRADING_REST_URL": f"http://{service.rest}",
    }
    done = subprocess.run(
        ["sh", "examples/direct/bot.sh"],
        env=os.environ | environment,
        cwd=ROOT,
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["reason"] == "BOT_KEY_INVALID"
