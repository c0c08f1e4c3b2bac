"""The commands of README and guides work as pasted, and the page of settings is complete."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from server.config import Settings
from server.venue_settings import ENVIRONMENT_PREFIX
from tests.support.process import (
    POLL_SECONDS,
    START_SECONDS_MAX,
    Process,
    answers,
    free_port,
    make_key,
)

ROOT = Path(__file__).parents[2]


def block(language: str, holding: str, page: str = "README.md") -> str:
    """Return the one block of a page that holds a text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    [found] = (str(text) for text in blocks if holding in text)
    return found


def first_trade() -> str:
    return block("sh", "my-first-bot")


def pointed_at(service: Process, text: str) -> str:
    """Return a command for a service on other ports, with other data."""
    server, data_dir = f"{sys.executable} -m server", f"--data-dir {service.data_dir}"
    text = re.sub(r"(?<![\w/])\.venv/bin/python ", f"{sys.executable} ", text)
    text = re.sub(
        r"\.venv/bin/bottrading (open|token|account|report|verify|key \w+)",
        rf"{server} \1 {data_dir}",
        text,
    )
    text = text.replace(".venv/bin/bottrading", server)
    return text.replace("127.0.0.1:8080", service.rest).replace("127.0.0.1:50051", service.grpc)


def test_the_first_trade_works_as_pasted_over_rest_and_over_grpc(tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True) as service:
        shell = pointed_at(service, first_trade()).replace('KEY"\n', 'KEY"; echo\n')
        shell += "echo $KEY\n"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", shell],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            timeout=30,
        )
        python, key = (
            pointed_at(service, block("python", "place_order")),
            done.stdout.splitlines()[-1],
        )
        grpc = subprocess.run(
            [sys.executable, "-c", python],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            timeout=30,
            env=os.environ | {"KEY": key},
        )

    documents = re.findall(r"^\{.*", re.sub(r"\}\{", "}\n{", done.stdout), re.MULTILINE)
    order, portfolio = (json.loads(document) for document in documents)
    assert (order["status"], order["filled_quantity"]) == ("FILLED", "10.00000000")
    assert portfolio["positions"][0]["symbol"] == "AAPL"
    assert grpc.stdout.startswith("FILLED ")


def test_what_happens_is_followed_as_pasted_over_rest_and_over_grpc(tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True) as service:
        first = pointed_at(service, first_trade())
        followed = block("python", "order_updates", "docs/bot-authors.md")
        shell = subprocess.Popen(
            [
                "bash",
                "-euo",
                "pipefail",
                "-c",
                first + pointed_at(service, block("sh", "order-updates")),
            ],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        told = lines_until(shell, "event: order_update")
        key = make_key(service, "me")
        python = subprocess.Popen(
            [sys.executable, "-uc", pointed_at(service, followed)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"KEY": key},
            start_new_session=True,
        )
        updates = lines_until(python, "3 ")

    assert "event: subscribed" in told
    assert updates == [
        "2 ACCEPTED AAPL",
        "3 FILLED AAPL",
    ]


def test_the_configuration_of_an_agent_is_printed_as_pasted(tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True) as service:
        shown = block("sh", "mcp").removeprefix("make setup-mcp\n")
        key = make_key(service)
        target = {"BOTTRADING_TARGET": service.grpc}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", pointed_at(service, shown)],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=os.environ | target | {"KEY": key},
        )

    [server] = json.loads(done.stdout)["mcpServers"].values()
    assert server["env"]["BOTTRADING_BOT_KEY"] == key


def test_an_account_is_looked_at_as_pasted(tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True) as service:
        shown = block("sh", "report.html", "docs/bot-authors.md")
        trade, look = pointed_at(service, first_trade()), pointed_at(service, shown)
        drawn = look.removeprefix("make setup-report\n").replace(
            "report.html", str(tmp_path / "report.html")
        )
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", trade + drawn],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            timeout=30,
        )

    assert "<td>BUY</td><td>AAPL</td><td>10</td>" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("option", "label", "ports", "told"),
    [
        ("--replay-speed", "replay", ("50052", "8081"), {"orders": None, "requests": None}),
        (
            "--replay-clock",
            "step",
            ("50056", "8085"),
            {"time": "2025-01-01T00:00:00Z", "ended": False, "events": []},
        ),
    ],
)
@pytest.mark.timeout(120)
def test_a_replay_as_pasted_runs_beside_the_service(
    tmp_path: Path, option: str, label: str, ports: tuple[str, str], told: dict[str, Any]
) -> None:
    """Its ports and its data are its own; its rate limits are lifted."""
    serve, use = (block("sh", it, "docs/replay.md") for it in (option, f"--label {label}"))
    with Process(tmp_path / "data", rest=True) as beside:
        grpc_port, rest_port = (f"127.0.0.1:{free_port()}" for _ in range(2))

        def pasted(text: str) -> str:
            text = text.removeprefix("make setup-exchange\n").replace(
                f"127.0.0.1:{ports[0]}", grpc_port
            )
            text = text.replace(f"127.0.0.1:{ports[1]}", rest_port)
            text = text.replace(f"data-{label}", str(tmp_path / "data-beside"))
            return text.replace(".venv/bin/bottrading", f"{sys.executable} -m server")

        assert "127.0.0.1:50051" not in serve
        assert "127.0.0.1:8080" not in serve
        with (tmp_path / "log").open("w") as log:
            replay = subprocess.Popen(
                ["bash", "-c", f"{pasted(serve).rstrip()} & echo $!; wait"],
                cwd=ROOT,
                stderr=log,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + START_SECONDS_MAX
            while not answers(f"http://{rest_port}/readyz"):
                assert replay.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                time.sleep(POLL_SECONDS)
            used = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", pasted(use)],
                capture_output=True,
                text=True,
                check=True,
                cwd=ROOT,
                timeout=30,
            )
            assert beside.is_serving()
        finally:
            os.killpg(replay.pid, signal.SIGTERM)
            replay.communicate(timeout=30)

    answer = json.loads(used.stdout)
    assert {name: answer[name] for name in told} == told


def lines_until(process: "subprocess.Popen[str]", last: str) -> list[str]:
    """Return what a process that goes on for ever prints up to a line; end it."""
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith(last):
                break
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return lines


def test_every_setting_is_in_its_page_with_its_default() -> None:
    page = (ROOT / "docs/settings.md").read_text()
    row = rf"^\| `{ENVIRONMENT_PREFIX}(\w+)` \|(?:.*?\|){{2}} (.*?) ?\|"
    rows = dict(re.findall(row, page, re.MULTILINE))

    assert [name.lower() for name in rows] == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "", ()) else str(field.default)
        shown = default.lower() if default in ("True", "False") else default
        assert rows[name.upper()].strip("`") == shown, name
