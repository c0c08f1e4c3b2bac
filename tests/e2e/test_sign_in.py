"""The link that opens the page signed in: who prints it, where it works, and who never sees it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.process import Process

API = "/api/trade/v1/bot"
LINK = re.compile(r"(http://[\w.:]+/)#token=([\w.-]+)")


def opened(data_dir: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run `bottrading open`."""
    return subprocess.run(
        [sys.executable, "-m", "server", "open", "--data-dir", str(data_dir), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=40,
    )


def sign_in(service: Process, token: str) -> httpx.Response:
    return httpx.post(
        f"http://{service.rest}{API}/sign-in", headers={"Authorization": f"Bearer {token}"}, json={}
    )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("service") / "data", rest=True) as service:
        yield service


def test_a_link_is_printed_and_signs_in_once_over_rest(service: Process) -> None:
    done = opened(service.data_dir, "--person", "ada")
    link = LINK.fullmatch(done.stdout.strip())
    assert link is not None, done
    page, token = link.groups()
    first, second = sign_in(service, token), sign_in(service, token)
    session = {"Authorization": f"Bearer {first.json()['session_token']}"}
    accounts = httpx.get(f"http://{service.rest}{API}/accounts", headers=session)
    account = httpx.get(f"http://{service.rest}{API}/account", headers=session)

    assert page == f"http://{service.rest}/"
    assert httpx.get(page).status_code == 200
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-store")
    assert first.json().keys() == {"session_token", "expires_at"}
    assert accounts.json()[0]["bot_user_id"] == account.json()["bot_user_id"]
    assert second.status_code == 401
    assert second.json()["error"]["reason"] == "TOKEN_INVALID"
    assert "used already: `bottrading open` prints a new link" in second.json()["message"]
    assert second.headers["www-authenticate"].startswith("Bearer")


def test_nothing_that_the_service_writes_holds_a_token(tmp_path: Path) -> None:
    with Process(tmp_path / "data", "--log-format", "text", rest=True) as service:
        service.wait_until_told("is ready")
        token = opened(service.data_dir).stdout.strip().partition("#token=")[2]
        session = sign_in(service, token).json()["session_token"]
        assert sign_in(service, token).status_code == 401
        bearer = {"Authorization": f"Bearer {session}"}
        assert httpx.get(f"http://{service.rest}{API}/keys", headers=bearer).status_code == 200
        assert service.stop() == 0
    told = service.log.read_text()
    kept = b"".join(it.read_bytes() for it in service.data_dir.iterdir() if it.is_file())

    assert "SignIn" in told
    assert "#token" not in told, "a log is kept: only a terminal shows the link"
    for secret in (token, session):
        signature = secret.rpartition(".")[2]
        assert signature not in told
        assert signature.encode() not in kept


def test_a_terminal_ends_the_start_with_a_link(tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True, terminal=True) as service:
        shown = service.wait_until_told("prints another")
        told = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        link = LINK.search(told)
        assert link is not None, told
        answer = sign_in(service, link[2])

    assert link[1] == f"http://{service.rest}/"
    assert answer.status_code == 200
    assert told.rindex("Open http") > told.index("Next, in a second terminal")
    assert re.search(r"`?bottrading open --data-dir \S+`? prints another", told)
    assert f"  page      http://{service.rest}/" in told


@pytest.mark.parametrize(
    ("rest", "page"), [(False, "true"), (True, "false")], ids=["no rest", "off"]
)
def test_a_service_without_the_page_prints_no_link(
    tmp_path: Path, *, rest: bool, page: str
) -> None:
    with Process(tmp_path / "data", rest=rest, terminal=True, page=page) as service:
        told = service.wait_until_told("Next, in a second terminal")
        done = opened(service.data_dir)

    assert "#token" not in told
    assert (done.returncode, done.stdout) == (2, "")
    assert "the service has no page" in done.stderr


def test_without_a_service_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    with Process(tmp_path / "data") as service:
        assert service.stop() == 0
    for data_dir in (service.data_dir, tmp_path / "none"):
        done = opened(data_dir)

        assert (done.returncode, done.stdout) == (2, "")
        assert "no service answers on the data directory" in done.stderr
        assert "bottrading serve" in done.stderr


def test_a_link_of_another_services_secret_is_refused(service: Process, tmp_path: Path) -> None:
    with Process(tmp_path / "data", rest=True) as other:
        token = opened(other.data_dir).stdout.strip().partition("#token=")[2]
    refused = sign_in(service, token)

    assert (refused.status_code, refused.json()["error"]["reason"]) == (401, "TOKEN_INVALID")
