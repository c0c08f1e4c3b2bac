"""The other commands and the operator's page, as their users run them."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.storage.migrate import NEWEST_REVISION
from tests.support.process import (
    POLL_SECONDS,
    START_SECONDS_MAX,
    Process,
    bridge,
    free_port,
)


def test_a_bridge_runs_apart_and_follows_its_server(tmp_path: Path) -> None:
    with Process(tmp_path / "data") as service, bridge(service.grpc) as url:
        assert httpx.get(f"{url}/readyz").status_code == 200
        token = service.token("ada")
        made = httpx.post(
            f"{url}/api/v1/bot/keys",
            headers={"Authorization": f"Bearer {token}"},
            json={"label": "bot"},
        )
        assert made.status_code == 201

        assert service.stop() == 0
        assert httpx.get(f"{url}/readyz").status_code == 503
        away = httpx.get(f"{url}/api/v1/bot/account", headers={"X-Bot-Key": made.json()["key"]})
        assert (away.status_code, away.json()["type"]) == (503, "service_unavailable")
        assert int(away.headers["Retry-After"]) >= 1


def test_the_operators_page_counts_calls_by_method_status_and_reason(tmp_path: Path) -> None:
    metrics = f"127.0.0.1:{free_port()}"
    with Process(tmp_path / "data", rest=True, metrics=metrics) as service:
        for _ in range(3):
            httpx.get(f"http://{service.rest}/api/v1/bot/account", headers={"X-Bot-Key": "tvt_x"})
        deadline = time.monotonic() + START_SECONDS_MAX
        labels = {"method": "GetAccount", "code": "UNAUTHENTICATED", "reason": "BOT_KEY_INVALID"}
        while _counted(metrics, labels) < 3:
            assert time.monotonic() < deadline
            time.sleep(POLL_SECONDS)
        assert _counted(metrics, labels) == 3
        assert "tvt_" not in httpx.get(f"http://{metrics}/metrics").text
        foreign = httpx.get(f"http://{metrics}/metrics", headers={"Host": "evil.example"})
        assert (foreign.status_code, "BOTTRADING_HOSTS" in foreign.text) == (421, True)


def test_a_database_is_brought_up_to_date_by_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server", "migrate", "--data-dir", str(tmp_path / "data")]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        assert done.stdout.endswith(f": schema {NEWEST_REVISION}\n")


@pytest.mark.parametrize(
    ("words", "setting"), [([b"ad\xe9"], "subject"), (["ada", "--name", b"Ad\xe9"], "name")]
)
def test_a_token_is_not_made_for_text_that_no_service_would_take(
    tmp_path: Path, words: list[str | bytes], setting: str
) -> None:
    command = [sys.executable, "-m", "server", "token", *words, "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"bottrading: {setting}: must be UTF-8\n"


def _counted(address: str, labels: dict[str, str]) -> float:
    text = httpx.get(f"http://{address}/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "bottrading_calls_total" and sample.labels == labels
    )
