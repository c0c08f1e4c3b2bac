"""The packages as they are built and installed elsewhere, and what their README says."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bottrading_client import BotTradingClient
from tests.clients.stepped import replay
from tests.e2e.test_readme import lines_until
from tests.support.process import Process, make_key

ROOT = Path(__file__).parents[3]
README = (ROOT / "clients/python/README.md").read_text()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def bash(script: str, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | environment,
    )
    return done.stdout


@pytest.mark.timeout(300)
def test_both_wheels_are_installed_as_pasted_and_trade(tmp_path: Path, service: Process) -> None:
    bin_ = tmp_path / "venv/bin"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    install = blocks("sh")[0].replace("dist", str(tmp_path / "dist"))
    bash(install, PATH=f"{bin_}:{os.environ['PATH']}")

    script = (
        "import bottrading_client, sys; assert 'server' not in sys.modules;"
        "print(bottrading_client.BotTradingClient().place_order('AAPL', 'BUY', 1).status)"
    )
    environment = {
        "BOTTRADING_BOT_KEY": make_key(service, "far"),
        "BOTTRADING_TARGET": service.grpc,
    }
    done = subprocess.run(
        [str(bin_ / "python"), "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | environment,
    )
    assert done.stdout == "FILLED\n"
    listed = subprocess.check_output([str(bin_ / "pip"), "list", "--format=freeze"], text=True)
    assert not re.search(r"(?m)^bottrading==", listed), "the service is not needed"
    assert typed(tmp_path / "dist") == {"bottrading/py.typed", "bottrading_client/py.typed"}


def test_the_wheel_of_the_service_holds_no_generated_code(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, cwd=ROOT, capture_output=True)
    [wheel] = tmp_path.iterdir()

    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        assert "Requires-Dist: bottrading-proto" in archive.read(metadata).decode()
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"server", "rest_bridge"}


def test_a_key_is_made_as_pasted(service: Process) -> None:
    script = blocks("sh")[1].replace(".venv/bin/bottrading", f"{sys.executable} -m server")

    told = bash(
        script + "echo $BOTTRADING_BOT_KEY",
        BOTTRADING_TARGET=service.grpc,
        BOTTRADING_DATA_DIR=str(service.data_dir),
    )
    assert re.fullmatch(r"tvt_\w{36}\n", told)


@pytest.mark.parametrize(
    ("number", "last", "told"),
    [
        (0, "", r"FILLED \d+\.\d{8} None\n\S{36} 9999\.00000000\n\d+\.\d\d None\n"),
        (1, "3 ", r"1 OPENED\n2 ACCEPTED\n3 BUY 1\.00000000 at \d+\.\d{8}"),
        (2, "", r"FILLED \d+\.\d{8}\n\d+\.\d\d \d+\.\d\d\n"),
        (4, "", r"True .+ quantity\n"),
    ],
    ids=["trade", "follow", "asyncio", "what goes wrong"],
)
def test_what_the_readme_shows_works_as_pasted(
    service: Process, number: int, last: str, told: str
) -> None:
    key = make_key(service, f"reader {number}")
    environment = os.environ | {"BOTTRADING_BOT_KEY": key, "BOTTRADING_TARGET": service.grpc}
    if last:
        with BotTradingClient(key, service.grpc) as client:
            client.place_order("AAPL", "BUY", 1)
    python = subprocess.Popen(
        [sys.executable, "-uc", blocks("python")[number]],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    if last:
        shown = "\n".join(lines_until(python, last))
    else:
        shown, _ = python.communicate(timeout=30)
        assert python.returncode == 0
    assert re.fullmatch(told, shown), shown


def test_the_backtest_that_the_readme_shows_works_as_pasted(tmp_path: Path) -> None:
    with replay(tmp_path) as stepped:
        environment = {"BOTTRADING_BOT_KEY": make_key(stepped), "BOTTRADING_TARGET": stepped.grpc}
        done = subprocess.run(
            [sys.executable, "-c", blocks("python")[3]],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            env=os.environ | environment,
        )

    assert re.fullmatch(r"-?\d+\.\d+\n", done.stdout), done.stdout


def test_what_the_readme_shows_is_typed(tmp_path: Path) -> None:
    shown = [tmp_path / f"shown_{number}.py" for number in range(len(blocks("python")))]
    for path, text in zip(shown, blocks("python"), strict=True):
        path.write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "mypy", *map(str, shown)]

    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.startswith("Success"), done.stdout


def typed(wheels: Path) -> set[str]:
    names: list[str] = []
    for wheel in wheels.iterdir():
        with zipfile.ZipFile(wheel) as archive:
            names += archive.namelist()
    return {name for name in names if name.endswith("py.typed")}
